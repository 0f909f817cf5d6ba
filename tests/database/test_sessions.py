"""Statements through the drivers: what SQLAlchemy would do, and nothing left behind in a session."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import requires
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from casedial import joining
from casedial.database import pool
from casedial.database.engine import Store, Transaction
from casedial.database.postgresql import PostgresqlSession
from casedial.database.sqlite import SqliteSession, dbapi
from casedial.database.tables import Instant
from casedial.domain.errors import CaseNotFound, StorageUnavailable
from tests.postgres import PostgresServer
from tests.statements import listening
from tests.waiting import PATIENCE, until

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("said", sa.JSON(none_as_null=True)),
    sa.Column("at", Instant),
    sa.Column("day", sa.Date),
    sa.Column("done", sa.Boolean),
    sa.Column("number", sa.Uuid),
    sa.Column("digest", sa.LargeBinary),
)
IN_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"])
IN_SQLITE = pytest.mark.parametrize("database", ["sqlite"])
ADD = things.insert()
ALL = things.select().order_by(things.c.id)


@pytest.fixture
async def store(empty_url: str) -> AsyncIterator[Store]:
    made = Store(empty_url, pool_size=1, patience=2 * PATIENCE)
    made.make_file()
    async with made.write() as tx:
        await tx.run_sync(things.metadata.create_all)
    yield made
    await made.close()


async def ids(store: Store) -> list[int]:
    async with store.read() as tx:
        return list((await tx.execute(sa.select(things.c.id).order_by(things.c.id))).scalars())


async def test_statements_say_what_they_did(store: Store) -> None:
    async with store.write() as tx:
        assert (await tx.execute(ADD, {"id": 1, "name": "a", "said": {"b": [1, None]}})).rowcount == 1
        await tx.execute(ADD, [{"id": number, "name": "c", "said": None} for number in (2, 3, 4)])
        assert (await tx.execute(things.update().where(things.c.id > 1).values(name="d"))).rowcount == 3
        back = things.delete().where(things.c.id == 4).returning(things.c.id, things.c.name)
        assert (await tx.execute(back)).all() == [(4, "d")]
    async with store.read() as tx:
        first, second, third = await tx.execute(ALL)
        assert (first.id, first.name, first.said) == (1, "a", {"b": [1, None]})
        assert (second.said, third[1]) == (None, "d")
        nobody = ALL.where(things.c.id == 9)
        assert (await tx.execute(nobody)).one_or_none() is None
        assert list((await tx.execute(nobody)).scalars()) == []
        absent = things.c.said.is_(None)  # null in the column, no JSON null
        assert (await tx.execute(sa.select(sa.func.count()).where(absent))).scalar_one() == 2


async def test_values_come_back_as_they_went(store: Store) -> None:
    at = datetime(2026, 5, 6, 9, 30, 15, 123456, tzinfo=ZoneInfo("America/Chicago"))
    row = {"id": 1, "name": "ä", "said": ["ö"], "at": at, "day": date(2026, 5, 6), "done": True}
    row |= {"number": uuid4(), "digest": b"\0\xff"}
    async with store.write() as tx:
        await tx.execute(ADD, row)
        await tx.execute(ADD, [{"id": 2, "name": "", "at": None}, {"id": 3, "name": "", "at": at.astimezone(UTC)}])
    async with store.read() as tx:
        first, second, third = (await tx.execute(ALL)).all()
        assert first == tuple(row.values())
        assert (first.at.tzinfo, first.at.utcoffset()) == (UTC, timedelta())
        assert second == (2, "", *[None] * 6)
        assert third.at == at
        assert (await tx.execute(ALL.where(things.c.at == at, things.c.number == row["number"]))).one().id == 1
        assert list((await tx.execute(sa.select(things.c.at).order_by(things.c.id))).scalars()) == [at, None, at]
        assert [found.name for found in await tx.execute(sa.text("SELECT name, id FROM things WHERE id = 1"))] == ["ä"]


async def test_many_rows_return_what_each_returns(store: Store) -> None:
    insert = postgresql.insert if store.dialect.name == "postgresql" else sqlite.insert
    some = insert(things).on_conflict_do_nothing().returning(things.c.id)
    async with store.write() as tx:
        await tx.execute(ADD, {"id": 2, "name": "there"})
        found = await tx.execute(some, [{"id": number, "name": "new"} for number in (1, 2, 3)])
        assert list(found.scalars()) == [1, 3]


async def test_a_statement_is_written_once_whatever_its_values(store: Store) -> None:
    async with store.write() as tx:
        await tx.execute(ADD, [{"id": number, "name": f"n{number}"} for number in range(1, 6)])
    with listening() as asked:
        async with store.read() as tx:
            for number in (2, 4):
                row = (await tx.execute(ALL.where(things.c.id == number, things.c.name != "x"))).one()
                assert row.name == f"n{number}"
            for some in ([1, 2, 3], [4], []):
                assert [row.id for row in await tx.execute(ALL.where(things.c.id.in_(some)))] == some
            these = store.dialect.among_given(things.c.id, "these")
            for some in ([1, 2], [3, 4, 5]):
                assert [row.id for row in await tx.execute(ALL.where(these), {"these": some})] == some
    assert asked[0] == asked[1]
    assert (asked[-2] == asked[-1]) is (store.dialect.name == "postgresql")
    assert tx.session
    assert len(tx.session._statements._prepared) == 4


async def test_a_statement_that_is_kept_is_known_and_others_go(store: Store) -> None:
    """Each brings its own values, whatever is known of one like it, and whichever values it is given."""
    beyond = things.c.id > sa.bindparam("least")
    kept = sa.select(things.c.id).where(beyond, things.c.name != "n5").order_by(things.c.id)
    async with store.write() as tx:
        await tx.execute(ADD, [{"id": number, "name": f"n{number}"} for number in range(1, 6)])
    async with store.read() as tx:
        assert tx.session
        known = tx.session._statements._known
        before = len(known)
        for least in (0, 2, 0):
            assert list((await tx.execute(kept, {"least": least})).scalars()) == list(range(least + 1, 5))
        for number in (1, 2, 3, 4):
            one = kept.where(things.c.id == number)
            assert list((await tx.execute(one, {"least": 0})).scalars()) == [number]
        del one
        gc.collect()
        assert kept in known
        assert len(known) == before + 2  # it, and the first of the others: by that their text was written


def test_sqlalchemy_is_bounded_while_its_private_parts_are_used() -> None:
    [needed] = (name for name in requires("casedial") or () if name.startswith("sqlalchemy"))
    assert re.search(r"<2\.\d+", needed)


async def add_and(store: Store, work: Callable[[Transaction], Awaitable[object]]) -> None:
    """Add a thing, and do something more in the same transaction."""
    async with store.write() as tx:
        await tx.execute(ADD, {"id": 1, "name": "a"})
        await work(tx)


async def add_again(tx: Transaction) -> None:
    await tx.execute(ADD, {"id": 1, "name": "again"})


async def test_what_failed_is_taken_back_and_the_session_goes_on(store: Store) -> None:
    async def fail(tx: Transaction) -> None:
        raise KeyError

    for work, error in ((add_again, sa.exc.DBAPIError), (fail, KeyError)):
        with pytest.raises(error):
            await add_and(store, work)
    assert await ids(store) == []


@IN_POSTGRESQL
async def test_nobody_is_told_success_where_a_statement_had_failed(store: Store) -> None:
    """PostgreSQL answers such a COMMIT with ROLLBACK, and calls it no error."""

    async def pass_over(tx: Transaction) -> None:
        with pytest.raises(sa.exc.DBAPIError):
            await add_again(tx)

    with pytest.raises(RuntimeError, match="had failed"):
        await add_and(store, pass_over)
    assert await ids(store) == []


async def test_a_task_that_is_cancelled_leaves_nothing(store: Store) -> None:
    async def sleep(tx: Transaction) -> None:
        await (asyncio.sleep(600) if store.dialect.name == "sqlite" else tx.execute(sa.select(sa.func.pg_sleep(600))))

    task = asyncio.create_task(add_and(store, sleep))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(PATIENCE):
        assert await ids(store) == []  # by the only session there may be


@IN_SQLITE
async def test_who_is_cancelled_while_it_waits_for_the_lock_does_not_keep_it(store: Store) -> None:
    """SQLite waits for another process in a thread, which knows nothing of tasks."""
    assert store.path
    other = dbapi.connect(store.path, isolation_level=None, timeout=PATIENCE)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(add_and(store, add_again))
    await asyncio.sleep(0.3)
    task.cancel()
    other.execute("COMMIT")
    with pytest.raises(asyncio.CancelledError):
        await task
    other.execute("BEGIN IMMEDIATE")
    other.close()
    assert await ids(store) == []


@IN_POSTGRESQL
async def test_a_session_that_was_ended_is_replaced(store: Store) -> None:
    end = sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid()))
    with pytest.raises(StorageUnavailable):
        await add_and(store, lambda tx: tx.execute(end))
    assert await ids(store) == []


async def test_what_sqlalchemy_ran_itself_is_in_the_same_transaction(store: Store) -> None:
    async def work(tx: Transaction) -> None:
        await tx.connection.execute(ADD, {"id": 2, "name": "b", "said": [1]})
        assert [row.said for row in await tx.execute(ALL)] == [None, [1]]
        assert [row.said for row in await tx.connection.execute(ALL)] == [None, [1]]
        raise KeyError

    with pytest.raises(KeyError):
        await add_and(store, work)
    assert await ids(store) == []


async def test_who_finds_no_session_free_waits_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "QUEUE_SECONDS", 0.2)
    async with store.read():
        with pytest.raises(StorageUnavailable):
            await ids(store)
        monkeypatch.setattr(joining, "QUEUE_SECONDS", PATIENCE)
        waiting = asyncio.create_task(ids(store))
        await asyncio.sleep(0.05)
    assert await waiting == []


async def test_a_session_in_use_is_closed_when_it_is_given_back(store: Store) -> None:
    async with store.read() as tx:
        await store.close()
        assert (await tx.execute(ALL)).all() == []
        assert tx.session
    assert tx.session.connection.real.closed


@IN_POSTGRESQL
@pytest.mark.parametrize("cancels", [False, True])
async def test_what_is_taken_back_is_given_up_in_time_too(
    empty_url: str, postgres: PostgresServer, cancels: bool
) -> None:
    """A PostgreSQL that stops to answer keeps no session: neither who fails nor who is cancelled waits for it."""
    store = Store(empty_url, pool_size=1, patience=1)
    one = sa.select(sa.literal(1))

    async def work() -> None:
        while not frozen.is_set():
            with suppress(StorageUnavailable):  # where the machine pauses, before it is to be given up
                async with store.write() as tx:
                    await tx.execute(one)
                    postgres.freeze()
                    frozen.set()
                    await asyncio.sleep(600 if cancels else 0)
                    raise KeyError

    async def goes_on() -> bool:
        with suppress(StorageUnavailable):
            async with store.read() as tx:  # by the only permit
                return (await tx.execute(one)).scalar_one() == 1
        return False

    frozen = asyncio.Event()
    try:
        task = asyncio.create_task(work())
        await frozen.wait()
        if cancels:
            task.cancel()
        assert (await asyncio.wait({task}, timeout=PATIENCE))[0], "it waits for a PostgreSQL that does not answer"
    finally:
        postgres.thaw()
    with pytest.raises(asyncio.CancelledError if cancels else KeyError):
        await task
    await until(goes_on)
    await store.close()


async def test_a_statement_is_told_apart_from_what_cannot_be_run(store: Store) -> None:
    async with store.write() as tx:
        with pytest.raises(ValueError, match="no rows"):
            await tx.execute(ADD, [])
        with pytest.raises(ValueError, match="one set of parameters"):
            await tx.execute(
                things.delete().where(things.c.id.in_(sa.bindparam("these", expanding=True))),
                [{"these": [1]}, {"these": [2]}],
            )


@IN_SQLITE
async def test_text_runs_for_every_row(store: Store) -> None:
    async with store.write() as tx:
        await tx.execute(sa.text("INSERT INTO things (id, name) VALUES (:a, '')"), [{"a": 1}, {"a": 2}, {"a": 3}])
    assert await ids(store) == [1, 2, 3]


async def test_a_session_that_cannot_take_back_is_not_used_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(session: Any) -> None:
        raise sa.exc.OperationalError("ROLLBACK", None, Exception("disk"))

    async def refuse(tx: Transaction) -> None:
        raise KeyError

    kind = PostgresqlSession if store.dialect.name == "postgresql" else SqliteSession
    with monkeypatch.context() as patch:
        patch.setattr(kind, "_roll_back", fail)
        with pytest.raises(KeyError):
            await add_and(store, refuse)
    async with asyncio.timeout(PATIENCE):
        await add_and(store, lambda tx: tx.execute(ALL))
    assert await ids(store) == [1]


class Maker:
    """Makes sessions as the store does, until it is told that none can be made."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self._make = store._sessions._make
        self.works = True
        monkeypatch.setattr(store._sessions, "_make", self.make)
        monkeypatch.setattr(store._sessions, "_size", 3)

    async def make(self) -> Any:
        if not self.works:
            raise OSError("no more of them")
        return await self._make()


async def test_who_finds_no_session_free_gets_the_first_that_there_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Maker(store, monkeypatch)
    async with store.read():
        maker.works = False
        waiting = [asyncio.create_task(ids(store)) for _ in range(5)]
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in waiting)
    assert await asyncio.gather(*waiting) == [[]] * 5
    async with store.read():
        waiting = [asyncio.create_task(ids(store))]
        await asyncio.sleep(0.2)
        maker.works = True
        async with asyncio.timeout(PATIENCE):
            assert await waiting[0] == []  # by a new one, which is tried for behind the requests


async def test_all_are_told_when_there_is_no_session_and_none_can_be_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Maker(store, monkeypatch)
    maker.works = False
    with suppress(StorageUnavailable):  # in PostgreSQL that is the end of the transaction, too
        async with store.read() as tx:
            assert tx.session
            waiting = [asyncio.create_task(ids(store)) for _ in range(3)]
            await asyncio.sleep(0.1)
            tx.session.end()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in found] == [StorageUnavailable] * 3
    assert "no more of them" in str(found[0].__cause__)
    maker.works = True
    assert await ids(store) == []


async def test_nobody_waits_for_a_database_that_is_silent_longer_than_for_one_connection(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that come one after the other have several connections begun, of which one is always under way."""
    given_up = 0  # connections

    async def make() -> Any:
        nonlocal given_up
        try:
            await asyncio.Event().wait()
        finally:
            given_up += 1

    monkeypatch.setattr(pool, "MAKE_SECONDS", 0.4)
    monkeypatch.setattr(pool, "TRY_SECONDS", 0.1)
    monkeypatch.setattr(store._sessions, "_make", make)
    monkeypatch.setattr(store._sessions, "_size", 3)
    async with store.read() as tx:
        first = tx.session
    assert first
    first.end()

    async def ask() -> int:
        before = given_up
        with pytest.raises(StorageUnavailable):
            await ids(store)
        return given_up - before

    asked = []
    for _ in range(20):
        asked.append(asyncio.create_task(ask()))
        await asyncio.sleep(0.1)
    async with asyncio.timeout(PATIENCE):
        assert max(await asyncio.gather(*asked)) <= 3  # where all there may be are given up at a time


async def test_a_session_that_comes_too_late_is_not_lost(store: Store) -> None:
    """Whoever waited was cancelled in the very moment in which it got the only session."""
    for _ in range(20):
        async with store.read():
            task = asyncio.create_task(ids(store))
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(PATIENCE):
        assert await ids(store) == []


async def test_a_doubted_session_is_tried_before_it_is_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = PostgresqlSession if store.dialect.name == "postgresql" else SqliteSession
    async with store.read() as tx:
        first = tx.session
    store._sessions.doubt()
    async with store.read() as tx:
        assert tx.session is first

    async def is_not_well(session: Any) -> bool:
        return False

    monkeypatch.setattr(kind, "is_well", is_not_well)
    store._sessions.doubt()
    async with store.read() as tx:
        assert tx.session is not first


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_of_several_writes_that_fails_harms_no_other(store: Store, place: int) -> None:
    """On SQLite they share a transaction, whichever comes first in it."""

    def writes(number: int) -> Any:
        async def work(tx: Transaction) -> int:
            await tx.execute(things.insert().values(id=10 + number, name="n"))
            if number == place:
                raise CaseNotFound("There is none.")
            return number

        return work

    found = await asyncio.gather(*(store.transact(writes(one), 1) for one in range(3)), return_exceptions=True)
    others = [one for one in range(3) if one != place]
    assert [one for one in found if isinstance(one, int)] == others
    assert isinstance(found[place], CaseNotFound)
    assert await ids(store) == [10 + one for one in others]
