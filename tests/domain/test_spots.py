"""What is remembered of a spot is what the rules say: whoever asks, for whatever campaign, at whatever instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from casedial.domain import spots
from casedial.domain.calling import Rules, decide, judge
from casedial.domain.campaigns import Campaign
from casedial.domain.cases import Phone
from casedial.domain.firms import Firm
from casedial.domain.hours import minute_of
from casedial.domain.limits import Call, Calls, of_firm, of_rules, own_limit
from casedial.domain.overrides import RowOverride
from casedial.domain.phones import Kind, read
from casedial.domain.places import Place, abroad
from casedial.domain.rules import FEDERAL, Ban, Override, Purpose
from casedial.domain.spots import Memory
from casedial.places import of_phone
from casedial.rules import load, overridden, week
from tests.domain.firm import DAY, HOUR, MINUTE, NOW
from tests.domain.test_calling import case_of, firm_of

ZIPS = ("10001", "90012", "68046", "86001", "96813", "35004", "00901", "86515", "09001", "", " ", "not a ZIP", "99999")
NUMBERS = tuple(f"{area}5550101" for area in ("212", "213", "402", "928", "808", "205", "787", "671", "800", "416"))
ABROAD = "+442079460018"
PLACED = {90012: Place(frozenset({"NY"}), frozenset({"America/New_York"}), placed="moved")}
LATE, NARROW = week({"daily": "05:00-23:00"}), week({"mon-fri": "10:00-18:00", "sat-sun": None})
HOURS = ((), (Override(NARROW),), (Override(LATE, True, "asked for"),), (Override(LATE, True, "asked for", "NY"),))
BOOKS = (
    load(),
    overridden((RowOverride("NY", Purpose.SOLICITATION, "counsel", NOW.date(), windows=NARROW),)),
)


def where_table(zip_code: str, number: str) -> Place:
    return of_phone(zip_code, read(number).key)


def where_placed(zip_code: str, number: str) -> Place:
    return of_phone(zip_code, read(number).key, PLACED)


def instants(near: int = 90) -> st.SearchStrategy[datetime]:
    """Around the hours at which windows open and close, to the second: half of them on a whole minute."""
    hours = st.integers(0, 14 * 24).map(lambda hours: datetime(2026, 10, 26, tzinfo=UTC) + hours * HOUR)
    seconds = st.integers(-near, near) | st.sampled_from((-60, -59, -1, 0, 1, 59, 60))
    return st.builds(lambda at, by: at + timedelta(seconds=by), hours, seconds)


campaigns = st.builds(
    Campaign,
    purpose=st.sampled_from([purpose for purpose in Purpose if purpose is not Purpose.NONE]),
    hours=st.sampled_from(HOURS),
    limits=st.sampled_from(((), (own_limit(2, DAY),))),
    abroad=st.booleans(),
)
firms = st.builds(lambda gap: firm_of(min_gap=gap), st.sampled_from((0, 900)))
bans = st.lists(
    st.builds(Ban, st.sampled_from((FEDERAL, "NY", "NE", "CA")), instants(), st.just("storm")), max_size=1
).map(tuple)
MEMORY = Memory()  # of all examples, as a server has one


@settings(max_examples=200)
@given(
    st.sampled_from(BOOKS), st.sampled_from((where_table, where_placed)), bans, firms, campaigns, instants(), st.data()
)
def test_what_is_remembered_is_what_the_rules_say(
    book: Any, place_of: Any, in_force: tuple[Ban, ...], firm: Firm, campaign: Campaign, now: datetime, data: Any
) -> None:
    rules = Rules(book, place_of, in_force, memory=MEMORY)
    for _ in range(4):
        zip_code, entered = data.draw(st.sampled_from(ZIPS)), data.draw(st.sampled_from((*NUMBERS, ABROAD)))
        number = read(entered)
        spot = rules.spots(firm, campaign, now).of(zip_code, number)
        place = place_of(zip_code, entered)
        if number.kind is Kind.ABROAD and not (place.mail_abroad or place.placed):
            place = abroad(firm.time_zone)
        asked = place, campaign.purpose, now, in_force, campaign.hours_at(place)
        assert (spot.place, spot.hours) == (place, book.judge(*asked))
        assert spot.hours.open or spot.next_at == book.next_open(*asked)
        by_rules = of_rules(book.caps(place, campaign.purpose))
        assert spot.limits == (*by_rules, *campaign.limits, *of_firm(firm.min_gap))
        may_be_dialed = campaign.abroad or number.kind is Kind.US
        if may_be_dialed and rules.spots(firm, campaign, now).is_closed(zip_code):
            assert not spot.hours.open, "a ZIP code that is closed is so for every number"
        now += data.draw(st.sampled_from((timedelta(0), timedelta(seconds=1), MINUTE)))


@settings(max_examples=200)
@given(campaigns, instants(), st.lists(st.sampled_from((*NUMBERS, ABROAD, "12345")), max_size=3), st.data())
def test_a_case_may_be_called_when_it_passes_every_check(
    campaign: Campaign, now: datetime, numbers: list[str], data: Any
) -> None:
    some = st.lists(st.sampled_from(NUMBERS), max_size=2)
    made = [Call(number, 8, now - HOUR) for number in data.draw(some)]
    in_use = dict.fromkeys(data.draw(some), 8)
    firm = firm_of(campaign.purpose, 900, hours=campaign.hours, limits=campaign.limits, abroad=campaign.abroad)
    phones = tuple(Phone(f"Phone {n}", number) for n, number in enumerate(numbers))
    case = replace(case_of(dial_at=now), phones=phones, zip_code=data.draw(st.sampled_from(ZIPS)))
    rules = Rules(load(), where_table, calls=Calls.of(made), in_use=in_use, memory=MEMORY)
    verdict = judge(firm, case, now, rules)
    assert verdict.callable is all(check.passed for check in verdict.checks)
    assert verdict._replace(checks=()) == decide(firm, case, now, rules)


def test_a_window_that_closes_is_closed_from_that_minute_on() -> None:
    """The memory is of one minute: nothing that was open before is taken for open afterwards, by whatever way."""
    rules, firm, campaign = Rules(load(), where_table), firm_of(), Campaign(purpose=Purpose.CLIENT)
    last = datetime(2026, 11, 25, 1, 58, 59, 999_999, tzinfo=UTC)  # calls end at 21:00 in New York, a minute early
    number = read(NUMBERS[0])
    before = rules.spots(firm, campaign, last)
    assert before.of("10001", number).hours.open
    after = rules.spots(firm, campaign, last + timedelta(microseconds=1))
    assert not after.of("10001", number).hours.open
    assert after.is_closed("10001")
    assert before.of("10001", number).hours.open, "who is judged as of the minute before goes on with that"
    assert not rules.spots(firm, campaign, last + MINUTE).of("10001", number).hours.open


def test_the_memory_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(spots, "_MOST", 10)
    monkeypatch.setattr(spots, "_MOST_JUDGED", 3)
    memory = Memory()
    rules, campaign = Rules(load(), where_table, memory=memory), Campaign(purpose=Purpose.CLIENT)
    for gap in range(20):
        there = rules.spots(firm_of(min_gap=gap), campaign, NOW)
        for zip_code in range(10001, 10031):
            there.of(str(zip_code), read(NUMBERS[0]))
            there.is_closed(str(zip_code))
        assert len(there._closed) <= 10
    assert len(memory._known) <= 10
    assert len(memory._judged) <= 3
    assert minute_of(NOW) == memory._minute
