"""Import and export, file by file: progress, batches, the file of rejects."""

from __future__ import annotations

import asyncio
import csv
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from casedial.cli import output
from casedial.cli.common import err, stale
from casedial.cli.imported import TOLD, ImportTotal
from casedial.cli.rejects import Rejects
from casedial.domain.cases import Case, Firm, StatusesStale
from casedial.domain.errors import CasedialError, InvalidSetting
from casedial.domain.importing import BadRow, CaseRow
from casedial.service.cases import every_page
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, Draft, ImportOptions, draft, import_rows
from casedial.service.rehearsing import Rehearsal, come_again, rehearse_rows
from casedial.storage import cases
from casedial.storage.cases import Found
from casedial.storage.engine import Store
from casedial.wire import exports, files
from casedial.wire.columns import Names
from casedial.wire.sheets import as_text, seekable

T = TypeVar("T")

BATCH = 5000


class Form(StrEnum):
    """The two forms of a file of cases."""

    CSV = "csv"
    JSONL = "jsonl"


def form_of(path: Path) -> Form:
    """Tell a file's form by its name."""
    return Form.JSONL if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else Form.CSV


@dataclass(frozen=True, slots=True)
class HowToImport:
    """What was asked for beside the file: what its columns mean, and whether nothing is to be written."""

    options: ImportOptions = field(default_factory=ImportOptions)
    names: Names = field(default_factory=dict)
    dry_run: bool = False


async def import_file(store: Store, firm_name: str, path: Path, how: HowToImport) -> ImportTotal:
    """Import a file, batch by batch; each batch is a transaction of its own.

    What ends it once rows may have gone in stands in the total: what was done is told in any case.
    """
    total = ImportTotal(how.dry_run)
    async with store.read() as tx:
        firm = await open_firm(tx, firm_name)
    with ExitStack() as stack:
        try:
            raw = seekable(stack.enter_context(path.open("rb")))
        except OSError as error:
            raise InvalidSetting(f"Cannot read {path}: {error.strerror}.") from None
        rehearsal = Rehearsal(await asyncio.to_thread(_come_again, raw, path, firm, how)) if how.dry_run else None
        stream, source = _opened(raw, path, firm, how)
        stack.callback(stream.close)
        total.columns, total.unknown_columns, total.told = source.columns, source.unknown, source.told
        rejects = Rejects(path, source.columns)
        progress = stack.enter_context(_progress())
        task = progress.add_task(f"Importing {path.name}", total=path.stat().st_size)
        stack.enter_context(_without_collector())
        stack.enter_context(_quick_turns())
        try:
            work = _Import(store, firm, how.options, total, rejects, raw, source.rows, rehearsal)
            await _import_batches(work, progress, task)
        except (CasedialError, StatusesStale, OSError, asyncio.CancelledError) as error:
            total.error = _ended_by(error, rejects)
        except Exception:
            total.show()
            raise
        finally:
            rejects.close(total)
    return total


def _opened(raw: IO[bytes], path: Path, firm: Firm, how: HowToImport) -> tuple[TextIOWrapper, files.ImportFile]:
    """Open what is in a file; raises MalformedDocument or InvalidSetting for one that cannot be used."""
    stream, told = as_text(raw)
    source = (files.read_json_lines if form_of(path) is Form.JSONL else files.read_csv)(stream, firm.zone, how.names)
    source.told[:0] = told
    return stream, source


def _come_again(raw: IO[bytes], path: Path, firm: Firm, how: HowToImport) -> frozenset[int]:
    """Return the CaseIDs that a file has more than once; it is read once more afterwards."""
    stream, source = _opened(raw, path, firm, how)
    again = come_again(entry.row for entry in source.rows if isinstance(entry.row, CaseRow))
    stream.detach()
    raw.seek(0)
    return again


def _ended_by(error: BaseException, rejects: Rejects) -> CasedialError:
    """Return why an import ended before its time, as an error that can be shown."""
    if isinstance(error, CasedialError):
        return error
    if isinstance(error, StatusesStale):
        return stale()
    if isinstance(error, OSError):
        return InvalidSetting(f"Cannot read the file, or write {rejects.path}: {error.strerror or error}.")
    return InvalidSetting("It was interrupted.")


@dataclass(slots=True)
class _Import:
    """An import that goes on."""

    store: Store
    firm: Firm
    options: ImportOptions
    total: ImportTotal
    rejects: Rejects
    raw: IO[bytes]
    rows: Iterator[files.FileRow]
    rehearsal: Rehearsal | None

    async def apply(self, batch: _Batch) -> BatchReport:
        """Apply a batch, or find out what that would do."""
        rows, now = [row for _, row in batch.good], datetime.now(UTC)
        if self.rehearsal:
            async with self.store.read() as tx:
                return await rehearse_rows(tx, self.firm.name, rows, self.options, now, batch.drafted, self.rehearsal)
        return await self.store.transact(
            lambda tx: import_rows(tx, self.firm.name, rows, self.options, datetime.now(UTC), batch.drafted)
        )


async def _import_batches(work: _Import, progress: Progress, task: TaskID) -> None:
    batch = await _next_batch(work.store, work.firm, work.rows)
    while batch.entries:
        reached = work.raw.tell()
        # The next batch is read while the database is at this one, on another core where there is one to spare.
        reading = asyncio.ensure_future(_next_batch(work.store, work.firm, work.rows))
        try:
            await _import_batch(work, batch)
            progress.update(task, completed=reached)
            await work.store.give_way()
            batch = await reading
        finally:
            await asyncio.gather(reading, return_exceptions=True)  # before the file is closed under it


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of a file, those of them that could be read, by their place among them, and what was made of these."""

    entries: Sequence[files.FileRow]
    good: Sequence[tuple[int, CaseRow]] = ()
    drafted: Draft | None = None


async def _next_batch(store: Store, firm: Firm, rows: Iterator[files.FileRow]) -> _Batch:
    """Read the next rows in a thread of its own: slices of it between the database's answers would delay each."""
    return await asyncio.to_thread(_read_batch, store, firm, rows)


def _read_batch(store: Store, firm: Firm, rows: Iterator[files.FileRow]) -> _Batch:
    """Read the next rows, and make ready what can be."""
    entries = list(islice(rows, BATCH))
    good = [(index, entry.row) for index, entry in enumerate(entries) if isinstance(entry.row, CaseRow)]
    return _Batch(entries, good, draft(store, firm, [row for _, row in good], datetime.now(UTC)))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from looking for garbage in circles, of which rows make none: 40 % of the work on a row is saved."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let a thread that has an answer of the database wait for Python for 0.1 ms instead of 5: a sixth is saved."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)


async def _import_batch(work: _Import, batch: _Batch) -> None:
    """Import a batch, and write down what became of it."""
    total = work.total
    bad = {index: entry.row for index, entry in enumerate(batch.entries) if isinstance(entry.row, BadRow)}
    report = await work.apply(batch)
    total.add(report)
    for index, column, why in report.doubtful[: TOLD - len(total.doubtful)]:
        total.doubtful.append((batch.entries[batch.good[index][0]].line, column, why))
    bad.update((batch.good[index][0], error) for index, error in report.bad)
    for index, error in sorted(bad.items(), key=lambda pair: pair[0]):
        work.rejects.write(batch.entries[index], error)
        total.rejected += 1
        if len(total.rejects) < TOLD:
            total.rejects.append((batch.entries[index].line, error.column, error.reason))
    work.firm = report.firm or work.firm


class _MorePhones(Exception):
    """A case has more phones than the header of the file has room for: they were added meanwhile."""


@dataclass(slots=True)
class Exported:
    """What became of the cases of a firm: how many were written, and those that cannot be."""

    cases: int = 0
    unreadable: list[int] = field(default_factory=list)

    def each(self, page: Found, write: Callable[[Case], T]) -> Iterator[T]:
        """Yield what is to be written for each case of a page."""
        self.unreadable += sorted(page.unreadable)
        for case in page.values():
            try:
                row = write(case)
            except Exception:  # of a time that no zone has, say
                self.unreadable.append(case.case_id)
            else:
                self.cases += 1
                yield row


async def export_file(store: Store, firm_name: str, path: Path | None, form: Form) -> Exported:
    """Write all cases of a firm, page by page; return how many.

    Each page is a transaction of its own: one for all would keep the database from cleaning up behind claims.
    """
    with output.opened(path) as raw:
        if form is Form.JSONL:
            return await _write_json_lines(raw, store, firm_name)
        while True:
            try:
                return await _write_csv(raw, store, firm_name)
            except _MorePhones:
                if output.is_standard(path) or not raw.seekable():
                    raise InvalidSetting("A case was given more phones meanwhile: export once more.") from None
                raw.seek(0)
                raw.truncate()


async def _write_json_lines(raw: IO[bytes], store: Store, firm_name: str) -> Exported:
    written = Exported()
    async for firm, page in every_page(store, firm_name):
        lines = written.each(page, partial(exports.json_line, zone=firm.zone))
        raw.writelines(line + b"\n" for line in lines)
    return written


async def _write_csv(raw: IO[bytes], store: Store, firm_name: str) -> Exported:
    """Write CSV. Raises _MorePhones."""
    async with store.read() as tx:
        phones = await cases.most_phones(tx, await open_firm(tx, firm_name))
    with output.text_of(raw) as stream:
        writer = csv.writer(stream)
        writer.writerow(exports.csv_header(phones))
        written = Exported()
        async for firm, page in every_page(store, firm_name):
            if any(len(case.phones) > phones for case in page.values()):
                raise _MorePhones
            writer.writerows(written.each(page, partial(exports.csv_cells, zone=firm.zone, phones=phones)))
    return written
