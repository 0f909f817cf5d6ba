"""Calling rules: hours by state, zone and day; bans, overrides, changes of clocks, and the next time that is open."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casedial.domain.errors import InvalidSetting
from casedial.domain.hours import EasterDay, FixedDay, NthDay, Window, easter, holidays_in, local_time, spans
from casedial.domain.places import STATES as PLACES_STATES
from casedial.domain.places import TERRITORIES, UNKNOWN, Place
from casedial.domain.rules import FEDERAL, Attempts, Ban, HolidayList, Override, Purpose, Row, RuleBook
from casedial.domain.spots import words
from casedial.rules import load, week

EASTERN, CENTRAL, PACIFIC = "America/New_York", "America/Chicago", "America/Los_Angeles"
SOLICITATION, CLIENT = Purpose.SOLICITATION, Purpose.CLIENT
RULED = [purpose for purpose in Purpose if purpose is not Purpose.NONE]


def place(states: str, *zones: str) -> Place:
    return Place(frozenset(states.split()), frozenset(zones))


NEW_YORK = place("NY", EASTERN)
FLORIDA = place("FL", EASTERN)


def local(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    "text", ["", "8-21", "21:00-08:00", "08:00-08:00", "08:00-24:01", "08:60-09:00", "08:00–21:00"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting):
        Window.of(text)


def test_a_window_reads_as_it_is_written() -> None:
    assert str(Window.of("8:00-21:00")) == "08:00-21:00"
    assert Window.of("00:00-24:00") == Window(0, 1440)
    assert Window.of("08:00-12:00").overlap(Window.of("12:00-13:00")) is None
    assert Window.of("08:00-12:00").overlap(Window.of("09:00-13:00")) == Window.of("09:00-12:00")


@pytest.mark.parametrize(
    "hours", [{}, {"mon-sat": "08:00-20:00"}, {"daily": None, "sun": None}, {"funday": None}, {"sun-mon": None}]
)
def test_a_week_has_each_day_once(hours: dict[str, str | None]) -> None:
    with pytest.raises(InvalidSetting):
        week(hours)


@pytest.mark.parametrize(
    ("shown", "is_open"), [("07:59:59", False), ("08:00:00", True), ("20:58:59", True), ("20:59:00", False)]
)
def test_calls_start_with_the_window_and_stop_a_minute_before_its_end(shown: str, is_open: bool) -> None:
    at = local(EASTERN, f"2026-11-24 {shown}")
    assert load().judge(NEW_YORK, SOLICITATION, at).open is is_open
    assert (load().next_open(NEW_YORK, SOLICITATION, at) == at) is is_open


def test_every_state_and_every_zone_must_allow_the_call() -> None:
    both = place("CA FL", EASTERN, PACIFIC)
    assert not load().judge(both, SOLICITATION, local(EASTERN, "2026-11-24 10:59")).open  # 7:59 Pacific
    assert load().judge(both, SOLICITATION, local(EASTERN, "2026-11-24 11:00")).open
    closed = load().judge(both, SOLICITATION, local(EASTERN, "2026-11-24 20:00"))
    assert not closed.open  # 17:00 Pacific, but Florida is closed
    assert [(reason.state, reason.zone) for reason in closed.because] == [("FL", EASTERN)]


def test_an_open_answer_names_every_pair_and_a_closed_one_what_closed_it() -> None:
    at = local(EASTERN, "2026-11-24 12:30")
    hours = load().judge(place("FL NY", EASTERN, CENTRAL), SOLICITATION, at)
    assert [(reason.state, reason.zone) for reason in hours.because] == [
        ("FL", CENTRAL), ("FL", EASTERN), ("NY", CENTRAL), ("NY", EASTERN),
    ]  # fmt: skip
    [closed] = load().judge(FLORIDA, SOLICITATION, local(EASTERN, "2026-11-24 20:15")).because
    assert (closed.state, closed.zone, closed.version) == ("FL", EASTERN, load().version)
    assert closed.local.isoformat() == "2026-11-24T20:15:00-05:00"
    assert closed.window == Window.of("08:00-20:00")
    assert "47 CFR 64.1200" in closed.source
    assert "501.616" in closed.source


def test_state_rules_are_for_solicitation() -> None:
    at = local(EASTERN, "2026-11-24 20:15")
    assert [purpose for purpose in Purpose if load().judge(FLORIDA, purpose, at).open] == [
        Purpose.CLIENT, Purpose.DEBT, Purpose.CONSENTED, Purpose.NONE,
    ]  # fmt: skip


def test_mississippi_is_called_by_central_time_wherever_its_number_is() -> None:
    moved = place("MS", EASTERN)
    opens = load().next_open(moved, SOLICITATION, local(EASTERN, "2026-11-24 03:00"))
    assert opens == local(CENTRAL, "2026-11-24 08:00")
    [reason] = load().judge(moved, SOLICITATION, local(EASTERN, "2026-11-24 08:30")).because
    assert (reason.state, reason.zone, reason.source) == ("MS", CENTRAL, "Miss. Code 77-3-723(1)")
    # In the evening the federal hours end first, on the called party's clock.
    [reason] = load().judge(moved, SOLICITATION, local(EASTERN, "2026-11-24 20:59")).because
    assert (reason.state, reason.zone) == ("MS", EASTERN)


def test_none_is_always_open() -> None:
    night = local(EASTERN, "2026-12-25 03:00")
    ban = Ban("NY", night + timedelta(days=1), "storm")
    for where in (NEW_YORK, UNKNOWN):
        assert load().judge(where, Purpose.NONE, night, [ban]).open
        assert load().next_open(where, Purpose.NONE, night, [ban]) == night


def test_an_instant_without_a_zone_is_refused() -> None:
    for ask in (load().judge, load().next_open):
        with pytest.raises(TypeError):
            ask(NEW_YORK, SOLICITATION, datetime(2026, 11, 24, 12))


def hours_of_a_day(where: Place, day: str, purpose: Purpose = SOLICITATION) -> str:
    """Return the first and the last minute of an Eastern day at which a place is open."""
    midnight = local(EASTERN, f"{day} 00:00")
    times = (midnight + timedelta(minutes=m) for m in range(1440))
    found = [f"{t:%H:%M}" for t in times if load().judge(where, purpose, t).open]
    return f"{found[0]}-{found[-1]}" if found else "none"


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-07-08", "14:00-17:58"),  # Wednesday in summer: Hawaii opens, Rhode Island closes
        ("2026-11-24", "13:00-17:58"),  # Tuesday in winter
        ("2026-11-21", "13:00-16:58"),  # Saturday
        ("2026-11-22", "none"),  # Sunday
        ("2026-07-24", "none"),  # a holiday of Utah alone
    ],
)
def test_an_unknown_place_has_the_narrowest_hours(day: str, hours: str) -> None:
    assert hours_of_a_day(UNKNOWN, day) == hours


def test_a_place_without_a_zone_or_a_state_is_unknown() -> None:
    at = local(EASTERN, "2026-11-24 09:30")
    assert load().judge(NEW_YORK, SOLICITATION, at).open
    assert not load().judge(place("NY"), SOLICITATION, at).open
    assert not load().judge(place("", EASTERN), SOLICITATION, at).open


def test_whatever_is_open_at_an_unknown_place_is_open_everywhere() -> None:
    book = load()
    places = [place(state, zone) for state, zones in book.zones.items() for zone in zones]
    opened = 0
    for hour in range(24 * 14):
        at = local(EASTERN, "2026-10-26 00:30") + timedelta(hours=hour)
        if book.judge(UNKNOWN, SOLICITATION, at).open:
            opened += 1
            assert all(book.judge(where, SOLICITATION, at).open for where in places)
    assert opened > 24


@pytest.mark.parametrize("purpose", RULED)
def test_what_is_not_known_adds_to_what_is(purpose: Purpose) -> None:
    """A number of Guam with a ZIP code that is none: the clock of Guam counts, and so do those of the states."""
    guam = place("GU", "Pacific/Guam")
    book, opened = load(), 0
    for hour in range(24 * 8):
        at = local(EASTERN, "2026-11-20 00:30") + timedelta(hours=hour)
        both = book.judge(guam | UNKNOWN, purpose, at)
        assert both.open == (book.judge(guam, purpose, at).open and book.judge(UNKNOWN, purpose, at).open)
        opened += both.open
    assert opened  # when it is morning in Guam, and afternoon the day before in Hawaii
    night = local("Pacific/Guam", "2026-11-25 04:30")
    assert book.judge(UNKNOWN, CLIENT, night).open
    assert not book.judge(guam | UNKNOWN, purpose, night).open
    puerto_rico = place("PR", "America/Puerto_Rico") | UNKNOWN
    noon = local(EASTERN, "2026-11-24 14:30")
    assert book.judge(puerto_rico, purpose, noon).open
    assert len(book.judge(puerto_rico, purpose, noon).because) > 50
    assert book.next_open(puerto_rico, purpose, local(EASTERN, "2026-11-24 03:00")) == local(
        EASTERN, "2026-11-24 13:00"
    )


@pytest.mark.parametrize("purpose", RULED)
def test_abroad_is_closed_for_every_purpose_but_none(purpose: Purpose) -> None:
    palau = Place(frozenset(), frozenset(), mail_abroad="Palau")
    for where in (palau, palau | NEW_YORK, palau | UNKNOWN):
        for hour in range(24):
            at = local(EASTERN, "2026-11-24 00:30") + timedelta(hours=hour)
            hours = load().judge(where, purpose, at)
            assert not hours.open
            assert words(hours) == [
                "The ZIP code is abroad (Palau): no calls until casedial rules place says where it is."
            ]
            assert load().next_open(where, purpose, at) is None
            assert load().judge(where, Purpose.NONE, at).open


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        ("NY", "2026-12-02T05:00"),
        ("TX", "2026-12-02T07:00"),  # El Paso is an hour later
        ("AK", "2026-12-02T10:00"),  # Adak
        ("HI", "2026-12-02T10:00"),
        ("GU", "2026-12-01T14:00"),
        ("AS", "2026-12-02T11:00"),
        (FEDERAL, "2026-12-02T11:00"),
    ],
)
def test_a_day_ends_in_the_last_zone_of_a_state(state: str, ends: str) -> None:
    assert load().end_of(date(2026, 12, 1), state) == datetime.fromisoformat(ends).replace(tzinfo=UTC)


def test_a_day_says_its_hours_and_who_made_them() -> None:
    monday = load().day_windows("RI", SOLICITATION, date(2026, 11, 23))
    assert monday.window == Window.of("09:00-18:00")
    assert [row.state for row in monday.rows] == [FEDERAL, "RI"]
    assert load().day_windows("RI", SOLICITATION, date(2026, 11, 22)).window is None
    assert load().day_windows("RI", CLIENT, date(2026, 11, 22)).window == Window.of("08:00-21:00")
    assert load().day_windows("PA", SOLICITATION, date(2026, 11, 22)).window == Window.of("13:30-21:00")
    assert load().day_windows("PA", SOLICITATION, date(2026, 11, 23)).window == Window.of("08:00-21:00")
    assert load().day_windows("MS", SOLICITATION, date(2026, 11, 23)).window == Window.of("08:00-20:00")
    assert load().day_windows("ME", SOLICITATION, date(2026, 11, 23)).window == Window.of("08:00-21:00")
    assert load().day_windows("WA", Purpose.DEBT, date(2026, 11, 23)).window == Window.of("08:00-21:00")
    assert load().day_windows("PR", SOLICITATION, date(2026, 11, 23)).window == Window.of("08:00-21:00")


def test_a_holiday_is_named() -> None:
    christmas = load().day_windows("AL", SOLICITATION, date(2026, 12, 25))
    assert (christmas.window, christmas.holiday) == (None, "Christmas Day")
    assert "1-3-8" in christmas.source
    [reason] = load().judge(place("AL", CENTRAL), SOLICITATION, local(CENTRAL, "2026-12-25 12:00")).because
    assert (reason.window, reason.why) == (None, "Christmas Day")
    assert load().judge(place("AL", CENTRAL), CLIENT, local(CENTRAL, "2026-12-25 12:00")).open


@pytest.mark.parametrize(
    ("year", "day"),
    [
        (1961, "04-02"), (1981, "04-19"), (2000, "04-23"), (2008, "03-23"), (2011, "04-24"),
        (2026, "04-05"), (2038, "04-25"), (2049, "04-18"), (2076, "04-19"), (2160, "03-23"),
    ],
)  # fmt: skip
def test_easter(year: int, day: str) -> None:
    assert easter(year) == date.fromisoformat(f"{year}-{day}")


def test_holidays_and_the_days_they_are_observed_on() -> None:
    new_year = FixedDay("New Year's Day", 1, 1)
    assert list(holidays_in(2021, [new_year])) == [date(2021, 1, 1), date(2021, 12, 31)]  # that of 2022 is a Saturday
    assert list(holidays_in(2023, [new_year])) == [date(2023, 1, 1), date(2023, 1, 2)]
    both = FixedDay("Independence Day", 7, 4, saturday=(-1, 2))
    assert [day.day for day in holidays_in(2026, [both])] == [4, 3, 6]
    election = NthDay("Election Day", 11, 0, 1, plus=1, even_years=True)
    assert list(holidays_in(2026, [election])) == [date(2026, 11, 3)]
    assert not holidays_in(2027, [election])
    assert list(holidays_in(2027, [NthDay("Memorial Day", 5, 0, -1)])) == [date(2027, 5, 31)]
    assert list(holidays_in(2026, [NthDay("last of the year", 12, 3, -1)])) == [date(2026, 12, 31)]
    assert list(holidays_in(2026, [EasterDay("Mardi Gras", -47)])) == [date(2026, 2, 17)]


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01", "2026-07-01"])
@pytest.mark.parametrize("hours", ["00:00-24:00", "01:30-03:00", "02:15-02:45", "01:10-01:20", "08:00-21:00"])
def test_spans_are_the_minutes_at_which_the_clock_shows_the_hours(day: str, hours: str) -> None:
    window, date_ = Window.of(hours), date.fromisoformat(day)
    found = spans(EASTERN, date_, window)
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) // 60 - 1440
    shown = []
    for minute in range(start, start + 3 * 1440):
        clock = local_time(EASTERN, minute)
        if clock.date() == date_ and window.opens <= clock.hour * 60 + clock.minute < window.closes - 1:
            shown.append(minute)
    assert [minute for opens, closes in found for minute in range(opens, closes)] == shown
    assert all(first[1] <= second[0] for first, second in pairwise(found))


@pytest.mark.parametrize(("day", "offset"), [("2026-03-08", -4), ("2026-11-01", -5)])
def test_the_hours_of_the_day_on_which_clocks_change_are_those_of_the_new_time(day: str, offset: int) -> None:
    eve = datetime.fromisoformat(f"{day} 00:30").replace(tzinfo=timezone(timedelta(hours=-5 if offset == -4 else -4)))
    opens = load().next_open(NEW_YORK, SOLICITATION, eve)
    assert opens == datetime.fromisoformat(f"{day} 08:00").replace(tzinfo=timezone(timedelta(hours=offset)))


def test_a_ban_closes_a_state_for_every_purpose_until_it_ends() -> None:
    noon = local(EASTERN, "2026-11-24 12:00")
    ban = Ban("FL", noon + timedelta(hours=2, seconds=30), "storm", "Executive Order 1")
    for purpose in RULED:
        for where in (FLORIDA, place("FL GA", EASTERN), UNKNOWN):
            hours = load().judge(where, purpose, noon + timedelta(hours=1, minutes=30), [ban])
            assert not hours.open
            assert [(r.state, r.why, r.source) for r in hours.because] == [("FL", "storm", "Executive Order 1")]
        assert load().judge(NEW_YORK, purpose, noon, [ban]).open
        # A ban belongs to the minute in which it ends.
        assert load().next_open(FLORIDA, purpose, noon, [ban]) == noon + timedelta(hours=2, minutes=1)
        assert load().judge(FLORIDA, purpose, noon + timedelta(hours=2, minutes=1), [ban]).open


def test_a_ban_of_all_states_and_one_that_is_too_long() -> None:
    noon = local(EASTERN, "2026-11-24 12:00")
    for state in (FEDERAL, "NY"):
        ban = Ban(state, noon + timedelta(days=61), "strike")
        assert [r.state for r in load().judge(NEW_YORK, CLIENT, noon, [ban]).because] == ["NY"]
        assert load().next_open(NEW_YORK, CLIENT, noon, [ban]) is None
        assert load().next_open(NEW_YORK, CLIENT, noon + timedelta(days=10), [ban]) == noon + timedelta(days=61)
    abroad = Ban("PR", noon + timedelta(days=1), "storm")
    assert [r.state for r in load().judge(UNKNOWN, CLIENT, noon, [abroad]).because] == ["PR"]


def test_narrower_hours_only_narrow() -> None:
    lunch = Override(week({"mon-fri": "12:00-23:00", "sat-sun": None}))
    opens = load().next_open(FLORIDA, SOLICITATION, local(EASTERN, "2026-11-21 09:00"), overrides=[lunch])
    assert opens == local(EASTERN, "2026-11-23 12:00")
    closed = load().judge(FLORIDA, SOLICITATION, local(EASTERN, "2026-11-23 20:00"), overrides=[lunch])
    assert not closed.open
    assert "hours set by the campaign" in closed.because[0].source


def test_wider_hours_stand_in_place_of_the_rules_but_not_of_holidays_and_bans() -> None:
    wider = Override(week({"daily": "07:00-22:00"}), wider=True, reason="they asked for it")
    texas = place("AL MS", CENTRAL)
    at = local(CENTRAL, "2026-11-22 21:30")  # a Sunday
    hours = load().judge(texas, SOLICITATION, at, overrides=[wider])
    assert hours.open
    assert {reason.why for reason in hours.because} == {"they asked for it"}
    assert not load().judge(texas, SOLICITATION, local(CENTRAL, "2026-12-25 12:00"), overrides=[wider]).open
    assert not load().judge(texas, SOLICITATION, at, [Ban("AL", at + timedelta(1), "storm")], [wider]).open
    # Narrower hours of the same campaign hold, in whatever order they are given.
    evening = Override(week({"daily": "08:00-21:00"}))
    for overrides in ([wider, evening], [evening, wider]):
        assert not load().judge(texas, SOLICITATION, at, overrides=overrides).open


def test_an_override_may_be_for_one_state() -> None:
    wider = Override(week({"daily": "08:00-21:00"}), wider=True, reason="consent", state="FL")
    at = local(EASTERN, "2026-11-24 20:15")
    assert load().judge(FLORIDA, SOLICITATION, at, overrides=[wider]).open
    assert not load().judge(place("FL MD", EASTERN), SOLICITATION, at, overrides=[wider]).open


@pytest.mark.parametrize("reason", ["", "  "])
def test_wider_hours_need_a_reason(reason: str) -> None:
    with pytest.raises(InvalidSetting):
        Override(week({"daily": "07:00-22:00"}), wider=True, reason=reason)
    with pytest.raises(InvalidSetting):
        Override((None,) * 6)


def test_hours_that_never_come() -> None:
    never = Override(week({"daily": None}))
    assert load().next_open(NEW_YORK, CLIENT, local(EASTERN, "2026-11-24 12:00"), overrides=[never]) is None
    apart = [Override(week({"daily": "08:00-10:00"}), state="NY"), Override(week({"daily": "10:00-12:00"}), state="NJ")]
    where = place("NJ NY", EASTERN)
    assert load().next_open(where, CLIENT, local(EASTERN, "2026-11-24 12:00"), overrides=apart) is None


# Judge and next_open --------------------------------------------------------------------------------------------------

weeks = st.lists(
    st.none() | st.tuples(st.integers(0, 1438), st.integers(2, 600)).map(lambda w: Window(w[0], min(1440, sum(w)))),
    min_size=7,
    max_size=7,
).map(tuple)
STATES = sorted(load().zones)
ZONES = sorted({zone for zones in load().zones.values() for zone in zones})
places = st.builds(
    Place,
    st.frozensets(st.sampled_from(STATES), max_size=3),
    st.frozensets(st.sampled_from(ZONES), max_size=3),
    st.booleans(),
)
instants = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]).flatmap(
        lambda d: st.integers(-1440, 2880).map(lambda m: d + timedelta(minutes=m))
    ),
)
overrides_ = st.lists(
    st.builds(Override, weeks, st.booleans(), st.just("why"), st.sampled_from(["", "", *STATES])), max_size=3
)
bans_ = st.lists(st.builds(Ban, st.sampled_from(["", *STATES]), instants, st.just("storm")), max_size=2)


@settings(max_examples=300)
@given(places, st.sampled_from(list(Purpose)), instants, bans_, overrides_)
def test_next_open_is_open_and_nothing_before_it_is(
    where: Place, purpose: Purpose, after: datetime, bans: list[Ban], overrides: list[Override]
) -> None:
    book = load()
    opens = book.next_open(where, purpose, after, bans, overrides)
    assert book.judge(where, purpose, after, bans, overrides).open is (opens == after)
    minutes = int(((opens or after + timedelta(days=2)) - after) / timedelta(minutes=1))
    for minute in range(0, minutes, max(1, minutes // 200)):
        assert not book.judge(where, purpose, after + timedelta(minutes=minute), bans, overrides).open
    if opens and opens != after:
        assert book.judge(where, purpose, opens, bans, overrides).open
        assert not book.judge(where, purpose, opens - timedelta(seconds=1), bans, overrides).open
        assert opens.second == 0


def test_the_book_can_be_answered_for() -> None:
    book = load()
    assert len(book.zones) == 51
    assert book.zones.keys() | TERRITORIES.keys() == PLACES_STATES
    assert {row.state for row in book.rows} - {FEDERAL} < set(book.zones)
    assert {zone for zones in book.zones.values() for zone in zones} == {ZoneInfo(zone).key for zone in ZONES}
    for entry in (*book.rows, *book.holidays.values()):
        assert entry.source
        assert entry.checked.isoformat() <= book.version
        assert entry.confidence in ("H", "M", "L")
    assert all(row.note for row in book.rows if row.confidence == "L")
    assert {row.state for row in book.rows if row.bans_holidays} == {"AL", "LA", "PA", "RI", "UT"}
    assert set(book.holidays) == {FEDERAL, "AL", "LA", "PA", "RI", "UT"}


def test_caps() -> None:
    def caps(where: Place, purpose: Purpose) -> list[tuple[str, Attempts | None]]:
        return [(row.state, row.attempts) for row in load().caps(where, purpose)]

    assert caps(place("FL NY", EASTERN), SOLICITATION) == [("FL", Attempts(3, 24, "subject"))]
    assert caps(FLORIDA, CLIENT) == []
    assert caps(place("MA", EASTERN), Purpose.DEBT) == [
        ("", Attempts(7, 168, "debt")),
        ("MA", Attempts(2, 168, "debt")),
    ]
    assert caps(place("DC", EASTERN), Purpose.DEBT)[1:] == [("DC", Attempts(4, 168, "debt"))]
    assert caps(place("WA", PACIFIC), Purpose.DEBT)[1:] == [("WA", Attempts(3, 168, "subject"))]
    assert [state for state, _ in caps(UNKNOWN, SOLICITATION)] == ["FL", "MD", "OK", "OR"]
    assert [state for state, _ in caps(NEW_YORK | UNKNOWN, SOLICITATION)] == ["FL", "MD", "OK", "OR"]


def row(state: str, **changes: object) -> Row:
    daily = week({"daily": "08:00-21:00"})
    return Row(state, frozenset(RULED), "source", date(2026, 1, 1), "H", **{"windows": daily, **changes})  # type: ignore[arg-type]


def test_a_book_with_holes_is_refused() -> None:
    with pytest.raises(InvalidSetting):
        RuleBook("v", [row("NY")], {}, {})
    with pytest.raises(InvalidSetting):
        RuleBook("v", [row(""), row("NY", bans_holidays=True)], {}, {})
    with pytest.raises(InvalidSetting):
        RuleBook("v", [row(""), row("NY"), row("NY")], {}, {})
    with pytest.raises(InvalidSetting):
        row("NY", windows=(None,))
    with pytest.raises(InvalidSetting):
        Row("NY", frozenset(RULED), "source", date(2026, 1, 1), "X")


def test_two_books_keep_apart() -> None:
    holidays = HolidayList((FixedDay("Day of Birds", 5, 5),), "source", date(2026, 1, 1), "H")
    plain = RuleBook("1", [row("")], {}, {"NY": [EASTERN]})
    birds = RuleBook("2", [row(""), row("NY", windows=None, bans_holidays=True)], {"NY": holidays}, {"NY": [EASTERN]})
    at = local(EASTERN, "2026-05-05 12:00")
    assert plain.judge(NEW_YORK, CLIENT, at).open
    [reason] = birds.judge(UNKNOWN, CLIENT, at).because
    assert (reason.version, reason.why) == ("2", "Day of Birds")
