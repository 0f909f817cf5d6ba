"""Bring a database to another schema by Alembic, and what migrations are made of."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config

from casedial.database.schema import MIGRATIONS
from casedial.domain.errors import StorageUnavailable

# While one waits for a table, every other caller of that table waits behind it: so wait briefly, and let them go on.
_TABLE_LOCK = "1s"
_PAUSE_SECONDS = 1.0
_TRIES = 60
_TRY_AGAIN = ("55P03", "40P01")  # no lock in time; ended to break a deadlock


def upgrade(connection: sa.Connection) -> None:
    """Migrate in the transaction that goes on."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def upgrade_in_use(connection: sa.Connection) -> None:
    """Migrate while servers use the tables: wait for a table briefly and often, never long."""
    _end_with_client(connection)
    connection = connection.execution_options(casedial_in_use=True)
    for left in reversed(range(_TRIES)):
        connection.execute(sa.text(f"SET lock_timeout = '{_TABLE_LOCK}'"))
        connection.execute(sa.text("SET statement_timeout = 0"))  # of a role, meant for its queries
        connection.commit()
        try:
            upgrade(connection)
            break
        except sa.exc.DBAPIError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in _TRY_AGAIN:
                raise
            if left == 0:
                raise StorageUnavailable(
                    "Something has locked a table for a long time, such as a backup or a forgotten transaction. What "
                    "was done so far is kept: run casedial migrate again."
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


def add_index(name: str, table: str, columns: Sequence[str], where: str | None = None) -> None:
    """Add an index, by default of all rows, in a migration: in a PostgreSQL in use concurrently, in no transaction.

    What a killed attempt left is dropped first: an index that PostgreSQL marked invalid stays so.
    """
    condition = sa.text(where) if where else None
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
