"""A server that waits for slow clients for two seconds only, in all else as ``casedial serve`` starts it.

``python -m tests.e2e.hasty heads`` is one that waits so long for the heads of requests, ``bodies`` for their bodies.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from casedial.web import bodies
from casedial.web.app import create_app
from casedial.web.edge import Edge

PATIENCE = 2  # seconds


def create_hasty() -> Edge:
    if sys.argv[1] == "bodies":
        bodies.BODY_SECONDS = PATIENCE
    return create_app()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces

    from casedial.web.server import HTTP1

    Granian(
        "tests.e2e.hasty:create_hasty",
        factory=True,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=replace(HTTP1, header_read_timeout=PATIENCE * 1000) if sys.argv[1] == "heads" else HTTP1,
        websockets=False,
        port=int(sys.argv[sys.argv.index("--port") + 1]),
    ).serve()
