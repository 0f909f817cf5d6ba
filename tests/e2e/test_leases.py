"""Leases end in real servers, with no request to wake them."""

from __future__ import annotations

import re
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
from tests.waiting import Pulse, until

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


async def all_back(office: Office) -> datetime | None:
    """When it is by the clock of leases, if no case is In the Dialer any more."""
    async with office.store.read() as tx:
        query = sa.select(sa.func.count()).where(cases_table.c.dialer_role == int(Role.IN_THE_DIALER))
        held = (await tx.execute(query)).scalar_one()
        return None if held else await tx.clock()


async def test_a_thousand_leases_that_end_together_are_returned_within_a_second(
    office: Office, database_url: str
) -> None:
    await fill(office, CLAIMS)
    with Server(database_url, "--workers", "2") as one, Server(database_url) as two:
        async with Pulse(office.firm) as pulse:
            deadline = await end_together(office, 3)
            ended = await until(lambda: all_back(office))
        assert (ended - deadline).total_seconds() < 1 + pulse.allowance
        await until(lambda: counted(one) + counted(two) >= CLAIMS)
        assert counted(one) + counted(two) == CLAIMS
    firm = await office.firm()
    async with office.store.read() as tx:
        history = await cases.history(tx, firm, range(1, CLAIMS + 1))
    for changes in history.values():
        assert [change.changed_by for change in changes] == ["Acme Dialer", CASEDIAL.name]  # each exactly once
        assert changes[-1].changed_at >= deadline  # and none before its time


def counted(server: Server) -> int:
    """How many cases its metrics say that it has returned."""
    text = plain.get(f"{server.url}/metrics").text
    return sum(int(float(found)) for found in re.findall(r"^casedial_cases_returned_total (\S+)$", text, re.MULTILINE))
