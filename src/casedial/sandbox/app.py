"""The layer around the server: it writes down calls, does faults to them, and passes them on."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from typing import Protocol, cast

from litestar.types import HTTPScope, Message, Receive, Scope, Send

from casedial.domain.errors import BodyTooLarge, CallerLeft, CasedialError, MethodNotAllowed
from casedial.sandbox.calls import Call
from casedial.sandbox.control import KEY_HEADER, Control
from casedial.sandbox.door import Line
from casedial.sandbox.faults import Fault
from casedial.service.replies import REPLAYED, Reply
from casedial.web.api import METHODS
from casedial.web.observe import RequestRecord, new_id
from casedial.web.problems import refusal, send_reply
from casedial.web.v1.routes import TABLE
from casedial.wire.replies import encode

_MOST = 65536  # bytes of a body at /sandbox
_PAGES = {"firm": "Firm", "preflight": "Preflight", "explain": "Explain"}  # of /v1, by their last word


class Lines(Protocol):
    """Knows the connections of clients."""

    def line(self, port: int) -> Line | None:
        """Return the connection that comes from a port."""


class Sandbox:
    """The ASGI application of ``casedial sandbox``."""

    def __init__(self, control: Control, lines: Lines, base: str) -> None:
        self._control, self._lines = control, lines
        self._base = f"{base}/".lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope = cast(HTTPScope, scope)
        line = self._lines.line(int(scope["client"][1])) if scope["client"] else None
        if line:
            line.left = None
            scope["client"] = line.peer
        path = scope["path"]
        if path == "/sandbox" or path.startswith("/sandbox/"):
            await self._command(scope, receive, send)
            return
        send = self._dated(send)
        method = self._method(path, scope["method"])
        if method:
            await _Passing(self._control, line, method, scope).on(receive, send)
        elif self._control.world:
            await self._control.world(scope, receive, send)

    def _method(self, path: str, verb: str) -> str | None:
        """Return the method that a path is for; None for pages that are no calls."""
        if found := TABLE.find(path):
            return found.name(verb)
        path = path.rstrip("/").lower()
        if path.startswith(self._base):
            word = path[len(self._base) :]
            return next((name for name in METHODS if name.lower() == word), "Other")
        return _PAGES.get(path.rpartition("/")[2], "Other") if path.startswith("/v1/") else None

    def _dated(self, send: Send) -> Send:
        """Have replies say the sandbox's time: how long a claim lasts is its end less this."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._control.worlds.clock.now(), usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        return send_on

    async def _command(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        record = RequestRecord(new_id())
        sent_key = next((value for name, value in scope["headers"] if name.lower() == KEY_HEADER), b"")
        try:
            body, query = await _body(receive), scope["query_string"].decode("latin-1")
            verbs = self._control.verbs(scope["path"], sent_key)
            record.verbs = tuple(verbs)
            if scope["method"] not in verbs:
                raise MethodNotAllowed(f"This path takes {' or '.join(verbs)}, not {scope['method']}.")
            reply = Reply(encode(await self._control.answer(verbs[scope["method"]], query, body)))
        except Exception as error:
            reply = refusal(record, error)
        await send_reply(send, record, reply)


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += cast(bytes, message.get("body", b""))
        if len(body) > _MOST:
            raise BodyTooLarge(f"A body at /sandbox has at most {_MOST} bytes.")
        if not message.get("more_body"):
            return body


class _Passing:
    """One call on its way to the server and back, with the fault that it meets."""

    def __init__(self, control: Control, line: Line | None, method: str, scope: HTTPScope) -> None:
        self._control, self._line, self._scope = control, line, scope
        self._fault: Fault | None = control.faults.take(method)
        self._call: Call = control.calls.begin(control.worlds.clock.now(), scope["method"], method)
        self._call.fault = self._fault.kind if self._fault else None
        sent = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._call.idempotency_key, self._call.claim_id = sent.get(b"idempotency-key"), sent.get(b"x-claim-id")
        self._reply = bytearray()

    async def on(self, receive: Receive, send: Send) -> None:
        """Pass it on, if its fault lets it."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._begin_reply(message)
            elif message["type"] == "http.response.body":
                self._reply += message["body"]
                if not message.get("more_body"):
                    self._end()
            await send(message)

        refused = await self._refusal()
        if refused:
            while (await receive()).get("more_body"):
                pass  # left unread, it would end the connection
            record = RequestRecord(new_id())
            await send_reply(send_on, record, refusal(record, refused))
        elif self._control.world:
            await self._control.world(self._scope, receive, send_on)

    async def _refusal(self) -> CasedialError | None:
        """Return what the call is refused with before it is begun; wait first where it is to be late."""
        if self._fault is None:
            return None
        if self._fault.kind == "delay":
            await asyncio.sleep(self._fault.seconds)
        if self._fault.kind == "reset before":
            self._reset()
            return CallerLeft("The connection was reset before the call was begun.")
        return self._fault.refusal()

    def _reset(self) -> None:
        if self._line:
            self._line.reset()

    def _begin_reply(self, message: Message) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in message["headers"]}  # type: ignore[typeddict-item]
        if self._fault and self._fault.kind == "reset after":
            self._reset()
        if self._fault and self._fault.kind == "cut" and self._line:
            self._line.left = self._fault.bytes
        call = self._call
        call.status = message["status"]  # type: ignore[typeddict-item]
        call.request_id = headers.get(b"x-request-id")
        call.claim_id = headers.get(b"x-claim-id", call.claim_id)

    def _end(self) -> None:
        record: RequestRecord | None = self._scope.get("casedial")  # type: ignore[assignment]
        self._call.repeated = record is not None and record.outcome == REPLAYED
        self._call.read_reply(bytes(self._reply))
