"""What callers ask for, executed: for whoever is still known as such, once for each Idempotency-Key, alone or together.

A method makes a command; here it is read or written, in transactions. Small claims that come at the same time are done
together, by one statement where the database can: see decision 43.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from casedial.database.engine import Store, Transaction
from casedial.domain.cases import CasesUnreadable, ShownCase
from casedial.domain.claims import Claim
from casedial.domain.dialing import MOST_NOTES
from casedial.domain.errors import (
    CallerLeft,
    CasedialError,
    Conflict,
    NotFound,
    RequestStillRunning,
    StorageUnavailable,
)
from casedial.domain.firms import Caller, CallerStale
from casedial.domain.statuses import StatusesStale
from casedial.joining import Batch, Joined
from casedial.service import claims, dialing, keys, replies
from casedial.service.dialing import Claimant, Claimed
from casedial.service.replies import KeptReply, Once, Reply

PATIENCE = 10.0  # seconds that a repeat waits for the first request to end
SLOW_SECONDS = 0.5  # after which it is looked at again, at the end of a write, whether the caller is what it was
_LOOK_SECONDS, _PAUSE_SECONDS = 0.05, 0.15
_CLOSE_SECONDS = 0.02
_LOOK_TOGETHER = 0.01  # seconds that all wait for the first request with one of their keys
_FEW = 100  # cases: who wants more claims alone, so that nobody waits for it
_TOGETHER = 400  # cases
_CLOSELY = 50  # cases, where each is looked at closely
_AT_ONCE = 3  # batches of one kind, while the first takes long


class Departure(Protocol):
    """Whether the one who asks has left, so that what it would be told is lost."""

    def is_over(self) -> bool:
        """Tell whether it has left."""

    async def wait(self) -> None:
        """Return when it has left."""


@dataclass(frozen=True, slots=True)
class Claiming:
    """A claim of due cases: for whom, how its reply is rendered, and whether the one who asks is still there."""

    claimant: Claimant
    now: datetime
    render: Callable[[Sequence[ShownCase], Claim | None], Awaitable[Reply]]
    departure: Departure

    async def rendered(self, claimed: Claimed) -> Reply:
        """Render what was claimed. Raises CallerStale, and CasesUnreadable for rows that make no sense."""
        if claimed is None:
            raise CallerStale
        return await self.render(*claimed)

    async def run(self, tx: Transaction) -> Reply:
        """Claim alone, in an open transaction."""
        [claimed] = await dialing.claim(tx, [self.claimant], self.now)
        return await self.rendered(claimed)


@dataclass(frozen=True, slots=True)
class Command:
    """What a caller asks for: ``run`` is a step that returns the reply, rendered in its transaction.

    ``cases`` is how many it would change (0: it reads), ``shows`` how many it reads at most. What is one query needs no
    transaction around it. A claim of due cases says what it can be done with others by. ``refuse`` renders an error
    that is an answer like others. ``run_for_many`` is run instead, in its turn, where ``run`` raises AboutMany.
    """

    caller: Caller
    now: datetime
    run: Callable[[Transaction], Awaitable[Reply]]
    cases: int = 0
    shows: int = 0
    claiming: Claiming | None = None
    once: Once | None = None
    is_one_query: bool = False
    refuse: Callable[[CasedialError], Reply] | None = None
    run_for_many: Callable[[Transaction], Awaitable[Reply]] | None = None

    @property
    def size(self) -> int:
        """Return how many cases it is about."""
        return max(self.cases, self.shows)

    def for_many(self) -> Command:
        """Return the same, for as many cases as there may be."""
        assert self.run_for_many  # noqa: S101  # nothing else raises AboutMany
        return replace(self, run=self.run_for_many, cases=MOST_NOTES)


_Answer = Reply | Claimed  # rendered in its transaction, to be kept there, or not yet


class Commands:
    """Executes the commands of one server process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: WeakValueDictionary[tuple[int, bytes], asyncio.Lock] = WeakValueDictionary()
        self._joined: WeakValueDictionary[object, Joined[Command, _Answer]] = WeakValueDictionary()
        self._behind: set[asyncio.Task[None]] = set()  # what is done though nobody waits for it
        self._at_work = 0  # commands, of those who left, too

    async def execute(self, command: Command) -> Reply:
        """Do what a caller asks for, and return what to tell it.

        Raises CallerStale, StatusesStale and CasesUnreadable, after which it is to be made and executed once more;
        RequestStillRunning, IdempotencyKeyReused, CallerLeft, and what the command raises. Then nothing was changed.
        """
        self._at_work += 1
        try:
            if not command.cases:
                return await self._read(command)
            if command.once is None:
                return await self._write(command)
            async with self._alone(command.once):
                return await self._write(command)
        finally:
            self._at_work -= 1

    async def execute_apart(self, command: Command, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """Do what takes transactions of its own, and may be done twice; keep its reply, so that a repeat gets it.

        Raises CallerStale, and what ``execute`` does; what was done by then stays.
        """
        self._at_work += 1
        try:
            if command.once is None:
                began = time.monotonic()
                async with self._store.read() as tx:
                    await keys.prove(tx, command.caller, command.now)
                reply = await work()
                if time.monotonic() - began > SLOW_SECONDS:
                    async with self._store.read() as tx:
                        await _prove_again(tx, [command], began)
                return reply
            async with self._alone(command.once):
                return await self._once_apart(command, command.once, work)
        finally:
            self._at_work -= 1

    async def _once_apart(self, command: Command, once: Once, work: Callable[[], Awaitable[Reply]]) -> Reply:
        async def look(tx: Transaction) -> KeptReply | None:
            await keys.prove(tx, command.caller, command.now)
            earlier = await replies.begin(tx, once, command.now, _LOOK_SECONDS)
            if earlier is None:
                await replies.forget(tx, once)
            return earlier

        if earlier := await self._store.transact(look, 1):
            return replies.again(earlier, once)
        reply = await work()

        async def keep(tx: Transaction) -> KeptReply | None:
            earlier = await replies.begin(tx, once, command.now, _LOOK_SECONDS)
            if earlier is None:
                await replies.keep(tx, {once: reply.to_keep(once)})
            return earlier  # of one that did the same at another server

        if reply.is_final and (earlier := await self._store.transact(keep, 1)):
            return replies.again(earlier, once)
        return reply

    async def close(self) -> None:
        """Wait for what is done behind those who left: the server waits for those who are there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._at_work:  # noqa: ASYNC110  # once, at the end
                    await asyncio.sleep(_CLOSE_SECONDS)
        await asyncio.gather(*self._behind)

    async def _read(self, command: Command) -> Reply:
        async with self._store.single() if command.is_one_query else self._store.read() as tx:
            await keys.prove(tx, command.caller, command.now)
            return await command.run(tx)

    async def _write(self, command: Command) -> Reply:
        give_up = time.monotonic() + PATIENCE
        if command.claiming:
            with suppress(RequestStillRunning):  # it is a repeat, or one of those with whom it was done is
                return await self._claim(command, command.claiming)
        while True:
            try:
                return await self._store.transact(lambda tx: self._work(tx, command), command.cases)
            except RequestStillRunning:  # in another process: nobody waits for it with a database connection
                if time.monotonic() >= give_up:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _work(self, tx: Transaction, command: Command) -> Reply:
        """Do one write in a transaction: once, where it is to be done once."""
        began = time.monotonic()
        await keys.prove(tx, command.caller, command.now)
        once = command.once
        if once and (earlier := await replies.begin(tx, once, command.now, _LOOK_SECONDS)):
            return replies.again(earlier, once)
        try:
            reply = await command.run(tx)
        except (NotFound, Conflict) as error:  # raised before anything was written; an answer like others
            if not (once and command.refuse):
                raise
            reply = command.refuse(error)
        if once and reply.is_final:
            await replies.keep(tx, {once: reply.to_keep(once)})
        elif once:
            await replies.forget(tx, once)
        await _prove_again(tx, [command], began)
        return reply

    async def _claim(self, command: Command, claiming: Claiming) -> Reply:
        """Claim due cases, with others if it is small; who left meanwhile gives back what it got.

        It is rendered here, where nothing has to be kept beside the claim: by then the next ones are at work.
        """
        if command.cases > _FEW:
            [answer] = await self._claim_all([command])
            if isinstance(answer, BaseException):
                raise answer
        else:
            beside, departure = self._beside(claiming.claimant), claiming.departure
            answer = await beside.ask(command, command.cases, departure.wait, departure.is_over)
        reply = answer if isinstance(answer, Reply) else await self._rendered(command, claiming, answer)
        if reply.claim_id and command.once is None and claiming.departure.is_over():  # with a key it can ask again
            await self._take_back(command, reply.claim_id)
            raise CallerLeft("The caller left before the reply was sent; the cases it claimed were given back.")
        return reply

    def _beside(self, claimant: Claimant) -> Joined[Command, _Answer]:
        """Return what does those claims together that can be done with this one."""
        kind = dialing.claims_beside(claimant)
        joined = self._joined.get(kind)
        if joined is None:
            most = _CLOSELY if claimant.queue.looks_closely else _TOGETHER
            joined = self._joined[kind] = Joined(self._claim_batch, most, at_once=_AT_ONCE, unheard=self._unheard)
        return joined

    async def _claim_batch(self, batch: Batch[Command, _Answer]) -> Sequence[_Answer | BaseException]:
        return await self._claim_all(batch.all())

    async def _claim_all(self, commands: Sequence[Command]) -> Sequence[_Answer | BaseException]:
        """Claim for all of them; RequestStillRunning stands for what is to be done alone.

        One statement needs no transaction around it, where nothing is kept beside it.
        """
        cases = sum(command.cases for command in commands)
        try:
            if any(command.once for command in commands):
                return await self._store.transact(partial(_claim_once, commands=commands), cases)
            claimants = [command.claiming.claimant for command in commands if command.claiming]
            if dialing.is_one_statement(self._store.dialect, claimants):
                claim = partial(dialing.claim, claimants=claimants, now=max(command.now for command in commands))
                return await self._store.transact(claim, is_one_statement=True)
            return await self._store.transact(partial(_claim_each, commands=commands), cases)
        except (CallerStale, StatusesStale, CasesUnreadable, StorageUnavailable):
            raise
        except Exception:  # of one of them, who gets it when each is done alone; or one is a repeat
            return [replies.still_running() for _ in commands]

    async def _rendered(self, command: Command, claiming: Claiming, claimed: Claimed) -> Reply:
        """Render what was claimed and committed; what cannot be rendered is given back. Raises as ``Claiming`` does."""
        try:
            return await claiming.rendered(claimed)
        except Exception:
            if claimed and claimed[1]:
                await self._take_back(command, claimed[1].id)
            raise

    async def _take_back(self, command: Command, claim_id: UUID) -> None:
        """Return a claim that nobody is told of; where the database is away it runs out."""
        give_back = partial(claims.take_back, caller=command.caller, claim_id=claim_id, now=command.now)
        with suppress(StorageUnavailable):
            await self._store.transact(give_back, command.cases)

    def _unheard(self, command: Command, answer: _Answer) -> None:
        """Take back what was claimed for one whose request was cancelled meanwhile."""
        claim_id = answer.claim_id if isinstance(answer, Reply) else answer and answer[1] and answer[1].id
        if claim_id and command.once is None:
            task = asyncio.create_task(self._take_back(command, claim_id))
            self._behind.add(task)
            task.add_done_callback(self._behind.discard)

    @asynccontextmanager
    async def _alone(self, once: Once) -> AsyncIterator[None]:
        """Let repeats wait here, where they hold no database connection; those in other processes wait there."""
        lock = self._running.setdefault((once.key_id, once.key), asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE):
                await lock.acquire()
        except TimeoutError:
            raise replies.still_running() from None
        try:
            yield
        finally:
            lock.release()


async def _claim_each(tx: Transaction, commands: Sequence[Command]) -> list[Claimed]:
    """Claim for all of them, in a transaction that may take a while."""
    began, now = time.monotonic(), max(command.now for command in commands)
    claimed = await dialing.claim(tx, [command.claiming.claimant for command in commands if command.claiming], now)
    await _prove_again(tx, commands, began)
    return claimed


async def _claim_once(tx: Transaction, commands: Sequence[Command]) -> list[Reply | BaseException]:
    """Claim for all but those whose Idempotency-Key was used before, and keep their replies."""
    began, now = time.monotonic(), max(command.now for command in commands)
    new = await replies.begin_new(tx, [command.once for command in commands if command.once], now, _LOOK_TOGETHER)
    going = {
        place: command.claiming
        for place, command in enumerate(commands)
        if command.claiming and (command.once is None or command.once in new)
    }
    claimed = await dialing.claim(tx, [claiming.claimant for claiming in going.values()], now) if going else []
    answers: dict[int, Reply | BaseException] = {}
    kept: dict[Once, KeptReply] = {}
    for (place, claiming), found in zip(going.items(), claimed, strict=True):
        once = commands[place].once
        if found:
            reply = answers[place] = await claiming.rendered(found)
            kept |= {once: reply.to_keep(once)} if once else {}
        else:
            answers[place] = CallerStale()
            if once:
                await replies.forget(tx, once)
    await replies.keep(tx, kept)
    await _prove_again(tx, [commands[place] for place in going], began)
    return [answers.get(place) or replies.still_running() for place in range(len(commands))]


async def _prove_again(tx: Transaction, commands: Sequence[Command], began: float) -> None:
    """Raise CallerStale where a caller is not what it was when a slow write began, for its key was revoked, say.

    It is the last step before the commit, after all that may wait for a lock.
    """
    if time.monotonic() - began > SLOW_SECONDS:
        for command in commands:
            await keys.prove(tx, command.caller, tx.now())
