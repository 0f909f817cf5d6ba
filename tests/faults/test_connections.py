"""Connections to PostgreSQL that are lost, refused or not what they were: those that work serve everybody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import asyncpg
import httpx
import pytest

from casedial.database.pool import TRY_SECONDS
from casedial.database.postgresql import HANG_SECONDS
from tests.faults.service import BOUND, DATABASE, Service
from tests.faults.silence import Silence
from tests.faults.traffic import is_allowed
from tests.servers import Server
from tests.waiting import PATIENCE, wait_until

CLIENTS = 8


def all_at_once(service: Service, count: int) -> list[httpx.Response]:
    """Leave notes from several clients at the same time."""
    with ThreadPoolExecutor(CLIENTS) as many:
        return list(many.map(lambda _: service.note(), range(count)))


@contextlib.asynccontextmanager
async def taken(service: Service, most: int = 100) -> AsyncIterator[None]:
    """Let others have every connection that PostgreSQL still gives."""
    others = []
    with contextlib.suppress(asyncpg.TooManyConnectionsError):
        while len(others) < most:
            others.append(await asyncpg.connect(service.postgres.url("postgres")))
    yield
    for other in others:
        await other.close()


@pytest.fixture
def few(service: Service) -> Service:
    """A casedial that has fewer connections than it may have, and at least one."""
    service.end_connections()
    assert service.note().status_code == 200
    return service


async def test_those_it_has_serve_when_others_took_all(few: Service) -> None:
    async with taken(few):
        replies = await asyncio.to_thread(all_at_once, few, 80)
        assert {reply.status_code for reply in replies} == {200}
        wait_until(few.is_ready)
    assert max(reply.elapsed.total_seconds() for reply in replies) < BOUND


@pytest.mark.parametrize(
    ("close", "reopen"), [("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"), ("NOLOGIN", "LOGIN")], ids=["limit", "login"]
)
async def test_those_it_has_serve_when_its_role_gets_no_more(few: Service, close: str, reopen: str) -> None:
    few.postgres.execute(f"ALTER ROLE casedial {close}")
    try:
        replies = await asyncio.to_thread(all_at_once, few, 80)
        assert {reply.status_code for reply in replies} == {200}
    finally:
        few.postgres.execute(f"ALTER ROLE casedial {reopen}")
    few.end_connections()
    few.resume()


async def test_it_takes_more_as_soon_as_there_are_some(few: Service) -> None:
    async with taken(few):
        await asyncio.to_thread(all_at_once, few, 20)
    counted = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}' AND usename = 'casedial'"
    other = await asyncpg.connect(few.postgres.url("postgres"))
    async with asyncio.timeout(PATIENCE):
        while await other.fetchval(counted) < 2:
            replies = await asyncio.to_thread(all_at_once, few, 80)
            assert {reply.status_code for reply in replies} == {200}
    await other.close()


@contextlib.asynccontextmanager
async def short(service: Service, setting: str) -> AsyncIterator[asyncpg.Connection]:
    """Have a setting of the role be too short; yield a connection without it, which may hold a case."""
    service.postgres.execute(f"ALTER ROLE casedial SET {setting} = '100ms'")
    service.end_connections()
    other = await asyncpg.connect(service.postgres.url(DATABASE))
    try:
        yield other
    finally:
        await other.close()
        service.postgres.execute(f"ALTER ROLE casedial RESET {setting}")
    service.end_connections()  # those that were never ended by it have it still
    service.resume()


HOLD = "SELECT * FROM cases WHERE case_id = 1 FOR UPDATE"


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
async def test_a_setting_of_the_role_that_is_too_short(service: Service, setting: str) -> None:
    """What it ends is answered 503."""
    async with short(service, setting) as other, other.transaction():
        await other.execute(HOLD)
        reply = await asyncio.to_thread(service.note)
        assert reply.status_code == 503
        assert is_allowed(reply)


async def test_who_waits_for_a_lock_is_not_idle(service: Service) -> None:
    """Though the role has a transaction end that is idle for less; where the machine paused it may be."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with short(service, "idle_in_transaction_session_timeout") as other, asyncio.timeout(PATIENCE):
        status = 0
        while status != 200:
            async with other.transaction():
                await other.execute(HOLD)
                asked = asyncio.create_task(asyncio.to_thread(service.note))
                while not asked.done() and not await other.fetchval(waiting):
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.5)
            reply = await asked
            assert is_allowed(reply)
            status = reply.status_code


async def test_a_schema_that_is_out_of_sight_for_a_while(service: Service) -> None:
    """That is no database that is away, and still no session is kept that cannot see the tables."""
    service.postgres.execute("ALTER ROLE casedial SET search_path = pg_catalog")
    service.end_connections()
    assert {reply.status_code for reply in all_at_once(service, 12)} <= {500, 503}
    assert not service.is_ready()
    service.postgres.execute("ALTER ROLE casedial RESET search_path")
    all_at_once(service, 40)  # by those that nobody has used until now, too
    service.resume()
    wait_until(service.is_ready)


async def test_a_database_that_takes_no_connections_for_a_while(service: Service) -> None:
    """As an administrator has it who is about to rename it."""
    service.postgres.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
    service.end_connections()
    assert {reply.status_code for reply in all_at_once(service, 12)} == {503}
    assert not service.is_ready()
    service.postgres.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
    service.resume()
    wait_until(service.is_ready)


@pytest.fixture(scope="module")
def silence(ground: Service) -> Iterator[Silence]:
    with Silence(ground.postgres.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def behind(ground: Service, silence: Silence) -> Iterator[Service]:
    """A casedial that reaches PostgreSQL through the proxy."""
    with Server(f"postgresql://casedial@127.0.0.1:{silence.port}/{DATABASE}") as running:
        yield Service(ground.postgres, ground.key, running)


async def test_idle_connections_that_a_firewall_forgot(behind: Service, silence: Silence) -> None:
    """One request waits for one of them; the others are tried, and no request after it waits long."""
    assert {reply.status_code for reply in all_at_once(behind, 40)} == {200}
    silence.forget()
    replies = [await asyncio.to_thread(behind.note) for _ in range(6)]
    took = [reply.elapsed.total_seconds() for reply in replies]
    print(
        "\nforgotten:", [(reply.status_code, round(seconds, 1)) for reply, seconds in zip(replies, took, strict=True)]
    )
    assert all(is_allowed(reply) for reply in replies)
    assert {reply.status_code for reply in replies[2:]} == {200}
    assert max(took) < BOUND
    assert median(took[2:]) < TRY_SECONDS


async def test_connections_that_are_forgotten_in_the_middle_of_work(behind: Service, silence: Silence) -> None:
    async with behind.traffic() as traffic:
        await traffic.more(40)
        silence.forget()
        await traffic.more(80)
    assert max(call.seconds for call in traffic.calls) < BOUND
    # Each dialer lost the one that it was on, and one more at most, where it began as another was found lost.
    assert sum(call.status != 200 for call in traffic.calls) <= 2 * traffic.dialers
    print(f"\n{dict(traffic.answered)}, the longest {max(call.seconds for call in traffic.calls):.1f} s")


async def test_a_long_statement_is_not_taken_for_a_lost_one(behind: Service) -> None:
    behind.end_connections()  # those that were forgotten in the middle of work hold what they locked for a while
    assert behind.note().status_code == 200
    other = await asyncpg.connect(behind.postgres.url(DATABASE))
    async with other.transaction():
        await other.execute("SELECT * FROM cases WHERE case_id = 1 FOR UPDATE")
        reply = asyncio.create_task(asyncio.to_thread(behind.note))
        await asyncio.sleep(2.5 * HANG_SECONDS)
        assert not reply.done()
    assert (await reply).status_code == 200
    await other.close()
