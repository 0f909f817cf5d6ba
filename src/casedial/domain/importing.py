"""What a row of an import file does to a case: a missing column leaves a field, an empty cell clears it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from casedial.domain.actors import IMPORT
from casedial.domain.cases import NO_PHONE, Case, Phone, StatusChange
from casedial.domain.claims import Taker, enter
from casedial.domain.dialing import change
from casedial.domain.firms import Firm
from casedial.domain.phones import is_fax, split
from casedial.domain.statuses import Role, Status, StatusType, is_count

STATUS_COLUMNS = {
    StatusType.DIALER: "DialerStatus",
    StatusType.CAMPAIGN: "Campaign",
    StatusType.ATTEMPTS: "Attempts",
    StatusType.DISPOSITION: "Disposition",
}


class BadRow(Exception):
    """A row that cannot be imported: in which column, and why."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class CaseRow(NamedTuple):
    """One row as it was read. What a column did not bring is not here.

    ``facts`` are fields of Case by name; ``closed`` is the flag and, if given, the date; ``statuses`` are
    names, None for an empty cell; ``phone_cells`` are cells by position from 0 (fields of Phone by name, or a Phone
    where the file has all of them), ``phones`` the whole list where the file brings it whole.
    """

    case_id: int
    facts: Mapping[str, Any] = MappingProxyType({})
    closed: tuple[bool, date | None] | None = None
    statuses: Mapping[StatusType, str | None] = MappingProxyType({})
    brings_dial_at: bool = False
    dial_at: datetime | None = None
    phone_cells: Mapping[int, Phone | Mapping[str, Any]] = MappingProxyType({})
    phones: tuple[Phone, ...] | None = None


class FileRow(NamedTuple):
    """A row with the line it starts on; ``cells`` is what it was, for the file of rejects."""

    line: int
    cells: Sequence[str]
    row: CaseRow | BadRow


@dataclass(frozen=True, slots=True)
class ImportFile:
    """An open file: its columns, those that mean nothing here, and its rows, read as they are asked for.

    JSON Lines have no header: there ``unknown`` grows with the rows, and so does ``told``, what is to be said of the
    file.
    """

    columns: Sequence[str]
    unknown: list[str]
    rows: Iterator[FileRow]
    told: list[str]


def merge_facts(case: Case, row: CaseRow) -> Case:
    """Return the case with what the row says of everything but its dial statuses."""
    closed, closed_on = case.closed, case.closed_on
    if row.closed is not None:
        closed, closed_on = row.closed
        if closed and closed_on is None:
            closed_on = case.closed_on  # "closed" does not contradict the date that is known
    phones = row.phones if row.phones is not None else _merge_phones(case.phones, row.phone_cells)
    return replace(case, **row.facts, closed=closed, closed_on=closed_on, phones=phones)


def _merge_phones(phones: tuple[Phone, ...], cells: Mapping[int, Phone | Mapping[str, Any]]) -> tuple[Phone, ...]:
    if not cells:
        return phones
    slots: dict[int, Phone] = dict(enumerate(phones))
    for position, given in cells.items():
        there = slots.get(position, NO_PHONE)
        slots[position] = given if isinstance(given, Phone) else there._replace(**given)
    return kept_phones([slots.get(position, NO_PHONE) for position in range(max(slots) + 1)])


def kept_phones(phones: Sequence[Phone]) -> tuple[Phone, ...]:
    """Return what is stored of a list of phones: a gap stays a gap, for a file finds a phone by its position."""
    filled = [phone if phone.number else NO_PHONE for phone in phones]
    while filled and filled[-1] == NO_PHONE:
        filled.pop()
    return tuple(filled)


def numbers_brought(row: CaseRow) -> Iterator[tuple[int, str]]:
    """Yield each number that a row brings, with the place of its phone from 0; a fax is nobody's to dial."""
    brought = row.phone_cells if row.phones is None else dict(enumerate(row.phones))
    for position, given in brought.items():
        phone = given if isinstance(given, Phone) else NO_PHONE._replace(**given)
        if phone.number and not is_fax(phone.name):
            for number in split(phone.number):
                yield position, number


def find_status(firm: Firm, kind: StatusType, name: str) -> Status | None:
    """Return the firm's status of this name; an Attempts count is also found however many zeros lead it."""
    found = firm.statuses.find(kind, name)
    if found is None and kind is StatusType.ATTEMPTS and is_count(name):
        found = firm.statuses.find(kind, str(int(name)))
    return found


def merge_statuses(
    firm: Firm, case: Case, row: CaseRow, is_new: bool, now: datetime, taker: Taker
) -> tuple[Case, list[StatusChange]]:
    """Return the case with the row's statuses and dial time, and the history of what that changed.

    Raises BadRow for a status that the firm does not have, or that is retired and not the case's already.
    """
    changed: dict[StatusType, Status | None] = {}
    for kind, name in row.statuses.items():
        status = find_status(firm, kind, name) if name else None
        if name and status is None:
            meant = firm.statuses.spelled_like(kind, name)
            hint = f"; did you mean {meant.name!r}?" if meant else ""
            raise BadRow(STATUS_COLUMNS[kind], f"{name[:80]!r} is not one of the firm's {kind.label} names{hint}")
        if status == case.statuses.get(kind):
            continue
        if status and status.retired:
            raise BadRow(STATUS_COLUMNS[kind], f"{status.name!r} is retired")
        changed[kind] = status
    dialer = changed.get(StatusType.DIALER, case.statuses.get(StatusType.DIALER))
    to_dial = dialer is not None and dialer.role is Role.TO_DIAL
    if row.brings_dial_at:
        dial_at = _unless_as_printed(firm, row.dial_at, case.dial_at) if row.dial_at else None
    elif StatusType.DIALER in changed and not is_new:
        dial_at = now
    else:
        dial_at = case.dial_at
    if to_dial and dial_at is None:
        dial_at = now
    enters = dialer is not None and dialer.role is Role.IN_THE_DIALER and StatusType.DIALER in changed
    redial_at = None if StatusType.DIALER in case.statuses else dial_at or now
    hold = enter(firm, case, taker, redial_at) if enters else None
    return change(case, changed, dial_at, IMPORT, now, hold)


@dataclass(frozen=True, slots=True)
class _Start:
    """The statuses with which a case starts: those that are set, in the order of their history."""

    statuses: Mapping[StatusType, Status]
    is_to_dial: bool


def beginnings(case: Case) -> Iterable[tuple[StatusType, Status | None]]:
    """Return the statuses with which the history of a case from ``NewCases`` begins: a dial time is kept there, too."""
    if case.dial_at is not None and StatusType.DIALER not in case.statuses:
        return ((StatusType.DIALER, None), *case.statuses.items())
    return case.statuses.items()


def first_history(case: Case) -> list[StatusChange]:
    """Return the history of a case from ``NewCases``, all of it from when it was made."""
    at = case.changed_at
    return [
        StatusChange(case.case_id, kind, status, case.dial_at if kind is StatusType.DIALER else None, at, IMPORT)
        for kind, status in beginnings(case)
        if at
    ]


class NewCases:
    """Makes cases that the firm does not have, as the two merges would, at a quarter of their cost.

    What rows of the same statuses start with is worked out once. A row that opens a claim, or in which something
    may be wrong, is left to the merges.
    """

    def __init__(self, firm: Firm, now: datetime) -> None:
        self._firm, self._now = firm, now
        self._starts: dict[tuple[object, ...], _Start | None] = {}

    def make(self, row: CaseRow) -> Case | None:
        """Return the case of a row, or None when the merges have to do it."""
        named = (*row.statuses, *row.statuses.values())
        if named not in self._starts:
            self._starts[named] = self._start(row.statuses)
        start = self._starts[named]
        if start is None:
            return None
        dial_at = row.dial_at
        if dial_at is None and start.is_to_dial:
            dial_at = self._now
        closed, closed_on = row.closed or (False, None)
        return Case(
            row.case_id,
            closed=closed,
            closed_on=closed_on,
            phones=_new_phones(row.phone_cells) if row.phones is None else row.phones,
            statuses=start.statuses,
            dial_at=dial_at,
            changed_at=None if dial_at is None and not start.statuses else self._now,
            **row.facts,
        )

    def _start(self, named: Mapping[StatusType, str | None]) -> _Start | None:
        found: dict[StatusType, Status] = {}
        for kind, name in sorted(named.items()):
            if name:
                status = find_status(self._firm, kind, name)
                if status is None or status.retired or status.role is Role.IN_THE_DIALER:
                    return None
                found[kind] = status
        dialer = found.get(StatusType.DIALER)
        return _Start(found, dialer is not None and dialer.role is Role.TO_DIAL)


def _new_phones(cells: Mapping[int, Phone | Mapping[str, Any]]) -> tuple[Phone, ...]:
    """Return the phones of a new case; as a rule there is no gap in them."""
    if tuple(cells) != _IN_ORDER[: len(cells)]:
        return _merge_phones((), cells)
    phones = [given if isinstance(given, Phone) else Phone(**given) for given in cells.values()]
    while phones and not phones[-1].number:
        phones.pop()
    return tuple(phones) if all(phone.number for phone in phones) else kept_phones(phones)


_IN_ORDER = tuple(range(1000))


def _unless_as_printed(firm: Firm, given: datetime, stored: datetime | None) -> datetime:
    """Return the stored time where it is printed as the given one: the repeated hour in autumn survives."""

    def printed(moment: datetime) -> datetime:
        return moment.astimezone(firm.zone).replace(tzinfo=None, microsecond=0)

    return stored if stored and printed(stored) == printed(given) else given
