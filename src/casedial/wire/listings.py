"""Files of a do-not-call list: CSV to entries, a row at a time, and back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import IO

from casedial.domain.calling import Listing
from casedial.domain.errors import InvalidSetting
from casedial.domain.phones import listed_numbers
from casedial.wire.dates import Order, of_a_row, written_day
from casedial.wire.documents import canonical
from casedial.wire.formulas import unguarded
from casedial.wire.ordering import order_of_columns
from casedial.wire.sheets import Header, Sheet, as_text, open_sheet, seekable
from casedial.wire.values import MAX_CASE_ID
from casedial.wire.workbooks import as_csv

LISTING_COLUMNS = ("Number", "CaseID", "Date", "Source")

_HEADER = Header(
    "column Number and no column CaseID",
    lambda columns: not {"number", "caseid"}.isdisjoint(map(canonical, columns)),
    knows=lambda column: canonical(column) in map(canonical, LISTING_COLUMNS),
)


def listing_cells(entry: Listing) -> tuple[object, ...]:
    """Return an entry as a row under ``LISTING_COLUMNS``."""
    return entry.number or "", entry.case_id or "", entry.listed_on, entry.source


@contextmanager
def read_listings(
    raw: IO[bytes], source: str = "", order: Order | None = None, tab: str | None = None
) -> Iterator[tuple[Iterator[Listing | str], list[str]]]:
    """Read an open file, which stays open: its entries, a text where a row is bad, and what is unusual about it.

    ``source`` is that of entries that bring none, ``order`` that of dates where they do not tell it themselves, ``tab``
    the sheet of a workbook. Raises MalformedDocument or InvalidSetting, also for the entries, for what is no such file.
    """
    with as_csv(seekable(raw), tab) as (plain, told):
        if order is None:
            with _opened(plain) as sheet:
                found = order_of_columns(sheet, sheet.columns, ("Date",))
            order, told = found.order or Order.MONTH_FIRST, told + found.told
        with _opened(plain) as sheet:
            yield _rows(sheet, source, order), told + sheet.told


@contextmanager
def _opened(raw: IO[bytes]) -> Iterator[Sheet]:
    raw.seek(0)
    lines, told = as_text(raw)
    try:
        sheet = open_sheet(lines, _HEADER)
        yield replace(sheet, told=told + sheet.told)
    finally:
        lines.detach()


def _rows(sheet: Sheet, source: str, order: Order) -> Iterator[Listing | str]:
    places = {canonical(name): place for place, name in enumerate(sheet.columns)}
    try:
        for row in sheet.reader:
            if not any(map(str.strip, row)):
                continue
            there = ((column, places.get(column.lower(), len(row))) for column in LISTING_COLUMNS)
            cells = {column: unguarded(row[place].strip()) if place < len(row) else "" for column, place in there}
            try:
                yield from _listings(cells, source, order)
            except (InvalidSetting, ValueError) as error:
                yield f"line {sheet.above + sheet.reader.line_num}: {error}"
    except csv.Error as error:
        raise InvalidSetting(f"line {sheet.above + sheet.reader.line_num} is not CSV: {error}") from None


def _listings(cells: dict[str, str], source: str, order: Order) -> list[Listing]:
    """Read a row, whose cell may hold several numbers. Raises InvalidSetting or ValueError."""
    listed_on = _date(cells["Date"], order) if cells["Date"] else datetime.now(UTC).date()
    told = cells["Source"] or source.strip()
    if bool(cells["Number"]) == bool(cells["CaseID"]):
        raise InvalidSetting("A row must have a number or a CaseID, not both.")
    if cells["Number"]:
        return [Listing(listed_on, told, number=number) for number in listed_numbers(cells["Number"])]
    if not cells["CaseID"].isascii() or not cells["CaseID"].isdigit() or not 1 <= int(cells["CaseID"]) <= MAX_CASE_ID:
        raise InvalidSetting(f"{cells['CaseID'][:64]!r} is not a CaseID.")
    return [Listing(listed_on, told, case_id=int(cells["CaseID"]))]


def _date(cell: str, order: Order) -> date:
    try:
        return written_day(cell, order)
    except ValueError as error:
        raise InvalidSetting(f"{cell[:64]!r} is not a date: it {of_a_row(error)}.") from None
