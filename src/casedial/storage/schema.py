"""The schema: make it, bring it to head, and tell where a database stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from casedial.domain.errors import InvalidSetting, SchemaBehind, SchemaNewer, StorageUnavailable
from casedial.storage import sqlite
from casedial.storage.engine import Database, Store, Transaction

_MIGRATION_LOCK = 0x6361736564  # "cased", of PostgreSQL's advisory locks
_POLL_SECONDS = 0.2
# While one waits for a table, every other caller of that table waits behind it: so wait briefly, and let them go on.
_TABLE_LOCK = "1s"
_PAUSE_SECONDS = 1.0
_TRIES = 60
_LOCK = sa.text("SELECT version_num FROM alembic_version FOR UPDATE SKIP LOCKED")
_TRY_AGAIN = ("55P03", "40P01")  # no lock in time; ended to break a deadlock


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database is at (None: an empty one) and the newest that this casedial knows."""

    current: str | None
    head: str

    @property
    def at_head(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.current == self.head

    @property
    def is_newer(self) -> bool:
        """Tell whether a newer casedial migrated it."""
        return self.current is not None and self.current not in _known()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def _head() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _refuse_newer(found: SchemaState) -> None:
    if found.is_newer:
        raise SchemaNewer(
            f"The database is at revision {found.current}, which this casedial does not know: a newer one made it. "
            "Run that one, or restore a backup."
        )


async def state(tx: Transaction) -> SchemaState:
    """Return where the database stands."""

    def current(connection: sa.Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    return SchemaState(await tx.run_sync(current), _head())


async def ready(store: Store) -> SchemaState:
    """Return where the database stands, having seen that a write would be kept. Raises StorageUnavailable.

    No row is changed: one is locked, for which PostgreSQL writes to its log all the same.
    """
    async with store.write() as tx:
        found = await state(tx)
        if store.path:
            sqlite.see_room(store.path)
            await tx.execute(sa.text(sqlite.REWRITE))
        elif found.current is not None:
            await tx.execute(_LOCK)
    return found


async def migrate(store: Store) -> SchemaState:
    """Bring the database to head; return where it stood before.

    SQLite and an empty PostgreSQL are migrated in one transaction. A PostgreSQL in use is migrated step by step while
    servers go on, its indexes made concurrently; killed half-way, the next run resumes. Of several processes that
    start on one database, one migrates and the others wait.

    Raises SchemaNewer, InvalidSetting for a database that is somebody else's, StorageUnavailable, also where a table
    stays held for minutes.
    """
    store.make_file()
    await store.refuse_pooler()
    async with _alone(store) as tx:
        before = await state(tx)
        _refuse_newer(before)
        if before.current is None:
            await tx.run_sync(_refuse_foreign)
        if not before.at_head:
            in_use = store.database is Database.POSTGRESQL and before.current is not None
            await tx.run_sync(_upgrade_in_use if in_use else _upgrade)
    return before


@asynccontextmanager
async def _alone(store: Store) -> AsyncIterator[Transaction]:
    """Keep every other migration out: by SQLite's write lock, by a lock of the session in PostgreSQL."""
    if store.database is Database.SQLITE:
        async with store.write() as tx:
            yield tx
        return
    async with store.session() as tx:
        # Asked for again and again: who waits inside the database holds a snapshot, for which the making of an
        # index by the one who has the lock would wait in turn.
        while not (await tx.execute(sa.select(sa.func.pg_try_advisory_lock(_MIGRATION_LOCK)))).scalar():
            await tx.connection.commit()
            await asyncio.sleep(_POLL_SECONDS)
        try:
            yield tx
            await tx.connection.commit()
        finally:
            await tx.connection.rollback()
            await tx.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATION_LOCK)))
            await tx.connection.commit()


def _refuse_foreign(connection: sa.Connection) -> None:
    there = sa.inspect(connection).get_table_names()
    if there:
        raise InvalidSetting(f"This database holds something else (a table {there[0]!r}): casedial wants an empty one.")


def _upgrade(connection: sa.Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _upgrade_in_use(connection: sa.Connection) -> None:
    """Migrate while servers use the tables: wait for a table briefly and often, never long."""
    _end_with_client(connection)
    connection = connection.execution_options(casedial_in_use=True)
    for left in reversed(range(_TRIES)):
        connection.execute(sa.text(f"SET lock_timeout = '{_TABLE_LOCK}'"))
        connection.execute(sa.text("SET statement_timeout = 0"))  # of a role, meant for its queries
        connection.commit()
        try:
            _upgrade(connection)
            break
        except sa.exc.DBAPIError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in _TRY_AGAIN:
                raise
            if left == 0:
                raise StorageUnavailable(
                    "Somebody holds a table for long, such as a backup or a forgotten transaction. What was done so "
                    "far stays done: run casedial migrate again."
                ) from None
            time.sleep(_PAUSE_SECONDS)
    connection.execute(sa.text("RESET ALL"))


def _end_with_client(connection: sa.Connection) -> None:
    """Let the database end our session soon after this process was killed: it holds the lock of migrations."""
    try:
        connection.execute(sa.text("SET client_connection_check_interval = '2s'"))
        connection.commit()
    except sa.exc.DBAPIError:  # before PostgreSQL 14, and on Windows, it cannot see that
        connection.rollback()


def _is_in_use() -> bool:
    return bool(op.get_bind().get_execution_options().get("casedial_in_use"))


def columns_of(table: str) -> set[str]:
    """Return the columns that a table has in a migration: none where there is no such table."""
    inspector = sa.inspect(op.get_bind())
    return {column["name"] for column in inspector.get_columns(table)} if inspector.has_table(table) else set()


def end_step() -> None:
    """End a step of a migration: in a PostgreSQL in use it is committed.

    So a migration never keeps one table while it waits for another: that holds up servers, and deadlocks with them.
    Killed after it, the migration comes here again: each step first looks whether it was done.
    """
    if _is_in_use():
        with op.get_context().autocommit_block():
            pass


def add_index(name: str, table: str, columns: Sequence[str], where: str) -> None:
    """Add a partial index in a migration: in a PostgreSQL in use concurrently, outside any transaction.

    What a killed attempt left is dropped first: an index that PostgreSQL marked invalid stays so.
    """
    condition = sa.text(where)
    if not _is_in_use():
        op.create_index(name, table, list(columns), postgresql_where=condition, sqlite_where=condition)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for old transactions, and nobody waits for it
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(name, table, list(columns), postgresql_where=condition, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{_TABLE_LOCK}'")


def drop_index(name: str, table: str) -> None:
    """Drop an index in a migration: in a PostgreSQL in use concurrently, outside any transaction."""
    if not _is_in_use():
        op.drop_index(name, table)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"SET lock_timeout = '{_TABLE_LOCK}'")


async def prepare(store: Store) -> None:
    """Make an empty database ready and migrate a SQLite file.

    Raises SchemaBehind for PostgreSQL behind head, SchemaNewer and InvalidSetting.
    """
    store.make_file()
    await store.refuse_pooler()
    async with store.read() as tx:
        found = await state(tx)
    if found.at_head:
        return
    _refuse_newer(found)
    if store.database is Database.POSTGRESQL and found.current is not None:
        raise SchemaBehind(
            f"The database is at revision {found.current}, this casedial needs {found.head}: run casedial migrate."
        )
    await migrate(store)
