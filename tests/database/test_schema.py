"""The schema: migrations equal the tables, and every way to start on a database."""

from __future__ import annotations

import asyncio
import re
import subprocess

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from casedial.database import migrating, schema
from casedial.database.engine import Store, Transaction
from casedial.database.indexes import metadata
from casedial.database.sqlite import wal_is_safe
from casedial.database.tables import firms
from casedial.domain.errors import InvalidSetting, SchemaBehind, SchemaNewer
from tests.servers import CASEDIAL

# What a database knows of its own schema, down to defaults, conditions and index predicates.
SQLITE_SCHEMA = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql IS NOT NULL ORDER BY name"
POSTGRESQL_SCHEMA = """
SELECT 'column ' || table_name || '.' || column_name,
       concat_ws(' ', ordinal_position, data_type, is_nullable, column_default, character_maximum_length)
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
UNION ALL
SELECT 'index ' || indexname, indexdef FROM pg_indexes
 WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'constraint ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
"""


async def described(tx: Transaction) -> dict[str, str]:
    query = SQLITE_SCHEMA if tx.dialect.name == "sqlite" else POSTGRESQL_SCHEMA
    rows = (await tx.execute(sa.text(query))).all()
    return {name: _parts(text) for name, text in rows}


def _parts(text: str) -> str:
    """A definition's parts in order of spelling: SQLite puts an added column behind the constraints."""
    parts = [part.strip() for part in re.split(r"[,\n]", text)]
    return "\n".join(sorted(p.removesuffix(")") if p.count(")") > p.count("(") else p for p in parts if p.strip(")")))


async def test_migrations_equal_the_tables(store: Store) -> None:
    async with store.read() as tx:
        migrated = await described(tx)
    async with store.write() as tx:
        await tx.run_sync(metadata.drop_all)
        await tx.run_sync(metadata.create_all)
        created = await described(tx)
    assert len(migrated) > 12
    assert migrated == created


async def test_migrate_tells_what_it_did(empty_url: str) -> None:
    store = Store(empty_url)
    assert (await schema.migrate(store)).current is None
    again = await schema.migrate(store)
    assert again.at_head
    assert again.current == again.head
    await store.close()


async def test_several_processes_start_on_one_empty_database(empty_url: str) -> None:
    commands = [
        asyncio.create_subprocess_exec(
            CASEDIAL, "firm", "add", f"Firm {number}", "--time-zone", "UTC", "--yes", "--database-url", empty_url,
            stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for number in range(4)
    ]  # fmt: skip
    processes = await asyncio.gather(*commands)
    for process in processes:
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
    store = Store(empty_url)
    async with store.read() as tx:
        assert sorted((await tx.execute(sa.select(firms.c.name))).scalars()) == [f"Firm {n}" for n in range(4)]
    await store.close()


def test_the_files_of_migrations_are_named_by_their_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert {script.revision for script in scripts.walk_revisions()} == schema._known()
    assert scripts.get_current_head() == max(schema._known())


async def test_a_schema_behind_is_migrated_in_sqlite_and_refused_in_postgresql(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next revision is imagined."""
    known = schema._known()
    monkeypatch.setattr(schema, "_known", lambda: known | {"9998"})
    if store.dialect.name == "sqlite":
        asked = []
        monkeypatch.setattr(migrating, "upgrade", asked.append)
        await schema.prepare(store)
        assert len(asked) == 1
    else:
        with pytest.raises(SchemaBehind, match="casedial migrate"):
            await schema.prepare(store)


async def test_a_schema_from_a_newer_casedial_is_refused(store: Store) -> None:
    async with store.write() as tx:
        await tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (schema.prepare, schema.migrate):
        with pytest.raises(SchemaNewer, match="9999"):
            await attempt(store)


async def test_somebody_elses_database_is_refused(empty_url: str) -> None:
    store = Store(empty_url)
    store.make_file()
    async with store.write() as tx:
        await tx.execute(sa.text("CREATE TABLE recipes (name text)"))
    for attempt in (schema.prepare, schema.migrate):
        with pytest.raises(InvalidSetting, match="recipes"):
            await attempt(store)
    await store.close()


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_which_sqlite_may_use_wal(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe
