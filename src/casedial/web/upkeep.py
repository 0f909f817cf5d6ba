"""What a server does without being asked: return what ran out, find cases without a claim, drop old replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from casedial.domain.cases import StatusesStale
from casedial.domain.errors import StorageUnavailable
from casedial.service import calling, claims
from casedial.storage import calls, health, idempotency, leases
from casedial.storage.engine import Store
from casedial.web.observe import note_adopted, note_returned, note_upkeep_fault

# Half a second at most between two looks: with the time that the work takes, a lease is over within a second.
_LOOK_SECONDS = 0.5
_REPLIES_AT_ONCE = 1000
_CALLS_AT_ONCE = 5000
_STOP_SECONDS = 5.0  # how long the work at hand may take to end by itself


@dataclass
class _Chore:
    """Something done every so often; ``work`` returns how much it did, and is at it again when that was something."""

    seconds: float
    work: Callable[[Store, datetime], Awaitable[int]]
    done: Callable[[int], None] = lambda count: None
    due_at: float = 0.0

    async def run(self, store: Store) -> bool:
        """Do it once, if it is time; return whether there may be more."""
        if time.monotonic() < self.due_at:
            return False
        count = await self.work(store, datetime.now(UTC))
        if count:
            self.done(count)
        else:
            self.due_at = time.monotonic() + self.seconds
        return count > 0


class Upkeep:
    """Runs in every server of a database; whoever comes first does the work, and the others find it done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task: asyncio.Task[None] | None = None
        self._told_to_stop = asyncio.Event()
        going: dict[calling.List, bool] = {}
        self._chores = [
            _Chore(10, _adopt, note_adopted),
            _Chore(2, _look_for_snapshots),
            _Chore(60, _drop_old_replies),
            _Chore(60, _forget_calls),
            _Chore(1, calling.let_go),
            _Chore(1, lambda store, now: calling.sweep(store, now, going)),
        ]

    def start(self) -> None:
        """Begin, in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End after the work at hand; what takes too long is given up, and its open transaction rolled back."""
        if self._task:
            self._told_to_stop.set()
            await asyncio.wait({self._task}, timeout=_STOP_SECONDS)
            self._task.cancel()  # only then: cut off in the middle of a rollback, a connection is lost with noise
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not self._told_to_stop.is_set():
            try:
                pause = await self.look()
                for chore in self._chores:  # each once, for leases come first
                    pause = 0.0 if await chore.run(self._store) else pause
            except StorageUnavailable:  # requests say so; here there is nobody to tell
                pause = 1.0
            except StatusesStale:  # a status was added meanwhile: the next look reads it
                pause = 0.0
            except Exception as error:
                note_upkeep_fault(error)
                pause = 1.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), pause)

    async def look(self) -> float:
        """Return what ran out to To Dial; return for how many seconds nothing more can be due."""
        while True:
            async with self._store.read() as tx:
                clock, next_check = await tx.clock(), await leases.next_check(tx)
            if next_check is None or next_check > clock:
                break
            returned = await self._store.transact(lambda tx: claims.return_lapsed(tx, datetime.now(UTC)))
            for count in returned.cases.values():
                note_returned(count)
            if not returned.looked_at:  # another server has them
                return 0.05
            if self._told_to_stop.is_set():
                return 0.0
        if next_check is None:
            return _LOOK_SECONDS
        return min(_LOOK_SECONDS, (next_check - clock).total_seconds())


async def _adopt(store: Store, now: datetime) -> int:
    return await store.transact(lambda tx: claims.adopt(tx, now))


async def _look_for_snapshots(store: Store, now: datetime) -> int:
    """Learn whether claims have to go past what was claimed before: where that is cleaned up, they need not."""
    heads = store.heads
    async with store.look() as tx:
        heads.needed, heads.reached = await health.is_snapshot_held(tx, heads.reached)
    return 0


async def _drop_old_replies(store: Store, now: datetime) -> int:
    return await store.transact(lambda tx: idempotency.purge(tx, now, _REPLIES_AT_ONCE))


async def _forget_calls(store: Store, now: datetime) -> int:
    return await store.transact(lambda tx: calls.forget(tx, now, _CALLS_AT_ONCE))
