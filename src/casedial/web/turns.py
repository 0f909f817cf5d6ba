"""Turns of what takes much, so that it takes nothing from others: one thread serves all, and few connections do.

While a large document is read nobody is answered. So a key has its large ones read one after the other, and after each
the others have four times as long for themselves. Of what is about many cases a key has one at a time at work, and all
keys together have half of the connections to the database.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from casedial.joining import QUEUE_SECONDS, too_busy

_LARGE_BYTES = 16 * 1024  # of a body; a smaller one is read in a few milliseconds whatever is in it
MANY_CASES = 200  # about more a key has one request at a time at work
_SHARE = 4  # of the time that something took, for others

T = TypeVar("T")


class _Of:
    """The turns of one key."""

    def __init__(self) -> None:
        self.reading, self.working = asyncio.Lock(), asyncio.Lock()
        self.reads_again_at = 0.0  # by the monotonic clock


class Turns:
    """The turns of one server process; a store of so many ``connections`` stands behind it.

    Whoever has waited for too long is refused with StorageUnavailable.
    """

    def __init__(self, connections: int) -> None:
        self._of: defaultdict[int, _Of] = defaultdict(_Of)  # no more than there are keys
        self._room = asyncio.Semaphore(max(1, connections // 2))

    async def read(self, key_id: int, size: int, work: Callable[[], T]) -> T:
        """Do what reads a body of so many bytes, in its turn."""
        if size < _LARGE_BYTES:
            return work()
        mine = self._of[key_id]
        async with _in_turn(mine.reading):
            await asyncio.sleep(max(0.0, mine.reads_again_at - time.monotonic()))
            began = time.thread_time()
            try:
                return work()
            finally:
                mine.reads_again_at = time.monotonic() + _SHARE * (time.thread_time() - began)

    async def work(self, key_id: int, cases: int, work: Callable[[], Awaitable[T]]) -> T:
        """Do what is about so many cases, so that connections are left to others."""
        if cases <= MANY_CASES:
            return await work()
        async with _in_turn(self._of[key_id].working, self._room):
            return await work()


@asynccontextmanager
async def _in_turn(*locks: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
    async with AsyncExitStack() as held:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                for lock in locks:
                    await held.enter_async_context(lock)
        except TimeoutError:
            raise too_busy() from None
        yield
