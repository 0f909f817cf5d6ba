"""The calling rules as data: a file per version, of which the newest is read.

A day's hours are text (``08:00-21:00``) or null, given for ``daily`` or for days and ranges of days (``mon-fri``).
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from casedial.domain.hours import EasterDay, FixedDay, Holiday, NthDay
from casedial.domain.overrides import RowOverride
from casedial.domain.overrides import overridden as override
from casedial.domain.rules import Attempts, HolidayList, Purpose, Row, RuleBook
from casedial.domain.weeks import week

_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}


@cache
def load() -> RuleBook:
    """Return the newest rules that casedial ships."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.startswith("rules-")]
    newest = max(files, key=lambda file: file.name)
    return read(json.loads(newest.read_text(encoding="utf-8")))


@lru_cache(maxsize=4)  # a server knows the last few: each book has caches of its own
def overridden(overrides: tuple[RowOverride, ...]) -> RuleBook:
    """Return these rules as an operator overrode them."""
    return override(load(), overrides) if overrides else load()


def read(document: Mapping[str, Any]) -> RuleBook:
    """Return the rules of a parsed file. Raises InvalidSetting for hours or a rule that cannot be used."""
    return RuleBook(
        document["version"],
        tuple(_row(row) for row in document["rows"]),
        {state: _holiday_list(holidays) for state, holidays in document["holidays"].items()},
        {state: tuple(zones) for state, zones in document["zones"].items()},
    )


def _row(row: Mapping[str, Any]) -> Row:
    return Row(
        row["state"],
        frozenset(Purpose(purpose) for purpose in row["purposes"]),
        row["source"],
        date.fromisoformat(row["checked"]),
        row["confidence"],
        week(row["hours"]) if row["hours"] else None,
        row.get("zone"),
        row.get("bans_holidays", False),
        Attempts(**row["attempts"]) if "attempts" in row else None,
        row.get("rest_hours"),
        row.get("note", ""),
    )


def _holiday_list(holidays: Mapping[str, Any]) -> HolidayList:
    return HolidayList(
        tuple(_holiday(day) for day in holidays["days"]),
        holidays["source"],
        date.fromisoformat(holidays["checked"]),
        holidays["confidence"],
        holidays.get("note", ""),
    )


def _holiday(day: Mapping[str, Any]) -> Holiday:
    if "easter" in day:
        return EasterDay(day["name"], day["easter"])
    if "date" in day:
        month, number = (int(part) for part in day["date"].split("-"))
        return FixedDay(day["name"], month, number, tuple(day.get("saturday", (-1,))), tuple(day.get("sunday", (1,))))
    nth, weekday, _, name = day["rule"].split()
    return NthDay(
        day["name"],
        list(calendar.month_name).index(name),
        list(calendar.day_name).index(weekday),
        _NTH[nth],
        day.get("plus", 0),
        day.get("even_years", False),
    )
