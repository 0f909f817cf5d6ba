"""The sessions of a store, lent to one transaction after the other."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from casedial.database import failures
from casedial.database.sessions import Session
from casedial.joining import too_busy

TRY_SECONDS = 2.0  # in which a session that is doubted has to show that it is well
MAKE_SECONDS = 10.0  # in which a session has to be there
_AGAIN_SECONDS = 0.5  # after a session could not be made, while there are others


class Pool:
    """The sessions of a store, at most ``size``; one that was used last is used next.

    Who finds none idle gets the one that is first there: given back, made anew, or tried. Where none can be made those
    that there are serve everybody. SQLAlchemy's own pool takes 40 µs to lend a connection, a seventh of what a small
    claim takes.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[Session]],
        size: int,
        where: str,
        unconnected: tuple[type[Exception], ...],
    ) -> None:
        """``where`` is the database, as the log calls it; where it is away, ``make`` raises one of ``unconnected``."""
        self._make, self._size, self._where, self._unconnected = make, size, where, unconnected
        self._idle: list[Session] = []
        self._waiting: deque[asyncio.Future[Session]] = deque()
        self._there = self._making = 0  # sessions: idle, at work or being tried; and those that are being made
        self._tasks: set[asyncio.Task[None]] = set()
        self._doubted_at = 0.0
        self._closed = self._rests = False  # ``_rests``: none could be made a moment ago

    async def take(self, patience: float) -> Session:
        """Return a session that nobody else has. Raises StorageUnavailable."""
        while self._idle:
            session = self._idle.pop()
            if not session.is_over:  # by a server that was started anew, perhaps
                return session
            await self._drop(session)
        waiting: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._grow()
        try:
            async with asyncio.timeout(patience):
                return await waiting
        except BaseException as error:
            if waiting.done() and not waiting.cancelled() and not waiting.exception():
                self._offer(waiting.result())  # which came at the same moment
            if isinstance(error, TimeoutError):
                raise too_busy() from None
            raise

    async def give_back(self, session: Session) -> None:
        """Take back a session that has left its transaction."""
        if self._closed or session.is_over:
            await self._drop(session)
        elif session.trusted_at < self._doubted_at:
            self.start(self._try(session))
        else:
            self._offer(session)

    def doubt(self) -> None:
        """Have all sessions tried before they are used again, after one was found lost, or of the wrong server."""
        self._doubted_at = time.monotonic()
        doubted, self._idle = self._idle, []
        for session in doubted:
            self.start(self._try(session))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done about the sessions behind those who use them."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close the sessions that nobody has, and each of the others when it is given back."""
        self._closed = True
        if self._tasks:  # one that is cut off while it connects leaves a connection behind
            await asyncio.wait(self._tasks, timeout=TRY_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._idle:
            await self._drop(self._idle.pop())

    def _offer(self, session: Session) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(session)
                return
        self._idle.append(session)

    async def _drop(self, session: Session) -> None:
        self._there -= 1
        self._grow()
        with suppress(Exception):  # of one that is broken, say
            await session.connection.close()

    def _grow(self) -> None:
        """Make sessions for those who wait, while there is room."""
        if self._there and self._rests:
            return
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        while self._making < len(self._waiting) and self._there + self._making < self._size:
            self._making += 1
            self.start(self._add())

    async def _add(self) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                session = await self._make()
        except Exception as error:
            self._making -= 1
            self._rests = True
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._go_on)
            # Of a database that is silent others are always being made, and wait as long as this one did.
            if not self._there and (not self._making or time.monotonic() - started > TRY_SECONDS):
                self._refuse(error)
            return
        except BaseException:
            self._making -= 1
            raise
        self._making -= 1
        self._there += 1
        if self._waiting:
            self._offer(session)
        else:
            await self.give_back(session)

    def _go_on(self) -> None:
        self._rests = False
        self._grow()

    def _refuse(self, error: Exception) -> None:
        """Answer all who wait: there is no session, and none can be made."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(failures.unconnected(error, self._where, self._unconnected))

    async def _try(self, session: Session) -> None:
        """Offer a session again if it is as good as new."""
        session.trusted_at = time.monotonic()
        try:
            async with asyncio.timeout(TRY_SECONDS):
                if not await session.is_well():
                    session.end()
        except BaseException as error:
            session.end()
            if not isinstance(error, Exception):
                raise
        finally:
            await self.give_back(session)
