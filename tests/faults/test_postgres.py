"""PostgreSQL goes away, comes back, is full, is read-only, does not answer: casedial says 503 and goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import pytest

from tests.faults.service import BOUND, DATABASE, Service
from tests.faults.traffic import is_allowed
from tests.servers import Server
from tests.waiting import PATIENCE, until, wait_until


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
    assert {call.status for call in traffic.calls if away < call.at and call.at + call.seconds < back} == {503}
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


async def test_a_server_that_was_read_only_for_a_while(service: Service) -> None:
    """A session takes the setting when it begins: those that began meanwhile are not kept."""
    service.postgres.execute(f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    service.end_connections()
    for ask in (service.claim, service.note):
        reply = ask()
        assert reply.status_code == 503
        assert is_allowed(reply)
    assert not service.is_ready()
    with ThreadPoolExecutor(8) as many:
        assert {reply.status_code for reply in many.map(lambda _: service.read(), range(24))} == {200}
    service.postgres.execute(f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only")
    service.resume()
    wait_until(service.is_ready)


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
                ready = await asyncio.to_thread(httpx.get, f"{running.url}/readyz", timeout=PATIENCE)
                alive = await asyncio.to_thread(httpx.get, f"{running.url}/healthz", timeout=PATIENCE)
                await until(lambda: sum(call.at > frozen for call in traffic.calls) >= traffic.dialers)
                held = [call for call in traffic.calls if call.at > frozen]
            finally:
                service.postgres.thaw()
            wait_until(lambda: impatient.note().status_code == 200)
        assert {call.status for call in held} == {503}
        assert max(call.seconds for call in traffic.calls) < BOUND
        assert (ready.status_code, ready.headers["retry-after"], alive.status_code) == (503, "1", 200)
        assert ready.elapsed.total_seconds() < BOUND
    print(f"\nfrozen: {dict(traffic.answered)}, the longest {max(call.seconds for call in traffic.calls):.1f} s")
