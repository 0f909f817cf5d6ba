"""Dates and times as spreadsheets and databases of the US write them: ``7/28/20 11:02 PM`` and its kin."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from casedial.wire.values import local_time

_WRITTEN = re.compile(
    r"(?:(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})"
    r"|(?P<us_month>\d{1,2})(?P<between>[-/])(?P<us_day>\d{1,2})(?P=between)(?P<us_year>\d{4}|(?<=/)\d{2}))"
    r"(?:(?:T|,? )(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d{1,9})?)?"
    r"(?: ?(?P<half>[AP])\.?M\.?)?)?",
    re.ASCII | re.IGNORECASE,
)
_CENTURY = 69  # two digits of a year from here on are of the last century
_MONTHS = 12


def written_time(text: str, zone: ZoneInfo) -> datetime:
    """Read a time as the wire has it, or as people's files do, with the month first; without one it is midnight.

    Raises ValueError with the rest of a sentence that begins with the column's name.
    """
    try:
        return local_time(text, zone)
    except ValueError as error:
        found = _WRITTEN.fullmatch(" ".join(text.split()))
        if found is None:
            if str(error).startswith("must be a time like"):
                raise ValueError(f"{error}, or 5/6/2026 9:00 AM with the month first") from None
            raise
    year, month, day = _day(found)
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("is not a time that exists: before AM or PM is an hour from 1 to 12")
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    return local_time(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", zone)


def written_day(text: str) -> date:
    """Read a date likewise; a time behind it does not matter. Raises ValueError."""
    return written_time(text, ZoneInfo("UTC")).date()


def _day(found: re.Match[str]) -> tuple[int, int, int]:
    if found["year"]:
        return int(found["year"]), int(found["month"]), int(found["day"])
    year, month, day = (int(found[part]) for part in ("us_year", "us_month", "us_day"))
    if len(found["us_year"]) == 2:
        year += 1900 if year >= _CENTURY else 2000
    if month > _MONTHS >= day:
        raise ValueError(
            f"has the day first, and here the month is first: write {year:04}-{day:02}-{month:02}, in every row, for "
            "where the day is 12 or less it is taken for the month"
        )
    return year, month, day
