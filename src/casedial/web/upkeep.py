"""What a server does without being asked: return what ran out, find cases without a claim, drop old replies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from casedial.domain.damage import Damage
from casedial.domain.errors import StorageUnavailable
from casedial.service import calling, claims
from casedial.service.sweeping import Sweeper
from casedial.storage import calls, health, idempotency, leases
from casedial.storage.engine import Store
from casedial.web.observe import note_adopted, note_damage, note_returned, note_upkeep_fault

Look = Callable[[], Awaitable[float]]  # does what there is; returns after how many seconds there may be more

# Half a second at most between two looks: with the time that the work takes, a lease is over within a second.
_LOOK_SECONDS = 0.5
_ADOPT_SECONDS = 10.0
_SNAPSHOT_SECONDS = 2.0
_SWEEP_SECONDS = 1.0
_REPLIES_AT_ONCE = 1000
_CALLS_AT_ONCE = 5000
_STOP_SECONDS = 5.0  # how long the work at hand may take to end by itself


class _Chore:
    """Something that is looked after in a loop of its own: what is slow or fails delays nothing else."""

    def __init__(self, name: str, look: Look, longest_pause: float = 30.0) -> None:
        self.name = name
        self._look = look
        self._longest_pause = longest_pause  # after faults
        self._faults = 0
        self._told: object = None

    async def go_on(self, told_to_stop: asyncio.Event) -> None:
        """Look again and again, until told to stop."""
        while not told_to_stop.is_set():
            pause = await self._once()
            with suppress(TimeoutError):
                await asyncio.wait_for(told_to_stop.wait(), pause)

    async def _once(self) -> float:
        """Look once, whatever comes of it; return for how many seconds there is nothing to do."""
        try:
            pause = await self._look()
        except StorageUnavailable:  # requests say so; here there is nobody to tell
            return 1.0
        except Exception as error:
            self._faults += 1
            with suppress(Exception):
                self._tell(error)
            return min(self._longest_pause, 2.0 ** min(self._faults, 10) / 4)
        self._faults, self._told = 0, None
        return pause

    def _tell(self, error: Exception) -> None:
        """Count a fault, and log it when it is not the one before once more."""
        last = error.__traceback__
        while last and last.tb_next:
            last = last.tb_next
        where = type(error), last and (last.tb_frame.f_code, last.tb_lineno)
        note_upkeep_fault(self.name, error, again=where == self._told)
        self._told = where


class Upkeep:
    """Runs in every server of a database; whoever comes first does the work, and the others find it done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []
        self._told_to_stop = asyncio.Event()
        self._adopting = claims.Adopting()
        self._sweeper = Sweeper()
        self._chores = [
            _Chore("leases", self.look, longest_pause=_LOOK_SECONDS),
            _Chore("unclaimed", self._adopt),
            _Chore("snapshots", self._look_for_snapshots),
            _Chore("replies", self._every(60, _drop_old_replies)),
            _Chore("calls", self._every(60, _forget_calls)),
            _Chore("let go", self._every(1, calling.let_go)),
            _Chore("sweep", self._sweep),
        ]

    def start(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(chore.go_on(self._told_to_stop)) for chore in self._chores]

    async def stop(self) -> None:
        """End after the work at hand; what takes too long is given up, and its open transaction rolled back."""
        self._told_to_stop.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
        for task in self._tasks:
            task.cancel()  # only then: cut off in the middle of a rollback, a connection is lost with noise
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _every(self, seconds: float, work: Callable[[Store, datetime], Awaitable[int]]) -> Look:
        """Return what does some work every so often, and is at it again at once when there was any."""

        async def look() -> float:
            return 0.0 if await work(self._store, datetime.now(UTC)) else seconds

        return look

    async def look(self) -> float:
        """Return what ran out to To Dial; return for how many seconds nothing more can be due."""
        while True:
            async with self._store.read() as tx:
                clock, next_check = await tx.clock(), await leases.next_check(tx)
            if next_check is None or next_check > clock:
                break
            returned = await claims.return_each(self._store, datetime.now(UTC))
            _note(returned.damages)
            for count in returned.cases.values():
                note_returned(count)
            if not returned.looked_at:  # another server has them
                return 0.05
            if self._told_to_stop.is_set():
                return 0.0
        if next_check is None:
            return _LOOK_SECONDS
        return min(_LOOK_SECONDS, (next_check - clock).total_seconds())

    async def _adopt(self) -> float:
        adopted = await self._store.transact(lambda tx: claims.adopt(tx, datetime.now(UTC), self._adopting))
        _note(self._adopting.damages)
        if adopted:
            note_adopted(adopted)
        return 0.0 if self._adopting.is_halfway else _ADOPT_SECONDS

    async def _sweep(self) -> float:
        held = await self._sweeper.sweep(self._store, datetime.now(UTC))
        _note(self._sweeper.damages)
        return 0.0 if held else _SWEEP_SECONDS

    async def _look_for_snapshots(self) -> float:
        """Learn whether claims have to go past what was claimed before: where that is cleaned up, they need not."""
        heads = self._store.heads
        async with self._store.look() as tx:
            heads.needed, heads.reached = await health.is_snapshot_held(tx, heads.reached)
        return _SNAPSHOT_SECONDS


def _note(damages: list[Damage]) -> None:
    """Tell of rows that were passed over; the list is empty afterwards."""
    while damages:
        note_damage(damages.pop(0))


async def _drop_old_replies(store: Store, now: datetime) -> int:
    return await store.transact(lambda tx: idempotency.purge(tx, now, _REPLIES_AT_ONCE))


async def _forget_calls(store: Store, now: datetime) -> int:
    return await store.transact(lambda tx: calls.forget(tx, now, _CALLS_AT_ONCE))
