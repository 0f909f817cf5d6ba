"""Transactions, and what becomes of a driver's errors."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from casedial import joining
from casedial.database import sqlite
from casedial.database.engine import Store, Transaction
from casedial.database.sqlite import SqliteSession
from casedial.domain.errors import InvalidSetting, StorageUnavailable
from tests.conftest import Office
from tests.postgres import free_port, lock_waiters
from tests.statements import failing
from tests.waiting import PATIENCE, until


@pytest.mark.parametrize(
    "url", ["", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite:////no/such/folder/casedial.db"]
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InvalidSetting):
        Store(url)


async def test_a_failed_transaction_leaves_nothing(store: Store, office: Office) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(sa.text("UPDATE firms SET default_records = 7"))
        raise KeyError("after the change")

    with pytest.raises(KeyError):
        await store.transact(work)
    assert (await office.firm()).default_records == 100


async def test_a_read_sees_one_moment(store: Store, office: Office) -> None:
    async with store.read() as reading:
        before = (await reading.execute(sa.text("SELECT default_records FROM firms"))).scalar_one()
        async with store.write() as writing:
            await writing.execute(sa.text("UPDATE firms SET default_records = 7"))
        assert (await reading.execute(sa.text("SELECT default_records FROM firms"))).scalar_one() == before
    assert (await office.firm()).default_records == 7


async def test_a_deadlock_is_retried_and_never_shown(store: Store, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    both_hold_one = asyncio.Barrier(2)

    def crossing(first: int, second: int) -> list[int]:
        return [first, second]

    async def work(tx: Transaction, order: list[int], tries: list[int]) -> None:
        tries.append(1)
        await tx.execute(sa.text("UPDATE cases SET zip_code = '1' WHERE case_id = :id"), {"id": order[0]})
        if len(tries) == 1 and store.dialect.name == "postgresql":
            await both_hold_one.wait()
        await tx.execute(sa.text("UPDATE cases SET zip_code = '2' WHERE case_id = :id"), {"id": order[1]})

    tries: list[list[int]] = [[], []]
    await asyncio.gather(
        store.transact(lambda tx: work(tx, crossing(1, 2), tries[0])),
        store.transact(lambda tx: work(tx, crossing(2, 1), tries[1])),
    )
    # PostgreSQL ended one of the two, which then ran again; SQLite lets one writer in at a time.
    assert sum(map(len, tries)) == (3 if store.dialect.name == "postgresql" else 2)


async def test_a_server_that_is_away(database: str, tmp_path: Path) -> None:
    if database == "sqlite":
        file = tmp_path / "broken.db"
        file.write_bytes(b"this is no database, and longer than a header of one hundred bytes is. " * 3)
        url = f"sqlite:///{file}"
    else:
        url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    store = Store(url)
    with pytest.raises(StorageUnavailable):
        async with store.read() as tx:
            await tx.execute(sa.text("SELECT 1 FROM firms"))
    await store.close()


async def test_sqlite_tells_when_another_process_holds_it_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    one, other = Store(f"sqlite:///{tmp_path / 'x.db'}"), Store(f"sqlite:///{tmp_path / 'x.db'}")
    one.make_file()
    async with one.write() as tx:
        await tx.execute(sa.text("CREATE TABLE t (a)"))
        with pytest.raises(StorageUnavailable):
            async with other.write():
                pass
    await one.close()
    await other.close()


async def test_a_write_does_not_queue_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "QUEUE_SECONDS", 0.1)
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")
    store.make_file()
    async with store.write():
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(PATIENCE), store.write():
                pass
    async with store.write() as tx:
        await tx.execute(sa.text("CREATE TABLE t (a)"))
    await store.close()


@pytest.mark.parametrize("database", ["postgresql"])
async def test_what_waits_too_long_for_a_lock_is_given_up_here_and_there(
    store: Store, office: Office, database_url: str
) -> None:
    await office.add(1)
    change = sa.text("UPDATE cases SET zip_code = '1'")
    hasty = Store(database_url, patience=0.3)
    async with store.write() as tx:
        await tx.execute(change)
        with pytest.raises(StorageUnavailable):
            async with hasty.write() as late:
                await late.execute(change)
        await until(partial(nobody_waits, store))  # who does would hold locks of its own

    async def goes_on() -> bool:
        with suppress(StorageUnavailable):  # for where the machine pauses, so much is too long
            async with hasty.write() as late:
                await late.execute(change)
                return True
        return False

    await until(goes_on)
    await hasty.close()


async def nobody_waits(store: Store) -> bool:
    """Tell whether no session of this PostgreSQL database waits for a lock."""
    return not await lock_waiters(store)


async def test_sqlite_is_durable_private_and_free_of_the_wal_bug(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    store = Store(f"sqlite:///{file}")
    with pytest.raises(StorageUnavailable):  # only a start makes the file, never a request
        async with store.read():
            pass
    assert not file.exists()
    store.make_file()
    async with store.write() as tx:
        assert (await tx.execute(sa.text("PRAGMA synchronous"))).scalar_one() == 2  # FULL
        assert (await tx.execute(sa.text("PRAGMA foreign_keys"))).scalar_one() == 1
        journal = (await tx.execute(sa.text("PRAGMA journal_mode"))).scalar_one()
        version = (await tx.execute(sa.text("SELECT sqlite_version()"))).scalar_one()
    assert journal == ("wal" if sqlite.wal_is_safe(tuple(map(int, version.split(".")))) else "delete")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await store.close()


def gated() -> tuple[threading.Event, Any]:
    """A gate, and a work that waits for it, in SQLite's own thread: what is asked for meanwhile waits, too."""
    gate = threading.Event()

    async def first(tx: Transaction) -> str:
        assert gate.wait(PATIENCE)
        return "first"

    return gate, first


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")
    store.make_file()
    async with store.write() as tx:
        await tx.execute(sa.text("CREATE TABLE t (a TEXT CHECK (a <> 'bad'))"))
    yield store
    await store.close()


async def rows(store: Store) -> list[str]:
    async with store.read() as tx:
        return list((await tx.execute(sa.text("SELECT a FROM t ORDER BY rowid"))).scalars())


def insert(*texts: str, fails: bool = False) -> Callable[[Transaction], Awaitable[str]]:
    async def work(tx: Transaction) -> str:
        for text in texts:
            await tx.execute(sa.text("INSERT INTO t VALUES (:a)"), {"a": text})
        if fails:
            raise KeyError(texts[0])
        return texts[0]

    return work


async def together(store: Store, *works: Any, cases: int | None = 1) -> list[Any]:
    """Ask for works while another one goes on, so that they wait together; return what became of each."""
    gate, first = gated()
    asked = [asyncio.create_task(store.transact(work, cases)) for work in (first, *works)]
    await asyncio.sleep(0.05)
    gate.set()
    async with asyncio.timeout(PATIENCE):
        return (await asyncio.gather(*asked, return_exceptions=True))[1:]


def commits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    found: list[object] = []
    commit = SqliteSession.commit

    async def noted(session: SqliteSession) -> None:
        found.append(session)
        await commit(session)

    monkeypatch.setattr(SqliteSession, "commit", noted)
    return found


@pytest.mark.parametrize(("cases", "shared"), [(1, True), (200, False), (None, False)])
async def test_small_writes_of_sqlite_share_a_commit(
    table: Store, monkeypatch: pytest.MonkeyPatch, cases: int | None, shared: bool
) -> None:
    """Large ones do not: who is done waits for nobody that came later and takes long."""
    monkeypatch.setattr(table._joined, "_seconds", 60)  # not the machine decides
    made = commits(monkeypatch)
    assert await together(table, insert("a"), insert("b"), insert("c"), cases=cases) == ["a", "b", "c"]
    assert (len(made) == 1) is shared
    assert await rows(table) == ["a", "b", "c"]


async def test_a_write_that_fails_takes_back_only_itself(table: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table._joined, "_seconds", 60)
    made = commits(monkeypatch)
    works = insert("a"), insert("x", fails=True), insert("y", "bad"), insert("b")
    one, failed, refused, other = await together(table, *works)
    assert (one, other) == ("a", "b")
    assert isinstance(failed, KeyError)
    assert isinstance(refused, sa.exc.IntegrityError)
    assert len(made) == 1
    assert await rows(table) == ["a", "b"]


async def test_nobody_is_told_success_when_a_savepoint_fails(table: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table._joined, "_seconds", 60)
    with failing("RELEASE part", sa.exc.DatabaseError("RELEASE", None, Exception("malformed")), after=1):
        failed = await together(table, insert("a"), insert("b"), insert("c"))
    assert [type(one) for one in failed] == [sa.exc.DatabaseError] * 3
    assert await rows(table) == []
    assert await table.transact(insert("d"), 1) == "d"  # and it goes on


async def test_work_that_waits_for_something_else_is_told_so(table: Store) -> None:
    """In SQLite's own thread there is nothing else to wait for: it would hold up everybody."""

    async def work(tx: Transaction) -> None:
        await insert("a")(tx)
        await asyncio.sleep(0)  # lets others work, who do so anyway
        await asyncio.sleep(0.01)

    with pytest.raises(RuntimeError):
        await table.transact(work, 1)
    assert await rows(table) == []
    assert await table.transact(insert("b"), 1) == "b"


async def test_nobody_is_told_success_when_the_shared_commit_fails(
    table: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table._joined, "_seconds", 60)
    with failing("COMMIT", sa.exc.OperationalError("COMMIT", None, sqlite.OperationalError("disk I/O error"))):
        found = await together(table, insert("a"), insert("b"))
    assert [type(one) for one in found] == [StorageUnavailable, StorageUnavailable]
    assert await rows(table) == []
    assert await table.transact(insert("c"), 1) == "c"  # and it goes on
