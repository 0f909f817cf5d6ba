"""An oracle of the calling hours, worked out the slow way, and what ``judge`` and ``next_open`` say beside it.

The oracle is written from the table of the states' rules and from their calendars. It takes nothing from casedial and
looks at a clock, minute by minute. Every fifth minute of the weeks around both changes of clocks is compared, and each
minute beside one at which the oracle opens or closes; ``ORACLE_STEP=1 pytest tests/rules`` compares every minute. Of
the places in two states, each day tries others.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.overrides import RowOverride, overridden
from casedial.domain.places import NO_EVIDENCE, UNKNOWN, Place
from casedial.domain.rules import Ban, Purpose
from casedial.places import of_number, of_phone, of_zip
from casedial.rules import load, week
from tests.sampling import some

STEP = int(os.environ.get("ORACLE_STEP", "5"))
MOST_PLACES = 70  # of a class: more than there are of one zone
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
    "MI": ((9, 21), (9, 21), (9, 21)),
    "MN": ((9, 21), (9, 21), (9, 21)),
    "MS": ((8, 20), (8, 20), None),
    "NE": ((9, 20), (9, 20), (9, 20)),
    "NM": ((9, 21), (9, 21), (9, 21)),
    "NV": ((9, 20), (9, 20), (9, 20)),
    "OK": ((8, 20), (8, 20), (8, 20)),
    "OR": ((8, 20), (8, 20), (8, 20)),
    "PA": ((8, 21), (8, 21), (13.5, 21)),
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
    places = some(f"{purpose} {weeks}", CLASSES[kind], MOST_PLACES)
    for where in places:
        answers = open_minutes(where, purpose is Purpose.SOLICITATION, weeks)
        for index in compared(answers):
            at = EPOCH + timedelta(minutes=weeks[index])
            said = book.judge(where, purpose, at).open
            assert said == bool(answers[index]), (where.key(), at, book.judge(where, purpose, at))
            count += 1
    print(f"{len(places)} places, {count} class-minutes")
    assert count >= len(places) * len(weeks) / STEP


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


# Where somebody is, by a table of its own: some ZIP codes and area codes of each kind. -----------------------------

GUAM, ISLANDS, SAMOA = "Pacific/Guam", "America/Puerto_Rico", "Pacific/Pago_Pago"
PHOENIX, HAWAII = "America/Phoenix", "Pacific/Honolulu"
ZIPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "10001": ("NY", (EASTERN,)),
    "9001": ("abroad", ()),  # 09001, of which a spreadsheet dropped the zero
    "71101": ("LA", (CENTRAL,)),
    "39201": ("MS", (CENTRAL,)),
    "79901": ("TX", (MOUNTAIN,)),
    "32456": ("FL", (CENTRAL, EASTERN)),
    "86432": ("AZ", (PHOENIX, MOUNTAIN, PACIFIC)),
    "96813": ("HI", (HAWAII,)),
    # Those that reach into a second state.
    "86515": ("AZ NM", (MOUNTAIN,)),
    "82930": ("UT WY", (MOUNTAIN,)),
    "03579": ("ME NH", (EASTERN,)),
    "56219": ("MN SD", (CENTRAL,)),
    "81324": ("CO UT", (MOUNTAIN,)),
    "69212": ("NE SD", (CENTRAL, MOUNTAIN)),
    "51001": ("IA SD", (CENTRAL,)),
    "42223": ("KY TN", (CENTRAL,)),
    # Territories.
    "00926": ("PR", (ISLANDS,)),
    "00801": ("VI", (ISLANDS,)),
    "96910": ("GU", (GUAM,)),
    "96950": ("MP", (GUAM,)),
    "96799": ("AS", (SAMOA,)),
    # Mail abroad.
    "09012": ("abroad", ()),
    "34002": ("abroad", ()),
    "96201": ("abroad", ()),
    "96698-1234": ("abroad", ()),
    "96940": ("abroad", ()),
    "96943": ("abroad", ()),
    "96960": ("abroad", ()),
    # None at all, and those of nowhere.
    "00000": ("anywhere", ()),
    "99999": ("anywhere", ()),
    "K1A 0B1": ("anywhere", ()),
    "": ("nothing", ()),
}
AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "212": ("NY", (EASTERN,)),
    "213": ("CA", (PACIFIC,)),
    "850": ("FL", (CENTRAL, EASTERN)),
    "662": ("MS", (CENTRAL,)),
    "671": ("GU", (GUAM,)),
    "670": ("MP", (GUAM,)),
    "684": ("AS", (SAMOA,)),
    "787": ("PR", (ISLANDS,)),
    "939": ("PR", (ISLANDS,)),
    "340": ("VI", (ISLANDS,)),
    "357": ("CA", (PACIFIC,)),
    "436": ("OH", (EASTERN,)),
    "457": ("LA", (CENTRAL,)),
    "465": ("NY", (EASTERN,)),
    "471": ("MS", (CENTRAL,)),
    "621": ("TX", (CENTRAL,)),
    "679": ("MI", (EASTERN,)),
    "861": ("IL", (CENTRAL,)),
    "924": ("MN", (CENTRAL,)),
    **dict.fromkeys(["416", "809", "876", "242", "837", "328", "600"], ("anywhere", ())),
    **dict.fromkeys(["800", "888", "833", "500", "521", "700", "710", "900", "911", "211"], ("nothing", ())),
}


def where_is(zip_code: str, area: str) -> list[tuple[str, str]] | None:
    """Return the pairs of states and zones that have to allow a call, None for abroad."""
    kinds, clocks = {ZIPS[zip_code][0], AREAS[area][0]}, {*ZIPS[zip_code][1], *AREAS[area][1]}
    if "abroad" in kinds:
        return None
    states = {state for kind in kinds if re.fullmatch("[A-Z ]+", kind) for state in kind.split()}
    pairs = [(state, zone) for state in states for zone in clocks]
    if "anywhere" in kinds or not states:
        pairs += [(state, zone) for state, zones in ZONES.items() for zone in zones]
    return pairs


def may_be_called(pairs: list[tuple[str, str]] | None, purpose: Purpose, minute: int) -> bool:
    solicits = purpose is Purpose.SOLICITATION
    return pairs is not None and all(allowed(state, zone, solicits, minute) for state, zone in pairs)


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.NONE])
def test_every_zip_code_with_every_area_code(purpose: Purpose) -> None:
    """At instants of two years: each hour of some days, and minutes and seconds by chance."""
    book, dice = load(), random.Random(int.from_bytes(purpose.encode()[:4]))
    starts = [minutes_since(day) for day in ("2026-03-07", "2026-07-24", "2026-11-01", "2026-11-21", "2027-01-01")]
    opened = 0
    for zip_code in ZIPS:
        for area in AREAS:
            pairs, where = where_is(zip_code, area), of_phone(zip_code, area + "5550123")
            for minute in [dice.choice(starts) + dice.randrange(3 * 1440) for _ in range(12)]:
                at = EPOCH + timedelta(minutes=minute, seconds=dice.randrange(60))
                expected = may_be_called(pairs, purpose, minute)
                assert book.judge(where, purpose, at).open == expected, (zip_code, area, at)
                opened += expected
    print(f"{len(ZIPS) * len(AREAS) * 12} instants, {opened} open")
    assert opened > (1000 if purpose is Purpose.SOLICITATION else 2000)


def test_more_evidence_never_opens_what_less_would_close() -> None:
    """Any ZIP code and any area code there may be, at any minute, for any purpose."""
    book, dice, opened = load(), random.Random(27), 0
    for _ in range(3_000):
        zip_code, number = f"{dice.randrange(100_000):05}", f"{dice.randrange(200, 1000)}5550123"
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(2 * 365 * 1440))
        purpose = dice.choice([purpose for purpose in Purpose if purpose is not Purpose.NONE])
        if book.judge(of_phone(zip_code, number), purpose, at).open:
            assert book.judge(of_zip(zip_code), purpose, at).open, (zip_code, number, at)
            assert book.judge(of_number(number), purpose, at).open or of_number(number) == NO_EVIDENCE
            opened += 1
    assert opened > 150


def test_guam_at_night() -> None:
    """A ZIP code that is none once discarded what the area code named."""
    at = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)  # 4:30 in Guam
    for area in ("671", "670", "684"):
        assert not load().judge(of_phone("00000", area + "5550123"), Purpose.CLIENT, at).open
    assert load().judge(of_phone("00000", "8005550123"), Purpose.CLIENT, at).open


def test_a_number_of_louisiana_on_a_sunday() -> None:
    sunday = datetime(2026, 11, 22, 20, tzinfo=UTC)
    for zip_code in ("", "10001", "00000", "42223"):
        assert not load().judge(of_phone(zip_code, "4575550123"), Purpose.SOLICITATION, sunday).open
    assert load().judge(of_phone("10001", "4655550123"), Purpose.SOLICITATION, sunday).open


# How often, by the same purposes: calls in hours, by state; and hours of rest.
LIMITS = {
    Purpose.SOLICITATION: {"FL": (3, 24), "MD": (3, 24), "OK": (3, 24), "OR": (3, 24)},
    Purpose.CLIENT: {},
    Purpose.CONSENTED: {},
    Purpose.DEBT: {"": (7, 168), "MA": (2, 168), "DC": (4, 168), "WA": (3, 168)},
}


@pytest.mark.parametrize("purpose", list(LIMITS))
def test_the_limits_are_those_of_the_table(purpose: Purpose) -> None:
    for state in (*ZONES, "PR", "VI", "GU", "AS", "MP"):
        found = load().caps(place(state, EASTERN), purpose)
        counts = {row.state: (row.attempts.count, row.attempts.hours) for row in found if row.attempts}
        assert counts == {key: LIMITS[purpose][key] for key in ("", state) if key in LIMITS[purpose]}, state
        assert [row.rest for row in found if row.rest] == ([168] if purpose is Purpose.DEBT else [])
    anywhere = {row.state for row in load().caps(UNKNOWN, purpose)}
    assert anywhere == LIMITS[purpose].keys()


# A ban to the end of a day, and what an operator overrides. --------------------------------------------------------


def test_a_ban_lasts_to_the_end_of_its_day_in_the_last_zone_of_the_state() -> None:
    every = {**ZONES, "PR": (ISLANDS,), "VI": (ISLANDS,), "GU": (GUAM,), "MP": (GUAM,), "AS": (SAMOA,)}
    for state, zones in every.items():
        ban = Ban(state, load().end_of(date(2026, 11, 27), state), "storm")
        for zone in zones:
            where = place(state, zone)
            for hour in range(24):
                at = datetime(2026, 11, 27, hour, 30, tzinfo=ZoneInfo(zone))
                assert not load().judge(where, Purpose.CLIENT, at, [ban]).open
            noon = datetime(2026, 11, 28, 12, tzinfo=ZoneInfo(zone))
            assert load().judge(where, Purpose.CLIENT, noon, [ban]).open


def test_an_override_of_hours_is_judged_as_a_row() -> None:
    """Hours by chance in place of those of a state, beside the federal ones, minute by minute around a Saturday."""
    dice = random.Random(1128)
    minutes = range(minutes_since("2026-11-20"), minutes_since("2026-11-23"), STEP)
    for state in ("NY", "LA", "TX", "PA", "HI", "KY"):
        opens, closes = sorted(dice.sample(range(24), 2))
        hours = {"mon-sat": f"{opens:02}:00-{closes:02}:00", "sun": None}
        change = RowOverride(state, Purpose.SOLICITATION, "a test", date(2026, 11, 20), week(hours))
        book, zone = overridden(load(), [change]), ZONES[state][0]
        for minute in minutes:
            weekday, shown, _, _ = clock(zone, minute)
            own = ((opens, closes), (opens, closes), None)
            expected = inside(FEDERAL, weekday, shown) and inside(own, weekday, shown)
            at = EPOCH + timedelta(minutes=minute)
            assert book.judge(place(state, zone), Purpose.SOLICITATION, at).open == expected, (state, at)
            assert book.judge(place(state, zone), Purpose.CLIENT, at).open == inside(FEDERAL, weekday, shown)
