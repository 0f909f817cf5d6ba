"""The schema: make it, bring it to head, and tell where a database stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from casedial.domain.errors import InvalidSetting, SchemaBehind, SchemaNewer
from casedial.storage.engine import Database, Store, Transaction

_MIGRATION_LOCK = 0x6361736564  # "cased", of PostgreSQL's advisory locks


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision a database is at (None: an empty one) and the newest that this casedial knows."""

    current: str | None
    head: str

    @property
    def at_head(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.current == self.head


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
    if found.current is not None and found.current not in _known():
        raise SchemaNewer(
            f"The database is at revision {found.current}, which this casedial does not know: a newer one made it. "
            "Run that one, or restore a backup."
        )


async def state(tx: Transaction) -> SchemaState:
    """Return where the database stands."""

    def current(connection: sa.Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    return SchemaState(await tx.connection.run_sync(current), _head())


async def migrate(store: Store) -> SchemaState:
    """Bring the database to head, in one transaction; return where it stood before.

    Raises SchemaNewer, and InvalidSetting for a database that is somebody else's.

    Of several processes that start on one database, one migrates and the others wait.
    """
    store.make_file()
    async with store.write() as tx:
        if tx.database is Database.POSTGRESQL:
            await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        before = await state(tx)
        _refuse_newer(before)
        if before.current is None:
            await tx.connection.run_sync(_refuse_foreign)
        if not before.at_head:
            await tx.connection.run_sync(_upgrade)
    return before


def _refuse_foreign(connection: sa.Connection) -> None:
    there = sa.inspect(connection).get_table_names()
    if there:
        raise InvalidSetting(f"This database holds something else (a table {there[0]!r}): casedial wants an empty one.")


def _upgrade(connection: sa.Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def prepare(store: Store) -> None:
    """Make an empty database ready and migrate a SQLite file.

    Raises SchemaBehind for PostgreSQL behind head, SchemaNewer and InvalidSetting.
    """
    store.make_file()
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
