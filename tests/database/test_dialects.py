"""What every dialect holds: a third database has to pass these, and then all other tests."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

import casedial
from casedial.database import dialects
from casedial.database.dialects import RowHeld, sqlite
from casedial.database.engine import Store, Transaction
from casedial.database.tables import Instant
from casedial.domain.errors import InvalidSetting
from tests.waiting import PATIENCE

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("said", sa.JSON(none_as_null=True)),
    sa.Column("at", Instant),
    sa.Column("number", sa.Uuid),
    sa.Column("body", sa.LargeBinary),
)
c = things.c
NOW = datetime(2026, 5, 6, 14, 0, tzinfo=UTC)
LATEST = datetime(2079, 6, 6, tzinfo=UTC)


@pytest.fixture
async def store(empty_url: str) -> AsyncIterator[Store]:
    made = Store(empty_url, pool_size=3, patience=20)
    made.make_file()
    async with made.write() as tx:
        await tx.run_sync(things.metadata.create_all)
    yield made
    await made.close()


async def add(store: Store, *rows: dict[str, Any]) -> None:
    async with store.write() as tx:
        for row in rows:
            await tx.execute(things.insert(), row)


async def ids(tx: Transaction, which: sa.ColumnElement[bool], given: Any = None) -> list[int]:
    return list((await tx.execute(sa.select(c.id).where(which).order_by(c.id), given)).scalars())


async def value_of(tx: Transaction, what: sa.ColumnElement[Any]) -> Any:
    return (await tx.execute(sa.select(what))).scalar_one()


def test_nothing_else_asks_which_database_it_is() -> None:
    """But migrations that were released, and what reads the errors of both drivers."""
    asks = re.compile(r"dialect\.name (==|!=|is|in)|sqlalchemy\.dialects|isinstance\(.*(Sqlite|Postgresql)")
    source = Path(casedial.__file__).parent
    found = {str(file.relative_to(source)) for file in source.rglob("*.py") if asks.search(file.read_text())}
    drivers = {f"database/{room}{name}.py" for room in ("", "dialects/") for name in ("sqlite", "postgresql")}
    assert {name for name in found - drivers if "migrations/versions" not in name} == set()


def test_a_dialect_is_one_object(store: Store) -> None:
    """By which statements are kept."""
    assert dialects.of_url(store.url) is store.dialect
    assert dialects.of_url(f"{store.dialect.name}+driver://x/y") is store.dialect
    with pytest.raises(InvalidSetting):
        dialects.of_url("third://x/y")


async def test_a_column_has_one_of_some_values(store: Store) -> None:
    await add(store, *({"id": number, "name": f"n{number}", "number": uuid4()} for number in range(1, 6)))
    async with store.read() as tx:
        assert await ids(tx, store.dialect.among(c.id, (2, 4, 9))) == [2, 4]
        assert await ids(tx, store.dialect.among(c.name, {"n1"})) == [1]
        assert await ids(tx, store.dialect.among(c.id, [])) == []
        numbers = {number: id_ for id_, number in await tx.execute(sa.select(c.id, c.number))}
        given = store.dialect.among_given(c.number, "some")
        for some in ([], list(numbers)[:1], list(numbers)):
            assert await ids(tx, given, {"some": some}) == sorted(numbers[number] for number in some)


async def test_what_is_done_where_a_row_is_there(store: Store) -> None:
    await add(store, {"id": 1, "name": "old"})
    insert = store.dialect.insert(things)
    rows = [{"id": number, "name": "new"} for number in (1, 2)]
    async with store.write() as tx:
        nothing = await tx.execute(insert.on_conflict_do_nothing().returning(c.id), rows)
        assert list(nothing.scalars()) == [2]
        update = insert.on_conflict_do_update(index_elements=["id"], set_={"name": insert.excluded.name})
        assert (await tx.execute(update.returning(c.name), rows[:1])).scalar_one() == "new"


@pytest.mark.parametrize("several", [1, 2, 60])
async def test_each_row_gets_values_of_its_own(store: Store, several: int) -> None:
    await add(store, *({"id": number, "name": "same", "at": NOW} for number in range(1, several + 2)))
    update = store.dialect.update_each(things, c.name == sa.bindparam("the_name"), "id", ("at", "number", "said"))
    rows = [
        {"id": number, "at": NOW + timedelta(hours=number), "number": UUID(int=number), "said": None}
        for number in range(1, several + 1)
    ]
    async with store.write() as tx:
        await tx.execute(update, store.dialect.given_each({"the_name": "other"}, rows))
        assert await ids(tx, c.number.is_not(None)) == []
        await tx.execute(update, store.dialect.given_each({"the_name": "same"}, rows))
        found = (await tx.execute(sa.select(c.id, c.at, c.number).order_by(c.id))).all()
    assert found == [*((row["id"], row["at"], row["number"]) for row in rows), (several + 1, NOW, None)]


async def test_queries_are_merged_in_their_order(store: Store) -> None:
    await add(store, *({"id": number, "name": "ab"[number % 2]} for number in range(1, 9)))
    looks = [sa.select(c.id).where(c.name == name).order_by(c.id) for name in "ab"]
    both = store.dialect.merged(looks, sa.bindparam("most", type_=sa.Integer)).order_by("id").limit(3)
    async with store.read() as tx:
        assert list((await tx.execute(both, {"most": 3})).scalars()) == [1, 2, 3]


async def test_lists_in_json(store: Store) -> None:
    said = [[], [7, 8], {"a": 1}, "text", 5]
    await add(store, *({"id": number, "said": some} for number, some in enumerate(said, 1)))
    dialect = store.dialect
    async with store.read() as tx:
        assert await ids(tx, dialect.is_no_list(c.said)) == [3, 4, 5]
        lengths = await tx.execute(sa.select(dialect.length_of(c.said)).order_by(c.id))
        assert list(lengths.scalars()) == [0, 2, 0, 0, 0]
        listed = dialect.listed(c.said)
        cast = sa.cast(listed.c.value, sa.BigInteger)
        rows = await tx.execute(sa.select(c.id, cast).select_from(things.join(listed, sa.true())).where(c.id <= 2))
        assert rows.all() == [(2, 7), (2, 8)]


async def test_values_that_make_no_sense(store: Store) -> None:
    """Where a database keeps such, they are found; what makes sense never is."""
    await add(store, {"id": 1, "number": uuid4(), "at": NOW}, {"id": 2})
    keeps_any = store.dialect.name == "sqlite"
    async with store.write() as tx:
        for number, column in enumerate(("number", "at"), 3) if keeps_any else ():
            await tx.execute(sa.text(f"INSERT INTO things (id, {column}) VALUES ({number}, 'nonsense')"))
    async with store.read() as tx:
        no_uuid = await ids(tx, sa.and_(c.number.is_not(None), store.dialect.is_no_uuid(c.number)))
        no_time = await ids(tx, sa.and_(c.at.is_not(None), store.dialect.is_no_time(c.at)))
    assert (no_uuid, no_time) == (([3], [4]) if keeps_any else ([], []))


async def test_a_time_that_can_be_read(store: Store) -> None:
    await add(store, {"id": 1, "at": NOW})
    async with store.write() as tx:
        if store.dialect.name == "postgresql":
            await tx.execute(sa.text("INSERT INTO things (id, at) VALUES (2, 'infinity')"))
        found = (await tx.execute(sa.select(store.dialect.readable(c.at, LATEST).label("at")).order_by(c.id))).all()
    assert [row.at for row in found] == [NOW, LATEST][: len(found)]


async def test_bytes_within_bytes(store: Store) -> None:
    await add(store, {"id": 1, "body": b"\0abc\xff"}, {"id": 2, "body": b"abd"}, {"id": 3, "body": None})
    async with store.read() as tx:
        assert await ids(tx, store.dialect.holds(c.body, b"bc\xff")) == [1]
        assert await ids(tx, store.dialect.holds(c.body, b"ab")) == [1, 2]


async def test_the_database_s_time(store: Store) -> None:
    dialect = store.dialect
    async with store.write() as tx:
        before = time.time()
        clock, seconds = await dialect.clock(tx), await value_of(tx, dialect.seconds())
        after = time.time()
    assert clock.tzinfo is not None
    for told in (clock.timestamp(), seconds):
        assert before - 0.01 <= told <= after + 0.01  # a millisecond of SQLite's, and of other clocks


@pytest.mark.parametrize(("number", "whole"), [(0.0, 0), (0.9, 0), (1.5, 1), (29_633_789.999, 29_633_789)])
async def test_a_number_without_what_is_behind_its_point(store: Store, number: float, whole: int) -> None:
    async with store.read() as tx:
        assert await value_of(tx, store.dialect.whole(sa.literal(number, sa.Float))) == whole


async def test_whether_a_table_is_there(store: Store) -> None:
    async with store.read() as tx:
        found = [(await tx.execute(store.dialect.has_table(name))).scalar_one_or_none() for name in ("things", "none")]
    assert found == [1, None]


async def test_names_are_reserved_until_the_end(store: Store) -> None:
    dialect = store.dialect
    async with store.write() as first:
        assert await dialect.reserve(first, 5, 1, ["a", "b"]) == {"a", "b"}
        assert await dialect.reserve(first, 5, 1, []) == set()
        if not dialect.has_one_writer:
            async with store.write() as second:
                assert await dialect.reserve(second, 5, 1, ["b", "c"]) == {"c"}
                assert await dialect.reserve(second, 5, 2, ["b"]) == {"b"}
                assert await dialect.reserve(second, 6, 1, ["b"]) == {"b"}
    many = [str(number) for number in range(1000)]
    async with store.write() as third:
        assert await dialect.reserve(third, 5, 1, ["b"]) == {"b"}
    async with store.write() as fourth:
        assert await dialect.reserve(fourth, 5, 1, many) == set(many)


async def test_a_row_is_waited_for_so_long(store: Store) -> None:
    await add(store, {"id": 1})
    change = things.update().where(c.id == 1).values(name="changed")
    async with store.write() as first:
        async with store.dialect.waiting(first, 0.2):
            await first.execute(change)
        if not store.dialect.has_one_writer:
            with pytest.raises(RowHeld):
                async with store.write() as second, store.dialect.waiting(second, 0.2):
                    await second.execute(change)
    async with store.write() as third:
        async with store.dialect.waiting(third, 0.2):
            await third.execute(change)
        assert await ids(third, c.name == "changed") == [1]


async def test_a_database_that_writes(store: Store) -> None:
    async with store.write() as tx:
        await store.dialect.see_it_writes(tx, store.path, has_tables=False)
        await store.dialect.expect_many_rows(tx)
    await add(store, {"id": 1})


@pytest.mark.parametrize("database", ["postgresql"])
async def test_one_that_forgets_what_it_committed(store: Store) -> None:
    """Its sessions may be told so by their role: what they acknowledge is lost in a crash."""
    async with store.read() as tx:
        await tx.execute(sa.text("SET LOCAL synchronous_commit = off"))
        said, advice = await store.dialect.version(tx)
        assert "synchronous_commit = off" in said
        assert "synchronous_commit to on" in advice
        await tx.execute(sa.text("SET LOCAL synchronous_commit = local"))  # which is all there is, without standbys
        assert (await store.dialect.version(tx))[1] == ""


async def test_what_a_database_is(store: Store) -> None:
    async with store.single() as tx:
        said, advice = await store.dialect.version(tx)
        _, reached = await store.dialect.is_snapshot_held(tx, None)
        held, _ = await store.dialect.is_snapshot_held(tx, reached)
        assert await store.dialect.old_snapshots(tx, timedelta(hours=1), 1_000_000) == []
    assert said.lower().startswith(store.dialect.name)
    assert advice == "" or store.dialect.caution
    assert not held
    assert store.dialect.advice("") == ""
    await store.dialect.refuse_pooler(store.url)


async def test_one_migrates_at_a_time(store: Store) -> None:
    at_work = 0

    async def migrate(number: int) -> None:
        nonlocal at_work
        async with store.dialect.alone(store) as tx:
            at_work += 1
            await tx.execute(things.insert(), {"id": number})
            await asyncio.sleep(0.02)
            assert at_work == 1
            at_work -= 1

    await asyncio.gather(*map(migrate, (1, 2, 3)))
    async with store.read() as tx:
        assert await ids(tx, sa.true()) == [1, 2, 3]


async def test_a_migration_that_fails_leaves_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.dialect.alone(store) as tx:
            await tx.execute(things.insert(), {"id": 4})
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    await asyncio.wait_for(migrated(store), PATIENCE)  # others get their turn


async def migrated(store: Store) -> None:
    async with store.dialect.alone(store) as tx:
        assert await ids(tx, sa.true()) == []


async def test_what_is_deleted_is_wiped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_WIPE_TRIES", 1)
    await add(store, {"id": 1, "name": "Zara Quill"})
    async with store.read() as reading:
        assert await ids(reading, sa.true()) == [1]
        async with store.write() as tx:
            await tx.execute(things.delete())
        assert not await store.dialect.wipe(store, [things])  # somebody reads
    assert await store.dialect.wipe(store, [things])


async def test_a_copy(store: Store, tmp_path: Path) -> None:
    await add(store, {"id": 1, "name": "Zara Quill"})
    copy = tmp_path / "copy"
    copy.touch()
    await store.dialect.copy(store, copy)
    assert copy.stat().st_size > 0
