"""Calls, limits and policies where requests meet, come late, or come twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import do_not_call as list_table
from casedial.domain.actors import operator
from casedial.domain.calling import Listing
from casedial.domain.campaigns import Retry
from casedial.domain.cases import Phone
from casedial.domain.claims import ClaimRequest
from casedial.domain.dialing import CaseUpdate, DialQuery
from casedial.domain.errors import CasedialError
from casedial.domain.limits import own_limit
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Flag, Role
from casedial.service import claiming, dialing, do_not_call
from casedial.service.claims import release_claim
from casedial.service.firms import open_firm
from casedial.service.operations import holding_back
from casedial.service.operations.retention import Purge
from casedial.service.operations.sweeping import Sweeper
from casedial.service.statuses import flag_status
from casedial.storage import calls, firms, forgetting, queues
from tests.conftest import Api, Office
from tests.service.test_calling import CAMPAIGN, NEW_YORK, caller, claim, claim_whole, decide, ids
from tests.service.test_how_often import HOUR, NOON, SHARED, explain, made, report
from tests.web.test_claims import update
from tests.web.test_statements import counted

POLICY = {"No Answer": Retry(timedelta(hours=4), 2)}
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("size", [100, 400])
async def test_a_claim_of_a_list_that_shares_a_number_is_bounded(office: Office, size: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(claiming, "_MOST", 100)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, size + 1):
        await office.add(case_id, **SHARED)
    with counted() as asked:
        assert ids(await claim(office, NOON, 2)) == [1]
    assert len(asked) < 60


async def test_two_calls_in_one_batch_are_two(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, limits=[own_limit(2, timedelta(hours=24))])
    await office.set(min_gap=0)
    await office.add(1, **SHARED)
    async with office.store.write() as tx:
        items = [
            CaseUpdate(1, status="To Dial", next_call=NOON, disposition="No Answer", attempts=str(n)) for n in (1, 2)
        ]
        outcomes, _ = await dialing.update_case_status(tx, await caller(office), items, NOON)
    assert outcomes == [None, None]
    assert len(await made(office)) == 2
    assert not (await explain(office, 1, NOON + HOUR)).callable


async def test_two_cases_of_one_number_in_one_batch_are_two_calls_of_it(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, limits=[own_limit(2, timedelta(hours=24))])
    await office.set(min_gap=0)
    for n in (1, 2, 3):
        await office.add(n, **SHARED)
    async with office.store.write() as tx:
        items = [CaseUpdate(n, status="To Dial", next_call=NOON, disposition="No Answer") for n in (1, 2)]
        await dialing.update_case_status(tx, await caller(office), items, NOON)
    assert len(await made(office)) == 2
    assert not (await explain(office, 3, NOON + HOUR)).callable


async def test_hours_later_under_one_claim_it_is_another_call(office: Office) -> None:
    await office.add(1, **NEW_YORK)
    await claim(office, NOON)
    for n in range(4):
        await report(office, 1, NOON + n * HOUR, disposition="No Answer")
    assert len(await made(office)) == 4


async def test_heartbeats_that_carry_the_last_disposition_are_no_calls(office: Office) -> None:
    await office.add(1, **NEW_YORK)
    await claim(office, NOON)
    for n in range(4):
        said = {"status": "In the Dialer", "disposition": "No Answer", "attempts": "1"}
        await report(office, 1, NOON + n * MINUTE, **said)
    assert len(await made(office)) == 1


async def fenced(office: Office, claim_id: Any, now: datetime, **said: Any) -> CasedialError | None:
    async with office.store.write() as tx:
        [outcome], _ = await dialing.update_case_status(
            tx, await caller(office), [CaseUpdate(1, **said)], now, claim_id
        )
    return outcome


async def test_the_status_of_a_call_that_comes_after_the_policy_is_no_second_call(office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    _, opened = await claim_whole(office, NOON)
    assert opened
    assert await fenced(office, opened.id, NOON, disposition="No Answer") is None
    later = {"status": "To Dial", "next_call": NOON + 9 * HOUR, "disposition": "No Answer"}
    assert await fenced(office, opened.id, NOON + 2 * MINUTE, **later) is None
    assert len(await made(office)) == 1


async def test_a_lost_reply_to_what_goes_over_the_policy(api: Api, office: Office) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    assert (await update(api, claim_id, CaseID=1, Disposition="No Answer")).status_code == 200
    for _ in range(2):
        reply = await update(api, claim_id, CaseID=1, Status="Do not Dial")
        assert reply.status_code == 200, reply.text


async def test_who_opts_out_is_known_to_every_server(office: Office) -> None:
    """After the last entry of the list was deleted with its case."""
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await flag_status(tx, firm, "Successful", {Flag.ATTEMPT, Flag.OPT_OUT})
        await do_not_call.add(tx, firm, [Listing(NOON.date(), "", case_id=9)])
    for n in (1, 2):
        await office.add(n, **SHARED)
    await office.add(9, **NEW_YORK)
    old = await caller(office)  # as one server knows the firm
    async with office.store.write() as tx:
        await forgetting.delete(tx, firm.id, 9)
    fresh = await caller(office)  # as a server that has just started knows it
    async with office.store.write() as tx:
        await dialing.update_case_status(tx, old, [CaseUpdate(1, disposition="Successful")], NOON)
    async with office.store.read() as tx:
        current = await firms.is_current(tx, fresh.firm)
    assert fresh.firm.has_do_not_call or not current
    if not current:
        fresh = await caller(office)
    async with office.store.write() as tx:
        found, _ = await dialing.get_cases_to_dial(tx, fresh, DialQuery(CAMPAIGN, None, 9, True), NOON)
    assert 2 not in ids(found)


async def test_the_next_time_of_a_paused_campaign_lies_within_its_hours(office: Office) -> None:
    await decide(office, retries=POLICY, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    await claim(office, NOON + 6 * HOUR)
    await decide(office, paused=True)
    await report(office, 1, NOON + 6 * HOUR, disposition="No Answer")  # again at 22:00
    assert (await office.case(1)).dial_at == datetime(2026, 11, 25, 13, 0, tzinfo=UTC)  # 8:00


@pytest.mark.parametrize("ended", ["next call", "release"])
async def test_a_later_call_without_a_claim_follows_the_policy(office: Office, ended: str) -> None:
    await decide(office, retries=POLICY)
    await office.add(1, **NEW_YORK)
    _, opened = await claim_whole(office, NOON)
    assert opened
    if ended == "release":
        async with office.store.write() as tx:
            await release_claim(tx, await caller(office), ClaimRequest(opened.id, None), NOON)
    else:
        await report(office, 1, NOON, status="To Dial", next_call=NOON + 2 * HOUR, disposition="Busy")
    at = NOON + 3 * HOUR
    assert ids(await claim(office, at, auto_change=False)) == [1]
    await report(office, 1, at, disposition="No Answer")
    assert (await office.case(1)).dial_at == at + timedelta(hours=4)


async def test_only_numbers_that_were_handed_out_opt_out(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, retries=POLICY)
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "Successful", {Flag.ATTEMPT, Flag.OPT_OUT})
    phones = (Phone("Work", "2135550102", True), Phone("Cell", "2125550101"))
    early = NOON - timedelta(hours=3, minutes=30)  # 5:30 in Los Angeles
    await office.add(1, zip_code="10001", phones=phones)
    [case], opened = await claim_whole(office, early)
    assert [phone.name for phone in case.phones] == ["Cell"]
    assert opened
    assert await fenced(office, opened.id, early, disposition="No Answer") is None
    assert await fenced(office, opened.id, early + MINUTE, disposition="Successful") is None
    async with office.store.read() as tx:
        listed = list((await tx.execute(sa.select(list_table.c.number))).scalars())
    assert listed == ["2125550101"]


async def test_phones_of_one_name(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    phones = (Phone("Cell", "2135550102", True), Phone("Cell", "2125550101"))
    early = NOON - timedelta(hours=3, minutes=30)
    await office.add(1, zip_code="10001", phones=phones)
    [case] = await claim(office, early)
    assert [phone.number for phone in case.phones] == ["2125550101"]
    await report(office, 1, early, disposition="Busy")
    assert await made(office) == [("2125550101", 1, False)]


async def test_a_number_is_not_twice_in_one_reply(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, zip_code="10001", phones=(Phone("Cell", "2125550101", True), Phone("Home", "(212) 555-0101")))
    [case] = await claim(office, NOON)
    assert len(case.phones) == 1


async def test_a_batch_of_many_claims_is_not_a_query_each(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for n in range(1, 61):
        await office.add(n, **NEW_YORK)
    for _ in range(60):
        assert len(await claim(office, NOON, 1)) == 1
    with counted() as asked:
        async with office.store.write() as tx:
            items = [CaseUpdate(n, status="Do not Dial", disposition="No Answer") for n in range(1, 61)]
            await dialing.update_case_status(tx, await caller(office), items, NOON)
    assert len(asked) < 15


async def test_many_opt_out_at_once(office: Office) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "Successful", {Flag.ATTEMPT, Flag.OPT_OUT})
    for n in range(1, 1001):
        await office.add(n, phones=tuple(Phone(f"P{k}", f"21{k}555{n:04}") for k in range(7)))
    async with office.store.write() as tx:
        items = [CaseUpdate(n, disposition="Successful") for n in range(1, 1001)]
        outcomes, _ = await dialing.update_case_status(tx, await caller(office), items, NOON)
    assert outcomes == [None] * 1000


async def test_a_purge_does_not_begin_the_count_of_a_policy_anew(office: Office) -> None:
    await decide(office, retries={"No Answer": Retry(timedelta(days=8), 2)})
    await office.add(1, **NEW_YORK)
    at = NOON
    for _ in range(5):
        await report(office, 1, at, disposition="No Answer")
        at += timedelta(days=9)
        await Purge(office.store, operator("me"), (await office.firm()).id, at - timedelta(days=7), do=True).run()
    assert await office.role(1) is Role.DO_NOT_DIAL


async def test_a_final_disposition_that_corrects_another_ends_the_dialing(office: Office) -> None:
    await decide(office, retries=POLICY)
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "Answering Machine", {Flag.ATTEMPT, Flag.FINAL})  # "Wrong Number", say
    await office.add(1, **NEW_YORK)
    _, opened = await claim_whole(office, NOON)
    assert opened
    assert await fenced(office, opened.id, NOON, disposition="No Answer") is None
    assert await fenced(office, opened.id, NOON + MINUTE, disposition="Answering Machine") is None
    assert await office.role(1) is Role.DO_NOT_DIAL


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_case_that_was_claimed_meanwhile_uses_its_number(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for n in (1, 2):
        await office.add(n, **SHARED)
    real, rival = queues.lock_first, []

    async def lock(tx: Any, *rest: Any, **more: Any) -> Any:
        if not rival:  # both were judged, neither is locked: another server claims the first
            rival.append(None)
            rival[0] = ids(await claim(office, NOON, 1))
        return await real(tx, *rest, **more)

    monkeypatch.setattr(queues, "lock_first", lock)
    assert ids(await claim(office, NOON, 2)) == []
    assert rival == [[1]]


@pytest.mark.parametrize("database", ["postgresql"])
@pytest.mark.parametrize("opts_out", [False, True])
@pytest.mark.parametrize("before", [False, True])
async def test_a_call_that_is_reported_meanwhile_counts(
    office: Office, monkeypatch: pytest.MonkeyPatch, opts_out: bool, before: bool
) -> None:
    """The other case of the number leaves the dialer between a claim's look for cases and that for their numbers."""
    await decide(office, purpose=Purpose.CLIENT)
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "Successful", {Flag.OPT_OUT})
        await do_not_call.add(tx, firm, [Listing(NOON.date(), "", number="9999999999")])
    await office.add(1, **SHARED)
    await office.add(2, **SHARED, dialer="In the Dialer", dial_at=NOON)
    said = {"status": "Do not Dial", "disposition": "Successful" if opts_out else "No Answer"}
    real, looks = calls.concerning, 0

    async def concerning(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks > 1:
            return await real(*arguments)
        if not before:
            found = await real(*arguments)
        await report(office, 2, NOON, **said)
        return await real(*arguments) if before else found

    monkeypatch.setattr(calls, "concerning", concerning)
    assert ids(await claim(office, NOON, 1)) == []


async def test_a_number_of_many_cases_costs_a_claim_no_statement(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **SHARED)
    for n in range(2, 102):
        await office.add(n, dialer="Do not Dial", **SHARED)
    with counted() as asked:
        assert ids(await claim(office, NOON, 1)) == [1]
    assert len(asked) <= 12 + 5  # which read the firm


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_claim_of_many_numbers_keeps_the_firm(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casedial.database.dialects.postgresql._RESERVED_SINGLY", 3)
    await decide(office, purpose=Purpose.CLIENT)
    for n in range(1, 41):
        await office.add(n, zip_code="10001", phones=(Phone("Cell", f"21255501{n % 20:02}", True),))
    given: list[str] = []
    who = await caller(office)

    async def dialer(records: int) -> None:
        for _ in range(4):
            query = DialQuery(CAMPAIGN, None, records, True)
            async with office.store.write() as tx:
                found, _ = await dialing.get_cases_to_dial(tx, who, query, NOON)
            given.extend(phone.number for case in found for phone in case.phones)

    await asyncio.gather(dialer(2), dialer(5), dialer(2), dialer(5))
    assert sorted(given) == [f"21255501{n:02}" for n in range(20)]


@pytest.mark.parametrize("database", ["postgresql"])
async def test_dialers_at_work_never_ring_a_number_twice(office: Office) -> None:
    """Claims, reports and servers' upkeep side by side, for a few seconds."""
    await decide(office, purpose=Purpose.CLIENT, limits=[own_limit(3, timedelta(hours=5))])
    await office.set(min_gap=1)
    for n in range(1, 61):
        await office.add(n, zip_code="10001", phones=(Phone("Cell", f"21255501{n % 20:02}", True),))
    who, chance, began = await caller(office), random.Random(5), time.monotonic()
    store, twice, reports = Store(office.store.url, pool_size=12), [], 0

    def now() -> datetime:
        return NOON + timedelta(seconds=time.monotonic() - began)

    def goes_on() -> bool:
        return time.monotonic() - began < 6 or not reports

    async def dialer() -> None:
        nonlocal reports
        while goes_on():
            query, at = DialQuery(CAMPAIGN, None, chance.randint(1, 4), True), now()
            found, _ = await store.transact(partial(dialing.get_cases_to_dial, caller=who, query=query, now=at))
            async with store.read() as tx:
                twice.extend((await tx.execute(sa.text(_IN_USE_TWICE))).all())
            await asyncio.sleep(chance.random() * 0.05)
            at = now()
            items = [CaseUpdate(c.case_id, status="To Dial", next_call=at, disposition="No Answer") for c in found]
            await store.transact(partial(dialing.update_case_status, caller=who, items=items, now=at))
            reports += len(items)

    async def keeper() -> None:
        sweeper = Sweeper()
        while goes_on():
            await holding_back.let_go(store, now())
            await sweeper.sweep(store, now())
            await asyncio.sleep(0.2)

    await asyncio.gather(*(dialer() for _ in range(6)), keeper(), keeper())
    await store.close()
    times = Counter(number for number, _, _ in await made(office))
    assert not twice
    assert times
    assert max(times.values()) <= 3


_IN_USE_TWICE = """SELECT number FROM phone_numbers p JOIN cases c ON c.firm_id = p.firm_id AND c.case_id = p.case_id
WHERE c.dialer_role = 2 GROUP BY number HAVING count(*) > 1"""
