"""Several hosts in a URL of PostgreSQL: what is wrong with it is said, and a host that is lost is not waited for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg
import pytest

from casedial.database import hosts
from casedial.database.engine import Store
from casedial.database.hosts import Hosts
from casedial.domain.errors import InvalidSetting
from tests.postgres import PostgresServer
from tests.waiting import PATIENCE


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u@h1,h2:x/d", "host 2 of 2 has no port from 1 to 65535"),
        ("postgresql://u@h1:5432,,h3/d", "host 2 of 3 has no name"),
        ("postgresql://u@h1,:5432/d", "host 2 of 2 has no name"),
        ("postgresql://u@h1:65536/d", "host 1 of 1 has no port"),
        ("postgresql://u@fd00::1/d", "IPv6"),
        ("postgresql://u@h1,h2/d?target_session_attrs=standby", "takes writes"),
        ("postgresql://u@h1,h2/d?target_session_attrs=readwrite", "use read-write"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        Store(url)


def test_no_password_is_said() -> None:
    with pytest.raises(InvalidSetting) as raised:
        Store("postgresql://casedial:secret")  # whose host was forgotten
    assert "secret" not in str(raised.value.detail)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40@h1:5432,h2:5433/d?target_session_attrs=read-write",
        "postgresql://u@[fd00::1]:5432,[fd00::2]/d",
        "postgresql:///d?host=/run/postgresql",
        "postgres://h:/d",
        "postgresql://u:a@b:c@h/d",
    ],
)
def test_a_url_that_may_be_meant(url: str) -> None:
    hosts.check(url)


@contextmanager
def silent() -> Iterator[socket.socket]:
    """A host that takes connections and says nothing, as one does that hangs."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        yield listening


@contextmanager
def closed() -> Iterator[int]:
    """A port of loopback at which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def tries(listening: socket.socket) -> int:
    """Count who has connected since this was asked last."""
    found = 0
    with suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            found += 1
    return found


async def test_a_silent_host_is_not_waited_for(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "CONNECT_SECONDS", 2 * PATIENCE)
    with silent() as listening:
        port = listening.getsockname()[1]
        named = Hosts(f"postgresql://postgres@127.0.0.1:{port},127.0.0.1:{postgres.port}/postgres")
        async with asyncio.timeout(PATIENCE):
            first = await named.connect()
            assert tries(listening) == 1
            with monkeypatch.context() as patch:
                patch.setattr(hosts, "_SILENT_SECONDS", 2 * PATIENCE)
                others = [await named.connect() for _ in range(3)]  # which begin with the one that was there
            assert tries(listening) == 0
            named.distrust(first)
            others.append(await named.connect())
            assert tries(listening) == 1
        for connection in (first, *others):
            connection.terminate()
        await asyncio.sleep(0)


async def test_a_host_that_refuses_is_passed_over(postgres: PostgresServer) -> None:
    with closed() as port:
        away = f"127.0.0.1:{port}"
        connection = await Hosts(f"postgresql://postgres@{away},127.0.0.1:{postgres.port}/postgres").connect()
        await connection.close()
        with pytest.raises(ConnectionRefusedError):
            await Hosts(f"postgresql://postgres@{away},{away}/postgres").connect()


async def test_that_a_name_is_unknown_is_said(postgres: PostgresServer) -> None:
    """Another host may know it; but that one is away tells less."""
    there = f"127.0.0.1:{postgres.port}"
    with closed() as port, pytest.raises(asyncpg.InvalidCatalogNameError):
        await Hosts(f"postgresql://postgres@{there},127.0.0.1:{port}/no_such_database").connect()


async def test_when_the_others_refuse_a_silent_host_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of those that refused may be the primary by now."""
    monkeypatch.setattr(hosts, "CONNECT_SECONDS", 2 * PATIENCE)
    with silent() as listening, closed() as port:
        hangs = f"127.0.0.1:{listening.getsockname()[1]}"
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionRefusedError):
                await Hosts(f"postgresql://postgres@{hangs},127.0.0.1:{port}/postgres").connect()
