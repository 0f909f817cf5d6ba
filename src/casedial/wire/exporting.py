"""The files of an export, row by row: the cases, and beside them their notes, history and calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import IO
from zoneinfo import ZoneInfo

from casedial.domain.case_files import CaseFile
from casedial.domain.cases import Case
from casedial.domain.errors import InvalidSetting
from casedial.wire import exports
from casedial.wire.sheets import Form
from casedial.wire.writing import Rows, Writer, written


def _history(found: CaseFile, zone: ZoneInfo) -> Rows:
    """Return the history of a case, its phones, priority and fields included, in the order of time."""
    periods = [(one.change.changed_at, exports.period_cells(one, zone)) for one in found.history]
    phones = [(one.changed_at, exports.phone_change_cells(one, zone)) for one in found.phone_changes]
    priorities = [(one.changed_at, exports.priority_change_cells(one, zone)) for one in found.priority_changes]
    facts = [(one.changed_at, exports.fact_change_cells(one, zone)) for one in found.fact_changes]
    return [cells for _, cells in sorted([*periods, *phones, *priorities, *facts], key=lambda row: row[0])]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A further file: its columns, and its rows of a case."""

    columns: Sequence[str]
    rows: Callable[[CaseFile, ZoneInfo], Rows]


_FURTHER = {
    "notes": _Kind(exports.NOTE_COLUMNS, lambda file, zone: (exports.note_cells(one, zone) for one in file.notes)),
    "history": _Kind(exports.HISTORY_COLUMNS, _history),
    "calls": _Kind(exports.CALL_COLUMNS, lambda file, zone: (exports.call_cells(one, zone) for one in file.calls)),
}


class CaseSheets:
    """Writes cases to an open file, and what else there is of them to further ones, by what those hold.

    ``can_rewind`` tells whether what was written can be taken back.
    """

    def __init__(
        self,
        raw: IO[bytes],
        form: Form,
        further: Mapping[str, tuple[IO[bytes], Form]] | None = None,
        can_rewind: bool = False,
    ) -> None:
        self._raw, self._form, self._further = raw, form, further or {}
        every = (raw, *(file for file, _ in self._further.values()))
        self._can_rewind = can_rewind and all(file.seekable() for file in every)
        self._every = every
        self._phones: int | None = None
        self._writers: list[Writer] = []
        self._open = ExitStack()

    def __enter__(self) -> CaseSheets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Complete all files. A workbook is put together here, which takes seconds for a hundred thousand rows."""
        self._open.close()

    @property
    def whole(self) -> bool:
        """Tell whether all there is of a case is wanted."""
        return bool(self._further)

    def begin(self, phones: int) -> None:
        """Begin all files, with room for so many phones of a case. Raises InvalidSetting where that is too late."""
        if self._phones is not None:
            self._rewind()
        self._phones = phones
        files: list[tuple[IO[bytes], Form, Sequence[str]]] = [(self._raw, self._form, exports.csv_header(phones))]
        files += [(file, form, _FURTHER[what].columns) for what, (file, form) in self._further.items()]
        self._writers = [self._open.enter_context(written(*file)) for file in files]

    def _rewind(self) -> None:
        self._open.close()
        if not self._can_rewind:
            raise InvalidSetting("A case got more phones during the export: export again.")
        for file in self._every:
            file.seek(0)
            file.truncate()

    def has_room(self, case: Case) -> bool:
        """Tell whether there is room for the phones of a case."""
        return self._form is Form.JSONL or len(case.phones) <= (self._phones or 0)

    def rows(self, file: CaseFile, zone: ZoneInfo) -> list[Rows]:
        """Return what is to be written of a case, for each file."""
        is_json = self._form is Form.JSONL
        case = exports.json_row(file.case, zone) if is_json else exports.csv_cells(file.case, zone, self._phones or 0)
        return [[case], *(list(_FURTHER[what].rows(file, zone)) for what in self._further)]

    def write(self, rows: list[Rows]) -> None:
        """Write it."""
        for writer, some in zip(self._writers, rows, strict=True):
            writer.add(some)
