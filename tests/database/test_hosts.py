"""Several hosts in a URL of PostgreSQL: what is wrong with it is said, and a host that is lost is not waited for."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from casedial.database import hosts
from casedial.database.engine import Store
from casedial.database.hosts import Hosts
from casedial.domain.errors import InvalidSetting
from tests.postgres import PostgresServer, free_port


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
def silent() -> Iterator[int]:
    """A host that takes connections and says nothing, as one does that hangs."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


async def test_a_silent_host_is_not_waited_for(postgres: PostgresServer) -> None:
    with silent() as port:
        named = Hosts(f"postgresql://postgres@127.0.0.1:{port},127.0.0.1:{postgres.port}/postgres")
        began = time.monotonic()
        first = await named.connect()
        assert 0.5 < time.monotonic() - began < 5
        began = time.monotonic()
        others = [await named.connect() for _ in range(3)]  # which begin with the one that was there
        assert time.monotonic() - began < 0.5
        named.distrust(first)
        began = time.monotonic()
        others.append(await named.connect())
        assert time.monotonic() - began > 0.5
        for connection in (first, *others):
            connection.terminate()
        await asyncio.sleep(0)


async def test_a_host_that_refuses_is_passed_over(postgres: PostgresServer) -> None:
    away = f"127.0.0.1:{free_port()}"
    connection = await Hosts(f"postgresql://postgres@{away},127.0.0.1:{postgres.port}/postgres").connect()
    await connection.close()
    with pytest.raises(ConnectionRefusedError):
        await Hosts(f"postgresql://postgres@{away},{away}/postgres").connect()


async def test_that_a_name_is_unknown_is_said(postgres: PostgresServer) -> None:
    """Another host may know it; but that one is away tells less."""
    there = f"127.0.0.1:{postgres.port}"
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await Hosts(f"postgresql://postgres@{there},127.0.0.1:{free_port()}/no_such_database").connect()


async def test_when_the_others_refuse_a_silent_host_is_not_waited_for(postgres: PostgresServer) -> None:
    """One of those that refused may be the primary by now."""
    with silent() as port:
        began = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            await Hosts(f"postgresql://postgres@127.0.0.1:{port},127.0.0.1:{free_port()}/postgres").connect()
        assert time.monotonic() - began < 6
