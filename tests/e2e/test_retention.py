"""A purge beside a server that is at work: nobody is refused, nobody waits long, no claim is broken."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import sqlalchemy as sa

from casedial.database.tables import status_history
from casedial.domain.cases import Note, StatusChange
from casedial.domain.statuses import StatusType
from casedial.storage import cases, notes
from tests.conftest import NOW, Office, vendor
from tests.e2e.test_claims import fill
from tests.servers import CASEDIAL, Server
from tests.waiting import PATIENCE, Pulse, until

CASES = 3000
LONG_AGO = NOW - timedelta(days=400)


async def age(office: Office) -> None:
    """Give the cases a long history and many notes."""
    firm = await office.firm()
    statuses = firm.statuses.of(StatusType.DISPOSITION)
    async with office.store.write() as tx:
        for number in range(8):
            at = LONG_AGO + timedelta(days=number)
            status = statuses[number % len(statuses)]
            rows = [StatusChange(n, status.type, status, None, at, vendor()) for n in range(1, CASES + 1)]
            await cases.record(tx, firm, rows)
            await notes.add(tx, firm, [Note(n, "An old note", vendor(), at) for n in range(1, CASES + 1)])


async def work(base: str, key: str) -> tuple[list[int], list[float]]:
    """Claim all there is, and report and note each case; return the cases, and how long each request took."""
    taken: list[int] = []
    seconds: list[float] = []
    async with httpx.AsyncClient(headers={"X-ApiKey": key}, timeout=2 * PATIENCE) as http:

        async def call(method: str, body: dict[str, Any]) -> Any:
            started = time.monotonic()
            reply = await http.post(f"{base}/{method}", json=body)
            seconds.append(time.monotonic() - started)
            assert reply.status_code == 200, reply.text
            return reply.json()

        while got := [case["CaseID"] for case in await call("GetCasesToDial", {"Records": 25, "Auto-change": True})]:
            taken += got
            done = [{"CaseID": n, "Status": "Do not Dial", "Disposition": "Busy"} for n in got]
            assert (await call("UpdateCaseStatus", {"Cases": done}))["Failed"] == 0
            await call("AddCaseNote", {"CaseID": got, "Note": "A new note"})
    return taken, seconds


async def purge(database_url: str) -> dict[str, int]:
    """Run the command; return what it removed."""
    command = [str(CASEDIAL), "purge", "--older-than", "90d", "--yes", "--json", "--database-url", database_url]
    purging = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(purging.communicate(), 5 * PATIENCE)
    assert purging.returncode == 0
    [removed] = json.loads(said)["firms"]
    return {kind: removed[kind] for kind in ("history", "notes")}


async def has_begun(office: Office) -> bool:
    """Tell whether a purge has removed some history: it is in the middle of its work."""
    async with office.store.read() as tx:
        left = (await tx.execute(sa.select(sa.func.count()).select_from(status_history))).scalar_one()
    return bool(left < 8 * CASES)


def written(file: BinaryIO) -> None:
    """Write to the disk, as each request does."""
    file.write(b".")
    file.flush()
    os.fsync(file.fileno())


async def test_a_purge_beside_a_server_at_work(office: Office, database_url: str, tmp_path: Path) -> None:
    await fill(office, CASES)
    await age(office)
    with Server(database_url) as server, (tmp_path / "pulse").open("wb") as file:
        async with Pulse(lambda: asyncio.to_thread(written, file)) as pulse:
            purging = asyncio.create_task(purge(database_url))
            await until(lambda: has_begun(office))
            taken, seconds = await asyncio.wait_for(work(server.base, office.key), 5 * PATIENCE)
            removed = await purging
    assert removed["notes"] == 8 * CASES
    assert sorted(taken) == list(range(1, CASES + 1))
    assert max(seconds) < 5 + pulse.allowance
    # The history of a case that is in the dialer stays whole; the next purge finds what this one left for that.
    assert removed["history"] > 0
    left = await purge(database_url)
    assert left["notes"] == 0
    assert removed["history"] + left["history"] == 7 * CASES
    for case_id in (1, CASES):
        recorded = await office.history(case_id)
        assert [(kind, status) for kind, status, _ in recorded] == [
            ("Last Dialer Disposition", "No Answer"),  # the last of the eight
            ("Dialer Status", "In the Dialer"),
            ("Dialer Status", "Do not Dial"),
            ("Last Dialer Disposition", "Busy"),
        ]
        assert [note.text for note in await office.notes(case_id)] == ["A new note"]
