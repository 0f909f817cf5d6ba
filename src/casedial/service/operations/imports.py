"""Import of cases from whatever can be read row by row: batches, the next of which is read meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import IMPORT, Actor
from casedial.domain.audit import NO_FIRM
from casedial.domain.errors import CasedialError, CaseNotFound, InvalidSetting
from casedial.domain.fact_changes import changes_of_facts
from casedial.domain.firms import Firm
from casedial.domain.importing import BadRow, CaseRow, FileRow, ImportFile, NewCases
from casedial.domain.moves import Moves
from casedial.domain.phones import Kind
from casedial.domain.statuses import StatusesStale, StatusType
from casedial.service.audit import note
from casedial.service.cases import unknown_cases
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, Draft, ImportOptions, import_rows
from casedial.service.operations.firms import show
from casedial.service.operations.opening import stale
from casedial.service.rehearsing import Rehearsal, come_again, rehearse_rows
from casedial.storage.additions import Addition

BATCH = 5000
TOLD = 1000  # bad rows that the total has; the sink gets all of them


class Source(Protocol):
    """A file of cases, or the body of a request: it is read from its beginning whenever it is asked for."""

    def read(self, zone: ZoneInfo) -> ImportFile:
        """Return its columns and rows. Raises CasedialError for one that cannot be used."""

    def position(self) -> int:
        """Return how far it was read."""


@dataclass(slots=True)
class ImportTotal:
    """What became of a whole file."""

    dry_run: bool = False  # nothing is written but the file of rejects
    told: list[str] = field(default_factory=list)  # what is unusual about the file
    rejects_file: Path | None = None  # where the rejected rows are
    columns: Sequence[str] = ()
    unknown_columns: list[str] = field(default_factory=list)
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    statuses_kept: int = 0
    in_the_dialer: list[int] = field(default_factory=list)
    statuses_added: list[tuple[StatusType, str]] = field(default_factory=list)
    rejected: int = 0
    rejects: list[tuple[int, str, str]] = field(default_factory=list)  # the first of them: line, column, reason
    phones: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    doubtful: list[tuple[int, str, str]] = field(default_factory=list)  # likewise, of numbers that went in
    error: CasedialError | None = None  # what ended it before its time

    def add(self, report: BatchReport) -> None:
        """Add what became of a batch."""
        self.added += report.added
        self.updated += report.updated
        self.unchanged += report.unchanged
        self.statuses_kept += report.statuses_kept
        self.in_the_dialer += report.in_the_dialer
        self.statuses_added += report.statuses_added
        for kind, number in report.phones.items():
            self.phones[kind] += number


class ImportSink(Protocol):
    """Is told of an import while it goes on, and keeps the rejected rows."""

    @property
    def place(self) -> object:
        """Return where the rejected rows go, for people."""

    def begin(self, columns: Sequence[str]) -> None:
        """Make ready, before anything goes in. Raises InvalidSetting where rejected rows cannot be kept."""

    def reject(self, row: FileRow, error: BadRow) -> None:
        """Keep a row as it was, and why it did not go in. Raises OSError."""

    def reached(self, position: int) -> None:
        """Show how far it is."""

    def failed(self, total: ImportTotal) -> None:
        """Show what was done until a fault, which is raised afterwards."""

    def end(self, total: ImportTotal) -> None:
        """End, and tell in the total where the rejected rows are."""


async def import_cases(
    store: Store,
    actor: Actor,
    firm_name: str,
    source: Source,
    sink: ImportSink,
    options: ImportOptions,
    dry_run: bool = False,
) -> ImportTotal:
    """Import cases, batch by batch, each in a transaction of its own; with ``dry_run`` nothing is written.

    What ends it once rows may have gone in stands in the total: what was done is told in any case. Raises FirmNotFound,
    and what the source and the sink raise in the beginning.
    """
    total = ImportTotal(dry_run)
    firm = await show(store, actor, firm_name)
    rehearsal = Rehearsal(await asyncio.to_thread(_come_again, source, firm)) if dry_run else None
    read = source.read(firm.zone)
    total.columns, total.unknown_columns, total.told = read.columns, read.unknown, read.told
    sink.begin(read.columns)
    try:
        await _import_batches(_Import(store, actor, firm, options, total, sink, source, read.rows, rehearsal))
    except (CasedialError, StatusesStale, OSError, asyncio.CancelledError) as error:
        total.error = _ended_by(error, sink)
    except Exception:
        sink.failed(total)
        raise
    finally:
        sink.end(total)
    return total


async def put(
    store: Store,
    actor: Actor,
    firm_name: str,
    rows: Sequence[CaseRow],
    options: ImportOptions,
    only_there: bool = False,
) -> BatchReport:
    """Add or change the cases of some rows, as an import of them does, in one transaction.

    Raises FirmNotFound; with ``only_there`` CaseNotFound for a case that the firm does not have.
    """

    async def work(tx: Transaction) -> BatchReport:
        if only_there:
            firm = await open_firm(tx, firm_name, lock=True)  # so that nobody adds or deletes one meanwhile
            for case_id in await unknown_cases(tx, firm, [row.case_id for row in rows]):
                raise CaseNotFound(f"{firm.name} has no case {case_id}.")
        report = await import_rows(tx, firm_name, rows, options, tx.now())
        counts = {"added": report.added, "updated": report.updated, "unchanged": report.unchanged}
        firm_id = report.firm.id if report.firm else NO_FIRM
        subject = f"case {rows[0].case_id}" if len(rows) == 1 else "cases that were sent"
        await note(tx, actor, firm_id, "case.put", subject, None, counts)
        return report

    return await store.transact(work, len(rows))


def _come_again(source: Source, firm: Firm) -> frozenset[int]:
    """Return the CaseIDs that are there more than once."""
    return come_again(entry.row for entry in source.read(firm.zone).rows if isinstance(entry.row, CaseRow))


def _ended_by(error: BaseException, sink: ImportSink) -> CasedialError:
    """Return why an import ended before its time, as an error that can be shown."""
    if isinstance(error, CasedialError):
        return error
    if isinstance(error, StatusesStale):
        return stale()
    if isinstance(error, OSError):
        return InvalidSetting(f"Cannot read the file, or write {sink.place}: {error.strerror or error}.")
    return InvalidSetting("It was interrupted.")


@dataclass(slots=True)
class _Import:
    """An import that goes on."""

    store: Store
    actor: Actor
    firm: Firm
    options: ImportOptions
    total: ImportTotal
    sink: ImportSink
    source: Source
    rows: Iterator[FileRow]
    rehearsal: Rehearsal | None

    async def apply(self, batch: _Chunk) -> BatchReport:
        """Apply a batch, or find out what that would do."""
        rows, now = [row for _, row in batch.good], self.store.now()
        if self.rehearsal:
            async with self.store.read() as tx:
                return await rehearse_rows(tx, self.firm.name, rows, self.options, now, batch.drafted, self.rehearsal)

        async def work(tx: Transaction) -> BatchReport:
            report = await import_rows(tx, self.firm.name, rows, self.options, tx.now(), batch.drafted)
            counts = {"added": report.added, "updated": report.updated, "unchanged": report.unchanged}
            await note(tx, self.actor, self.firm.id, "case.import", "cases of a file", None, counts)
            return report

        return await self.store.transact(work)


async def _import_batches(work: _Import) -> None:
    batch = await _next_batch(work.store, work.firm, work.rows)
    while batch.entries:
        reached = work.source.position()
        # The next batch is read while the database is at this one, on another core where there is one to spare.
        reading = asyncio.ensure_future(_next_batch(work.store, work.firm, work.rows))
        try:
            await _import_batch(work, batch)
            work.sink.reached(reached)
            await work.store.give_way()
            batch = await reading
        finally:
            await asyncio.gather(reading, return_exceptions=True)  # before the file is closed under it


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows of a file, those of them that could be read, by their place among them, and what was made of these."""

    entries: Sequence[FileRow]
    good: Sequence[tuple[int, CaseRow]] = ()
    drafted: Draft | None = None


async def _next_batch(store: Store, firm: Firm, rows: Iterator[FileRow]) -> _Chunk:
    """Read the next rows in a thread of its own: slices of it between the database's answers would delay each."""
    return await asyncio.to_thread(_read_batch, store, firm, rows)


def _read_batch(store: Store, firm: Firm, rows: Iterator[FileRow]) -> _Chunk:
    """Read the next rows, and make ready what can be."""
    entries = list(islice(rows, BATCH))
    good = [(index, entry.row) for index, entry in enumerate(entries) if isinstance(entry.row, CaseRow)]
    return _Chunk(entries, good, draft(store, firm, [row for _, row in good], store.now()))


def draft(store: Store, firm: Firm, rows: Sequence[CaseRow], now: datetime) -> Draft | None:
    """Make the cases of a batch beforehand; None where one of its rows wants a closer look."""
    if firm.has_do_not_call or len({row.case_id for row in rows}) < len(rows):
        return None
    new, moves = NewCases(firm, now), Moves()
    for row in rows:
        case = new.make(row)
        if case is None:
            return None
        moves.move(None, case)
        moves.fact_changes += changes_of_facts(None, case, IMPORT, now)
    addition = Addition(store, firm, IMPORT)
    addition.add(moves.added)
    return Draft(firm, addition, moves)


async def _import_batch(work: _Import, batch: _Chunk) -> None:
    """Import a batch, and write down what became of it."""
    total = work.total
    bad = {index: entry.row for index, entry in enumerate(batch.entries) if isinstance(entry.row, BadRow)}
    report = await work.apply(batch)
    total.add(report)
    for index, column, why in report.doubtful[: TOLD - len(total.doubtful)]:
        total.doubtful.append((batch.entries[batch.good[index][0]].line, column, why))
    bad.update((batch.good[index][0], error) for index, error in report.bad)
    for index, error in sorted(bad.items(), key=lambda pair: pair[0]):
        work.sink.reject(batch.entries[index], error)
        total.rejected += 1
        if len(total.rejects) < TOLD:
            total.rejects.append((batch.entries[index].line, error.column, error.reason))
    work.firm = report.firm or work.firm
