"""What is fuzzed: a real server on a real database, and how to tell afterwards whether it was harmed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from casedial.database import schema
from casedial.database.engine import Store
from casedial.database.indexes import metadata
from casedial.domain.cases import Phone
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key
from casedial.service.statuses import add_statuses
from tests.conftest import NOW, Office, make_office
from tests.fuzz import words
from tests.postgres import PostgresServer
from tests.servers import Server, connected

DATABASES = ("sqlite", "postgresql")
DIED = "the server or a worker of it died"
MAX_GROWTH_MIB = 100
CLAIM_TIMEOUT = 3  # seconds: short, so that leases run out all the time and there is always something to claim
KEY = words.KEY.decode()
MANAGED = "Systems & Daughters"  # a firm whose own system may change all of it, and nothing else
# What no log may show: a fault of ours, a worker that died, a thread or task that nobody waited for.
_BAD_LINES = (
    '"event": "fault"',
    "Traceback",
    "panicked",
    "Unexpected exit",
    "never retrieved",
    "Exception in",
    "fatal",
)


@contextlib.contextmanager
def database_urls(databases: tuple[str, ...] = DATABASES) -> Iterator[dict[str, str]]:
    """URLs of empty databases, which are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="casedial-fuzz-") as folder:
        urls = {"sqlite": f"sqlite:///{folder}/fuzz.db"} if "sqlite" in databases else {}
        if "postgresql" not in databases:
            yield urls
            return
        postgres = PostgresServer()
        try:
            postgres.execute("CREATE DATABASE fuzz")
            yield {**urls, "postgresql": postgres.url("fuzz")}
        finally:
            postgres.stop()


class Target:
    """A server with a firm to attack, cases in it that must stay as they are, and another firm."""

    def __init__(self, database: str, url: str, command: tuple[str, ...] = ()) -> None:
        self.database = database
        self.url = url
        asyncio.run(_furnish(url))
        self._before = asyncio.run(_protected(url))
        self.growth = 0.0  # MiB by which the memory of the worker that grew most has grown
        self.server = Server(url, "--workers", "1", command=command)

    def __enter__(self) -> Target:
        self.server.__enter__()
        self._get_good()
        self._workers = _workers(self.server.process.pid)
        self._memory = {worker: _resident_mib(worker) for worker in self._workers}
        return self

    def __exit__(self, *error: Any) -> None:
        self.server.__exit__(*error)

    def faults(self) -> list[str]:
        """Say what harm was done."""
        if self.server.process.poll() is not None or _workers(self.server.process.pid) != self._workers:
            return [DIED, *_bad_lines(self.server.output())]
        self.growth = max(_resident_mib(worker) - before for worker, before in self._memory.items())
        faults = [f"memory grew by {self.growth:.0f} MiB"] if self.growth > MAX_GROWTH_MIB else []
        try:
            self._get_good()
            self._post_good()
        except httpx.ConnectError:  # it is about to be seen that it is gone
            return [DIED, *_bad_lines(self.server.output())]
        except (httpx.HTTPError, AssertionError, ValueError) as error:
            faults.append(f"a good request is not answered as it should be: {error!r}")
        if asyncio.run(_protected(self.url)) != self._before:
            faults.append("data that no granted request named was changed")
        return faults + _bad_lines(self.server.output())

    def _get_good(self) -> None:
        case_id = words.GUARDED_CASES[0]
        with connected(base_url=self.server.url, headers={"X-ApiKey": KEY}) as http:
            reply = http.get("/PredictiveDialer/GetCaseInfo", params={"CaseID": case_id})
            assert reply.status_code == 200, reply.text
            assert (reply.json()["CaseID"], reply.json()["DialerStatus"]) == (case_id, "Do not Dial")

    def _post_good(self) -> None:
        with connected(base_url=f"{self.server.url}/PredictiveDialer/", headers={"X-ApiKey": KEY}) as http:
            for method, body in (
                (
                    "UpdateCaseStatus",
                    {"Cases": [{"CaseID": 1, "Status": "To Dial", "NextCall": "2020-05-06T09:00:00"}]},
                ),
                ("AddCaseNote", {"CaseID": 1, "Note": "After all this."}),
                ("GetCasesToDial", {"Auto-change": True, "Records": 1}),
            ):
                reply = http.post(method, json=body)
                assert reply.status_code == 200, reply.text
            assert len(reply.json()) == 1, reply.text


async def _furnish(url: str) -> None:
    store = Store(url)
    await schema.migrate(store)
    office = await make_office(store)
    await office.set(claim_timeout=CLAIM_TIMEOUT)
    async with store.write() as tx:
        firm = await open_firm(tx, office.name)
        await add_statuses(tx, firm, [(StatusType.DISPOSITION, name) for name in words.DISPOSITIONS])
        await add_key(tx, firm, "Fuzz Dialer", NOW, KEY)
    for number in words.OWN_CASES:
        await office.add(
            number,
            campaign=words.CAMPAIGNS[number % 2],
            case_group=words.GROUPS[number % 2],
            attempts=str(number % 21),
            dial_at=NOW - timedelta(days=400, seconds=number % 20),
        )
    await _add_guarded(office)
    await _add_guarded(await make_office(store, "Other & Sons", "America/Los_Angeles"))
    managed = await make_office(store, MANAGED)
    async with store.write() as tx:
        change = LimitChange(scopes=(Scope.MANAGE, Scope.FEED))
        firm = await open_firm(tx, managed.name)
        await add_key(tx, firm, "Fuzz System", NOW, words.MANAGE_KEY.decode(), change)
    for number in words.OWN_CASES:
        await managed.add(number, dial_at=NOW - timedelta(days=400))
    await store.close()


async def _add_guarded(office: Office) -> None:
    for number, case_id in enumerate(words.GUARDED_CASES):
        phones = (Phone("Cell", words.GUARDED_PHONE.format(number), True, True),)
        await office.add(case_id, dialer="Do not Dial", phones=phones)


async def _protected(url: str) -> dict[str, list[Any]]:
    """All that no granted request may touch: the guarded cases of every firm, the firms and their statuses.

    Of the firm whose own system calls, only its guarded cases, of which there are none.
    """
    store = Store(url)
    found = {}
    async with store.read() as tx:
        managed = (await open_firm(tx, MANAGED)).id
        for table in metadata.sorted_tables:
            if "case_id" in table.c:
                guarded = table.c.case_id.between(words.GUARDED_CASES[0], words.GUARDED_CASES[-1])
                query = sa.select(table).where(guarded).order_by(*table.primary_key)
            elif table.name in ("firms", "statuses"):
                firm_id = table.c.id if table.name == "firms" else table.c.firm_id
                query = sa.select(table).where(firm_id != managed).order_by(*table.primary_key)
            else:
                continue
            found[table.name] = [tuple(row) for row in await tx.execute(query)]
    await store.close()
    return found


def _workers(parent: int) -> list[int]:
    """Return the workers that live: one that has died is listed until its parent looks."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(parent)], capture_output=True, text=True)
    found = (line.split() for line in listed.stdout.splitlines())
    return sorted(int(pid) for pid, state in found if not state.startswith("Z"))


def _resident_mib(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _bad_lines(log: str) -> list[str]:
    bad = [line for line in log.splitlines() if any(words_ in line for words_ in _BAD_LINES)]
    return [f"the server's log: {line[:500]}" for line in bad[:5]]
