"""What X-Claim-Expires says is what happens: whatever gives a lease an end has its claim looked at in time."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.clock import MovableClock
from casedial.database.tables import cases
from casedial.domain.statuses import Role, StatusType
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from casedial.web.upkeep import Upkeep
from tests.conftest import Api, Office

CAMPAIGN = "Intake follow-up"
PAST_ALL = timedelta(days=400)


async def claim(api: Api, records: int = 1) -> str:
    reply = await api.post("GetCasesToDial", {"Auto-change": True, "Records": records})
    return str(reply.headers["x-claim-id"])


def let_time_pass(office: Office, span: timedelta) -> None:
    """Let time pass, by the clock that all of a test has."""
    assert isinstance(office.store.machine, MovableClock)
    office.store.machine.move(span)


async def overdue(office: Office) -> list[int]:
    """Cases whose time is over and that were not returned."""
    async with office.store.read() as tx:
        query = sa.select(cases.c.case_id).where(
            cases.c.dialer_role == int(Role.IN_THE_DIALER), cases.c.held_until <= tx.now()
        )
        return list((await tx.execute(query)).scalars())


def expires_in(office: Office, reply: Any) -> timedelta:
    """In how much time a claim is over; the header has milliseconds."""
    return datetime.fromisoformat(reply.headers["x-claim-expires"]) - office.store.now() + timedelta(milliseconds=1)


async def test_a_claim_without_an_end_that_was_extended_runs_out(api: Api, office: Office) -> None:
    await office.set(claim_timeout=0)
    await office.add(1)
    claim_id = await claim(api)
    reply = await api.post("ExtendClaim", {"ClaimID": claim_id, "Seconds": 60})
    let_time_pass(office, expires_in(office, reply))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.TO_DIAL


async def test_an_end_before_those_of_the_other_cases_counts(api: Api, office: Office) -> None:
    """Case 2 is in a campaign whose claims never run out; case 1 has an hour."""
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await set_campaign(tx, firm, "Notification campaign", CampaignChange(claim_timeout=0))
    await office.add(1)
    await office.add(2, campaign="Notification campaign")
    claim_id = await claim(api, records=2)
    reply = await api.post("ExtendClaim", {"ClaimID": claim_id, "CaseID": [2], "Seconds": 60})
    let_time_pass(office, expires_in(office, reply))
    await Upkeep(office.store).look()
    assert [await office.role(n) for n in (1, 2)] == [Role.IN_THE_DIALER, Role.TO_DIAL]
    let_time_pass(office, timedelta(hours=24))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.TO_DIAL


@pytest.mark.parametrize("whose", ["firm", "campaign"])
async def test_a_heartbeat_after_a_timeout_was_set(api: Api, office: Office, whose: str) -> None:
    await office.set(claim_timeout=0)
    await office.add(1)
    await claim(api)
    if whose == "firm":
        await office.set(claim_timeout=60)
    else:
        async with office.store.write() as tx:
            firm = await open_firm(tx, office.name, lock=True)
            await set_campaign(tx, firm, CAMPAIGN, CampaignChange(claim_timeout=60))
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer"})
    let_time_pass(office, timedelta(seconds=61))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.TO_DIAL


async def test_a_look_that_came_between_forgets_nothing(api: Api, office: Office) -> None:
    """It finds that no lease may end, and says so on the claim."""
    await office.add(1)
    claim_id = await claim(api)
    await office.set(claim_timeout=0)
    await api.post("ExtendClaim", {"ClaimID": claim_id})  # which takes the end away
    let_time_pass(office, timedelta(days=2))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.IN_THE_DIALER
    await api.post("ExtendClaim", {"ClaimID": claim_id, "Seconds": 60})
    let_time_pass(office, timedelta(seconds=61))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.TO_DIAL


async def claim_some(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    reply = await api.post("GetCasesToDial", {"Auto-change": True, "Records": chance.randint(1, 4)})
    claim_ids += [reply.headers["x-claim-id"]] if reply.json() else []


async def extend(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    seconds = chance.choice([{}, {"Seconds": chance.randint(1, 300)}])
    meant = chance.choice([{}, {"CaseID": some(chance)}])
    await api.post("ExtendClaim", {"ClaimID": chance.choice(claim_ids), **seconds, **meant})


async def beat(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    await api.post("UpdateCaseStatus", {"Cases": [{"CaseID": n, "Status": "In the Dialer"} for n in some(chance)]})


async def report(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    item = {"CaseID": some(chance)[0], "Disposition": chance.choice(["Busy", "Never Dialed"])}
    await api.post("UpdateCaseStatus", item)


async def release(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    await api.post("ReleaseClaim", {"ClaimID": chance.choice(claim_ids), "CaseID": some(chance)})


async def decide(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    await office.set(claim_timeout=chance.choice([0, 0, 30, 600]))
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        own = CampaignChange(claim_timeout=chance.choice([-1, 0, 45, 900]))
        await set_campaign(tx, firm, "Notification campaign", own)


async def wait(api: Api, office: Office, chance: random.Random, claim_ids: list[str]) -> None:
    clock = office.store.machine
    assert isinstance(clock, MovableClock)
    let_time_pass(office, timedelta(seconds=chance.randint(1, 400)))
    clock.freeze()  # or one is over a moment later
    await Upkeep(office.store).look()
    assert await overdue(office) == []
    clock.run()


def some(chance: random.Random) -> list[int]:
    return chance.sample(range(1, 9), chance.randint(1, 3))


@pytest.mark.parametrize("seed", range(4))
async def test_every_lease_that_is_over_is_returned(api: Api, office: Office, seed: int) -> None:
    """Whatever was done before: claims, extensions, heartbeats, answers, releases, timeouts, time."""
    chance = random.Random(seed)
    for case_id in range(1, 9):
        await office.add(case_id, campaign=chance.choice([CAMPAIGN, "Notification campaign"]))
    claim_ids: list[str] = []
    await claim_some(api, office, chance, claim_ids)
    for _ in range(40):
        await chance.choice([claim_some, extend, extend, beat, report, release, decide, wait])(
            api, office, chance, claim_ids
        )
    let_time_pass(office, PAST_ALL)
    await Upkeep(office.store).look()
    assert await overdue(office) == []


async def test_a_heartbeat_is_no_history(api: Api, office: Office) -> None:
    await office.add(1)
    claim_id = await claim(api)
    before = await office.changes(1)
    beat = {"Cases": [{"CaseID": 1, "Status": "In the Dialer"}] * 50}
    for headers in ({}, {"X-Claim-Id": claim_id}):
        assert (await api.post("UpdateCaseStatus", beat, headers=headers)).json()["Succeeded"] == 50
    assert await office.changes(1) == before
    case = await office.case(1)
    assert case.dial_at
    assert case.dial_at > before[-1].changed_at  # its own time is that of the last heartbeat
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer", "Disposition": "Busy"})
    assert [row.type for row in (await office.changes(1))[len(before) :]] == [StatusType.DISPOSITION]
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"}, headers={"X-Claim-Id": claim_id})
    assert [row.type for row in (await office.changes(1))[len(before) + 1 :]] == [StatusType.DIALER]
