"""Open a database by URL and hand out transactions; its drivers' errors leave here as our own."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import aiosqlite
import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from casedial.domain.errors import InvalidSetting, StorageUnavailable

try:  # carries a newer SQLite than most systems, see wal_is_safe
    import pysqlite3.dbapi2 as sqlite
except ImportError:  # no wheel for this platform
    import sqlite3 as sqlite

T = TypeVar("T")

BUSY_SECONDS = 10.0  # how long SQLite waits for another process's write
_RETRIES = 5  # of a transaction that PostgreSQL ended to break a deadlock

# SQLSTATE classes of a server that is away, starting, stopping, full, out of connections, or closed to us.
_UNAVAILABLE = ("08", "25006", "28", "3D", "3F", "42501", "53", "57", "58")
_RETRYABLE = ("40001", "40P01")


class Database(StrEnum):
    """Which database a store speaks to."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction, and which database it is in."""

    connection: AsyncConnection
    database: Database

    async def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Run a statement, once or for a list of parameter sets."""
        return await self.connection.execute(statement, rows)


class TransactionEnded(Exception):
    """PostgreSQL ended a transaction that may simply be run again."""


class Store:
    """A database. ``read`` and ``write`` open one transaction; ``transact`` runs one again when it must."""

    def __init__(self, url: str, pool_size: int = 4) -> None:
        """Raise InvalidSetting for a URL that names no database casedial knows."""
        self.url = url
        scheme = url.partition("://")[0].partition("+")[0].lower()
        if scheme == "sqlite":
            self.database = Database.SQLITE
            self.path: Path | None = sqlite_path(url)
            self.engine = _sqlite_engine(self.path, pool_size)
        elif scheme in ("postgresql", "postgres"):
            self.database = Database.POSTGRESQL
            self.path = None
            self.engine = _postgresql_engine(url, pool_size)
        else:
            raise InvalidSetting("The database URL must start with sqlite:/// or postgresql://.")
        # Writers of one process queue here in order, not in SQLite's unfair busy loop.
        self._writer = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a transaction that sees one state of the database and changes nothing.

        Raises StorageUnavailable.
        """
        async with self._transaction(writes=False) as tx:
            yield tx

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Open a transaction that commits at the end of the block and rolls back on an exception.

        Raises StorageUnavailable, and TransactionEnded where ``transact`` would try again.
        """
        if self.database is Database.SQLITE:
            async with self._writer, self._transaction(writes=True) as tx:
                yield tx
        else:
            async with self._transaction(writes=True) as tx:
                yield tx

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction of its own, again when PostgreSQL ended it to break a deadlock.

        Raises StorageUnavailable.
        """
        for attempt in range(_RETRIES):
            try:
                async with self.write() as tx:
                    return await work(tx)
            except TransactionEnded:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311
        raise StorageUnavailable("The database is too busy; try again.")

    @asynccontextmanager
    async def _transaction(self, writes: bool) -> AsyncIterator[Transaction]:
        try:
            connection = await self.engine.connect()
        except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, sqlite.Error, OSError, ValueError) as error:
            raise _unavailable() from error
        try:
            connection = await connection.execution_options(casedial_writes=writes)
            if not writes and self.database is Database.POSTGRESQL:
                connection = await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield Transaction(connection, self.database)
        except sa.exc.DBAPIError as error:
            raise _our_own(error) from error
        finally:
            await connection.close()

    def make_file(self) -> None:
        """Make an empty SQLite file, for its owner's eyes only, where there is none. Raises InvalidSetting.

        Nothing else makes one: a database that vanishes under a running server is not replaced by an empty one.
        """
        if self.path and not self.path.exists():
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                raise InvalidSetting(f"Cannot make the database {self.path}: {error.strerror}.") from None

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _unavailable() -> StorageUnavailable:
    return StorageUnavailable("The database cannot answer now; try again in a moment.")


def _our_own(error: sa.exc.DBAPIError) -> Exception:
    """Turn a driver's error into StorageUnavailable or TransactionEnded; a fault of ours stays as it is."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in _RETRYABLE:
        return TransactionEnded()
    away = (
        error.connection_invalidated
        or state.startswith(_UNAVAILABLE)
        or isinstance(error, sa.exc.InterfaceError)
        or isinstance(error.orig, sqlite.OperationalError)
    )
    return _unavailable() if away else error


def sqlite_path(url: str) -> Path:
    """Return the file that a ``sqlite:///path`` URL names. Raises InvalidSetting where it names none."""
    path = sa.make_url(url).database
    if not path or path == ":memory:":
        raise InvalidSetting("A SQLite database is a file: sqlite:///relative/path or sqlite:////absolute/path.")
    return Path(path)


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Tell whether this SQLite is free of the WAL-reset bug, which can corrupt a database.

    It was in 3.7.0 to 3.51.2 and is mended in 3.51.3, 3.50.7 and 3.44.6 [sqlite.org, release notes].
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def _sqlite_engine(path: Path, pool_size: int) -> AsyncEngine:
    if not path.parent.is_dir():
        raise InvalidSetting(f"There is no folder {path.parent} to keep the database in.")
    dbapi = AsyncAdapt_aiosqlite_dbapi(aiosqlite, sqlite)
    for name in (
        "DatabaseError",
        "Error",
        "IntegrityError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
        "sqlite_version",
        "sqlite_version_info",
    ):
        setattr(dbapi, name, getattr(sqlite, name))  # not those of the standard module that aiosqlite names

    async def connect() -> aiosqlite.Connection:
        connection = aiosqlite.Connection(lambda: _sqlite_connect(path), 64)
        connection._thread.daemon = True  # as SQLAlchemy does: a forgotten connection never holds up an exit
        return await connection

    engine = create_async_engine(
        "sqlite+aiosqlite://",
        module=dbapi,
        async_creator=connect,
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,
        **_json_codec(),
    )

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A write takes the lock at once: a read that turns into a write fails when another got in between.
        writes = connection.get_execution_options().get("casedial_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _sqlite_connect(path: Path) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    journal = "WAL" if wal_is_safe(sqlite.sqlite_version_info) else "DELETE"
    for pragma in (f"journal_mode={journal}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _postgresql_engine(url: str, pool_size: int) -> AsyncEngine:
    # asyncpg reads libpq's URLs itself: sslmode, sockets, several hosts
    dsn = "postgresql://" + url.partition("://")[2]

    async def connect() -> Any:
        return await asyncpg.connect(dsn, timeout=10)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        hide_parameters=True,
        **_json_codec(),
    )


def _json_codec() -> dict[str, Any]:
    return {
        "json_serializer": lambda value: msgspec.json.encode(value).decode(),
        "json_deserializer": msgspec.json.decode,
    }
