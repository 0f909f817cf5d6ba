"""Which errors of a driver say that the database is away, which are faults of ours, and what the log is told."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from casedial.database import failures, sqlite
from casedial.database.engine import Store, Transaction
from casedial.database.failures import TransactionEnded
from casedial.database.postgresql import UNCONNECTED
from casedial.domain.errors import StorageUnavailable
from tests.conftest import Office
from tests.postgres import free_port

FAULTS = {
    "no such column": "SELECT nosuch FROM firms",
    "no such table": "SELECT 1 FROM nosuch",
    "no statement": "SELEKT 1",
    "a constraint": "UPDATE firms SET name = NULL",
}

AWAY_STATES = [
    "08006",
    "25006",
    "28P01",
    "3D000",
    "42501",
    "53100",
    "53300",
    "55P03",
    "57014",
    "57P01",
    "58030",
    "XX001",
]
FAULT_STATES = ["22001", "22P02", "23505", "25P02", "26000", "42601", "42703", "42P01", "54000", "XX000"]
AWAY_CODES = [
    "BUSY",
    "BUSY_SNAPSHOT",
    "LOCKED",
    "IOERR_WRITE",
    "FULL",
    "CANTOPEN",
    "READONLY_DBMOVED",
    "CORRUPT",
    "NOTADB",
    "NOMEM",
    "PERM",
]
FAULT_CODES = ["ERROR", "MISUSE", "CONSTRAINT_UNIQUE", "TOOBIG", "MISMATCH", "RANGE", "INTERNAL", "SCHEMA"]


async def run(tx: Transaction, text: str) -> None:
    await tx.execute(sa.text(text))


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
async def test_a_fault_of_ours_is_not_taken_for_a_database_that_is_away(
    store: Store, office: Office, text: str
) -> None:
    for how in (store.read, store.write):
        with pytest.raises(sa.exc.DBAPIError):
            async with how() as tx:
                await run(tx, text)
    with pytest.raises(sa.exc.DBAPIError):
        await store.transact(lambda tx: run(tx, text), cases=1)
    assert (await office.firm()).name == office.name


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_value_that_the_driver_cannot_send_is_a_fault(store: Store, office: Office) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        async with store.read() as tx:
            await tx.execute(sa.text("SELECT CAST(:a AS INTEGER)"), {"a": "no number"})
    with pytest.raises(sa.exc.InterfaceError):
        await ask_without_its_value(store)


async def ask_without_its_value(store: Store) -> None:
    async with store.read() as tx:
        assert tx.session
        with tx.session.failing_alike():
            await tx.session.driver.fetch("SELECT $1::text")


@pytest.mark.parametrize("database", ["sqlite"])
async def test_a_fault_fails_nobody_who_shares_its_commit(store: Store, office: Office) -> None:
    async def wait(tx: Transaction) -> None:
        while not gate.is_set():
            await asyncio.sleep(0)

    gate = threading.Event()  # SQLite's work is done in a thread of its own
    works: list[Any] = [wait, lambda tx: run(tx, FAULTS["no such column"]), lambda tx: run(tx, "SELECT 1")]
    asked = [asyncio.create_task(store.transact(work, cases=1)) for work in works]
    await asyncio.sleep(0.05)
    gate.set()
    waited, failed, fine = await asyncio.gather(*asked, return_exceptions=True)
    assert (waited, fine) == (None, None)
    assert isinstance(failed, sa.exc.OperationalError)


def of_postgresql(state: str, lost: bool = False) -> sa.exc.DBAPIError:
    error = asyncpg.PostgresError.new({"C": state, "M": "what it says", "D": "Failing row contains (402-555-0123)."})
    return sa.exc.DBAPIError("SELECT 'secret'", {"a": "secret"}, error, connection_invalidated=lost)


@pytest.mark.parametrize("state", AWAY_STATES)
def test_postgresql_is_away(state: str) -> None:
    meant = failures.meaning(of_postgresql(state), "PostgreSQL at db:5432")
    assert isinstance(meant, StorageUnavailable)
    assert re.fullmatch(rf"PostgreSQL at db:5432: {state}: \w+Error: what it says", meant.cause)


@pytest.mark.parametrize("state", FAULT_STATES)
def test_postgresql_refuses_what_we_ask(state: str) -> None:
    error = of_postgresql(state)
    assert failures.meaning(error, "") is error
    assert failures.spares_session(error) is (state[:2] in ("22", "23"))
    assert isinstance(failures.meaning(of_postgresql(state, lost=True), ""), StorageUnavailable)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_is_simply_run_again(state: str) -> None:
    assert isinstance(failures.meaning(of_postgresql(state), ""), TransactionEnded)


@pytest.mark.parametrize(
    "error",
    [
        of_postgresql(
            "55000"
        ),  # the database takes no connections for a while: ALTER DATABASE … ALLOW_CONNECTIONS false
        of_postgresql("42P01"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    ],
    ids=["55000", "42P01", "ended while it began"],
)
def test_whatever_keeps_a_connection_from_being_made_is_no_fault(error: Exception) -> None:
    assert isinstance(failures.unconnected(error, "PostgreSQL at db:5432", UNCONNECTED), StorageUnavailable)


def test_a_fault_of_ours_stays_one_while_a_connection_is_made() -> None:
    error = KeyError("process")
    assert failures.unconnected(error, "PostgreSQL at db:5432", UNCONNECTED) is error


def of_sqlite(name: str) -> sa.exc.DBAPIError:
    error = sqlite.OperationalError("what it says")
    error.sqlite_errorname = f"SQLITE_{name}"
    return sa.exc.OperationalError("SELECT 'secret'", None, error)


@pytest.mark.parametrize("name", AWAY_CODES)
def test_a_file_that_cannot_be_used(name: str) -> None:
    meant = failures.meaning(of_sqlite(name), "/var/lib/casedial/casedial.db")
    assert isinstance(meant, StorageUnavailable)
    assert meant.cause == f"/var/lib/casedial/casedial.db: SQLITE_{name}: what it says"


@pytest.mark.parametrize("name", FAULT_CODES)
def test_sqlite_refuses_what_we_ask(name: str) -> None:
    error = of_sqlite(name)
    assert failures.meaning(error, "") is error


async def test_the_cause_tells_where_and_why_and_no_password(database: str, tmp_path: Path) -> None:
    port = free_port()
    gone = tmp_path / "gone.db"
    url = f"sqlite:///{gone}" if database == "sqlite" else f"postgresql://who:s3cret@127.0.0.1:{port}/nothing"
    store = Store(url)
    with pytest.raises(StorageUnavailable) as raised:
        async with store.read():
            pass
    await store.close()
    expected = (
        f"{gone}: SQLITE_CANTOPEN" if database == "sqlite" else f"PostgreSQL at 127.0.0.1:{port}: ConnectionRefused"
    )
    assert raised.value.cause.startswith(expected)
    assert "s3cret" not in raised.value.cause


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_connection_is_never_waited_for_without_end(store: Store) -> None:
    async with store.read() as tx:
        assert tx.session
        plug = tx.session.driver._transport.get_extra_info("socket")
        assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        for name, value in (("tcp_keepalives_idle", "30"), ("tcp_user_timeout", "30000")):
            assert (await tx.execute(sa.text(f"SHOW {name}"))).scalar_one() == value


def test_the_database_is_named_as_it_is_in_the_url() -> None:
    assert Store("postgresql://u:p@h1:5432,h2/d").where == "PostgreSQL at h1:5432,h2"
    assert Store("postgresql:///d?host=/run/postgresql").where == "PostgreSQL at /run/postgresql"
    assert Store("postgresql:///d").where == "PostgreSQL at its default address"
    assert Store("postgresql://u:p/w@h/d").where == "PostgreSQL"
