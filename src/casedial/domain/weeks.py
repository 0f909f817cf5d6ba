"""Hours of a week as people write and read them: ``mon-fri 09:00-18:00, sat 10:00-14:00``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

from casedial.domain.errors import InvalidSetting
from casedial.domain.hours import Week, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NONE_WORD = "none"
_DAY = re.compile(r"([a-z-]+)\s+([0-9:-]+|none)")


def week(hours: Mapping[str, str | None]) -> Week:
    """Return the hours of Monday to Sunday. Raises InvalidSetting when a day is missing, given twice or unknown."""
    found: dict[str, Window | None] = {}
    for days, text in hours.items():
        first, _, last = "mon-sun".partition("-") if days == "daily" else days.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise InvalidSetting(f"{days!r} is not a day or a range of days; write daily, mon-fri or sat.")
        for day in DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]:
            if day in found:
                raise InvalidSetting(f"The hours for {day} are given twice.")
            found[day] = Window.of(text) if text else None
    if len(found) < len(DAYS):
        raise InvalidSetting(f"Hours are missing for {', '.join(day for day in DAYS if day not in found)}.")
    return tuple(found[day] for day in DAYS)


def read_week(text: str) -> Week:
    """Read hours such as ``mon-fri 09:00-18:00, sat 10:00-14:00``; days that are not named have none."""
    hours: dict[str, str | None] = {}
    for part in text.lower().split(","):
        found = _DAY.fullmatch(part.strip())
        first, _, last = (found[1] if found else "").replace("daily", "mon-sun").partition("-")
        if found is None or first not in DAYS or (last or first) not in DAYS[DAYS.index(first) :]:
            raise InvalidSetting(
                f"{part.strip()!r} is not a list of hours; write it as: mon-fri 09:00-18:00, sat 10:00-14:00."
            )
        for day in DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]:
            if day in hours:
                raise InvalidSetting(f"The hours for {day} are given twice.")
            hours[day] = None if found[2] == NONE_WORD else found[2]
    return week(dict.fromkeys(DAYS) | hours)


def show_week(windows: Week) -> str:
    """Show hours day by day."""
    return ", ".join(f"{day} {hours or NONE_WORD}" for day, hours in zip(DAYS, windows, strict=True))


def brief_week(windows: Week) -> str:
    """Show hours, days that have the same together: mon-sat 08:00-20:00, sun none."""
    parts = []
    for hours, days in groupby(zip(windows, DAYS, strict=True), key=lambda day: day[0]):
        named = [day for _, day in days]
        parts.append(f"{'-'.join(dict.fromkeys((named[0], named[-1])))} {hours or NONE_WORD}")
    return ", ".join(parts)
