"""X-Claim-Seconds: a claim asks for a lease of so many seconds, and its heartbeats keep to it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from casedial.database.engine import Store
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from tests.conftest import ALWAYS, Api, Office, assert_problem
from tests.service.test_calling import NEW_YORK
from tests.web.test_claims import claim, expires, let_pass, look, update

DAY = 24 * 60 * 60
STALL = 30


def asking(seconds: object, **more: str) -> dict[str, str]:
    return {"X-Claim-Seconds": str(seconds), **more}


async def ask(api: Api, seconds: object, records: int = 10, **more: Any) -> httpx.Response:
    return await api.post("GetCasesToDial", {"Records": records, "Auto-change": True, **more}, asking(seconds))


def is_about(left: float, seconds: float) -> bool:
    """Whether so much is left of a lease that began a moment ago, or before the machine stalled."""
    return seconds - STALL < left <= seconds


def lasts(reply: httpx.Response, seconds: float, now: datetime | None = None) -> bool:
    """Whether the lease that a reply promises is about so long."""
    return is_about((expires(reply) - (now or datetime.now(UTC))).total_seconds(), seconds)


async def held_for(office: Office, case_id: int) -> float:
    hold = (await office.case(case_id)).hold
    assert hold
    assert hold.until
    return (hold.until - office.store.now()).total_seconds()


async def test_a_claim_asks_for_a_lease(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    reply = await ask(api, 60)
    assert lasts(reply, 60)
    assert is_about(await held_for(office, 1), 60)
    made = await office.claim(UUID(reply.headers["x-claim-id"]))
    assert (made.seconds, made.case_ids) == (60, (1,))
    let_pass(store, 61)
    assert await look(store) == 1
    assert await office.role(1) is Role.TO_DIAL


async def test_it_gets_at_most_what_firm_and_campaign_allow(api: Api, office: Office, store: Store) -> None:
    """Each case of a claim by its own campaign; the header says the first end."""
    await office.set(claim_timeout=600)
    await office.add(1)
    await office.add(2, campaign="Notification campaign")
    await office.add(3, campaign=None)
    async with store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await set_campaign(tx, firm, "Notification campaign", CampaignChange(30))
    reply = await ask(api, 3600)
    assert lasts(reply, 30)
    for number, seconds in ((1, 600), (2, 30), (3, 600)):
        assert is_about(await held_for(office, number), seconds)


async def test_a_firm_whose_claims_never_end_gives_what_is_asked_for(api: Api, office: Office) -> None:
    await office.set(claim_timeout=0)
    await office.add(1)
    await office.add(2)
    assert lasts(await ask(api, 7 * DAY, 1), 7 * DAY)
    assert "x-claim-expires" not in (await claim(api, 1)).headers


async def test_claims_that_are_joined_keep_their_own(api: Api, office: Office) -> None:
    for number in range(1, 9):
        await office.add(number)
    await api.get("GetCaseInfo", CaseID=1)
    replies = await asyncio.gather(*(ask(api, seconds, 1) for seconds in (100, 200, 300, 400)), claim(api, 1))
    for reply, seconds in zip(replies, (100, 200, 300, 400, DAY), strict=True):
        assert lasts(reply, seconds)


@pytest.mark.usefixtures("same_day")
async def test_claims_under_calling_rules_have_it_too(api: Api, office: Office, store: Store) -> None:
    await office.add(1, **NEW_YORK)
    async with store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await set_campaign(tx, firm, "Intake follow-up", CampaignChange(purpose=Purpose.CLIENT, hours=[ALWAYS]))
    reply = await ask(api, 60)
    assert [case["CaseID"] for case in reply.json()] == [1]
    assert lasts(reply, 60)


async def test_a_heartbeat_keeps_to_it(api: Api, office: Office, store: Store) -> None:
    """Setting In the Dialer again, and ExtendClaim without Seconds, begin the same lease anew."""
    await office.add(1)
    claim_id = (await ask(api, 60)).headers["x-claim-id"]
    let_pass(store, 40)
    await update(api, CaseID=1, Status="In the Dialer")
    assert is_about(await held_for(office, 1), 60)
    let_pass(store, 40)
    assert lasts(await api.post("ExtendClaim", {"ClaimID": claim_id}), 60, store.now())
    assert lasts(await api.post("ExtendClaim", {"ClaimID": claim_id, "Seconds": 300}), 300, store.now())
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer"}, asking(900))
    assert is_about(await held_for(office, 1), 900)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer"}, asking(10))
    assert is_about(await held_for(office, 1), 900)  # it never gets shorter


async def test_an_update_into_the_dialer_asks_for_it_too(api: Api, office: Office) -> None:
    await office.add(1)
    reply = await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer"}, asking(60))
    assert lasts(reply, 60)
    assert (await office.claim(UUID(reply.headers["x-claim-id"]))).seconds == 60


async def test_a_repeat_that_asks_for_another_lease_is_another_request(api: Api, office: Office) -> None:
    await office.add(1)
    body, key = {"Auto-change": True}, {"Idempotency-Key": "one"}
    first = await api.post("GetCasesToDial", body, asking(60, **key))
    again = await api.post("GetCasesToDial", body, asking(" 60 ", **key))
    assert (again.content, again.headers["x-claim-expires"]) == (first.content, first.headers["x-claim-expires"])
    for headers in (asking(61, **key), key):
        assert_problem(await api.post("GetCasesToDial", body, headers), 422, "IdempotencyKeyReused")


@pytest.mark.parametrize("seconds", ["9", "0", "-1", "604801", "1.5", "soon", "1e3", "9" * 30, "١٢"])
async def test_what_is_no_lease(api: Api, office: Office, seconds: str) -> None:
    await office.add(1)
    header = {"X-Claim-Seconds": seconds.encode()}
    for method, body in (("GetCasesToDial", {"Auto-change": True}), ("UpdateCaseStatus", {"CaseID": 1})):
        reply = await api.post(method, body, header)  # type: ignore[arg-type]
        assert_problem(reply, 400, "InvalidParameter", "header/X-Claim-Seconds")
    twice = [("X-ApiKey", api.key), ("X-Claim-Seconds", "60"), ("X-Claim-Seconds", "70")]
    reply = await api.http.post(f"{api.base}/GetCasesToDial", json={"Auto-change": True}, headers=twice)
    assert_problem(reply, 400, "ConflictingParameter", "header/X-Claim-Seconds")
    assert await office.role(1) is Role.TO_DIAL


async def test_another_vendors_claim_is_extended_by_nobody(api: Api, office: Office, other_office: Office) -> None:
    """Nor is another firm's; and the lease of one says nothing about that of another."""
    await office.add(1)
    await other_office.add(1)
    claim_id = (await ask(api, 60)).headers["x-claim-id"]
    stranger = Api(api.http, other_office.key)
    assert_problem(await stranger.post("ExtendClaim", {"ClaimID": claim_id}), 409, "ClaimLost")
    assert timedelta(hours=23) < expires(await claim(stranger)) - datetime.now(UTC)
    assert await held_for(office, 1) <= 60


# Done is not lost


@pytest.mark.parametrize("method", ["ExtendClaim", "ReleaseClaim"])
async def test_a_claim_that_was_worked_off_is_done(method: str, api: Api, office: Office) -> None:
    for number in (1, 2):
        await office.add(number)
    claim_id = (await claim(api)).headers["x-claim-id"]
    await update(api, claim_id, CaseID=1, Status="Do not Dial", Disposition="Successful")
    await api.post("ReleaseClaim", {"ClaimID": claim_id, "CaseID": 2})
    done = await api.post(method, {"ClaimID": claim_id})
    assert (done.status_code, done.json()) == (200, {"Succeeded": 0, "Failed": 0, "Results": []})
    assert "x-claim-expires" not in done.headers
    await claim(api)  # that the released case was claimed since does not matter
    assert (await api.post(method, {"ClaimID": claim_id})).json() == done.json()


@pytest.mark.parametrize("method", ["ExtendClaim", "ReleaseClaim"])
async def test_a_claim_of_which_nothing_was_reported_is_lost(
    method: str, api: Api, office: Office, store: Store
) -> None:
    await office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    let_pass(store, DAY + 1)
    await look(store)
    assert_problem(await api.post(method, {"ClaimID": claim_id}), 409, "ClaimLost")


async def test_a_claim_of_which_a_case_ran_out_cannot_be_extended(api: Api, office: Office, store: Store) -> None:
    for number in (1, 2):
        await office.add(number)
    claim_id = (await claim(api)).headers["x-claim-id"]
    await update(api, claim_id, CaseID=1, Status="Do not Dial")
    let_pass(store, DAY + 1)
    await look(store)
    assert_problem(await api.post("ExtendClaim", {"ClaimID": claim_id}), 409, "ClaimLost")
