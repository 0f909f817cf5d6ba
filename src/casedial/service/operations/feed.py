"""The feed of a firm: read it page by page, from a cursor or from its end, and wait for what comes."""

from __future__ import annotations

from dataclasses import dataclass

from casedial.database.engine import Store
from casedial.domain.feed import Cursor, FeedPage


@dataclass(slots=True)
class Feed:
    """Reads the feeds of a database: one for each process, which all of its readers share."""

    store: Store

    async def newest(self, firm_id: int) -> Cursor:
        """Return the cursor behind all that has happened to a firm: a reader that begins here gets what comes."""
        return Cursor()

    async def read(self, firm_id: int, after: Cursor, limit: int) -> FeedPage:
        """Return what happened to a firm behind a cursor (``Cursor()``: all that is kept), at most so many events.

        It is in the order of commits, with nothing left out: where somebody still writes, it ends before that, and a
        later page goes on. The page's cursor moves on even where it has no events: keep it. ``more`` tells whether
        to read on at once. Raises FirmNotFound, and CursorGone where events behind the cursor were purged.
        """
        return FeedPage((), after, False)

    async def wait(self, firm_id: int, after: Cursor, limit: int, seconds: float) -> FeedPage:
        """Do what ``read`` does, and where there is nothing wait for it so long. Many may wait: one look serves all."""
        return await self.read(firm_id, after, limit)
