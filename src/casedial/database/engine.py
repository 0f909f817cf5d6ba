"""Open a database by URL and hand out transactions; its drivers' errors leave here as our own."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from casedial import joining
from casedial.clock import MACHINE, Clock
from casedial.database import dialects, failures
from casedial.database.connections import Connection
from casedial.database.dialects import Dialect
from casedial.database.failures import TransactionEnded
from casedial.database.heads import Heads
from casedial.database.met import Met
from casedial.database.sessions import Result, Session
from casedial.database.slices import SLICE
from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.joining import Batch, Joined

T = TypeVar("T")
Work = Callable[["Transaction"], Awaitable[Any]]

# Writes that share a commit of SQLite: of so many cases together, and for so long. With claims that are joined, 64
# clients who claim one case each get six times as many.
_TOGETHER, _TOGETHER_SECONDS = 200, 0.02
HOLD_SECONDS = 0.5  # for which many large writes may keep others from writing
TURN_SECONDS = 0.12  # that are left to others between two large writes: who waits looks at least every 100 ms
_RETRIES = 5  # of a transaction that PostgreSQL ended to break a deadlock

# Of the engines of both databases.
_OPTIONS: dict[str, Any] = {
    "hide_parameters": True,
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction, and the dialect of its database."""

    connection: Connection
    dialect: Dialect
    session: Session | None = None  # None where the caller begins and ends it himself
    heads: Heads = field(default_factory=Heads)
    met: Met = field(default_factory=Met)
    machine: Clock = MACHINE

    async def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any] | Result:
        """Run a statement, once or for a list of parameter sets."""
        return await (self.session or self.connection).execute(statement, rows)

    async def apart(
        self, query: sa.Executable, given: Any, read: Callable[[Any], T], slice_: int = SLICE
    ) -> tuple[list[T], list[Any]]:
        """Run a query and read each row of it; return the first column of each that cannot be read, too."""
        found = await self.execute(query, given)
        return await found.apart(read, slice_) if isinstance(found, Result) else ([read(row) for row in found], [])

    async def run_sync(self, work: Callable[[sa.Connection], T]) -> T:
        """Run what needs SQLAlchemy's own connection, such as a migration, in this transaction."""
        if self.session and not self.connection.in_transaction():
            await self.connection.begin()  # or it would be begun, and committed, there
        return await self.connection.run_sync(work)

    def among(self, column: sa.ColumnElement[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a column has one of these values."""
        return self.dialect.among(column, values)

    def now(self) -> datetime:
        """Return what time it is by the store's clock."""
        return self.machine.now()

    async def clock(self) -> datetime:
        """Return the database's time, by which leases run: servers that share it may differ about the hour."""
        return self.machine.moved_to() or await self.dialect.clock(self)


class Store:
    """A database. ``read`` and ``write`` open one transaction; ``transact`` runs one again when it must.

    ``behind`` is where to read what may be some seconds old, and nothing hangs on: a standby, or the same store.
    """

    is_standby = False

    def __init__(self, url: str, pool_size: int = 4, patience: float | None = None, clock: Clock = MACHINE) -> None:
        """Raise InvalidSetting for a URL that names no database casedial knows.

        ``patience`` is after how many seconds a transaction that PostgreSQL does not end is given up.
        """
        self.url, self.pool_size, self.machine, self.patience = url, pool_size, clock, patience
        self.behind = self
        self.dialect = dialects.of_url(url)
        opened = self.dialect.open(url, pool_size, patience, self.is_standby, **_OPTIONS)
        self.engine, self.path, self.where = opened.engine, opened.path, opened.where
        self._sessions, self._closed = opened.sessions, opened.closed
        # Writers of one process queue here in order, not in SQLite's unfair busy loop.
        self._writer = asyncio.Lock()
        self._gave_way_at = time.monotonic()
        self.heads, self.met = Heads(), Met()
        self._joined: Joined[Work, Any] = Joined(self._commit_together, _TOGETHER, _TOGETHER_SECONDS)

    def now(self) -> datetime:
        """Return what time it is by this store's clock."""
        return self.machine.now()

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that sees one state of the database and changes nothing.

        Raises StorageUnavailable.
        """
        return self._transaction(self.dialect.read)

    def single(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a connection for queries that the database runs each by itself: without a transaction around them.

        Raises StorageUnavailable.
        """
        return self._transaction(None)

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that commits at the end of the block and rolls back on an exception.

        Raises StorageUnavailable, and TransactionEnded where ``transact`` would try again.
        """
        return self._in_turn() if self.dialect.has_one_writer else self._transaction(self.dialect.write)

    @asynccontextmanager
    async def session(self, **options: Any) -> AsyncIterator[Transaction]:
        """Open a connection whose transactions the caller begins and ends himself, with options of SQLAlchemy's.

        Raises StorageUnavailable.
        """
        connection = await self._connect()
        try:
            await connection.use(**options)
            yield Transaction(connection, self.dialect, machine=self.machine)
        except sa.exc.DBAPIError as error:
            raise failures.meaning(error, self.where) from error
        finally:
            await connection.close()

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[Any]:
        """Open a connection of the driver's own, outside any transaction. Raises StorageUnavailable."""
        connection = await self._connect()
        try:
            yield await connection.driver()
        finally:
            await connection.invalidate()  # whatever was set on it is not for others
            await connection.close()

    async def transact(
        self, work: Callable[[Transaction], Awaitable[T]], cases: int | None = None, is_one_statement: bool = False
    ) -> T:
        """Run ``work`` in a transaction, again when PostgreSQL ended it to break a deadlock.

        On SQLite those who wait share one, where they are about few ``cases``; None is many. One statement is a
        transaction by itself: PostgreSQL is not asked to begin and to end one. Raises StorageUnavailable.
        """
        if self.dialect.has_one_writer:
            done: T = await self._joined.ask(work, _TOGETHER if cases is None else max(1, cases))
            return done
        for attempt in range(_RETRIES):
            try:
                async with self._transaction(None, writes=True) if is_one_statement else self.write() as tx:
                    return await work(tx)
            except TransactionEnded:
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311
        raise joining.too_busy()

    async def _commit_together(self, batch: Batch[Work, Any]) -> list[Any]:
        """Run works one after the other in one transaction of SQLite: the disk is waited for once.

        One that fails takes back what it did itself. When the database fails, nothing was done of any.
        """
        async with self.write() as tx:
            works = batch.all()
            assert tx.session  # noqa: S101  # which only ``session`` is without
            return await tx.session.whole(partial(_do_all, tx, tx.session, works))

    async def afterwards(self, work: Callable[[Store], Awaitable[object]]) -> None:
        """Do what follows a transaction that has ended, in transactions of its own."""
        await work(self)

    async def give_way(self) -> None:
        """Let other processes write, between two of many large writes; twice a second is often enough.

        SQLite has no queue: whoever waits looks now and then whether the file is free.
        """
        if self.dialect.has_one_writer and time.monotonic() - self._gave_way_at > HOLD_SECONDS:
            await asyncio.sleep(TURN_SECONDS)
            self._gave_way_at = time.monotonic()

    async def _connect(self) -> Connection:
        try:
            return await Connection.of(self.engine)
        except Exception as error:
            raise failures.unconnected(error, self.where, self.dialect.unconnected) from error

    @asynccontextmanager
    async def _transaction(self, begin: str | None, writes: bool = False) -> AsyncIterator[Transaction]:
        """Open a transaction by a command of the database's, None: for one statement, which is all of it."""
        session = await self._sessions.take(joining.QUEUE_SECONDS)
        committing = writes  # the one statement commits what it does
        try:
            with self._watched(session):
                try:
                    session.check()
                    if begin:
                        await session.begin(begin)
                    yield Transaction(session.connection, self.dialect, session, self.heads, self.met, self.machine)
                    committing = writes or begin == self.dialect.write
                    if begin:
                        await session.commit()
                finally:
                    await session.leave()
            if committing:
                await self._see_it_kept(session)
        except sa.exc.DBAPIError as error:
            if committing and not await session.is_undone(error):
                raise failures.in_doubt(error, self.where) from error
            if not failures.spares_session(error):
                session.end()
            if session.is_over:
                self._sessions.doubt()
            raise failures.meaning(error, self.where) from error
        finally:
            await self._sessions.give_back(session)

    async def _see_it_kept(self, session: Session) -> None:
        """Raise StorageUnavailable where what was committed may be lost with the machine, or with its file."""
        try:
            session.check()
        except StorageUnavailable as error:
            raise failures.in_doubt(error, error.cause) from error
        if why := await session.unsettled():
            raise failures.in_doubt(OSError(why), self.where)

    def _watched(self, session: Session) -> AbstractContextManager[None]:
        """Give a session up where it is lost or takes too long: whatever waits for it then fails."""
        if self.patience is None:
            return nullcontext()
        return self.dialect.watched(session, self._sessions, self.patience)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[Transaction]:
        """Write in SQLite, after the writes before this one. Raises StorageUnavailable."""
        try:
            async with asyncio.timeout(joining.QUEUE_SECONDS):
                await self._writer.acquire()
        except TimeoutError:
            raise joining.too_busy() from None
        try:
            async with self._transaction(self.dialect.write) as tx:
                yield tx
        finally:
            self._writer.release()

    @property
    def caution(self) -> str | None:
        """Say what an administrator should know before this database is served, or None."""
        return self.dialect.caution

    def advice(self, error: StorageUnavailable) -> str:
        """Return what to look at in the URL where no connection could be made; "" where it is not to blame."""
        return self.dialect.advice(self.url) if failures.is_of_url(error) else ""

    async def refuse_pooler(self) -> None:
        """Raise InvalidSetting where the database's sessions are not our own; StorageUnavailable."""
        try:
            await self.dialect.refuse_pooler(self.url)
        except InvalidSetting:
            raise
        except Exception as error:
            raise failures.unconnected(error, self.where, self.dialect.unconnected) from error

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
        if self.behind is not self:
            await self.behind.close()
        await self._joined.finish()
        await self._sessions.close()
        await self._closed()


async def _do_all(tx: Transaction, session: Session, works: Sequence[Work]) -> list[Any]:
    if len(works) == 1:  # what it raises undoes all there is
        return [await works[0](tx)]
    answers: list[Any] = []
    for work in works:
        await session.run("SAVEPOINT part")
        try:
            answers.append(await work(tx))
        except Exception as error:
            if failures.is_away(error):  # SQLite has taken everything back, perhaps
                raise
            await session.run("ROLLBACK TO part")
            answers.append(error)
        await session.run("RELEASE part")
    return answers
