"""Import cases, one batch of rows in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.actors import IMPORT
from casedial.domain.cases import PRIORITY, Case, StatusChange, changes_of_priority
from casedial.domain.claims import Taker, opened
from casedial.domain.fact_changes import changes_of_facts
from casedial.domain.firms import Firm
from casedial.domain.importing import (
    BadRow,
    CaseRow,
    NewCases,
    find_status,
    first_history,
    merge_facts,
    merge_statuses,
    numbers_brought,
)
from casedial.domain.moves import Moves
from casedial.domain.phone_changes import changes_of_phones
from casedial.domain.phones import Kind, kind_of, read
from casedial.domain.statuses import Role, StatusType, is_count
from casedial.service import storing
from casedial.service.firms import open_firm
from casedial.service.statuses import add_statuses
from casedial.storage import cases, firms
from casedial.storage.additions import Addition


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """``set_statuses``: also change dial statuses of cases that exist; ``add_statuses``: add unknown ones."""

    set_statuses: bool = False
    add_statuses: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch whose cases were made before its transaction, as they are to be where the firm has none of them."""

    firm: Firm
    addition: Addition
    moves: Moves

    def holds_for(self, firm: Firm) -> bool:
        """Tell whether the firm is still what it was, its statuses and its do-not-call list included."""
        return (firm.id, firm.version) == (self.firm.id, self.firm.version)


@dataclass(slots=True)
class BatchReport:
    """What became of a batch: counts, CaseIDs, statuses that were added, and the bad rows by their index.

    ``phones`` counts the numbers of the others by what they are; ``doubtful`` has the index, column and fault of each
    that is never dialed.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    statuses_kept: int = 0  # cases whose differing statuses stayed for want of set_statuses
    in_the_dialer: list[int] = field(default_factory=list)  # cases whose statuses stayed because they are dialed now
    statuses_added: list[tuple[StatusType, str]] = field(default_factory=list)
    bad: list[tuple[int, BadRow]] = field(default_factory=list)
    phones: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    doubtful: list[tuple[int, str, str]] = field(default_factory=list)
    firm: Firm | None = None  # as it was left
    moves: Moves = field(default_factory=Moves)  # what became of cases

    def note_phones(self, rows: Sequence[CaseRow]) -> None:
        """Note what the numbers of the rows are that went in."""
        bad = {index for index, _ in self.bad}
        for index, row in enumerate(rows):
            for place, number in numbers_brought(row) if index not in bad else ():
                kind = kind_of(number)
                self.phones[kind] += 1
                if kind is Kind.DOUBTFUL:
                    self.doubtful.append((index, f"Phone{place + 1}", read(number).why))


async def import_rows(
    tx: Transaction,
    firm_name: str,
    rows: Sequence[CaseRow],
    options: ImportOptions,
    now: datetime,
    drafted: Draft | None = None,
) -> BatchReport:
    """Add or update the case of each row, in order; a bad row changes nothing. Raises FirmNotFound.

    ``drafted`` is what was made of the rows beforehand: it spares the work where it holds.
    """
    report = BatchReport()
    firm = await open_firm(tx, firm_name, lock=True)  # two imports of one new case would collide
    if options.add_statuses:
        firm = await add_unknown(firm, rows, report, lambda firm, kind, name: add_statuses(tx, firm, [(kind, name)]))
    report.firm = firm
    stored = await cases.lock(tx, firm, [row.case_id for row in rows])
    if drafted and not stored and not stored.unreadable and drafted.holds_for(firm):
        report.moves = drafted.moves
        await storing.store(tx, firm, drafted.moves, now, drafted.addition)
        await firms.add_priorities(tx, firm, {row.facts.get("priority", PRIORITY) for row in rows})
        report.added = len(rows)
    else:
        report.moves = moves = await merged(tx, firm, rows, stored, options, report, now)
        await firms.add_priorities(tx, firm, {case.priority for case in moves.cases.values()})
        await storing.store(tx, firm, moves, now)
    report.note_phones(rows)
    return report


async def merged(
    tx: Transaction,
    firm: Firm,
    rows: Sequence[CaseRow],
    stored: cases.Found,
    options: ImportOptions,
    report: BatchReport,
    now: datetime,
) -> Moves:
    """Return what becomes of cases by the rows; nothing is stored."""
    latest: dict[int, Case] = dict(stored)
    moves = Moves()
    clock = await tx.clock()
    new = NewCases(firm, now)
    for index, row in enumerate(rows):
        if row.case_id in stored.unreadable:
            report.bad.append((index, BadRow("CaseID", "the stored case cannot be read: run casedial doctor")))
            continue
        if row.case_id not in latest and (made := new.make(row)):
            report.added += 1
            latest[row.case_id] = made
            moves.move(None, made, first_history(made))
            continue
        try:
            taker = Taker(None, clock)
            case, recorded = _merge(firm, latest.get(row.case_id), row, options, report, now, taker)
        except BadRow as error:
            report.bad.append((index, error))
            continue
        there = latest.get(row.case_id)
        if case == there:
            report.unchanged += 1
            continue
        report.added += there is None
        report.updated += there is not None
        latest[row.case_id] = case
        moves.move(there, case, recorded)
    _note_changes(moves, stored, now)
    return moves


def _note_changes(moves: Moves, stored: cases.Found, now: datetime) -> None:
    """Note what follows from how cases were and are: changes of their parts, and claims that were taken."""
    moves.priority_changes = changes_of_priority(moves.changed, IMPORT, now)
    for before, after in moves.changed:
        moves.phone_changes += changes_of_phones(before, after, IMPORT, now)
        moves.fact_changes += changes_of_facts(before, after, IMPORT, now)
    for case in moves.added:
        moves.fact_changes += changes_of_facts(None, case, IMPORT, now)
    taken = (opened(stored.get(case.case_id), case, IMPORT, now) for case in moves.cases.values() if case.hold)
    moves.claims = [claim for claim in taken if claim]


def _merge(
    firm: Firm,
    there: Case | None,
    row: CaseRow,
    options: ImportOptions,
    report: BatchReport,
    now: datetime,
    taker: Taker,
) -> tuple[Case, list[StatusChange]]:
    """Apply a row to its case, new or there, and note in the report where statuses stay as they are."""
    case = merge_facts(there or Case(row.case_id), row)
    after, history = merge_statuses(firm, case, row, there is None, now, taker)
    if there is None or not history:
        return after, history
    if there.role is Role.IN_THE_DIALER and options.set_statuses:
        report.in_the_dialer.append(row.case_id)
        return case, []
    if not options.set_statuses:
        report.statuses_kept += 1
        return case, []
    return after, history


async def add_unknown(
    firm: Firm,
    rows: Sequence[CaseRow],
    report: BatchReport,
    add: Callable[[Firm, StatusType, str], Awaitable[Firm]],
) -> Firm:
    """Add the statuses that the rows name and the firm does not have, but never a spelling variant of one.

    A name that is not added makes its rows bad, later, like any unknown one.
    """
    for row in rows:
        for kind, name in row.statuses.items():
            if not name or find_status(firm, kind, name):
                continue
            if kind is StatusType.ATTEMPTS:
                if not is_count(name):
                    continue
                name = str(int(name))
            if name.isprintable() and firm.statuses.spelled_like(kind, name) is None:
                firm = await add(firm, kind, name)
                report.statuses_added.append((kind, name))
    return firm
