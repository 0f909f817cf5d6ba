"""Import files: CSV and JSON Lines to the domain, a row at a time."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, TextIO
from zoneinfo import ZoneInfo

from casedial.domain.cases import NAME_LIMIT, PRIORITIES, PRIORITY, Phone
from casedial.domain.errors import CasedialError, MalformedDocument
from casedial.domain.importing import STATUS_COLUMNS, BadRow, CaseRow, kept_phones
from casedial.domain.phones import PHONE_LIMIT
from casedial.wire import quick, values
from casedial.wire.documents import JsonObject, canonical, read_json, unstorable

csv.field_size_limit(1024 * 1024)

_FACTS = {"CaseStatus": "case_status", "CaseGroup": "case_group", "ZipCode": "zip_code", "Plaintiff": "plaintiff"}
_STATUSES = {column: kind for kind, column in STATUS_COLUMNS.items()}
_PHONE = re.compile(r"phone([1-9][0-9]{0,2})(name|primary|text)?")
_PHONE_FIELDS = {None: "number", "name": "name", "primary": "primary", "text": "text"}
_ROW = "Row"  # the one column of the rejects of a JSON Lines file
_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")  # its byte order marks, as surrogateescape reads them
REJECT_COLUMNS = ("RejectLine", "RejectColumn", "RejectReason")

# Local times beside the wire's own, as spreadsheets write them.
_TIMES = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y",
)
_YES = ("true", "1", "yes", "y", "t", "x")
_NO = ("false", "0", "no", "n", "f")


class FileRow(NamedTuple):
    """A row with the line it starts on; ``cells`` is what it was, for the file of rejects."""

    line: int
    cells: Sequence[str]
    row: CaseRow | BadRow


@dataclass(frozen=True, slots=True)
class ImportFile:
    """An open file: its columns, those that mean nothing here, and its rows, read as they are asked for.

    JSON Lines have no header: there ``unknown`` grows with the rows.
    """

    columns: Sequence[str]
    unknown: list[str]
    rows: Iterator[FileRow]


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


def _moment(value: object, zone: ZoneInfo) -> datetime:
    text = _text(value)
    try:
        return values.local_time(text, zone)
    except ValueError:
        for form in _TIMES:
            with suppress(ValueError):
                return values.local_time(datetime.strptime(text, form).isoformat(), zone)
        raise


def _closed(value: object) -> tuple[bool, date | None]:
    with suppress(ValueError):
        return _flag(value), None
    try:
        return True, _moment(value, ZoneInfo("UTC")).date()
    except ValueError:
        raise ValueError("must be true, false or a closing date such as 2026-05-06") from None


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

    zone: ZoneInfo
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
            closed=self.read("Closed", lambda cell: _closed(_blank(cell))) if "closed" in self.cells else None,
            statuses={_STATUSES[c]: self.read(c, lambda cell: _status(_blank(cell))) for c in self.given(_STATUSES)},
            brings_dial_at="dialdatetime" in self.cells,
            dial_at=None if blank else self.read("DialDateTime", lambda cell: _moment(cell, self.zone)),
            phone_cells=self._phone_cells(),
            phones=self._phones() if "phones" in self.cells else None,
        )

    def _facts(self) -> dict[str, Any]:
        facts = {_FACTS[column]: self.read(column, self._fact) for column in self.given(_FACTS)}
        if "priority" in self.cells:
            facts["priority"] = self.read("Priority", _priority)
        return facts

    def _fact(self, cell: object) -> str:
        return _text(_as_text(_blank(cell)))

    def _phone_cells(self) -> dict[int, Phone | dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for column in self.cells:
            if match := _PHONE.fullmatch(column):
                name = _PHONE_FIELDS[match[2]]
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


_REJECT = {canonical(column) for column in REJECT_COLUMNS}
_SINGLE = _REJECT | {
    canonical(column) for column in ("CaseID", "Closed", "DialDateTime", "Priority", "Phones", *_FACTS, *_STATUSES)
}


def _known(column: str) -> bool:
    name = canonical(column)
    return name in _SINGLE or _PHONE.fullmatch(name) is not None


# Files


def read_csv(stream: TextIO, zone: ZoneInfo) -> ImportFile:
    """Open a CSV file with a header; raises MalformedDocument for a header that cannot be used.

    The stream is to be opened with ``newline=""`` and ``errors="surrogateescape"``, so that a row that is
    not UTF-8 is a bad row and not the end of the import.
    """
    reader = csv.reader(stream, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise MalformedDocument(f"The header cannot be read: {error}.") from None
    if columns and columns[0].startswith(_UTF_16):
        raise MalformedDocument("The file is UTF-16; save it as UTF-8 (in a spreadsheet: CSV UTF-8).")
    names = [canonical(column) for column in columns]
    if names[-1:] == [canonical(_ROW)]:
        return ImportFile(columns, [], _rejected_json_rows(reader, zone))
    if "caseid" not in names:
        raise MalformedDocument("The first line must be a header with a CaseID column, separated by commas.")
    repeated = next((column for column in columns if column and names.count(canonical(column)) > 1), None)
    if repeated:
        raise MalformedDocument(f"The header has the column {repeated} more than once.")
    return ImportFile(columns, [c for c in columns if c and not _known(c)], _csv_rows(reader, names, zone))


def _csv_rows(reader: Any, names: list[str], zone: ZoneInfo) -> Iterator[FileRow]:
    layout = _layout(names, zone)
    known = {place for place, name in enumerate(names) if _known(name) and name not in _REJECT}
    quick_read = quick.reader(layout) if layout.places == known else None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            open_quote = "unexpected end of data" in str(error)
            reason = "opens a quote that is never closed: nothing after it was read" if open_quote else str(error)
            yield FileRow(line, [], BadRow("", f"is not CSV: {reason}"))
            continue
        if any(map(str.strip, cells)):
            yield FileRow(line, cells, _read_csv(cells, names, zone, quick_read))


def _layout(names: Sequence[str], zone: ZoneInfo) -> quick.Layout:
    """Return which column is what, for the rows in which nothing is wrong."""
    at = {name: place for place, name in enumerate(names) if name}
    phones: dict[int, dict[str, int]] = {}
    for name, place in at.items():
        if match := _PHONE.fullmatch(name):
            phones.setdefault(int(match[1]) - 1, {})[_PHONE_FIELDS[match[2]]] = place
    return quick.Layout(
        case_id=at["caseid"],
        facts={field: at[canonical(column)] for column, field in _FACTS.items() if canonical(column) in at},
        statuses={kind: at[canonical(column)] for column, kind in _STATUSES.items() if canonical(column) in at},
        phones=phones,
        closed=at.get("closed"),
        dial_at=at.get("dialdatetime"),
        priority=at.get("priority"),
        text_limit=NAME_LIMIT,
        read_closed=_closed,
        read_moment=lambda cell: _moment(cell, zone),
        read_priority=_priority,
        read_number=_number,
        read_flag=_flag,
    )


def _read_csv(
    cells: list[str], names: list[str], zone: ZoneInfo, quick_read: quick.QuickReader | None
) -> CaseRow | BadRow:
    if quick_read and len(cells) == len(names):
        try:
            return quick_read(cells)
        except ValueError:
            pass  # which cell it is, and why, is said below
    return _build_csv(cells, names, zone)


def _build_csv(cells: list[str], names: list[str], zone: ZoneInfo) -> CaseRow | BadRow:
    if len(cells) != len(names):
        return BadRow("", f"has {len(cells)} cells where the header has {len(names)} columns")
    try:
        return _Builder(zone, {name: cell.strip() for name, cell in zip(names, cells, strict=True) if name}).build()
    except BadRow as error:
        return error


def _rejected_json_rows(reader: Any, zone: ZoneInfo) -> Iterator[FileRow]:
    """Read the rejects of a JSON Lines file, mended: the last cell of each row is the line."""
    line = reader.line_num + 1
    for cells in reader:
        if cells:
            yield FileRow(line, cells, _build_json(cells[-1], zone, []))
        line = reader.line_num + 1


def read_json_lines(stream: TextIO, zone: ZoneInfo) -> ImportFile:
    """Open a JSON Lines file: one object a line, with GetCaseInfo's fields and this file's own."""
    unknown: list[str] = []
    return ImportFile((_ROW,), unknown, _json_rows(stream, zone, unknown))


def _json_rows(stream: TextIO, zone: ZoneInfo, unknown: list[str]) -> Iterator[FileRow]:
    for line, text in enumerate(stream, start=1):
        if text.strip():
            yield FileRow(line, [text.rstrip("\r\n")], _build_json(text, zone, unknown))


def _build_json(text: str, zone: ZoneInfo, unknown: list[str]) -> CaseRow | BadRow:
    try:
        value = read_json(text.encode("utf-8", "surrogateescape"), "line")
        if not isinstance(value, JsonObject):
            raise BadRow("", "must be a JSON object")
        builder = _Builder(zone)
        for name, cell in value:
            if builder.cells.setdefault(canonical(name), cell) != cell:
                raise BadRow(name, "is given twice with different values")
            if not _known(name) and name not in unknown:
                unknown.append(name)
        return builder.build()
    except CasedialError as error:
        return BadRow("", error.detail)
    except BadRow as error:
        return error
