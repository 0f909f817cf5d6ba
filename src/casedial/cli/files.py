"""Import of a file: its progress on the screen, its rejects beside it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from casedial.cli.common import err, me
from casedial.cli.imported import show
from casedial.cli.rejects import Rejects
from casedial.database.engine import Store
from casedial.domain.errors import InvalidSetting
from casedial.domain.importing import BadRow, FileRow
from casedial.service.imports import ImportOptions
from casedial.service.operations.imports import ImportTotal, import_cases
from casedial.wire.case_source import CaseSource
from casedial.wire.columns import Names
from casedial.wire.dates import Order
from casedial.wire.sheets import form_of, seekable
from casedial.wire.workbooks import as_csv


@dataclass(frozen=True, slots=True)
class HowToImport:
    """What was asked for beside the file: what its columns mean, and whether nothing is to be written."""

    options: ImportOptions = field(default_factory=ImportOptions)
    names: Names = field(default_factory=dict)
    dry_run: bool = False
    sheet: str | None = None  # of a workbook
    order: Order | None = None  # of its dates; None: what they say themselves


async def import_file(store: Store, firm_name: str, path: Path, how: HowToImport) -> ImportTotal:
    """Import a file. Raises FirmNotFound, MalformedDocument or InvalidSetting before anything went in."""
    with ExitStack() as stack:
        try:
            opened = seekable(stack.enter_context(path.open("rb")))
        except OSError as error:
            raise InvalidSetting(f"Cannot read {path}: {error.strerror}.") from None
        raw, told = stack.enter_context(as_csv(opened, how.sheet))
        source = CaseSource(raw, form_of(path), how.names, how.order, told)
        stack.callback(source.close)
        sink = _Sink(path, stack.enter_context(_progress()), raw.seek(0, os.SEEK_END))
        stack.enter_context(_without_collector())
        stack.enter_context(_quick_turns())
        return await import_cases(store, me(), firm_name, source, sink, how.options, how.dry_run)


class _Sink:
    """Shows an import while it goes on, and writes the file of rejects."""

    def __init__(self, path: Path, progress: Progress, size: int) -> None:
        self._path, self._progress, self._size = path, progress, size
        self._rejects: Rejects | None = None

    @property
    def place(self) -> Path | None:
        return self._rejects.path if self._rejects else None

    def begin(self, columns: Sequence[str]) -> None:
        self._rejects = Rejects(self._path, columns)
        self._task = self._progress.add_task(f"Importing {self._path.name}", total=self._size)

    def reject(self, row: FileRow, error: BadRow) -> None:
        if self._rejects:
            self._rejects.write(row, error)

    def reached(self, position: int) -> None:
        self._progress.update(self._task, completed=position)

    def failed(self, total: ImportTotal) -> None:
        show(total)

    def end(self, total: ImportTotal) -> None:
        if self._rejects:
            self._rejects.close(total)


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
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)
