"""Another PostgreSQL takes the place of the one that casedial works on: a standby that is promoted."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.service import DATABASE, Service, fill
from tests.faults.traffic import is_allowed
from tests.postgres import PostgresServer
from tests.servers import Server


def copy_of(primary: PostgresServer, room: Path) -> PostgresServer:
    """Make a standby that follows a server."""
    room.mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(room, "nobody")
    url = f"host=127.0.0.1 port={primary.port} user=postgres"
    command = [primary.bin / "pg_basebackup", "-d", url, "-D", room / "data", "-R", "-X", "stream", "-c", "fast"]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **primary.as_user)
    return PostgresServer(room, max_connections=60)


@dataclass
class Pair:
    """A server with a filled database, and its standby."""

    primary: PostgresServer
    standby: PostgresServer
    key: str

    def url(self, *names: str) -> str:
        """The URL of the database, with one host or both."""
        hosts = ",".join(f"127.0.0.1:{getattr(self, name).port}" for name in names)
        return f"postgresql://casedial@{hosts}/{DATABASE}"


@pytest.fixture
def pair() -> Iterator[Pair]:
    primary = PostgresServer(wal_level="replica", max_wal_senders=4)
    room = primary.room.with_name(f"{primary.room.name}-standby")
    try:
        if not (primary.bin / "pg_basebackup").exists():
            pytest.skip("this PostgreSQL brings no pg_basebackup")
        primary.execute("CREATE ROLE casedial LOGIN")
        primary.execute(f"CREATE DATABASE {DATABASE} OWNER casedial")
        key = asyncio.run(fill(f"postgresql://casedial@127.0.0.1:{primary.port}/{DATABASE}"))
        standby = copy_of(primary, room)
        try:
            yield Pair(primary, standby, key)
        finally:
            standby.stop()
    finally:
        primary.stop()
        shutil.rmtree(room, ignore_errors=True)


async def test_a_standby_is_promoted(pair: Pair) -> None:
    """Who names both writes to the one that takes writes; who has sessions of the standby goes on with them."""
    with Server(pair.url("primary", "standby")) as one, Server(pair.url("standby")) as other:
        names_both, names_it = Service(pair.standby, pair.key, one), Service(pair.standby, pair.key, other)
        assert {names_both.note().status_code for _ in range(6)} == {200}
        assert names_both.is_ready()
        refused = names_it.note()
        assert refused.status_code == 503
        assert is_allowed(refused)
        assert names_it.read().status_code == 200
        assert not names_it.is_ready()
        pair.primary.freeze()  # a machine that is lost says nothing more
        try:
            pair.standby.execute("SELECT pg_promote()")
            names_it.resume()
            assert names_it.is_ready()
            started = time.monotonic()
            replies = [await asyncio.to_thread(names_both.note)]
            while replies[-1].status_code != 200:
                assert time.monotonic() - started < 30
                replies.append(await asyncio.to_thread(names_both.note))
            assert all(is_allowed(reply) for reply in replies)
            assert max(reply.elapsed.total_seconds() for reply in replies) < 15
            print(f"\ntook over after {time.monotonic() - started:.1f} s")
        finally:
            pair.primary.thaw()


async def test_the_first_host_that_takes_writes_is_taken(pair: Pair) -> None:
    with Server(pair.url("standby", "primary")) as running:
        service = Service(pair.primary, pair.key, running)
        assert {service.note().status_code for _ in range(6)} == {200}
        assert service.is_ready()
