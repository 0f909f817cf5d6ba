"""Rows that make no sense, under a server that runs: all others go on in time, and it tells what it passed over."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import sqlalchemy as sa

from casedial.database.tables import HELD_BACK_ROLE, cases, claims, duties
from casedial.domain.statuses import Role
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from tests.conftest import NOW, Office
from tests.servers import CASEDIAL, Server, plain
from tests.waiting import until

BOUND = 2.0  # for a lease, which is over within a second; the best of some, for a machine may pause
TIMES = 8
LATER = 120.0  # seconds, for what is looked at again within 30


def claim(server: Server, office: Office, records: int) -> httpx.Response:
    body = {"Auto-change": True, "Records": records}
    return plain.post(f"{server.base}/GetCasesToDial", json=body, headers={"X-ApiKey": office.key})


async def run(office: Office, *statements: str) -> None:
    async with office.store.write() as tx:
        for statement in statements:
            await tx.execute(sa.text(statement))


async def lapse(office: Office) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with office.store.write() as tx:
        await tx.execute(cases.update().where(cases.c.held_until.is_not(None)).values(held_until=past))
        await tx.execute(claims.update().values(check_at=past))


async def returned(office: Office, case_id: int) -> float:
    """Wait until a case is To Dial again; return how long that took."""
    began = time.monotonic()

    async def is_back() -> bool:
        return await office.role(case_id) is Role.TO_DIAL

    await until(is_back)
    return time.monotonic() - began


def passed_over(server: Server) -> list[dict[str, Any]]:
    whole = server.output().rpartition("\n")[0].splitlines()
    lines = (json.loads(line) for line in whole if line.startswith("{"))
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
        await returned(other_office, 11)
        for case_id in (2, 5):  # of the same claims as bad ones
            await returned(office, case_id)
        taken: list[float] = []
        for case_id in range(13, 13 + TIMES):  # and those that come later
            await other_office.add(case_id, dialer="In the Dialer")
            await lapse(other_office)
            taken.append(await returned(other_office, case_id))
            if taken[-1] < BOUND:
                break
        assert min(taken) < BOUND
        reply = claim(server, office, 10)
        assert reply.status_code == 200
        await until(lambda: Counter(line["what"] for line in passed_over(server)) >= Counter(case=2, claim=1))
        told = passed_over(server)
        await until(lambda: 'casedial_passed_over_total{what="case"}' in plain.get(f"{server.url}/metrics").text)
        assert '"fault"' not in server.output()
    assert sorted((line["what"], line["id"]) for line in told if line["what"] == "case") == [
        ("case", "1"),
        ("case", "6"),
    ]
    assert [line["what"] for line in told].count("claim") == 1
    doctor = subprocess.run(
        [CASEDIAL, "doctor", "--database-url", database_url], capture_output=True, text=True, timeout=60, check=False
    )
    assert doctor.returncode == 2
    for words in ("attempts status that the firm does not have", "list of cases cannot be read", "without a time"):
        assert words in doctor.stdout
    print(f"\nreturned after {min(taken):.2f} s")


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
        await until(partial(is_held_back, office, 2))  # by a sweep
        await run(office, "UPDATE cases SET held_back_until = '2020-01-01' WHERE case_id = 2")
        await until(partial(is_held_back, office, 2, after=NOW), LATER)  # let go, and swept again
        assert '"fault"' not in server.output()


async def is_held_back(office: Office, case_id: int, after: datetime | None = None) -> bool:
    """Tell whether a case is held back, and where it is said, until after a time."""
    async with office.store.read() as tx:
        query = sa.select(cases.c.dialer_role, cases.c.held_back_until).where(cases.c.case_id == case_id)
        role, held_until = (await tx.execute(query)).one()
    return role == HELD_BACK_ROLE and (after is None or (held_until or after) > after)


class Seen(NamedTuple):
    """Who had the duty to sweep at a time, and until when, both by the database's clock."""

    holder: UUID
    until: datetime
    at: datetime


async def seen(office: Office) -> Seen | None:
    async with office.store.read() as tx:
        query = sa.select(duties.c.holder, duties.c.until).where(duties.c.name == "sweep")
        found = (await tx.execute(query)).one_or_none()
        return Seen(*found, await tx.clock()) if found else None


async def test_one_server_sweeps_and_another_goes_on_when_it_is_killed(office: Office, database_url: str) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await set_campaign(tx, firm, "Intake follow-up", CampaignChange(paused=True))
    async with office.store.write() as tx:
        await tx.execute(duties.delete())
    with Server(database_url) as one:
        first = last = await until(partial(seen, office))
        with Server(database_url) as two:
            for _ in range(40):
                await asyncio.sleep(0.05)
                before, last = last, await until(partial(seen, office))
                # The other does nothing, unless the machine stalled for as long as a duty lasts.
                assert last.holder == before.holder or last.at > before.until
            killed, other = (one, two) if last.holder == first.holder else (two, one)
            os.killpg(killed.process.pid, signal.SIGKILL)
            began = time.monotonic()
            await office.add(1)
            await until(partial(is_held_back, office, 1))
            assert (await until(partial(seen, office))).holder != last.holder
            assert '"fault"' not in other.output()
            print(f"\ntaken over after {time.monotonic() - began:.1f} s")
