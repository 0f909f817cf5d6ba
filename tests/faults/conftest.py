"""A PostgreSQL to be ill-treated, for a module, and a casedial on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.pair import Pair, made_pair
from tests.faults.service import CONNECTIONS, DATABASE, Service, fill
from tests.postgres import PostgresServer
from tests.servers import Server


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A PostgreSQL to be ill-treated."""
    server = PostgresServer(max_connections=CONNECTIONS, superuser_reserved_connections=3)
    server.execute("CREATE ROLE casedial LOGIN")
    yield server
    server.stop()


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
    ground.resume()  # from what the test before did to its PostgreSQL
    yield ground
    assert ground.server.process.poll() is None
    assert "Traceback" not in ground.server.output()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A server with a filled database, and its standby."""
    with made_pair() as made:
        yield made
