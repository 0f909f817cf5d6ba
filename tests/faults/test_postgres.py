"""PostgreSQL goes away, comes back, is full, is read-only, does not answer: casedial says 503 and goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from casedial.domain.cases import Case, Role, StatusType
from casedial.storage import cases, schema
from casedial.storage.engine import Store
from tests.conftest import NOW, make_office
from tests.faults.impatient import PATIENCE
from tests.faults.traffic import Traffic, is_allowed
from tests.postgres import PostgresServer
from tests.servers import Server

CASES = 4000
CONNECTIONS = 24
BOUND = 10.0  # for what takes 2 s at most, and less than one, on a machine that has nothing else to do
DATABASE = "ill_treated"


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A PostgreSQL to be ill-treated."""
    server = PostgresServer(max_connections=CONNECTIONS, superuser_reserved_connections=3)
    server.execute("CREATE ROLE casedial LOGIN")
    yield server
    server.stop()


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

    def _post(self, method: str, body: object) -> httpx.Response:
        return httpx.post(f"{self.server.base}/{method}", json=body, headers={"X-ApiKey": self.key}, timeout=30)

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
        self.postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid()"
        )


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


@pytest.fixture(scope="module")
def ground(own: PostgresServer) -> Iterator[Service]:
    own.execute(f"CREATE DATABASE {DATABASE} OWNER casedial")
    url = f"postgresql://casedial@127.0.0.1:{own.port}/{DATABASE}"
    key = asyncio.run(fill(url))
    with Server(url) as running:
        yield Service(own, key, running)


@pytest.fixture
def service(ground: Service) -> Iterator[Service]:
    """The service, which is well before each test and still runs after it."""
    assert ground.note().status_code == 200
    yield ground
    assert ground.server.process.poll() is None
    assert "Traceback" not in ground.server.output()


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGINT], ids=["immediate", "fast"])
async def test_a_server_that_is_stopped_and_comes_back(service: Service, how: signal.Signals) -> None:
    async with service.traffic() as traffic:
        await traffic.more(40)
        service.postgres.halt(how)
        away = time.monotonic()
        await traffic.more(20)
        back = time.monotonic()
        service.postgres.start()
        taken = service.resume()
        resumed = time.monotonic()
        await traffic.more(40)
    assert {call.status for call in traffic.calls if away < call.at < back} == {503}
    assert {call.status for call in traffic.calls if call.at > resumed} == {200}
    assert max(call.seconds for call in traffic.calls) < BOUND
    print(f"\n{how.name}: {dict(traffic.answered)}, resumed after {taken:.2f} s")


async def test_every_connection_is_ended_in_the_middle_of_work(service: Service) -> None:
    async with service.traffic() as traffic:
        for _ in range(6):
            await traffic.more(10)
            service.end_connections()
        service.resume()
    assert traffic.answered[200] > 30
    print(f"\nended: {dict(traffic.answered)}")


async def test_that_an_idle_connection_was_ended_is_not_noticed(service: Service) -> None:
    for _ in range(3):
        service.end_connections()
        await asyncio.sleep(0.3)
        assert service.claim().status_code == 200


@pytest.mark.parametrize("user", ["postgres", "casedial"])
async def test_out_of_connections(service: Service, user: str) -> None:
    """Every slot is taken, or all but those that PostgreSQL keeps for its administrators."""
    others = await take_all(f"postgresql://{user}@127.0.0.1:{service.postgres.port}/postgres")
    for ask in (service.claim, service.note, service.read):
        reply = await asyncio.to_thread(ask)
        assert reply.status_code == 503
        assert is_allowed(reply)
    for other in others:
        await other.close()
    service.resume()


async def take_all(url: str) -> list[asyncpg.Connection]:
    """Connect until the server lets nobody in, and the casedial that it had let in before is out for good."""
    first = await asyncpg.connect(url)
    taken = [first]
    undisturbed = 0
    for _ in range(100):
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.append(await asyncpg.connect(url))
        ended = await first.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", DATABASE)
        undisturbed = 0 if ended else undisturbed + 1
        if undisturbed == 3:
            return taken
        await asyncio.sleep(0.1)
    raise AssertionError("casedial always gets in")


async def test_a_read_only_server(service: Service) -> None:
    service.postgres.execute(f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    service.end_connections()  # a session takes the setting when it begins
    for ask in (service.claim, service.note):
        reply = ask()
        assert reply.status_code == 503
        assert is_allowed(reply)
    assert service.read().status_code == 200
    service.postgres.execute(f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only")
    service.end_connections()
    service.resume()


async def test_a_server_that_does_not_answer(service: Service) -> None:
    """The tested casedial gives up after 2 s; the real one has the same limits, but longer ones."""
    url = f"postgresql://casedial@127.0.0.1:{service.postgres.port}/{DATABASE}"
    with Server(url, command=(sys.executable, "-m", "tests.faults.impatient")) as running:
        impatient = Service(service.postgres, service.key, running)
        async with impatient.traffic() as traffic:
            await traffic.more(20)
            service.postgres.freeze()
            frozen = time.monotonic()
            try:
                ready = await asyncio.to_thread(httpx.get, f"{running.url}/readyz", timeout=30)
                alive = await asyncio.to_thread(httpx.get, f"{running.url}/healthz", timeout=30)
                await asyncio.sleep(frozen + 3 * PATIENCE - time.monotonic())
            finally:
                thawed = time.monotonic()
                service.postgres.thaw()
            impatient.resume()
        held = [call for call in traffic.calls if frozen + 0.5 < call.at + call.seconds < thawed]
        assert {call.status for call in held} == {503}
        assert len(held) >= traffic.dialers
        assert max(call.seconds for call in traffic.calls) < BOUND
        assert (ready.status_code, ready.headers["retry-after"], alive.status_code) == (503, "1", 200)
        assert ready.elapsed.total_seconds() < BOUND
    print(f"\nfrozen: {dict(traffic.answered)}, the longest {max(call.seconds for call in traffic.calls):.1f} s")
