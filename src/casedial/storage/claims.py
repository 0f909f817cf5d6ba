"""Claims: due cases move to In the Dialer, each in one claim only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from casedial.domain.cases import Case, CasesUnreadable, Firm, Role, StatusChange, StatusType
from casedial.domain.claims import Claim, lease_end, lease_seconds
from casedial.domain.dialing import MAX_RECORDS
from casedial.storage.cases import WAITING, read_rows, record, waiting_from
from casedial.storage.engine import Database, Transaction
from casedial.storage.heads import Head
from casedial.storage.postgresql import unnested
from casedial.storage.queues import FIRM, GROUP, NOW, DueFilter, Shape, due, due_query, head_of, merged, waits
from casedial.storage.tables import campaigns, cases, claims, status_history

_STATUS_ID: sa.BindParameter[int] = sa.bindparam("the_status", type_=sa.BigInteger)
_TIMEOUT: sa.BindParameter[int] = sa.bindparam("timeout", type_=sa.Integer)


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims which due cases: a vendor, by one of its keys; ``seconds`` is the lease that it asks for."""

    wanted: DueFilter
    vendor: str
    key_id: int | None
    seconds: int | None = None


Claimed = tuple[list[Case], Claim | None]  # cases as they were, in due order; None: nothing was due


def _queues(claimants: Sequence[Claimant]) -> dict[DueFilter, list[int]]:
    """Return the queues from which is claimed, each with the places of its claimants."""
    found: dict[DueFilter, list[int]] = {}
    for place, claimant in enumerate(claimants):
        found.setdefault(claimant.wanted.queue, []).append(place)
    return found


async def claim(tx: Transaction, firm: Firm, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Move due cases to In the Dialer by a new claim for each claimant, in their order.

    No case is ever given to two, however many servers run. It is for firms whose cases all have one priority. The
    claimants want ``MAX_RECORDS`` cases at most, from queues that have no case in common, all of the same shape. Raises
    CasesUnreadable.
    """
    if tx.database is Database.POSTGRESQL:
        return await _claim_at_once(tx, firm, claimants, now)
    # SQLite has no data-modifying CTE; its only write lock is taken already.
    given: dict[int, list[Case]] = {}
    for queue, places in _queues(claimants).items():
        wanted = replace(queue, records=sum(claimants[place].wanted.records for place in places))
        found = iter(await due(tx, firm, wanted, now))
        for place in places:
            given[place] = list(islice(found, claimants[place].wanted.records))
    grants = [Grant(claimant, given[place]) for place, claimant in enumerate(claimants)]
    opened = await take(tx, firm, grants, now)
    return [(grant.cases, claim) for grant, claim in zip(grants, opened, strict=True)]


@dataclass(frozen=True, slots=True)
class Grant:
    """Cases that a transaction holds, for a claimant; ``evidence`` is what let each through, by its CaseID."""

    claimant: Claimant
    cases: list[Case]
    evidence: Mapping[str, object] | None = None


async def take(tx: Transaction, firm: Firm, grants: Sequence[Grant], now: datetime) -> list[Claim | None]:
    """Move cases to In the Dialer by a new claim for each grant; None for a grant without cases."""
    status = firm.statuses.with_role(Role.IN_THE_DIALER)
    clock = await tx.clock() if any(grant.cases for grant in grants) else now
    opened: list[Claim | None] = []
    moved: list[dict[str, object]] = []
    history: list[StatusChange] = []
    for grant in grants:
        who = grant.claimant
        ends = {case.case_id: lease_end(clock, lease_seconds(firm, case, who.seconds)) for case in grant.cases}
        first = min((end for end in ends.values() if end), default=None)
        claim = Claim(uuid4(), who.vendor, who.key_id, tuple(ends), now, first, grant.evidence, seconds=who.seconds)
        opened.append(claim if grant.cases else None)
        for case in grant.cases:
            at = max(now, case.changed_at or now)  # history never runs backwards
            moved.append({"the_case": case.case_id, "at": at, "the_claim": claim.id, "until": ends[case.case_id]})
            change = StatusChange(case.case_id, StatusType.DIALER, status, now, at, who.vendor, claim.id)
            history.append(change)
    if moved:
        same = {"the_firm": firm.id, "the_status": status.id, "now": now}
        await tx.execute(_TAKE, [{**row, **same} for row in moved])
        await record(tx, firm, history)
        await add(tx, firm, [claim for claim in opened if claim])
    return opened


async def add(tx: Transaction, firm: Firm, opened: Sequence[Claim]) -> None:
    """Record claims of a firm whose cases hold them already."""
    rows = [
        {
            "id": claim.id,
            "firm_id": firm.id,
            "vendor": claim.vendor,
            "key_id": claim.key_id,
            "case_ids": claim.case_ids,
            "created_at": claim.created_at,
            "expires_at": claim.expires_at,
            "check_at": claim.expires_at,
            "evidence": claim.evidence,
            "seconds": claim.seconds,
        }
        for claim in opened
    ]
    if rows:
        await tx.execute(claims.insert(), rows)


def _lock(query: sa.Select[tuple[object, ...]]) -> sa.Select[tuple[object, ...]]:
    """Hold the rows a query finds and pass over those that another claim holds."""
    return query.with_for_update(skip_locked=True)


def _move(
    at: sa.ColumnElement[datetime], until: sa.ColumnElement[datetime], claim_id: sa.ColumnElement[UUID]
) -> sa.Update:
    """Move cases to In the Dialer by a claim, recorded as done ``at`` and held ``until``."""
    return cases.update().values(
        dialer_status_id=_STATUS_ID,
        dialer_role=int(Role.IN_THE_DIALER),
        dial_at=NOW,
        changed_at=at,
        claim_id=claim_id,
        held_until=until,
        redial_at=cases.c.dial_at,
        answered_at=None,
    )


_TAKE = _move(
    sa.bindparam("at", type_=cases.c.changed_at.type),
    sa.bindparam("until", type_=cases.c.held_until.type),
    sa.bindparam("the_claim", type_=cases.c.claim_id.type),
).where(cases.c.firm_id == FIRM, cases.c.case_id == sa.bindparam("the_case", type_=sa.BigInteger))


# What is claimed together in PostgreSQL: which queues, and how many cases for each claimant of them.


_QUEUE = {"campaign_id": sa.BigInteger, "case_group": sa.Text, "records": sa.Integer}
_BEHIND = {"after_time": cases.c.dial_at.type, "after_case": sa.BigInteger}
_QUEUES = {
    goes_on: unnested("queues", {**_QUEUE, **(_BEHIND if goes_on else {})}, number="queue") for goes_on in (False, True)
}
_CLAIMANTS = unnested(
    "claimants",
    {
        "queue": sa.BigInteger,
        "first": sa.BigInteger,
        "last": sa.BigInteger,
        "new_claim": sa.Uuid,
        "vendor": sa.Text,
        "key_id": sa.BigInteger,
        "seconds": sa.Integer,
    },
)


async def _claim_at_once(tx: Transaction, firm: Firm, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim for all of them by one statement: 64 clients who claim one case each get four times as many."""
    queues, [priority] = _queues(claimants), firm.priorities
    names = {queue: head_of(firm, queue, priority) for queue in queues}
    heads = {queue: tx.heads.of(name) for queue, name in names.items()}
    began = time.monotonic()
    given = await _run(tx, firm, claimants, queues, heads, now)
    seconds = time.monotonic() - began
    without: list[int] = []  # who got nothing behind a head: there may be something before it
    for queue, places in queues.items():
        head, first = heads[queue], given[places[0]][0][:1]
        if first:
            tx.heads.found(names[queue], first[0], seconds, head)
        missing = [place for place in places if not given[place][0]]
        if head and missing:
            tx.heads.forget(names[queue])
            without += missing
    if without:
        again = await _claim_at_once(tx, firm, [claimants[place] for place in without], now)
        for place, claimed in zip(without, again, strict=True):
            given[place] = claimed
    return given


async def _run(
    tx: Transaction,
    firm: Firm,
    claimants: Sequence[Claimant],
    queues: Mapping[DueFilter, list[int]],
    heads: Mapping[DueFilter, Head | None],
    now: datetime,
) -> list[Claimed]:
    [shape] = {queue.shape for queue in queues}
    own_timeouts = any(campaign.claim_timeout is not None for campaign in firm.campaigns.values())
    statement = _claim(replace(shape, goes_on=any(heads.values())), own_timeouts)
    claim_ids = [uuid4() for _ in claimants]
    parameters = _parameters(firm, claimants, claim_ids, queues, heads, now)
    found: dict[UUID, list[Case]] = {claim_id: [] for claim_id in claim_ids}
    ends: dict[UUID, datetime] = {}
    rows, unreadable = await read_rows(
        tx, firm, statement, parameters, lambda row: (row, waiting_from(row, firm.statuses))
    )
    if unreadable:
        raise CasesUnreadable(unreadable)
    for row, case in rows:
        found[row.new_claim].append(case)
        if row.lease_end:
            ends[row.new_claim] = min(ends.get(row.new_claim, row.lease_end), row.lease_end)
    picked = [case.case_id for some in found.values() for case in some]
    if len(set(picked)) < len(picked):  # one statement does not pass over what it has locked itself
        raise RuntimeError("Queues that are claimed from together have a case in common.")
    return [
        (taken, _opened(id, who, taken, now, ends.get(id))) if (taken := found[id]) else ([], None)
        for id, who in zip(claim_ids, claimants, strict=True)
    ]


def _parameters(
    firm: Firm,
    claimants: Sequence[Claimant],
    claim_ids: Sequence[UUID],
    queues: Mapping[DueFilter, list[int]],
    heads: Mapping[DueFilter, Head | None],
    now: datetime,
) -> dict[str, object]:
    """Return what the statement of ``_claim`` is asked with."""
    [priority] = firm.priorities
    any_queue = next(iter(queues))
    parameters = {
        **replace(any_queue, after=heads[any_queue]).parameters(firm, now, priority),
        **_joint(claimants, queues),
        "claimants_new_claim": claim_ids,
        "claimants_vendor": [claimant.vendor for claimant in claimants],
        "claimants_key_id": [claimant.key_id for claimant in claimants],
        "claimants_seconds": [claimant.seconds for claimant in claimants],
        "the_status": firm.statuses.with_role(Role.IN_THE_DIALER).id,
        "timeout": firm.claim_timeout,
    }
    if any(heads.values()):
        parameters["queues_after_time"] = [head.dial_at if head else None for head in heads.values()]
        parameters["queues_after_case"] = [head.case_id if head else None for head in heads.values()]
    return parameters


def _opened(id: UUID, who: Claimant, taken: Sequence[Case], now: datetime, end: datetime | None) -> Claim:
    case_ids = tuple(case.case_id for case in taken)
    return Claim(id, who.vendor, who.key_id, case_ids, now, end, seconds=who.seconds)


def _joint(claimants: Sequence[Claimant], queues: Mapping[DueFilter, list[int]]) -> dict[str, Sequence[object]]:
    """Return the queues with how much is claimed from each, and which part of it is each claimant's."""
    parts: dict[int, tuple[int, int, int]] = {}
    limits = []
    for number, places in enumerate(queues.values(), 1):
        first = 1
        for place in places:
            last = first + claimants[place].wanted.records - 1
            parts[place] = number, first, last
            first = last + 1
        limits.append(first - 1)
    numbers, firsts, lasts = zip(*(parts[place] for place in range(len(claimants))), strict=True)
    return {
        "queues_campaign_id": [queue.campaign_ids[0] if queue.campaign_ids else None for queue in queues],
        "queues_case_group": [queue.case_group for queue in queues],
        "queues_records": limits,
        "claimants_queue": list(numbers),
        "claimants_first": list(firsts),
        "claimants_last": list(lasts),
    }


@cache
def _claim(shape: Shape, own_timeouts: bool) -> sa.Select[tuple[object, ...]]:
    """Build PostgreSQL's claim, one statement: pick and lock, move, record, open the claims, return what was picked.

    MATERIALIZED, or the planner may run the picking again and claim more than the limit. Its own limit says how many
    rows there are at most: from those of the queues, which come as parameters, the planner expects thousands, and may
    read all cases to update a few.
    """
    queues = _QUEUES[shape.goes_on]
    of = queues.c
    query = _each(shape, of) if shape.is_merged else _lock(due_query(shape, of.campaign_id, of.case_group, _behind(of)))
    due = query.limit(of.records).lateral("due")
    some = sa.select(of.queue, due).select_from(queues.join(due, sa.true()))
    picked = some.limit(sa.literal_column(str(MAX_RECORDS))).cte("picked").prefix_with("MATERIALIZED")
    place = sa.func.row_number().over(partition_by=picked.c.queue, order_by=(picked.c.dial_at, picked.c.case_id))
    numbered = sa.select(picked, place.label("place")).cte("numbered")
    part = sa.and_(
        numbered.c.queue == _CLAIMANTS.c.queue, numbered.c.place.between(_CLAIMANTS.c.first, _CLAIMANTS.c.last)
    )
    leased = (
        sa.select(
            numbered,
            *(_CLAIMANTS.c[name] for name in ("new_claim", "vendor", "key_id", "seconds")),
            _lease_end(numbered, own_timeouts).label("lease_end"),
        )
        .join_from(numbered, _CLAIMANTS, part)
        .cte("leased")
    )
    at = sa.func.greatest(NOW, leased.c.changed_at)  # history never runs backwards; null is passed over
    this_case = sa.and_(cases.c.firm_id == FIRM, cases.c.case_id == leased.c.case_id)
    moved = _move(at, leased.c.lease_end, leased.c.new_claim).where(this_case).cte("moved")
    recorded, opened = _record(leased, at).cte("recorded"), _open(leased).cte("opened")
    found = (leased.c[column.name] for column in WAITING)
    given = sa.select(*found, leased.c.new_claim, leased.c.lease_end).order_by(leased.c.queue, leased.c.place)
    return given.add_cte(moved, recorded, opened)


def _each(shape: Shape, of: Any) -> sa.Select[tuple[object, ...]]:
    """Build the query that locks cases of several campaigns, one after the other as the looks for them are merged.

    What is merged cannot be locked as it is, and what was locked before it is merged has no order. Cases that other
    claims hold are passed over, so no look has an end that is known beforehand: a limit of NULL is none.
    """
    named, no_end = (cases.c.dial_at, cases.c.case_id, cases.c.campaign_id), sa.func.nullif(of.records, of.records)
    first = merged(Database.POSTGRESQL, shape, no_end, named).lateral("first")
    this_case = cases.c.case_id == first.c.case_id
    each = _lock(sa.select(*WAITING).where(*waits(shape, first.c.campaign_id, GROUP), this_case)).lateral("each")
    return sa.select(each).join_from(first, each, sa.true()).order_by(first.c.dial_at, first.c.case_id)


def _behind(of: Any) -> tuple[Any, Any]:
    """Return where a queue begins, of those that begin with their first entry, too."""
    if "after_time" not in of:
        return (), ()
    first = sa.literal_column("'-infinity'::timestamptz", cases.c.dial_at.type)
    return sa.func.coalesce(of.after_time, first), sa.func.coalesce(of.after_case, 0)


def _lease_end(picked: sa.FromClause, own_timeouts: bool) -> sa.ColumnElement[datetime]:
    """Return the end of a lease by the database's clock, as ``lease_seconds`` says; null for one that never ends."""
    timeout: sa.ColumnElement[int] = _TIMEOUT
    if own_timeouts:
        own = sa.select(campaigns.c.claim_timeout).where(campaigns.c.status_id == picked.c.campaign_id)
        timeout = sa.func.coalesce(own.scalar_subquery(), _TIMEOUT)
    seconds = sa.func.least(_CLAIMANTS.c.seconds, sa.func.nullif(timeout, 0))  # which passes null over
    end = sa.func.statement_timestamp() + seconds * sa.literal_column("interval '1 second'")
    return sa.type_coerce(end, cases.c.held_until.type)


def _record(leased: sa.FromClause, at: sa.ColumnElement[datetime]) -> sa.Insert:
    """Append the move of each claimed case to its history."""
    dialer_type: sa.ColumnClause[int] = sa.literal_column(str(int(StatusType.DIALER)))
    columns = ["firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by", "claim_id"]
    changes = sa.select(FIRM, leased.c.case_id, dialer_type, _STATUS_ID, NOW, at, leased.c.vendor, leased.c.new_claim)
    return status_history.insert().from_select(columns, changes, include_defaults=False)


def _open(leased: sa.FromClause) -> sa.Insert:
    """Record the claims, but those that got nothing."""
    who = leased.c.new_claim, leased.c.vendor, leased.c.key_id, leased.c.seconds
    end = sa.func.min(leased.c.lease_end)
    case_ids = sa.func.json_agg(aggregate_order_by(leased.c.case_id, leased.c.place))
    opened = sa.select(*who, FIRM, case_ids, NOW, end, end).group_by(*who)
    columns = ["id", "vendor", "key_id", "seconds", "firm_id", "case_ids", "created_at", "expires_at", "check_at"]
    return claims.insert().from_select(columns, opened, include_defaults=False)
