"""The outermost layer: what every request and every reply has, whatever becomes of it."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from casedial.domain.errors import MethodNotAllowed
from casedial.web.observe import RequestRecord, note_request
from casedial.web.problems import nothing_here, refusal, send_reply


class Edge:
    """Give each request its id, its path in the spelling of the routes, its log line and its metrics.

    The methods have the paths that the wire allows. Every other page has one spelling, and nothing else gets further:
    neither past a proxy that keeps pages inside by their names, nor into what the framework remembers of paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        base: str,
        methods: Mapping[str, tuple[str, ...]],
        pages: Iterable[str],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.app = app
        self.pages = re.compile("|".join(map(_pattern, pages)))
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
        raw_path = scope["raw_path"]
        found = self.paths.get((path[:-1] if path.endswith("/") else path).lower())
        if found and b"%2f" in raw_path.lower():  # which is no slash
            found = None
        is_page = not found and raw_path == path.encode() and self.pages.fullmatch(path)
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
            if not (found or is_page):
                await send_reply(send_on, record, refusal(record, nothing_here()))
            elif is_page and scope["method"] != "GET":
                await send_reply(send_on, record, refusal(record, MethodNotAllowed("This path takes GET only.")))
            else:
                await self.app(scope, receive, send_on)
        finally:
            note_request(record, scope["method"], status, time.perf_counter() - started)


def _pattern(path: str) -> str:
    """Return what matches a path of the routes; what stands for one of its parameters is short."""
    return re.sub(r"\\{.*?\\}", "[^/]{1,64}", re.escape(path))


_SET_HERE = (b"x-request-id", b"cache-control", b"x-content-type-options")
