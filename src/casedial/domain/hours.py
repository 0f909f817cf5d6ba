"""Hours of a day on a local clock, holidays, and what becomes of both in real time.

Real time is counted here in whole minutes since 1970 (UTC): every rule speaks in minutes, and numbers compare fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from casedial.domain.errors import InvalidSetting

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DAY_MINUTES = 24 * 60
# How far clocks of the world are from UTC.
_WEST, _EAST = 12 * 60, 14 * 60

_WINDOW = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of one day, in minutes since local midnight; the last minute of it is not used any more.

    Raises InvalidSetting when it does not lie within a day.
    """

    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= DAY_MINUTES:
            raise InvalidSetting(f"Hours from minute {self.opens} to {self.closes} are not within one day.")

    @classmethod
    def of(cls, text: str) -> Window:
        """Read ``08:00-21:00``. Raises InvalidSetting."""
        found = _WINDOW.fullmatch(text.strip())
        if not found or int(found[2]) > 59 or int(found[4]) > 59:
            raise InvalidSetting(f"{text!r} is not a range of hours; write it as 08:00-21:00.")
        return cls(int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4]))

    def overlap(self, other: Window) -> Window | None:
        """Return the hours that lie in both, None when there are none."""
        opens, closes = max(self.opens, other.opens), min(self.closes, other.closes)
        return Window(opens, closes) if opens < closes else None

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.opens, self.closes))


# Monday to Sunday; None: no calls on that day.
Week = tuple[Window | None, ...]


@dataclass(frozen=True, slots=True)
class FixedDay:
    """A holiday of one date, and the shifts in days to where it is observed when that is a Saturday or a Sunday.

    The day itself counts, too.
    """

    name: str
    month: int
    day: int
    saturday: tuple[int, ...] = (-1,)
    sunday: tuple[int, ...] = (1,)

    def days(self, year: int) -> Iterator[date]:
        """Yield the dates that belong to this year's holiday; an observed one may lie in the year before or after."""
        itself = date(year, self.month, self.day)
        yield itself
        shifts = {5: self.saturday, 6: self.sunday}.get(itself.weekday(), ())
        yield from (itself + shift * DAY for shift in shifts)


@dataclass(frozen=True, slots=True)
class NthDay:
    """A holiday such as the fourth Thursday of November (``nth`` -1: the last), or ``plus`` days after it."""

    name: str
    month: int
    weekday: int
    nth: int
    plus: int = 0
    even_years: bool = False

    def days(self, year: int) -> Iterator[date]:
        """Yield its date in a year, if it is held in that year."""
        if self.even_years and year % 2:
            return
        if self.nth > 0:
            first = date(year, self.month, 1)
            found = first + (self.weekday - first.weekday()) % 7 * DAY + 7 * (self.nth - 1) * DAY
        else:
            last = date(year + self.month // 12, self.month % 12 + 1, 1) - DAY
            found = last - (last.weekday() - self.weekday) % 7 * DAY + 7 * (self.nth + 1) * DAY
        yield found + self.plus * DAY


@dataclass(frozen=True, slots=True)
class EasterDay:
    """A holiday that moves with Easter Sunday: ``plus`` days after it (Good Friday: -2)."""

    name: str
    plus: int

    def days(self, year: int) -> Iterator[date]:
        """Yield its date in a year."""
        yield easter(year) + self.plus * DAY


Holiday = FixedDay | NthDay | EasterDay


def easter(year: int) -> date:
    """Return Easter Sunday: the Sunday after the full moon that the Gregorian calendar reckons for spring."""
    century, golden = year // 100, year % 19
    # The moon's age on 21 March: 11 days more each year, corrected for skipped leap days and for the moon's drift.
    epact = (11 * golden + 8 - century + century // 4 + (8 * century + 13) // 25) % 30
    if epact == 24 or (epact == 25 and golden > 10):
        epact += 1  # a moon of 29 days, so that no two years of a cycle share a full moon
    moon = date(year, 3, 21) + (23 - epact) % 30 * DAY
    return moon + (6 - moon.weekday() or 7) * DAY


def holidays_in(year: int, holidays: Sequence[Holiday]) -> dict[date, str]:
    """Return the holidays of a year by date, with those observed in it that belong to the years beside it."""
    found: dict[date, str] = {}
    for holiday in holidays:
        for near in (year, year - 1, year + 1):
            for day in holiday.days(near):
                if day.year == year:
                    found.setdefault(day, holiday.name)
    return found


def minute_of(at: datetime) -> int:
    """Return the minute in which an instant lies. Raises TypeError for one without a zone."""
    return (at - EPOCH) // MINUTE


def minute_after(at: datetime) -> int:
    """Return the first minute that begins at an instant or later. Raises TypeError for one without a zone."""
    return -((EPOCH - at) // MINUTE)


def instant_of(minute: int) -> datetime:
    """Return the instant at which a minute begins, in UTC."""
    return EPOCH + minute * MINUTE


@lru_cache(maxsize=256)
def _clock(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


@lru_cache(maxsize=1 << 12)  # many places are judged at one instant
def local_time(zone: str, minute: int) -> datetime:
    """Return what a zone's clock shows at the beginning of a minute."""
    return datetime.fromtimestamp(minute * 60, _clock(zone))


def _ahead(zone: str, minute: int) -> int:
    """Return how many minutes a zone's clock is ahead of UTC."""
    return (local_time(zone, minute).utcoffset() or timedelta()) // MINUTE


@lru_cache(maxsize=1 << 12)
def _stretches(zone: str, day: date) -> tuple[tuple[int, int, int], ...]:
    """Cut the time around a local day where its clock is changed: start, end, minutes ahead of UTC."""
    midnight = minute_of(datetime(day.year, day.month, day.day, tzinfo=UTC))
    start, end = midnight - _EAST, midnight + DAY_MINUTES + _WEST
    before, after = _ahead(zone, start), _ahead(zone, end)
    if before == after:
        return ((start, end, before),)
    low, high = start, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _ahead(zone, middle) == before else (low, middle)
    return ((start, high, before), (high, end, after))


def spans(zone: str, day: date, window: Window) -> tuple[tuple[int, int], ...]:
    """Return when a zone's clock shows a local day's hours: from the first minute to before the second, ascending.

    Of each window the last minute is left out, so that no call starts on the stroke. Hours that are skipped when a
    clock is changed never come; hours shown twice come twice.
    """
    midnight = minute_of(datetime(day.year, day.month, day.day, tzinfo=UTC))
    opens, closes = midnight + window.opens, midnight + window.closes - 1
    cut = ((max(start, opens - ahead), min(end, closes - ahead)) for start, end, ahead in _stretches(zone, day))
    return tuple((start, end) for start, end in cut if start < end)
