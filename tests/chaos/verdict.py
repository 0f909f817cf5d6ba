"""What the checker found: how much of each promise it saw kept, and each fault in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

TWICE = "no case is held by two claims"
RECORDS = "a claim gives at most Records cases, all or none"
GRANTED = "every granted claim is there, every other was asked for"
LEASES = "no case is stranded beyond its lease"
ACKNOWLEDGED = "every acknowledged write is there, once"
UNACKNOWLEDGED = "every unacknowledged write is whole or absent"
UNASKED = "no change and no note is there that nobody sent"
LATE = "a dialer whose claim ended overwrites nothing"
REPEATS = "a repeated write has one effect and the same reply"
REPLIES = "no reply but those the API allows"
FEED_ONCE = "each reader of the feed has every change once"
FEED_ORDER = "all in one order, of each case as it was done"
SOUND = "the database is sound and agrees with its history"

PROMISES = (
    TWICE,
    RECORDS,
    GRANTED,
    LEASES,
    ACKNOWLEDGED,
    UNACKNOWLEDGED,
    UNASKED,
    LATE,
    REPEATS,
    REPLIES,
    FEED_ONCE,
    FEED_ORDER,
    SOUND,
)


class Verdict:
    """For each promise a count and its faults."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.seen: Counter[str] = Counter()  # worth knowing, and no promise
        self.figures: dict[str, float] = {}  # the largest that was seen

    def count(self, promise: str, number: int = 1) -> None:
        self.counted[promise] += number

    def fault(self, promise: str, what: str) -> None:
        self.faults[promise].append(what)

    def largest(self, figure: str, value: float) -> None:
        self.figures[figure] = max(value, self.figures.get(figure, value))

    def add(self, others: Iterable[Verdict]) -> Verdict:
        for other in others:
            self.counted.update(other.counted)
            self.seen.update(other.seen)
            for promise, faults in other.faults.items():
                self.faults[promise].extend(faults)
            for figure, value in other.figures.items():
                self.largest(figure, value)
        return self

    @property
    def is_good(self) -> bool:
        return not any(self.faults.values())
