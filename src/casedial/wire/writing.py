"""Rows to a file, as they come: CSV for people, JSON Lines for programs, a workbook (.xlsx). Memory is bounded."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any, Protocol

import msgspec

from casedial.wire.formulas import guarded
from casedial.wire.sheets import Form, text_of

Rows = Iterable[Sequence[object] | dict[str, object]]  # cells under the columns of a file, or an object of JSON Lines

_MOST_ROWS = 1_048_576  # of a sheet
_LONGEST = 32_767  # characters of a cell
_CUT = " … (cut: a cell of a workbook has room for no more; CSV has it all)"
_EXACT = 10**15  # from here on a spreadsheet rounds numbers
_TIME = re.compile(r"(?:19|2\d)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")


class Writer(Protocol):
    """Takes rows, as they come."""

    def add(self, rows: Rows) -> None:
        """Write some rows."""


@contextmanager
def written(raw: IO[bytes], form: Form, columns: Sequence[str]) -> Iterator[Writer]:
    """Write rows to an open file, which is complete at the end of the block and stays open. Raises OSError."""
    if form is Form.JSONL:
        yield _Lines(raw, columns)
    elif form is Form.CSV:
        with text_of(raw) as stream:
            yield _Csv(stream, columns)
    else:
        workbook = _Workbook(raw, columns)
        try:
            yield workbook
        finally:
            workbook.close()


class _Lines:
    def __init__(self, raw: IO[bytes], columns: Sequence[str]) -> None:
        self._raw, self._columns = raw, columns

    def add(self, rows: Rows) -> None:
        objects = (row if isinstance(row, dict) else dict(zip(self._columns, row, strict=True)) for row in rows)
        self._raw.writelines(msgspec.json.encode(row) + b"\n" for row in objects)


class _Csv:
    def __init__(self, stream: Any, columns: Sequence[str]) -> None:
        self._csv = csv.writer(stream)
        self._csv.writerow(columns)

    def add(self, rows: Rows) -> None:
        self._csv.writerows(map(_csv_cell, row) for row in rows)


def _csv_cell(cell: object) -> object:
    if isinstance(cell, str):
        return guarded(cell)
    return str(cell).lower() if isinstance(cell, bool) else cell


class _Out:
    """An open file to which nothing more is written once that has failed: what puts archives together tries again."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.error: OSError | None = None

    def write(self, part: bytes) -> int:
        try:
            if self.error is None:
                self._raw.write(part)
        except OSError as error:
            self.error = error
        return len(part)

    def flush(self) -> None:
        pass


class _Workbook:
    """A workbook whose rows go to a temporary file, a new sheet where one is full."""

    def __init__(self, raw: IO[bytes], columns: Sequence[str]) -> None:
        import xlsxwriter  # which most commands never need

        as_they_are = dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False)
        self._out = _Out(raw)
        self._book = xlsxwriter.Workbook(self._out, {"constant_memory": True, **as_they_are})
        self._bold = self._book.add_format({"bold": True})
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._columns = columns
        self._begin()

    def _begin(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        self._sheet.set_column(0, max(0, len(self._columns) - 1), 18)
        for place, column in enumerate(self._columns):
            self._sheet.write_string(0, place, column, self._bold)
        self._rows = 1

    def add(self, rows: Rows) -> None:
        for row in rows:
            if self._rows == _MOST_ROWS:
                self._begin()
            for place, cell in enumerate(row):
                self._write(place, cell)
            self._rows += 1

    def _write(self, place: int, cell: object) -> None:
        at = (self._rows, place)
        if cell is None or cell == "":
            return
        if isinstance(cell, bool):
            self._sheet.write_boolean(*at, cell)
        elif isinstance(cell, int) and abs(cell) < _EXACT:
            self._sheet.write_number(*at, cell)
        elif isinstance(cell, str) and _TIME.fullmatch(cell):
            self._sheet.write_datetime(*at, datetime.fromisoformat(cell), self._time)
        else:
            text = str(cell)
            self._sheet.write_string(*at, text if len(text) <= _LONGEST else text[: _LONGEST - len(_CUT)] + _CUT)

    def close(self) -> None:
        """Put the workbook together. Raises OSError."""
        from xlsxwriter.exceptions import FileCreateError

        try:
            self._book.close()
        except FileCreateError as error:
            cause = error.args[0] if error.args else None
            raise cause if isinstance(cause, OSError) else OSError(str(error)) from None
        if self._out.error:
            raise self._out.error
