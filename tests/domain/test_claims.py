"""Leases: how long they are, what renews, ends and stops them, and which claims a change opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.actors import IMPORT
from casedial.domain.campaigns import Campaign
from casedial.domain.cases import Hold
from casedial.domain.claims import (
    Claim,
    Taker,
    answer,
    enter,
    has_run_out,
    lease_end,
    lease_seconds,
    opened,
    renew,
    says_dialed,
    sooner,
)
from casedial.domain.statuses import Role, StatusType
from tests.domain.firm import ACME, BELL, CLAIM, DAY, FIRM, HOUR, INTAKE, NOW, OTHER_CLAIM, a_case, disposition

LASTING = Hold(CLAIM, NOW + HOUR, NOW - DAY)
TAKER = Taker(OTHER_CLAIM, NOW)
seconds = st.integers(0, 30 * 86400)


@pytest.mark.parametrize(
    ("timeout", "asked", "expected"),
    [(3600, None, 3600), (3600, 60, 60), (3600, 7200, 3600), (0, None, 0), (0, 60, 60), (3600, 3600, 3600)],
)
def test_a_lease_is_what_was_asked_for_and_never_longer_than_the_timeout(
    timeout: int, asked: int | None, expected: int
) -> None:
    assert lease_seconds(replace(FIRM, claim_timeout=timeout), a_case(), asked) == expected


def test_a_campaigns_timeout_goes_before_the_firms() -> None:
    firm = replace(FIRM, claim_timeout=3600, campaigns={INTAKE.id: Campaign(claim_timeout=60)})
    case = a_case()
    assert lease_seconds(firm, case, None) == 3600
    assert lease_seconds(firm, replace(case, statuses={**case.statuses, StatusType.CAMPAIGN: INTAKE}), None) == 60


def test_a_lease_of_no_seconds_has_no_end() -> None:
    assert lease_end(NOW, 0) is None
    assert lease_end(NOW, 90) == NOW + timedelta(seconds=90)


@given(st.none() | st.integers(-86400, 86400), seconds)
def test_a_lease_that_is_renewed_never_gets_shorter(left: int | None, asked: int) -> None:
    hold = Hold(CLAIM, None if left is None else NOW + timedelta(seconds=left), NOW - DAY)
    renewed = renew(hold, NOW, asked)
    assert replace(renewed, until=hold.until) == hold  # nothing else becomes of it
    if asked == 0:
        assert renewed.until is None
    else:
        assert renewed.until == max(NOW + timedelta(seconds=asked), hold.until or NOW)


def test_the_lease_of_an_answered_case_never_ends() -> None:
    answered = replace(LASTING, answered_at=NOW - HOUR)
    assert renew(answered, NOW, 60) == replace(answered, until=None)


def test_who_is_dialed_stays_with_the_dialer() -> None:
    answered = answer(LASTING, NOW)
    assert answered == replace(LASTING, until=None, answered_at=NOW)
    assert answer(answered, NOW + HOUR) == answered  # it was the first answer that counts
    assert not has_run_out(answered, NOW + 1000 * DAY)


@pytest.mark.parametrize(("until", "over"), [(NOW - HOUR, True), (NOW, True), (NOW + HOUR, False), (None, False)])
def test_a_lease_is_over_at_its_end(until: datetime | None, over: bool) -> None:
    assert has_run_out(replace(LASTING, until=until), NOW) is over


@pytest.mark.parametrize(
    ("name", "dialed"),
    [("Busy", True), ("Successful", True), ("Never Dialed", False), ("Wrong Number", False)],
)
def test_what_says_that_somebody_was_dialed(name: str, dialed: bool) -> None:
    assert says_dialed(disposition(name)) is dialed
    assert says_dialed(None) is False


def test_a_case_that_enters_the_dialer_goes_back_to_the_time_it_had() -> None:
    assert enter(FIRM, a_case(), TAKER) == Hold(OTHER_CLAIM, NOW + DAY, NOW - DAY)
    assert enter(FIRM, a_case(), replace(TAKER, seconds=60)).until == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(("role", "redial_at"), [(Role.DO_NOT_DIAL, None), (None, None), (None, NOW)])
def test_a_case_that_was_not_to_dial_goes_back_where_it_is_told(role: Role | None, redial_at: datetime | None) -> None:
    assert enter(FIRM, a_case(role), TAKER, redial_at).redial_at == redial_at


def test_who_holds_a_case_renews_and_who_does_not_takes_it_with_its_time() -> None:
    case = a_case(Role.IN_THE_DIALER, hold=LASTING)
    assert enter(FIRM, case, replace(TAKER, holds=True)) == replace(LASTING, until=NOW + DAY)
    assert enter(FIRM, case, TAKER) == Hold(OTHER_CLAIM, NOW + DAY, LASTING.redial_at)
    answered = a_case(Role.IN_THE_DIALER, hold=answer(LASTING, NOW))
    assert enter(FIRM, answered, TAKER).answered_at is None


def test_a_claim_is_opened_by_the_first_hold_of_it() -> None:
    before, after = a_case(), a_case(Role.IN_THE_DIALER, hold=LASTING)
    assert opened(before, after, ACME, NOW, 60) == Claim(CLAIM, ACME, (7,), NOW, LASTING.until, seconds=60)
    assert opened(None, after, IMPORT, NOW) == Claim(CLAIM, IMPORT, (7,), NOW, LASTING.until)
    taken = replace(after, hold=replace(LASTING, claim_id=OTHER_CLAIM))
    assert (found := opened(after, taken, BELL, NOW))
    assert found.id == OTHER_CLAIM
    assert opened(after, replace(after, hold=renew(LASTING, NOW, 0)), ACME, NOW) is None
    assert opened(after, before, ACME, NOW) is None


def test_a_claim_knows_the_campaigns_of_its_cases() -> None:
    case = a_case(Role.IN_THE_DIALER, hold=LASTING)
    assert (found := opened(None, case, ACME, NOW))
    assert found.campaign_ids == {None}
    assert (found := opened(None, replace(case, statuses={StatusType.CAMPAIGN: INTAKE}), ACME, NOW))
    assert found.campaign_ids == {INTAKE.id}


def test_claims_are_looked_at_sooner_where_a_lease_ends_sooner() -> None:
    endless = replace(LASTING, until=None)

    def pair(before: Hold | None, after: Hold | None) -> tuple[object, object]:
        case = a_case(Role.IN_THE_DIALER)
        return replace(case, hold=before), replace(case, hold=after)

    def soon(*pairs: tuple[object, object]) -> object:
        return sooner(pairs)  # type: ignore[arg-type]

    later, other = replace(LASTING, until=NOW + 2 * HOUR), replace(LASTING, claim_id=OTHER_CLAIM)
    assert soon(pair(endless, LASTING)) == {CLAIM: NOW + HOUR}
    assert soon(pair(endless, LASTING), pair(endless, later)) == {CLAIM: NOW + HOUR}
    assert soon(pair(endless, later), pair(endless, LASTING)) == {CLAIM: NOW + HOUR}
    assert soon(pair(later, LASTING)) == {CLAIM: NOW + HOUR}
    for before, after in ((LASTING, later), (LASTING, LASTING), (LASTING, endless), (LASTING, None), (None, LASTING)):
        assert soon(pair(before, after)) == {}
    assert soon(pair(endless, other)) == {}  # another claim's from the start
