"""Endpoints of webhooks, and the messages that they do not have yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases, firms, webhook_deliveries, webhooks
from casedial.domain.webhooks import Delivery, Queued, Standing, Webhook

OF_NO_CASE = 0  # in the place of a CaseID
_SHOWN = 20  # of messages with an error

_rows, _queue = webhooks.c, webhook_deliveries.c
_WAITS = _queue.dead_at.is_(None)


def _webhook_from(row: Any) -> Webhook:
    old = (row.old_secret,) if row.old_secret is not None else ()
    return Webhook(
        row.id,
        row.firm_id,
        row.url,
        None if row.kinds is None else frozenset(row.kinds),
        row.cursor,
        (row.secret, *old),
        row.old_until,
        row.made_at,
        row.disabled_at,
        row.failing_since,
        row.error,
        row.error_at,
        row.delivered_at,
        row.delivered,
    )


def _delivery_from(row: Any) -> Delivery:
    queued = Queued(row.message, row.kind, row.case_id or None, row.happened_at, row.body)
    return Delivery(
        row.id,
        row.webhook_id,
        queued,
        row.queued_at,
        row.attempts,
        row.next_at,
        row.error,
        row.tried_at,
        row.dead_at,
    )


async def add(
    tx: Transaction, firm_id: int, url: str, kinds: frozenset[str] | None, secret: bytes, cursor: str, now: datetime
) -> int:
    """Store an endpoint, which wants what comes behind a place in the feed; return its id."""
    values = {"firm_id": firm_id, "url": url, "kinds": None if kinds is None else sorted(kinds)}
    row = {**values, "secret": secret, "cursor": cursor, "made_at": now}
    return int((await tx.execute(webhooks.insert().values(row).returning(_rows.id))).scalar_one())


async def every(tx: Transaction, firm_id: int | None = None) -> tuple[list[tuple[Webhook, str]], list[int]]:
    """Return all endpoints, or a firm's, each with the firm's name; and the ids of those that cannot be read."""
    query = sa.select(*webhooks.c, firms.c.name.label("firm_name")).join_from(webhooks, firms).order_by(_rows.id)
    if firm_id is not None:
        query = query.where(_rows.firm_id == firm_id)
    return await tx.apart(query, None, lambda row: (_webhook_from(row), row.firm_name))


async def enabled(tx: Transaction) -> tuple[list[Webhook], list[int]]:
    """Return the endpoints that want messages; and the ids of those that cannot be read."""
    query = webhooks.select().where(_rows.disabled_at.is_(None)).order_by(_rows.id)
    return await tx.apart(query, None, _webhook_from)


async def count(tx: Transaction, firm_id: int) -> int:
    """Return how many endpoints a firm has."""
    query = sa.select(sa.func.count()).select_from(webhooks).where(_rows.firm_id == firm_id)
    return int((await tx.execute(query)).scalar_one())


async def find(tx: Transaction, webhook_id: int, lock: bool = False) -> Webhook | None:
    """Return an endpoint, or None; held until the end of the transaction where it is to be."""
    query = webhooks.select().where(_rows.id == webhook_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return _webhook_from(row) if row else None


async def change(tx: Transaction, webhook_id: int, values: Mapping[str, Any]) -> None:
    """Set columns of an endpoint."""
    await tx.execute(webhooks.update().where(_rows.id == webhook_id).values(values))


async def remove(tx: Transaction, webhook_id: int) -> None:
    """Delete an endpoint with all that it does not have."""
    await tx.execute(webhook_deliveries.delete().where(_queue.webhook_id == webhook_id))
    await tx.execute(webhooks.delete().where(_rows.id == webhook_id))


# What waits


async def put_in_line(tx: Transaction, webhook: Webhook, messages: Sequence[Queued], clock: datetime) -> None:
    """Store messages for an endpoint that this transaction holds, in their order; they are due at once."""
    rows = [
        {
            "webhook_id": webhook.id,
            "firm_id": webhook.firm_id,
            "case_id": one.case_id or OF_NO_CASE,
            "message": one.message,
            "kind": one.kind,
            "happened_at": one.happened_at,
            "body": one.body,
            "queued_at": clock,
            "attempts": 0,
            "next_at": clock,
        }
        for one in messages
    ]
    if rows:
        await tx.execute(webhook_deliveries.insert(), rows)


async def take_back(tx: Transaction, firm_id: int, case_ids: Collection[int]) -> None:
    """Delete what endpoints do not have yet of cases that are deleted, and keep more of it from being put in line."""
    query = sa.select(_rows.id).where(_rows.firm_id == firm_id).order_by(_rows.id).with_for_update()
    held = list((await tx.execute(query)).scalars())
    if held:
        these = sa.and_(tx.among(_queue.webhook_id, held), tx.among(_queue.case_id, case_ids))
        await tx.execute(webhook_deliveries.delete().where(these))


async def gone(tx: Transaction, firm_id: int, case_ids: Collection[int]) -> set[int]:
    """Return which of these cases a firm does not have any more."""
    if not case_ids:
        return set()
    query = sa.select(cases.c.case_id).where(cases.c.firm_id == firm_id, tx.among(cases.c.case_id, case_ids))
    return set(case_ids) - set((await tx.execute(query)).scalars())


async def due(
    tx: Transaction, webhook_id: int, clock: datetime, most: int, but: Collection[int] = ()
) -> list[Delivery]:
    """Return messages that may be tried now, in their order, ``but`` of some cases.

    One is not among them where an earlier one of its case waits for its next try; it is to be sent after all those of
    its case that are returned before it.
    """
    before = webhook_deliveries.alias("before")
    is_held_up = sa.exists().where(
        before.c.webhook_id == _queue.webhook_id,
        before.c.case_id == _queue.case_id,
        before.c.dead_at.is_(None),
        before.c.id < _queue.id,
        before.c.next_at > clock,
    )
    mine = sa.and_(_queue.webhook_id == webhook_id, _WAITS, _queue.next_at <= clock)
    others = _queue.case_id.not_in(sorted(but)) if but else sa.true()
    query = webhook_deliveries.select().where(mine, others, ~is_held_up).order_by(_queue.id).limit(most)
    return [_delivery_from(row) for row in await tx.execute(query)]


async def waiting(tx: Transaction, webhook_id: int, most: int) -> int:
    """Return how many messages wait, up to ``most``."""
    some = sa.select(_queue.id).where(_queue.webhook_id == webhook_id, _WAITS).limit(most).subquery()
    return int((await tx.execute(sa.select(sa.func.count()).select_from(some))).scalar_one())


async def delivered(tx: Transaction, webhook_id: int, delivery_id: int, now: datetime) -> None:
    """Let go of a message that an endpoint has."""
    values = {"delivered": _rows.delivered + 1, "delivered_at": now, "failing_since": None}
    await change(tx, webhook_id, values)
    await tx.execute(webhook_deliveries.delete().where(_queue.id == delivery_id))


async def call_up(tx: Transaction, webhook_id: int, clock: datetime) -> None:
    """Let all that waits for its next try be due: the endpoint answers again."""
    later = sa.and_(_queue.webhook_id == webhook_id, _WAITS, _queue.next_at > clock)
    await tx.execute(webhook_deliveries.update().where(later).values(next_at=clock))


async def failed(
    tx: Transaction, delivery: Delivery, error: str, now: datetime, clock: datetime, next_at: datetime | None
) -> None:
    """Store that a try failed, and when the next one is; None lays the message aside."""
    since = sa.func.coalesce(_rows.failing_since, sa.bindparam("clock", clock, _rows.failing_since.type))
    await change(tx, delivery.webhook_id, {"failing_since": since, "error": error, "error_at": now})
    values: dict[str, Any] = {"attempts": _queue.attempts + 1, "error": error, "tried_at": now}
    values |= {"next_at": next_at} if next_at else {"dead_at": clock}
    await tx.execute(webhook_deliveries.update().where(_queue.id == delivery.id).values(values))


async def lay_aside(tx: Transaction, webhook_id: int, before: datetime, clock: datetime) -> int:
    """Lay aside all that was put in line before: the endpoint has not answered since; return how many."""
    old = sa.and_(_queue.webhook_id == webhook_id, _WAITS, _queue.queued_at <= before)
    return int((await tx.execute(webhook_deliveries.update().where(old).values(dead_at=clock))).rowcount)


async def replay(tx: Transaction, webhook_id: int, clock: datetime) -> tuple[int, int]:
    """Have all that was laid aside, and all that waits, be tried at once, for a day; return how many of each."""
    mine = _queue.webhook_id == webhook_id
    again = {"dead_at": None, "queued_at": clock, "next_at": clock, "attempts": 0}
    waits = (await tx.execute(webhook_deliveries.update().where(mine, _WAITS).values(again))).rowcount
    dead = (await tx.execute(webhook_deliveries.update().where(mine, ~_WAITS).values(again))).rowcount
    return int(dead), int(waits)


async def forget(tx: Transaction, before: datetime, most: int) -> int:
    """Delete messages that were laid aside before; return how many, of which there may be more."""
    return await _forget(tx, _queue.dead_at <= before, most)


async def forget_of(tx: Transaction, firm_id: int, before: datetime, most: int) -> int:
    """Delete messages of a firm that were laid aside, of what happened before; return how many."""
    return await _forget(tx, sa.and_(~_WAITS, _queue.firm_id == firm_id, _queue.happened_at <= before), most)


async def _forget(tx: Transaction, which: sa.ColumnElement[bool], most: int) -> int:
    old = sa.select(_queue.id).where(which).limit(most)
    return int((await tx.execute(webhook_deliveries.delete().where(_queue.id.in_(old)))).rowcount)


async def retentions(tx: Transaction) -> dict[int, timedelta]:
    """Return how long firms keep what is over, where messages of theirs were laid aside, and they do not for ever."""
    query = sa.select(_queue.firm_id, firms.c.retention_days).distinct()
    query = query.join(firms, firms.c.id == _queue.firm_id).where(~_WAITS, firms.c.retention_days.is_not(None))
    return {row.firm_id: timedelta(days=row.retention_days) for row in await tx.execute(query)}


# For who looks on


async def standing(tx: Transaction) -> dict[int, Standing]:
    """Return how endpoints stand that have messages, by id."""
    waits = sa.case((_WAITS, 1), else_=0)
    oldest = sa.func.min(sa.case((_WAITS, _queue.happened_at)), type_=_queue.happened_at.type)
    query = sa.select(
        _queue.webhook_id, sa.func.sum(waits).label("waiting"), oldest.label("oldest"), sa.func.count().label("every")
    ).group_by(_queue.webhook_id)
    found = {}
    for row in await tx.execute(query):
        waiting = int(row.waiting)
        found[row.webhook_id] = Standing(waiting, row.oldest, int(row.every) - waiting)
    return found


async def failures(tx: Transaction, webhook_id: int) -> list[Delivery]:
    """Return messages whose last try failed, the latest first."""
    query = webhook_deliveries.select().where(_queue.webhook_id == webhook_id, _queue.tried_at.is_not(None))
    query = query.order_by(_queue.tried_at.desc(), _queue.id.desc()).limit(_SHOWN)
    return [_delivery_from(row) for row in await tx.execute(query)]
