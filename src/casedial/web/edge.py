"""The outermost layer: what every request and every reply has, whatever becomes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from casedial.web.observe import RequestRecord, note_request


class Edge:
    """Give each request its id, its path in the spelling of the routes, its log line and its metrics."""

    def __init__(
        self, app: ASGIApp, base: str, methods: Mapping[str, tuple[str, ...]], close: Callable[[], Awaitable[None]]
    ) -> None:
        self.app = app
        self.close = close  # for who runs the application without a server's start and stop
        self.paths = {
            f"{base}/{method}".lower(): (f"{base}/{method}", method, verbs) for method, verbs in methods.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other scopes (the server's start and stop) pass through."""
        if scope["type"] == "http":  # type: ignore[comparison-overlap]  # Litestar's enum is a string, too
            await self._answer(cast(HTTPScope, scope), receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        record = RequestRecord(str(uuid.uuid4()))
        scope["casedial"] = record  # type: ignore[typeddict-unknown-key]
        path = scope["path"]
        found = self.paths.get((path[:-1] if path.endswith("/") else path).lower())
        if found:
            scope["path"], record.method, record.verbs = found
            scope["raw_path"] = scope["path"].encode()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *(pair for pair in message["headers"] if pair[0].lower() not in _SET_HERE),
                    (b"x-request-id", record.request_id.encode()),
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            note_request(record, scope["method"], status, time.perf_counter() - started)


_SET_HERE = (b"x-request-id", b"cache-control", b"x-content-type-options")
