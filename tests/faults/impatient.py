"""A server that gives up soon, so that no test waits for half a minute; nothing else is changed."""

from __future__ import annotations

import sys

import casedial.database.hosts as hosts
import casedial.database.postgresql as postgresql
import casedial.joining as joining
import casedial.web.app as app
import casedial.web.probes as pages
from casedial.web.edge import Edge

PATIENCE = 2.0


def create_impatient() -> Edge:
    """Every limit becomes 2 s."""
    app.PATIENCE_SECONDS = postgresql.CONNECT_SECONDS = hosts.CONNECT_SECONDS = PATIENCE
    joining.QUEUE_SECONDS = pages.READY_SECONDS = PATIENCE
    return app.create_app()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    port = int(sys.argv[sys.argv.index("--port") + 1])
    Granian("tests.faults.impatient:create_impatient", factory=True, interface=Interfaces.ASGI, port=port).serve()
