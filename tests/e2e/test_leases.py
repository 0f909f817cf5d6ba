"""Leases end in real servers, with no request to wake them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa

from casedial.database.tables import cases as cases_table
from casedial.database.tables import claims as claims_table
from casedial.domain.actors import CASEDIAL
from casedial.domain.firms import Caller
from casedial.domain.statuses import Role
from casedial.storage import cases, claims
from casedial.storage.claimants import Claimant
from casedial.storage.queues import DueFilter
from tests.conftest import NOW, Office, vendor
from tests.e2e.test_claims import fill
from tests.servers import Server, plain

CLAIMS = 1000


async def end_together(office: Office, seconds: float) -> datetime:
    """Claim every case by a claim of its own and let all leases end at one instant, which is returned."""
    firm = await office.firm()
    for _ in range(10):
        async with office.store.write() as tx:
            for _ in range(CLAIMS // 10):
                await claims.claim(tx, [Claimant(Caller(firm, vendor()), DueFilter(None, None, 1))], NOW)
    async with office.store.write() as tx:
        deadline = await tx.clock() + timedelta(seconds=seconds)
        await tx.execute(cases_table.update().values(held_until=deadline))
        await tx.execute(claims_table.update().values(check_at=deadline))
    return deadline


async def in_the_dialer(office: Office) -> int:
    async with office.store.read() as tx:
        query = sa.select(sa.func.count()).where(cases_table.c.dialer_role == int(Role.IN_THE_DIALER))
        return int((await tx.execute(query)).scalar_one())


async def test_a_thousand_leases_that_end_together_are_returned_within_a_second(
    office: Office, database_url: str
) -> None:
    await fill(office, CLAIMS)
    with Server(database_url, "--workers", "2") as one, Server(database_url) as two:
        deadline = await end_together(office, 3)
        async with office.store.read() as tx:
            until = (deadline - await tx.clock()).total_seconds()
        assert until > 0
        await asyncio.sleep(until - 0.2)
        assert await in_the_dialer(office) == CLAIMS  # none before its time
        await asyncio.sleep(1.2)
        assert await in_the_dialer(office) == 0
        counted = Counter[str]()
        for server in (one, two):
            for line in plain.get(f"{server.url}/metrics").text.splitlines():
                if line.startswith("casedial_cases_returned_total"):
                    counted["returned"] += int(float(line.split()[-1]))
    assert counted["returned"] == CLAIMS
    firm = await office.firm()
    async with office.store.read() as tx:
        history = await cases.history(tx, firm, range(1, CLAIMS + 1))
    for changes in history.values():
        assert [change.changed_by for change in changes] == ["Acme Dialer", CASEDIAL.name]  # each exactly once
