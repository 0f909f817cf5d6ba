"""Do together what several callers ask for at the same time: one look-up, or one commit, serves them all."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from casedial.domain.errors import CallerLeft, StorageUnavailable

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Leaves = Callable[[], Awaitable[Any]]  # returns when the caller has left

QUEUE_SECONDS = 30.0  # how long a write waits for the writes before it, and a request for a connection
LOOK_SECONDS = 0.05  # after which it is watched whether callers leave: nearly all are answered sooner


_TOO_BUSY = StorageUnavailable("The database is too busy; try again.")


class SomeLeft(Exception):
    """Undoes what was done together, for some of its callers have left. Batches may be done within batches."""

    def __init__(self, batch: object) -> None:
        super().__init__()
        self.batch = batch


class _Asked(Generic[Ask, Answer]):
    """What one caller asks for, and the answer that is to come."""

    def __init__(self, what: Ask, weight: int, leaves: Leaves | None) -> None:
        self.what, self.weight = what, weight
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.left = self.again = False
        self._leaves = leaves
        self._give_up = asyncio.get_running_loop().call_later(QUEUE_SECONDS, self.settle, _TOO_BUSY)
        self._watch: asyncio.Task[None] | None = None

    def take(self) -> None:
        """Begin to do it: from here on nobody gives up."""
        self._give_up.cancel()

    def watch(self) -> None:
        """Begin to note whether the caller leaves."""
        if self._leaves and not self._watch:
            self._watch = asyncio.create_task(self._note(self._leaves))

    async def _note(self, leaves: Leaves) -> None:
        with suppress(Exception):  # who cannot be watched stays
            await leaves()
            self.left = True

    def settle(self, answer: Answer | BaseException) -> None:
        """Give the answer, or raise the exception where it is waited for."""
        self._give_up.cancel()
        if self._watch:
            self._watch.cancel()
        if self.answer.done():  # the caller's task was cancelled
            return
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Batch(Generic[Ask, Answer]):
    """What is done together: what was asked for first, and what ``more`` adds while there is room and time."""

    def __init__(self, waiting: deque[_Asked[Ask, Answer]], room: int, seconds: float) -> None:
        self.taken: list[_Asked[Ask, Answer]] = []
        self._waiting, self._room, self._until = waiting, room, time.monotonic() + seconds

    @property
    def asks(self) -> list[Ask]:
        """Return what was taken so far."""
        return [asked.what for asked in self.taken]

    def more(self) -> bool:
        """Take what was asked for next; False where nobody waits, the batch is full or its time is over."""
        while self._waiting and (self._waiting[0].left or self._waiting[0].answer.done()):
            self._waiting.popleft().settle(CallerLeft("The caller left before it was done."))
        if not self._waiting:
            return False
        if self.taken and (self._waiting[0].weight > self._room or time.monotonic() > self._until):
            return False
        asked = self._waiting.popleft()
        asked.take()
        self._room -= asked.weight
        self.taken.append(asked)
        return True

    def stay(self) -> None:
        """Raise SomeLeft where a caller left meanwhile: then all is undone, and done again for the others.

        Wants to be called right before the commit. Nobody is put off twice by those who leave.
        """
        if any(asked.left for asked in self.taken) and not any(asked.again for asked in self.taken):
            raise SomeLeft(self)


class Joined(Generic[Ask, Answer]):
    """Does one batch after the other; what is asked for meanwhile is in the next.

    ``together`` returns the answer to each of ``Batch.taken``, or the exception that it deserves; what it raises is
    raised to all. A batch ends where its weight would be over ``most``, or ``seconds`` after it began.
    """

    def __init__(
        self,
        together: Callable[[Batch[Ask, Answer]], Awaitable[Sequence[Answer | BaseException]]],
        most: int,
        seconds: float = math.inf,
    ) -> None:
        self._together, self._most, self._seconds = together, most, seconds
        self._waiting: deque[_Asked[Ask, Answer]] = deque()
        self._batch: Batch[Ask, Answer] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, what: Ask, weight: int = 1, leaves: Leaves | None = None) -> Answer:
        """Return the answer. Raises what was raised for it, and CallerLeft when ``leaves`` returned before."""
        asked: _Asked[Ask, Answer] = _Asked(what, weight, leaves)
        self._waiting.append(asked)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await asked.answer

    async def finish(self) -> None:
        """Wait for what is being done, though nobody may wait for it any more."""
        if self._worker:
            await asyncio.wait({self._worker}, timeout=QUEUE_SECONDS)

    async def _work(self) -> None:
        try:
            while self._waiting:
                self._batch = Batch(self._waiting, self._most, self._seconds)
                if self._batch.more():
                    await self._do(self._batch)
        finally:
            self._worker = self._batch = None

    async def _do(self, batch: Batch[Ask, Answer]) -> None:
        self._watch_soon()
        answers: Sequence[Answer | BaseException]
        try:
            answers = await self._together(batch)
        except BaseException as error:
            if isinstance(error, SomeLeft) and error.batch is batch:
                self._waiting.extendleft(reversed(batch.taken))
                for asked in batch.taken:
                    asked.again = True
                return
            for asked in batch.taken:
                asked.settle(error)
            if not isinstance(error, Exception):
                raise
            return
        finally:
            if self._timer:
                self._timer.cancel()
        for asked, answer in zip(batch.taken, answers, strict=True):
            asked.settle(answer)

    def _watch_soon(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._watch)

    def _watch(self) -> None:
        self._watch_soon()  # for who comes later
        for asked in (*(self._batch.taken if self._batch else ()), *self._waiting):
            asked.watch()
