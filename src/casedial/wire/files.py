"""Import files: CSV and JSON Lines to the domain, a row at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from casedial.domain.cases import PRIORITIES, PRIORITY, Phone
from casedial.domain.errors import CasedialError, MalformedDocument
from casedial.domain.import_jobs import FileLine
from casedial.domain.importing import BadRow, CaseRow, FileRow, ImportFile, kept_phones
from casedial.domain.names import NAME_LIMIT
from casedial.domain.phones import PHONE_LIMIT
from casedial.wire import quick, values
from casedial.wire.columns import (
    FACTS,
    NO_NAMES,
    PHONE,
    PHONE_FIELDS,
    REJECT,
    REJECT_COLUMNS,
    STATUSES,
    Names,
    checked,
    is_known,
    renamed,
)
from casedial.wire.dates import DayFirst, Order, of_a_row, written_time
from casedial.wire.documents import JsonObject, canonical, read_json, unstorable
from casedial.wire.formulas import unguarded
from casedial.wire.sheets import Header, Sheet, open_sheet

_ROW = "Row"  # the one column of the rejects of a JSON Lines file
_YES = ("true", "1", "yes", "y", "t", "x")
_NO = ("false", "0", "no", "n", "f")


# Cells


def _text(value: object, limit: int = NAME_LIMIT) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    text = value.strip()
    if len(text) > limit:
        raise ValueError(f"has more than {limit} characters")
    if what := unstorable(text, "is not UTF-8; save the file as UTF-8"):
        raise ValueError(what)
    return text


def _as_text(value: object) -> object:
    """JSON Lines may bring as a number what is text: a ZIP code, a phone, Attempts."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _flag(value: object) -> bool:
    text = str(value).strip().lower()
    if text in _YES:
        return True
    if text in _NO or not text:
        return False
    raise ValueError("must be true or false")


@dataclass(frozen=True, slots=True)
class Dates:
    """How the dates of a file are read: in which time zone, and which of day and month comes first."""

    zone: ZoneInfo
    order: Order = Order.MONTH_FIRST

    def moment(self, value: object, zone: ZoneInfo | None = None) -> datetime:
        """Read a time. Raises ValueError."""
        try:
            return written_time(_text(_as_text(value)), zone or self.zone, self.order)
        except DayFirst as error:
            raise ValueError(of_a_row(error)) from None

    def closed(self, value: object) -> tuple[bool, date | None]:
        """Read whether a case is closed, and since when. Raises ValueError."""
        with suppress(ValueError):
            return _flag(value), None
        try:
            return True, self.moment(value, ZoneInfo("UTC")).date()
        except ValueError as error:
            why = f"; as a date it {error}" if "first" in str(error) else ""
            raise ValueError(f"must be true, false or a closing date such as 2026-05-06{why}") from None


def _number(value: object) -> str:
    return _text(_as_text(value), PHONE_LIMIT)


def _priority(value: object) -> int:
    text = _text(_as_text(_blank(value)))
    if not text:
        return PRIORITY
    if text not in map(str, PRIORITIES):
        raise ValueError(f"must be {PRIORITIES[0]} (first) to {PRIORITIES[-1]} (last)")
    return int(text)


def _status(value: object) -> str | None:
    return _text(_as_text(value)) or None


# Rows


@dataclass(slots=True)
class _Builder:
    """Gathers one row's cells by canonical column name, then makes the row."""

    dates: Dates
    cells: dict[str, Any] = field(default_factory=dict)

    def read(self, column: str, read: Callable[[Any], Any]) -> Any:
        try:
            return read(self.cells[canonical(column)])
        except ValueError as error:
            raise BadRow(column, str(error)) from None

    def given(self, columns: Mapping[str, Any]) -> Iterator[str]:
        return (column for column in columns if canonical(column) in self.cells)

    def build(self) -> CaseRow:
        if self.cells.get("caseid") in (None, ""):
            raise BadRow("CaseID", "is missing")
        blank = self.cells.get("dialdatetime") in (None, "")
        return CaseRow(
            case_id=self.read("CaseID", lambda cell: values.case_id(cell.strip() if isinstance(cell, str) else cell)),
            facts=self._facts(),
            closed=self.read("Closed", lambda cell: self.dates.closed(_blank(cell)))
            if "closed" in self.cells
            else None,
            statuses={STATUSES[c]: self.read(c, lambda cell: _status(_blank(cell))) for c in self.given(STATUSES)},
            brings_dial_at="dialdatetime" in self.cells,
            dial_at=None if blank else self.read("DialDateTime", self.dates.moment),
            phone_cells=self._phone_cells(),
            phones=self._phones() if "phones" in self.cells else None,
        )

    def _facts(self) -> dict[str, Any]:
        facts = {FACTS[column]: self.read(column, self._fact) for column in self.given(FACTS)}
        if "priority" in self.cells:
            facts["priority"] = self.read("Priority", _priority)
        return facts

    def _fact(self, cell: object) -> str:
        return _text(_as_text(_blank(cell)))

    def _phone_cells(self) -> dict[int, Phone | dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for column in self.cells:
            if match := PHONE.fullmatch(column):
                name = PHONE_FIELDS[match[2]]
                read: Callable[[object], Any] = {"number": _number, "name": _text}.get(name, _flag)
                shown = f"Phone{match[1]}{(match[2] or '').title()}"
                found.setdefault(int(match[1]) - 1, {})[name] = self.read(shown, read)
        whole = len(Phone._fields)
        return {at: Phone(**given) if len(given) == whole else given for at, given in found.items()}

    def _phones(self) -> tuple[Phone, ...]:
        listed = _blank(self.cells["phones"], [])
        if (
            not isinstance(listed, list)
            or isinstance(listed, JsonObject)
            or not all(isinstance(item, JsonObject) for item in listed)
        ):
            raise BadRow("Phones", "must be a list of objects")
        return kept_phones([self._phone(item) for item in listed])

    def _phone(self, item: JsonObject) -> Phone:
        cells = {canonical(name): value for name, value in item}
        try:
            return Phone(
                name=_text(_blank(cells.get("phonename"))),
                number=_number(_blank(cells.get("phone"))),
                primary=_flag(_blank(cells.get("primary"))),
                text=_flag(_blank(cells.get("text"))),
            )
        except ValueError as error:
            raise BadRow("Phones", str(error)) from None


def _blank(cell: Any, blank: Any = "") -> Any:
    return blank if cell is None else cell


# Files


def read_csv(stream: TextIO, dates: Dates, names: Names = NO_NAMES) -> ImportFile:
    """Open a CSV file with a header; raises MalformedDocument or InvalidSetting for one that cannot be used.

    The stream is one of ``sheets.as_text``; ``names`` is what the columns mean.
    """
    sheet = open_sheet(stream, header_of(names))
    if _are_of_json(sheet.columns):
        return ImportFile(sheet.columns, [], _rejected_json_rows(sheet, dates, names), sheet.told)
    columns = checked(sheet.columns, names)
    meant = [canonical(column) for column in columns]
    repeated = next((column for column in columns if column and meant.count(canonical(column)) > 1), None)
    if repeated:
        raise MalformedDocument(f"The header has the column {repeated} more than once.")
    unknown = [column for column in columns if column and not is_known(column)]
    return ImportFile(columns, unknown, _csv_rows(sheet, meant, dates), sheet.told)


def header_of(names: Names) -> Header:
    """Return how the header of a file of cases is known."""
    return Header("column CaseID", lambda columns: _is_header(columns, names), _advice)


def _is_header(columns: Sequence[str], names: Names) -> bool:
    return "caseid" in map(canonical, renamed(columns, names)) or _are_of_json(columns)


def _are_of_json(columns: Sequence[str]) -> bool:
    return tuple(columns) == (*REJECT_COLUMNS, _ROW)


def _advice(columns: Sequence[str]) -> str:
    like = [column for column in columns if "case" in column.lower()] or [column for column in columns if column]
    return f'If one of them is the CaseID, give: --map "{like[0]}=CaseID".'


def _csv_rows(sheet: Sheet, names: list[str], dates: Dates) -> Iterator[FileRow]:
    read = row_reader(names, dates)
    for line, cells, fault in lines_of(sheet):
        yield FileRow(line, cells, BadRow("", fault) if fault else read(cells))


def lines_of(sheet: Sheet) -> Iterator[FileLine]:
    """Yield the rows below a header as they are; what cannot be divided into cells has none, and says why."""
    reader = sheet.reader
    while True:
        line = sheet.above + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            open_quote = "unexpected end of data" in str(error)
            reason = "opens a quote that is never closed, so nothing after it was read" if open_quote else str(error)
            yield FileLine(line, [], f"is not CSV: {reason}")
            continue
        if any(map(str.strip, cells)):
            yield FileLine(line, cells)


def row_reader(names: Sequence[str], dates: Dates) -> Callable[[Sequence[str]], CaseRow | BadRow]:
    """Return what reads a row of cells; ``names`` are what its columns mean, in canonical form, "" for nothing."""
    layout = _layout(names, dates)
    known = {place for place, name in enumerate(names) if is_known(name) and name not in REJECT}
    quick_read = quick.reader(layout) if layout.places == known else None
    return lambda cells: _read_csv(cells, names, dates, quick_read)


def line_reader(dates: Dates) -> Callable[[Sequence[str]], CaseRow | BadRow]:
    """Return what reads a row of which the last cell is a line of JSON Lines."""
    lines = _Lines(dates, NO_NAMES)
    return lambda cells: lines.build(cells[-1])


def _layout(names: Sequence[str], dates: Dates) -> quick.Layout:
    """Return which column is what, for the rows in which nothing is wrong."""
    at = {name: place for place, name in enumerate(names) if name}
    phones: dict[int, dict[str, int]] = {}
    for name, place in at.items():
        if match := PHONE.fullmatch(name):
            phones.setdefault(int(match[1]) - 1, {})[PHONE_FIELDS[match[2]]] = place
    return quick.Layout(
        case_id=at["caseid"],
        facts={field: at[canonical(column)] for column, field in FACTS.items() if canonical(column) in at},
        statuses={kind: at[canonical(column)] for column, kind in STATUSES.items() if canonical(column) in at},
        phones=phones,
        closed=at.get("closed"),
        dial_at=at.get("dialdatetime"),
        priority=at.get("priority"),
        text_limit=NAME_LIMIT,
        read_closed=dates.closed,
        read_moment=dates.moment,
        read_priority=_priority,
        read_number=_number,
        read_flag=_flag,
    )


def _read_csv(
    cells: Sequence[str], names: Sequence[str], dates: Dates, quick_read: quick.QuickReader | None
) -> CaseRow | BadRow:
    if quick_read and len(cells) == len(names):
        try:
            return quick_read(cells)
        except ValueError:
            pass  # which cell it is, and why, is said below
    return _build_csv(cells, names, dates)


def _build_csv(cells: Sequence[str], names: Sequence[str], dates: Dates) -> CaseRow | BadRow:
    if len(cells) != len(names):
        return BadRow("", f"has {len(cells)} cells where the header has {len(names)} columns")
    try:
        return _Builder(
            dates, {name: unguarded(cell.strip()).strip() for name, cell in zip(names, cells, strict=True) if name}
        ).build()
    except BadRow as error:
        return error


def _rejected_json_rows(sheet: Sheet, dates: Dates, names: Names) -> Iterator[FileRow]:
    """Read the rejects of a JSON Lines file, mended: the last cell of each row is the line."""
    lines = _Lines(dates, names)
    line = sheet.above + sheet.reader.line_num + 1
    for cells in sheet.reader:
        if cells:
            yield FileRow(line, cells, lines.build(cells[-1]))
        line = sheet.above + sheet.reader.line_num + 1


def read_json_lines(stream: TextIO, dates: Dates, names: Names = NO_NAMES) -> ImportFile:
    """Open a JSON Lines file: one object a line, with GetCaseInfo's fields and this file's own."""
    lines = _Lines(dates, names)
    return ImportFile((_ROW,), lines.unknown, lines.rows(stream), lines.told)


def read_object(value: JsonObject, dates: Dates) -> tuple[CaseRow, list[str]]:
    """Read an object with the fields of a line; return the names that mean nothing in it, too. Raises BadRow."""
    lines = _Lines(dates, NO_NAMES)
    return lines.read(value), lines.unknown


@dataclass(slots=True)
class _Lines:
    """Reads JSON Lines: which names mean nothing, and which of ``names`` were not met, is known at their end."""

    dates: Dates
    names: Names
    unknown: list[str] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    def rows(self, stream: TextIO) -> Iterator[FileRow]:
        for line, text in enumerate(stream, start=1):
            if text.strip():
                yield FileRow(line, [text.rstrip("\r\n")], self.build(text))
        self.told += [
            f"--map {name}={self.names[name]}: no line has this name." for name in self.names.keys() - self.met
        ]

    def build(self, text: str) -> CaseRow | BadRow:
        try:
            value = read_json(text.encode("utf-8", "surrogateescape"), "line")
            if not isinstance(value, JsonObject):
                raise BadRow("", "must be a JSON object")
            return self.read(value)
        except CasedialError as error:
            return BadRow("", error.detail)
        except BadRow as error:
            return error

    def read(self, value: JsonObject) -> CaseRow:
        """Read the object of a line. Raises BadRow."""
        builder = _Builder(self.dates)
        for given, cell in value:
            name = self.names.get(canonical(given), given)
            if self.names:
                self.met.add(canonical(given))
            if builder.cells.setdefault(canonical(name), cell) != cell:
                raise BadRow(name, "is given twice with different values")
            if not is_known(name) and name not in self.unknown:
                self.unknown.append(name)
        return builder.build()
