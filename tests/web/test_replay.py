"""Idempotency-Key: a repeat gets the first reply byte for byte, and has no effect."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import idempotency as kept_replies
from casedial.domain.statuses import Role
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key, limit_key, open_key
from casedial.service.operations import commands
from casedial.storage import idempotency
from casedial.storage.idempotency import KeptReply, Once
from tests.conftest import NOW, Api, Office, assert_problem

KEY = {"Idempotency-Key": "4f8c"}
CLAIM = {"Records": 2, "Auto-change": True}


def same(first: httpx.Response, again: httpx.Response) -> bool:
    """Whether two replies are the same byte for byte, but for the request's id."""

    def of(reply: httpx.Response) -> tuple[Any, ...]:
        headers = [pair for pair in reply.headers.raw if pair[0] not in (b"x-request-id", b"date")]
        return reply.status_code, sorted(headers), reply.content

    return of(first) == of(again) and first.headers["x-request-id"] != again.headers["x-request-id"]


async def kept(store: Store) -> int:
    async with store.read() as tx:
        return int((await tx.execute(sa.select(sa.func.count()).select_from(kept_replies))).scalar_one())


async def test_a_repeated_claim_gets_the_same_cases(api: Api, office: Office) -> None:
    for number in range(1, 5):
        await office.add(number)
    first = await api.post("GetCasesToDial", CLAIM, KEY)
    again = await api.post("GetCasesToDial", CLAIM, KEY)
    assert len(first.json()) == 2
    assert same(first, again)
    assert again.headers["x-claim-id"] == first.headers["x-claim-id"]
    other = await api.post("GetCasesToDial", CLAIM, {"Idempotency-Key": "4f8d"})
    assert {case["CaseID"] for case in first.json()}.isdisjoint(case["CaseID"] for case in other.json())
    assert same(await api.get("GetCasesToDial", KEY | {"Idempotency-Key": "g"}, **{"Auto-change": "1"}),
                await api.get("GetCasesToDial", KEY | {"Idempotency-Key": "g"}, **{"Auto-change": "1"}))  # fmt: skip


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("GetCasesToDial", {"Auto-change": True, "Campaign": "nothing due"}, 200),
        ("GetCasesToDial", {"Auto-change": True, "Records": 5000}, 200),
        ("UpdateCaseStatus", {"CaseID": 1, "Status": "To Dial", "Typo": 1}, 200),
        ("UpdateCaseStatus", {"Cases": [{"CaseID": 1, "Attempts": 1}, {"CaseID": 99}]}, 200),
        ("UpdateCaseStatus", {"Cases": [{"CaseID": 99}, {"CaseID": 98}]}, 404),
        ("UpdateCaseStatus", {"CaseID": 1, "Status": "Nope"}, 400),
        ("AddCaseNote", {"CaseID": [1, 99], "Note": "Hello"}, 200),
        ("AddCaseNote", {"CaseID": 99, "Note": "Hello"}, 404),
        ("AddCaseNoteByPhone", {"Phone": "4025550001", "Note": "Hello"}, 200),
        ("AddCaseNoteByPhone", {"Phone": "2125550001", "Note": "Hello"}, 404),
        ("ExtendClaim", {"ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90"}, 409),
        ("ReleaseClaim", {"ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90", "CaseID": 1}, 409),
    ],
)
async def test_every_reply_of_a_write_that_was_understood_is_kept(
    method: str, body: dict[str, object], status: int, api: Api, office: Office, store: Store
) -> None:
    await office.add(1)
    first = await api.post(method, body, KEY)
    assert first.status_code == status, first.text
    after = await office.case(1), await office.history(1), await office.notes(1)
    assert same(first, await api.post(method, body, KEY))
    assert (await office.case(1), await office.history(1), await office.notes(1)) == after
    assert await kept(store) == 1


async def test_what_was_not_understood_is_not_kept(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    assert_problem(await api.post("AddCaseNote", {"CaseID": 1}, KEY), 400, "MissingParameter")
    assert_problem(await api.post("AddCaseNote", content=b"{", headers=KEY), 400, "MalformedDocument")
    assert_problem(await api.post("AddCaseNote", {"CaseID": [1] * 1001, "Note": "x"}, KEY), 413, "TooManyItems")
    assert (await api.get("GetCaseInfo", KEY, CaseID=1)).status_code == 200
    assert (await api.get("GetCasesToDial", KEY)).status_code == 200
    assert await kept(store) == 0
    assert (await api.post("AddCaseNote", {"CaseID": 1, "Note": "now whole"}, KEY)).status_code == 200


async def test_another_request_with_the_same_key_is_refused(api: Api, office: Office) -> None:
    await office.add(1)
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "Hello"}, KEY)
    for method, body, headers in (
        ("AddCaseNote", {"CaseID": 1, "Note": "Hello again"}, KEY),
        ("AddCaseNote", {"CaseID": 2, "Note": "Hello"}, KEY),
        ("UpdateCaseStatus", {"CaseID": 1}, KEY),
        ("GetCasesToDial", CLAIM, KEY),
    ):
        assert_problem(await api.post(method, body, headers), 422, "IdempotencyKeyReused")
    assert [note.text for note in await office.notes(1)] == ["Hello"]


async def test_spelling_and_order_make_no_other_request(api: Api, office: Office) -> None:
    await office.add(1)
    first = await api.post("AddCaseNote", content=b'{"CaseID":1,"Note":"x","Phone":null}', headers=KEY)
    again = await api.post("AddCaseNote", content=b'{ "note" : "x", "case_id" : 1, "Cases": "" }', headers=KEY)
    assert first.content == again.content
    assert len(await office.notes(1)) == 1
    fenced = await api.post("AddCaseNote", {"CaseID": 1, "Note": "x"}, {**KEY, "X-Claim-Id": "else"})
    assert_problem(fenced, 422, "IdempotencyKeyReused")


async def test_keys_of_different_callers_never_meet(api: Api, office: Office, other_office: Office) -> None:
    await office.add(1)
    await other_office.add(1)
    async with office.store.write() as tx:
        second = (await add_key(tx, await open_firm(tx, office.name), "Acme Dialer", NOW)).key
    for caller in (api, Api(api.http, second), Api(api.http, other_office.key)):
        reply = await caller.post("AddCaseNote", {"CaseID": 1, "Note": caller.key[-3:]}, KEY)
        assert reply.status_code == 200
    assert (len(await office.notes(1)), len(await other_office.notes(1))) == (2, 1)


@pytest.mark.parametrize("key", ["two words", "é", "x" * 256, "\x7f"])
async def test_a_key_that_cannot_be_one(key: str, api: Api, office: Office) -> None:
    await office.add(1)
    headers = {"Idempotency-Key": key.encode()}
    reply = await api.post("AddCaseNote", {"CaseID": 1, "Note": "x"}, headers)  # type: ignore[arg-type]
    assert_problem(reply, 400, "InvalidParameter", "header/Idempotency-Key")
    assert await office.notes(1) == []


async def test_replies_are_kept_for_a_day(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    body = {"CaseID": 1, "Note": "x"}
    await api.post("AddCaseNote", body, KEY)
    await api.post("AddCaseNote", body, {"Idempotency-Key": "other"})
    async with store.write() as tx:
        day = datetime.now(UTC) - timedelta(hours=24)
        digest = kept_replies.c.digest == idempotency.digest(KEY["Idempotency-Key"])
        await tx.execute(kept_replies.update().where(digest).values(created_at=day))
    assert (await api.post("AddCaseNote", {**body, "Note": "new"}, KEY)).status_code == 200  # the key is free again
    assert [note.text for note in await office.notes(1)] == ["x", "x", "new"]
    async with store.write() as tx:
        await tx.execute(kept_replies.update().where(digest).values(created_at=day))
        assert await idempotency.purge(tx, datetime.now(UTC), 100) == 1
    assert await kept(store) == 1


@pytest.mark.parametrize("database", ["postgresql"])  # where a purge and a write go on side by side
async def test_a_key_taken_anew_is_not_purged(office: Office, store: Store) -> None:
    now = datetime.now(UTC)
    day = now - timedelta(hours=25)
    once = Once(1, b"d", b"f")
    async with store.write() as tx:
        await idempotency.begin(tx, once, day, 1)
        await idempotency.keep(tx, {once: KeptReply(b"f", 200, {}, b"old")})
    async with store.write() as tx:
        assert await idempotency.begin(tx, once, now, 1) is None
        purging = asyncio.create_task(store.transact(lambda tx: idempotency.purge(tx, now, 100)))
        await asyncio.sleep(0.3)
        await idempotency.keep(tx, {once: KeptReply(b"f", 200, {}, b"new")})
    assert await purging == 0
    assert await kept(store) == 1


@pytest.mark.parametrize("database", ["postgresql"])
async def test_those_who_wait_for_a_first_request_stop_nobody_else(
    api: Api, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More repeats than there are database connections, of requests that go on in another process."""
    await office.add(1)
    now = time.monotonic()
    monkeypatch.setattr(commands, "time", SimpleNamespace(monotonic=lambda: now))
    async with store.write() as tx:
        caller = (await tx.execute(sa.text("SELECT min(id) FROM keys"))).scalar_one()
        for number in range(6):
            once = Once(caller, idempotency.digest(f"k{number}"), b"f")
            await idempotency.begin(tx, once, datetime.now(UTC), 1)
        note = {"CaseID": 1, "Note": "x"}
        waiting = [api.post("AddCaseNote", note, {"Idempotency-Key": f"k{number}"}) for number in range(6)]
        repeats = [asyncio.create_task(repeat) for repeat in waiting]
        await asyncio.sleep(0.5)
        assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200
        assert not any(repeat.done() for repeat in repeats)
        now += commands.PATIENCE
        for reply in await asyncio.gather(*repeats):
            assert_problem(reply, 409, "RequestStillRunning")


async def test_a_key_limited_since_then_gets_no_kept_reply(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    assert len((await api.post("GetCasesToDial", CLAIM, KEY)).json()) == 1
    async with store.write() as tx:
        caller = (await tx.execute(sa.text("SELECT min(id) FROM keys"))).scalar_one()
        key, firm = await open_key(tx, caller)
        await limit_key(tx, key, firm, LimitChange(campaigns=["Notification campaign"]), NOW)
    assert_problem(await api.post("GetCasesToDial", CLAIM, KEY), 422, "IdempotencyKeyReused")


async def test_concurrent_repeats_have_one_effect(api: Api, office: Office) -> None:
    for number in range(1, 30):
        await office.add(number)
    replies = await asyncio.gather(*(api.post("GetCasesToDial", CLAIM, KEY) for _ in range(20)))
    assert len({reply.content for reply in replies}) == 1
    assert sum([await office.role(number) is Role.IN_THE_DIALER for number in range(1, 30)]) == 2


async def test_a_repeat_waits_for_the_first_and_then_gives_up(
    api: Api, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first goes on in another process, then in this one."""
    await office.add(1)
    monkeypatch.setattr(commands, "PATIENCE", 0.5)
    body = {"CaseID": 1, "Note": "x"}
    if store.dialect.name == "postgresql":
        async with store.write() as tx:
            caller = (await tx.execute(sa.text("SELECT min(id) FROM keys"))).scalar_one()
            mine = {"key_id": caller, "digest": idempotency.digest("4f8c"), "fingerprint": b"", "created_at": NOW}
            await tx.execute(kept_replies.insert().values(mine))
            reply = await api.post("AddCaseNote", body, KEY)
            await tx.connection.rollback()
    else:
        async with store.write():  # the only writer: whatever it does
            first = asyncio.create_task(api.post("AddCaseNote", body, KEY))
            await asyncio.sleep(0.2)
            reply = await api.post("AddCaseNote", body, KEY)
            first.cancel()
    assert_problem(reply, 409, "RequestStillRunning")
    assert reply.headers["retry-after"] == "1"
    assert (await api.post("AddCaseNote", body, KEY)).status_code == 200
    assert len(await office.notes(1)) == 1
