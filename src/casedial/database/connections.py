"""SQLAlchemy's connections, to be awaited.

Its own ``AsyncConnection`` comes with its ORM, for which casedial has no use: a tenth of the time of a short command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

T = TypeVar("T")


def make_engine(url: str, connect: Callable[[], Awaitable[Any]], **options: Any) -> sa.Engine:
    """Make an engine of an asynchronous driver; ``connect`` makes the driver's connections. Our own pool keeps them."""

    def adapted() -> Any:
        dbapi: Any = engine.dialect.dbapi
        return dbapi.connect(async_creator_fn=connect)

    engine = sa.create_engine(url, creator=adapted, poolclass=sa.NullPool, **options)
    return engine


class Connection:
    """A connection of such an engine. ``real`` is SQLAlchemy's own, which only ``run_sync`` may let speak."""

    def __init__(self, real: sa.Connection) -> None:
        self.real = real
        self.dialect = real.dialect

    @classmethod
    async def of(cls, engine: sa.Engine) -> Connection:
        """Connect."""
        return cls(await greenlet_spawn(engine.connect))

    async def run_sync(self, work: Callable[[sa.Connection], T]) -> T:
        """Do what knows of no waiting, such as a migration, with SQLAlchemy's connection."""
        return await greenlet_spawn(work, self.real)

    async def driver(self) -> Any:
        """Return the driver's connection."""
        return (await self.run_sync(lambda real: real.connection)).driver_connection

    async def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Run a statement, once or for a list of parameter sets."""
        return await self.run_sync(lambda real: real.execute(statement, rows))

    async def use(self, **options: Any) -> None:
        """Set execution options of SQLAlchemy's."""
        await self.run_sync(lambda real: real.execution_options(**options))

    def in_transaction(self) -> bool:
        """Tell whether a transaction was begun, here or by what was run."""
        return self.real.in_transaction()

    async def begin(self) -> None:
        """Begin a transaction."""
        await self.run_sync(sa.Connection.begin)

    async def commit(self) -> None:
        """Commit the transaction, if one was begun."""
        await self.run_sync(sa.Connection.commit)

    async def rollback(self) -> None:
        """Take back the transaction, if one was begun."""
        await self.run_sync(sa.Connection.rollback)

    async def invalidate(self) -> None:
        """Let the driver's connection go, to be used by nobody else."""
        await self.run_sync(sa.Connection.invalidate)

    async def close(self) -> None:
        """Close it."""
        await self.run_sync(sa.Connection.close)
