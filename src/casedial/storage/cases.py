"""Cases, their phone numbers and the history of their statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.slices import SLICE
from casedial.database.tables import cases, phone_numbers, status_history
from casedial.domain.cases import Case, Hold, Phone, StatusChange
from casedial.domain.dialing import Addressee
from casedial.domain.errors import CaseUnreadable
from casedial.domain.firms import Firm
from casedial.domain.names import fold
from casedial.domain.statuses import Role, Statuses, StatusesStale, StatusType
from casedial.storage import firms, names
from casedial.storage.actors import ACTOR_COLUMNS, WHY_COLUMNS, actor_and_why, actor_values, why_values

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


# What a dialer is shown of a case, in the order of ``ShownCase``.
SHOWN = tuple(
    cases.c[name]
    for name in (
        *("case_id", "case_status", "zip_code", "phones"),
        *("dialer_status_id", "campaign_id", "attempts_id", "disposition_id", "dial_at"),
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
        raise TypeError("The phones of a case are not a list.")
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


_IN_THE_DIALER = cases.c.dialer_role == int(Role.IN_THE_DIALER)
_THIS_CASE = sa.and_(cases.c.firm_id == sa.bindparam("this_firm"), cases.c.case_id == sa.bindparam("this_case"))
_FETCH = sa.select(*WHOLE).where(_THIS_CASE)


def _these_cases(dialect: Dialect) -> sa.ColumnElement[bool]:
    these = dialect.among_given(cases.c.case_id, "these_cases")
    return sa.and_(cases.c.firm_id == sa.bindparam("this_firm"), these)


@cache
def _these_whole(dialect: Dialect) -> sa.Select[Any]:
    return sa.select(*WHOLE).where(_these_cases(dialect))


@cache
def _lock(dialect: Dialect, pass_over: bool) -> sa.Select[Any]:
    return _these_whole(dialect).order_by(cases.c.case_id).with_for_update(skip_locked=pass_over)


@cache
def _whereabouts(dialect: Dialect) -> sa.Select[Any]:
    query = sa.select(cases.c.case_id, cases.c.campaign_id, cases.c.claim_id).where(_these_cases(dialect))
    return query.order_by(cases.c.case_id).with_for_update(read=True, key_share=True)


def _save(columns: Iterable[str]) -> sa.Update:
    return cases.update().where(_THIS_CASE).values({name: sa.bindparam(name) for name in columns})


_COLUMNS = tuple(_values(Case(case_id=1)))
_ALL_COLUMNS = ("firm_id", "case_id", *_COLUMNS)
# All of a case that is not saved with its statuses.
_facts = attrgetter("case_status", "case_group", "closed", "closed_on", "zip_code", "plaintiff", "phones")
NUMBER_COLUMNS = ("firm_id", "number", "case_id")
_SAVE = _save(_COLUMNS)
_STATUS_VALUES = tuple(_status_values(Case(case_id=1)))


@cache
def _statuses_saved(dialect: Dialect) -> sa.Update:
    return dialect.update_each(cases, cases.c.firm_id == sa.bindparam("this_firm"), "case_id", _STATUS_VALUES)


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
    tx: Transaction, firm: Firm, query: sa.Executable, given: Any, read: Callable[[Any], T], slice_: int = SLICE
) -> tuple[list[T], list[int]]:
    """Run a query for cases; return the CaseIDs of those of which the row cannot be read, too.

    Raises StatusesStale where that is because the firm has changed since it was read.
    """
    found, unreadable = await tx.apart(query, given, read, slice_)
    if unreadable and not await firms.is_current(tx, firm):
        raise StatusesStale
    return found, unreadable


def unreadable_case(case_id: int) -> CaseUnreadable:
    """Return the refusal of a case whose row cannot be read."""
    return CaseUnreadable(
        f"The stored case {case_id} cannot be read; the firm's operator can find out why with casedial doctor."
    )


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
    return await whole(tx, firm, _these_whole(tx.dialect), wanted)


async def lock(tx: Transaction, firm: Firm, case_ids: Iterable[int], pass_over_locked: bool = False) -> Found:
    """Return those of these cases that exist, held until the end of the transaction.

    Rows are locked in CaseID order, whatever the order asked for, so that two batches cannot deadlock. With
    ``pass_over_locked`` those are left out for which somebody else would have to be waited for.
    """
    wanted = {"this_firm": firm.id, "these_cases": sorted(set(case_ids))}
    return await whole(tx, firm, _lock(tx.dialect, pass_over_locked), wanted)


async def whereabouts(
    tx: Transaction, firm: Firm, case_ids: Iterable[int]
) -> dict[int, tuple[int | None, UUID | None]]:
    """Return which of these cases the firm has, each with the ids of its campaign and of the claim that holds it.

    None of them is deleted before the end of the transaction.
    """
    these = {"this_firm": firm.id, "these_cases": sorted(set(case_ids))}
    rows = await tx.execute(_whereabouts(tx.dialect), these)
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
        return Addressee._make(row[:4]), Case(row.case_id, phones=phones).numbers

    there, unreadable = await read_rows(tx, firm, query, None, with_its_numbers)
    if unreadable:
        raise unreadable_case(unreadable[0])
    found = [addressee for addressee, numbers in there if number in numbers]
    return found if found or not (await tx.execute(too_many)).scalar() else None


async def add(tx: Transaction, firm: Firm, added: Sequence[Case]) -> None:
    """Add cases that the firm does not have, with their phone numbers and the words of their names."""
    await bulk.insert(tx, cases, _ALL_COLUMNS, _rows(firm, added))
    await bulk.insert(tx, phone_numbers, NUMBER_COLUMNS, number_rows(firm, added))
    await names.add(tx, firm, added)


def _rows(firm: Firm, added: Sequence[Case]) -> bulk.Rows:
    return [(firm.id, case.case_id, *_values(case).values()) for case in added]


async def save(tx: Transaction, firm: Firm, changed: Sequence[tuple[Case, Case]]) -> None:
    """Store cases of the firm that this transaction holds; each comes as it was and as it is to be."""
    whole = [after for before, after in changed if _facts(before) != _facts(after)]
    alike = {case.case_id for case in whole}
    await _save_statuses(tx, firm, [after for _, after in changed if after.case_id not in alike])
    if not whole:
        return
    rows = [{"this_firm": firm.id, "this_case": case.case_id, **_values(case)} for case in whole]
    await tx.execute(_SAVE, rows)
    if moved := [case for before, case in changed if before.phones != case.phones]:
        these = tx.among(phone_numbers.c.case_id, [case.case_id for case in moved])
        await tx.execute(phone_numbers.delete().where(phone_numbers.c.firm_id == firm.id, these))
        await bulk.insert(tx, phone_numbers, NUMBER_COLUMNS, number_rows(firm, moved))
    if renamed := [(before, case) for before, case in changed if before.plaintiff != case.plaintiff]:
        await names.remove(tx, firm, [before for before, _ in renamed])
        await names.add(tx, firm, [case for _, case in renamed])


async def put_back(tx: Transaction, firm: Firm, case_ids: Iterable[int], claim_id: UUID) -> dict[int, datetime | None]:
    """Move cases of a claim back to To Dial at their old time, without reading them; return these, each with its time.

    Only what a claim of due cases may have taken: they were To Dial.
    """
    these = sa.and_(cases.c.firm_id == firm.id, tx.among(cases.c.case_id, sorted(case_ids)), _IN_THE_DIALER)
    back = cases.update().where(these, cases.c.claim_id == claim_id, cases.c.redial_at.is_not(None))
    left = dict.fromkeys(("claim_id", "held_until", "redial_at", "answered_at"))
    to_dial = firm.statuses.with_role(Role.TO_DIAL).id
    values = {**left, "dialer_status_id": to_dial, "dialer_role": int(Role.TO_DIAL), "dial_at": cases.c.redial_at}
    rows = await tx.execute(back.values(values).returning(cases.c.case_id, cases.c.dial_at))
    return {row.case_id: row.dial_at for row in rows}


def number_rows(firm: Firm, changed: Sequence[Case]) -> bulk.Rows:
    """Return the rows of ``phone_numbers`` that these cases want."""
    return [(firm.id, number, case.case_id) for case in changed for number in case.numbers]


async def _save_statuses(tx: Transaction, firm: Firm, changed: Iterable[Case]) -> None:
    """Store the statuses, dial times, holds and priorities of cases."""
    rows = [{"case_id": case.case_id, **_status_values(case)} for case in changed]
    if rows:
        await tx.execute(_statuses_saved(tx.dialect), tx.dialect.given_each({"this_firm": firm.id}, rows))


_HISTORY = (
    *("firm_id", "case_id", "type", "status_id"),
    *("dial_at", "changed_at", "changed_by", "claim_id", *WHY_COLUMNS, *ACTOR_COLUMNS),
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
            *why_values(change.why),
            *actor_values(change.actor),
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
        kind, (by, why) = StatusType(row.type), actor_and_why(row)
        changed = StatusChange(row.case_id, kind, status, row.dial_at, row.changed_at, by, row.claim_id, why)
        found[row.case_id].append(changed)
    return found
