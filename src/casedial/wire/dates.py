"""Dates and times as spreadsheets and databases of people write them: ``7/28/20 11:02 PM`` and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from casedial.wire.values import local_time

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = "(?:" + "|".join(_MONTH_NAMES) + r")[a-z]*\.?"
_WRITTEN = re.compile(
    r"(?:(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"|(?P<one>\d{1,2})(?P<between>[-/.])(?P<two>\d{1,2})(?P=between)(?P<short>\d{4}|(?<=[/.])\d{2})"
    rf"|(?P<named_day>\d{{1,2}})[- ](?P<name>{_NAME})[- ,]+(?P<named_year>\d{{4}}|\d{{2}})"
    rf"|(?P<name_first>{_NAME}) (?P<day_second>\d{{1,2}}),? (?P<year_third>\d{{4}}))"
    r"(?:(?:T|,? )(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?"
    r"(?: ?(?P<half>[AP])\.?M\.?)?(?P<offset>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_TWO_NUMBERS = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(?:\d{4}|(?<=/)\d{2})(?!\d)", re.ASCII)
_SERIAL = re.compile(r"\d{5}(?:\.\d{1,15})?", re.ASCII)
_SERIALS = range(20_000, 80_000)  # 1954 to 2119: days since the last one of 1899, as spreadsheets count
_DAY_0 = datetime(1899, 12, 30)  # of no zone: a spreadsheet has none
_CENTURY = 69  # two digits of a year from here on are of the last century
_MONTHS = 12


class Order(StrEnum):
    """Which comes first in a date such as 5/6/2026."""

    MONTH_FIRST = "month-first"
    DAY_FIRST = "day-first"

    @property
    def other(self) -> Order:
        """Return the other one."""
        return Order.DAY_FIRST if self is Order.MONTH_FIRST else Order.MONTH_FIRST


class DayFirst(ValueError):
    """A date that has the day where the month is read, or the month where the day is."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the dates of a file say of their order: the first that tells it, or else the first that may be both."""

    order: Order | None = None
    line: int = 0
    text: str = ""


def order_of(dates: Iterable[tuple[int, str]]) -> Evidence:
    """Return what dates, each with its line, say of their order: nothing is read after the first that tells."""
    doubtful = Evidence()
    for line, text in dates:
        found = _TWO_NUMBERS.match(text.strip()) if "/" in text or "-" in text else None
        if found is None or found[1] == found[3]:
            continue
        one, two = int(found[1]), int(found[3])
        if (one > _MONTHS) is not (two > _MONTHS):
            return Evidence(Order.DAY_FIRST if one > _MONTHS else Order.MONTH_FIRST, line, text.strip())
        if not doubtful.text and 0 < one <= _MONTHS and 0 < two <= _MONTHS:
            doubtful = Evidence(None, line, text.strip())
    return doubtful


def written_time(text: str, zone: ZoneInfo, order: Order = Order.MONTH_FIRST) -> datetime:
    """Read a time as the wire has it, or as people's files do; without one it is midnight.

    Dates with dots have the day first, whatever ``order`` says. Raises ValueError with the rest of a sentence that
    begins with the column's name.
    """
    try:
        return local_time(text, zone)
    except ValueError as error:
        text = " ".join(text.split())
        if _SERIAL.fullmatch(text) and int(float(text)) in _SERIALS:
            at = _DAY_0 + timedelta(seconds=round(float(text) * 86400))
            return local_time(at.isoformat(), zone)
        found = _WRITTEN.fullmatch(text)
        if found is None:
            if str(error).startswith("must be a time like"):
                raise ValueError(f"{error}, or 5/6/2026 9:00 AM") from None
            raise
    year, month, day = _day(found, order)
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("is not a time: with AM or PM the hour is 1 to 12")
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    offset = (found["offset"] or "").upper()
    return local_time(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}", zone)


def written_day(text: str, order: Order = Order.MONTH_FIRST) -> date:
    """Read a date likewise; a time behind it does not matter. Raises ValueError."""
    return written_time(text, ZoneInfo("UTC"), order).date()


def of_a_row(error: ValueError) -> str:
    """Say what is wrong with a date in a file, whose other rows may be read wrongly."""
    rest = ", and change every row like it, because one with a day of 12 or less is read wrong"
    return f"{error}{rest if isinstance(error, DayFirst) else ''}"


def _day(found: re.Match[str], order: Order) -> tuple[int, int, int]:
    if found["year"]:
        return int(found["year"]), int(found["month"]), int(found["day"])
    if name := found["name"] or found["name_first"]:
        month = _MONTH_NAMES.index(name[:3].lower()) + 1
        return _year(found["named_year"] or found["year_third"]), month, int(found["named_day"] or found["day_second"])
    year, one, two = _year(found["short"]), int(found["one"]), int(found["two"])
    order = Order.DAY_FIRST if found["between"] == "." else order
    month, day = (one, two) if order is Order.MONTH_FIRST else (two, one)
    if month > _MONTHS >= day and found["between"] != ".":
        has, here = ("day", "month") if order is Order.MONTH_FIRST else ("month", "day")
        raise DayFirst(f"has the {has} first, but the {here} comes first here: write {year:04}-{day:02}-{month:02}")
    return year, month, day


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= _CENTURY else 2000)
