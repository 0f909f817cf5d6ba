"""The schema: make it, bring it to head, and tell where a database stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.domain.errors import DatabaseMissing, InvalidSetting, SchemaBehind, SchemaNewer

_WHICH = "Check that --database-url or CASEDIAL_DATABASE_URL names the right one"
MIGRATIONS = Path(__file__).parent / "migrations"


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
            "Run the newer casedial, or restore a backup."
        )


_CURRENT = sa.text("SELECT version_num FROM alembic_version")


async def state(tx: Transaction) -> SchemaState:
    """Return where the database stands."""
    made = (await tx.execute(tx.dialect.has_table("alembic_version"))).scalar_one_or_none()
    return SchemaState((await tx.execute(_CURRENT)).scalar_one_or_none() if made else None, max(_known()))


async def ready(store: Store) -> SchemaState:
    """Return where the database stands, having seen that a write would be kept. Raises StorageUnavailable."""
    async with store.write() as tx:
        found = await state(tx)
        await tx.dialect.see_it_writes(tx, store.path, found.current is not None)
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
    async with store.dialect.alone(store) as tx:
        before = await state(tx)
        _refuse_newer(before)
        if before.current is None:
            await tx.run_sync(_refuse_foreign)
        if not before.at_head:
            from casedial.database import migrating  # Alembic and all that it imports: seldom needed

            in_use = not store.dialect.has_one_writer and before.current is not None
            await tx.run_sync(migrating.upgrade_in_use if in_use else migrating.upgrade)
    return before


async def create(store: Store) -> None:
    """Make a SQLite file at head at once, for a sandbox: in a third of the time that all migrations take."""
    from casedial.database.indexes import metadata  # which takes long to import, and is seldom needed

    store.make_file()
    async with store.write() as tx:
        await tx.run_sync(metadata.create_all)
        await tx.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        await tx.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": max(_known())})


def _refuse_foreign(connection: sa.Connection) -> None:
    there = sa.inspect(connection).get_table_names()
    if there:
        raise InvalidSetting(
            f"This database is used for something else (it has a table {there[0]!r}): casedial needs an empty one."
        )


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
    if store.path is None and found.current is not None:
        raise SchemaBehind(
            f"The database is at revision {found.current}; this casedial needs {found.head}. Run casedial migrate."
        )
    if found.current is None and not makes:
        raise DatabaseMissing(
            f"The database has no casedial tables yet. {_WHICH}; casedial migrate, or --yes with casedial serve, demo "
            "or firm add, puts them in."
        )
    await migrate(store)
