"""A piece of an import: checked, written, and taken back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.changes import Outcome
from casedial.domain.firms import Firm
from casedial.domain.import_jobs import Check, Fault, FileLine, Job, JobCounts, JobUndoCounts, Piece, ReadRow
from casedial.domain.importing import BadRow, CaseRow
from casedial.domain.phones import Kind
from casedial.domain.statuses import Role, Status
from casedial.service.audit import note
from casedial.service.figures import take_back
from casedial.service.imports import BatchReport, ImportOptions, import_rows
from casedial.service.rehearsing import Rehearsal, rehearse_rows
from casedial.storage import cases, forgetting, import_jobs, names

_NUMBER = re.compile(r"(?<![0-9])[0-9]{1,19}(?![0-9])")  # that may be a CaseID


@dataclass(slots=True)
class _Rows:
    """The rows of a piece as they were read: the good ones, each with its place, and what is wrong with others."""

    good: list[tuple[int, CaseRow]]
    faults: list[Fault]

    @property
    def rows(self) -> list[CaseRow]:
        return [row for _, row in self.good]

    def faults_with(self, bad: Sequence[tuple[int, BadRow]]) -> list[Fault]:
        """Return what is wrong with rows, those included that turned out to be bad when they went in."""
        found = [Fault(self.good[at][0], error.column, error.reason) for at, error in bad]
        return sorted([*self.faults, *found], key=lambda fault: fault.at)


def _read(piece: Piece, read: ReadRow) -> _Rows:
    found = _Rows([], [])
    for index, line in enumerate(piece.lines):
        row = BadRow("", line.fault) if line.fault else read(line.cells)
        if isinstance(row, CaseRow):
            found.good.append((index, row))
        else:
            found.faults.append(Fault(index, row.column, row.reason))
    return found


def _options(job: Job) -> ImportOptions:
    return ImportOptions(job.plan.set_statuses, job.plan.add_statuses)


@dataclass(frozen=True, slots=True)
class Checked:
    """What would become of the rows of a piece; the CaseIDs of the good ones, and all statuses that were added."""

    counts: JobCounts
    case_ids: list[int]
    added: list[Status]


async def check_piece(
    tx: Transaction, firm: Firm, job: Job, piece: Piece, read: ReadRow, check: Check, now: datetime
) -> Checked:
    """Find out what would become of the rows of a piece, and store what is wrong with them."""
    found = _read(piece, read)
    rehearsal = Rehearsal(frozenset(), list(check.added))
    report = await rehearse_rows(tx, firm.name, found.rows, _options(job), now, None, rehearsal)
    faults = found.faults_with(report.bad)
    await import_jobs.note_faults(tx, job.id, piece.number, faults)
    counts = _counted(report, len(faults))
    bad = {index for index, _ in report.bad}
    good = [row.case_id for index, (_, row) in enumerate(found.good) if index not in bad]
    seen_before = {case_id for case_id in good if case_id in check.seen}
    counts.again = len(good) - len(set(good)) + len(seen_before)
    there = await cases.these(tx, firm, seen_before)
    counts.added -= len(seen_before - there.keys())  # they would be there by then
    counts.updated += len(seen_before - there.keys())
    return Checked(counts, good, rehearsal.added)


async def run_piece(tx: Transaction, firm: Firm, job: Job, piece: Piece, read: ReadRow, now: datetime) -> JobCounts:
    """Write the rows of a piece, and note the cases that are new; return what became of the rows."""
    found = _read(piece, read)
    report = await import_rows(tx, firm.name, found.rows, _options(job), now)
    faults = found.faults_with(report.bad)
    await import_jobs.note_faults(tx, job.id, piece.number, faults)
    await import_jobs.note_added(tx, firm, job.id, report.moves.added)
    await import_jobs.note_changed(tx, firm, job.id, [after for _, after in report.moves.changed])
    return _counted(report, len(faults))


def _counted(report: BatchReport, rejected: int) -> JobCounts:
    return JobCounts(
        added=report.added,
        updated=report.updated,
        unchanged=report.unchanged,
        rejected=rejected,
        statuses_kept=report.statuses_kept,
        in_the_dialer=len(report.in_the_dialer),
        statuses_added=len(report.statuses_added),
        phones=sum(report.phones.values()),
        doubtful=report.phones[Kind.DOUBTFUL],
    )


_GONE = "was taken out, because the case was deleted"


async def without(tx: Transaction, job_id: int, after: int, case_ids: Set[int]) -> int | None:
    """Take the rows of cases out of the next piece of a file; return its number, None where there is no more.

    Where it is not known which column has the CaseID, any cell is taken for it: another row less is a bad row, which
    somebody sees, and a person who stays is not.
    """
    job = await import_jobs.by_id(tx, job_id)
    piece = await import_jobs.piece(tx, job_id, after) if job else None
    if job is None or piece is None:
        return None
    meanings = [name.casefold() for name in job.plan.meanings]
    place = meanings.index("caseid") if "caseid" in meanings else None
    lines = [FileLine(line.line, [], _GONE) if _names_one(line, place, case_ids) else line for line in piece.lines]
    if lines != list(piece.lines):
        await import_jobs.blank(tx, job_id, piece.number, lines)
    return piece.number


def _names_one(line: FileLine, place: int | None, case_ids: Set[int]) -> bool:
    cells = line.cells if place is None else line.cells[place : place + 1]
    return any(int(number) in case_ids for cell in cells for number in _NUMBER.findall(cell))


async def undo_page(tx: Transaction, firm: Firm, job: Job, size: int) -> tuple[JobUndoCounts, int] | None:
    """Remove the next cases that an import added and nobody has touched; return what became of them, and the last.

    None where there are no more.
    """
    added = await import_jobs.to_undo(tx, job, size)
    if not added:
        return None
    locked = await cases.lock(tx, firm, [one.case_id for one in added])
    touched = await import_jobs.touched_since(tx, firm, added, locked)

    def judge(case_id: int) -> Outcome:
        case = locked.get(case_id)
        if case_id in locked.unreadable:
            return Outcome.UNREADABLE
        if case is None:
            return Outcome.GONE
        if case.role is Role.IN_THE_DIALER:
            return Outcome.IN_THE_DIALER
        return Outcome.CHANGED_SINCE if case_id in touched else Outcome.PUT_BACK

    outcomes = {one.case_id: judge(one.case_id) for one in added}
    gone = [case_id for case_id, outcome in outcomes.items() if outcome is Outcome.PUT_BACK]
    await import_jobs.note_undone(tx, job, outcomes)
    if gone:
        await names.remove(tx, firm, [locked[case_id] for case_id in gone])
        await take_back(tx, firm.id, gone)
        await forgetting.delete_untouched(tx, firm.id, gone)
        by = job.undone_by or job.actor
        await note(tx, by, firm.id, "import.undone.page", f"import {job.id}", {"cases": gone})
    counts = Counter(outcomes.values())
    done = JobUndoCounts(
        removed=counts[Outcome.PUT_BACK],
        changed_since=counts[Outcome.CHANGED_SINCE],
        in_the_dialer=counts[Outcome.IN_THE_DIALER],
        gone=counts[Outcome.GONE],
        unreadable=counts[Outcome.UNREADABLE],
    )
    return done, added[-1].case_id
