"""What time it is: the machine's, unless a sandbox or a test has another clock for its store.

Each store has one. Whatever needs the time asks ``store.now()``, or ``tx.now()`` within a transaction; what leases run
by is ``await tx.clock()``, the database's time, which is this clock's where it was moved.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's."""

    def now(self) -> datetime:
        """Return the time, with its zone: UTC."""
        return datetime.now(UTC)

    def moved_to(self) -> datetime | None:
        """Return what stands for the database's time, too; None where that is the database's own."""
        return None


class MovableClock(Clock):
    """A clock that can be set, moved and stopped; it begins with the machine's time, and runs."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)  # of the machine's
        self._stopped_at: datetime | None = None

    @property
    def is_frozen(self) -> bool:
        """Tell whether it stands still."""
        return self._stopped_at is not None

    def now(self) -> datetime:
        """Return what it shows."""
        return self._stopped_at or super().now() + self._ahead

    def moved_to(self) -> datetime | None:
        """Return what stands for the database's time, once it is not the machine's clock any more."""
        return self.now() if self._ahead or self._stopped_at else None

    def set(self, moment: datetime) -> None:
        """Have it show another time, from which it runs on where it ran."""
        self._ahead = moment - super().now()
        if self._stopped_at:
            self._stopped_at = moment

    def move(self, span: timedelta) -> None:
        """Set it on, or back where the span is negative."""
        self.set(self.now() + span)

    def freeze(self) -> None:
        """Stop it."""
        self._stopped_at = self.now()

    def reset(self) -> None:
        """Have it show the machine's time again, and run."""
        self._ahead, self._stopped_at = timedelta(0), None

    def run(self) -> None:
        """Have it run on from what it shows."""
        self.set(self.now())
        self._stopped_at = None


MACHINE = Clock()
