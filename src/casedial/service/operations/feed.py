"""The feed of a firm: read it page by page, from a cursor or from its end, and wait for what comes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from casedial.database.engine import Store, Transaction
from casedial.domain.errors import StorageUnavailable
from casedial.domain.feed import Cursor, FeedPage, Place
from casedial.service import feed as steps
from casedial.service.settling import Settling
from casedial.storage import feed

_LOOK_SECONDS = 0.25
_SOON = 0.05  # after which those have mostly ended who wrote
_AFTER_FAULT = 1.0


async def _last(tx: Transaction) -> int:
    return await tx.dialect.last_in_line(tx)


@dataclass(slots=True)
class Feed:
    """Reads the feeds of a database: one for each process, which all of its readers share.

    Those who wait are woken by one look at what came, of whichever firm. It is only looked while somebody waits.
    """

    store: Store
    _settling: Settling = field(default_factory=lambda: Settling(_last))
    _waiting: dict[int, set[asyncio.Future[None]]] = field(default_factory=dict)
    _looked: int = 0  # up to which key, since somebody waits
    _task: asyncio.Task[None] | None = None
    _is_stopped: bool = False

    async def begin(self, firm_id: int) -> Cursor:
        """Return the cursor before all that is kept of a firm."""
        async with self.store.read() as tx:
            return await steps.begin(tx, firm_id)

    async def newest(self, firm_id: int) -> Cursor:
        """Return the cursor behind all that has happened to a firm: a reader that begins here gets what comes.

        What somebody still writes comes.
        """
        known = self._settling.settled
        async with self.store.read() as tx:
            settled = await self._settling.look(tx, known)
            gone = await steps.begin(tx, firm_id)
        return Cursor(Place(settled, feed.END), gone.gone)

    async def read(self, firm_id: int, after: Cursor, limit: int) -> FeedPage:
        """Return what happened to a firm behind a cursor, at most so many events.

        It is in the order of commits, with nothing left out: where somebody still writes, it ends before that, and a
        later page goes on. The page's cursor moves on even where it has no events: keep it. ``more`` tells whether
        to read on at once. Raises FirmNotFound, and CursorGone where events behind the cursor were purged.
        """
        page = await self._read(firm_id, after, limit)
        if page.events or page.more or not self._settling.is_behind:
            return page
        return await self._read(firm_id, page.cursor, limit)  # those who wrote have mostly ended by now

    async def _read(self, firm_id: int, after: Cursor, limit: int) -> FeedPage:
        known = self._settling.settled
        async with self.store.read() as tx:
            until = await self._settling.look(tx, known, after.place.key)
            return await steps.page(tx, firm_id, after, until, limit)

    async def wait(self, firm_id: int, after: Cursor, limit: int, seconds: float) -> FeedPage:
        """Do what ``read`` does, and where there is nothing wait for it so long; not when the server stops."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        page = await self.read(firm_id, after, limit)
        while not (page.events or page.more or self._is_stopped) and (left := until - loop.time()) > 0:
            await self._came(firm_id, page.cursor.place.key, left)  # or the time is over: something may come just then
            page = await self.read(firm_id, page.cursor, limit)
        return page

    def let_go(self) -> None:
        """Let those go who wait, with what there is, and nobody wait any more."""
        self._is_stopped = True
        self._wake(set(self._waiting))

    async def stop(self) -> None:
        """Let those go who wait, and look no more."""
        self.let_go()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _came(self, firm_id: int, key: int, seconds: float) -> None:
        """Wait until there may be something of a firm behind a key, so long at most."""
        if self._task is None or self._task.done():
            self._looked = key
            self._task = asyncio.get_running_loop().create_task(self._look_on())
        elif key < self._looked:
            return  # somebody looked since it was read
        ours: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(firm_id, set()).add(ours)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(ours, seconds)
        finally:
            others = self._waiting.get(firm_id, set())
            others.discard(ours)
            if not others:
                self._waiting.pop(firm_id, None)

    async def _look_on(self) -> None:
        """Look as long as somebody waits; who still does in the end, for a fault, reads and meets it."""
        try:
            await self._look_again_and_again()
        finally:
            self._wake(set(self._waiting))

    async def _look_again_and_again(self) -> None:
        soon = _SOON
        while self._waiting:
            try:
                came = await self._look()
            except StorageUnavailable:  # who reads is told
                await asyncio.sleep(_AFTER_FAULT)
                continue
            is_behind = self._settling.is_behind and not came
            await asyncio.sleep(soon if is_behind else _LOOK_SECONDS)
            soon = min(2 * soon, _LOOK_SECONDS) if is_behind else _SOON

    async def _look(self) -> bool:
        """Look once at what came since, and wake those of whose firm it is; return whether anything came."""
        known = self._settling.settled
        async with self.store.read() as tx:
            settled = await self._settling.look(tx, known, self._looked)
            if settled <= self._looked:
                return False
            end = await feed.end_of_window(tx, Place(self._looked, feed.END), settled, steps.WINDOW)
            found = set(self._waiting) if end < settled else await feed.firms_between(tx, self._looked, settled)
        self._looked = settled
        self._wake(found)
        return True

    def _wake(self, firm_ids: set[int]) -> None:
        for firm_id in firm_ids:
            for one in self._waiting.get(firm_id, ()):
                if not one.done():
                    one.set_result(None)
