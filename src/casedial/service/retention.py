"""Remove what is over. Each batch is a transaction of its own, so that a server beside it never waits long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from casedial.domain.retention import HistoryRow, HistoryWalk
from casedial.storage import idempotency, refused, retention
from casedial.storage.engine import Store
from casedial.storage.retention import Kind, OldNote

_REPLIES_AT_ONCE = 500  # each as large as a reply may be


@dataclass(slots=True)
class Purge:
    """The removal of one firm's claims, history, notes and refused reports that were over at ``cutoff``.

    Without ``do`` they are only counted. It may end anywhere: the next one goes on with what is left.
    """

    store: Store
    firm_id: int
    cutoff: datetime
    do: bool
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))

    async def run(self) -> None:
        """Do it. Raises StorageUnavailable."""
        held = await self._claims()
        await self._history(held)
        await self._notes()
        async with self.store.read() as tx:
            refused_ids = await refused.ids_until(tx, self.firm_id, self.cutoff)
        await self._remove(Kind.REFUSED, refused_ids)

    async def _claims(self) -> set[UUID]:
        """Remove claims that hold no case any more, nor did lately; return the other old ones."""
        held: set[UUID] = set()
        after = None
        while True:
            async with self.store.read() as tx:
                page = await retention.old_claims(tx, self.firm_id, self.cutoff, after)
            if not page:
                return held
            held.update(claim.id for claim in page if claim.in_use)
            await self._remove(Kind.CLAIMS, [claim.id for claim in page if not claim.in_use])
            after = page[-1].id

    async def _history(self, held: set[UUID]) -> None:
        walk = HistoryWalk(self.cutoff, held)
        before: HistoryRow | None = None
        while True:
            async with self.store.read() as tx:
                page = await retention.history_before(tx, self.firm_id, before)
                over = [row for row in page if walk.is_over(row)]
                # Such a case may have no claim yet: who opens one looks up where the case came from.
                dialed = await retention.in_the_dialer(tx, self.firm_id, (row.case_id for row in over))
            if not page:
                return
            await self._remove(Kind.HISTORY, [row.id for row in over if row.case_id not in dialed])
            before = page[-1]

    async def _notes(self) -> None:
        after: OldNote | None = None
        while True:
            async with self.store.read() as tx:
                page = await retention.notes_after(tx, self.firm_id, after)
            if not page:
                return
            await self._remove(Kind.NOTES, [note.id for note in page if note.created_at <= self.cutoff])
            after = page[-1]

    async def _remove(self, kind: Kind, ids: Sequence[int | UUID]) -> None:
        if not self.do:
            self.counts[kind] += len(ids)
        elif ids:
            started = time.monotonic()
            self.counts[kind] += await self.store.transact(lambda tx: retention.remove(tx, kind, ids))
            await _give_way(time.monotonic() - started)


async def purge_replies(store: Store, now: datetime, do: bool) -> int:
    """Remove, or only count, replies that are kept no longer, of all firms. Raises StorageUnavailable."""
    if not do:
        async with store.read() as tx:
            return await idempotency.count_old(tx, now)
    total = 0
    while True:
        started = time.monotonic()
        removed = await store.transact(lambda tx: idempotency.purge(tx, now, _REPLIES_AT_ONCE))
        total += removed
        if removed < _REPLIES_AT_ONCE:
            return total
        await _give_way(time.monotonic() - started)


async def _give_way(seconds: float) -> None:
    """Let others write for as long as they have waited: SQLite's lock goes to whoever asks at the right moment."""
    await asyncio.sleep(min(seconds, 1.0))
