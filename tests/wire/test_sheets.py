"""Files as people have them: encodings, separators, titles, what is no text at all."""

from __future__ import annotations

import codecs
import csv
import io
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.errors import InvalidSetting, MalformedDocument
from casedial.domain.importing import BadRow, CaseRow
from casedial.wire.case_source import CaseSource
from casedial.wire.columns import meant, read_map
from casedial.wire.dates import Order, order_of
from casedial.wire.files import Dates, ImportFile, read_csv, read_json_lines
from casedial.wire.formulas import guarded, unguarded
from casedial.wire.sheets import Form, as_text

CHICAGO = ZoneInfo("America/Chicago")


def opened(raw: bytes, *names: str) -> tuple[ImportFile, list[str]]:
    stream, told = as_text(io.BytesIO(raw))
    source = read_csv(stream, Dates(CHICAGO), read_map(names))
    return source, [*told, *source.told]


def people(raw: bytes, *names: str) -> list[tuple[int, int, str]]:
    """The line, CaseID and plaintiff of each row."""
    rows = list(opened(raw, *names)[0].rows)
    assert all(isinstance(row.row, CaseRow) for row in rows), rows
    return [(row.line, row.row.case_id, row.row.facts["plaintiff"]) for row in rows if isinstance(row.row, CaseRow)]


TEXT = "CaseID;Plaintiff\r\n7;Zoë, Ann\r\n"


@pytest.mark.parametrize(
    ("raw", "line", "says"),
    [
        (TEXT.encode(), 2, ["Cells are separated by semicolons."]),
        (codecs.BOM_UTF8 + TEXT.encode(), 2, ["semicolons"]),
        (TEXT.replace(";", "\t").encode(), 2, ["separated by tabs"]),
        (TEXT.encode("utf-16"), 2, ["is UTF-16", "semicolons"]),
        (codecs.BOM_UTF16_BE + TEXT.replace(";", "\t").encode("utf-16-be"), 2, ["is UTF-16", "tabs"]),
        (TEXT.encode("cp1252"), 2, ["read as Windows-1252", "semicolons"]),
        (b"sep=;\r\n" + TEXT.encode(), 3, ["semicolons"]),
        (b'"sep=|"\r\n' + TEXT.replace(";", "|").encode(), 3, ["separated by '|'"]),
        (b"Sep=;\r\n" + TEXT.replace(";", "\t").encode(), 3, ["tabs"]),  # that it says does not make it so
        (b"Cases of Lex; Partners\r\n\r\n" + TEXT.encode(), 4, ["semicolons", "header is line 3"]),
        (b'"Cases,\r\nas of 11/28/2026",,\r\n' + TEXT.replace(";", "\t").encode(), 4, ["tabs", "header is line 3"]),
    ],
)
def test_a_file_as_people_have_it(raw: bytes, line: int, says: list[str]) -> None:
    assert people(raw) == [(line, 7, "Zoë, Ann")]
    told = opened(raw)[1]
    assert len(told) == len(says)
    assert all(words in said for words, said in zip(says, told, strict=True)), told


def test_a_plain_file_is_worth_no_words() -> None:
    assert opened(b"CaseID,Plaintiff\n7,Ann\n")[1] == []


def test_one_row_that_is_not_utf_8_does_not_make_the_others_something_else() -> None:
    source, told = opened("CaseID,Plaintiff\n7,Zoë\n".encode() + b"8,Zo\xeb\n")
    good, bad = (row.row for row in source.rows)
    assert isinstance(good, CaseRow)
    assert good.facts["plaintiff"] == "Zoë"
    assert isinstance(bad, BadRow)
    assert "UTF-8" in bad.reason
    assert told == []


def test_the_last_byte_counts() -> None:
    assert people(b"CaseID,Plaintiff\n7,Zo\xeb") == [(2, 7, "Zoë")]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"\r\n \r\n", "only blank lines"),
        (b"\x1f\x8b\x08\x00", "decompress it first"),
        (b"<html><table>", "a web page"),
        (TEXT.encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (codecs.BOM_UTF16_LE + b"C\x00a", "UTF-16, but damaged"),
        (b'[{"CaseID": 1}]', "name the file .jsonl"),
        (
            b"Case Number;Name\n7;Ann\n",
            "'Case Number', 'Name', separated by semicolons. If one of them is the CaseID, "
            'give: --map "Case Number=CaseID".',
        ),
        (b"7,Ann Lee,4025550159\n", "looks like a row: put a header above it"),
    ],
)
def test_what_cannot_be_read_is_named_and_what_to_do(raw: bytes, says: str) -> None:
    with pytest.raises(MalformedDocument) as caught:
        opened(raw)
    assert says in caught.value.detail
    assert "Ann Lee" not in caught.value.detail


def test_the_columns_of_a_file_are_told_what_they_mean() -> None:
    raw = b"case_number;Client;Cell\n7;Ann;4025550159\n"
    assert people(raw, "Case Number=CaseID", "Client = Plaintiff") == [(2, 7, "Ann")]
    source, _ = opened(raw, "Case Number=CaseID", "Cell=Phone2", "Client=plaintiff")
    assert (source.columns, source.unknown) == (["CaseID", "plaintiff", "Phone2"], [])
    swapped = b"CaseID,Phone1,Phone2\n7,4025550101,4025550102\n"
    [row] = opened(swapped, "Phone1=Phone2", "Phone2=Phone1")[0].rows
    assert isinstance(row.row, CaseRow)
    assert {at: dict(cell)["number"] for at, cell in row.row.phone_cells.items()} == {1: "4025550101", 0: "4025550102"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["CaseID"], "write the column in the file, =, and its name here"),
        (["Number="], "write the column in the file, =, and its name here"),
        (["Number=CaseIDs"], "import has no column 'CaseIDs'; did you mean CaseID?"),
        (["Number=Age"], "it has CaseID, Closed"),
        (["Number=RejectLine"], "import has no column"),
        (["Number=CaseID", "File=case id"], "two columns of the file the meaning CaseID"),
        (["Number=CaseID", "number=Phone1"], "two meanings: CaseID and Phone1"),
        (["Nmuber=CaseID"], "There is no column CaseID in the first"),
        (
            ["Number=CaseID", "Nmae=Plaintiff"],
            "the file has no such column. It has 'Number', 'Name', 'zip code'. Did you",
        ),
        (["Number=CaseID", "Name=ZipCode"], "the file already has a column 'zip code'"),
    ],
)
def test_a_map_that_fits_nothing(names: list[str], says: str) -> None:
    with pytest.raises((InvalidSetting, MalformedDocument)) as caught:
        opened(b"Number,Name,zip code\n7,Ann,68046\n", *names)
    assert says in caught.value.detail


def test_names_of_json_lines_are_told_what_they_mean_too() -> None:
    stream, _ = as_text(io.BytesIO(b'{"Case Number": 7, "Name": "Ann"}\n'))
    source = read_json_lines(stream, Dates(CHICAGO), read_map(["case_number=CaseID", "Names=Plaintiff"]))
    [row] = source.rows
    assert isinstance(row.row, CaseRow)
    assert row.row.case_id == 7
    assert (source.unknown, source.told) == (["Name"], ["--map names=Plaintiff: no line has this name."])


@pytest.mark.parametrize(
    ("column", "like"),
    [
        ("Phne1", "Phone1"),
        ("Phone", "Phone1"),
        ("phne 12 name", "Phone12Name"),
        ("Campagin", "Campaign"),
        ("Case Number", None),
        ("Remark", None),
        ("Plaintif", None),  # the file has it
    ],
)
def test_a_hint_at_what_was_meant(column: str, like: str | None) -> None:
    assert meant(column, ["CaseID", "plaintiff", column]) == like


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("7/28/20 11:02 PM", "2020-07-28T23:02:00"),
        ("07/28/2020 11:02:33 pm", "2020-07-28T23:02:33"),
        ("7/28/2020 11:02PM", "2020-07-28T23:02:00"),
        ("7/28/2020, 11:02:00\u202fPM", "2020-07-28T23:02:00"),
        ("7/28/2020 12:05 a.m.", "2020-07-28T00:05:00"),
        ("7/28/2020 12:05 PM", "2020-07-28T12:05:00"),
        ("7/28/20 23:02", "2020-07-28T23:02:00"),
        ("7/28/20", "2020-07-28T00:00:00"),
        ("7-28-2020", "2020-07-28T00:00:00"),
        ("1/2/69", "1969-01-02T00:00:00"),
        ("2020-07-28", "2020-07-28T00:00:00"),
        ("2020/7/28 9:00", "2020-07-28T09:00:00"),
        ("2020-07-28 23:02:00.000", "2020-07-28T23:02:00"),
        ("2020-07-28T23:02", "2020-07-28T23:02:00"),
        ("2020-07-29T04:02:00Z", "2020-07-28T23:02:00"),
        ("28.07.2020", "2020-07-28T00:00:00"),
        ("6.7.20 9:05", "2020-07-06T09:05:00"),
        ("28-Jul-20", "2020-07-28T00:00:00"),
        ("28 July 2020 11:02 PM", "2020-07-28T23:02:00"),
        ("Jul 28, 2020", "2020-07-28T00:00:00"),
        ("44040", "2020-07-28T00:00:00"),
        ("44040.95972222222", "2020-07-28T23:02:00"),
    ],
)
def test_a_date_as_people_write_it(text: str, local: str) -> None:
    [row] = opened(b'CaseID,DialDateTime\n7,"' + text.encode() + b'"\n')[0].rows
    assert isinstance(row.row, CaseRow), row
    assert row.row.dial_at == datetime.fromisoformat(local).replace(tzinfo=CHICAGO).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("28/7/2020", "has the day first, but the month comes first here: write 2020-07-28, and change every row"),
        ("28/7/20 23:02", "write 2020-07-28"),
        ("13/13/2020", "calendar"),
        ("2/30/2020", "calendar"),
        ("7/28/2020 13:02 PM", "the hour is 1 to 12"),
        ("7/28/2020 25:00", "calendar"),
        ("7/28/2090", "2079"),
        ("20-07-28", "must be a time like"),
        ("13.28.2020", "calendar"),
        ("19999", "must be a time like"),
        ("440401", "or 5/6/2026 9:00 AM"),
        ("soon", "must be a time like"),
    ],
)
def test_a_date_that_is_none(text: str, says: str) -> None:
    [row] = opened(f"CaseID,DialDateTime\n7,{text}\n".encode())[0].rows
    assert isinstance(row.row, BadRow)
    assert (row.row.column, says in row.row.reason) == ("DialDateTime", True), row.row.reason


@pytest.mark.parametrize(
    ("dates", "order", "text"),
    [
        (["5/6/2026", "7/28/2020 11:02 PM", "28/7/2020"], Order.MONTH_FIRST, "7/28/2020 11:02 PM"),  # the first tells
        (["5/6/2026", "", "28/7/20", "7/28/20"], Order.DAY_FIRST, "28/7/20"),
        (["5-6-2026", "28-7-2020"], Order.DAY_FIRST, "28-7-2020"),
        (["", "5/6/26", "6/5/26"], None, "5/6/26"),
        (["5/5/2026", "2026-05-06", "2026/5/6", "28.7.2020", "44040", "true", "13/13/2026", "0/6/2026"], None, ""),
    ],
)
def test_the_dates_of_a_file_say_themselves_which_of_day_and_month_is_first(
    dates: list[str], order: Order | None, text: str
) -> None:
    found = order_of(enumerate(dates))
    assert (found.order, found.text) == (order, text)


def source(text: str, order: Order | None = None, *names: str) -> ImportFile:
    return CaseSource(io.BytesIO(text.encode()), Form.CSV, read_map(names), order).read(CHICAGO)


def closed(found: ImportFile) -> list[object]:
    return [row.row.closed[1] if isinstance(row.row, CaseRow) and row.row.closed else row.row for row in found.rows]


def test_a_file_is_read_in_the_order_that_one_of_its_dates_shows() -> None:
    found = source("A title\n\nCaseID;Shut\n7;5/6/2026\n8;28/7/2026\n", None, "Shut=Closed")
    assert "Dates have the day first: line 5 has '28/7/2026'." in found.told
    assert closed(found) == [date(2026, 6, 5), date(2026, 7, 28)]
    assert closed(source("CaseID,Closed\n7,5/6/2026\n8,7/28/2026\n")) == [date(2026, 5, 6), date(2026, 7, 28)]


def test_where_no_date_shows_the_order_it_is_asked_for_before_anything_goes_in() -> None:
    text = "CaseID,Closed\n7,\n8,5/6/2026\n"
    with pytest.raises(
        InvalidSetting, match=r"Line 3 has the date '5/6/2026'.* --dates month-first or --dates day-first"
    ):
        source(text)
    assert closed(source(text, Order.DAY_FIRST))[1:] == [date(2026, 6, 5)]
    assert closed(source(text, Order.MONTH_FIRST))[1:] == [date(2026, 5, 6)]
    wrong = closed(source("CaseID,Closed\n7,7/28/2026\n", Order.DAY_FIRST))[0]
    assert isinstance(wrong, BadRow)
    assert "has the month first, but the day comes first here: write 2026-07-28" in wrong.reason


@pytest.mark.parametrize("cell", ["=1+1", "+44 20 7946 0958", "-", "@x", "'=x", "''+x", "O'Brien", "'", "'x", ""])
def test_what_a_spreadsheet_would_take_for_a_formula_comes_back_as_it_was(cell: str) -> None:
    written = guarded(cell)
    assert unguarded(written) == cell
    assert not written.startswith(("=", "+", "-", "@"))
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("CaseID", "Plaintiff"), (7, written)])
    [row] = source(text.getvalue()).rows
    assert isinstance(row.row, CaseRow)
    assert row.row.facts["plaintiff"] == cell
