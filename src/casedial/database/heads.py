"""Where queues begin, in a PostgreSQL that cannot clean up behind claims.

While somebody holds an old snapshot, the entries of all cases that were claimed since stay in the index, and each look
goes past them: 100 ms after 200,000 claims. A server that knows of a snapshot remembers where it found the first case
of a queue, and for a while begins there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

_SLOW = 0.01  # seconds; a quicker look has little to go past
_SHARE = 20  # a head is kept for so many times what it took to find it, so that looking for it is a twentieth
_AT_LEAST, _AT_MOST = 1.0, 10.0  # seconds
_KNOWN = 1000  # queues


class Placed(Protocol):
    """What has a place among cases of one priority."""

    @property
    def dial_at(self) -> datetime | None:
        """Return its dial time."""

    @property
    def case_id(self) -> int:
        """Return its CaseID."""


class Waits(Placed, Protocol):
    """What has a place in a queue."""

    @property
    def priority(self) -> int:
        """Return its priority."""


@dataclass(frozen=True, slots=True)
class Head:
    """The place right before a queue's first case, and until when it is kept, by the monotonic clock."""

    priority: int
    dial_at: datetime
    case_id: int
    until: float


class Heads:
    """The heads of queues, by what names a queue.

    ``needed`` says whether somebody holds an old snapshot: one from before PostgreSQL had ``reached`` a transaction.
    """

    def __init__(self) -> None:
        self.needed = False
        self.reached: str | None = None
        self._known: dict[object, Head] = {}

    def of(self, queue: object) -> Head | None:
        """Return where to begin with a queue; None: with its first entry."""
        head = self._known.get(queue) if self.needed else None
        return head if head and time.monotonic() < head.until else None

    def found(self, queue: object, priority: int, first: Placed, seconds: float, began: Head | None) -> None:
        """Note the first case that a look of so many seconds found, and where it began.

        What comes to stand before it is found when the head is looked for again: after ten seconds at the latest.
        """
        if not self.needed or first.dial_at is None or (began is None and seconds < _SLOW):
            return
        until = began.until if began else time.monotonic() + min(_AT_MOST, max(_AT_LEAST, _SHARE * seconds))
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[queue] = Head(priority, first.dial_at, first.case_id - 1, until)

    def forget(self, queue: object) -> None:
        """Begin with the first entry of a queue next time."""
        self._known.pop(queue, None)
