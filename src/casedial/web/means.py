"""What all requests of a worker are answered with: one store, and what bounds they share."""

from __future__ import annotations

from dataclasses import dataclass

from casedial.database.engine import Store
from casedial.service.operations.commands import Commands
from casedial.service.operations.feed import Feed
from casedial.web.auth import Authenticator
from casedial.web.bodies import Bodies
from casedial.web.turns import Turns


@dataclass(frozen=True, slots=True)
class Means:
    """A store; who finds callers, and executes what they ask for; the turns and bodies that all of them share."""

    store: Store
    authenticator: Authenticator
    commands: Commands
    turns: Turns
    bodies: Bodies
    feed: Feed

    @classmethod
    def of(cls, store: Store) -> Means:
        """Return those of a store."""
        return cls(store, Authenticator(store), Commands(store), Turns(store.pool_size), Bodies(), Feed(store))

    async def close(self) -> None:
        """Finish what goes on behind requests, and close the database."""
        await self.feed.stop()
        await self.authenticator.close()
        await self.commands.close()
        await self.store.close()
