"""The cases due to be dialed, in the order of their queues."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from casedial.domain.cases import Case, CasesUnreadable, Firm, Role, fold
from casedial.storage.cases import WAITING, WHOLE, read_rows, waiting_from, whole
from casedial.storage.engine import Database, Transaction, among
from casedial.storage.heads import Head
from casedial.storage.postgresql import unnested
from casedial.storage.tables import cases

# A constant, for the partial indexes hold the to-dial role only.
_IS_TO_DIAL = cases.c.dialer_role == sa.literal_column(str(int(Role.TO_DIAL)))
FIRM: sa.BindParameter[int] = sa.bindparam("the_firm", type_=sa.BigInteger)
NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=cases.c.dial_at.type)
Columns = Sequence[sa.Column[Any]]
_PRIORITY: sa.BindParameter[int] = sa.bindparam("the_priority", type_=sa.SmallInteger)
GROUP: sa.BindParameter[str] = sa.bindparam("the_group", type_=sa.Text)
_BEHIND = sa.bindparam("after_time", type_=cases.c.dial_at.type), sa.bindparam("after_case", type_=sa.BigInteger)


@dataclass(frozen=True, slots=True)
class DueFilter:
    """Which due cases: of these campaigns (None: of any or none) and this group, at most ``records``."""

    campaign_ids: tuple[int, ...] | None
    case_group: str | None
    records: int

    after: Case | Head | None = None  # only what comes behind this one

    @property
    def shape(self) -> Shape:
        """Return what decides the text of the query."""
        return Shape(
            None if self.campaign_ids is None else _looks_for(len(self.campaign_ids)),
            self.case_group is not None,
            self.after is not None,
        )

    @property
    def queue(self) -> DueFilter:
        """Return what those have in common who claim from the same head."""
        return replace(
            self, records=0, after=None, case_group=None if self.case_group is None else fold(self.case_group)
        )

    def fits(self, case: Case) -> bool:
        """Tell whether a case is of these campaigns and this group."""
        in_campaign = self.campaign_ids is None or case.campaign_id in self.campaign_ids
        return in_campaign and (self.case_group is None or fold(case.case_group) == fold(self.case_group))

    def parameters(self, firm: Firm, now: datetime, priority: int) -> dict[str, object]:
        """Return the query's parameters, for the cases of one priority."""
        found: dict[str, object] = {
            "the_firm": firm.id,
            "records": self.records,
            "now": now,
            "the_priority": priority,
        }
        if self.campaign_ids is not None:
            looks = _looks_for(len(self.campaign_ids))
            found |= dict(zip_longest(map(_campaign_name, range(looks)), self.campaign_ids))
        if self.case_group is not None:
            found["the_group"] = fold(self.case_group)
        if self.after is not None:
            found |= {"after_time": self.after.dial_at, "after_case": self.after.case_id}
        return found


def _looks_for(campaigns: int) -> int:
    """Return how many looks a query for so many campaigns has: a power of two, so that there are few such queries."""
    return 1 << (campaigns - 1).bit_length()


def _campaign_name(number: int) -> str:
    return f"campaign_{number}"


def _campaign(number: int) -> sa.BindParameter[int]:
    return sa.bindparam(_campaign_name(number), type_=sa.BigInteger)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a query filters by: campaigns, with so many looks (None: by none); a group; a case before it."""

    campaigns: int | None
    by_group: bool
    goes_on: bool = False

    @property
    def is_merged(self) -> bool:
        """Tell whether it looks for several campaigns."""
        return self.campaigns is not None and self.campaigns > 1


def waits(shape: Shape, campaign_id: Any, case_group: Any) -> list[sa.ColumnElement[bool]]:
    """Return what a due case of one priority, campaign and group fulfils; each set of filters has an index."""
    where = [cases.c.firm_id == FIRM, _IS_TO_DIAL, cases.c.priority == _PRIORITY, cases.c.dial_at <= NOW]
    if shape.campaigns is not None:
        where.append(cases.c.campaign_id == campaign_id)
    if shape.by_group:
        where.append(cases.c.case_group_folded == case_group)
    return where


def due_query(
    shape: Shape, campaign_id: Any, case_group: Any, behind: tuple[Any, Any], columns: Columns = WAITING
) -> sa.Select[tuple[Any, ...]]:
    """Build the query for due cases of one campaign, or of any, in order, without a limit.

    ``behind`` is the dial time and the CaseID of the case before them, where the shape goes on behind one.
    """
    query = sa.select(*columns).where(*waits(shape, campaign_id, case_group))
    if shape.goes_on:
        query = query.where(sa.tuple_(cases.c.dial_at, cases.c.case_id) > sa.tuple_(*behind))
    return query.order_by(cases.c.dial_at, cases.c.case_id)


def merged(database: Database, shape: Shape, most: Any, columns: Columns = WAITING) -> sa.CompoundSelect[Any]:
    """Build the query for due cases of several campaigns, in order, without a limit.

    Each campaign is looked for in its own part of the index, and what the looks find is merged as it is read: a case
    of another campaign is never met. PostgreSQL has to be told in which order each look goes, and that it ends after
    ``most``, or it reads them all to sort them; SQLite would sort them if it were told.
    """
    looks = [due_query(shape, _campaign(n), GROUP, _BEHIND, columns) for n in range(shape.campaigns or 0)]
    looks = [look.limit(most) if database is Database.POSTGRESQL else look.order_by(None) for look in looks]
    return sa.union_all(*looks).order_by("dial_at", "case_id")


@cache
def _list(shape: Shape, database: Database) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Build the query for the due cases of one queue."""
    records: sa.BindParameter[int] = sa.bindparam("records", type_=sa.Integer)
    if shape.is_merged:
        return merged(database, shape, records).limit(records)
    return due_query(shape, _campaign(0), GROUP, _BEHIND).limit(records)


async def due(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases: by priority, then the oldest dial time first, then by CaseID. Raises CasesUnreadable."""
    found: list[Case] = []
    unreadable: list[int] = []
    for priority in firm.priorities:  # most firms have one
        if wanted.after and priority < wanted.after.priority:
            continue
        some = replace(wanted, records=wanted.records - len(found))
        if wanted.after and priority > wanted.after.priority:
            some = replace(some, after=None)
        these, bad = await (_due_behind if some.after else _due_first)(tx, firm, some, now, priority)
        found, unreadable = found + these, unreadable + bad
        if len(found) == wanted.records:
            break
    if unreadable:
        raise CasesUnreadable(unreadable)
    return found


def head_of(firm: Firm, wanted: DueFilter, priority: int) -> object:
    """Return what names the queue whose head is the place to begin a look."""
    return firm.id, priority, wanted.queue


async def _due_first(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, priority: int
) -> tuple[list[Case], list[int]]:
    """Return the first due cases of one priority, from the head of their queue on, where there is one."""
    queue = head_of(firm, wanted, priority)
    head = tx.heads.of(queue)
    began = time.monotonic()
    found, unreadable = await _due_behind(tx, firm, replace(wanted, after=head), now, priority)
    if found:
        tx.heads.found(queue, found[0], time.monotonic() - began, head)
    elif head:  # there may be something before it
        tx.heads.forget(queue)
        return await _due_first(tx, firm, wanted, now, priority)
    return found, unreadable


async def _due_behind(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, priority: int
) -> tuple[list[Case], list[int]]:
    """Return due cases of one priority, and the CaseIDs of those of which the row cannot be read."""
    read = partial(waiting_from, statuses=firm.statuses)
    return await read_rows(tx, firm, _list(wanted.shape, tx.database), wanted.parameters(firm, now, priority), read)


# As they were found in their queue. Nobody moves a case of SQLite within a transaction that writes.
_PLACES = unnested(
    "places",
    {"case_id": sa.BigInteger, **{name: cases.c[name].type for name in ("priority", "dial_at", "campaign_id")}},
    number="place",
)
_UNMOVED = sa.and_(
    cases.c.case_id == _PLACES.c.case_id,
    cases.c.priority == _PLACES.c.priority,
    cases.c.dial_at == _PLACES.c.dial_at,
    cases.c.campaign_id.is_not_distinct_from(_PLACES.c.campaign_id),
)
_AT_MOST: sa.BindParameter[int] = sa.bindparam("at_most", type_=sa.Integer)
_LOCK_FIRST = {
    Database.SQLITE: sa.select(*WHOLE)
    .where(cases.c.firm_id == FIRM, among(Database.SQLITE, cases.c.case_id, "these_cases"), _IS_TO_DIAL)
    .order_by(cases.c.priority, cases.c.dial_at, cases.c.case_id)
    .limit(_AT_MOST),
    Database.POSTGRESQL: sa.select(*WHOLE)
    .join_from(_PLACES, cases, _UNMOVED)
    .where(cases.c.firm_id == FIRM, _IS_TO_DIAL)
    .order_by(_PLACES.c.place)
    .limit(_AT_MOST)
    .with_for_update(skip_locked=True, of=cases),
}


async def lock_first(tx: Transaction, firm: Firm, found: Sequence[Case], at_most: int) -> list[Case]:
    """Return the first of due cases that are still where they were found, and that nobody else has locked.

    They are held until the end of the transaction; of the others none is.
    """
    case_ids = [case.case_id for case in found]
    given: dict[str, object] = {"the_firm": firm.id, "at_most": at_most}
    if tx.database is Database.SQLITE:
        given["these_cases"] = case_ids
    else:
        given |= {
            "places_case_id": case_ids,
            "places_priority": [case.priority for case in found],
            "places_dial_at": [case.dial_at for case in found],
            "places_campaign_id": [case.campaign_id for case in found],
        }
    return list((await whole(tx, firm, _LOCK_FIRST[tx.database], given)).values())
