"""Do together what several callers ask for at the same time: one look-up, or one commit, serves them all."""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Generic, TypeVar

from casedial.domain.errors import CallerLeft, StorageUnavailable

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Leaves = Callable[[], Awaitable[Any]]  # returns when the caller has left
Unheard = Callable[[Ask, Answer], None]

QUEUE_SECONDS = 30.0  # how long a write waits for the writes before it, and a request for a connection
# From then on it is watched whether callers leave, and nobody waits for who hangs: nearly all are answered sooner.
LOOK_SECONDS = 0.05


def too_busy() -> StorageUnavailable:
    """Return the refusal of what waited too long."""
    return StorageUnavailable("The database is too busy; try again in a moment.")


class _Asked(Generic[Ask, Answer]):
    """What one caller asks for, and the answer that is to come."""

    def __init__(self, what: Ask, weight: int, leaves: Leaves | None, has_left: Callable[[], bool]) -> None:
        self.what, self.weight, self._has_left = what, weight, has_left
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._left = False
        self.since = time.monotonic()
        self._leaves = leaves
        self._watch: asyncio.Task[None] | None = None

    @property
    def is_gone(self) -> bool:
        """Tell whether the caller has left, gave up or was cancelled."""
        return self._left or self._has_left() or self.answer.done()

    def is_late(self, now: float) -> bool:
        """Tell whether it has waited for longer than anybody should."""
        return now - self.since > QUEUE_SECONDS

    def watch(self, now: float) -> None:
        """Begin to note whether the caller leaves, where it has taken a while."""
        if self._leaves and not self._watch and not self.is_gone and now - self.since > LOOK_SECONDS:
            self._watch = asyncio.create_task(self._note(self._leaves))

    async def _note(self, leaves: Leaves) -> None:
        with suppress(Exception):  # who cannot be watched stays
            await leaves()
            self._left = True

    def settle(self, answer: Answer | BaseException) -> bool:
        """Give the answer, or raise the exception, where it is waited for; tell whether it is."""
        if self._watch:
            self._watch.cancel()
        if self.answer.done():  # the caller's task was cancelled
            return False
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)
        return True


class Batch(Generic[Ask, Answer]):
    """What is done together: what was asked for first, and what ``more`` adds while there is room and time."""

    def __init__(self, waiting: deque[_Asked[Ask, Answer]], room: int, seconds: float) -> None:
        self.taken: list[_Asked[Ask, Answer]] = []
        self.began = time.monotonic()
        self._waiting, self._room, self._until = waiting, room, self.began + seconds

    @property
    def asks(self) -> list[Ask]:
        """Return what was taken so far."""
        return [asked.what for asked in self.taken]

    def more(self) -> bool:
        """Take what was asked for next; False where nobody waits, the batch is full or its time is over."""
        self._drop_those_gone()
        if not self._waiting or (self.taken and not self._has_room_for(self._waiting[0])):
            return False
        asked = self._waiting.popleft()
        self._room -= asked.weight
        self.taken.append(asked)
        return True

    def _drop_those_gone(self) -> None:
        now = time.monotonic()
        while self._waiting and (self._waiting[0].is_gone or self._waiting[0].is_late(now)):
            asked = self._waiting.popleft()
            asked.settle(
                too_busy() if asked.is_late(now) else CallerLeft("The caller left before the request was done.")
            )

    def all(self) -> list[Ask]:
        """Take all that there is room for; return what was taken."""
        while self.more():
            pass
        return self.asks

    def _has_room_for(self, asked: _Asked[Ask, Answer]) -> bool:
        return asked.weight <= self._room and time.monotonic() <= self._until

    def settle(self, answers: Sequence[Answer | BaseException], unheard: Unheard[Ask, Answer]) -> None:
        """Give each its answer. Raises ValueError where there are more of them, or fewer: then nobody gets any."""
        if len(answers) != len(self.taken):
            raise ValueError("What was done together has another number of answers than of callers.")
        for asked, answer in zip(self.taken, answers, strict=True):
            if not asked.settle(answer) and not isinstance(answer, BaseException):
                unheard(asked.what, answer)

    def fail(self, error: Exception) -> None:
        """Raise an exception for all."""
        for asked in self.taken:
            asked.settle(_own(error))


def _own(error: Exception) -> Exception:
    """Return a copy that knows where it happened: one that several raise would keep what each of them was at."""
    with suppress(Exception):
        own = copy.copy(error).with_traceback(error.__traceback__)
        own.__cause__ = error.__cause__
        return own
    return error


class Joined(Generic[Ask, Answer]):
    """Does one batch after the other; what is asked for meanwhile is in the next.

    ``together`` returns the answer to each of ``Batch.taken``, or the exception that it deserves; what it raises is
    raised to all. A batch ends where its weight would be over ``most``, or ``seconds`` after it began. While one takes
    longer than LOOK_SECONDS others may begin, ``at_once`` in all. ``unheard`` gets what was done for one whose task was
    cancelled meanwhile.
    """

    def __init__(
        self,
        together: Callable[[Batch[Ask, Answer]], Awaitable[Sequence[Answer | BaseException]]],
        most: int,
        seconds: float = math.inf,
        at_once: int = 1,
        unheard: Unheard[Ask, Answer] = lambda what, answer: None,
    ) -> None:
        self._together, self._most, self._seconds, self._at_once = together, most, seconds, at_once
        self._unheard = unheard
        self._waiting: deque[_Asked[Ask, Answer]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._batches: set[Batch[Ask, Answer]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def ask(
        self, what: Ask, weight: int = 1, leaves: Leaves | None = None, has_left: Callable[[], bool] = bool
    ) -> Answer:
        """Return the answer. Raises what was raised for it, and CallerLeft when ``leaves`` returned before.

        ``has_left`` tells the same at once, where somebody knows it.
        """
        asked: _Asked[Ask, Answer] = _Asked(what, weight, leaves, has_left)
        self._waiting.append(asked)
        if not self._workers:
            self._start()
        return await asked.answer

    async def finish(self) -> None:
        """Wait for what is being done, though nobody may wait for it any more."""
        if self._workers:
            await asyncio.wait(self._workers, timeout=QUEUE_SECONDS)

    def _start(self) -> None:
        worker = asyncio.create_task(self._work())
        self._workers.add(worker)
        worker.add_done_callback(self._end)

    def _end(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not self._workers and self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._workers and self._waiting:  # one that was cancelled left them
            self._start()

    async def _work(self) -> None:
        while self._waiting:
            batch = Batch(self._waiting, self._most, self._seconds)
            if batch.more():
                await self._do(batch)

    async def _do(self, batch: Batch[Ask, Answer]) -> None:
        self._batches.add(batch)
        self._look_soon()
        try:
            answers = await self._together(batch)
            batch.settle(answers, self._unheard)
        except Exception as error:
            batch.fail(error)
        except BaseException:  # the worker is cancelled: nobody else is
            batch.fail(too_busy())
            raise
        finally:
            self._batches.discard(batch)

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._look_soon()
        now = time.monotonic()
        for asked in self._waiting:
            if asked.is_late(now):
                asked.settle(too_busy())
        for asked in chain(self._waiting, *(batch.taken for batch in self._batches)):
            asked.watch(now)
        take_long = all(now - batch.began > LOOK_SECONDS for batch in self._batches)
        if self._waiting and take_long and len(self._workers) < self._at_once:
            self._start()
