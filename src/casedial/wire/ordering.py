"""Which of day and month comes first in the dates of a file: what they say themselves, or the question to ask."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from casedial.domain.errors import InvalidSetting
from casedial.wire.dates import Order, order_of
from casedial.wire.documents import canonical
from casedial.wire.sheets import Sheet


@dataclass(frozen=True, slots=True)
class Found:
    """The order of the dates of a file, None where it has none that need one; and what is to be said of it."""

    order: Order | None = None
    told: list[str] = field(default_factory=list)


def order_of_columns(sheet: Sheet, columns: Sequence[str], dated: Sequence[str]) -> Found:
    """Return the order of the dates under those of a file's columns that hold some, which are read until one tells.

    Raises InvalidSetting where they may be read both ways.
    """
    names = list(map(canonical, columns))
    places = [names.index(canonical(column)) for column in dated if canonical(column) in names]
    if not places:
        return Found()
    found = order_of(_cells(sheet, places))
    if found.order is Order.DAY_FIRST:
        return Found(found.order, [f"Dates have the day first: line {found.line} has {found.text[:40]!r}."])
    if found.order or not found.text:
        return Found(found.order)
    raise InvalidSetting(
        f"Line {found.line} has the date {found.text[:40]!r}, and nothing in the file tells whether its day or "
        "its month comes first. Say which: --dates month-first or --dates day-first."
    )


def _cells(sheet: Sheet, places: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the cells at these places of all rows, each with its line."""
    line = sheet.above + sheet.reader.line_num + 1
    with suppress(csv.Error):  # what is wrong with it is said where it is read
        for row in sheet.reader:
            for place in places:
                if place < len(row):
                    yield line, row[place]
            line = sheet.above + sheet.reader.line_num + 1
