"""Rows that make no sense, under a server that runs: all others go on in time, and it tells what it passed over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from casedial.database.tables import cases, claims, duties
from casedial.domain.statuses import Role
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from tests.conftest import NOW, Office
from tests.servers import CASEDIAL, Server, plain

BOUND = 2.0  # for a lease, which is over within a second on a machine that has nothing else to do
TAKEN_OVER = 20.0  # for a duty that lasts 8 s


def claim(server: Server, office: Office, records: int) -> httpx.Response:
    body = {"Auto-change": True, "Records": records}
    return plain.post(f"{server.base}/GetCasesToDial", json=body, headers={"X-ApiKey": office.key}, timeout=30)


async def run(office: Office, *statements: str) -> None:
    async with office.store.write() as tx:
        for statement in statements:
            await tx.execute(sa.text(statement))


async def lapse(office: Office) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with office.store.write() as tx:
        await tx.execute(cases.update().where(cases.c.held_until.is_not(None)).values(held_until=past))
        await tx.execute(claims.update().values(check_at=past))


async def until(office: Office, case_id: int, role: Role, bound: float) -> float:
    """Wait until a case has a role; return how long that took."""
    began = time.monotonic()
    while await office.role(case_id) is not role:
        assert time.monotonic() - began < bound
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def passed_over(server: Server) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in server.output().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == "passed over"]


async def test_bad_rows_of_one_firm_delay_no_lease_of_another(
    office: Office, other_office: Office, database_url: str
) -> None:
    for case_id in range(1, 7):
        await office.add(case_id)
    await other_office.add(11)
    await other_office.add(12)
    garbage = '{"a"\\: 1}' if office.store.dialect.name == "postgresql" else "nonsense"
    with Server(database_url) as server:
        for _ in range(3):  # cases 1 and 2, 3 and 4, 5 and 6
            assert len(claim(server, office, 2).json()) == 2
        assert len(claim(server, other_office, 1).json()) == 1
        await run(
            office,
            "UPDATE cases SET attempts_id = 999999 WHERE case_id = 1",
            "UPDATE cases SET dialer_status_id = NULL, campaign_id = 999999 WHERE case_id = 6",
            "UPDATE cases SET dialer_role = 4, dial_at = NULL, held_back_until = '2020-01-01' WHERE case_id = 12",
            f"UPDATE claims SET case_ids = '{garbage}' WHERE id = (SELECT claim_id FROM cases WHERE case_id = 3)",
        )
        await lapse(office)
        taken = await until(other_office, 11, Role.TO_DIAL, BOUND)
        for case_id in (2, 5):  # of the same claims as bad ones
            await until(office, case_id, Role.TO_DIAL, BOUND)
        await other_office.add(13, dialer="In the Dialer")  # and those that come later
        await lapse(other_office)
        taken = max(taken, await until(other_office, 13, Role.TO_DIAL, BOUND))
        reply = claim(server, office, 10)
        assert reply.status_code == 200
        metrics = plain.get(f"{server.url}/metrics").text
        server.until_said('"what": "claim"')
        told = passed_over(server)
        assert '"fault"' not in server.output()
    assert sorted((line["what"], line["id"]) for line in told if line["what"] == "case") == [
        ("case", "1"),
        ("case", "6"),
    ]
    assert [line["what"] for line in told].count("claim") == 1
    assert 'casedial_passed_over_total{what="case"}' in metrics
    doctor = subprocess.run(
        [CASEDIAL, "doctor", "--database-url", database_url], capture_output=True, text=True, timeout=60, check=False
    )
    assert doctor.returncode == 2
    for words in ("attempts status that the firm does not have", "list of cases cannot be read", "without a time"):
        assert words in doctor.stdout
    print(f"\nreturned after {taken:.2f} s at most")


async def test_a_campaign_that_cannot_be_read_stops_no_other(
    office: Office, other_office: Office, database_url: str
) -> None:
    """Neither a claim, nor a sweep of another list, nor what is let go."""
    for one in (office, other_office):
        async with one.store.write() as tx:
            firm = await open_firm(tx, one.name, lock=True)
            await set_campaign(tx, firm, "Intake follow-up", CampaignChange(paused=True))
    await office.add(1, campaign="Notification campaign")
    await other_office.add(2)
    garbage = '"nonsense"' if office.store.dialect.name == "postgresql" else "nonsense"
    this = f"SELECT id FROM statuses WHERE firm_id = {(await office.firm()).id} AND type = 3"
    await run(office, f"UPDATE campaigns SET limits = '{garbage}' WHERE status_id IN ({this})")
    with Server(database_url) as server:
        assert [case["CaseID"] for case in claim(server, office, 5).json()] == [1]
        began = time.monotonic()
        while await stored_role(office, 2) != 4:  # held back by a sweep
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.05)
        await run(office, "UPDATE cases SET held_back_until = '2020-01-01' WHERE case_id = 2")
        while await held_back_until(office, 2) < NOW:  # let go, and swept again
            assert time.monotonic() - began < 45
            await asyncio.sleep(0.1)
        assert '"fault"' not in server.output()


async def stored_role(office: Office, case_id: int) -> int:
    async with office.store.read() as tx:
        return int((await tx.execute(sa.select(cases.c.dialer_role).where(cases.c.case_id == case_id))).scalar_one())


async def held_back_until(office: Office, case_id: int) -> datetime:
    async with office.store.read() as tx:
        query = sa.select(cases.c.held_back_until).where(cases.c.case_id == case_id)
        return (await tx.execute(query)).scalar_one() or NOW - timedelta(days=9999)


async def test_one_server_sweeps_and_another_goes_on_when_it_is_killed(office: Office, database_url: str) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await set_campaign(tx, firm, "Intake follow-up", CampaignChange(paused=True))
    async with office.store.write() as tx:
        await tx.execute(duties.delete())
    with Server(database_url) as one:
        first = await holder(office)
        with Server(database_url) as two:
            await asyncio.sleep(2)
            assert await holder(office) == first  # the other does nothing
            os.killpg(one.process.pid, signal.SIGKILL)
            began = time.monotonic()
            await office.add(1)
            while await stored_role(office, 1) != 4:
                assert time.monotonic() - began < TAKEN_OVER
                await asyncio.sleep(0.05)
            assert await holder(office) != first
            assert '"fault"' not in two.output()
            print(f"\ntaken over after {time.monotonic() - began:.1f} s")


async def holder(office: Office) -> object:
    began = time.monotonic()
    while time.monotonic() - began < 10:
        async with office.store.read() as tx:
            found = (await tx.execute(sa.select(duties.c.holder).where(duties.c.name == "sweep"))).scalars().all()
        if found:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError("nobody has the duty")
