"""Webhooks: mint secrets, open an endpoint, put in line what it wants, and record what came of a try."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from casedial.database.engine import Transaction
from casedial.domain.destinations import read_destination
from casedial.domain.errors import InvalidSetting, WebhookNotFound
from casedial.domain.feed import Cursor, EventKind, FeedEvent, FeedPage
from casedial.domain.firms import Firm
from casedial.domain.webhooks import (
    MAX_OVERLAP,
    MAX_WEBHOOKS,
    SECRET_BYTES,
    TRIED_FOR,
    Answer,
    Delivery,
    Queued,
    Standing,
    Webhook,
    next_try,
    written_secret,
)
from casedial.storage import firms, webhooks

AT_ONCE = 200  # events of the feed that are put in line in a transaction
MOST_WAITING = 5000  # messages of an endpoint in line: what comes behind stays in the feed
Write = Callable[[FeedEvent, Firm], str]  # makes the body of a message of an event
_RECOVERED = timedelta(minutes=1)  # of failures, after which all that waits is tried at once
DELIVERED, FAILED, DEAD, GONE = "delivered", "failed", "dead", "gone"


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with a secret just made: the only time that it is shown.

    ``old_until`` is until when the one before it signs, too.
    """

    webhook: Webhook
    secret: str = field(repr=False)
    old_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An endpoint, its firm, and how it stands."""

    webhook: Webhook
    firm_name: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Endpoints, oldest first; ``unreadable`` are the ids of those that make no sense."""

    webhooks: list[Listed]
    unreadable: list[int]


async def listed(tx: Transaction, firm_id: int | None = None) -> Webhooks:
    """Return all endpoints, or those of one firm."""
    found, unreadable = await webhooks.every(tx, firm_id)
    standing = await webhooks.standing(tx) if found else {}
    return Webhooks([Listed(one, name, standing.get(one.id, Standing())) for one, name in found], unreadable)


async def open_webhook(tx: Transaction, webhook_id: int, firm_id: int | None = None) -> Webhook:
    """Return an endpoint, held; of a firm, where one is given. Raises WebhookNotFound."""
    found = await webhooks.find(tx, webhook_id, lock=True)
    if found is None or firm_id not in (None, found.firm_id):
        raise WebhookNotFound(f"There is no webhook {webhook_id}; casedial webhook list shows all of them.")
    return found


def checked_kinds(kinds: Collection[str] | None) -> frozenset[str] | None:
    """Return the types of events that are wanted, None for all. Raises InvalidSetting."""
    known = [kind.value for kind in EventKind]
    for kind in kinds or ():
        if kind not in known:
            raise InvalidSetting(f"{kind[:40]!r} is no type of event: there are {', '.join(known)}.")
    return frozenset(kinds) if kinds else None


async def add(
    tx: Transaction, firm: Firm, url: str, kinds: Collection[str] | None, cursor: Cursor, now: datetime
) -> NewSecret:
    """Add an endpoint that gets what is behind a cursor. Raises InvalidSetting."""
    read_destination(url)
    wanted, secret = checked_kinds(kinds), secrets.token_bytes(SECRET_BYTES)
    if await webhooks.count(tx, firm.id) >= MAX_WEBHOOKS:
        raise InvalidSetting(f"A firm has at most {MAX_WEBHOOKS} webhooks: remove one that is not needed.")
    webhook_id = await webhooks.add(tx, firm.id, url, wanted, secret, str(cursor), now)
    webhook = Webhook(webhook_id, firm.id, url, wanted, str(cursor), (secret,), None, now)
    return NewSecret(webhook, written_secret(secret))


async def put_in_line(tx: Transaction, seen: Webhook, page: FeedPage, write: Write) -> None:
    """Put in line what an endpoint wants of a page of the feed, and move its place on, unless somebody has.

    Nothing is kept of a case that is gone: whoever deletes one holds the endpoints, and deletes what is in line.
    """
    webhook = await webhooks.find(tx, seen.id, lock=True)
    if webhook is None or webhook.disabled_at or webhook.cursor != seen.cursor:
        return
    wanted = [event for event in page.events if webhook.wants(event.kind)]
    lasting = {one.case_id for one in wanted if one.case_id is not None and one.kind is not EventKind.DELETED}
    gone = await webhooks.gone(tx, webhook.firm_id, lasting)
    firm = (await firms.load(tx, webhook.firm_id))[1] if wanted else None
    messages = [
        Queued(uuid4(), one.kind, one.case_id, one.at or tx.now(), write(one, firm))
        for one in wanted
        if firm and (one.case_id not in gone or one.kind is EventKind.DELETED)
    ]
    await webhooks.put_in_line(tx, webhook, messages, await tx.clock())
    await webhooks.change(tx, webhook.id, {"cursor": str(page.cursor)})


async def go_past(tx: Transaction, seen: Webhook, start: Cursor) -> None:
    """Let an endpoint go on with what is left of the feed behind its place: events before that were purged.

    Where its place never was, in a database that is not the one of before, it begins at the ``start``.
    """
    told = "events were purged before they were delivered: the firm keeps what is over for too short a time"
    webhook = await webhooks.find(tx, seen.id, lock=True)
    if webhook is None or webhook.cursor != seen.cursor:
        return
    here = replace(start, place=Cursor.read(seen.cursor).place)
    cursor = str(here if str(here) != seen.cursor else start)
    await webhooks.change(tx, webhook.id, {"cursor": cursor, "error": told, "error_at": tx.now()})


async def roll(tx: Transaction, webhook: Webhook, overlap: timedelta, now: datetime) -> NewSecret:
    """Make a new secret; the one that was the newest signs for the overlap, too, and no older one.

    Raises InvalidSetting.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidSetting(f"An overlap is 0 to {MAX_OVERLAP.days} days.")
    secret, until = secrets.token_bytes(SECRET_BYTES), now + overlap if overlap else None
    old = webhook.secrets[0] if until else None
    await webhooks.change(tx, webhook.id, {"secret": secret, "old_secret": old, "old_until": until})
    return NewSecret(webhook, written_secret(secret), until)


async def record(tx: Transaction, webhook: Webhook, delivery: Delivery, answer: Answer, chance: float) -> str:
    """Store what came of a try; return what that is called. ``chance`` is 0 to 1."""
    now, clock = tx.now(), await tx.clock()
    if answer.is_taken:
        await webhooks.delivered(tx, webhook.id, delivery.id, now)
        if webhook.failing_since and clock - webhook.failing_since > _RECOVERED:
            await webhooks.call_up(tx, webhook.id, clock)
        return DELIVERED
    next_at = next_try(delivery.attempts + 1, delivery.queued_at, clock, chance)
    await webhooks.failed(tx, delivery, answer.told, now, clock, next_at)
    if answer.is_gone:
        await webhooks.change(tx, webhook.id, {"disabled_at": now})
        return GONE
    if webhook.failing_since and clock - webhook.failing_since >= TRIED_FOR:
        await webhooks.lay_aside(tx, webhook.id, clock - TRIED_FOR, clock)
    return FAILED if next_at else DEAD
