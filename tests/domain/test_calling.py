"""Whether a case may be called now: which checks are asked, what each finds, and when the case may be called next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.calling import Check, DoNotCall, Listing, Rules, Verdict, evidence, judge, outside_hours
from casedial.domain.campaigns import Campaign
from casedial.domain.cases import Case, Phone
from casedial.domain.firms import Firm
from casedial.domain.hours import Window
from casedial.domain.limits import Call, Calls, Limit
from casedial.domain.phones import Kind
from casedial.domain.places import UNKNOWN, Place
from casedial.domain.rules import Hours, Purpose, Reason
from casedial.domain.spots import words
from casedial.domain.statuses import Role, StatusType
from casedial.rules import load
from tests.domain.firm import DAY, FIRM, HOUR, INTAKE, MINUTE, NOW, a_case

EASTERN = "America/New_York"
NEW_YORK = Place(frozenset({"NY"}), frozenset({EASTERN}))
FLORIDA = Place(frozenset({"FL"}), frozenset({EASTERN}))
NOON = datetime(2026, 11, 24, 17, tzinfo=UTC)  # in New York, a Tuesday
NIGHT = datetime(2026, 11, 25, 3, tzinfo=UTC)
MORNING = datetime(2026, 11, 25, 13, tzinfo=UTC)
CELL, WORK = Phone("Cell", "2125550101"), Phone("Work", "2125550102")
LISTING = Listing(date(2026, 5, 6), "a letter")


def firm_of(purpose: Purpose = Purpose.SOLICITATION, min_gap: int = 0, **campaign: Any) -> Firm:
    return replace(FIRM, campaigns={INTAKE.id: Campaign(purpose=purpose, **campaign)}, min_gap=min_gap)


def case_of(*phones: Phone, role: Role = Role.TO_DIAL, **fields: Any) -> Case:
    case = a_case(role, zip_code="10001", phones=phones or (CELL,), **fields)
    return replace(case, statuses={**case.statuses, StatusType.CAMPAIGN: INTAKE})


def rules(place: Place = NEW_YORK, **fields: Any) -> Rules:
    return Rules(load(), lambda zip_code, number: place, **fields)


def failed(verdict: Verdict) -> dict[str, str]:
    """The checks that were not passed, and what they found."""
    assert verdict.callable is all(check.passed for check in verdict.checks)
    return {check.name: check.found for check in verdict.checks if not check.passed}


ASKED = ["dialer status", "due", "campaign", "phones", "do not call", "in use", "how often", "hours"]


def test_a_case_that_passes_every_check_may_be_called_now() -> None:
    verdict = judge(firm_of(), case_of(CELL, WORK), NOON, rules())
    assert (verdict.callable, verdict.next_at) == (True, NOON)
    assert [check.name for check in verdict.checks] == ASKED
    assert verdict.allowed == (CELL, WORK)
    assert (verdict.purpose, verdict.version) == (Purpose.SOLICITATION, load().version)


def test_without_a_purpose_no_rule_is_asked() -> None:
    verdict = judge(firm_of(Purpose.NONE), case_of(), NIGHT, rules(UNKNOWN))
    assert (verdict.callable, verdict.next_at, verdict.rules_apply) == (True, NIGHT, False)
    assert [check.name for check in verdict.checks] == ASKED[:3]


@pytest.mark.parametrize(
    ("case", "check", "found", "next_at"),
    [
        ({"role": Role.DO_NOT_DIAL}, "dialer status", "Do not Dial", None),
        ({"role": Role.IN_THE_DIALER}, "dialer status", "In the Dialer", None),
        ({"dial_at": None}, "due", "no date/time", NOON),
        (
            {"dial_at": NOON + HOUR},
            "due",
            "to be dialed from 2026-11-24T12:00:00 (America/Chicago)",
            NOON + HOUR,
        ),
    ],
)
@pytest.mark.parametrize("purpose", [Purpose.NONE, Purpose.SOLICITATION])
def test_a_case_that_is_not_due_to_dial(
    case: dict[str, Any], check: str, found: str, next_at: datetime | None, purpose: Purpose
) -> None:
    verdict = judge(firm_of(purpose), case_of(**case), NOON, rules())
    assert failed(verdict) == {check: found}
    assert verdict.next_at == next_at


def test_a_case_without_a_dialer_status_is_not_dialed() -> None:
    assert failed(judge(FIRM, a_case(None), NOON, rules())) == {"dialer status": "none"}


def test_a_case_is_due_at_its_time() -> None:
    assert judge(firm_of(), case_of(dial_at=NOON), NOON, rules()).callable is True
    assert judge(firm_of(), case_of(dial_at=NOON + timedelta(microseconds=1)), NOON, rules()).callable is False


@pytest.mark.parametrize(
    ("campaign", "found"),
    [({"paused": True}, "paused"), ({"paused": True, "unreadable": True}, "its settings cannot be read")],
)
def test_a_paused_campaign_has_no_next_time(campaign: dict[str, Any], found: str) -> None:
    verdict = judge(firm_of(**campaign), case_of(), NOON, rules())
    assert failed(verdict) == {"campaign": found}
    assert verdict.next_at is None


def test_outside_the_hours_the_next_time_is_when_they_begin() -> None:
    verdict = judge(firm_of(), case_of(), NIGHT, rules())
    assert failed(verdict) == {"hours": "0 of 1 phone is within calling hours"}
    assert verdict.next_at == MORNING
    assert judge(firm_of(), case_of(dial_at=MORNING + HOUR), NIGHT, rules()).next_at == MORNING + HOUR


def test_one_phone_that_may_be_called_is_enough() -> None:
    moved = Phone("Cell", "2135550101")
    by_number = {moved.number: Place(frozenset({"NY"}), frozenset({"America/Los_Angeles"})), WORK.number: NEW_YORK}
    both = Rules(load(), lambda zip_code, number: by_number[number])
    early = datetime(2026, 11, 24, 14, tzinfo=UTC)  # six in the morning in Los Angeles
    verdict = judge(firm_of(), case_of(moved, WORK), early, both)
    assert verdict.callable is True
    assert verdict.allowed == (WORK,)
    assert verdict.checks[-1] == Check("hours", True, "1 of 2 phones is within calling hours")


@pytest.mark.parametrize(
    ("phones", "failing"),
    [
        ((), {"phones": "0 that a person may answer"}),
        ((Phone("Fax", "2125550103"),), {"phones": "0 that a person may answer"}),
        ((Phone("Cell", "12345"),), {"phones": "0 that a person may answer, 1 doubtful"}),
        ((Phone("Cell", "+442079460018"),), {"abroad": "1 of 1 phone is abroad; the campaign calls only the US"}),
        ((Phone("Cell", "12345"), CELL), {}),
        ((Phone("Cell", "+442079460018"), CELL), {}),
    ],
)
def test_a_case_needs_a_phone_that_can_be_dialed(phones: tuple[Phone, ...], failing: dict[str, str]) -> None:
    case = replace(case_of(), phones=phones)
    verdict = judge(firm_of(), case, NOON, rules())
    assert failed(verdict) == failing
    assert verdict.next_at == (None if failing else NOON)


def test_a_campaign_may_call_numbers_abroad_by_the_firms_clock() -> None:
    abroad = case_of(Phone("Cell", "+442079460018"))
    verdict = judge(firm_of(abroad=True), abroad, NIGHT, rules(UNKNOWN))
    assert verdict.callable is True
    [found] = verdict.phones
    assert (found.kind, found.place.is_abroad, found.place.zones) == (Kind.ABROAD, True, {"America/Chicago"})
    own = Place(frozenset({"NY"}), frozenset({EASTERN}), placed="by a colleague")
    assert judge(firm_of(abroad=True), abroad, NIGHT, rules(own)).callable is False


@pytest.mark.parametrize("purpose", [Purpose.NONE, Purpose.SOLICITATION])
def test_a_listed_case_and_one_of_listed_numbers_only_are_never_called(purpose: Purpose) -> None:
    firm, case = firm_of(purpose), case_of(CELL, WORK)
    by_case = DoNotCall(cases={7: LISTING})
    verdict = judge(firm, case, NOON, rules(do_not_call=by_case))
    assert failed(verdict) == {"do not call": "the case has been on the do-not-call list since 2026-05-06 (a letter)"}
    assert (verdict.next_at, verdict.allowed) == (None, ())
    by_number = DoNotCall(numbers={CELL.number: LISTING, WORK.number: LISTING})
    verdict = judge(firm, case, NOON, rules(do_not_call=by_number))
    assert failed(verdict) == {"do not call": "2 of 2 phones are listed"}
    assert verdict.next_at is None


@pytest.mark.parametrize("purpose", [Purpose.NONE, Purpose.SOLICITATION])
def test_a_case_with_one_listed_number_is_called_at_the_other(purpose: Purpose) -> None:
    listed = rules(do_not_call=DoNotCall(numbers={CELL.number: LISTING}))
    verdict = judge(firm_of(purpose), case_of(CELL, WORK), NOON, listed)
    assert verdict.callable is True
    assert verdict.allowed == (WORK,)
    assert verdict.phones[0].listing == LISTING


def test_the_list_forbids_a_case_of_which_every_number_is_listed() -> None:
    list_ = DoNotCall({CELL.number: LISTING}, {8: LISTING})
    assert list_.forbids(case_of(CELL)) is True
    assert list_.forbids(case_of(CELL, Phone("Fax", "2125550103"))) is True
    assert list_.forbids(case_of(CELL, WORK)) is False
    assert list_.forbids(replace(case_of(), phones=())) is False
    assert list_.forbids(replace(case_of(WORK), case_id=8)) is True
    assert list_.listing_of(case_of(), Phone("Cell", "(212) 555-0101")) == LISTING
    assert list_.listing_of(case_of(), WORK) is None
    assert str(Listing(date(2026, 5, 6), "")) == "on the do-not-call list since 2026-05-06"


def test_a_number_in_another_open_claim_is_not_called_meanwhile() -> None:
    verdict = judge(firm_of(), case_of(), NOON, rules(in_use={CELL.number: 8}))
    assert failed(verdict) == {"in use": "0 of 1 phone is in no other open claim"}
    assert (verdict.next_at, verdict.phones[0].used_by) == (None, 8)
    assert judge(firm_of(), case_of(), NOON, rules(in_use={CELL.number: 7})).callable is True  # its own
    assert judge(firm_of(), case_of(WORK), NOON, rules(in_use={CELL.number: 8})).callable is True


def test_whoever_was_called_often_enough_is_called_when_the_limit_allows_it() -> None:
    called = Calls.of([Call(CELL.number, 8, NOON - 5 * MINUTE)])
    verdict = judge(firm_of(min_gap=900), case_of(), NOON, rules(calls=called))
    assert failed(verdict) == {"how often": "0 of 1 phone is below the limits on calls"}
    assert verdict.next_at == NOON + 10 * MINUTE
    assert judge(firm_of(min_gap=300), case_of(), NOON, rules(calls=called)).callable is True
    of_campaign = firm_of(limits=(Limit(1, DAY, "limit of the campaign"),))
    assert judge(of_campaign, case_of(), NOON, rules(calls=called)).next_at == NOON - 5 * MINUTE + DAY
    evening = datetime(2026, 11, 25, 1, 55, tzinfo=UTC)  # five minutes before the hours end
    lately = Calls.of([Call(CELL.number, 8, evening - MINUTE)])
    assert judge(firm_of(min_gap=900), case_of(), evening, rules(calls=lately)).next_at == MORNING


def test_the_limits_of_a_state_count() -> None:
    often = Calls.of([Call(CELL.number, 7, NOON - hours * HOUR) for hours in (1, 2, 3)])
    assert list(failed(judge(firm_of(), case_of(), NOON, rules(FLORIDA, calls=often)))) == ["how often"]
    assert judge(firm_of(), case_of(), NOON, rules(NEW_YORK, calls=often)).callable is True


def test_where_rules_apply_no_number_is_handed_out_twice() -> None:
    again = Phone("Home", "(212) 555-0101")
    assert judge(firm_of(), case_of(CELL, again, WORK), NOON, rules()).allowed == (CELL, WORK)
    assert judge(firm_of(Purpose.NONE), case_of(CELL, again), NOON, rules()).allowed == (CELL, again)


@pytest.mark.parametrize(
    ("firm", "case", "more"),
    [
        (firm_of(Purpose.NONE), case_of(), {}),
        (firm_of(paused=True), case_of(), {}),
        (firm_of(), case_of(), {"do_not_call": DoNotCall(cases={8: LISTING})}),
        (firm_of(), case_of(), {"do_not_call": DoNotCall(numbers={"2125550199": LISTING})}),
        (firm_of(abroad=True), case_of(CELL, Phone("Cell", "+442079460018")), {}),
    ],
)
def test_the_glance_leaves_to_the_judge_what_it_does_not_know(firm: Firm, case: Case, more: dict[str, Any]) -> None:
    assert outside_hours(firm, case, NIGHT, rules(**more)) is None


def test_the_glance_sees_a_case_that_is_out_of_its_hours() -> None:
    assert outside_hours(firm_of(), case_of(), NOON, rules()) is None
    found = outside_hours(firm_of(), case_of(CELL, Phone("Cell", "12345")), NIGHT, rules())
    assert found == Verdict(False, (), (), MORNING, Purpose.SOLICITATION, load().version)


@given(st.integers(0, 14 * 1440), st.sampled_from(("NY", "FL", "CA", "AL")), st.booleans())
def test_the_glance_and_the_judge_agree(minutes: int, state: str, two: bool) -> None:
    at = NOW + minutes * MINUTE
    zones = {"NY": EASTERN, "FL": EASTERN, "CA": "America/Los_Angeles", "AL": "America/Chicago"}
    there = rules(Place(frozenset({state}), frozenset({zones[state]})))
    case = case_of(CELL, *((WORK,) if two else ()))
    glance, verdict = outside_hours(firm_of(), case, at, there), judge(firm_of(), case, at, there)
    assert (glance is None) is verdict.callable
    assert glance is None or glance.next_at == verdict.next_at


def test_the_evidence_names_the_phones_that_let_a_case_through_and_no_number() -> None:
    called = Calls.of([Call(CELL.number, 8, NOON - HOUR)])
    listed = DoNotCall(numbers={WORK.number: LISTING})
    found = evidence(judge(firm_of(min_gap=900), case_of(WORK, CELL), NOON, rules(calls=called, do_not_call=listed)))
    assert found
    [phone] = found
    assert phone.items() >= {"order": "1", "phone": "Cell", "place": "NY|America/New_York"}.items()
    assert phone["purpose"] == "solicitation"
    assert phone["rules"] == load().version
    assert "Tue 12:00" in phone["hours"]
    assert phone["calls"] == "0 calls, at most 1 in 15m (minimum gap set by the firm)"
    assert CELL.number not in str(found)
    assert evidence(judge(firm_of(Purpose.NONE), case_of(), NOON, rules())) is None


def test_the_evidence_says_where_an_operator_placed_somebody_and_where_nobody_knows() -> None:
    placed = evidence(judge(firm_of(), case_of(), NOON, rules(replace(NEW_YORK, placed="a letter"))))
    assert placed
    assert placed[0]["placed"] == "a letter"
    nowhere = evidence(judge(firm_of(), case_of(), datetime(2026, 11, 24, 20, tzinfo=UTC), rules(UNKNOWN)))
    assert nowhere
    assert nowhere[0]["hours"] == "within the hours of every state"
    assert "placed" not in nowhere[0]


REASON = Reason("NY", EASTERN, datetime(2026, 11, 24, 12), Window(480, 1260), "Statute", "2026")


@pytest.mark.parametrize(
    ("differs", "is_open", "said"),
    [
        ({}, True, "NY, America/New_York: Tue 12:00 in 08:00-21:00 (Statute)"),
        ({}, False, "NY, America/New_York: Tue 12:00 hours 08:00-21:00 (Statute)"),
        ({"window": None}, False, "NY, America/New_York: Tue 12:00 hours none (Statute)"),
        ({"state": "", "source": ""}, True, "federal, America/New_York: Tue 12:00 in 08:00-21:00"),
        ({"why": "a holiday"}, False, "NY, America/New_York: Tue 12:00 hours 08:00-21:00 (Statute) a holiday"),
        ({"zone": "", "why": "no clock"}, False, "no clock"),
    ],
)
def test_a_reason_in_words(differs: Mapping[str, Any], is_open: bool, said: str) -> None:
    assert words(Hours(is_open, (replace(REASON, **differs),))) == [said]
