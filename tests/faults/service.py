"""A casedial on a PostgreSQL that is ill-treated, and what the test knows of the database by itself."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.cases import Case
from casedial.domain.statuses import Role, StatusType
from casedial.storage import cases
from casedial.web.app import PATIENCE_SECONDS
from tests.conftest import NOW, make_office
from tests.faults.traffic import Traffic
from tests.postgres import PostgresServer
from tests.servers import Server, plain
from tests.waiting import PATIENCE, wait_until

CASES = 4000
CONNECTIONS = 24
BOUND = 0.8 * PATIENCE_SECONDS  # for what takes 2 s at most: it is not waited for as long as anything is
DATABASE = "ill_treated"
_CLOSE_WAIT = "08"  # the other side has closed the connection, and this one has not seen it


@dataclass
class Service:
    """A casedial on that PostgreSQL: one process, through everything that happens here."""

    postgres: PostgresServer
    key: str
    server: Server

    def claim(self) -> httpx.Response:
        return self._post("GetCasesToDial", {"Records": 1, "Auto-change": True})

    def note(self) -> httpx.Response:
        return self._post("AddCaseNote", {"CaseID": 1, "Note": "A note."})

    def read(self) -> httpx.Response:
        return self._post("GetCaseInfo", {"CaseID": 1})

    def is_ready(self) -> bool:
        """Ask as a load balancer does."""
        return plain.get(f"{self.server.url}/readyz", timeout=PATIENCE).status_code == 200

    def _post(self, method: str, body: object) -> httpx.Response:
        return plain.post(f"{self.server.base}/{method}", json=body, headers={"X-ApiKey": self.key}, timeout=PATIENCE)

    @contextlib.asynccontextmanager
    async def traffic(self) -> AsyncIterator[Traffic]:
        """Let dialers work, and judge at the end whether they were told the truth."""
        before = await self._ask("SELECT case_id, 1 FROM cases WHERE dialer_role = 2")
        with Traffic(self.server.base, self.key) as traffic:
            yield traffic
        notes = await self._ask("SELECT text, count(*) FROM notes GROUP BY text")
        claimed = await self._ask("SELECT case_id, 1 FROM cases WHERE dialer_role = 2")
        traffic.judge(Counter(notes), claimed.keys() - before.keys())

    async def _ask(self, query: str) -> dict[Any, Any]:
        connection = await asyncpg.connect(self.postgres.url(DATABASE))
        try:
            return dict(await connection.fetch(query))
        finally:
            await connection.close()

    def resume(self) -> float:
        """Wait until a write succeeds, and see that all do from then on; return how long it took."""
        started = time.monotonic()
        while self.note().status_code != 200:
            assert time.monotonic() - started < BOUND
            time.sleep(0.05)
        taken = time.monotonic() - started
        assert {self.note().status_code for _ in range(12)} == {200}
        return taken

    def end_connections(self) -> None:
        """End every connection to the database, and wait until casedial can know."""
        others = f"datname = '{DATABASE}' AND pid <> pg_backend_pid()"
        query = f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
        command = [self.postgres.bin / "psql", "-qAtX", "-d", self.postgres.url("postgres"), "-c", query]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        ended = [Path("/proc", line.partition("|")[0]) for line in told.splitlines()]
        wait_until(lambda: not any(process.exists() for process in ended) and not self._has_closed_connections())

    def _has_closed_connections(self) -> bool:
        """Tell whether casedial still holds a connection that PostgreSQL has closed."""
        held = {name for worker in self.server.workers() for name in descriptors(worker)}
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        closed = [row[9] for row in rows if row[2].endswith(f":{self.postgres.port:04X}") and row[3] == _CLOSE_WAIT]
        return any(f"socket:[{inode}]" in held for inode in closed)


def descriptors(process: int) -> Iterator[str]:
    """The names of what a process has open."""
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it is closed by now
            yield str(link.readlink())


async def fill(url: str) -> str:
    """Make the database ready, with a firm and many due cases; return the firm's key."""
    store = Store(url)
    await schema.migrate(store)
    office = await make_office(store)
    firm = await office.firm()
    to_dial = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    due = NOW - timedelta(days=400)
    async with store.write() as tx:
        await cases.add(tx, firm, [Case(case_id=n, statuses=to_dial, dial_at=due) for n in range(1, CASES + 1)])
    await store.close()
    return office.key
