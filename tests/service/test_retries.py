"""Retry policies: what becomes of a case when a dialer reports a disposition and says no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casedial.domain.campaigns import Retry
from casedial.domain.dialing import CaseUpdate
from casedial.domain.errors import InvalidSetting
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role, StatusType
from casedial.service import dialing
from tests.conftest import Api, Office, vendor
from tests.service.test_calling import NEW_YORK, caller, decide
from tests.web.test_claims import update

NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)  # in New York
POLICY = {"No Answer": Retry(timedelta(hours=4), 2)}


async def report(office: Office, now: datetime, **said: Any) -> None:
    async with office.store.write() as tx:
        outcomes, _ = await dialing.update_case_status(tx, await caller(office), [CaseUpdate(1, **said)], now)
    assert outcomes == [None]


async def state(office: Office) -> tuple[Role | None, datetime | None, str | None]:
    case = await office.case(1)
    return case.role, case.dial_at, (await office.changes(1))[-1].reason


async def test_again_later_so_often_then_never(office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    for times, at in ((1, NOON), (2, NOON + timedelta(hours=5))):
        await report(office, at, disposition="no answer", attempts=str(times))
        assert await state(office) == (Role.TO_DIAL, at + timedelta(hours=4), f"retry policy: {times} of 2")
    await report(office, NOON + timedelta(hours=10), disposition="No Answer")
    assert (await state(office))[::2] == (Role.DO_NOT_DIAL, "retry policy: already tried again 2 times")


async def test_the_next_time_lies_within_the_calling_hours(office: Office) -> None:
    await decide(office, retries=POLICY, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    await report(office, NOON + timedelta(hours=6), disposition="No Answer")  # again at 22:00
    assert (await state(office))[1] == datetime(2026, 11, 25, 13, 0, tzinfo=UTC)  # 8:00


async def test_what_the_dialer_says_wins(office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    later = NOON + timedelta(days=9)
    await report(office, NOON, disposition="No Answer", next_call=later)
    assert await state(office) == (Role.TO_DIAL, later, None)
    await report(office, NOON, disposition="Busy")  # for which there is no policy
    assert (await state(office))[1] == later
    await report(office, NOON, disposition="No Answer", status="Do not Dial")
    assert (await state(office))[::2] == (Role.DO_NOT_DIAL, None)
    await report(office, NOON, disposition="No Answer")  # nobody is to dial it again
    assert await office.role(1) is Role.DO_NOT_DIAL


async def test_it_ends_the_claim_and_a_repeat_is_a_success(api: Api, office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    for _ in range(2):
        assert (await update(api, claim_id, CaseID=1, Disposition="No Answer")).status_code == 200
    assert (await state(office))[2] == "retry policy: 1 of 2"
    assert (await office.case(1)).hold is None
    assert (await api.post("ReleaseClaim", {"ClaimID": claim_id})).json()["Results"] == []


async def test_the_same_said_again_does_not_count_again(api: Api, office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    batch = {"Cases": [{"CaseID": 1, "Disposition": "No Answer"}] * 3}
    assert (await api.post("UpdateCaseStatus", batch)).json()["Succeeded"] == 3
    assert (await state(office))[::2] == (Role.TO_DIAL, None)  # it waits; the last row is the third disposition
    reasons = [change.reason for change in await office.changes(1) if change.reason]
    assert reasons == ["retry policy: 1 of 2"]


async def test_what_the_dialer_says_afterwards_wins(api: Api, office: Office) -> None:
    """A dialer that sends the disposition first and what comes next in a second request, under its claim."""
    await decide(office, retries=POLICY)
    for case_id in (1, 2):
        await office.add(case_id, **NEW_YORK)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    await update(api, claim_id, CaseID=1, Disposition="No Answer")
    reply = await update(api, claim_id, CaseID=1, Status="To Dial", NextCall="2030-01-07T10:00:00")
    assert reply.status_code == 200, reply.text
    assert (await state(office))[1] == datetime(2030, 1, 7, 16, 0, tzinfo=UTC)
    assert (await update(api, claim_id, CaseID=1, Status="Do not Dial")).status_code == 409  # now it is over


async def test_what_the_dialer_said_before_wins(api: Api, office: Office) -> None:
    """And one that sends them the other way round."""
    await decide(office, retries=POLICY)
    for case_id in (1, 2):
        await office.add(case_id, **NEW_YORK)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    await update(api, claim_id, CaseID=1, Status="To Dial", NextCall="2030-01-07T10:00:00")
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "No Answer"})
    assert (await state(office))[1] == datetime(2030, 1, 7, 16, 0, tzinfo=UTC)
    await update(api, claim_id, CaseID=2, Status="To Dial")  # at once
    await api.post("UpdateCaseStatus", {"CaseID": 2, "Disposition": "No Answer"})
    assert not any(change.reason for change in await office.changes(2))


async def test_only_who_holds_a_case_moves_it(office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK, dialer="In the Dialer")
    somebody = replace(await caller(office), actor=vendor("Another Dialer"))
    async with office.store.write() as tx:
        await dialing.update_case_status(tx, somebody, [CaseUpdate(1, disposition="No Answer")], NOON)
    assert await office.role(1) is Role.IN_THE_DIALER
    await report(office, NOON, disposition="No Answer")
    assert await office.role(1) is Role.TO_DIAL


async def test_what_others_did_does_not_count(office: Office) -> None:
    """Rows of an import, of another campaign, and of before the case was given up."""
    await decide(office, retries={"No Answer": Retry(timedelta(hours=4), 1)})
    await office.add(1, **NEW_YORK, disposition="No Answer")
    at = NOON
    for status, tried in (("To Dial", "1 of 1"), ("Do not Dial", "already tried again 1 time"), ("To Dial", "1 of 1")):
        await report(office, at, disposition="No Answer")
        assert await state(office) == (await office.role(1), (await office.case(1)).dial_at, f"retry policy: {tried}")
        assert (await office.case(1)).statuses[StatusType.DIALER].name == status
        at += timedelta(hours=5)
        if status == "Do not Dial":
            await report(office, at, status="To Dial")
            at += timedelta(minutes=1)


async def test_a_policy_has_bounds(office: Office) -> None:
    for after in (timedelta(0), timedelta(days=400)):
        with pytest.raises(InvalidSetting):
            await decide(office, retries={"No Answer": Retry(after, 1)})


async def test_a_policy_can_be_taken_off(office: Office) -> None:
    await decide(office, retries=POLICY)
    await decide(office, retries={"NO ANSWER": None})
    await office.add(1, **NEW_YORK)
    before = (await office.case(1)).dial_at
    await report(office, NOON, disposition="No Answer")
    assert (await state(office))[1] == before
