"""A server whose claim is broken on purpose: the lock is taken out. For the test of the test."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import casedial.storage.claims as claims
import casedial.storage.engine as engine
from casedial.storage.sqlite import SqliteSession
from casedial.web.app import create_app
from casedial.web.edge import Edge


def create_unlocked() -> Edge:
    """PostgreSQL's FOR UPDATE SKIP LOCKED is left out; SQLite's BEGIN IMMEDIATE becomes an autocommit.

    Between finding and moving cases SQLite's claim then waits a moment: two servers are sure to meet there.
    """
    claims._lock = lambda query: query
    claims._claim.cache_clear()
    run = SqliteSession.run

    async def unlocked(session: SqliteSession, command: str, *rest: Any) -> str:
        alone = command in ("BEGIN IMMEDIATE", "COMMIT")
        return await run(session, "SELECT 1" if alone else command, *rest)

    SqliteSession.run = unlocked  # type: ignore[method-assign]
    take = claims.take

    async def late(*arguments: Any, **more: Any) -> Any:
        await asyncio.sleep(0.01)
        return await take(*arguments, **more)

    claims.take = late
    engine._TOGETHER = 1  # for a savepoint would be a lock, too
    return create_app()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    port = int(sys.argv[sys.argv.index("--port") + 1])
    Granian("tests.e2e.unlocked:create_unlocked", factory=True, interface=Interfaces.ASGI, port=port).serve()
