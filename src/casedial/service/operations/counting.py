"""Count the history as it grows: a server does it all the time, a command before it needs the figures.

A page is read in one transaction, which holds nothing, and kept in another, if nobody has counted meanwhile. So every
row is counted once, whoever counts and whoever dies. What somebody may still write behind is left until it is there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from casedial.database.engine import Store, Transaction
from casedial.service import figures as steps
from casedial.service.operations.duty import Duty
from casedial.service.settling import Settling
from casedial.storage import figures

PAGE = 1000  # rows of history that are counted
ROWS = 20_000  # of history that a page has at most: most tell of claims, and are passed over
_WAIT_SECONDS = 2.0  # of a command, for those who write
_LOOK_SECONDS = 0.02


@dataclass(slots=True)
class Counter:
    """Counts the history of a database."""

    duty: Duty = field(default_factory=lambda: Duty("figures"))
    _settling: Settling = field(default_factory=lambda: Settling(figures.last_id))

    async def on_duty(self, store: Store) -> bool:
        """Count a page, if it is for this server to do; return whether there may be more."""
        async with store.read() as tx:
            held = await self.duty.holder(tx)
        return await self.duty.is_mine(store, held) and await self.page(store)

    async def page(self, store: Store) -> bool:
        """Count a page; return whether there was one."""
        known = self._settling.settled
        async with store.read() as tx:
            place = await figures.place(tx)
            settled = await self._settling.look(tx, known, place.history_id)
            if settled <= place.history_id:
                return False
            until = await end_of_page(tx, place.history_id, settled) or settled  # its rows may be gone
            counts = await steps.counted(tx, place.history_id, until)
        await store.transact(lambda tx: steps.keep(tx, place, until, counts), cases=1)
        return True

    async def catch_up(self, store: Store) -> None:
        """Count all that is there now; what others still write is left after a while."""
        loop = asyncio.get_running_loop()
        async with store.read() as tx:
            last = await figures.last_id(tx)
        until = loop.time() + _WAIT_SECONDS
        while await _is_behind(store, last) and loop.time() < until:
            if await self.page(store):
                until = loop.time() + _WAIT_SECONDS
                await store.give_way()
            else:
                await asyncio.sleep(_LOOK_SECONDS)


async def end_of_page(tx: Transaction, after: int, settled: int) -> int | None:
    """Return the last row of the page of history behind a row, up to one that is settled; None where there is none."""
    first = await figures.next_id(tx, after)
    if first is None or first > settled:
        return None
    until = min(settled, first + ROWS - 1)
    return await figures.nth_counted(tx, after, until, PAGE) or until


async def _is_behind(store: Store, last: int) -> bool:
    """Tell whether a row of history is not counted yet."""
    async with store.read() as tx:
        return (await figures.place(tx)).history_id < last
