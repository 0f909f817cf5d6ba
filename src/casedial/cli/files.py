"""Import and export, file by file: progress, batches, the file of rejects, the report."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, TextIO, TypeVar

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from casedial.cli import output
from casedial.cli.common import count, err, error_row, show_error, stale
from casedial.cli.rejects import Rejects
from casedial.domain.cases import Case, Firm, StatusesStale, StatusType
from casedial.domain.errors import CasedialError, InvalidSetting
from casedial.domain.importing import BadRow, CaseRow
from casedial.domain.phones import Kind
from casedial.service.cases import every_page
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, Draft, ImportOptions, draft, import_rows
from casedial.storage import cases
from casedial.storage.cases import Found
from casedial.storage.engine import Store
from casedial.wire import exports, files

T = TypeVar("T")

BATCH = 5000
_SHOWN = 20  # bad rows on the screen
_TOLD = 1000  # bad rows in the report for machines; all of them are in the file of rejects


class Form(StrEnum):
    """The two forms of a file of cases."""

    CSV = "csv"
    JSONL = "jsonl"


def form_of(path: Path) -> Form:
    """Tell a file's form by its name."""
    return Form.JSONL if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else Form.CSV


@dataclass(slots=True)
class ImportTotal:
    """What became of a whole file."""

    rejects_file: Path | None = None  # where the rejected rows are
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

    def document(self) -> dict[str, Any]:
        """Return the report for machines."""
        return {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "rejects": _places(self.rejects),
            "rejects_file": str(self.rejects_file) if self.rejects_file else None,
            "statuses_kept": self.statuses_kept,
            "in_the_dialer": self.in_the_dialer,
            "statuses_added": [{"type": kind.label, "name": name} for kind, name in self.statuses_added],
            "unknown_columns": self.unknown_columns,
            "phones": {kind.lower(): number for kind, number in self.phones.items()},
            "doubtful_phones": _places(self.doubtful),
            **({"error": error_row(self.error)} if self.error else {}),
        }

    def show(self) -> None:
        """Say what became of the file, and what to do about what did not go in."""
        err.print(f"{self.added} added, {self.updated} updated, {self.unchanged} unchanged, {self.rejected} rejected.")
        if self.unknown_columns:
            err.print(f"Columns that mean nothing here: {', '.join(self.unknown_columns)}.", markup=False)
        for kind, name in self.statuses_added:
            note = ", which is never dialed" if kind is StatusType.DIALER else ""
            err.print(f"Added the {kind.label} {name!r}{note}.", markup=False)
        if self.statuses_kept:
            kept = count(self.statuses_kept, "case")
            err.print(f"{kept} kept dial statuses as they were; --set-statuses changes them, too.")
        if self.in_the_dialer:
            some = ", ".join(map(str, self.in_the_dialer[:_SHOWN])) + (" …" if self.in_the_dialer[_SHOWN:] else "")
            err.print(
                f"In the dialer, so with statuses as they were: {count(len(self.in_the_dialer), 'case')}: {some}."
            )
        self._show_phones()
        for line, column, reason in self.rejects[:_SHOWN]:
            err.print(f"line {line}: {column + ' ' if column else ''}{reason}", markup=False, soft_wrap=True)
        if self.rejects_file:
            more = f", {self.rejected - _SHOWN} more than are shown," if self.rejected > _SHOWN else ""
            which = "Rejected rows until then" if self.error else "All rejected rows"
            err.print(f"{which}{more} are in {self.rejects_file}: mend and import that file.", soft_wrap=True)
        if self.error:
            show_error(self.error)
            err.print("That is what was done until then. Run it again: what went in is not added twice.")

    def _show_phones(self) -> None:
        """Say what the numbers are, and which are never dialed."""
        us, abroad, doubtful = (self.phones[kind] for kind in Kind)
        if every := us + abroad + doubtful:
            err.print(f"{count(every, 'phone')}: {us} of the US, {abroad} abroad, {doubtful} doubtful.")
        if doubtful:
            err.print("The doubtful are kept as they are and never dialed; mend them in the file and import it again:")
        for line, column, why in self.doubtful[:_SHOWN]:
            err.print(f"line {line}: {column} {why}", markup=False, soft_wrap=True)
        if doubtful > _SHOWN:
            err.print(f"… and {doubtful - _SHOWN} more; --json lists the first {_TOLD}.")


def _places(found: Sequence[tuple[int, str, str]]) -> list[dict[str, Any]]:
    return [{"line": line, "column": column, "reason": reason} for line, column, reason in found]


async def import_file(store: Store, firm_name: str, path: Path, options: ImportOptions) -> ImportTotal:
    """Import a file, batch by batch; each batch is a transaction of its own.

    What ends it once rows may have gone in stands in the total: what was done is told in any case.
    """
    total = ImportTotal()
    async with store.read() as tx:
        firm = await open_firm(tx, firm_name)
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise InvalidSetting(f"Cannot read {path}: {error.strerror}.") from None
        stream = _text_of(raw)
        source = (files.read_json_lines if form_of(path) is Form.JSONL else files.read_csv)(stream, firm.zone)
        total.unknown_columns = source.unknown  # which grows as JSON Lines are read
        rejects = Rejects(path, source.columns)
        progress = stack.enter_context(_progress())
        task = progress.add_task(f"Importing {path.name}", total=path.stat().st_size)
        stack.enter_context(_without_collector())
        stack.enter_context(_quick_turns())
        try:
            await _import_batches(_Import(store, firm, options, total, rejects, raw, source.rows), progress, task)
        except (CasedialError, StatusesStale, OSError, asyncio.CancelledError) as error:
            total.error = _ended_by(error, rejects)
        except Exception:
            total.show()
            raise
        finally:
            rejects.close(total)
    return total


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


async def _import_batches(work: _Import, progress: Progress, task: TaskID) -> None:
    batch = await _next_batch(work.store, work.firm, work.rows)
    while batch.entries:
        reached = work.raw.tell()
        # The next batch is read while the database is at this one, on another core where there is one to spare.
        reading = asyncio.ensure_future(_next_batch(work.store, work.firm, work.rows))
        try:
            work.firm = await _import_batch(work.store, work.firm, batch, work.options, work.total, work.rejects)
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


def _text_of(raw: IO[bytes]) -> TextIO:
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)


async def _import_batch(
    store: Store, firm: Firm, batch: _Batch, options: ImportOptions, total: ImportTotal, rejects: Rejects
) -> Firm:
    """Import a batch, and write down what became of it; return the firm as it is now."""
    bad = {index: entry.row for index, entry in enumerate(batch.entries) if isinstance(entry.row, BadRow)}
    rows = [row for _, row in batch.good]
    report = await store.transact(
        lambda tx: import_rows(tx, firm.name, rows, options, datetime.now(UTC), batch.drafted)
    )
    total.add(report)
    for index, column, why in report.doubtful[: _TOLD - len(total.doubtful)]:
        total.doubtful.append((batch.entries[batch.good[index][0]].line, column, why))
    bad.update((batch.good[index][0], error) for index, error in report.bad)
    for index, error in sorted(bad.items(), key=lambda pair: pair[0]):
        rejects.write(batch.entries[index], error)
        total.rejected += 1
        if len(total.rejects) < _TOLD:
            total.rejects.append((batch.entries[index].line, error.column, error.reason))
    return report.firm or firm


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
