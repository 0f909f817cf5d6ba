"""What is counted of the calls that dialers report, and how it is told by a firm's clock.

A figure is kept by quarters of an hour of UTC: every time zone's hours and days are made of those, so that a firm may
change its zone. What a report means stands on its disposition; a case is counted in the campaign it was in then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.statuses import Flag, StatusType

SLOT = timedelta(minutes=15)
NO_CAMPAIGN = 0
MOST_TRIES = 99  # that are told apart
HOURS_OF_WEEK = 7 * 24
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_MONDAY = date(1969, 12, 29)
_CALLED = {Flag.ATTEMPT, Flag.CONVERSATION}


class Kind(IntEnum):
    """What a figure counts. Values are stored; what its detail is stands behind."""

    REPORTS = 1  # of dialers, when they came; the disposition
    ENTERED = 2  # cases, when they came into a campaign
    CALLED = 3  # those of them that were called there, by when they came
    REACHED = 4  # those of them that were reached there, by when they came
    TRIES = 5  # cases that were reached, when that was; at which attempt


class By(StrEnum):
    """By what reports are counted."""

    DISPOSITION = "disposition"
    CAMPAIGN = "campaign"
    VENDOR = "vendor"
    HOUR = "hour"


class Figure(NamedTuple):
    """What is counted of one firm: when, in which campaign, with which detail, by whose dialer."""

    kind: Kind
    slot: int
    campaign_id: int
    detail: int = 0
    vendor: str = ""


class Entry(NamedTuple):
    """A row of history that is a disposition, or that moves a case into a campaign."""

    id: int
    case_id: int
    type: StatusType
    status_id: int | None
    at: datetime
    by: Actor


def slot_of(at: datetime) -> int:
    """Return the quarter of an hour in which an instant is, since 1970."""
    return (at - _EPOCH) // SLOT


@dataclass(slots=True)
class _Stay:
    """A case's time in a campaign: since when, how often it was called there, whether it was reached."""

    campaign_id: int = NO_CAMPAIGN
    slot: int = 0
    attempts: int = 0
    reached: bool = False

    def count(self, flags: frozenset[Flag] | set[Flag], slot: int) -> Iterator[Figure]:
        """Take a report; yield what it counts for beside itself."""
        if not flags & _CALLED:
            return
        self.attempts += 1
        if self.attempts == 1 and self.campaign_id:
            yield Figure(Kind.CALLED, self.slot, self.campaign_id)
        if Flag.CONVERSATION in flags and not self.reached:
            self.reached = True
            yield Figure(Kind.TRIES, slot, self.campaign_id, min(self.attempts, MOST_TRIES))
            if self.campaign_id:
                yield Figure(Kind.REACHED, self.slot, self.campaign_id)


def count(history: Iterable[Entry], after: int, flags: Mapping[int, frozenset[Flag]]) -> Counter[Figure]:
    """Count the rows behind ``after`` of a firm's history, which comes case by case, each from its beginning.

    ``flags`` are those of the firm's dispositions, by their ids.
    """
    counts: Counter[Figure] = Counter()
    for _, rows in groupby(history, attrgetter("case_id")):
        stay = _Stay()
        for row in rows:
            found: list[Figure] = []
            if row.type is StatusType.CAMPAIGN:
                if (row.status_id or NO_CAMPAIGN) == stay.campaign_id:
                    continue
                stay = _Stay(row.status_id or NO_CAMPAIGN, slot_of(row.at))
                found = [Figure(Kind.ENTERED, stay.slot, stay.campaign_id)] if stay.campaign_id else []
            elif row.status_id is not None and row.by.kind is ActorKind.KEY:  # no import, no operator
                slot = slot_of(row.at)
                found = [Figure(Kind.REPORTS, slot, stay.campaign_id, row.status_id, row.by.name)]
                found += stay.count(flags.get(row.status_id, frozenset()), slot)
            if row.id > after:
                counts.update(found)
    return counts


class Span(NamedTuple):
    """Quarters of an hour, from one and before another, in which a firm's clock is so many minutes before UTC's."""

    start: int
    end: int
    offset: int


def spans(zone: ZoneInfo, since: date, until: date) -> list[Span]:
    """Return the days from one to another, both included, divided where the clocks change."""
    found: list[Span] = []
    days = (until - since).days + 1
    edges = [slot_of(datetime.combine(since + _DAY * n, time(), zone)) for n in range(days + 1)]
    for start, end in pairwise(edges):
        for span in _of_day(zone, start, end):
            if found and found[-1].offset == span.offset:
                found[-1] = Span(found[-1].start, span.end, span.offset)
            else:
                found.append(span)
    return found


def _of_day(zone: ZoneInfo, start: int, end: int) -> list[Span]:
    first, last = _offset(zone, start), _offset(zone, end - 1)
    if first == last or end <= start:
        return [Span(start, end, first)] if end > start else []
    change = next(slot for slot in range(start, end) if _offset(zone, slot) != first)
    return [Span(start, change, first), *_of_day(zone, change, end)]


def _offset(zone: ZoneInfo, slot: int) -> int:
    offset = (_EPOCH + slot * SLOT).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) // 60 if offset else 0


def week_of(slot: int, offset: int) -> int:
    """Return in which week a quarter of an hour is by the clock, of those that begin with a Monday; 0 has 1970."""
    return (slot * 15 + offset + 3 * 1440) // (7 * 1440)


def hour_of_week(slot: int, offset: int) -> int:
    """Return in which hour of its week it is: 0 is the first of a Monday."""
    return ((slot * 15 + offset) // 60 + 3 * 24) % HOURS_OF_WEEK


def monday_of(week: int) -> date:
    """Return the day with which a week begins."""
    return _EPOCH_MONDAY + 7 * week * _DAY


@dataclass(slots=True)
class Tally:
    """The figures of some days, each added up by what somebody wants to know. Weeks and hours are the firm's."""

    hours: Counter[tuple[int, int]] = field(default_factory=Counter)  # hour of the week, disposition: reports
    weeks: Counter[tuple[int, int, int]] = field(default_factory=Counter)  # week, campaign, disposition: reports
    vendors: Counter[tuple[str, int]] = field(default_factory=Counter)  # vendor, disposition: reports
    stays: Counter[tuple[Kind, int, int]] = field(default_factory=Counter)  # what, week of coming, campaign: cases
    tries: Counter[tuple[int, int]] = field(default_factory=Counter)  # campaign, attempts until reached: cases

    def add(self, figure: Figure, number: int, among: Iterable[Span]) -> None:
        """Add a figure, if it is of these days."""
        span = next((span for span in among if span.start <= figure.slot < span.end), None)
        if span is None:
            return
        week = week_of(figure.slot, span.offset)
        if figure.kind is Kind.REPORTS:
            self.hours[hour_of_week(figure.slot, span.offset), figure.detail] += number
            self.weeks[week, figure.campaign_id, figure.detail] += number
            self.vendors[figure.vendor, figure.detail] += number
        elif figure.kind is Kind.TRIES:
            self.tries[figure.campaign_id, figure.detail] += number
        else:
            self.stays[figure.kind, week, figure.campaign_id] += number
