"""A standby of a database: read where what is told may be some seconds old, and nothing is decided by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from casedial.database import failures
from casedial.database.engine import Store, Transaction
from casedial.database.failures import TransactionEnded
from casedial.domain.errors import InvalidSetting, StorageUnavailable

LAG_SECONDS = 10.0  # by which it may be behind
WAIT_SECONDS = 2.0  # for it, before the database itself is asked
REST_SECONDS = 5.0  # for which it is not asked again, after it was away or too far behind
PATIENCE = 30.0  # seconds, after which a transaction that it does not end is given up
_SESSIONS = 2  # at most: who reads it waits for one


class Standby(Store):
    """A standby. ``read`` asks the database itself while it is away, or too far behind; it writes nothing."""

    is_standby = True

    def __init__(self, url: str, primary: Store) -> None:
        """Raise InvalidSetting for a URL of a database that has no standbys."""
        if primary.dialect.has_one_writer:
            raise InvalidSetting("Only a database on PostgreSQL has a standby: CASEDIAL_STANDBY_URL is for that.")
        patience = primary.patience or PATIENCE
        super().__init__(url, min(primary.pool_size, _SESSIONS), patience, primary.machine)
        if self.dialect is not primary.dialect:
            raise InvalidSetting("CASEDIAL_STANDBY_URL must start with postgresql://, as the database's URL does.")
        self._primary = primary
        self._rests_until = 0.0

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that sees one state of the database, of some seconds ago at most.

        Raises StorageUnavailable: where the standby fails later on, as it may, the next one finds that out.
        """
        return self._read()

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Refuse it: nothing is written by what is read here."""
        raise RuntimeError("A standby is only read.")

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[Transaction]:
        try:
            async with AsyncExitStack() as stack:
                near = await self._enter(stack)
                yield near if near else await stack.enter_async_context(self._primary.read())
        except TransactionEnded as error:  # what it reads, the primary has cleared away
            raise failures.unavailable(error.__cause__ or error, self.where) from error

    async def _enter(self, stack: AsyncExitStack) -> Transaction | None:
        if time.monotonic() < self._rests_until:
            return None
        opening = asyncio.create_task(self._open())
        try:
            await asyncio.wait({opening}, timeout=WAIT_SECONDS)
        finally:
            if not opening.done():  # it is not cancelled: to take a transaction back would wait for the standby, too
                self._sessions.start(_leave(opening))
        if opening.done() and (opened := opening.result()):
            tx, open_ = opened
            stack.push_async_exit(open_)
            return tx
        self._rests_until = time.monotonic() + REST_SECONDS
        self._sessions.doubt()  # it may be the primary by now
        return None

    async def _open(self) -> tuple[Transaction, AsyncExitStack] | None:
        """Open a transaction, and return it with what ends it; None where the standby is away, or too far behind."""
        try:
            async with AsyncExitStack() as open_:
                tx = await open_.enter_async_context(super().read())
                if await tx.dialect.is_near(tx, LAG_SECONDS):
                    return tx, open_.pop_all()
        except (StorageUnavailable, TransactionEnded):
            pass
        return None


async def _leave(opening: asyncio.Task[tuple[Transaction, AsyncExitStack] | None]) -> None:
    """Take back a transaction that was opened too late."""
    if opened := await opening:
        await opened[1].aclose()


def standing_by(store: Store, url: str) -> Store:
    """Have a store read from a standby what may be some seconds old, if there is one. Raises InvalidSetting."""
    if url:
        store.behind = Standby(url, store)
    return store
