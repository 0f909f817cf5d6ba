"""Up to where rows are settled: whoever goes along them by their ids must not pass one that comes to light later.

PostgreSQL gives out ids before transactions end. So one notes the last id, then a number above those of all that write
by then, and looks again: once they have all ended, nothing up to that id can come any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from casedial.database.engine import Transaction


@dataclass(slots=True)
class Settling:
    """What is known of it; several may look at once.

    ``settled`` is up to where: it holds for a transaction that begins afterwards.
    """

    last: Callable[[Transaction], Awaitable[int]]  # the last id that was given
    settled: int = 0
    _noted: int = 0  # the last id, when
    _writers: int | None = None  # these wrote, who have not all ended

    @property
    def is_behind(self) -> bool:
        """Tell whether something is there that was not settled when somebody looked."""
        return self._writers is not None

    async def look(self, tx: Transaction, known: int, had: int = 0) -> int:
        """Look once more; return up to where this transaction sees all rows.

        ``known`` is what was ``settled`` before it began. Who ``had`` all up to an id asks for what is behind it.
        """
        noted, writers = self._noted, self._writers
        if writers is not None and await tx.dialect.have_ended(tx, writers):
            known, self.settled = max(known, noted), max(self.settled, noted)
            self._writers = None if self._writers == writers else self._writers
        if self._writers is None:
            last = await self.last(tx)
            if tx.dialect.has_one_writer:
                self.settled = last
                return last
            if last > max(self.settled, had):
                number = await tx.dialect.writers(tx)
                if self._writers is None:
                    self._noted, self._writers = last, number
        return known
