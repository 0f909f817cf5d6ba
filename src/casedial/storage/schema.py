"""The schema: make it, bring it to head, and tell where a database stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from casedial.domain.errors import DatabaseMissing, InvalidSetting, SchemaBehind, SchemaNewer
from casedial.storage import sqlite
from casedial.storage.engine import Database, Store, Transaction

_MIGRATION_LOCK = 0x6361736564  # "cased", of PostgreSQL's advisory locks
_POLL_SECONDS = 0.2
_WHICH = "See that --database-url or CASEDIAL_DATABASE_URL names the right one"
MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = sa.text("SELECT version_num FROM alembic_version FOR UPDATE SKIP LOCKED")


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


@cache
def _known() -> frozenset[str]:
    """Return all revisions: the files of migrations are named by them, and Alembic takes long to import."""
    return frozenset(file.name.partition("_")[0] for file in MIGRATIONS.glob("versions/[0-9]*.py"))


def _refuse_newer(found: SchemaState) -> None:
    if found.is_newer:
        raise SchemaNewer(
            f"The database is at revision {found.current}, which this casedial does not know: a newer one made it. "
            "Run that one, or restore a backup."
        )


_THERE = {
    Database.SQLITE: sa.text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"),
    Database.POSTGRESQL: sa.text("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"),
}
_CURRENT = sa.text("SELECT version_num FROM alembic_version")


async def state(tx: Transaction) -> SchemaState:
    """Return where the database stands."""
    made = (await tx.execute(_THERE[tx.database])).scalar_one_or_none()
    return SchemaState((await tx.execute(_CURRENT)).scalar_one_or_none() if made else None, max(_known()))


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
            from casedial.storage import migrating  # Alembic and all that it imports: seldom needed

            in_use = store.database is Database.POSTGRESQL and before.current is not None
            await tx.run_sync(migrating.upgrade_in_use if in_use else migrating.upgrade)
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


async def prepare(store: Store) -> None:
    """See that the database is there and at head; a SQLite file is migrated.

    Raises DatabaseMissing, SchemaBehind for PostgreSQL behind head, SchemaNewer and InvalidSetting.
    """
    await _prepare(store, makes=False)


async def make(store: Store, yes: bool) -> None:
    """Like ``prepare``, but make what is missing: in PostgreSQL, where it may be meant for others, after a yes.

    Raises DatabaseMissing, SchemaBehind, SchemaNewer and InvalidSetting.
    """
    await _prepare(store, makes=yes or store.path is not None)


async def _prepare(store: Store, makes: bool) -> None:
    if makes:
        store.make_file()
    elif store.path and not (store.path.exists() and store.path.stat().st_size):
        raise DatabaseMissing(
            f"There is no database at {store.path} yet. {_WHICH}; casedial serve, casedial firm add and casedial "
            "migrate make a new one."
        )
    await store.refuse_pooler()
    async with store.read() as tx:
        found = await state(tx)
        if found.current is None:
            await tx.run_sync(_refuse_foreign)
    if found.at_head:
        return
    _refuse_newer(found)
    if store.database is Database.POSTGRESQL and found.current is not None:
        raise SchemaBehind(
            f"The database is at revision {found.current}, this casedial needs {found.head}: run casedial migrate."
        )
    if found.current is None and not makes:
        raise DatabaseMissing(
            f"The database has no tables of casedial. {_WHICH}; casedial migrate, or --yes with casedial serve, demo "
            "or firm add, puts them in."
        )
    await migrate(store)
