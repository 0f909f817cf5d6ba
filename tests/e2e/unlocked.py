"""A server whose claim is broken on purpose: the lock is taken out. For the test of the test."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import casedial.database.engine as engine
import casedial.storage.claim_statement as claim_statement
import casedial.storage.claims as claims
from casedial.database.engine import Transaction
from casedial.database.sqlite import SqliteSession
from casedial.storage.claimants import Claimant, Claimed
from casedial.storage.queues import due
from casedial.web.app import create_app
from casedial.web.edge import Edge


async def claim_in_two_steps(tx: Transaction, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim as who looks first and moves what was there."""
    claimed: list[Claimed] = []
    for claimant in claimants:
        found = await due(tx, claimant.caller.firm, claimant.wanted, now)
        time.sleep(0.01)  # in the thread of the connection
        [opened] = await claims.take(tx, claimant.caller.firm, [claims.Grant(claimant, found)], now)
        claimed.append(([case.shown for case in found], opened))
    return claimed


def create_unlocked() -> Edge:
    """PostgreSQL's FOR UPDATE SKIP LOCKED is left out; SQLite's BEGIN IMMEDIATE becomes an autocommit.

    SQLite's claim then finds cases and moves them a moment later: two servers are sure to meet there.
    """
    claim_statement.lock = lambda query: query
    claim_statement._claim.cache_clear()
    run = SqliteSession.run

    async def unlocked(session: SqliteSession, command: str, *rest: Any) -> str:
        alone = command in ("BEGIN IMMEDIATE", "COMMIT")
        return await run(session, "SELECT 1" if alone else command, *rest)

    SqliteSession.run = unlocked  # type: ignore[method-assign]
    claims.claim_in_turn = claim_in_two_steps
    engine._TOGETHER = 1  # for a savepoint would be a lock, too
    return create_app()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    port = int(sys.argv[sys.argv.index("--port") + 1])
    Granian("tests.e2e.unlocked:create_unlocked", factory=True, interface=Interfaces.ASGI, port=port).serve()
