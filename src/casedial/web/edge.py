"""The outermost layer: what every request and every reply has, whatever becomes of it."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from casedial.domain.errors import MethodNotAllowed
from casedial.web.observe import RequestRecord, new_id, note_request
from casedial.web.problems import every_reply_has, nothing_here, refusal, send_reply
from casedial.web.v1.routing import Table

CONSOLE = "Console"  # the method of a request for one of its pages


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
        rooms: Collection[str],
        table: Table,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.app = app
        self.pages = re.compile("|".join(map(_pattern, pages)))
        self.table = table  # of the paths of the firm's own systems
        self.rooms = rooms  # the beginnings of paths that find their pages themselves
        self.close = close  # for who runs the application without a server's start and stop
        self.paths = {f"{base}/{method}".lower(): (method, verbs) for method, verbs in methods.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other scopes (the server's start and stop) pass through."""
        if scope["type"] == "http":  # type: ignore[comparison-overlap]  # Litestar's enum is a string, too
            await self._answer(cast(HTTPScope, scope), receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: dict[bytes, tuple[str, ...]] = {}
        for name, value in scope["headers"]:
            name = name.lower()
            headers[name] = (*headers.get(name, ()), value.decode("latin-1"))
        record = RequestRecord(new_id(), headers)
        scope["casedial"] = record  # type: ignore[typeddict-unknown-key]
        path = scope["path"]
        raw_path = scope["raw_path"]
        found = self.paths.get((path[:-1] if path.endswith("/") else path).lower())
        if found and b"%2f" in raw_path.lower():  # which is no slash
            found = None
        is_page = not found and raw_path == path.encode() and self.pages.fullmatch(path)
        if found:
            record.method, record.verbs = found
        elif not is_page and (there := self.table.find(raw_path.decode("latin-1"))):
            record.found, record.verbs, record.method = there, there.verbs, there.name(scope["method"])
        try:
            if found or record.found:
                await self.app(scope, receive, send)
            elif self._is_of_a_room(path) and raw_path == path.encode():
                record.method = CONSOLE
                await self.app(scope, receive, _completing(send, record, keeps=(b"cache-control",)))
            elif not is_page:
                await send_reply(send, record, refusal(record, nothing_here()))
            elif scope["method"] != "GET":
                await send_reply(send, record, refusal(record, MethodNotAllowed("This path takes GET only.")))
            else:
                await self.app(scope, receive, _completing(send, record))
        finally:
            note_request(record, scope["method"], time.perf_counter() - started)

    def _is_of_a_room(self, path: str) -> bool:
        return any(path == room or path.startswith(f"{room}/") for room in self.rooms)


def _completing(send: Send, record: RequestRecord, keeps: Collection[bytes] = ()) -> Send:
    """Give a page what every reply has; headers that it ``keeps`` are its own."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.status = message["status"]
            always = [pair for pair in every_reply_has(record) if pair[0] not in keeps]
            names = {name for name, _ in always}
            message["headers"] = [*(pair for pair in message["headers"] if pair[0].lower() not in names), *always]
        await send(message)

    return send_on


def _pattern(path: str) -> str:
    """Return what matches a path of the routes; what stands for one of its parameters is short."""
    return re.sub(r"\\{.*?\\}", "[^/]{1,64}", re.escape(path))
