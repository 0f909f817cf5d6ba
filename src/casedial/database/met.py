"""Cases that claims met and could not hand out, until they are held back: a claim replies first.

Meanwhile the next claim from the same queue begins behind them. All of it is in memory and may be lost: then the next
claim meets them once more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from casedial.database.heads import Head, Waits
from casedial.domain.firms import Firm

_BEHIND_SECONDS = 2.0  # after which a queue is looked through from its first case again, whatever is held back
_MOST = 20_000  # cases, and places, that are kept


@dataclass(slots=True)
class Batch:
    """What is to be held back together: the cases of each firm, as the firm was when they were met."""

    cases: dict[tuple[int, int], tuple[Firm, dict[int, None]]] = field(default_factory=dict)
    places: dict[object, Head] = field(default_factory=dict)  # of queues, behind those cases

    @property
    def size(self) -> int:
        """Return how many cases there are."""
        return sum(len(case_ids) for _, case_ids in self.cases.values())


class Met:
    """What is to be held back, and what somebody holds back just now."""

    def __init__(self) -> None:
        self._next, self._now = Batch(), Batch()

    def note(self, firm: Firm, case_ids: Iterable[int], queue: object, last: Waits | None) -> None:
        """Note cases that may not be called, and behind which of a queue's the next claim begins.

        Of too many nothing is noted: the next claim meets them.
        """
        if self._next.size >= _MOST:
            return
        _, noted = self._next.cases.setdefault((firm.id, firm.version), (firm, {}))
        noted.update(dict.fromkeys(case_ids))
        if last is not None and last.dial_at is not None:
            before = self.place(queue)
            until = before.until if before else time.monotonic() + _BEHIND_SECONDS
            self._next.places[queue] = Head(last.priority, last.dial_at, last.case_id, until)

    def place(self, queue: object) -> Head | None:
        """Return the place behind which to begin with a queue; None: with its first case."""
        found = self._next.places.get(queue) or self._now.places.get(queue)
        return found if found and time.monotonic() < found.until else None

    def forget(self, queue: object) -> None:
        """Begin with a queue's first case next time."""
        self._next.places.pop(queue, None)
        self._now.places.pop(queue, None)

    def take(self) -> Batch:
        """Return what is to be held back, for who does it at once and then says that it is ``done``."""
        self._next, self._now = Batch(), self._next
        return self._now

    def done(self) -> None:
        """Begin with the first case again: those that were taken are held back, or are not to be."""
        self._now = Batch()
