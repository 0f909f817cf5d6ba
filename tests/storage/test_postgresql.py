"""PostgreSQL through its driver: what SQLAlchemy would do, and nothing left behind in a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from casedial.domain.errors import StorageUnavailable
from casedial.storage import joining
from casedial.storage.engine import Store, Transaction
from tests.statements import listening

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("said", sa.JSON(none_as_null=True)),
)
pytestmark = pytest.mark.parametrize("database", ["postgresql"])

ADD = things.insert()
ALL = things.select().order_by(things.c.id)


@pytest.fixture
async def store(empty_url: str) -> AsyncIterator[Store]:
    made = Store(empty_url, pool_size=1, patience=20)
    async with made.write() as tx:
        await tx.connection.run_sync(things.metadata.create_all)
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


async def test_many_rows_return_what_each_returns(store: Store) -> None:
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
            these = things.c.id == sa.any_(sa.bindparam("these", type_=ARRAY(sa.BigInteger)))
            for some in ([1, 2], [3, 4, 5]):
                assert [row.id for row in await tx.execute(ALL.where(these), {"these": some})] == some
    assert asked[0] == asked[1]
    assert asked[-2] == asked[-1]
    assert len(store._sessions._statements._ready) == 4


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


async def test_nobody_is_told_success_where_a_statement_had_failed(store: Store) -> None:
    """PostgreSQL answers such a COMMIT with ROLLBACK, and calls it no error."""

    async def pass_over(tx: Transaction) -> None:
        with pytest.raises(sa.exc.DBAPIError):
            await add_again(tx)

    with pytest.raises(RuntimeError, match="had failed"):
        await add_and(store, pass_over)
    assert await ids(store) == []


async def test_a_task_that_is_cancelled_leaves_nothing(store: Store) -> None:
    sleep = sa.select(sa.func.pg_sleep(60))
    task = asyncio.create_task(add_and(store, lambda tx: tx.execute(sleep)))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        assert await ids(store) == []  # by the only session there may be


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
        waiting = asyncio.create_task(ids(store))
        await asyncio.sleep(0.05)
    assert await waiting == []


async def test_a_session_in_use_is_closed_when_it_is_given_back(store: Store) -> None:
    async with store.read() as tx:
        await store.close()
        assert (await tx.execute(ALL)).all() == []
        assert tx.session
    assert tx.session.driver.is_closed()
