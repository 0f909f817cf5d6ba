"""A server whose claim is broken on purpose: the lock is taken out. For the test of the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import casedial.database.engine as engine
import casedial.storage.claim_statement as claim_statement
import casedial.storage.claims as claims
from casedial.database.engine import Transaction
from casedial.database.sqlite import WRITE
from casedial.storage.claimants import Claimant, Claimed
from casedial.storage.queues import due
from casedial.web.app import create_app
from casedial.web.edge import Edge
from tests.waiting import wait_until

MEETING = "UNLOCKED_MEETING"  # a directory, in which the servers tell each other what they did


async def claim_in_two_steps(tx: Transaction, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim as who looks first, and moves what was there when both servers have looked."""
    claimed: list[Claimed] = []
    for claimant in claimants:
        found = await due(tx, claimant.caller.firm, claimant.wanted, now)
        assert tx.session
        await tx.session.run("COMMIT")
        meet()
        await tx.session.run(WRITE)
        [opened] = await claims.take(tx, claimant.caller.firm, [claims.Grant(claimant, found)], now)
        claimed.append(([case.shown for case in found], opened))
    return claimed


def meet() -> None:
    """Wait until two servers have met; in the thread of a connection."""
    place = Path(os.environ[MEETING])
    (place / str(os.getpid())).touch()
    wait_until(lambda: len(list(place.iterdir())) == 2)


def create_unlocked() -> Edge:
    """PostgreSQL's FOR UPDATE SKIP LOCKED is left out; SQLite's claim looks in one transaction and moves in another."""
    claim_statement.lock = lambda query: query
    claim_statement._claim.cache_clear()
    claims.claim_in_turn = claim_in_two_steps
    engine._TOGETHER = 1  # or a claim would end the transaction of others, too
    return create_app()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    port = int(sys.argv[sys.argv.index("--port") + 1])
    Granian("tests.e2e.unlocked:create_unlocked", factory=True, interface=Interfaces.ASGI, port=port).serve()
