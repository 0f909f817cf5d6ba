"""A server with a fault planted in it, which some hostile requests meet. For the test of the fuzzer.

``python -m tests.fuzz.broken FAULT --port N``; a fault is the name of a function below.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from casedial.web.app import create_app
from casedial.wire import documents

FAULT = "CASEDIAL_TEST_FAULT"  # carries the name to the worker
_leaked: list[bytes] = []


class Broken:
    """The application, with one of the faults before it."""

    def __init__(self) -> None:
        self.app: Any = create_app()
        self.meet = globals()[os.environ[FAULT]]
        if self.meet is grants:
            documents._refuse_unstorable = lambda *_: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            send = await self.meet(scope, send) or send
        await self.app(scope, receive, send)


async def raises(scope: Any, send: Any) -> None:
    """An exception in front of everything that could answer for it."""
    if scope["method"] == "PATCH":
        raise ZeroDivisionError


async def forgets(scope: Any, send: Any) -> Any:
    """A reply without X-Request-Id."""

    async def send_on(message: Any) -> None:
        if message.get("status") == 405:
            message["headers"] = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
        await send(message)

    return send_on


async def speaks_plainly(scope: Any, send: Any) -> Any:
    """A refusal that is no problem document."""

    async def send_on(message: Any) -> None:
        if message.get("status") == 404:
            headers = dict(message["headers"]) | {b"content-type": b"text/plain"}
            message["headers"] = list(headers.items())
        await send(message)

    return send_on


async def hangs(scope: Any, send: Any) -> None:
    """A reply that does not come."""
    if scope["method"] == "TRACE":
        await asyncio.sleep(60)


async def dies(scope: Any, send: Any) -> None:
    """A worker that ends."""
    if scope["method"] == "TRACE":
        os._exit(1)


async def leaks(scope: Any, send: Any) -> None:
    """Memory that is never given back."""
    _leaked.append(os.urandom(512 * 1024))


async def grants(scope: Any, send: Any) -> None:
    """What no database stores is not refused; the parameters beside it are taken."""


def create_broken() -> Broken:
    return Broken()


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    os.environ[FAULT] = sys.argv[1]
    port = int(sys.argv[sys.argv.index("--port") + 1])
    Granian(
        "tests.fuzz.broken:create_broken",
        factory=True,
        interface=Interfaces.ASGI,
        port=port,
        respawn_failed_workers=True,
        workers_kill_timeout=1,  # for the one that hangs
    ).serve()
