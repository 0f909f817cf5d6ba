"""Workbooks and dates of people at the command line: the same columns, rules and errors as CSV, and a way back."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from casedial.domain.cases import Phone
from tests.cli.test_commands import Casedial
from tests.conftest import Office
from tests.wire.test_workbooks import read

FIRM = ("--firm", "Lex & Partners")


def saved(path: Path, *sheets: list[list[Any]]) -> Path:
    book = xlsxwriter.Workbook(path)
    for rows in sheets:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    book.close()
    return path


async def test_a_workbook_goes_in_as_csv_does(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    rows = [
        ["Our cases"],
        ["Case Number", "Plaintiff", "Phone1", "DialDateTime", "Campaign", "ZipCode"],
        [7, "Ann Lee", 4025550107, 46148.375, "Intake follow-up", 68102],
        [],
        ["x8", "Bob"],
    ]
    file = saved(tmp_path / "cases.xlsx", rows, [["CaseID"], [9]])
    given = ("cases", "import", file, *FIRM, "--map", "Case Number=CaseID")
    told = await asyncio.to_thread(casedial.json, *given, status=1)
    assert (told["added"], told["rejected"]) == (1, 1)
    assert told["rejects"] == [{"line": 5, "column": "CaseID", "reason": told["rejects"][0]["reason"]}]
    assert any("The sheet 'Sheet1' was read, and not 'Sheet2'" in said for said in told["told"])
    case = await office.case(7)
    assert (case.plaintiff, case.zip_code, case.phones[0].number) == ("Ann Lee", "68102", "4025550107")
    assert case.dial_at
    assert case.dial_at.astimezone((await office.firm()).zone).isoformat()[:19] == "2026-05-06T09:00:00"
    told = await asyncio.to_thread(casedial.json, "cases", "import", file, *FIRM, "--sheet", "Sheet2")
    assert told["added"] == 1


async def test_the_order_of_dates_is_asked_for_and_nothing_goes_in_before(
    casedial: Casedial, office: Office, tmp_path: Path
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("CaseID,DialDateTime\n7,5/6/2027 9:00 AM\n")
    refused = await asyncio.to_thread(casedial.json, "cases", "import", file, *FIRM, status=1)
    assert "--dates month-first or --dates day-first" in refused["error"]["message"]
    assert await asyncio.to_thread(casedial.json, "cases", "list", *FIRM) == {"cases": [], "after": None, "unknown": []}
    await asyncio.to_thread(casedial.json, "cases", "import", file, *FIRM, "--dates", "day-first")
    shown = await asyncio.to_thread(casedial.json, "cases", "show", 7, *FIRM)
    assert shown["dial_date_time"].startswith("2027-06-05T14:00")
    listed = tmp_path / "list.csv"
    listed.write_text("Number,Date\n4025550101,5/6/2026\n")
    refused = await asyncio.to_thread(casedial.json, "dnc", "import", listed, *FIRM, status=1)
    assert "Line 2 has the date '5/6/2026'" in refused["error"]["message"]
    assert (await asyncio.to_thread(casedial.json, "dnc", "import", listed, *FIRM, "--dates", "day-first"))[
        "added"
    ] == 1
    entries = (await asyncio.to_thread(casedial.json, "dnc", "list", *FIRM))["entries"]
    assert [entry["listed_on"] for entry in entries] == ["2026-06-05"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_what_is_exported_can_be_imported_and_changes_nothing(
    casedial: Casedial, office: Office, tmp_path: Path, form: str
) -> None:
    await office.add(7, plaintiff="=HYPERLINK(1)", phones=(Phone("Cell", "+44 20 7946 0958"), Phone("-", "4025550107")))
    await office.add(8, plaintiff="'=x", case_status="@home", disposition="Busy", attempts="2")
    named = {what: tmp_path / f"{what}.{form}" for what in ("cases", "notes", "history", "calls", "audit")}
    await asyncio.to_thread(casedial.run, "cases", "note", 7, "=1+1", *FIRM)
    further = [part for what in ("notes", "history", "calls") for part in (f"--{what}", named[what])]
    await asyncio.to_thread(casedial.run, "cases", "export", *FIRM, "-o", named["cases"], *further)
    await asyncio.to_thread(casedial.run, "audit", "export", "-o", named["audit"])
    before = [await office.case(7), await office.case(8)]
    told = await asyncio.to_thread(casedial.json, "cases", "import", named["cases"], *FIRM, "--set-statuses")
    assert [await office.case(7), await office.case(8)] == before
    assert (told["added"], told["updated"], told["unchanged"], told["rejected"]) == (0, 0, 2, 0), told
    for path in named.values():
        if form == "csv":
            with path.open(newline="") as stream:
                rows = list(csv.reader(stream))
        else:
            rows = read(path.read_bytes())[0]
        assert rows[0][0] in ("CaseID", "id")
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
        assert path != named["notes"] or rows[1][3] == "'=1+1"
    dnc = tmp_path / f"list.{form}"
    await asyncio.to_thread(casedial.run, "dnc", "add", "+44 20 7946 0000", *FIRM)
    await asyncio.to_thread(casedial.run, "dnc", "export", *FIRM, "-o", dnc)
    await asyncio.to_thread(casedial.run, "dnc", "remove", "+44 20 7946 0000", *FIRM)
    assert (await asyncio.to_thread(casedial.json, "dnc", "import", dnc, *FIRM))["added"] == 1
