"""What comes next after a disposition without Status and NextCall: a retry, Do not Dial, or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.actors import CASEDIAL, POLICY, Actor, operator
from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.cases import Case, Hold, StatusChange
from casedial.domain.dialing import CaseUpdate
from casedial.domain.firms import Firm
from casedial.domain.reasons import RAN_OUT, RELEASED, Why, over, retry
from casedial.domain.retries import Report, is_policys, moved_by_policy, what_next
from casedial.domain.statuses import Role, Status, StatusType
from tests.domain.firm import (
    ACME,
    BELL,
    CLAIM,
    DAY,
    FIRM,
    HOUR,
    INTAKE,
    MINUTE,
    NOW,
    OTHER_CLAIM,
    a_case,
    changed,
    dialer,
    disposition,
)

BUSY, NO_ANSWER = disposition("Busy"), disposition("No Answer")
THRICE = Retry(2 * HOUR, at_most=3)
RETRYING = replace(FIRM, campaigns={INTAKE.id: Campaign(retries={BUSY.id: THRICE})})
IN_DIALER = changed(StatusType.DIALER, dialer(Role.IN_THE_DIALER), NOW - HOUR, claim_id=CLAIM)
HOLD = Hold(CLAIM, NOW + DAY, NOW - DAY)
BUSY_SAID = CaseUpdate(7, disposition="Busy")


def reported(
    what: Status = BUSY, role: Role = Role.IN_THE_DIALER, holds: bool = True, *before: StatusChange, **fields: object
) -> Report:
    """A case of Intake of which a disposition was just reported, after what came before (by default its claim)."""
    hold = HOLD if role is Role.IN_THE_DIALER else None
    fields.setdefault("dial_at", NOW - DAY)
    case = a_case(role, hold=hold, changed_at=NOW, **fields)
    statuses = {**case.statuses, StatusType.CAMPAIGN: INTAKE, StatusType.DISPOSITION: what}
    history = [*(before or (IN_DIALER,)), changed(StatusType.DISPOSITION, what, NOW, claim_id=CLAIM)]
    return Report(replace(case, statuses=statuses), history, ACME, holds)


def at_once(case: Case, at: datetime) -> datetime:
    return at


def after(report: Report, item: CaseUpdate = BUSY_SAID, firm: Firm = RETRYING) -> tuple[Case, StatusChange] | None:
    """What becomes of the case: as it is then, and the one row of history about it."""
    found = what_next(firm, report, item, NOW, at_once)
    if found is None:
        return None
    case, [row] = found
    return case, row


def retried(number: int, of: int = 3, at: datetime = NOW - 4 * HOUR) -> list[StatusChange]:
    """The history of a retry that was made: the disposition, and To Dial by the policy."""
    to_dial = changed(StatusType.DIALER, dialer(Role.TO_DIAL), at, POLICY, why=retry(number, of))
    return [changed(StatusType.DISPOSITION, BUSY, at), to_dial]


def test_a_case_is_dialed_again_after_its_time() -> None:
    found = after(reported())
    assert found
    case, row = found
    assert (case.role, case.dial_at, case.hold) == (Role.TO_DIAL, NOW + 2 * HOUR, None)
    assert (row.type, row.dial_at, row.changed_by) == (StatusType.DIALER, NOW + 2 * HOUR, POLICY.name)
    assert row.reason == "retry policy: 1 of 3"


def test_a_retry_waits_for_the_calling_hours_of_the_case_as_it_will_be() -> None:
    asked: list[tuple[Role | None, datetime]] = []

    def tomorrow(case: Case, at: datetime) -> datetime:
        asked.append((case.role, at))
        return at + DAY

    found = what_next(RETRYING, reported(), BUSY_SAID, NOW, tomorrow)
    assert found
    assert found[0].dial_at == found[1][0].dial_at == NOW + 2 * HOUR + DAY
    assert asked == [(Role.TO_DIAL, NOW + 2 * HOUR)]


@pytest.mark.parametrize(
    "item",
    [
        CaseUpdate(7),
        CaseUpdate(7, disposition="Busy", status="Do not Dial"),
        CaseUpdate(7, disposition="Busy", next_call=NOW + DAY),
        CaseUpdate(7, attempts="1"),
    ],
    ids=["nothing", "a status", "a next call", "attempts only"],
)
def test_a_dialer_that_says_more_or_no_disposition_is_left_alone(item: CaseUpdate) -> None:
    assert after(reported(), item) is None


def test_without_a_policy_for_it_nothing_comes_of_a_disposition() -> None:
    assert after(reported(NO_ANSWER), CaseUpdate(7, disposition="No Answer")) is None
    assert after(reported(), firm=FIRM) is None
    other = replace(FIRM, campaigns={INTAKE.id + 2: Campaign(retries={BUSY.id: THRICE})})
    assert after(reported(), firm=other) is None


@pytest.mark.parametrize("name", ["Wrong Number", "Stop"])
@pytest.mark.parametrize("has_policy", [False, True])
def test_a_final_disposition_and_one_that_opts_out_end_it(name: str, has_policy: bool) -> None:
    what = disposition(name)
    retries = {what.id: THRICE} if has_policy else {}
    firm = replace(FIRM, campaigns={INTAKE.id: Campaign(retries=retries)})
    found = after(reported(what), CaseUpdate(7, disposition=name), firm)
    assert found
    assert (found[0].role, found[0].hold) == (Role.DO_NOT_DIAL, None)
    assert found[1].reason == f"nothing is left to dial for: {name}"


def test_what_was_tried_often_enough_is_given_up() -> None:
    def then(*history: StatusChange) -> tuple[Role | None, str | None]:
        found = after(reported(BUSY, Role.IN_THE_DIALER, True, *history, IN_DIALER))
        assert found
        return found[0].role, found[1].reason

    assert then(*retried(1)) == (Role.TO_DIAL, "retry policy: 2 of 3")
    assert then(*retried(2)) == (Role.TO_DIAL, "retry policy: 3 of 3")
    assert then(*retried(3)) == (Role.DO_NOT_DIAL, "retry policy: already tried again 3 times")
    assert then(*retried(5, of=9)) == (Role.DO_NOT_DIAL, "retry policy: already tried again 5 times")


@pytest.mark.parametrize(
    ("between", "number"),
    [
        ([], 3),
        ([changed(StatusType.CAMPAIGN, INTAKE, NOW - 3 * HOUR)], 1),
        ([changed(StatusType.CAMPAIGN, None, NOW - 3 * HOUR)], 1),
        ([changed(StatusType.DIALER, dialer(Role.DO_NOT_DIAL), NOW - 3 * HOUR)], 1),
        ([changed(StatusType.DIALER, dialer(Role.TO_DIAL), NOW - 3 * HOUR)], 3),
        ([changed(StatusType.DIALER, None, NOW - 3 * HOUR)], 3),
        ([changed(StatusType.DISPOSITION, NO_ANSWER, NOW - 3 * HOUR)], 3),
        ([changed(StatusType.ATTEMPTS, None, NOW - 3 * HOUR)], 3),
    ],
)
def test_the_count_begins_anew_with_a_campaign_or_where_the_case_was_given_up(
    between: list[StatusChange], number: int
) -> None:
    found = after(reported(BUSY, Role.IN_THE_DIALER, True, *retried(2), *between, IN_DIALER))
    assert found
    assert found[1].reason == f"retry policy: {number} of 3"


def test_each_disposition_is_counted_for_itself() -> None:
    of_another = [changed(StatusType.DISPOSITION, NO_ANSWER, NOW - 3 * HOUR), retried(3)[1]]
    found = after(reported(BUSY, Role.IN_THE_DIALER, True, *retried(1, at=NOW - DAY), *of_another, IN_DIALER))
    assert found
    assert found[1].reason == "retry policy: 2 of 3"


@given(st.lists(st.sampled_from(("busy", "no answer", "given up", "campaign")), max_size=8))
def test_no_case_is_tried_again_more_often_than_its_policy_says(steps: list[str]) -> None:
    history: list[StatusChange] = []
    tried = 0
    at = NOW - 30 * DAY
    for step in steps:
        at += HOUR
        if step == "busy":
            report = reported(BUSY, Role.IN_THE_DIALER, True, *history, IN_DIALER)
            found = after(report)
            assert found
            history += [changed(StatusType.DISPOSITION, BUSY, at), found[1]._replace(changed_at=at)]
            tried = tried + 1 if found[0].role is Role.TO_DIAL else 0
            assert tried <= THRICE.at_most
        elif step == "no answer":
            history.append(changed(StatusType.DISPOSITION, NO_ANSWER, at))
        elif step == "given up":
            history.append(changed(StatusType.DIALER, dialer(Role.DO_NOT_DIAL), at))
            tried = 0
        else:
            history.append(changed(StatusType.CAMPAIGN, INTAKE, at))
            tried = 0


def test_a_case_that_somebody_else_holds_is_theirs() -> None:
    assert reported(holds=True).leaves_open() is True
    assert reported(holds=False).leaves_open() is False


def test_a_case_that_waits_or_is_not_to_be_dialed_is_left_alone() -> None:
    put = changed(StatusType.DIALER, dialer(Role.TO_DIAL), NOW - DAY, operator("lex"), dial_at=NOW - DAY)
    assert reported(BUSY, Role.TO_DIAL, False, put, dial_at=NOW + HOUR).leaves_open() is False
    assert reported(BUSY, Role.TO_DIAL, False, put, dial_at=NOW).leaves_open() is True
    assert reported(BUSY, Role.TO_DIAL, False, put, dial_at=None).leaves_open() is False
    assert reported(BUSY, Role.DO_NOT_DIAL, False, put).leaves_open() is False


@pytest.mark.parametrize(
    ("differs", "open_"),
    [
        ({}, False),
        ({"by": BELL}, True),
        ({"claim_id": None}, True),
        ({"why": RELEASED}, True),
        ({"dial_at": NOW + HOUR}, True),
        ({"dial_at": None}, True),
        ({"at": NOW - 5 * MINUTE}, True),
        ({"at": NOW - 5 * MINUTE + timedelta(seconds=1)}, False),
    ],
    ids=str,
)
def test_a_dialer_that_just_said_to_dial_at_once_has_said_what_comes_next(
    differs: dict[str, object], open_: bool
) -> None:
    said: dict[str, object] = {"at": NOW - MINUTE, "by": ACME, "claim_id": CLAIM, **differs}
    said.setdefault("dial_at", said["at"])
    put = changed(StatusType.DIALER, dialer(Role.TO_DIAL), **said)  # type: ignore[arg-type]
    assert reported(BUSY, Role.TO_DIAL, False, put).leaves_open() is open_


def test_another_disposition_corrects_what_a_policy_did_and_the_same_one_does_not() -> None:
    waits = {"dial_at": NOW + HOUR}
    assert reported(BUSY, Role.TO_DIAL, False, *retried(1), **waits).leaves_open() is False
    assert reported(NO_ANSWER, Role.TO_DIAL, False, *retried(1), **waits).leaves_open() is True
    without = retried(1)[1:]  # whose disposition was purged
    assert reported(BUSY, Role.TO_DIAL, False, *without, **waits).leaves_open() is True


@pytest.mark.parametrize(
    ("by", "why", "policys"),
    [
        (POLICY, retry(1, 3), True),
        (POLICY, over("Stop"), True),
        (CASEDIAL, RAN_OUT, False),
        (CASEDIAL, None, False),
        (ACME, retry(1, 3), False),
    ],
)
def test_what_a_policy_did_is_known_by_who_and_why(by: Actor, why: Why | None, policys: bool) -> None:
    row = changed(StatusType.DIALER, dialer(Role.TO_DIAL), NOW, by, why=why, claim_id=CLAIM)
    assert is_policys(row) is policys
    assert moved_by_policy([IN_DIALER, row]) is policys
    assert moved_by_policy([IN_DIALER, row], CLAIM) is policys
    assert moved_by_policy([IN_DIALER, row], OTHER_CLAIM) is False
    assert moved_by_policy([row, IN_DIALER]) is False
    assert moved_by_policy([]) is False
