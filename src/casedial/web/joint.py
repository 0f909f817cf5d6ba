"""Claims of several callers, done together: one transaction serves all who come while the one before goes on.

Each keeps its own claim, its evidence and its reply under its own Idempotency-Key, and gets what it would have got had
they come one after the other. Whether a caller has left is looked at for the last time at the end of this work: what
comes after it, a commit that others on SQLite may share, takes no longer than it takes to notice that somebody left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from casedial.domain.cases import Case, CasesUnreadable, StatusesStale
from casedial.domain.claims import Claim
from casedial.domain.errors import StorageUnavailable
from casedial.service import dialing
from casedial.storage import firms, idempotency, keys
from casedial.storage.claims import Claimant
from casedial.storage.engine import Store, Transaction
from casedial.storage.idempotency import Once
from casedial.storage.joining import Batch, Joined, SomeLeft
from casedial.storage.queues import Shape
from casedial.web.exchange import Call, Departure, KeyStale, Reply
from casedial.web.replay import to_keep

SLOW_SECONDS = 0.5  # after which what was known of a caller and its firm is looked at again
_FEW = 50  # cases: who wants more claims alone, so that nobody waits for it
_TOGETHER = 200  # cases
_AT_ONCE = 3  # transactions for one table, while the first takes long
_LOOK_SECONDS = 0.01  # that all wait for the first request with one of their keys


@dataclass(frozen=True, slots=True)
class ClaimCall:
    """A call that claims: for whom, and how its reply is rendered."""

    call: Call
    claimant: Claimant
    render: Callable[[list[Case], Claim | None], Reply]
    once: Once | None = None

    @property
    def is_small(self) -> bool:
        """Tell whether it may be done together with others."""
        return self.claimant.wanted.records <= _FEW


class JointClaims:
    """Does small claims of one firm together where ``dialing.claim_together`` can."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables: WeakValueDictionary[object, Joined[ClaimCall, Reply]] = WeakValueDictionary()

    async def claim(self, wanted: ClaimCall, departure: Departure) -> Reply:
        """Claim, unless the caller leaves before: then nothing is. Raises CallerLeft.

        Raises RequestStillRunning where it has to be done alone: it is a repeat, or one of the others is.
        """
        firm = wanted.call.caller.firm
        table = dialing.table_of(firm, wanted.claimant)
        name = firm.id, firm.version, table
        joined = self._tables.get(name)
        if joined is None:
            most = _TOGETHER if isinstance(table, Shape) else _FEW  # each case of one queue is looked at closely
            joined = self._tables[name] = Joined(self._together, most, at_once=_AT_ONCE)
        return await joined.ask(wanted, wanted.claimant.wanted.records, departure.wait, departure.is_over)

    async def _together(self, batch: Batch[ClaimCall, Reply]) -> list[Reply | BaseException]:
        asks = batch.all()

        async def work(tx: Transaction) -> list[Reply | BaseException]:
            replies = await _claim(tx, asks)
            await check_keys(tx, [ask.call for ask in asks])
            batch.stay()
            return [replies.get(place) or idempotency.still_running() for place in range(len(asks))]

        try:
            return await self._store.transact(work, sum(ask.claimant.wanted.records for ask in asks))
        except (SomeLeft, StatusesStale, CasesUnreadable, KeyStale, StorageUnavailable):
            raise
        except Exception:  # of one of them, who gets it when each is done alone; or one is a repeat
            return [idempotency.still_running() for _ in asks]


async def _claim(tx: Transaction, asks: list[ClaimCall]) -> dict[int, Reply]:
    """Claim for all but those whose Idempotency-Key was used before; return the replies by place."""
    await check_fresh(tx, min((ask.call for ask in asks), key=lambda call: call.identified_at))
    now = max(ask.call.now for ask in asks)
    new = await idempotency.begin_new(tx, [ask.once for ask in asks if ask.once], now, _LOOK_SECONDS)
    going = {place: ask for place, ask in enumerate(asks) if ask.once is None or ask.once in new}
    if not going:
        return {}
    claimants = [ask.claimant for ask in going.values()]
    claimed = await dialing.claim_together(tx, asks[0].call.caller.firm, claimants, now)
    replies = {place: ask.render(*found) for (place, ask), found in zip(going.items(), claimed, strict=True)}
    kept = {ask.once: to_keep(replies[place], ask.once) for place, ask in going.items() if ask.once}
    await idempotency.keep(tx, kept)
    return replies


async def check_fresh(tx: Transaction, call: Call) -> None:
    """Raise StatusesStale where a call that waited long knows its firm as it was before a pause, say."""
    if time.monotonic() - call.identified_at > SLOW_SECONDS and not await firms.is_current(tx, call.caller.firm):
        raise StatusesStale


async def check_keys(tx: Transaction, calls: Sequence[Call]) -> None:
    """Raise KeyStale where the key of a call that waited long is not what it was: revoked, over, or limited anew.

    Wants to be called right before the commit, after all that may wait for a lock.
    """
    waited = [call.caller for call in calls if time.monotonic() - call.identified_at > SLOW_SECONDS]
    if not waited:
        return
    now = datetime.now(UTC)
    limits = await keys.standing(tx, {caller.key_id for caller in waited})
    if any(limits.get(c.key_id) != c.limits or c.limits.has_expired(now) for c in waited):
        raise KeyStale
