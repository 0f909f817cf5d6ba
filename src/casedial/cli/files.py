"""Import and export, file by file: progress, batches, the file of rejects, the report."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, Any, TextIO

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from casedial.cli.common import count, err
from casedial.domain.cases import Case, Firm, StatusType
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import InvalidSetting
from casedial.domain.importing import BadRow, CaseRow
from casedial.domain.phones import Kind
from casedial.service.cases import every_case
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, Draft, ImportOptions, draft, import_rows
from casedial.storage import cases
from casedial.storage.engine import Store
from casedial.wire import exports, files

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

    rejects_file: Path
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
            "rejects_file": str(self.rejects_file) if self.rejected else None,
            "statuses_kept": self.statuses_kept,
            "in_the_dialer": self.in_the_dialer,
            "statuses_added": [{"type": kind.label, "name": name} for kind, name in self.statuses_added],
            "unknown_columns": self.unknown_columns,
            "phones": {kind.lower(): number for kind, number in self.phones.items()},
            "doubtful_phones": _places(self.doubtful),
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
        if self.rejected:
            more = f", {self.rejected - _SHOWN} more than are shown," if self.rejected > _SHOWN else ""
            err.print(f"All rejected rows{more} are in {self.rejects_file}: mend and import that file.", soft_wrap=True)

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


class _Rejects:
    """The file of rejects: made with the first bad row; one left by an earlier run is removed."""

    def __init__(self, path: Path, columns: Sequence[str], stack: ExitStack) -> None:
        self._path, self._stack = path, stack
        # A file of rejects imported again brings these columns itself, in front.
        self._own = len(files.REJECT_COLUMNS) if tuple(columns[:3]) == files.REJECT_COLUMNS else 0
        self._columns = columns[self._own :]
        self._writer: Any = None
        path.unlink(missing_ok=True)

    def write(self, row: files.FileRow, error: BadRow) -> None:
        """Write a row as it was, and why it did not go in."""
        if self._writer is None:
            stream = self._stack.enter_context(
                self._path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
            )
            self._writer = csv.writer(stream)
            self._writer.writerow([*files.REJECT_COLUMNS, *self._columns])
        self._writer.writerow([row.line, error.column, error.reason, *row.cells[self._own :]])


async def import_file(store: Store, firm_name: str, path: Path, options: ImportOptions) -> ImportTotal:
    """Import a file, batch by batch; each batch is a transaction of its own."""
    total = ImportTotal(path.with_name(path.name + ".rejects.csv"))
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
        rejects = _Rejects(total.rejects_file, source.columns, stack)
        progress = stack.enter_context(_progress())
        task = progress.add_task(f"Importing {path.name}", total=path.stat().st_size)
        stack.enter_context(_without_collector())
        stack.enter_context(_quick_turns())
        batch = await _next_batch(store, firm, source.rows)
        while batch.entries:
            reached = raw.tell()
            # The next batch is read while the database is at this one, on another core where there is one to spare.
            reading = asyncio.ensure_future(_next_batch(store, firm, source.rows))
            try:
                firm = await _import_batch(store, firm, batch, options, total, rejects)
                progress.update(task, completed=reached)
                await store.give_way()
                batch = await reading
            finally:
                await asyncio.gather(reading, return_exceptions=True)  # before the file is closed under it
    return total


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
    store: Store, firm: Firm, batch: _Batch, options: ImportOptions, total: ImportTotal, rejects: _Rejects
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


async def export_file(store: Store, firm_name: str, path: Path | None, form: Form) -> int:
    """Write all cases of a firm, as they are at one moment; return how many."""
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("wb")) if path else sys.stdout.buffer
        except OSError as error:
            raise InvalidSetting(f"Cannot write {path}: {error.strerror}.") from None
        async with store.read() as tx:
            firm = await open_firm(tx, firm_name)
            found = every_case(tx, firm, CaseFilter())
            if form is Form.JSONL:
                return await _write_json_lines(raw, found, firm)
            return await _write_csv(raw, found, firm, await cases.most_phones(tx, firm))


async def _write_json_lines(raw: IO[bytes], found: AsyncIterator[Case], firm: Firm) -> int:
    written = 0
    async for case in found:
        raw.write(exports.json_line(case, firm.zone) + b"\n")
        written += 1
    return written


async def _write_csv(raw: IO[bytes], found: AsyncIterator[Case], firm: Firm, phones: int) -> int:
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    writer = csv.writer(stream)
    writer.writerow(exports.csv_header(phones))
    written = 0
    async for case in found:
        writer.writerow(exports.csv_cells(case, firm.zone, phones))
        written += 1
    stream.flush()
    stream.detach()
    return written
