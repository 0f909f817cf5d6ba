"""Refused reports: found in the outcome of an update, counted, and kept for the firm's people behind the requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from casedial.database.engine import Store
from casedial.domain.dialing import CaseUpdate
from casedial.domain.errors import CasedialError, StorageUnavailable
from casedial.domain.refused import KEPT, Refusal, refusal_of
from casedial.service.operations import refused
from casedial.service.operations.refused import Refused
from casedial.web.observe import RequestRecord, note_refused, note_upkeep_fault
from casedial.web.problems import status_of
from casedial.wire import values
from casedial.wire.requests import Items

METHOD = "UpdateCaseStatus"
# Of a request that was refused whole: what a client has to mend, not what may be gone when it tries again.
_FOR_GOOD = (400, 403, 413, 415, 422)
# Between two writes, and ten times as long as one took, so that a flood slows nobody; but what came is soon shown.
_PAUSE_SECONDS, _LONGEST_PAUSE = 0.5, 10.0
_STOP_SECONDS = 2.0


def refused_items(batch: Items[CaseUpdate], outcomes: Sequence[CasedialError | None]) -> tuple[Refusal, ...]:
    """Return what was refused of a batch."""
    found = zip(batch.items, batch.echoes, outcomes, strict=True)
    return tuple(refusal_of(_case_id(item, echo), error) for item, echo, error in found if error)


def _case_id(item: CaseUpdate | CasedialError, echo: object) -> int | None:
    if isinstance(item, CaseUpdate):
        return item.case_id
    with suppress(ValueError):
        return values.case_id(echo)
    return None


def refused_whole(record: RequestRecord, error: Exception) -> tuple[Refusal, ...]:
    """Return what was refused of a report none of which was read: as one, for nobody knows how many it was."""
    if record.method != METHOD or record.key is None or not isinstance(error, CasedialError):
        return ()
    return (refusal_of(None, error),) if status_of(type(error)) in _FOR_GOOD else ()


class RefusedReports:
    """Counts what was refused, and keeps of each firm the last and how many: together, a moment after the replies."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: dict[int, deque[tuple[datetime, int, Refusal]]] = {}
        self._counts: Counter[tuple[int, int, str]] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._told_to_stop = asyncio.Event()

    def note(self, record: RequestRecord, found: Sequence[Refusal]) -> None:
        """Note what was refused of a request; no request waits for it, or fails by it."""
        if not found or record.firm is None or record.key is None:
            return
        by_code = Counter(refusal.code for refusal in found)
        note_refused(record.key, by_code)
        now = self._store.now()
        last = self._last.setdefault(record.firm, deque(maxlen=KEPT))
        last.extend((now, record.key, refusal) for refusal in found[-KEPT:])
        for code, reports in by_code.items():
            self._counts[record.firm, record.key, code] += reports
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep_all())

    async def close(self) -> None:
        """Keep what is still to be kept, if the database answers soon."""
        self._told_to_stop.set()
        if self._task:
            await asyncio.wait({self._task}, timeout=_STOP_SECONDS)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _keep_all(self) -> None:
        """Write what there is, again and again until there is nothing."""
        while self._counts:
            started = time.monotonic()
            kept = await self._keep()
            if self._told_to_stop.is_set() and not kept:
                return
            pause = min(_LONGEST_PAUSE, max(_PAUSE_SECONDS, 10 * (time.monotonic() - started)))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), pause)

    async def _keep(self) -> bool:
        last, counts = self._last, self._counts
        self._last, self._counts = {}, Counter()
        try:
            await refused.keep(self._store, Refused(last, counts))
        except StorageUnavailable:  # what came meanwhile is later
            for firm_id, more in self._last.items():
                last.setdefault(firm_id, deque(maxlen=KEPT)).extend(more)
            self._last, self._counts = last, counts + self._counts
            return False
        except Exception as error:  # with what would fail again
            note_upkeep_fault("refused reports", error)
        return True
