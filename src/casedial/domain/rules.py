"""Calling rules: at which hours a person may be called who is, or may be, at a place.

A place names states and zones. Each pair of a state and a zone is judged by the federal rows and the state's, on the
zone's clock or on the one a row fixes, and all pairs must allow the call. ``judge`` and ``next_open`` ask one search,
so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from casedial.domain.errors import InvalidSetting
from casedial.domain.hours import (
    DAY,
    DAY_MINUTES,
    Holiday,
    Week,
    Window,
    holidays_in,
    instant_of,
    local_time,
    minute_after,
    minute_of,
    spans,
)
from casedial.domain.places import TERRITORIES, Place

FEDERAL = ""  # the state of a row that holds in every state
LOOK_AHEAD = 60 * DAY_MINUTES  # minutes that next_open looks ahead
_THEIR_CLOCK = ""  # of the called party, as opposed to a row's own


class Purpose(StrEnum):
    """What a campaign calls for; with NONE no rule is applied."""

    SOLICITATION = "solicitation"
    CLIENT = "client"
    DEBT = "debt"
    CONSENTED = "consented"
    NONE = "none"


def check_week(windows: Week) -> None:
    """Raise InvalidSetting for hours that are not those of seven days."""
    if len(windows) != 7:
        raise InvalidSetting(f"Hours are given for {len(windows)} days of the week instead of 7.")


@dataclass(frozen=True, slots=True)
class Attempts:
    """At most ``count`` calls in ``hours`` hours, per ``per``: subject, number or debt. A count of 0 is no limit."""

    count: int
    hours: int
    per: str


@dataclass(frozen=True, slots=True)
class Row:
    """One rule of one state, or of all (``FEDERAL``). Confidence: H text seen, M tables of others, L they disagree.

    ``windows`` None says nothing about hours; ``zone`` is the clock a row fixes. Raises InvalidSetting.
    """

    state: str
    purposes: frozenset[Purpose]
    source: str
    checked: date
    confidence: str
    windows: Week | None = None
    zone: str | None = None
    bans_holidays: bool = False
    attempts: Attempts | None = None
    rest: int | None = None  # hours after a conversation in which there is no call, per debt
    note: str = ""

    def __post_init__(self) -> None:
        if self.windows is not None:
            check_week(self.windows)
        if self.confidence not in ("H", "M", "L"):
            raise InvalidSetting(f"The confidence of a rule is H, M or L, not {self.confidence!r}.")


@dataclass(frozen=True, slots=True)
class HolidayList:
    """The holidays of a state, and where they were found."""

    days: tuple[Holiday, ...]
    source: str
    checked: date
    confidence: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ban:
    """No calls to a state (``FEDERAL``: to any) before an instant, for any purpose that has rules at all."""

    state: str
    until: datetime
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """Hours of a campaign for one state (``FEDERAL``: for all): within those of the rules, or wider, in their place.

    A holiday's ban stays in force under both. Raises InvalidSetting for a wider one without a reason.
    """

    windows: Week
    wider: bool = False
    reason: str = ""
    state: str = FEDERAL

    def __post_init__(self) -> None:
        check_week(self.windows)
        if self.wider and not self.reason.strip():
            raise InvalidSetting("Give a reason for hours wider than the rules; it is recorded.")


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """The hours of a local day (None: no calls), the rows and overrides that made them, the holiday that took them."""

    window: Window | None
    rows: tuple[Row, ...]
    overrides: tuple[Override, ...] = ()
    holiday: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one pair of a state and a zone is open or closed; ``why`` names a holiday, a ban's or an override's reason.

    ``zone`` and ``local`` are of the clock that was judged by, ``window`` is the hours of that day.
    """

    state: str
    zone: str
    local: datetime
    window: Window | None
    source: str
    version: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """Whether a place may be called: the reason of the first closed pair, or those of all when open."""

    open: bool
    because: tuple[Reason, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Clock:
    """What a state's rows that share a clock allow, on the clock of ``zone``; ``fixed`` tells rows that fix it.

    Two are the same only when they are one object, which is what makes it a fast key.
    """

    state: str
    zone: str
    fixed: str
    purpose: Purpose
    changes: tuple[Override, ...]


def _unique(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


class RuleBook:
    """One version of the rules: rows, holidays of the states that ban calls on them, zones of all 50 states and DC.

    Where a state has no list of holidays its own, the federal one is taken. Raises InvalidSetting for a purpose without
    federal hours, for two rows of a state for one purpose, and for a ban without a list of holidays.
    """

    def __init__(
        self,
        version: str,
        rows: Sequence[Row],
        holidays: Mapping[str, HolidayList],
        zones: Mapping[str, Sequence[str]],
    ) -> None:
        self.version = version
        self.rows = tuple(rows)
        self.holidays = holidays
        self.zones = zones
        self._check()
        # Each book has caches of its own: what another version says never mixes in.
        self._rows_of = lru_cache(maxsize=1 << 10)(self._find_rows)
        self._holidays_of = lru_cache(maxsize=1 << 8)(self._find_holidays)
        self._pairs = lru_cache(maxsize=1 << 13)(self._find_pairs)
        self._plan = lru_cache(maxsize=1 << 13)(self._find_plan)
        self._limit = lru_cache(maxsize=1 << 14)(_Clock)
        self._day_of = lru_cache(maxsize=1 << 16)(self._find_day)

    def _check(self) -> None:
        for purpose in set(Purpose) - {Purpose.NONE}:
            if not any(row.windows for row in self.rows if row.state == FEDERAL and purpose in row.purposes):
                raise InvalidSetting(f"Rules {self.version} have no federal hours for {purpose}.")
        for row in self.rows:
            if row.bans_holidays and not self.holidays.keys() & {row.state, FEDERAL}:
                raise InvalidSetting(f"Rules {self.version} ban calls on holidays in {row.state} but list none.")
        named = [(row.state, purpose) for row in self.rows for purpose in row.purposes]
        if len(set(named)) < len(named):
            raise InvalidSetting(f"Rules {self.version} have two rows for one state and purpose.")

    def end_of(self, day: date, state: str) -> datetime:
        """Return when a day has ended in all zones of a state (``FEDERAL``: of all, territories too)."""
        every = {**self.zones, **TERRITORIES}
        zones = every[state] if state else [zone for zones in every.values() for zone in zones]
        ends = (datetime.combine(day + DAY, time(), ZoneInfo(zone)) for zone in zones)
        return max(end.astimezone(UTC) for end in ends)

    def day_windows(self, state: str, purpose: Purpose, day: date) -> DayVerdict:
        """Return the hours of a day in a state, by its clock; those of a row that fixes a clock are taken as they are.

        For NONE there are no rows, and the hours are the whole day.
        """
        return self._verdict(state, purpose, None, (), day)

    def judge(
        self,
        place: Place,
        purpose: Purpose,
        at: datetime,
        bans: Sequence[Ban] = (),
        overrides: Sequence[Override] = (),
    ) -> Hours:
        """Tell whether a place may be called at an instant, and why. An unknown place may be anywhere in the states."""
        if purpose is Purpose.NONE:
            return Hours(True, ())
        minute = minute_of(at)
        if place.mail_abroad:
            return Hours(False, (self._abroad(place, minute),))
        for ban in self._bans_of(place, bans):
            if minute < minute_after(ban.until):
                return Hours(False, (self._banned(place, ban, minute),))
        reasons = []
        for state, limit in self._plan(place, purpose, tuple(overrides)):
            reason = self._reason(state, limit, minute)
            if self._first_open(limit, minute, minute) is None:
                return Hours(False, (reason,))
            reasons.append(reason)
        return Hours(True, tuple(reasons))

    def next_open(
        self,
        place: Place,
        purpose: Purpose,
        after: datetime,
        bans: Sequence[Ban] = (),
        overrides: Sequence[Override] = (),
    ) -> datetime | None:
        """Return the first instant from ``after`` on at which ``judge`` says open, None if there is none in 60 days."""
        start = minute_of(after)
        after = after.astimezone(UTC)
        if purpose is Purpose.NONE:
            return after
        if place.mail_abroad:
            return None
        unbanned = max((start, *(minute_after(ban.until) for ban in self._bans_of(place, bans))))
        limits = dict.fromkeys(limit for _, limit in self._plan(place, purpose, tuple(overrides)))
        first = self._first_open_for_all(limits, unbanned, start + LOOK_AHEAD)
        if first is None:
            return None
        return after if first == start else instant_of(first)

    def caps(self, place: Place, purpose: Purpose) -> tuple[Row, ...]:
        """Return the rows that limit how often somebody at a place is called; of who may be anywhere, of all states."""
        states = sorted(place.states.union(self.zones if place.may_be_anywhere else ()))
        rows = dict.fromkeys(row for state in states for row in self._rows_of(state, purpose))
        return tuple(row for row in rows if row.attempts or row.rest)

    def _first_open_for_all(self, limits: Collection[_Clock], minute: int, last: int) -> int | None:
        """Go from limit to limit, each time to where it opens, until no one moves any more."""
        moved = True
        while moved:
            moved = False
            for limit in limits:
                first = self._first_open(limit, minute, last)
                if first is None:
                    return None
                if first > minute:
                    minute, moved = first, True
        return minute

    def _first_open(self, limit: _Clock, minute: int, last: int) -> int | None:
        """Return the first minute from ``minute`` to ``last`` at which a limit is open: what every answer rests on."""
        day = local_time(limit.zone, minute).date()
        end = day if last == minute else local_time(limit.zone, last).date()
        while day <= end:
            for opens, closes in self._day_of(limit, day)[1]:
                if minute < closes:
                    return max(opens, minute) if opens <= last else None
            day += DAY
        return None

    def _reason(self, state: str, limit: _Clock, minute: int) -> Reason:
        local = local_time(limit.zone, minute)
        day = self._day_of(limit, local.date())[0]
        why = day.holiday or _unique(change.reason for change in day.overrides)
        return Reason(state, limit.zone, local, day.window, day.source, self.version, why)

    def _abroad(self, place: Place, minute: int) -> Reason:
        why = f"The ZIP code is abroad ({place.mail_abroad}): no calls until casedial rules place says where it is."
        return Reason("", "", instant_of(minute), None, "", self.version, why)

    def _banned(self, place: Place, ban: Ban, minute: int) -> Reason:
        pairs = self._pairs(place)
        state, zone = next((pair for pair in pairs if ban.state in (FEDERAL, pair[0])), pairs[0])
        source = ban.source or "ban set by the operator"
        return Reason(ban.state or state, zone, local_time(zone, minute), None, source, self.version, ban.reason)

    def _bans_of(self, place: Place, bans: Sequence[Ban]) -> Iterable[Ban]:
        """Return the bans that concern a place: all of them, when it may be anywhere."""
        return (ban for ban in bans if ban.state == FEDERAL or place.may_be_anywhere or ban.state in place.states)

    def _find_rows(self, state: str, purpose: Purpose) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.state in (FEDERAL, state) and purpose in row.purposes)

    def _find_holidays(self, state: str, year: int) -> dict[date, str]:
        return holidays_in(year, self._list_of(state).days)

    def _list_of(self, state: str) -> HolidayList:
        return self.holidays.get(state) or self.holidays[FEDERAL]

    def _find_pairs(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Return each state with each zone of a place; anywhere is each state with its own zones only."""
        named = ((state, zone) for state in sorted(place.states) for zone in sorted(place.zones))
        anywhere = ((state, zone) for state in sorted(self.zones) for zone in self.zones[state])
        return tuple(dict.fromkeys((*named, *anywhere) if place.may_be_anywhere else named))

    def _find_plan(
        self, place: Place, purpose: Purpose, changes: tuple[Override, ...]
    ) -> tuple[tuple[str, _Clock], ...]:
        """Return what has to be asked for a place: its states with the limits of each, in a fixed order."""
        asked = (
            (state, limit)
            for state, zone in self._pairs(place)
            for limit in self._limits(state, zone, purpose, changes)
        )
        return tuple(dict.fromkeys(asked))

    def _limits(self, state: str, zone: str, purpose: Purpose, changes: tuple[Override, ...]) -> tuple[_Clock, ...]:
        changes = tuple(change for change in changes if change.state in (FEDERAL, state))
        rows = self._rows_of(state, purpose)
        if all(row.state == FEDERAL for row in rows):
            state = FEDERAL  # one answer for all states without rows of their own
        theirs = self._limit(state, zone, _THEIR_CLOCK, purpose, changes)
        if any(change.wider for change in changes):
            return (theirs,)
        fixed = sorted({row.zone for row in rows if row.zone})
        return (theirs, *(self._limit(state, clock, clock, purpose, ()) for clock in fixed))

    def _find_day(self, limit: _Clock, day: date) -> tuple[DayVerdict, tuple[tuple[int, int], ...]]:
        verdict = self._verdict(limit.state, limit.purpose, limit.fixed, limit.changes, day)
        return verdict, spans(limit.zone, day, verdict.window) if verdict.window else ()

    def _verdict(
        self, state: str, purpose: Purpose, fixed: str | None, changes: tuple[Override, ...], day: date
    ) -> DayVerdict:
        """Intersect a day's hours by the rows of a clock (None: of any); wider hours of a campaign replace those."""
        wider = any(change.wider for change in changes)
        rows = self._rows_of(state, purpose)
        if wider:
            rows = tuple(row for row in rows if row.bans_holidays)
        else:
            rows = tuple(row for row in rows if row.windows or row.bans_holidays)
            rows = tuple(row for row in rows if fixed is None or (row.zone or _THEIR_CLOCK) == fixed)
        weeks = [row.windows for row in rows if row.windows and not wider] + [change.windows for change in changes]
        sources = [row.source for row in rows] + ["hours set by the campaign"] * bool(changes)
        for row in rows:
            holiday = self._holidays_of(row.state, day.year).get(day) if row.bans_holidays else None
            if holiday:
                sources.append(self._list_of(row.state).source)
                return DayVerdict(None, rows, changes, holiday, _unique(sources))
        return DayVerdict(_overlap(weeks, day.weekday()), rows, changes, "", _unique(sources))


def _overlap(weeks: Sequence[Week], weekday: int) -> Window | None:
    """Return the hours of a weekday that lie in all weeks: the whole day when there are none."""
    window: Window | None = Window(0, DAY_MINUTES)
    for week in weeks:
        hours = week[weekday]
        window = window.overlap(hours) if window and hours else None
    return window
