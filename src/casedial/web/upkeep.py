"""What a server does without being asked: return what ran out, find cases without a claim, finish others' work.

It also counts the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import uuid4

from casedial.database.engine import Store
from casedial.domain.damage import Damage
from casedial.domain.errors import StorageUnavailable
from casedial.domain.webhooks import Post
from casedial.service.claims import Adopting
from casedial.service.operations import holding_back, import_work, signing_in, upkeep, webhook_work, working
from casedial.service.operations.counting import Counter
from casedial.service.operations.feed import Feed
from casedial.service.operations.names import Namer
from casedial.service.operations.sweeping import Sweeper
from casedial.web.observe import note_adopted, note_damage, note_delivery, note_returned, note_upkeep_fault
from casedial.wire.posting import Poster
from casedial.wire.uploads import Reading
from casedial.wire.webhooks import event_body

Look = Callable[[], Awaitable[float]]  # does what there is; returns after how many seconds there may be more

# Half a second at most between two looks: with the time that the work takes, a lease is over within a second.
_LOOK_SECONDS = 0.5
_ADOPT_SECONDS = 10.0
_SNAPSHOT_SECONDS = 2.0
_SWEEP_SECONDS = 1.0
_CHANGE_SECONDS = 2.0
_COUNT_SECONDS = 2.0
_REST = 9  # times as long as a page of history, or of names, took, until the next
_BETWEEN_PAGES = 0.02  # seconds that a change leaves to dialers
_MET_SECONDS = 0.25  # in which what many claims met comes together
_STOP_SECONDS = 5.0  # how long the work at hand may take to end by itself


class _Chore:
    """Something that is looked after in a loop of its own: what is slow or fails delays nothing else."""

    def __init__(self, name: str, look: Look, longest_pause: float = 30.0) -> None:
        self.name = name
        self._look = look
        self._longest_pause = longest_pause  # after faults
        self._faults = 0
        self._told: object = None
        self._looking = asyncio.Lock()

    async def go_on(self, told_to_stop: asyncio.Event) -> None:
        """Look again and again, until told to stop."""
        while not told_to_stop.is_set():
            async with self._looking:
                pause = await self._once()
            with suppress(TimeoutError):
                await asyncio.wait_for(told_to_stop.wait(), pause)

    async def settle(self) -> None:
        """Wait for the look that goes on, if one does."""
        async with self._looking:
            pass

    async def catch_up(self) -> None:
        """Look until nothing more is to be done at once, beside the loop."""
        async with self._looking:
            while await self._once() == 0.0:
                pass

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

    def __init__(self, store: Store, post: Post | None = None, feed: Feed | None = None) -> None:
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []
        self._told_to_stop = asyncio.Event()
        self._adopting = Adopting()
        self._sweeper = Sweeper()
        self._counter = Counter()
        self._worker = uuid4()
        self._namer = Namer()
        self._importer = import_work.Worker(Reading())
        tell_fault = partial(note_upkeep_fault, "webhooks")
        self._webhooks = webhook_work.Worker(
            feed or Feed(store), post or Poster(), event_body, note_delivery, tell_fault
        )
        self._chores = [
            _Chore("leases", self.look, longest_pause=_LOOK_SECONDS),
            _Chore("unclaimed", self._adopt),
            _Chore("snapshots", self._look_for_snapshots),
            _Chore("replies", self._every(60, upkeep.drop_old_replies)),
            _Chore("calls", self._every(60, upkeep.forget_calls)),
            _Chore("let go", self._every(1, holding_back.let_go)),
            _Chore("met", self._hold_back_met),
            _Chore("sweep", self._sweep),
            _Chore("changes", self._go_on_with_changes),
            _Chore("names", self._go_through_names),
            _Chore("figures", self._count),
            _Chore("old changes", self._every(60, working.forget_cases)),
            _Chore("sessions", self._every(60, signing_in.forget)),
            _Chore("imports", self._go_on_with_imports),
            _Chore("old imports", self._every(60, import_work.forget)),
            _Chore("webhooks", self._deliver),
            _Chore("old webhooks", self._every(60, webhook_work.forget)),
        ]

    def start(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(chore.go_on(self._told_to_stop)) for chore in self._chores]

    async def catch_up(self) -> None:
        """Do all that is due by now: the clock of a sandbox was moved, and whoever moved it relies on it.

        What was begun by the time before ends first: it may hold back what is to be let go now.
        """
        for chore in self._chores:
            await chore.settle()
        for chore in self._chores:
            await chore.catch_up()

    async def stop(self) -> None:
        """End after the work at hand; what takes too long is given up, and its open transaction rolled back."""
        self._told_to_stop.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
        for task in self._tasks:
            task.cancel()  # only then: cut off in the middle of a rollback, a connection is lost with noise
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._webhooks.stop()

    def _every(self, seconds: float, work: Callable[[Store, datetime], Awaitable[int]]) -> Look:
        """Return what does some work every so often, and is at it again at once when there was any."""

        async def look() -> float:
            return 0.0 if await work(self._store, self._store.now()) else seconds

        return look

    async def look(self) -> float:
        """Return what ran out to To Dial; return for how many seconds nothing more can be due."""
        while True:
            clock, next_check = await upkeep.next_check(self._store)
            if next_check is None or next_check > clock:
                break
            returned = await upkeep.return_each(self._store, self._store.now())
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
        adopted = await upkeep.adopt(self._store, self._adopting)
        _note(self._adopting.damages)
        if adopted:
            note_adopted(adopted)
        return 0.0 if self._adopting.is_halfway else _ADOPT_SECONDS

    async def _sweep(self) -> float:
        held = await self._sweeper.sweep(self._store, self._store.now())
        _note(self._sweeper.damages)
        return 0.0 if held else _SWEEP_SECONDS

    async def _go_on_with_changes(self) -> float:
        """Go on with a change of many cases whose worker died; others get their turn between two pages."""
        return await self._went_on(*await working.go_on(self._store, self._worker))

    async def _go_on_with_imports(self) -> float:
        """Go on with an import, in the same way."""
        return await self._went_on(*await import_work.go_on(self._store, self._importer))

    async def _went_on(self, did: bool, damage: Damage | None) -> float:
        if damage:
            _note([damage])
        if did:
            await self._store.give_way()
        return _BETWEEN_PAGES if did else _CHANGE_SECONDS

    async def _go_through_names(self) -> float:
        """Go on with the words of names; where much is to be mended, dialers have most of the time."""
        began = asyncio.get_running_loop().time()
        pause = await self._namer.on_duty(self._store)
        return max(pause, _REST * (asyncio.get_running_loop().time() - began))

    async def _count(self) -> float:
        """Count a page of history; where there is much, as after an upgrade, dialers have most of the time."""
        began = asyncio.get_running_loop().time()
        if not await self._counter.on_duty(self._store):
            return _COUNT_SECONDS
        await self._store.give_way()
        return _REST * (asyncio.get_running_loop().time() - began)

    async def _hold_back_met(self) -> float:
        await holding_back.hold_back_met(self._store, self._store.now())
        return _MET_SECONDS

    async def _deliver(self) -> float:
        """See that webhooks are delivered, by tasks of their own."""
        pause = await self._webhooks.look(self._store)
        _note(self._webhooks.damages)
        return pause

    async def _look_for_snapshots(self) -> float:
        await upkeep.look_for_snapshots(self._store)
        return _SNAPSHOT_SECONDS


def _note(damages: list[Damage]) -> None:
    """Tell of rows that were passed over; the list is empty afterwards."""
    while damages:
        note_damage(damages.pop(0))
