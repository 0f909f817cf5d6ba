"""A server whose claim is broken on purpose: the lock is taken out. For the test of the test."""

from __future__ import annotations

import sys

import casedial.storage.claims as claims
import casedial.storage.sqlite as sqlite
from casedial.web.app import create_app
from casedial.web.edge import Edge


def create_unlocked() -> Edge:
    """PostgreSQL's FOR UPDATE SKIP LOCKED is left out; SQLite's BEGIN IMMEDIATE becomes an autocommit."""
    claims._lock = lambda query: query
    claims._claim.cache_clear()
    sqlite._begin_write = lambda connection: None
    return create_app()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    port = int(sys.argv[sys.argv.index("--port") + 1])
    Granian("tests.e2e.unlocked:create_unlocked", factory=True, interface=Interfaces.ASGI, port=port).serve()
