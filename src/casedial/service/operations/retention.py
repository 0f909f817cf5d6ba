"""Remove what is over. Each batch is a transaction of its own, so that a server beside it never waits long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.errors import CasedialError, EndedHalfway
from casedial.domain.feed import Source
from casedial.domain.firms import Firm
from casedial.domain.retention import HistoryRow, HistoryWalk, Kind, kept_since
from casedial.service.audit import note
from casedial.service.firms import open_firm
from casedial.service.operations.counting import Counter
from casedial.storage import feed, figures, firms, idempotency, refused, retention
from casedial.storage.retention import OldRow

_REPLIES_AT_ONCE = 500  # each as large as a reply may be
# What a feed tells of: a reader that has not had it is told that it is gone.
_TOLD = {
    Kind.HISTORY: Source.HISTORY,
    Kind.NOTES: Source.NOTES,
    Kind.PHONE_CHANGES: Source.PHONES,
    Kind.PRIORITY_CHANGES: Source.PRIORITIES,
    Kind.FACT_CHANGES: Source.FACTS,
}


@dataclass(frozen=True, slots=True)
class PurgedFirm:
    """What went of one firm, or would: how many rows of each ``Kind`` that were over at ``cutoff``."""

    name: str
    cutoff: datetime
    counts: dict[Kind, int]


@dataclass(slots=True)
class Purged:
    """What went, or would; ``unreadable`` are the ids of firms that were passed over."""

    firms: list[PurgedFirm] = field(default_factory=list)
    kept_for_ever: list[str] = field(default_factory=list)
    replies: int = 0
    unreadable: list[int] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many rows of all firms that is."""
        return sum(sum(firm.counts.values()) for firm in self.firms)


async def purge(store: Store, actor: Actor, firm_name: str | None, older_than: timedelta | None, do: bool) -> Purged:
    """Remove what is over of one firm, or of all, and is older than the firm keeps it, or than an age that is given.

    Without ``do`` it is only counted. Raises FirmNotFound, and EndedHalfway where something went before it failed.
    """
    now, total = store.now(), Purged()
    found, total.unreadable = await _firms(store, firm_name)
    for firm in found:
        cutoff = kept_since(firm, older_than, now)
        if cutoff is None:
            total.kept_for_ever.append(firm.name)
            continue
        work = Purge(store, actor, firm.id, cutoff, do)
        try:
            await work.run()
        except (CasedialError, OSError) as error:
            removed = total.rows + sum(work.counts.values())
            if not do or not removed:
                raise
            until = f"Until then {removed} {'row was' if removed == 1 else 'rows were'} removed."
            raise EndedHalfway(f"{until} Run the same command again to continue with the rest.") from error
        total.firms.append(PurgedFirm(firm.name, cutoff, work.counts))
    total.replies = await _purge_replies(store, now, do)
    return total


async def _firms(store: Store, name: str | None) -> tuple[list[Firm], list[int]]:
    async with store.read() as tx:
        if name is not None:
            return [await open_firm(tx, name)], []
        found, unreadable = await firms.every(tx)
    return [firm for firm, _ in found], unreadable


@dataclass(slots=True)
class Purge:
    """The removal of what a firm keeps and was over at ``cutoff``: each ``Kind`` of it.

    Without ``do`` they are only counted. It may end anywhere: the next one goes on with what is left.
    """

    store: Store
    actor: Actor
    firm_id: int
    cutoff: datetime
    do: bool
    is_noted: bool = False
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))

    async def run(self) -> None:
        """Do it. Raises StorageUnavailable."""
        held = await self._claims()
        await self._history(held)
        for kind in (Kind.NOTES, Kind.PHONE_CHANGES, Kind.PRIORITY_CHANGES, Kind.FACT_CHANGES):
            await self._aged(kind)
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
        counted = await self._counted()
        walk = HistoryWalk(self.cutoff, held)
        before: HistoryRow | None = None
        while True:
            async with self.store.read() as tx:
                page = await retention.history_before(tx, self.firm_id, before)
                over = [row for row in page if walk.is_over(row) and row.id <= counted]
                # Such a case may have no claim yet: who opens one looks up where the case came from.
                dialed = await retention.in_the_dialer(tx, self.firm_id, (row.case_id for row in over))
            if not page:
                return
            await self._remove(Kind.HISTORY, [row.id for row in over if row.case_id not in dialed])
            before = page[-1]

    async def _counted(self) -> int:
        """Count the history, so that what goes stays in the figures; return up to which row that is so."""
        if self.do:
            await Counter().catch_up(self.store)
        async with self.store.read() as tx:
            return (await figures.place(tx)).history_id if self.do else await figures.last_id(tx)

    async def _aged(self, kind: Kind) -> None:
        after: OldRow | None = None
        while True:
            async with self.store.read() as tx:
                page = await retention.rows_after(tx, kind, self.firm_id, after)
            if not page:
                return
            await self._remove(kind, [row.id for row in page if row.at <= self.cutoff])
            after = page[-1]

    async def _remove(self, kind: Kind, ids: Sequence[int | UUID]) -> None:
        if not self.do:
            self.counts[kind] += len(ids)
        elif ids:
            started = time.monotonic()
            self.counts[kind] += await self.store.transact(partial(self._work, kind=kind, ids=ids))
            self.is_noted = True
            await _give_way(time.monotonic() - started)

    async def _work(self, tx: Transaction, kind: Kind, ids: Sequence[int | UUID]) -> int:
        if not self.is_noted:  # once: the cutoff says what goes
            await note(tx, self.actor, self.firm_id, "purge", f"what was over at {self.cutoff.isoformat()}")
        removed = await retention.remove(tx, kind, ids)
        if source := _TOLD.get(kind):
            await feed.note_gone(tx, self.firm_id, source, (id for id in ids if isinstance(id, int)))
        return removed


async def _purge_replies(store: Store, now: datetime, do: bool) -> int:
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
