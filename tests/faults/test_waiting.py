"""Commits that wait for a standby: none is acknowledged before the standby has it, whoever ends the wait."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.faults.service import DATABASE, Service
from tests.faults.traffic import IN_DOUBT, is_allowed
from tests.servers import Server, plain
from tests.waiting import PATIENCE, until

WAITS = (
    "SELECT count(*) FROM pg_stat_activity"
    f" WHERE datname = '{DATABASE}' AND wait_event = 'SyncRep' AND backend_type = 'client backend'"
)
END_THEM = WAITS.replace("count(*)", "pg_cancel_backend(pid)")


@asynccontextmanager
async def no_standby(service: Service) -> AsyncIterator[None]:
    """Have every commit wait for a standby that is not there."""
    service.postgres.execute("ALTER SYSTEM SET synchronous_standby_names = 'away'")
    service.postgres.execute("SELECT pg_reload_conf()")
    try:
        await until(partial(a_commit_waits, service))
        yield
    finally:
        service.postgres.execute("ALTER SYSTEM RESET synchronous_standby_names")
        service.postgres.execute("SELECT pg_reload_conf()")  # and who waited goes on


async def a_commit_waits(service: Service) -> bool:
    """Tell whether PostgreSQL has read its settings anew, which each of its processes does in its own time."""
    connection = await asyncpg.connect(service.postgres.url(DATABASE))
    end_it = f"{END_THEM} AND pid = {connection.get_server_pid()}"
    commit = asyncio.create_task(connection.execute("UPDATE cases SET zip_code = '2' WHERE case_id = 3"))
    has_waited = False
    while not commit.done():
        has_waited = await ask(service, end_it) or has_waited
    await connection.close()
    return bool(has_waited)


async def ask(service: Service, query: str) -> Any:
    connection = await asyncpg.connect(service.postgres.url(DATABASE))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until_waiting(service: Service, number: int = 1) -> None:
    """Wait until so many commits wait; there may be more, of a server's own work."""

    async def do() -> bool:
        return await ask(service, WAITS) >= number

    await until(do)


class Asked(threading.Thread):
    """A request that waits for its answer."""

    reply: httpx.Response

    def __init__(self, service: Service, method: str, body: object, key: str) -> None:
        super().__init__(daemon=True)
        headers = {"X-ApiKey": service.key, "Idempotency-Key": key}
        self._what = f"{service.server.base}/{method}", body, headers
        self.start()

    def run(self) -> None:
        url, body, headers = self._what
        self.reply = plain.post(url, json=body, headers=headers, timeout=PATIENCE)


CLAIM = ("GetCasesToDial", {"Records": 1, "Auto-change": True})


@pytest.mark.parametrize("method", ["GetCasesToDial", "AddCaseNote"])
async def test_a_wait_that_somebody_ends_is_no_answer(service: Service, method: str) -> None:
    """PostgreSQL calls such a commit a success, with a warning: it would be lost with its server."""
    key, text = str(uuid4()), str(uuid4())
    body: object = CLAIM[1] if method == CLAIM[0] else {"CaseID": 1, "Note": text}
    async with no_standby(service):
        asked = Asked(service, method, body, key)

        async def is_answered() -> bool:
            await ask(service, END_THEM)
            return not asked.is_alive()

        await until(is_answered)
        assert asked.reply.status_code == 503
        assert IN_DOUBT in asked.reply.json()["detail"]
        assert is_allowed(asked.reply)
        # It is there by now, for everybody to see; but a repeat is not told so before a standby has it.
        repeat = Asked(service, method, body, key)
        await until_waiting(service)
        await asyncio.sleep(0.3)
        assert repeat.is_alive()
    await asyncio.to_thread(repeat.join, PATIENCE)
    assert repeat.reply.status_code == 200
    if method != CLAIM[0]:
        assert await ask(service, f"SELECT count(*) FROM notes WHERE text = '{text}'") == 1
    assert "wait for a standby was ended" in service.server.until_said("wait for a standby was ended")


async def test_a_claim_that_waits_is_not_given_up(service: Service) -> None:
    """PostgreSQL is at work for it, however long: no timeout of a session ends the wait, and then it is there."""
    async with no_standby(service):
        began = time.monotonic()
        asked = Asked(service, *CLAIM, str(uuid4()))
        await until_waiting(service)
        await asyncio.sleep(5)  # after 3 it is looked at whether PostgreSQL is at work
        assert asked.is_alive()
        assert await ask(service, WAITS) >= 1
    await asyncio.to_thread(asked.join, PATIENCE)
    assert asked.reply.status_code == 200
    assert len(asked.reply.json()) == 1
    assert time.monotonic() - began > 5


async def test_no_timeout_of_postgresql_ends_the_wait(service: Service) -> None:
    """The limit for statements, which casedial sets, is over when a commit waits, be it of one statement or of more."""
    connections = [await asyncpg.connect(service.postgres.url(DATABASE)) for _ in range(2)]
    write = "UPDATE cases SET zip_code = '1' WHERE case_id = $1"
    await connections[0].execute("BEGIN")
    await connections[0].execute(write, 1)
    for connection in connections:
        await connection.execute("SET statement_timeout = '2s'")
    async with no_standby(service):
        waiting = [
            asyncio.create_task(connections[0].execute("COMMIT")),
            asyncio.create_task(connections[1].execute(write, 2)),
        ]
        await until_waiting(service, 2)
        await asyncio.sleep(3)
        assert not any(one.done() for one in waiting)
    await asyncio.gather(*waiting)
    for connection in connections:
        await connection.close()


async def test_a_wait_that_takes_too_long_is_in_doubt_and_goes_on(service: Service) -> None:
    """Who waits is answered; the commit is left alone, and is there when a standby is."""
    key, text = str(uuid4()), str(uuid4())
    url = f"postgresql://casedial@127.0.0.1:{service.postgres.port}/{DATABASE}"
    with Server(url, command=(sys.executable, "-m", "tests.faults.impatient")) as server:
        impatient = Service(service.postgres, service.key, server)

        async def told() -> httpx.Response:
            asked = Asked(impatient, "AddCaseNote", {"CaseID": 1, "Note": text}, key)
            await asyncio.to_thread(asked.join, PATIENCE)
            assert is_allowed(asked.reply)
            return asked.reply

        async def is_in_doubt() -> bool:  # where the machine pauses, it gives up before there is any doubt
            reply = await told()
            assert reply.status_code == 503
            return IN_DOUBT in reply.json()["detail"]

        async def is_done() -> bool:
            return (await told()).status_code == 200

        async with no_standby(service):
            await until(is_in_doubt)
            assert await ask(service, f"SELECT count(*) FROM notes WHERE text = '{text}'") == 0  # for nobody to see yet
        await until(is_done)
    assert await ask(service, f"SELECT count(*) FROM notes WHERE text = '{text}'") == 1
