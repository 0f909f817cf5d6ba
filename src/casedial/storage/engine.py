"""Open a database by URL and hand out transactions; its drivers' errors leave here as our own."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakSet

import aiosqlite
import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.storage import joining, sqlite
from casedial.storage.joining import Batch, Joined

T = TypeVar("T")
Work = Callable[["Transaction"], Awaitable[Any]]

# Writes that share a commit of SQLite: of so many cases together, and for so long. With claims that are joined, 64
# clients who claim one case each get six times as many.
_TOGETHER, _TOGETHER_SECONDS = 200, 0.02
CONNECT_SECONDS = 10.0
_RETRIES = 5  # of a transaction that PostgreSQL ended to break a deadlock

# SQLSTATE classes of a server that is away, starting, stopping, full, out of connections, or closed to us.
_UNAVAILABLE = ("08", "25006", "28", "3D", "3F", "42501", "53", "57", "58")
_RETRYABLE = ("40001", "40P01")

_CLOCK = sa.select(sa.func.clock_timestamp())


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

    async def clock(self) -> datetime:
        """Return the database's time, by which leases run: servers that share it may differ about the hour."""
        if self.database is Database.SQLITE:
            return datetime.now(UTC)
        now: datetime = (await self.execute(_CLOCK)).scalar_one()
        return now


@asynccontextmanager
async def raw_postgresql(tx: Transaction) -> AsyncIterator[Any]:
    """Lend the driver's own connection, in the transaction. Raises what ``Transaction.execute`` does."""
    raw: Any = (await tx.connection.get_raw_connection()).driver_connection
    if not raw.is_in_transaction():
        await tx.execute(_CLOCK)  # SQLAlchemy begins the driver's transaction with the first statement of its own
    try:
        yield raw
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        lost = raw.is_closed()
        raise sa.exc.DBAPIError("COPY", None, error, hide_parameters=True, connection_invalidated=lost) from error


class TransactionEnded(Exception):
    """PostgreSQL ended a transaction that may simply be run again."""


class Store:
    """A database. ``read`` and ``write`` open one transaction; ``transact`` runs one again when it must."""

    def __init__(self, url: str, pool_size: int = 4, patience: float | None = None) -> None:
        """Raise InvalidSetting for a URL that names no database casedial knows.

        ``patience`` is after how many seconds a transaction that PostgreSQL does not end is given up.
        """
        self.url = url
        self._patience = patience
        self._threads: WeakSet[Thread] = WeakSet()  # of SQLite's connections
        scheme = url.partition("://")[0].partition("+")[0].lower()
        if scheme == "sqlite":
            self.database = Database.SQLITE
            self.path: Path | None = sqlite.file_of(url)
            self.engine = sqlite.make_engine(self.path, self._threads, **_pool(pool_size))
        elif scheme in ("postgresql", "postgres"):
            self.database = Database.POSTGRESQL
            self.path = None
            self.engine = _postgresql_engine(url, patience, **_pool(pool_size))
        else:
            raise InvalidSetting("The database URL must start with sqlite:/// or postgresql://.")
        # Writers of one process queue here in order, not in SQLite's unfair busy loop.
        self._writer = asyncio.Lock()
        self._gave_way_at = time.monotonic()
        self._joined: Joined[Work, Any] = Joined(self._commit_together, _TOGETHER, _TOGETHER_SECONDS)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a transaction that sees one state of the database and changes nothing.

        Raises StorageUnavailable.
        """
        async with self._transaction(writes=False) as tx:
            yield tx

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Transaction]:
        """Open a connection for a single query, which PostgreSQL runs by itself: without two round trips around it.

        Raises StorageUnavailable.
        """
        async with self._transaction(writes=False, alone=self.database is Database.POSTGRESQL) as tx:
            yield tx

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Open a transaction that commits at the end of the block and rolls back on an exception.

        Raises StorageUnavailable, and TransactionEnded where ``transact`` would try again.
        """
        if self.database is Database.SQLITE:
            async with self._turn(), self._transaction(writes=True) as tx:
                yield tx
        else:
            async with self._transaction(writes=True) as tx:
                yield tx

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Transaction]:
        """Open a connection whose transactions the caller begins and ends himself. Raises StorageUnavailable."""
        connection = await self._connect()
        try:
            yield Transaction(connection, self.database)
        except sa.exc.DBAPIError as error:
            raise _our_own(error) from error
        finally:
            await connection.close()

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[aiosqlite.Connection]:
        """Open a connection of SQLite's own, outside any transaction, as VACUUM wants it. Raises StorageUnavailable."""
        connection = await self._connect()
        try:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            yield raw
        except sqlite.Error as error:
            raise _unavailable() from error
        finally:
            await connection.invalidate()  # whatever was set on it is not for others
            await connection.close()

    async def transact(self, work: Callable[[Transaction], Awaitable[T]], cases: int | None = None) -> T:
        """Run ``work`` in a transaction, again when PostgreSQL ended it to break a deadlock.

        On SQLite those who wait share one, where they are about few ``cases``; None is many. Raises StorageUnavailable.
        """
        if self.database is Database.SQLITE:
            done: T = await self._joined.ask(work, _TOGETHER if cases is None else max(1, cases))
            return done
        for attempt in range(_RETRIES):
            try:
                async with self.write() as tx:
                    return await work(tx)
            except TransactionEnded:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311
        raise joining.too_busy()

    async def _commit_together(self, batch: Batch[Work, Any]) -> list[Any]:
        """Run works one after the other in one transaction of SQLite: the disk is waited for once.

        One that fails takes back what it did itself. When the database fails, nothing was done of any.
        """
        answers: list[Any] = []
        async with self.write() as tx:
            answers.append(await batch.taken[0].what(tx))
            while batch.more():
                async with tx.connection.begin_nested() as part:
                    try:
                        answers.append(await batch.taken[-1].what(tx))
                    except sa.exc.OperationalError:  # SQLite has taken everything back, perhaps
                        raise
                    except Exception as error:
                        await part.rollback()
                        answers.append(error)
        return answers

    async def give_way(self) -> None:
        """Let other processes write, between two of many large writes; twice a second is often enough.

        SQLite has no queue: whoever waits looks now and then whether the file is free.
        """
        if self.database is Database.SQLITE and time.monotonic() - self._gave_way_at > sqlite.HOLD_SECONDS:
            await asyncio.sleep(sqlite.TURN_SECONDS)
            self._gave_way_at = time.monotonic()

    async def _connect(self) -> AsyncConnection:
        try:
            return await self.engine.connect()
        except (sa.exc.SQLAlchemyError, asyncpg.PostgresError, sqlite.Error, OSError, ValueError) as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def _transaction(self, writes: bool, alone: bool = False) -> AsyncIterator[Transaction]:
        connection = await self._connect()
        committing = False
        try:
            connection = await connection.execution_options(casedial_writes=writes)
            if not writes and self.database is Database.POSTGRESQL:
                isolation = "AUTOCOMMIT" if alone else "REPEATABLE READ"
                connection = await connection.execution_options(isolation_level=isolation)
            async with self._given_up_in_time(connection), connection.begin():
                yield Transaction(connection, self.database)
                committing = writes
            if writes and self.path and not await sqlite.settle(self.path):
                raise _in_doubt()
        except sa.exc.DBAPIError as error:
            if committing:
                await self._make_sure_it_failed(connection, error)
            if self.path and "readonly" in str(error.orig):
                await connection.invalidate()  # SQLite opens a file for reading where it must, and leaves it so
            raise _our_own(error) from error
        finally:
            await connection.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for the writes before this one. Raises StorageUnavailable."""
        try:
            async with asyncio.timeout(joining.QUEUE_SECONDS):
                await self._writer.acquire()
        except TimeoutError:
            raise joining.too_busy() from None
        try:
            yield
        finally:
            self._writer.release()

    @asynccontextmanager
    async def _given_up_in_time(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Cut the connection to a PostgreSQL that does not answer: whatever waits for it then fails."""
        if self.database is Database.SQLITE or self._patience is None:
            yield
            return
        raw: Any = (await connection.get_raw_connection()).driver_connection
        end = asyncio.get_running_loop().call_later(self._patience, raw.terminate)
        try:
            yield
        finally:
            end.cancel()

    async def _make_sure_it_failed(self, connection: AsyncConnection, error: sa.exc.DBAPIError) -> None:
        """Return when nothing is left of a write whose COMMIT failed. Raise StorageUnavailable when something may be.

        PostgreSQL may have got the COMMIT before the connection was lost. SQLite has the whole write in its log, a
        COMMIT included, when the last step failed, the sync: nobody sees it, but after a crash SQLite would find it
        and take it for committed. Any other write goes over it.
        """
        if self.database is Database.SQLITE and sqlite.WAL:
            try:
                async with connection.begin():
                    await connection.exec_driver_sql("PRAGMA user_version = 0")  # as it was, but written
            except sa.exc.DBAPIError:
                raise _in_doubt() from error
        elif self.database is Database.POSTGRESQL and error.connection_invalidated:
            raise _in_doubt() from error

    @property
    def caution(self) -> str | None:
        """Say what an administrator should know before this database is served, or None."""
        return sqlite.CAUTION if self.database is Database.SQLITE and not sqlite.WAL else None

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
        """Close every connection, after the writes that go on."""
        await self._joined.finish()
        await self.engine.dispose()
        await sqlite.wait_for(self._threads)


def _unavailable() -> StorageUnavailable:
    return StorageUnavailable("The database cannot answer now; try again in a moment.")


def _in_doubt() -> StorageUnavailable:
    return StorageUnavailable(
        "The database failed while it kept the changes: they may be there or not. Repeat with the same Idempotency-Key."
    )


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


# For a server's sessions; a value that somebody has set stands. The timeouts end on PostgreSQL's side, too, what is
# given up here, so that it keeps no locks. A server's statements are few, each has its index, and PostgreSQL would plan
# most of them anew for every call: with plans that are kept, claims of 25 are 1.4 times as fast, of 1 case 2.4 times.
KEPT_PLANS = "force_generic_plan"
_SESSION = """SELECT set_config(name, CASE name WHEN 'plan_cache_mode' THEN $1 ELSE $2 END, false)
FROM pg_settings WHERE name = 'plan_cache_mode' AND setting = 'auto'
OR name IN ('statement_timeout', 'idle_in_transaction_session_timeout') AND setting = '0'"""


def _postgresql_engine(url: str, patience: float | None, **options: Any) -> AsyncEngine:
    # asyncpg reads libpq's URLs itself: sslmode, sockets, several hosts
    dsn = "postgresql://" + url.partition("://")[2]

    async def connect() -> Any:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
        if patience is not None:
            try:
                await connection.execute(_SESSION, KEPT_PLANS, f"{patience * 1000:.0f}ms", timeout=CONNECT_SECONDS)
            except BaseException:
                connection.terminate()
                raise
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_use_lifo=True,
        **options,
    )

    @sa.event.listens_for(engine.sync_engine, "checkout")
    def checkout(connection: Any, record: object, fairy: object) -> None:
        if connection.driver_connection.is_closed():  # by a server that was started anew, perhaps
            raise sa.exc.DisconnectionError  # the pool makes another

    return engine


def _pool(size: int) -> dict[str, Any]:
    """Return what the engines of both databases have in common."""
    return {
        "pool_size": size,
        "max_overflow": 0,
        "pool_timeout": joining.QUEUE_SECONDS,
        "hide_parameters": True,
        "json_serializer": lambda value: msgspec.json.encode(value).decode(),
        "json_deserializer": msgspec.json.decode,
    }
