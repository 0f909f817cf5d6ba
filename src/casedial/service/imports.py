"""Import cases, one batch of rows in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from casedial.domain.cases import PRIORITY, Case, Firm, Role, StatusChange, StatusType, is_count
from casedial.domain.claims import Taker, opened
from casedial.domain.importing import (
    IMPORT,
    BadRow,
    CaseRow,
    NewCases,
    find_status,
    first_history,
    merge_facts,
    merge_statuses,
    numbers_brought,
)
from casedial.domain.phones import Kind, kind_of, read
from casedial.service.do_not_call import Moves, keep_off
from casedial.service.firms import open_firm
from casedial.service.statuses import add_statuses
from casedial.storage import cases, claims, firms
from casedial.storage.additions import Addition
from casedial.storage.engine import Store, Transaction


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

    def holds_for(self, firm: Firm) -> bool:
        """Tell whether the firm is still what it was, its statuses and its do-not-call list included."""
        return (firm.id, firm.version) == (self.firm.id, self.firm.version)


def draft(store: Store, firm: Firm, rows: Sequence[CaseRow], now: datetime) -> Draft | None:
    """Make the cases of a batch beforehand; None where one of its rows wants a closer look."""
    if firm.has_do_not_call or len({row.case_id for row in rows}) < len(rows):
        return None
    new, made = NewCases(firm, now), []
    for row in rows:
        case = new.make(row)
        if case is None:
            return None
        made.append(case)
    addition = Addition(store, firm, IMPORT)
    addition.add(made)
    return Draft(firm, addition)


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
        await drafted.addition.write(tx)
        await firms.add_priorities(tx, firm, {row.facts.get("priority", PRIORITY) for row in rows})
        report.added = len(rows)
    else:
        latest, history = await merged(tx, firm, rows, stored, options, report, now)
        await _store(tx, firm, stored, latest, history, now)
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
) -> tuple[dict[int, Case], list[StatusChange]]:
    """Return the cases as the rows leave them, and their history until then; nothing is stored."""
    latest: dict[int, Case] = dict(stored)
    history: list[StatusChange] = []
    clock = await tx.clock()
    new = NewCases(firm, now)
    for index, row in enumerate(rows):
        if row.case_id in stored.unreadable:
            report.bad.append((index, BadRow("CaseID", "what is stored of this case cannot be read: casedial doctor")))
            continue
        if row.case_id not in latest and (made := new.make(row)):
            report.added += 1
            latest[row.case_id] = made
            history.extend(first_history(made))
            continue
        try:
            taker = Taker(uuid4(), clock)
            case, recorded = _merge(firm, latest.get(row.case_id), row, options, report, now, taker)
        except BadRow as error:
            report.bad.append((index, error))
            continue
        if row.case_id not in latest:
            report.added += 1
        elif case == latest[row.case_id]:
            report.unchanged += 1
        else:
            report.updated += 1
        latest[row.case_id] = case
        history.extend(recorded)
    moves = Moves([case for case_id, case in latest.items() if stored.get(case_id) != case], history)
    await keep_off(tx, firm, moves, now)
    return latest | {case.case_id: case for case in moves.cases}, history


async def _store(
    tx: Transaction,
    firm: Firm,
    stored: dict[int, Case],
    latest: dict[int, Case],
    history: list[StatusChange],
    now: datetime,
) -> None:
    """Store cases as the rows leave them, all that follows from it included."""
    priorities = {case.priority for case_id, case in latest.items() if stored.get(case_id) != case}
    await firms.add_priorities(tx, firm, priorities)
    await cases.add(tx, firm, [case for case_id, case in latest.items() if case_id not in stored])
    await cases.save(tx, firm, [(old, latest[old.case_id]) for old in stored.values() if latest[old.case_id] != old])
    await cases.record(tx, firm, history)
    taken = (opened(stored.get(case.case_id), case, IMPORT, None, now) for case in latest.values() if case.hold)
    await claims.add(tx, firm, [claim for claim in taken if claim])


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
