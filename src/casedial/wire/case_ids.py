"""Files of CaseIDs: any number in a line, or the column CaseID of a file such as an import takes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import IO

from casedial.domain.errors import InvalidSetting, MalformedDocument
from casedial.wire import values
from casedial.wire.documents import canonical
from casedial.wire.sheets import Header, Sheet, as_text, open_sheet, seekable
from casedial.wire.workbooks import as_csv

_BETWEEN = re.compile(r"[\s,;]+")
_HEADER = Header(
    "column CaseID", lambda columns: "caseid" in map(canonical, columns), lambda columns: "Name one of them CaseID."
)


def read_case_ids(raw: IO[bytes], name: str) -> Iterator[int]:
    """Read CaseIDs of an open file; ``name`` is what messages call it. Raises InvalidSetting."""
    raw = seekable(raw)
    if not raw.read(1):
        raise InvalidSetting(f"{name} has no CaseIDs.")
    raw.seek(0)
    try:
        with as_csv(raw) as (plain, _):
            stream, _ = as_text(plain)
            text = stream.read()
            stream.detach()
    except MalformedDocument as error:
        raise InvalidSetting(f"{name}: {error.detail}") from None
    none = True
    for line, cells in _lines(text, name):
        for word in filter(None, _BETWEEN.split(cells)):
            none = False
            yield _case_id(word.strip('"'), f"{name}, line {line}")
    if none:
        raise InvalidSetting(f"{name} has no CaseIDs.")


def _lines(text: str, name: str) -> Iterator[tuple[int, str]]:
    """Return what holds CaseIDs, each with its line: the cells of the column, or where there is no header all lines."""
    try:
        sheet = open_sheet(io.StringIO(text, newline=""), _HEADER)
    except MalformedDocument as error:
        first = next((line for line in text.splitlines() if line.strip()), "")
        if first and not any(map(str.isdigit, first)):  # a header, then, but not ours
            raise InvalidSetting(f"{name}: {error.detail}") from None
        yield from enumerate(text.splitlines(), 1)
    else:
        yield from _cells(sheet, name)


def _cells(sheet: Sheet, name: str) -> Iterator[tuple[int, str]]:
    place = list(map(canonical, sheet.columns)).index("caseid")
    try:
        for row in sheet.reader:
            line = sheet.above + sheet.reader.line_num
            if len(sheet.columns) == 1:
                yield line, " ".join(row)
            elif any(map(str.strip, row)):
                if len(row) <= place or not row[place].strip():
                    raise InvalidSetting(f"{name}, line {line}: CaseID is missing.")
                yield line, row[place]
    except csv.Error as error:
        raise InvalidSetting(f"{name}, line {sheet.above + sheet.reader.line_num}: it is not CSV: {error}.") from None


def _case_id(word: str, place: str) -> int:
    try:
        return values.case_id(word)
    except ValueError as error:
        raise InvalidSetting(f"{place}: {word[:40]!r} is not a CaseID: it {error}.") from None
