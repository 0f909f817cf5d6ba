"""Work of which one server of a database does a kind at a time, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from casedial.database.engine import Store, Transaction
from casedial.storage import duties

_SPAN = timedelta(seconds=8)  # after which another server does it, where one was killed


@dataclass(frozen=True, slots=True)
class Duty:
    """A kind of work, by its name, and who may do it here."""

    name: str
    me: UUID = field(default_factory=uuid4)

    async def holder(self, tx: Transaction) -> duties.Duty | None:
        """Return who has the duty, None where nobody ever had it."""
        return await duties.of(tx, self.name)

    async def is_mine(self, store: Store, held: duties.Duty | None) -> bool:
        """Tell whether it is ours; take it where nobody has it, or take it on before it ends.

        ``held`` says who had it just now.
        """
        if held and held.holder == self.me and _SPAN / 2 < held.left <= _SPAN:
            return True
        if held and held.holder != self.me and timedelta(0) < held.left <= _SPAN:
            return False
        return await store.transact(lambda tx: duties.take(tx, self.name, self.me, _SPAN), cases=1)
