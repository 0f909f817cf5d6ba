"""Workbooks: read as the CSV that they would be saved as, and refused before they take a machine's memory."""

from __future__ import annotations

import csv
import io
import resource
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import xlsxwriter

from casedial.domain.errors import InvalidSetting, MalformedDocument
from casedial.wire import workbooks
from casedial.wire.sheets import Form
from casedial.wire.workbooks import as_csv
from casedial.wire.writing import written


def workbook(**sheets: Callable[[Any, Any], None]) -> bytes:
    raw = io.BytesIO()
    book = xlsxwriter.Workbook(raw)
    for name, fill in sheets.items():
        fill(book.add_worksheet(name), book)
    book.close()
    return raw.getvalue()


def nothing(sheet: Any, book: Any) -> None:
    pass


def people(sheet: Any, book: Any) -> None:
    sheet.merge_range(0, 0, 0, 3, "Cases as of today")
    sheet.write_row(2, 0, ["CaseID", "Plaintiff", "Phone1", "DialDateTime", ""])
    sheet.write_row(3, 0, [7, "Zoë, Ann\nLee", 4025550159])
    sheet.write_datetime(3, 3, datetime(2026, 5, 6, 9, 0, 1), book.add_format({"num_format": "m/d/yy h:mm"}))
    sheet.write_row(5, 0, [8, True, 1.5])
    sheet.write_blank(900, 900, None, book.add_format({"bold": True}))  # a stray format is no cell


def read(raw: bytes, sheet: str | None = None) -> tuple[list[list[str]], list[str]]:
    with as_csv(io.BytesIO(raw), sheet) as (plain, told):
        return list(csv.reader(io.StringIO(plain.read().decode(), newline=""))), told


def test_a_row_is_a_line_of_the_same_number() -> None:
    rows, told = read(workbook(Cover=nothing, People=people))
    assert rows == [
        ["Cases as of today", "", "", ""],
        [""] * 4,
        ["CaseID", "Plaintiff", "Phone1", "DialDateTime"],
        ["7", "Zoë, Ann Lee", "4025550159", "2026-05-06T09:00:01"],
        [""] * 4,
        ["8", "true", "1.5", ""],
    ]
    assert told == ["The sheet 'People' was read, and not 'Cover'; --sheet reads another one."]


@pytest.mark.parametrize("rows", [1, 19, 20, 21, 50])
def test_no_row_is_left_out(rows: int) -> None:
    def numbered(sheet: Any, book: Any) -> None:
        for number in range(rows):
            sheet.write(number, 0, number)

    assert read(workbook(Numbered=numbered))[0] == [[str(number)] for number in range(rows)]


def test_another_sheet_is_read_where_it_is_asked_for() -> None:
    raw = workbook(First=people, Second=lambda sheet, book: sheet.write_row(0, 0, ["CaseID"]))
    assert read(raw, "second")[0] == [["CaseID"]]
    with pytest.raises(MalformedDocument, match="has no sheet 'Third'; it has 'First', 'Second'"):
        read(raw, "Third")
    with pytest.raises(InvalidSetting, match="this file is none"):
        read(b"CaseID\n7\n", "First")
    assert read(b"CaseID\n7\n") == ([["CaseID"], ["7"]], [])


def zipped(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return raw.getvalue()


def test_what_is_no_workbook_is_refused_with_what_to_do() -> None:
    whole = workbook(People=people)
    for raw, says in (
        (b"PK\x03\x04\x14\x00\x06\x00", "Excel workbook .* is incomplete or damaged"),
        (whole[: len(whole) // 2], "incomplete or damaged"),
        (zipped(a=b"text"), "as if it were damaged or no workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"an old Excel workbook \(.xls\)"),
        (workbook(Cover=nothing), "none of its sheets has a row"),
    ):
        with pytest.raises(MalformedDocument, match=says):
            read(raw)


def far(sheet: Any, book: Any) -> None:
    """Two cells with 17 thousand million between them."""
    sheet.write(0, 0, "CaseID")
    sheet.write(1_048_575, 16_383, "x")


def lying(raw: bytes) -> bytes:
    """An archive that says of its files that they are small."""
    data = bytearray(raw)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 24 : at + 28] = (100).to_bytes(4, "little")
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def inflated(content: bytes) -> bytes:
    raw = io.BytesIO(workbook(People=people))
    bomb = io.BytesIO()
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith("sheet1.xml") else old.read(name))
    return bomb.getvalue()


def test_a_bomb_is_refused_before_memory_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"".join(
        b'<row r="%d"><c r="A%d" t="inlineStr"><is><t>x</t></is></c></row>' % (n, n) for n in range(1, 50000)
    )
    big = inflated(
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        + rows
        + b" " * 400_000_000
        + b"</sheetData></worksheet>"
    )
    assert len(big) < 2_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MalformedDocument, match="takes more memory than casedial gives"):
        read(workbook(Far=far))
    with pytest.raises(MalformedDocument):
        read(lying(big))
    monkeypatch.setattr(workbooks, "_MOST_UNPACKED", 300_000_000)
    with pytest.raises(MalformedDocument, match=r"unpacks to 0\.4 GiB, which is no list of cases"):
        read(big)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_workbook_that_is_written_comes_back() -> None:
    raw = io.BytesIO()
    rows: list[list[object]] = [
        [7, "=1+1", "2026-05-06T09:00:00", None, True],
        [9223372036854775807, "+44 20 7946 0958", "", "http://x.example", False],
        [8, "x" * 40_000, "1899-12-31T00:00:00", "007", None],
    ]
    with written(raw, Form.XLSX, ["CaseID", "a", "b", "c", "d"]) as to:
        to.add(rows)
    found, told = read(raw.getvalue())
    assert found[1] == ["7", "'=1+1", "2026-05-06T09:00:00", "", "true"]
    assert found[2] == ["9223372036854775807", "'+44 20 7946 0958", "", "http://x.example", "false"]
    assert found[3][0] == "8"
    assert len(found[3][1]) == 32_767
    assert "CSV has it all" in found[3][1]
    assert found[3][2:] == ["1899-12-31T00:00:00", "007", ""]
    assert told == []
