"""Deliver webhooks: one server of a database does it at a time, and another one when that is killed.

Messages are put in line in the transaction that moves an endpoint's place in the feed on, and go when the endpoint has
taken them: whatever is killed when, none is lost, and one may come twice. Of a case only the first that waits is tried.
Each endpoint has a task of its own, so that one which is slow, or gone, holds up nobody else.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from casedial.database.engine import Store, Transaction
from casedial.domain.damage import Damage
from casedial.domain.errors import CursorGone, StorageUnavailable
from casedial.domain.feed import Cursor
from casedial.domain.webhooks import KEPT_DEAD, Answer, Delivery, Post, Webhook, headers, message_id
from casedial.service import webhooks as steps
from casedial.service.operations.duty import Duty
from casedial.service.operations.feed import Feed
from casedial.service.webhooks import AT_ONCE, MOST_WAITING, Write
from casedial.storage import webhooks
from casedial.storage.webhooks import OF_NO_CASE

LANES = 4  # messages on their way to one endpoint; to one that fails it is one
_IN_ALL = 128  # on their way from this server
_READY = 200  # that are fetched at a time
_IDLE_SECONDS, _LOOK_SECONDS = 2.0, 0.5
_PATIENCE = 3  # failures one after the other, until an endpoint is left alone for a while
_LONGEST_REST = 60.0  # seconds
_FAULT_REST = 5.0  # after a fault of ours
_STALE_SECONDS = 2.0  # for which an endpoint is believed to be as it was
_STOP_SECONDS = 3.0
_FORGOTTEN_AT_ONCE = 1000

Tell = Callable[[Webhook, str], None]  # of an endpoint: delivered, failed, dead or gone
TellFault = Callable[[BaseException], None]


@dataclass(slots=True)
class _Line:
    """What this server knows of an endpoint: how often it failed lately, and until when it is left alone."""

    failures: int = 0
    rests_until: float = 0.0
    task: asyncio.Task[None] | None = None

    def rest(self, seconds: float) -> None:
        self.rests_until = time.monotonic() + seconds

    def note(self, answer: Answer) -> None:
        self.failures = 0 if answer.is_taken else self.failures + 1
        if self.failures >= _PATIENCE:
            longest = min(_LONGEST_REST, 2.0 ** (self.failures - _PATIENCE))
            self.rest(longest * random.uniform(0.5, 1.0))  # noqa: S311

    def begin_anew(self) -> None:
        """Forget failures: it has answered another server meanwhile, or somebody replays it."""
        if self.failures:
            self.failures, self.rests_until = 0, 0.0

    @property
    def is_free(self) -> bool:
        return (self.task is None or self.task.done()) and not self.is_resting

    @property
    def is_resting(self) -> bool:
        return time.monotonic() < self.rests_until


@dataclass(slots=True)
class Worker:
    """Delivers the webhooks of a database, as long as that is for this server to do."""

    feed: Feed
    post: Post
    write: Write
    tell: Tell
    tell_fault: TellFault
    duty: Duty = field(default_factory=lambda: Duty("webhooks"))
    damages: list[Damage] = field(default_factory=list)  # rows that were passed over
    _lines: dict[int, _Line] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_ALL))

    async def look(self, store: Store) -> float:
        """See that each endpoint is looked after, if that is for this server; return when to look again."""
        async with store.read() as tx:
            found, unreadable = await webhooks.enabled(tx)
            held = await self.duty.holder(tx) if found else None
        self.damages += [Damage("webhook", None, str(one)) for one in unreadable]
        if not found or not await self.duty.is_mine(store, held):
            self._drop(set())
            return _LOOK_SECONDS if found else _IDLE_SECONDS
        self._drop({one.id for one in found})
        for one in found:
            line = self._lines.setdefault(one.id, _Line())
            if one.failing_since is None:
                line.begin_anew()
            if line.is_free:
                line.task = asyncio.create_task(self._look_after(store, one.id, line))
        return _LOOK_SECONDS

    async def stop(self) -> None:
        """Begin nothing more; give up what is still on its way after a while: it waits in its line."""
        tasks = [line.task for line in self._lines.values() if line.task]
        for line in self._lines.values():
            line.rest(math.inf)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        self._drop(set())
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop(self, kept: set[int]) -> None:
        """Let go of endpoints that are not for this server any more."""
        for webhook_id in [one for one in self._lines if one not in kept]:
            task = self._lines.pop(webhook_id).task
            if task:
                task.cancel()

    async def _look_after(self, store: Store, webhook_id: int, line: _Line) -> None:
        try:
            await _Round(self, store, webhook_id, line).go()
        except StorageUnavailable:
            line.rest(_LOOK_SECONDS)
        except Exception as error:  # one endpoint's: the others go on
            line.rest(_FAULT_REST)
            self.tell_fault(error)

    async def send(self, webhook: Webhook, delivery: Delivery, now: datetime) -> Answer:
        """Try to deliver a message."""
        body = delivery.queued.body.encode()
        message = message_id(delivery.queued.message)
        signed = headers(webhook.signing(now), message, now, body)
        async with self._room:
            return await self.post(webhook.url, signed, body)


class _Round:
    """Goes on until nothing is due for an endpoint, or it is to be left alone."""

    def __init__(self, worker: Worker, store: Store, webhook_id: int, line: _Line) -> None:
        self._worker, self._store, self._id, self._line = worker, store, webhook_id, line
        self._ready: dict[int, deque[Delivery]] = {}  # by case, in order
        self._running: dict[asyncio.Task[None], int] = {}  # and the cases that they are about
        self._webhook: Webhook | None = None
        self._fetched_at = -math.inf

    async def go(self) -> None:
        """Deliver what is due."""
        try:
            while True:
                await self._start()
                if not self._running:
                    return
                done, _ = await asyncio.wait(self._running, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del self._running[task]
                    task.result()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _start(self) -> None:
        """Begin to send as many messages as may be on their way, of each case one."""
        is_stale = time.monotonic() - self._fetched_at > _STALE_SECONDS
        if is_stale or (self._can_start and self._next_case is None):
            await self._fetch()
        while self._webhook and self._can_start and (case_id := self._next_case) is not None:
            line = self._ready[case_id]
            task = asyncio.create_task(self._deliver(self._webhook, case_id, line.popleft()))
            self._running[task] = case_id
            if not line:
                del self._ready[case_id]

    @property
    def _can_start(self) -> bool:
        """Tell whether one more may be on its way."""
        webhook = self._webhook
        if webhook is None or self._line.is_resting:
            return False
        return len(self._running) < (1 if self._line.failures or webhook.failing_since else LANES)

    @property
    def _next_case(self) -> int | None:
        """Return the next case of which one may be sent, None where there is none."""
        busy = set(self._running.values())
        return next((case_id for case_id in self._ready if case_id not in busy), None)

    async def _fetch(self) -> None:
        """Put in line what the feed has, and fetch what is due; not too often while much is at hand of one case."""
        if self._ready and time.monotonic() - self._fetched_at < _LOOK_SECONDS:
            return
        self._webhook = await self._fill()
        self._fetched_at = time.monotonic()
        if self._webhook is None or self._line.is_resting:
            self._ready.clear()
            return
        known = {*self._running.values(), *self._ready}
        async with self._store.read() as tx:
            found = await webhooks.due(tx, self._id, await tx.clock(), _READY, known)
        for one in found:
            self._ready.setdefault(one.queued.case_id or OF_NO_CASE, deque()).append(one)

    async def _fill(self) -> Webhook | None:
        """Put in line what the endpoint wants of the feed; return it, None where it wants nothing any more."""
        async with self._store.read() as tx:
            webhook = await webhooks.find(tx, self._id)
            if webhook is None or webhook.disabled_at:
                return None
            room = MOST_WAITING - await webhooks.waiting(tx, self._id, MOST_WAITING)
        if room <= 0:
            return webhook
        work: Callable[[Transaction], Awaitable[None]]
        try:
            page = await self._worker.feed.read(webhook.firm_id, Cursor.read(webhook.cursor), min(AT_ONCE, room))
            work = partial(steps.put_in_line, seen=webhook, page=page, write=self._worker.write)
            is_news = str(page.cursor) != webhook.cursor
        except CursorGone as gone:
            work, is_news = partial(steps.go_past, seen=webhook, start=Cursor.read(gone.start_over)), True
        if is_news:
            await self._store.transact(work, cases=1)
        return webhook

    async def _deliver(self, webhook: Webhook, case_id: int, delivery: Delivery) -> None:
        answer = await self._worker.send(webhook, delivery, self._store.now())
        if not answer.is_taken:
            self._ready.pop(case_id, None)  # the later ones of its case wait
        self._line.note(answer)
        chance = random.random()  # noqa: S311
        record = partial(steps.record, webhook=webhook, delivery=delivery, answer=answer, chance=chance)
        outcome = await self._store.transact(record, cases=1)
        self._worker.tell(webhook, outcome)
        if answer.is_gone:
            self._webhook = None
            self._ready.clear()


async def forget(store: Store, now: datetime) -> int:
    """Delete messages that were laid aside long ago; return how many, of which there may be more.

    None is kept for longer than the firm keeps what it tells of.
    """

    async def work(tx: Transaction) -> int:
        forgotten = await webhooks.forget(tx, await tx.clock() - KEPT_DEAD, _FORGOTTEN_AT_ONCE)
        for firm_id, kept in (await webhooks.retentions(tx)).items():
            forgotten += await webhooks.forget_of(tx, firm_id, now - kept, _FORGOTTEN_AT_ONCE)
        return forgotten

    return await store.transact(work)
