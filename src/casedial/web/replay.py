"""Writes sent with an Idempotency-Key: done once, and the reply given again to every repeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

from casedial.domain.errors import Conflict, IdempotencyKeyReused, NotFound, RequestStillRunning
from casedial.storage import idempotency
from casedial.storage.engine import Store, Transaction
from casedial.storage.idempotency import Once
from casedial.web.exchange import Call, Reply
from casedial.web.observe import REPLAYED
from casedial.web.problems import problem

PATIENCE = 10.0  # seconds that a repeat waits for the first request to end
_LOOK_SECONDS, _PAUSE_SECONDS = 0.05, 0.15
_CONTENT_TYPE = "Content-Type"


class Replays:
    """Runs writes once for each key of each caller."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: WeakValueDictionary[tuple[int, bytes], asyncio.Lock] = WeakValueDictionary()

    async def once(
        self,
        call: Call,
        once: Once,
        work: Callable[[Transaction], Awaitable[Reply]],
        cases: int,
        together: Callable[[], Awaitable[Reply]] | None = None,
    ) -> Reply:
        """Do a write and keep its reply in the same transaction, or give the reply that was kept.

        ``cases`` is how many it is about. ``together`` does the same in the company of others, where none of them is a
        repeat; else it raises RequestStillRunning. Raises IdempotencyKeyReused for another request with the same key,
        RequestStillRunning.
        """
        give_up = time.monotonic() + PATIENCE

        async def kept(tx: Transaction) -> Reply:
            earlier = await idempotency.begin(tx, once, call.now, _LOOK_SECONDS)
            if earlier:
                return _again(earlier, once.fingerprint)
            try:
                reply = await work(tx)
            except (NotFound, Conflict) as error:  # raised before anything was written; an answer like others
                reply = problem(error, call.request_id)
            if _is_final(reply.status):
                await idempotency.keep(tx, {once: to_keep(reply, once)})
            else:
                await idempotency.forget(tx, once)
            return reply

        async with self._alone((once.key_id, once.key)):
            if together:
                with suppress(RequestStillRunning):
                    return await together()
            while True:
                try:
                    return await self._store.transact(kept, cases)
                except RequestStillRunning:  # in another process: nobody waits for it with a database connection
                    if time.monotonic() >= give_up:
                        raise
                await asyncio.sleep(_PAUSE_SECONDS)

    @asynccontextmanager
    async def _alone(self, name: tuple[int, bytes]) -> AsyncIterator[None]:
        """Let repeats wait here, where they hold no database connection; those in other processes wait there."""
        lock = self._running.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE):
                await lock.acquire()
        except TimeoutError:
            raise idempotency.still_running() from None
        try:
            yield
        finally:
            lock.release()


def to_keep(reply: Reply, once: Once) -> idempotency.KeptReply:
    """Return what is kept of a reply."""
    headers = {**reply.headers, _CONTENT_TYPE: reply.media_type}
    return idempotency.KeptReply(once.fingerprint, reply.status, headers, reply.body)


def _again(earlier: idempotency.KeptReply, fingerprint: bytes) -> Reply:
    if earlier.fingerprint != fingerprint:
        raise IdempotencyKeyReused("This Idempotency-Key came with another request before; take a new one for each.")
    headers = dict(earlier.headers)
    return Reply(earlier.body, earlier.status, headers.pop(_CONTENT_TYPE), headers, REPLAYED)


def _is_final(status: int) -> bool:
    """Tell whether a repeat is to get this reply, rather than to try again what may do better then."""
    return status < 500 and status not in (401, 403, 413, 429)
