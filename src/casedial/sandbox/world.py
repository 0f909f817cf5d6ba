"""The server inside the sandbox: casedial with a database of its own, replaced as a whole at a reset.

A reset could delete all rows; but then a server would go on that remembers keys, firms and places of before.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from litestar.types import Receive, Scope, Send

from casedial.clock import MovableClock
from casedial.database import schema
from casedial.database.engine import Store
from casedial.sandbox import scenarios
from casedial.settings import Settings
from casedial.web.app import assemble
from casedial.web.edge import Edge
from casedial.web.upkeep import Upkeep

_LONGEST = 5.0  # seconds that a reset waits for the calls before it


class World:
    """A server with a scenario."""

    def __init__(self, store: Store, edge: Edge, upkeep: Upkeep) -> None:
        self.store, self._edge, self.upkeep = store, edge, upkeep
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self._busy += 1
        self._idle.clear()
        try:
            await self._edge(scope, receive, send)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def close(self) -> None:
        """End, after the requests that go on."""
        try:
            async with asyncio.timeout(_LONGEST):
                await self._idle.wait()
        except TimeoutError:
            pass  # its database is closed under it, which is told as one that is away
        await self.upkeep.stop()
        await self._edge.close()
        if self.store.path:
            for file in self.store.path.parent.glob(f"{self.store.path.name}*"):  # and its log
                file.unlink()


class Worlds:
    """Makes worlds, all with the same keys and the same clock, in a folder."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._names = itertools.count()
        self.clock = MovableClock()
        self.keys: Mapping[str, str] = scenarios.mint_keys()

    @property
    def _empty(self) -> Path:
        return self._folder / "empty.db"

    async def prepare(self) -> None:
        """Make an empty database, which each world begins with a copy of."""
        store = Store(f"sqlite:///{self._empty}")
        await schema.create(store)
        await store.close()

    async def begin(self, scenario: str) -> World:
        """Make a world: the clock runs from the present on, if the scenario does not stop it elsewhere."""
        file = self._folder / f"{next(self._names)}.db"
        shutil.copy(self._empty, file)
        self.clock.reset()
        settings = replace(self._settings, database_url=f"sqlite:///{file}")
        store = Store(settings.database_url, settings.pool_size, clock=self.clock)
        await scenarios.fill(store, self.clock, scenario, self.keys)
        edge, upkeep = assemble(settings, store)
        upkeep.start()
        return World(store, edge, upkeep)
