"""A request that waits for a lock while its key is revoked, limited or runs out is refused: nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database import tables
from casedial.database.engine import Transaction
from casedial.domain.keys import KeyLimits, Scope
from casedial.service.operations.commands import SLOW_SECONDS
from casedial.storage import keys
from tests.conftest import NOW, Api, Office, assert_problem

WAIT = SLOW_SECONDS + 0.2
WRITES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "claim together": ("GetCasesToDial", {"Records": 1, "Auto-change": True}, {}),
    "claim alone": ("GetCasesToDial", {"Records": 60, "Auto-change": True}, {}),
    "claim once": ("GetCasesToDial", {"Records": 1, "Auto-change": True}, {"Idempotency-Key": "once"}),
    "update": ("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"}, {}),
    "update once": ("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"}, {"Idempotency-Key": "once"}),
    "note": ("AddCaseNote", {"CaseID": 1, "Note": "A note."}, {}),
    "note by phone": ("AddCaseNoteByPhone", {"Phone": "4025550001", "Note": "A note."}, {}),
    "extend": ("ExtendClaim", {"Seconds": 60}, {}),
    "release": ("ReleaseClaim", {}, {}),
}
Change = Callable[[Transaction, int], Awaitable[Any]]


async def revoke(tx: Transaction, key_id: int) -> None:
    assert await keys.revoke(tx, key_id, NOW)


async def take_scope(tx: Transaction, key_id: int) -> None:
    await keys.limit(tx, key_id, KeyLimits(frozenset({Scope.READ})))


async def let_run_out(tx: Transaction, key_id: int) -> None:
    await keys.limit(tx, key_id, KeyLimits(expires_at=datetime.now(UTC) + timedelta(seconds=WAIT / 2)))


async def nothing(tx: Transaction, key_id: int) -> None:
    """Leave the key as it is."""


@pytest.mark.parametrize("write", WRITES)
async def test_a_key_that_was_revoked_while_its_request_waited(api: Api, office: Office, write: str) -> None:
    await refused(api, office, write, revoke, 401, "KeyRevoked")


@pytest.mark.parametrize("write", ["claim together", "claim alone", "update"])
async def test_a_key_that_lost_its_scope_meanwhile(api: Api, office: Office, write: str) -> None:
    await refused(api, office, write, take_scope, 403, "ScopeNotAllowed")


@pytest.mark.parametrize("write", ["claim together", "claim alone", "note"])
async def test_a_key_that_ran_out_meanwhile(api: Api, office: Office, write: str) -> None:
    await refused(api, office, write, let_run_out, 401, "KeyExpired")


async def test_whoever_waits_beside_it_gets_what_is_due(api: Api, office: Office) -> None:
    """Two keys of one firm, whose claims are done together: one is revoked meanwhile."""
    from casedial.service.keys import add_key

    async with office.store.write() as tx:
        other = Api(api.http, (await add_key(tx, await office.firm(), "Beta Dialer", NOW)).key)
    for case_id in (1, 2, 3):
        await office.add(case_id)
    for known in (api, other):
        await known.get("GetCaseInfo", CaseID=1)
    async with held(office, revoke):
        asked = [asyncio.create_task(send(caller, "claim together", "")) for caller in (api, other)]
        await asyncio.sleep(WAIT)
    refused, claimed = await asyncio.gather(*asked)
    assert_problem(refused, 401, "KeyRevoked")
    assert [case["CaseID"] for case in claimed.json()] == [1]


@pytest.mark.parametrize("write", WRITES)
async def test_a_key_that_stayed_as_it_is(api: Api, office: Office, write: str) -> None:
    claim_id = await prepare(api, office)
    async with held(office, nothing):
        asked = asyncio.create_task(send(api, write, claim_id))
        await asyncio.sleep(WAIT)
    assert (await asked).status_code == 200


async def refused(api: Api, office: Office, write: str, change: Change, status: int, code: str) -> None:
    claim_id = await prepare(api, office)
    before = await rows(office)
    async with held(office, change):
        asked = asyncio.create_task(send(api, write, claim_id))
        await asyncio.sleep(WAIT)
    assert_problem(await asked, status, code)
    assert await rows(office) == before


async def prepare(api: Api, office: Office) -> str:
    """Make cases, of which one is claimed, and return its claim."""
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await office.add(4, dial_at=NOW - timedelta(days=400))
    claimed = await api.post("GetCasesToDial", {"Records": 1, "Auto-change": True})
    return str(claimed.headers["x-claim-id"])


async def send(api: Api, write: str, claim_id: str) -> Any:
    method, body, headers = WRITES[write]
    claim = {"ClaimID": claim_id} if write in ("extend", "release") else {}
    return await api.post(method, {**body, **claim}, headers)


class held:  # reads as what it does
    """Keep everybody else from writing, and change the first key before that ends."""

    def __init__(self, office: Office, change: Change) -> None:
        self._office, self._change = office, change
        self._open = office.store.write()

    async def __aenter__(self) -> None:
        tx = await self._open.__aenter__()
        if tx.dialect.name == "postgresql":
            await tx.execute(sa.text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
        query = sa.select(sa.func.min(tables.keys.c.id))
        await self._change(tx, (await tx.execute(query)).scalar_one())

    async def __aexit__(self, *error: Any) -> None:
        await self._open.__aexit__(*error)


async def rows(office: Office) -> list[list[Any]]:
    """What is in the tables that a write may change."""
    found = []
    async with office.store.read() as tx:
        for table in (tables.cases, tables.claims, tables.notes, tables.status_history, tables.idempotency):
            found.append(sorted(map(repr, await tx.execute(table.select()))))
    return found
