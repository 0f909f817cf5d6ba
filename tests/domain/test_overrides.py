"""What an operator decides in place of rows: it counts, only where it should, and its reason is told."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.errors import InvalidSetting
from casedial.domain.overrides import RowOverride, overridden
from casedial.domain.places import Place
from casedial.domain.rules import FEDERAL, Attempts, Purpose, RuleBook
from casedial.domain.spots import words
from casedial.rules import load, week

CENTRAL, EASTERN = "America/Chicago", "America/New_York"
LOUISIANA = Place(frozenset({"LA"}), frozenset({CENTRAL}))
NEW_YORK = Place(frozenset({"NY"}), frozenset({EASTERN}))
NARROW = week({"mon-fri": "10:00-12:00", "sat-sun": None})


def change(state: str = "LA", purpose: Purpose = Purpose.SOLICITATION, **what: Any) -> RowOverride:
    return RowOverride(state, purpose, "our counsel says so", date(2026, 11, 28), id=7, **what)


def book(*changes: RowOverride) -> RuleBook:
    return overridden(load(), changes)


def at(text: str, zone: str = CENTRAL) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def test_hours_of_a_row() -> None:
    narrow = book(change(windows=NARROW))
    for hour, may in ((9, False), (10, True), (12, False)):
        assert narrow.judge(LOUISIANA, Purpose.SOLICITATION, at(f"2026-11-24T{hour:02}:30")).open is may
    said = words(narrow.judge(LOUISIANA, Purpose.SOLICITATION, at("2026-11-24T12:30")))
    assert "override 7 set by the operator (our counsel says so) of published tables" in said[0]
    assert "47 CFR" in said[0]  # the federal row still counts
    assert narrow.version == f"{load().version}, overrides 7"
    # Nobody else is concerned: another purpose, another state, the rules as they were.
    assert narrow.judge(LOUISIANA, Purpose.CLIENT, at("2026-11-24T12:30")).open
    assert narrow.judge(NEW_YORK, Purpose.SOLICITATION, at("2026-11-24T12:30")).open
    assert load().judge(LOUISIANA, Purpose.SOLICITATION, at("2026-11-24T12:30")).open


def test_a_row_may_be_made_wider_up_to_the_federal_one() -> None:
    wide = book(change(windows=week({"daily": "06:00-23:00"}), bans_holidays=False))
    sunday = at("2026-11-22T20:30")
    assert not load().judge(LOUISIANA, Purpose.SOLICITATION, sunday).open
    assert wide.judge(LOUISIANA, Purpose.SOLICITATION, sunday).open
    assert not wide.judge(LOUISIANA, Purpose.SOLICITATION, at("2026-11-22T21:30")).open
    assert wide.judge(LOUISIANA, Purpose.SOLICITATION, at("2026-12-25T12:00")).open


def test_the_federal_row_of_one_purpose() -> None:
    late = book(change(FEDERAL, Purpose.CLIENT, windows=week({"daily": "08:00-22:00"})))
    night = at("2026-11-24T21:30", EASTERN)
    assert late.judge(NEW_YORK, Purpose.CLIENT, night).open
    for purpose in (Purpose.CONSENTED, Purpose.DEBT, Purpose.SOLICITATION):
        assert not late.judge(NEW_YORK, purpose, night).open


def test_holidays_of_a_state_with_and_without_a_list_of_its_own() -> None:
    christmas, good_friday = at("2026-12-25T12:00"), at("2026-04-03T12:00")
    assert not load().judge(LOUISIANA, Purpose.SOLICITATION, good_friday).open
    calls = book(change(bans_holidays=False))
    assert calls.judge(LOUISIANA, Purpose.SOLICITATION, good_friday).open
    assert calls.judge(LOUISIANA, Purpose.SOLICITATION, christmas).open
    polite = book(change("NY", Purpose.CLIENT, bans_holidays=True))
    hours = polite.judge(NEW_YORK, Purpose.CLIENT, christmas)
    assert not hours.open
    assert hours.because[0].why == "Christmas Day"
    assert "5 U.S.C. 6103" in hours.because[0].source
    assert polite.judge(NEW_YORK, Purpose.CLIENT, good_friday).open


def test_limits_of_a_row() -> None:
    debt, alabama = Purpose.DEBT, Place(frozenset({"AL"}), frozenset({CENTRAL}))

    def caps(found: RuleBook, where: Place, purpose: Purpose = debt) -> list[tuple[str, Attempts | None, int | None]]:
        return [(row.state, row.attempts, row.rest) for row in found.caps(where, purpose)]

    federal = ("", Attempts(7, 168, "debt"), 168)
    assert caps(book(change(FEDERAL, debt, attempts=Attempts(5, 168, "subject"))), alabama) == [
        ("", Attempts(5, 168, "debt"), 168)  # per what the row says
    ]
    assert caps(book(change(FEDERAL, debt, rest=0)), alabama) == [("", Attempts(7, 168, "debt"), None)]
    assert caps(book(change(FEDERAL, debt, rest=0, attempts=Attempts(0, 1, "debt"))), alabama) == []
    assert caps(book(change("AL", debt, attempts=Attempts(1, 24, "debt"))), alabama) == [
        federal,
        ("AL", Attempts(1, 24, "debt"), None),
    ]
    florida = Place(frozenset({"FL"}), frozenset({EASTERN}))
    free = book(change("FL", attempts=Attempts(0, 1, "subject")))
    assert caps(free, florida, Purpose.SOLICITATION) == []
    assert not free.judge(florida, Purpose.SOLICITATION, at("2026-11-24T20:30", EASTERN)).open  # its hours stay


def test_several_overrides() -> None:
    both = book(change(windows=NARROW), change("NY", windows=NARROW))
    for where, zone in ((LOUISIANA, CENTRAL), (NEW_YORK, EASTERN)):
        assert both.judge(where, Purpose.SOLICITATION, at("2026-11-24T11:30", zone)).open
        assert not both.judge(where, Purpose.SOLICITATION, at("2026-11-24T13:30", zone)).open
    unknown = Place(frozenset(), frozenset(), anywhere=True)
    assert load().judge(unknown, Purpose.SOLICITATION, at("2026-11-24T14:30", EASTERN)).open
    assert not both.judge(unknown, Purpose.SOLICITATION, at("2026-11-24T14:30", EASTERN)).open


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"windows": (None,)},
        {"attempts": Attempts(1, 0, "debt")},
        {"attempts": Attempts(1, 32 * 24, "debt")},
        {"rest": 32 * 24},
    ],
)
def test_what_is_no_override(what: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        change(**what)
    with pytest.raises(InvalidSetting):
        RowOverride("LA", Purpose.CLIENT, " ", date(2026, 11, 28), bans_holidays=True)
    with pytest.raises(InvalidSetting):
        change(purpose=Purpose.NONE, bans_holidays=True)
