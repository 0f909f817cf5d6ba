"""An oracle of the calling hours, worked out the slow way, and what ``judge`` and ``next_open`` say beside it.

The oracle is written from the table of the states' rules and from their calendars. It takes nothing from casedial and
looks at a clock, minute by minute. Every fifth minute of the weeks around both changes of clocks is compared, and each
minute beside one at which the oracle opens or closes; ``ORACLE_STEP=1 pytest tests/rules`` compares every minute.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.places import UNKNOWN, Place
from casedial.domain.rules import Purpose
from casedial.rules import load

STEP = int(os.environ.get("ORACLE_STEP", "5"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EASTERN, CENTRAL, MOUNTAIN, PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"

# Hours on Monday to Friday, on Saturday, on Sunday.
FEDERAL = ((8, 21), (8, 21), (8, 21))
STATES = {
    "AL": ((8, 20), (8, 20), None),
    "CT": ((9, 20), (9, 20), (9, 20)),
    "FL": ((8, 20), (8, 20), (8, 20)),
    "IL": ((9, 20), (9, 20), (9, 20)),
    "IN": ((9, 20), (9, 20), (9, 20)),
    "KY": ((10, 21), (10, 21), (10, 21)),
    "LA": ((8, 20), (8, 20), None),
    "MA": ((8, 20), (8, 20), (8, 20)),
    "MD": ((8, 20), (8, 20), (8, 20)),
    "ME": ((9, 20), (9, 20), (9, 20)),
    "MI": ((9, 21), (9, 21), (9, 21)),
    "MN": ((9, 21), (9, 21), (9, 21)),
    "MS": ((8, 21), (8, 21), None),
    "NE": ((9, 20), (9, 20), (9, 20)),
    "NM": ((9, 21), (9, 21), (9, 21)),
    "NV": ((9, 20), (9, 20), (9, 20)),
    "OK": ((8, 20), (8, 20), (8, 20)),
    "OR": ((8, 20), (8, 20), (8, 20)),
    "PA": ((9, 21), (9, 21), (13.5, 21)),
    "RI": ((9, 18), (10, 17), None),
    "SD": ((9, 21), (9, 17), None),
    "TX": ((9, 21), (9, 21), (12, 21)),
    "UT": ((8, 21), (8, 21), None),
    "WA": ((8, 20), (8, 20), (8, 20)),
    "WY": ((8, 20), (8, 20), (8, 20)),
}  # fmt: skip


def each(states: str, *zones: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(states.split(), zones)


ZONES = {
    **each("CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV", EASTERN),
    **each("AL AR IA IL LA MN MO MS OK WI", CENTRAL),
    **each("FL KY TN", EASTERN, CENTRAL),
    **each("KS ND NE SD TX", CENTRAL, MOUNTAIN),
    **each("CO MT NM UT WY", MOUNTAIN),
    **each("CA WA", PACIFIC),
    "AK": ("America/Anchorage", "America/Adak"),
    "AZ": ("America/Phoenix", MOUNTAIN),
    "HI": ("Pacific/Honolulu",),
    "ID": ("America/Boise", PACIFIC),
    "IN": ("America/Indiana/Indianapolis", CENTRAL),
    "MI": ("America/Detroit", CENTRAL),
    "NV": (PACIFIC, MOUNTAIN),
    "OR": (PACIFIC, "America/Boise"),
}

# Month and day, by looking at a calendar of each year; each with the days on which it is observed.
MOVING_2026 = "01-01 01-19 02-16 05-25 06-19 07-03 07-04 09-07 10-12 11-11 11-26 12-25"
MOVING_2027 = "01-01 01-18 02-15 05-31 06-18 06-19 07-04 07-05 09-06 10-11 11-11 11-25 12-24 12-25 12-31"
OWN = {
    ("AL", 2026): "02-17 04-27 06-01 12-01",
    ("LA", 2026): "01-08 02-17 04-03 08-30 11-01 11-03 11-27",
    ("PA", 2026): "04-03 06-14 06-15 11-03 11-27",
    ("RI", 2026): "05-04 07-06 08-10 11-03",
    ("UT", 2026): "04-03 04-05 06-15 07-24",
    ("AL", 2027): "02-09 04-26 06-07 12-01",
    ("LA", 2027): "01-08 02-09 03-26 08-30 11-01 11-26",
    ("PA", 2027): "03-26 06-14 11-02 11-26",
    ("RI", 2027): "05-04 06-21 08-09 12-27",
    ("UT", 2027): "03-26 03-28 06-21 07-23 07-24",
}


def holidays(state: str, year: int) -> set[str]:
    """Return the days of a year (2026 or 2027) on which a state bans calls, as month-day."""
    if (state, year) not in OWN:
        return set()
    return set((MOVING_2026 if year == 2026 else MOVING_2027).split()) | set(OWN[state, year].split())


HOLIDAYS = {(state, year): holidays(state, year) for state, year in OWN}


@cache
def clock(zone: str, minute: int) -> tuple[int, int, int, str]:
    """Return what a clock shows: weekday, minute of the day, year, month-day."""
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(zone))
    return local.weekday(), local.hour * 60 + local.minute, local.year, f"{local:%m-%d}"


def inside(hours: tuple[tuple[float, float] | None, ...], weekday: int, shown: int) -> bool:
    today = hours[max(0, weekday - 4)]
    return today is not None and today[0] * 60 <= shown < today[1] * 60 - 1


def allowed(state: str, zone: str, solicits: bool, minute: int) -> bool:
    """Tell whether one state and one zone allow a call in a minute."""
    weekday, shown, _, _ = clock(zone, minute)
    if not inside(FEDERAL, weekday, shown):
        return False
    if not solicits or state not in STATES:
        return True
    weekday, shown, year, day = clock(CENTRAL if state == "MS" else zone, minute)
    return inside(STATES[state], weekday, shown) and day not in HOLIDAYS.get((state, year), ())


def pairs_of(place: Place) -> list[tuple[str, str]]:
    return [(s, z) for s in place.states for z in place.zones] or [(s, z) for s, zs in ZONES.items() for z in zs]


def minutes_since(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(minutes=1)


SPRING = range(minutes_since("2026-03-05"), minutes_since("2026-03-13"))
AUTUMN = range(minutes_since("2026-10-29"), minutes_since("2026-11-06"))


@cache
def column(state: str, zone: str, solicits: bool, weeks: range) -> bytes:
    """Return for each minute of some weeks whether a state and a zone allow a call."""
    return bytes(allowed(state, zone, solicits, minute) for minute in weeks)


def open_minutes(place: Place, solicits: bool, weeks: range) -> list[int]:
    """Return for each minute whether all states and zones of a place allow a call; with none, all of the country."""
    asked = {(state if solicits and state in STATES else "", zone) for state, zone in pairs_of(place)}
    return [min(answers) for answers in zip(*(column(s, z, solicits, weeks) for s, z in asked), strict=True)]


def compared(answers: list[int]) -> Iterator[int]:
    """Yield the indexes that are compared: every fifth, and those around a change."""
    before = answers[0]
    for index, answer in enumerate(answers):
        near = answers[max(0, index - 1) : index + 2]
        if index % STEP == 0 or answer != before or min(near) != max(near):
            yield index
        before = answer


def place(states: str, *zones: str) -> Place:
    return Place(frozenset(states.split()), frozenset(zones))


SINGLES = [place(state, zone) for state, zones in ZONES.items() for zone in zones]
WITHIN = [place(state, *pair) for state, zones in ZONES.items() for pair in combinations(zones, 2)]


def unions() -> list[Place]:
    """Return 300 places of two states each, always the same, with some or all of their zones."""
    dice = random.Random(20261123)
    found = []
    for _ in range(300):
        one, other = dice.sample(sorted(ZONES), 2)
        zones = (z for state in (one, other) for z in dice.sample(ZONES[state], dice.randint(1, len(ZONES[state]))))
        found.append(place(f"{one} {other}", *zones))
    return found


CLASSES = {"one zone": SINGLES, "two zones": WITHIN, "two states": unions(), "unknown": [UNKNOWN]}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("purpose", [Purpose.SOLICITATION, Purpose.CLIENT, Purpose.DEBT])
@pytest.mark.parametrize("weeks", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_judge_says_what_the_oracle_says(kind: str, purpose: Purpose, weeks: range) -> None:
    book, count = load(), 0
    for where in CLASSES[kind]:
        answers = open_minutes(where, purpose is Purpose.SOLICITATION, weeks)
        for index in compared(answers):
            at = EPOCH + timedelta(minutes=weeks[index])
            said = book.judge(where, purpose, at).open
            assert said == bool(answers[index]), (where.key(), at, book.judge(where, purpose, at))
            count += 1
    print(f"{len(CLASSES[kind])} places, {count} class-minutes")
    assert count >= len(CLASSES[kind]) * len(weeks) / STEP


def test_the_places_are_all_there() -> None:
    assert len(ZONES) == 51
    assert {state: set(zones) for state, zones in load().zones.items()} == {s: set(z) for s, z in ZONES.items()}
    assert [len(places) for places in CLASSES.values()] == [len(SINGLES), len(WITHIN), 300, 1]


def test_judge_knows_the_holidays_of_two_years() -> None:
    book = load()
    for (state, year), days in HOLIDAYS.items():
        for number in range(365):
            noon = datetime(year, 1, 1, 12, 30, tzinfo=ZoneInfo(ZONES[state][0])) + timedelta(days=number)
            minute = (noon - EPOCH) // timedelta(minutes=1)
            where = place(state, ZONES[state][0])
            # At 12:30 Pennsylvania's Sunday has not begun, and the others have none.
            expected = noon.weekday() != 6 and f"{noon:%m-%d}" not in days
            assert book.judge(where, Purpose.SOLICITATION, noon).open == expected, (state, noon)
            assert allowed(state, ZONES[state][0], True, minute) == expected
            assert book.judge(where, Purpose.CLIENT, noon).open


def test_next_open_is_where_stepping_arrives() -> None:
    """500 instants of 2026 and 2027, with seconds, and places of every kind."""
    book, dice = load(), random.Random(64)
    later = 0
    for number in range(500):
        kind = dice.choice(list(CLASSES))
        where, purpose = dice.choice(CLASSES[kind]), dice.choice([Purpose.SOLICITATION, Purpose.CLIENT, Purpose.DEBT])
        after = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=dice.randrange(600 * 86400))
        asked, minute = pairs_of(where), (after - EPOCH) // timedelta(minutes=1)
        solicits = purpose is Purpose.SOLICITATION
        steps = 0
        while not all(allowed(state, zone, solicits, minute + steps) for state, zone in asked):
            steps += 1
        expected = EPOCH + timedelta(minutes=minute + steps) if steps else after
        assert book.next_open(where, purpose, after) == expected, (number, where.key(), purpose, after)
        assert book.judge(where, purpose, expected).open
        later += steps > 0
    assert later > 100
