"""Go through the words by which cases are found: an older casedial writes none where it adds or renames a case.

One server of a database does it, page by page, and says when it was through; so a restart does not begin it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from casedial.database.engine import Store, Transaction
from casedial.service.operations.duty import Duty
from casedial.storage import duties, names

_AT_ONCE = 200  # cases or words: a server that reads them answers nobody for some milliseconds
_REST = "names: rest"  # the duty of the server that was through: until it ends nobody begins again
_AGAIN = timedelta(days=1)
_AGAIN_SOON = timedelta(hours=1)  # where something had to be mended: older servers may go on for a while
_LOOK_SECONDS = 30.0  # for whether it is time again
# Seconds between two pages, of which the first was not, or was as it should be. A million cases of which nothing is to
# be mended take four hours, and a hundredth of a core: more would be taken from dialers.
_MENDED_PAUSE, _PAUSE = 0.05, 1.0


@dataclass(slots=True)
class Walk:
    """How far a server is: first all cases, then all words; ``is_done`` when it was through."""

    case: tuple[int, int] | None = (0, 0)
    word: int | None = 0
    mended: int = 0

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left to go through."""
        return self.case is None and self.word is None


@dataclass(slots=True)
class Namer:
    """Goes through the words of all names now and then."""

    duty: Duty = field(default_factory=lambda: Duty("names"))
    _walk: Walk = field(default_factory=Walk)

    async def on_duty(self, store: Store) -> float:
        """Do a page, if it is time and for this server to do; return after how many seconds there may be more."""
        async with store.read() as tx:
            rest, held = await duties.of(tx, _REST), await self.duty.holder(tx)
        rests = rest is not None and timedelta(0) < rest.left <= _AGAIN
        if rests or not await self.duty.is_mine(store, held):
            self._walk = Walk()
            return _LOOK_SECONDS
        mended = await page(store, self._walk)
        if self._walk.is_done:
            again, self._walk = _AGAIN_SOON if self._walk.mended else _AGAIN, Walk()
            await store.transact(lambda tx: duties.take(tx, _REST, self.duty.me, again), cases=1)
        return _MENDED_PAUSE if mended else _PAUSE


async def page(store: Store, walk: Walk) -> int:
    """Look at the next page of cases, or of words; mend what an older casedial left, and return how many."""
    mended = await (_add_missing(store, walk, walk.case) if walk.case else _drop_left_over(store, walk))
    walk.mended += mended
    return mended


async def _add_missing(store: Store, walk: Walk, here: names.Place) -> int:
    async with store.read() as tx:
        missing, walk.case = await names.missing(tx, here, _AT_ONCE)

    async def add(tx: Transaction) -> int:
        rows, _ = await names.missing(tx, here, _AT_ONCE, lock=True)
        await names.write(tx, rows)
        return len(rows)

    return await store.transact(add) if missing else 0


async def _drop_left_over(store: Store, walk: Walk) -> int:
    if walk.word is None:
        return 0
    async with store.read() as tx:
        over, walk.word = await names.left_over(tx, walk.word, _AT_ONCE)
    if over:
        await store.transact(lambda tx: names.drop(tx, over))
    return len(over)
