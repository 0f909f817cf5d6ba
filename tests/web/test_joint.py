"""Small claims that come at the same time are done together, and nobody can tell from what they get."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from casedial import joining
from casedial.database.engine import Store
from casedial.database.tables import HELD_BACK_ROLE, cases, claims
from casedial.domain.cases import Phone
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role
from casedial.service import dialing
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key
from casedial.service.operations import commands
from casedial.storage import idempotency
from casedial.storage.idempotency import Once
from casedial.web import api as web
from tests.conftest import ALWAYS, NOW, Api, Office, assert_problem
from tests.service.test_calling import NEW_YORK, decide
from tests.statements import listening
from tests.waiting import PATIENCE, until


def claims_of(asked: list[str]) -> int:
    """Count the transactions that claimed: in each, claims are recorded once."""
    return sum("INSERT INTO claims" in statement for statement in asked)


async def claim_at_once(api: Api, *records: int, keys: bool = False, **more: Any) -> list[httpx.Response]:
    headers = [{"Idempotency-Key": f"key-{number}"} if keys else None for number in range(len(records))]
    body = {"Auto-change": True, **more}
    return await asyncio.gather(
        *(
            api.post("GetCasesToDial", {"Records": some, **body}, header)
            for some, header in zip(records, headers, strict=True)
        )
    )


def ids(reply: httpx.Response) -> list[int]:
    assert reply.status_code == 200, reply.text
    return [case["CaseID"] for case in reply.json()]


@pytest.mark.parametrize("keys", [False, True])
async def test_each_gets_its_own(api: Api, office: Office, store: Store, keys: bool) -> None:
    for case_id in range(1, 41):
        await office.add(case_id)
    with listening() as asked:
        replies = await claim_at_once(api, *range(1, 9), keys=keys)  # 36 cases
    assert claims_of(asked) < 8, "they were not done together"
    assert [len(ids(reply)) for reply in replies] == list(range(1, 9))
    assert sorted(case_id for reply in replies for case_id in ids(reply)) == list(range(1, 37))
    async with store.read() as tx:
        rows = {str(row.id): row for row in await tx.execute(claims.select())}
    for reply in replies:
        assert rows[reply.headers["X-Claim-Id"]].case_ids == ids(reply)
        for case_id in ids(reply):
            held = (await office.case(case_id)).hold
            assert held
            assert str(held.claim_id) == reply.headers["X-Claim-Id"]
    again = await claim_at_once(api, *range(1, 9), keys=keys)
    if keys:
        assert [reply.content for reply in again] == [reply.content for reply in replies]
        assert [reply.headers["X-Claim-Id"] for reply in again] == [reply.headers["X-Claim-Id"] for reply in replies]
    else:
        assert sum(len(ids(reply)) for reply in again) == 4


async def test_a_repeat_among_others_is_a_repeat(api: Api, office: Office) -> None:
    for case_id in range(1, 21):
        await office.add(case_id)
    [first] = await claim_at_once(api, 2, keys=True)
    repeat, reused, other = await asyncio.gather(
        api.post("GetCasesToDial", {"Records": 2, "Auto-change": True}, {"Idempotency-Key": "key-0"}),
        api.post("GetCasesToDial", {"Records": 3, "Auto-change": True}, {"Idempotency-Key": "key-0"}),
        api.post("GetCasesToDial", {"Records": 2, "Auto-change": True}, {"Idempotency-Key": "another"}),
    )
    assert repeat.content == first.content
    assert_problem(reused, 422, "IdempotencyKeyReused")
    assert ids(other) == [3, 4]


@pytest.mark.parametrize("database", ["postgresql"])
async def test_who_waits_for_another_server_holds_up_nobody(
    api: Api, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first request with one of their keys goes on elsewhere: the others are done without it."""
    monkeypatch.setattr(commands, "PATIENCE", 2 * PATIENCE)
    for case_id in range(1, 21):
        await office.add(case_id)
    await api.get("GetCaseInfo", CaseID=1)
    async with store.write() as tx:
        caller = (await tx.execute(sa.text("SELECT min(id) FROM keys"))).scalar_one()
        once = Once(caller, idempotency.digest("key-1"), b"f")
        await idempotency.begin(tx, once, datetime.now(UTC), 1)
        claiming = asyncio.create_task(claim_at_once(api, 1, 2, 1, keys=True))
        plain = await asyncio.wait_for(claim_at_once(api, 1, 1), PATIENCE)
        assert [len(ids(reply)) for reply in plain] == [1, 1]
        await asyncio.sleep(0.3)
        assert not claiming.done()
        await idempotency.forget(tx, once)
    replies = await asyncio.wait_for(claiming, PATIENCE)
    assert [len(ids(reply)) for reply in replies] == [1, 2, 1]


async def test_campaigns_at_once(api: Api, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each queue keeps its order; an unknown campaign has none."""
    monkeypatch.setattr(joining, "LOOK_SECONDS", PATIENCE)  # or a batch may begin beside one that takes long
    for case_id in range(1, 7):
        await office.add(case_id, campaign="Intake follow-up" if case_id % 2 else "Notification campaign")
    await api.get("GetCaseInfo", CaseID=1)  # which reads the firm: so that they come in this order
    claims_of = [("Intake follow-up", 2), ("Notification campaign", 1), ("Intake follow-up", 2), ("No such one", 2)]
    replies = await asyncio.gather(
        *(
            api.post("GetCasesToDial", {"Records": records, "Campaign": campaign, "Auto-change": True})
            for campaign, records in claims_of
        )
    )
    assert [ids(reply) for reply in replies] == [[1, 3], [2], [5], []]


async def test_a_group_in_two_spellings_is_one_queue(api: Api, office: Office) -> None:
    for case_id in range(1, 9):
        await office.add(case_id, case_group="Straße" if case_id % 2 else "Auto")
    groups = ("Auto", "AUTO", "straße", "STRASSE", "auto")
    replies = await asyncio.gather(
        *(api.post("GetCasesToDial", {"Records": 1, "CaseGroup": group, "Auto-change": True}) for group in groups)
    )
    got = [ids(reply)[0] for reply in replies]
    assert sorted(got[:2] + got[4:]) == [2, 4, 6]
    assert sorted(got[2:4]) == [1, 3]


@pytest.mark.usefixtures("same_day")
async def test_rules_hold_for_all_of_them(api: Api, office: Office, store: Store) -> None:
    """No number is in two claims, and each claim keeps what let its cases through."""
    await decide(office, purpose=Purpose.CLIENT, hours=[ALWAYS])
    for case_id in range(1, 9):
        number = "2125550100" if case_id in (1, 2) else f"212555{case_id:04}"
        await office.add(case_id, **{**NEW_YORK, "phones": (Phone("Cell", number),)})
    replies = await claim_at_once(api, 1, 2, 3, keys=True)
    handed_out = [phone["Phone"] for reply in replies for case in reply.json() for phone in case["Phones"]]
    assert len(handed_out) == len(set(handed_out)) == 6
    async with store.read() as tx:
        rows = {str(row.id): row for row in await tx.execute(claims.select())}
    for reply in replies:
        assert sorted(map(int, rows[reply.headers["X-Claim-Id"]].evidence)) == sorted(ids(reply))


async def test_who_is_cancelled_gets_nothing(
    api: Api, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    inside, go = threading.Event(), threading.Event()  # SQLite's work is done in a thread of its own
    claim = dialing.claim

    async def slow(*arguments: Any, **more: Any) -> Any:
        found = await claim(*arguments, **more)
        inside.set()
        while not go.is_set():
            await asyncio.sleep(0)
        return found

    monkeypatch.setattr(dialing, "claim", slow)
    claiming = asyncio.create_task(claim_at_once(api, 1))
    assert await asyncio.to_thread(inside.wait, PATIENCE)
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    go.set()

    async def is_given_back() -> bool:  # behind the request
        return (await office.history(1))[-1:] == [("Dialer Status", "To Dial", "Acme Dialer")]

    await until(is_given_back)
    [other] = await claim_at_once(api, 1)
    assert ids(other) == [1]
    async with store.read() as tx:
        assert len((await tx.execute(claims.select())).all()) == 2


async def test_a_fault_of_one_is_for_one(api: Api, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for case_id in range(1, 5):
        await office.add(case_id, campaign="Intake follow-up" if case_id % 2 else "Notification campaign")
    written = web._written

    async def break_one(firm: Any, cases: Any) -> bytes:
        if [case.case_id for case in cases] == [2]:
            raise OverflowError
        return await written(firm, cases)

    monkeypatch.setattr(web, "_written", break_one)
    campaigns = ("Intake follow-up", "Intake follow-up", "Notification campaign")
    replies = await asyncio.gather(
        *(api.post("GetCasesToDial", {"Records": 1, "Campaign": name, "Auto-change": True}) for name in campaigns)
    )
    assert sorted(reply.status_code for reply in replies) == [200, 200, 500]
    assert replies[2].status_code == 500
    assert await office.role(2) is Role.TO_DIAL


async def test_a_row_that_makes_no_sense_is_passed_over(api: Api, office: Office, store: Store) -> None:
    """Whoever claims together with the one who meets it, and who meets it, get what is behind it."""
    for case_id in range(1, 7):
        await office.add(case_id)
    async with store.write() as tx:
        await tx.execute(cases.update().where(cases.c.case_id == 2).values(phones="Jane Doe"))
    replies = await claim_at_once(api, 1, 1, 1)
    assert sorted(ids(reply)[0] for reply in replies) == [1, 3, 4]
    async with store.read() as tx:
        query = sa.select(cases.c.dialer_role, cases.c.claim_id, cases.c.held_until).where(cases.c.case_id == 2)
        assert tuple((await tx.execute(query)).one()) == (HELD_BACK_ROLE, None, None)


async def test_a_key_used_before_is_told_so_first(api: Api, office: Office, store: Store) -> None:
    """Also where the other request would be refused for its campaign."""
    await office.add(1)
    async with store.write() as tx:
        firm = await open_firm(tx, office.name)
        limited = await add_key(tx, firm, "Bell", NOW, None, LimitChange(campaigns=["Intake follow-up"]))
    bell = Api(api.http, limited.key)
    head = {"Idempotency-Key": "k"}
    assert (await bell.post("GetCasesToDial", {"Records": 1, "Auto-change": True}, head)).status_code == 200
    body = {"Records": 1, "Campaign": "Notification campaign", "Auto-change": True}
    assert_problem(await bell.post("GetCasesToDial", body, head), 422, "IdempotencyKeyReused")
    assert_problem(await bell.post("GetCasesToDial", body), 403, "CampaignNotAllowed")
