"""Cases, their phone numbers and the history of their statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from casedial.domain.cases import (
    Case,
    Firm,
    Hold,
    Phone,
    Role,
    StatusChange,
    Statuses,
    StatusesStale,
    StatusType,
    fold,
)
from casedial.domain.dialing import Addressee, CaseFilter
from casedial.domain.errors import CaseUnreadable
from casedial.domain.phones import read
from casedial.storage import bulk, firms
from casedial.storage.engine import Database, Transaction, among, length_of
from casedial.storage.postgresql import unnested
from casedial.storage.tables import cases, phone_numbers, status_history

T = TypeVar("T")

STATUS_COLUMNS = (
    (StatusType.DIALER, "dialer_status_id"),
    (StatusType.CAMPAIGN, "campaign_id"),
    (StatusType.ATTEMPTS, "attempts_id"),
    (StatusType.DISPOSITION, "disposition_id"),
)


# All of a case that waits.
WAITING = tuple(
    cases.c[name]
    for name in (
        *("case_id", "case_status", "case_group", "closed", "closed_on", "zip_code", "plaintiff", "phones"),
        *("dialer_status_id", "campaign_id", "attempts_id", "disposition_id", "dial_at", "changed_at", "priority"),
    )
)


# All of a case: how it is found, and until when it is held back, is not the domain's.
_HOLD = tuple(cases.c[name] for name in ("claim_id", "dialer_role", "held_until", "redial_at", "answered_at"))
WHOLE = (*WAITING, *_HOLD)


def case_from(row: Any, statuses: Statuses) -> Case:
    """Return the domain's case from the columns ``WHOLE``."""
    return waiting_from(row, statuses, _hold_from(*row[len(WAITING) :]))


def waiting_from(row: Any, statuses: Statuses, hold: Hold | None = None) -> Case:
    """Return the domain's case from a row that begins with the columns ``WAITING``."""
    case_id, case_status, case_group, closed, closed_on, zip_code, plaintiff, phones, *rest = row
    dialer, campaign, attempts, disposition, dial_at, changed_at, priority, *_ = rest
    held = statuses.held(dialer, campaign, attempts, disposition)
    if type(phones) is not list:
        raise TypeError("The phones of a case are no list.")
    numbers = tuple([Phone(*phone) for phone in phones])
    told = case_status, case_group, closed, closed_on, zip_code, plaintiff
    return Case(case_id, *told, numbers, held, dial_at, changed_at, hold, priority)


def _hold_from(
    claim_id: UUID | None,
    dialer_role: int,
    held_until: datetime | None,
    redial_at: datetime | None,
    answered_at: datetime | None,
) -> Hold | None:
    """Return who holds a case. An older casedial that moves a case out of the dialer leaves a hold that is none."""
    if claim_id is None or dialer_role != Role.IN_THE_DIALER:
        return None
    return Hold(claim_id, held_until, redial_at, answered_at)


def _status_values(case: Case) -> dict[str, object]:
    ids = {column: status.id if (status := case.statuses.get(kind)) else None for kind, column in STATUS_COLUMNS}
    hold = case.hold
    return {
        **ids,
        "dialer_role": case.role,
        "dial_at": case.dial_at,
        "changed_at": case.changed_at,
        "priority": case.priority,
        "claim_id": hold.claim_id if hold else None,
        "held_until": hold.until if hold else None,
        "redial_at": hold.redial_at if hold else None,
        "answered_at": hold.answered_at if hold else None,
        "held_back_until": None,
    }


def _values(case: Case) -> dict[str, object]:
    return {
        "case_status": case.case_status,
        "case_group": case.case_group,
        "case_group_folded": fold(case.case_group),
        "closed": case.closed,
        "closed_on": case.closed_on,
        "zip_code": case.zip_code,
        "plaintiff": case.plaintiff,
        "phones": [[phone.name, phone.number, phone.primary, phone.text] for phone in case.phones],
        **_status_values(case),
    }


_THIS_CASE = sa.and_(cases.c.firm_id == sa.bindparam("this_firm"), cases.c.case_id == sa.bindparam("this_case"))
_FETCH = sa.select(*WHOLE).where(_THIS_CASE)
_THESE_CASES = {
    database: sa.and_(cases.c.firm_id == sa.bindparam("this_firm"), among(database, cases.c.case_id, "these_cases"))
    for database in Database
}
_THESE_WHOLE = {database: sa.select(*WHOLE).where(these) for database, these in _THESE_CASES.items()}
_LOCK = {
    (database, pass_over): query.order_by(cases.c.case_id).with_for_update(skip_locked=pass_over)
    for database, query in _THESE_WHOLE.items()
    for pass_over in (False, True)
}
_WHEREABOUTS = {
    database: sa.select(cases.c.case_id, cases.c.campaign_id, cases.c.claim_id)
    .where(these)
    .order_by(cases.c.case_id)
    .with_for_update(read=True, key_share=True)
    for database, these in _THESE_CASES.items()
}


def _save(columns: Iterable[str]) -> sa.Update:
    return cases.update().where(_THIS_CASE).values({name: sa.bindparam(name) for name in columns})


_COLUMNS = tuple(_values(Case(case_id=1)))
_ALL_COLUMNS = ("firm_id", "case_id", *_COLUMNS)
NUMBER_COLUMNS = ("firm_id", "number", "case_id")
_SAVE = _save(_COLUMNS)
_STATUS_VALUES = tuple(_status_values(Case(case_id=1)))
_SAVE_STATUSES = _save(_STATUS_VALUES)
# One statement of PostgreSQL for all of them.
_SAVED = unnested("saved", {"this_case": sa.BigInteger, **{name: cases.c[name].type for name in _STATUS_VALUES}})
_SAVE_STATUSES_TOGETHER = (
    cases.update()
    .where(cases.c.firm_id == sa.bindparam("this_firm"), cases.c.case_id == _SAVED.c.this_case)
    .values({name: _SAVED.c[name] for name in _STATUS_VALUES})
)


class Found(dict[int, Case]):
    """Cases by CaseID; ``unreadable`` are those that are there, but of which the row cannot be read."""

    def __init__(self, found: Iterable[Case], unreadable: Iterable[int]) -> None:
        super().__init__((case.case_id, case) for case in found)
        self.unreadable = frozenset(unreadable)

    @property
    def last(self) -> int | None:
        """Return the highest CaseID that was found, readable or not; None where there was none."""
        return max((*self, *self.unreadable), default=None)


async def read_rows(
    tx: Transaction, firm: Firm, query: sa.Executable, given: Any, read: Callable[[Any], T]
) -> tuple[list[T], list[int]]:
    """Run a query for cases; return the CaseIDs of those of which the row cannot be read, too.

    Raises StatusesStale where that is because the firm has changed since it was read.
    """
    found, unreadable = await tx.apart(query, given, read)
    if unreadable and not await firms.is_current(tx, firm):
        raise StatusesStale
    return found, unreadable


def unreadable_case(case_id: int) -> CaseUnreadable:
    """Return the refusal of a case whose row cannot be read."""
    return CaseUnreadable(f"What is stored of case {case_id} cannot be read; the firm finds out why with its operator.")


async def whole(tx: Transaction, firm: Firm, query: sa.Executable, given: Any = None) -> Found:
    """Run a query for whole cases; they come in its order. Raises StatusesStale, as ``read_rows`` does."""
    return Found(*await read_rows(tx, firm, query, given, partial(case_from, statuses=firm.statuses)))


async def fetch(tx: Transaction, firm: Firm, case_id: int) -> Case | None:
    """Return one case of the firm, or None. Raises CaseUnreadable."""
    found = await whole(tx, firm, _FETCH, {"this_firm": firm.id, "this_case": case_id})
    if found.unreadable:
        raise unreadable_case(case_id)
    return found.get(case_id)


async def these(tx: Transaction, firm: Firm, case_ids: Iterable[int]) -> Found:
    """Return those of these cases that exist, and hold none."""
    wanted = {"this_firm": firm.id, "these_cases": sorted(set(case_ids))}
    return await whole(tx, firm, _THESE_WHOLE[tx.database], wanted)


async def lock(tx: Transaction, firm: Firm, case_ids: Iterable[int], pass_over_locked: bool = False) -> Found:
    """Return those of these cases that exist, held until the end of the transaction.

    Rows are locked in CaseID order, whatever the order asked for, so that two batches cannot deadlock. With
    ``pass_over_locked`` those are left out for which somebody else would have to be waited for.
    """
    wanted = {"this_firm": firm.id, "these_cases": sorted(set(case_ids))}
    return await whole(tx, firm, _LOCK[tx.database, pass_over_locked], wanted)


async def whereabouts(
    tx: Transaction, firm: Firm, case_ids: Iterable[int]
) -> dict[int, tuple[int | None, UUID | None]]:
    """Return which of these cases the firm has, each with the ids of its campaign and of the claim that holds it.

    None of them is deleted before the end of the transaction.
    """
    these = {"this_firm": firm.id, "these_cases": sorted(set(case_ids))}
    rows = await tx.execute(_WHEREABOUTS[tx.database], these)
    return {row.case_id: (row.campaign_id, row.claim_id) for row in rows}


async def with_number(tx: Transaction, firm: Firm, number: str, most: int) -> list[Addressee] | None:
    """Return the firm's cases one of whose phones, faxes aside, has this number, in CaseID order.

    None where there are more than so many: then none is read. None of them is deleted before the end of the
    transaction. An older casedial beside this one stores a number abroad as one of the US, and leaves a hold that is
    none: the case itself says what it has. Raises CaseUnreadable.
    """
    these = sa.and_(phone_numbers.c.firm_id == firm.id, phone_numbers.c.number == number)
    some = sa.select(sa.literal(1)).where(these).limit(most + 1).subquery()
    too_many = sa.select(sa.func.count() > most).select_from(some)
    held_by = sa.case((cases.c.dialer_role == int(Role.IN_THE_DIALER), cases.c.claim_id))
    query = (
        sa.select(cases.c.case_id, cases.c.closed, cases.c.campaign_id, held_by, cases.c.phones)
        .join(
            phone_numbers,
            sa.and_(phone_numbers.c.firm_id == cases.c.firm_id, phone_numbers.c.case_id == cases.c.case_id),
        )
        .where(these, sa.not_(too_many.scalar_subquery()))
        .order_by(cases.c.case_id)
        .with_for_update(read=True, key_share=True, of=cases)
    )

    def with_its_numbers(row: Any) -> tuple[Addressee, list[str]]:
        phones = tuple(Phone(*phone) for phone in row.phones)
        return Addressee._make(row[:4]), numbers_of(Case(row.case_id, phones=phones))

    there, unreadable = await read_rows(tx, firm, query, None, with_its_numbers)
    if unreadable:
        raise unreadable_case(unreadable[0])
    found = [addressee for addressee, numbers in there if number in numbers]
    return found if found or not (await tx.execute(too_many)).scalar() else None


async def matching(tx: Transaction, firm: Firm, wanted: CaseFilter, after: int, limit: int) -> Found:
    """Return a page of the firm's cases that match, in CaseID order from the one after ``after``.

    Raises StatusesStale.
    """
    query = sa.select(*WHOLE).where(cases.c.firm_id == firm.id, cases.c.case_id > after, *_conditions(tx, firm, wanted))
    return await whole(tx, firm, query.order_by(cases.c.case_id).limit(limit))


def _conditions(tx: Transaction, firm: Firm, wanted: CaseFilter) -> list[sa.ColumnElement[bool]]:
    named = [
        (StatusType.DIALER, wanted.dialer_status, cases.c.dialer_status_id),
        (StatusType.CAMPAIGN, wanted.campaign, cases.c.campaign_id),
        (StatusType.DISPOSITION, wanted.disposition, cases.c.disposition_id),
    ]
    found = [column == firm.statuses.named(kind, name).id for kind, name, column in named if name]
    if wanted.case_group is not None:
        found.append(cases.c.case_group_folded == fold(wanted.case_group))
    if wanted.case_ids is not None:
        found.append(tx.among(cases.c.case_id, wanted.case_ids))
    return found


async def most_phones(tx: Transaction, firm: Firm) -> int:
    """Return the largest number of phones that a case of the firm has."""
    query = sa.select(sa.func.max(length_of(tx.database, cases.c.phones))).where(cases.c.firm_id == firm.id)
    return (await tx.execute(query)).scalar() or 0


async def add(tx: Transaction, firm: Firm, added: Sequence[Case]) -> None:
    """Add cases that the firm does not have, with their phone numbers."""
    await bulk.insert(tx, cases, _ALL_COLUMNS, _rows(firm, added))
    await bulk.insert(tx, phone_numbers, NUMBER_COLUMNS, number_rows(firm, added))


def _rows(firm: Firm, added: Sequence[Case]) -> bulk.Rows:
    return [(firm.id, case.case_id, *_values(case).values()) for case in added]


async def save(tx: Transaction, firm: Firm, changed: Sequence[tuple[Case, Case]]) -> None:
    """Store cases of the firm whole; each comes as it was and as it is to be."""
    if not changed:
        return
    rows = [{"this_firm": firm.id, "this_case": case.case_id, **_values(case)} for _, case in changed]
    await tx.execute(_SAVE, rows)
    moved = [case for before, case in changed if before.phones != case.phones]
    if moved:
        await tx.execute(
            phone_numbers.delete().where(
                phone_numbers.c.firm_id == firm.id,
                tx.among(phone_numbers.c.case_id, [case.case_id for case in moved]),
            )
        )
        await bulk.insert(tx, phone_numbers, NUMBER_COLUMNS, number_rows(firm, moved))


def number_rows(firm: Firm, changed: Sequence[Case]) -> bulk.Rows:
    """Return the rows of ``phone_numbers`` that these cases want."""
    return [(firm.id, number, case.case_id) for case in changed for number in numbers_of(case)]


def numbers_of(case: Case) -> list[str]:
    """Return that by which a case is found: the number of each of its phones, once, faxes aside."""
    return [key for key in dict.fromkeys(read(phone.number).key for phone in case.voice_phones) if key]


async def save_statuses(tx: Transaction, firm: Firm, changed: Iterable[Case]) -> None:
    """Store the statuses, dial times and priorities of cases of the firm that this transaction holds."""
    rows = [{"this_case": case.case_id, **_status_values(case)} for case in changed]
    if not rows:
        return
    if tx.database is Database.SQLITE:
        await tx.execute(_SAVE_STATUSES, [{"this_firm": firm.id, **row} for row in rows])
        return
    arrays = {f"saved_{name}": [row[name] for row in rows] for name in rows[0]}
    await tx.execute(_SAVE_STATUSES_TOGETHER, {"this_firm": firm.id, **arrays})


_HISTORY = (
    *("firm_id", "case_id", "type", "status_id"),
    *("dial_at", "changed_at", "changed_by", "claim_id", "reason"),
)


async def record(tx: Transaction, firm: Firm, history: Iterable[StatusChange]) -> None:
    """Append changes to the history of their cases."""
    await bulk.insert(tx, status_history, _HISTORY, _history_rows(firm, history))


def _history_rows(firm: Firm, history: Iterable[StatusChange]) -> bulk.Rows:
    return [
        (
            firm.id,
            change.case_id,
            change.type,
            change.status.id if change.status else None,
            change.dial_at,
            change.changed_at,
            change.changed_by,
            change.claim_id,
            change.reason,
        )
        for change in history
    ]


async def history(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> Mapping[int, list[StatusChange]]:
    """Return the recorded changes of each of these cases, oldest first. Raises StatusesStale."""
    query = (
        status_history.select()
        .where(status_history.c.firm_id == firm.id, tx.among(status_history.c.case_id, case_ids))
        .order_by(status_history.c.id)
    )
    found: dict[int, list[StatusChange]] = {case_id: [] for case_id in case_ids}
    rows = (await tx.execute(query)).all()
    unknown = {row.status_id for row in rows if row.status_id is not None} - firm.statuses.ids
    if unknown and not await firms.is_current(tx, firm):
        raise StatusesStale
    for row in rows:
        status = None if row.status_id is None else firm.statuses.known(row.status_id, StatusType(row.type))
        found[row.case_id].append(
            StatusChange(
                row.case_id,
                StatusType(row.type),
                status,
                row.dial_at,
                row.changed_at,
                row.changed_by,
                row.claim_id,
                row.reason,
            )
        )
    return found
