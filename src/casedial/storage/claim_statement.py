"""The claim beside other writers: one statement, that needs no transaction around it.

It proves the callers, picks cases and locks them, moves them, records that, opens the claims, and returns what was
picked, for all who claim at the same moment.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID, uuid4

import sqlalchemy as sa

from casedial.database.dialects import Dialect, unnested
from casedial.database.engine import Transaction
from casedial.database.heads import Head
from casedial.database.sessions import Result
from casedial.database.tables import campaigns, cases, claims, firms, keys, status_history
from casedial.domain.actors import ActorKind
from casedial.domain.cases import ShownCase
from casedial.domain.claims import Claim
from casedial.domain.dialing import MAX_RECORDS
from casedial.domain.statuses import Role, StatusType
from casedial.storage.actors import ACTOR_COLUMNS
from casedial.storage.cases import SHOWN
from casedial.storage.claimants import Claimant, Claimed, Queue, by_queue
from casedial.storage.keys import key_state
from casedial.storage.queues import CLOCK, NOW, Of, Shape, due_query, head_of, merged, waits

# Which queues, and how many cases for each claimant of them: arrays, of which the statement makes rows.
_QUEUE = {
    "firm_id": sa.BigInteger,
    "priority": sa.SmallInteger,
    "campaign_id": sa.BigInteger,
    "case_group": sa.Text,
    "records": sa.Integer,
    "status_id": sa.BigInteger,  # In the Dialer, of the firm
    "timeout": sa.Integer,
}
_BEHIND = {"after_time": cases.c.dial_at.type, "after_case": sa.BigInteger}
_QUEUES = {
    goes_on: unnested("queues", {**_QUEUE, **(_BEHIND if goes_on else {})}, number="queue") for goes_on in (False, True)
}
_CLAIMANTS = unnested(
    "claimants",
    {
        "queue": sa.BigInteger,
        "records": sa.BigInteger,
        "new_claim": sa.Uuid,
        "name": sa.Text,
        "actor_kind": sa.SmallInteger,
        "actor_id": sa.Integer,
        "key_state": sa.Text,
        "firm_version": sa.BigInteger,
        "seconds": sa.Integer,
    },
    number="place",
)


async def claim_at_once(tx: Transaction, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim for all of them; see ``claims.claim``."""
    queues = by_queue(claimants)
    names = {queue: head_of(queue.firm, queue.wanted, queue.firm.priorities[0]) for queue in queues}
    heads = {queue: tx.heads.of(name) for queue, name in names.items()}
    began = time.monotonic()
    given = await _run(tx, claimants, queues, heads, now)
    seconds = time.monotonic() - began
    without: list[int] = []  # who got nothing behind a head: there may be something before it
    for queue, places in queues.items():
        head = heads[queue]
        first = next((found[0][0] for place in places if (found := given[place]) and found[0]), None)
        if first:
            tx.heads.found(names[queue], queue.firm.priorities[0], first, seconds, head)
        missing = [place for place in places if (found := given[place]) and not found[0]]
        if head and missing:
            tx.heads.forget(names[queue])
            without += missing
    if without:
        again = await claim_at_once(tx, [claimants[place] for place in without], now)
        for place, claimed in zip(without, again, strict=True):
            given[place] = claimed
    return given


async def _run(
    tx: Transaction,
    claimants: Sequence[Claimant],
    queues: Mapping[Queue, list[int]],
    heads: Mapping[Queue, Head | None],
    now: datetime,
) -> list[Claimed]:
    [shape] = {queue.shape for queue in queues}
    own_timeouts = any(c.claim_timeout is not None for queue in queues for c in queue.firm.campaigns.values())
    statement = _claim(tx.dialect, replace(shape, goes_on=any(heads.values())), own_timeouts)
    claim_ids = [uuid4() for _ in claimants]
    given = _parameters(claimants, claim_ids, queues, heads, now)
    given["clock"] = tx.machine.moved_to()
    rows = cast(Result, await tx.execute(statement, given)).as_sent()
    found: dict[int, tuple[list[ShownCase], list[datetime]]] = {}
    for row in rows:  # of each caller who is what it was at least one
        some, ends = found.setdefault(row[0] - 1, ([], []))
        if row[2] is not None:
            some.append(ShownCase._make(row[2:]))
            if row[1]:
                ends.append(row[1])
    _see_that_each_is_in_one_claim(claimants, found)
    claimed: list[Claimed] = []
    for place, (id, who) in enumerate(zip(claim_ids, claimants, strict=True)):
        if place not in found:
            claimed.append(None)
            continue
        some, ends = found[place]
        claimed.append((some, _opened(id, who, some, now, min(ends, default=None)) if some else None))
    return claimed


def _see_that_each_is_in_one_claim(
    claimants: Sequence[Claimant], found: Mapping[int, tuple[list[ShownCase], object]]
) -> None:
    """Raise RuntimeError where a case was picked twice: a statement does not pass over what it has locked itself."""
    picked = [(claimants[place].caller.firm.id, case.case_id) for place, (some, _) in found.items() for case in some]
    if len(set(picked)) < len(picked):
        raise RuntimeError("Queues that are claimed from together have a case in common.")


def _opened(id: UUID, who: Claimant, taken: Sequence[ShownCase], now: datetime, end: datetime | None) -> Claim:
    case_ids = tuple(case.case_id for case in taken)
    return Claim(id, who.actor, case_ids, now, end, seconds=who.seconds)


def _parameters(
    claimants: Sequence[Claimant],
    claim_ids: Sequence[UUID],
    queues: Mapping[Queue, list[int]],
    heads: Mapping[Queue, Head | None],
    now: datetime,
) -> dict[str, object]:
    """Return what the statement of ``_claim`` is asked with."""
    any_queue = next(iter(queues))
    first = replace(any_queue.wanted, after=heads[any_queue])
    callers = [claimant.caller for claimant in claimants]
    parameters: dict[str, object] = {
        **first.parameters(any_queue.firm, now, any_queue.firm.priorities[0]),  # of several campaigns there is one
        **_queue_parameters(claimants, queues),
        "claimants_new_claim": claim_ids,
        "claimants_name": [caller.actor.name for caller in callers],
        "claimants_actor_kind": [int(caller.actor.kind) for caller in callers],
        "claimants_actor_id": [caller.actor.id for caller in callers],
        "claimants_key_state": [caller.key_state for caller in callers],
        "claimants_firm_version": [caller.firm.version for caller in callers],
        "claimants_seconds": [claimant.seconds for claimant in claimants],
    }
    if any(heads.values()):
        parameters["queues_after_time"] = [head.dial_at if head else None for head in heads.values()]
        parameters["queues_after_case"] = [head.case_id if head else None for head in heads.values()]
    return parameters


def _queue_parameters(claimants: Sequence[Claimant], queues: Mapping[Queue, list[int]]) -> dict[str, Sequence[object]]:
    """Return the queues with how much is claimed from each, and from which each claimant does."""
    number_of = {place: number for number, places in enumerate(queues.values(), 1) for place in places}
    asked = [(queue.firm, queue.wanted) for queue in queues]
    return {
        "queues_firm_id": [firm.id for firm, _ in asked],
        "queues_priority": [firm.priorities[0] for firm, _ in asked],
        "queues_campaign_id": [wanted.campaign_ids[0] if wanted.campaign_ids else None for _, wanted in asked],
        "queues_case_group": [wanted.case_group for _, wanted in asked],
        "queues_records": [sum(claimants[place].wanted.records for place in places) for places in queues.values()],
        "queues_status_id": [firm.statuses.with_role(Role.IN_THE_DIALER).id for firm, _ in asked],
        "queues_timeout": [firm.claim_timeout for firm, _ in asked],
        "claimants_queue": [number_of[place] for place in range(len(claimants))],
        "claimants_records": [claimant.wanted.records for claimant in claimants],
    }


def moved(status_id: Any, at: Any, until: Any, claim_id: Any) -> sa.Update:
    """Move cases to In the Dialer by a claim, recorded as done ``at`` and held ``until``."""
    return cases.update().values(
        dialer_status_id=status_id,
        dialer_role=int(Role.IN_THE_DIALER),
        dial_at=NOW,
        changed_at=at,
        claim_id=claim_id,
        held_until=until,
        redial_at=cases.c.dial_at,
        answered_at=None,
    )


@cache
def _claim(dialect: Dialect, shape: Shape, own_timeouts: bool) -> sa.Select[tuple[object, ...]]:
    """Build the statement. Of each caller who is what it was known as it returns a row, without a case if need be.

    MATERIALIZED, or the planner may run the picking again and claim more than the limit. Its own limit says how many
    rows there are at most: from those of the queues, which come as parameters, the planner expects thousands, and may
    read all cases to update a few.
    """
    live = _proven(dialect).cte("live").prefix_with("MATERIALIZED")
    queues = _QUEUES[shape.goes_on]
    of = queues.c
    due = _due(dialect, shape, of).limit(of.records).lateral("due")
    some = sa.select(of.queue, of.firm_id, of.status_id, of.timeout, due).select_from(queues.join(due, sa.true()))
    picked = some.limit(sa.literal_column(str(MAX_RECORDS))).cte("picked").prefix_with("MATERIALIZED")
    place = sa.func.row_number().over(partition_by=picked.c.queue, order_by=(picked.c.dial_at, picked.c.case_id))
    numbered = sa.select(picked, place.label("nth")).cte("numbered")
    first = live.c.last - live.c.records + 1
    part = sa.and_(numbered.c.queue == live.c.queue, numbered.c.nth.between(first, live.c.last))
    whose = (live.c[name] for name in ("new_claim", "name", *ACTOR_COLUMNS, "seconds"))
    leased = (
        sa.select(numbered, *whose, _lease_end(numbered, live, own_timeouts).label("lease_end"))
        .join_from(numbered, live, part)
        .cte("leased")
    )
    at = sa.func.greatest(NOW, leased.c.changed_at)  # history never runs backwards; null is passed over
    this_case = sa.and_(cases.c.firm_id == leased.c.firm_id, cases.c.case_id == leased.c.case_id)
    move = moved(leased.c.status_id, at, leased.c.lease_end, leased.c.new_claim).where(this_case).cte("moved")
    recorded, opened = _record(leased, at).cte("recorded"), _open(leased).cte("opened")
    shown = (leased.c[column.name] for column in SHOWN)
    given = sa.select(live.c.place, leased.c.lease_end, *shown)
    given = given.select_from(live.outerjoin(leased, leased.c.new_claim == live.c.new_claim))
    return given.order_by(leased.c.queue, leased.c.nth).add_cte(move, recorded, opened)


def _proven(dialect: Dialect) -> sa.Select[tuple[object, ...]]:
    """Build the query for the claimants whose key and firm are what they were when they were looked up."""
    known = (
        sa.select(sa.literal(1))
        .join_from(keys, firms, firms.c.id == keys.c.firm_id)
        .where(
            keys.c.id == _CLAIMANTS.c.actor_id,
            key_state(dialect) == _CLAIMANTS.c.key_state,
            firms.c.version == _CLAIMANTS.c.firm_version,
            sa.or_(keys.c.expires_at.is_(None), keys.c.expires_at > CLOCK),
        )
    )
    last = sa.func.sum(_CLAIMANTS.c.records).over(partition_by=_CLAIMANTS.c.queue, order_by=_CLAIMANTS.c.place)
    claimants = sa.select(
        _CLAIMANTS, last.label("last")
    )  # of the queue's cases: each gets what is behind the one before
    return claimants.where(sa.or_(_CLAIMANTS.c.key_state.is_(None), known.exists()))


_NEEDED = (*SHOWN, cases.c.changed_at)


def lock(query: sa.Select[tuple[object, ...]]) -> sa.Select[tuple[object, ...]]:
    """Hold the rows a query finds and pass over those that another claim holds."""
    return query.with_for_update(skip_locked=True)


def _due(dialect: Dialect, shape: Shape, of: Any) -> sa.Select[tuple[object, ...]]:
    """Build the query that locks the due cases of a queue, in order.

    Of several campaigns, of one queue, one after the other as the looks for them are merged: what is merged cannot be
    locked as it is, and what was locked before it is merged has no order. Cases that other claims hold are passed over,
    so no look has an end that is known beforehand: a limit of NULL is none.
    """
    if not shape.is_merged:
        asked = Of(of.firm_id, of.priority, of.campaign_id, of.case_group)
        return lock(due_query(shape, asked, _behind(of), _NEEDED))
    named, no_end = (cases.c.dial_at, cases.c.case_id, cases.c.campaign_id), sa.func.nullif(of.records, of.records)
    first = merged(dialect, shape, no_end, named).lateral("first")
    this_case = cases.c.case_id == first.c.case_id
    there = waits(shape, Of(campaign_id=first.c.campaign_id))
    each = lock(sa.select(*_NEEDED).where(*there, this_case)).lateral("each")
    return sa.select(each).join_from(first, each, sa.true()).order_by(first.c.dial_at, first.c.case_id)


def _behind(of: Any) -> tuple[Any, Any]:
    """Return where a queue begins, of those that begin with their first entry, too."""
    if "after_time" not in of:
        return (), ()
    first = sa.literal_column("'-infinity'::timestamptz", cases.c.dial_at.type)
    return sa.func.coalesce(of.after_time, first), sa.func.coalesce(of.after_case, 0)


def _lease_end(picked: sa.FromClause, live: sa.FromClause, own_timeouts: bool) -> sa.ColumnElement[datetime]:
    """Return the end of a lease by the database's clock, as ``lease_seconds`` says; null for one that never ends."""
    timeout: sa.ColumnElement[int] = picked.c.timeout
    if own_timeouts:
        own = sa.select(campaigns.c.claim_timeout).where(campaigns.c.status_id == picked.c.campaign_id)
        timeout = sa.func.coalesce(own.scalar_subquery(), timeout)
    seconds = sa.func.least(live.c.seconds, sa.func.nullif(timeout, 0))  # which passes null over
    end = CLOCK + seconds * sa.literal_column("interval '1 second'")
    return sa.type_coerce(end, cases.c.held_until.type)


def _record(leased: sa.FromClause, at: sa.ColumnElement[datetime]) -> sa.Insert:
    """Append the move of each claimed case to its history."""
    dialer_type: sa.ColumnClause[int] = sa.literal_column(str(int(StatusType.DIALER)))
    columns = ["firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by", "claim_id"]
    where = leased.c["firm_id", "case_id"]
    who = leased.c["name", "new_claim", *ACTOR_COLUMNS]
    changes = sa.select(*where, dialer_type, leased.c.status_id, NOW, at, *who)
    return status_history.insert().from_select([*columns, *ACTOR_COLUMNS], changes, include_defaults=False)


def _open(leased: sa.FromClause) -> sa.Insert:
    """Record the claims, but those that got nothing."""
    who = leased.c["new_claim", "name", "seconds", *ACTOR_COLUMNS, "firm_id"]
    key_id = sa.case((leased.c.actor_kind == sa.literal_column(str(int(ActorKind.KEY))), leased.c.actor_id))
    end = sa.func.min(leased.c.lease_end)
    case_ids = sa.func.json_agg(leased.c.case_id).aggregate_order_by(leased.c.nth)
    opened = sa.select(*who, key_id, case_ids, NOW, end, end).group_by(*who)
    columns = ["id", "vendor", "seconds", *ACTOR_COLUMNS, "firm_id", "key_id"]
    columns += ["case_ids", "created_at", "expires_at", "check_at"]
    return claims.insert().from_select(columns, opened, include_defaults=False)
