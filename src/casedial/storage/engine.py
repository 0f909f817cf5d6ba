"""Open a database by URL and hand out transactions; its drivers' errors leave here as our own."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakSet

import aiosqlite
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.storage import failures, joining, postgresql, sqlite
from casedial.storage.failures import TransactionEnded
from casedial.storage.heads import Heads
from casedial.storage.joining import Batch, Joined
from casedial.storage.postgresql import PostgresqlSession
from casedial.storage.sessions import Result, Session
from casedial.storage.sqlite import SqliteSession

T = TypeVar("T")
Work = Callable[["Transaction"], Awaitable[Any]]

# Writes that share a commit of SQLite: of so many cases together, and for so long. With claims that are joined, 64
# clients who claim one case each get six times as many.
_TOGETHER, _TOGETHER_SECONDS = 200, 0.02
_RETRIES = 5  # of a transaction that PostgreSQL ended to break a deadlock

# Of the engines of both databases.
_OPTIONS: dict[str, Any] = {
    "hide_parameters": True,
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
}
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
    session: Session | None = None  # None where the caller begins and ends it himself
    heads: Heads = field(default_factory=Heads)

    async def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any] | Result:
        """Run a statement, once or for a list of parameter sets."""
        return await (self.session or self.connection).execute(statement, rows)

    async def apart(self, query: sa.Executable, given: Any, read: Callable[[Any], T]) -> tuple[list[T], list[Any]]:
        """Run a query and read each row of it; return the first column of each that cannot be read, too."""
        found = await self.execute(query, given)
        return await found.apart(read) if isinstance(found, Result) else ([read(row) for row in found], [])

    async def run_sync(self, work: Callable[[sa.Connection], T]) -> T:
        """Run what needs SQLAlchemy's own connection, such as a migration, in this transaction."""
        if self.session and not self.connection.in_transaction():
            await self.connection.begin()  # or it would be begun, and committed, there
        return await self.connection.run_sync(work)

    def among(self, column: sa.ColumnElement[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a column has one of these values."""
        if self.database is Database.SQLITE:
            return column.in_(list(values))
        return column == sa.any_(sa.literal(list(values), ARRAY(column.type)))

    async def clock(self) -> datetime:
        """Return the database's time, by which leases run: servers that share it may differ about the hour."""
        if self.database is Database.SQLITE:
            return datetime.now(UTC)
        now: datetime = (await self.execute(_CLOCK)).scalar_one()
        return now


def among(database: Database, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column has one of the values of a parameter, a list.

    In PostgreSQL they are one parameter, and so one statement: a parameter each takes six times as long.
    """
    if database is Database.SQLITE:
        return column.in_(sa.bindparam(name, expanding=True))
    return column == sa.any_(sa.bindparam(name, type_=ARRAY(column.type)))


def length_of(database: Database, column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """Return how long a list in JSON is, 0 where it is none: asked for that, a database refuses all rows."""
    return sa.case((is_no_list(database, column), 0), else_=sa.func.json_array_length(column))


def is_no_list(database: Database, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that JSON is no list, or, in SQLite, no JSON."""
    if database is Database.POSTGRESQL:
        return sa.func.json_typeof(column) != "array"
    return sa.case((sa.func.json_valid(column) == 1, sa.func.json_type(column)), else_="") != "array"


class Store:
    """A database. ``read`` and ``write`` open one transaction; ``transact`` runs one again when it must."""

    def __init__(self, url: str, pool_size: int = 4, patience: float | None = None) -> None:
        """Raise InvalidSetting for a URL that names no database casedial knows.

        ``patience`` is after how many seconds a transaction that PostgreSQL does not end is given up.
        """
        self.url, self.pool_size = url, pool_size
        self._patience = patience
        self._threads: WeakSet[Thread] = WeakSet()  # of SQLite's connections
        scheme = url.partition("://")[0].partition("+")[0].lower()
        if scheme == "sqlite":
            self.database = Database.SQLITE
            self._kind: Any = sqlite
            self.path: Path | None = sqlite.file_of(url)
            self.where = str(self.path)
            self.engine = sqlite.make_engine(self.path, self._threads, **_OPTIONS)
            self._sessions = sqlite.make_pool(self.engine, pool_size, self.path)
        elif scheme in ("postgresql", "postgres"):
            self.database = Database.POSTGRESQL
            self._kind = postgresql
            self.path = None
            self.where = postgresql.hosts_of(url)
            self.engine = postgresql.make_engine(url, patience, **_OPTIONS)
            self._sessions = postgresql.make_pool(self.engine, pool_size, url)
        else:
            raise InvalidSetting("The database URL must start with sqlite:/// or postgresql://.")
        # Writers of one process queue here in order, not in SQLite's unfair busy loop.
        self._writer = asyncio.Lock()
        self._gave_way_at = time.monotonic()
        self.heads = Heads()
        self._joined: Joined[Work, Any] = Joined(self._commit_together, _TOGETHER, _TOGETHER_SECONDS)

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that sees one state of the database and changes nothing.

        Raises StorageUnavailable.
        """
        return self._transaction(self._kind.READ)

    def look(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a connection for a single query, which the database runs by itself: without a transaction around it.

        Raises StorageUnavailable.
        """
        return self._transaction(None)

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that commits at the end of the block and rolls back on an exception.

        Raises StorageUnavailable, and TransactionEnded where ``transact`` would try again.
        """
        return self._in_turn() if self.database is Database.SQLITE else self._transaction(self._kind.WRITE)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Transaction]:
        """Open a connection whose transactions the caller begins and ends himself. Raises StorageUnavailable."""
        connection = await self._connect()
        try:
            if self.database is Database.POSTGRESQL:
                await connection.execution_options(isolation_level="READ COMMITTED")
            yield Transaction(connection, self.database)
        except sa.exc.DBAPIError as error:
            raise failures.meaning(error, self.where) from error
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
            raise failures.unconnected(error, self.where) from error
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
            while (session := tx.session) and batch.more():
                await session.run("SAVEPOINT part")
                try:
                    answers.append(await batch.taken[-1].what(tx))
                except Exception as error:
                    if failures.is_away(error):  # SQLite has taken everything back, perhaps
                        raise
                    await session.run("ROLLBACK TO part")
                    answers.append(error)
                await session.run("RELEASE part")
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
        except Exception as error:
            raise failures.unconnected(error, self.where) from error

    @asynccontextmanager
    async def _transaction(self, begin: str | None) -> AsyncIterator[Transaction]:
        session = await self._sessions.take(joining.QUEUE_SECONDS)
        writes, committing = begin == self._kind.WRITE, False
        try:
            with self._watched(session):
                try:
                    session.check()
                    if begin:
                        await session.begin(begin)
                    yield Transaction(session.connection, self.database, session, self.heads)
                    committing = writes
                    if begin:
                        await session.commit()
                finally:
                    await session.leave()
            if writes:
                await self._see_it_kept(session)
        except sa.exc.DBAPIError as error:
            if committing:
                await self._make_sure_it_failed(session, error)
            if not failures.spares_session(error):
                session.end()
            if session.is_over:
                self._sessions.doubt()
            raise failures.meaning(error, self.where) from error
        finally:
            await self._sessions.give_back(session)

    async def _see_it_kept(self, session: Session) -> None:
        """Raise StorageUnavailable where what was committed is in a file that is gone, or may not be on the disk."""
        try:
            session.check()
        except StorageUnavailable as error:
            raise failures.in_doubt(error, error.cause) from error
        if self.path and not await sqlite.settle(self.path):
            raise failures.in_doubt(OSError("The folder cannot be synced"), self.where)

    async def _make_sure_it_failed(self, session: Session, error: sa.exc.DBAPIError) -> None:
        """Return when nothing is left of a write whose COMMIT failed. Raises StorageUnavailable where it may be.

        PostgreSQL may have got the COMMIT before the connection was lost. SQLite has the whole write in its log, a
        COMMIT included, when the last step failed, the sync: nobody sees it, but after a crash SQLite would find it and
        take it for committed. Any other write goes over it.
        """
        if isinstance(session, SqliteSession) and sqlite.WAL:
            try:
                await session.begin(sqlite.WRITE)
                await session.run(sqlite.REWRITE)
                await session.commit()
            except sa.exc.DBAPIError:
                raise failures.in_doubt(error, self.where) from error
            finally:
                await session.leave()
        elif error.connection_invalidated:
            raise failures.in_doubt(error, self.where) from error

    def _watched(self, session: Session) -> AbstractContextManager[None]:
        """Give a session up where it is lost or takes too long: whatever waits for it then fails."""
        if self._patience is None or not isinstance(session, PostgresqlSession):
            return nullcontext()
        return postgresql.watched(session, self._sessions, self._patience)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[Transaction]:
        """Write in SQLite, after the writes before this one. Raises StorageUnavailable."""
        try:
            async with asyncio.timeout(joining.QUEUE_SECONDS):
                await self._writer.acquire()
        except TimeoutError:
            raise joining.too_busy() from None
        try:
            async with self._transaction(self._kind.WRITE) as tx:
                yield tx
        finally:
            self._writer.release()

    @property
    def caution(self) -> str | None:
        """Say what an administrator should know before this database is served, or None."""
        return sqlite.CAUTION if self.database is Database.SQLITE and not sqlite.WAL else None

    def advice(self, error: StorageUnavailable) -> str:
        """Return what to look at in the URL where no connection could be made; "" where it is not to blame."""
        of_url = self.database is Database.POSTGRESQL and failures.is_of_url(error)
        return postgresql.advice(self.url) if of_url else ""

    async def refuse_pooler(self) -> None:
        """Raise InvalidSetting where PostgreSQL's sessions are not our own; StorageUnavailable."""
        if self.database is Database.POSTGRESQL:
            try:
                await postgresql.refuse_pooler(self.url)
            except InvalidSetting:
                raise
            except Exception as error:
                raise failures.unconnected(error, self.where) from error

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
        await self._sessions.close()
        await sqlite.wait_for(self._threads)
