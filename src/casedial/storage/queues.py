"""The cases due to be dialed, in the order of their queues."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from itertools import zip_longest
from typing import Any, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from casedial.database.dialects import Dialect, unnested
from casedial.database.engine import Transaction
from casedial.database.heads import Waits
from casedial.database.slices import SLICE
from casedial.database.tables import cases
from casedial.domain.cases import Case, CasesUnreadable, Phone, voice_phones
from casedial.domain.firms import Firm
from casedial.domain.names import fold
from casedial.domain.statuses import Role, Statuses
from casedial.storage import cases as stored
from casedial.storage.cases import WAITING, WHOLE, Found, read_rows, waiting_from, whole

T = TypeVar("T", bound=Waits)

# A constant, for the partial indexes hold the to-dial role only.
_IS_TO_DIAL = cases.c.dialer_role == sa.literal_column(str(int(Role.TO_DIAL)))
FIRM: sa.BindParameter[int] = sa.bindparam("the_firm", type_=sa.BigInteger)
NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=cases.c.dial_at.type)
# The database's time in a statement of PostgreSQL, but for a store whose clock was moved.
CLOCK = sa.func.coalesce(sa.bindparam("clock", type_=cases.c.dial_at.type), sa.func.statement_timestamp())
Columns = Sequence[sa.Column[Any]]
_PRIORITY: sa.BindParameter[int] = sa.bindparam("the_priority", type_=sa.SmallInteger)
GROUP: sa.BindParameter[str] = sa.bindparam("the_group", type_=sa.Text)
_BEHIND = sa.bindparam("after_time", type_=cases.c.dial_at.type), sa.bindparam("after_case", type_=sa.BigInteger)


class Of(NamedTuple):
    """Where a query has it from what it is about: parameters, or columns of what it is joined with."""

    firm_id: Any = FIRM
    priority: Any = _PRIORITY
    campaign_id: Any = None
    case_group: Any = GROUP


@dataclass(frozen=True, slots=True)
class DueFilter:
    """Which due cases: of these campaigns (None: of any or none) and this group, at most ``records``."""

    campaign_ids: tuple[int, ...] | None
    case_group: str | None
    records: int

    after: Waits | None = None  # only what comes behind this one

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


ONE = Of(campaign_id=_campaign(0))  # where one campaign is asked for, at most


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


def waits(shape: Shape, of: Of) -> list[sa.ColumnElement[bool]]:
    """Return what a due case of one priority, campaign and group fulfils; each set of filters has an index."""
    where = [cases.c.firm_id == of.firm_id, _IS_TO_DIAL, cases.c.priority == of.priority, cases.c.dial_at <= NOW]
    if shape.campaigns is not None:
        where.append(cases.c.campaign_id == of.campaign_id)
    if shape.by_group:
        where.append(cases.c.case_group_folded == of.case_group)
    return where


def due_query(shape: Shape, of: Of, behind: tuple[Any, Any], columns: Columns = WAITING) -> sa.Select[tuple[Any, ...]]:
    """Build the query for due cases of one campaign, or of any, in order, without a limit.

    ``behind`` is the dial time and the CaseID of the case before them, where the shape goes on behind one.
    """
    query = sa.select(*columns).where(*waits(shape, of))
    if shape.goes_on:
        query = query.where(sa.tuple_(cases.c.dial_at, cases.c.case_id) > sa.tuple_(*behind))
    return query.order_by(cases.c.dial_at, cases.c.case_id)


def merged(dialect: Dialect, shape: Shape, most: Any, columns: Columns = WAITING) -> sa.CompoundSelect[Any]:
    """Build the query for due cases of several campaigns, in order, without a limit.

    Each campaign is looked for in its own part of the index, and what the looks find is merged as it is read: a case
    of another campaign is never met. A look may end after ``most``.
    """
    each = (Of(campaign_id=_campaign(n)) for n in range(shape.campaigns or 0))
    looks = [due_query(shape, of, _BEHIND, columns) for of in each]
    return dialect.merged(looks, most).order_by("dial_at", "case_id")


class Sight(NamedTuple):
    """What is looked at first of a due case: many may not be called now, and their whole rows are not read."""

    case_id: int
    zip_code: str
    entered: list[Any]  # its phones, as they are stored
    campaign_id: int | None
    dial_at: datetime
    priority: int

    @property
    def voice_phones(self) -> list[Phone]:
        """Return the phones that a person may answer. Raises CasesUnreadable."""
        try:
            return voice_phones([Phone(*phone) for phone in self.entered])
        except Exception as error:
            raise CasesUnreadable([self.case_id]) from error


def _sight_from(row: Any, statuses: Statuses) -> Sight:
    case_id, zip_code, phones, campaign, dial_at, priority, dialer, attempts, disposition = row
    statuses.held(dialer, campaign, attempts, disposition)  # which sees whether the whole row can be read
    if type(phones) is not list:
        raise TypeError("The phones of a case are not a list.")
    return Sight(case_id, zip_code, phones, campaign, dial_at, priority)


@dataclass(frozen=True, slots=True)
class _Form(Generic[T]):
    """Which columns of a due case are read, what is made of them for a firm, and of how many at a time."""

    columns: tuple[Any, ...]
    read: Callable[[Statuses], Callable[[Any], T]]
    slice_: int = SLICE


_SEEN = tuple(
    cases.c[name]
    for name in (
        *("case_id", "zip_code", "phones", "campaign_id", "dial_at", "priority"),
        *("dialer_status_id", "attempts_id", "disposition_id"),
    )
)
_AS_CASE: _Form[Case] = _Form(WAITING, lambda statuses: partial(waiting_from, statuses=statuses))
_AS_SIGHT: _Form[Sight] = _Form(_SEEN, lambda statuses: partial(_sight_from, statuses=statuses), 8 * SLICE)


@cache
def _list(shape: Shape, dialect: Dialect, form: _Form[Any]) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """Build the query for the due cases of one queue."""
    records: sa.BindParameter[int] = sa.bindparam("records", type_=sa.Integer)
    if shape.is_merged:
        return merged(dialect, shape, records, form.columns).limit(records)
    return due_query(shape, ONE, _BEHIND, form.columns).limit(records)


async def due(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases: by priority, then the oldest dial time first, then by CaseID. Raises CasesUnreadable."""
    return await _due(tx, firm, wanted, now, _AS_CASE)


async def look(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Sight]:
    """Return what ``due`` does, as far as it is looked at first. Raises CasesUnreadable."""
    return await _due(tx, firm, wanted, now, _AS_SIGHT)


async def _due(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, form: _Form[T]) -> list[T]:
    found: list[T] = []
    unreadable: list[int] = []
    for priority in firm.priorities:  # most firms have one
        if wanted.after and priority < wanted.after.priority:
            continue
        some = replace(wanted, records=wanted.records - len(found))
        if wanted.after and priority > wanted.after.priority:
            some = replace(some, after=None)
        these, bad = await (_due_behind if some.after else _due_first)(tx, firm, some, now, priority, form)
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
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, priority: int, form: _Form[T]
) -> tuple[list[T], list[int]]:
    """Return the first due cases of one priority, from the head of their queue on, where there is one."""
    queue = head_of(firm, wanted, priority)
    head = tx.heads.of(queue)
    began = time.monotonic()
    found, unreadable = await _due_behind(tx, firm, replace(wanted, after=head), now, priority, form)
    if found:
        tx.heads.found(queue, priority, found[0], time.monotonic() - began, head)
    elif head:  # there may be something before it
        tx.heads.forget(queue)
        return await _due_first(tx, firm, wanted, now, priority, form)
    return found, unreadable


async def _due_behind(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, priority: int, form: _Form[T]
) -> tuple[list[T], list[int]]:
    """Return due cases of one priority, and the CaseIDs of those of which the row cannot be read."""
    query, given = _list(wanted.shape, tx.dialect, form), wanted.parameters(firm, now, priority)
    return await read_rows(tx, firm, query, given, form.read(firm.statuses), form.slice_)


# As they were found in their queue. Nobody else moves a case within a transaction that has its database for itself.
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
_LOCK_FIRST = (
    sa.select(*WHOLE)
    .join_from(_PLACES, cases, _UNMOVED)
    .where(cases.c.firm_id == FIRM, _IS_TO_DIAL)
    .order_by(_PLACES.c.place)
    .limit(_AT_MOST)
    .with_for_update(skip_locked=True, of=cases)
)


@cache
def _first(dialect: Dialect) -> sa.Select[Any]:
    """Build what ``_LOCK_FIRST`` is where there is one writer."""
    these = dialect.among_given(cases.c.case_id, "these_cases")
    query = sa.select(*WHOLE).where(cases.c.firm_id == FIRM, these, _IS_TO_DIAL)
    return query.order_by(cases.c.priority, cases.c.dial_at, cases.c.case_id).limit(_AT_MOST)


async def lock_first(tx: Transaction, firm: Firm, found: Sequence[Sight], at_most: int) -> list[Case]:
    """Return the first of due cases that are still where they were found, and that nobody else has locked.

    They are held until the end of the transaction; of the others none is. Raises CasesUnreadable.
    """
    case_ids = [case.case_id for case in found]
    given: dict[str, object] = {"the_firm": firm.id, "at_most": at_most}
    if tx.dialect.has_one_writer:
        return _readable(await whole(tx, firm, _first(tx.dialect), {**given, "these_cases": case_ids}))
    given |= {
        "places_case_id": case_ids,
        "places_priority": [case.priority for case in found],
        "places_dial_at": [case.dial_at for case in found],
        "places_campaign_id": [case.campaign_id for case in found],
    }
    return _readable(await whole(tx, firm, _LOCK_FIRST, given))


@cache
def _lock_seen(dialect: Dialect) -> sa.Select[Any]:
    these = dialect.among_given(cases.c.case_id, "these_cases")
    query = sa.select(*_SEEN).where(cases.c.firm_id == FIRM, these, _IS_TO_DIAL, cases.c.dial_at.is_not(None))
    return query.order_by(cases.c.case_id).with_for_update(skip_locked=True)


async def lock_seen(tx: Transaction, firm: Firm, case_ids: Iterable[int]) -> list[Sight]:
    """Return those of these cases that wait To Dial and that nobody else has locked, held until the transaction ends.

    Those of which the row cannot be read are left out.
    """
    given = {"the_firm": firm.id, "these_cases": sorted(set(case_ids))}
    read = _AS_SIGHT.read(firm.statuses)
    found, _ = await read_rows(tx, firm, _lock_seen(tx.dialect), given, read, _AS_SIGHT.slice_)
    return found


async def these(tx: Transaction, firm: Firm, found: Sequence[Sight]) -> list[Case]:
    """Return the whole of due cases, in their order, and hold none. Raises CasesUnreadable."""
    there = await stored.these(tx, firm, [sight.case_id for sight in found])
    _readable(there)
    return [there[sight.case_id] for sight in found if sight.case_id in there]


async def first(tx: Transaction, firm: Firm, found: Sequence[Sight], at_most: int) -> list[Case]:
    """Return the whole of the first of due cases, and hold none. Raises CasesUnreadable."""
    return await these(tx, firm, found[:at_most])


def _readable(found: Found) -> list[Case]:
    """Return cases in the order in which they were found. Raises CasesUnreadable."""
    if found.unreadable:
        raise CasesUnreadable(sorted(found.unreadable))
    return list(found.values())
