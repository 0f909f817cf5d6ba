"""Bodies of requests: read whole from those whose key is valid, within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from litestar.types import HTTPScope, Receive

from casedial.domain.errors import BodyTooLarge, BodyTooSlow, MalformedDocument, TooBusy
from casedial.web.exchange import sent

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30  # in which a body must have arrived
MOST_BYTES = 64 * MAX_BODY_BYTES  # of all bodies together that a worker holds


class Bodies:
    """Those that a worker holds."""

    def __init__(self) -> None:
        self._held = 0

    async def read(self, scope: HTTPScope, receive: Receive) -> bytes:
        """Read a body, which is held until it is let go.

        Raises BodyTooLarge, BodyTooSlow, TooBusy, and MalformedDocument for one that ends before its time.
        """
        body = bytearray()

        def take(part: bytes) -> None:
            if self._held + len(part) > MOST_BYTES:
                raise TooBusy("This server has as many requests as it can hold; try again in a moment.")
            self._held += len(part)
            body.extend(part)

        try:
            await _receive(scope, receive, take)
        except BaseException:
            self.let_go(body)
            raise
        return bytes(body)

    def let_go(self, body: bytes | bytearray) -> None:
        """Hold a body no longer."""
        self._held -= len(body)


async def discard(scope: HTTPScope, receive: Receive) -> None:
    """Let a body pass that does not matter: left unread, it would end the client's connection."""
    with suppress(BodyTooLarge, BodyTooSlow, MalformedDocument):
        await _receive(scope, receive, lambda part: None)


async def _receive(scope: HTTPScope, receive: Receive, take: Callable[[bytes], None]) -> None:
    """Hand on a body as it comes."""
    length = next(iter(sent(scope, b"content-length")), "")
    if not length and not sent(scope, b"transfer-encoding"):  # HTTP/1.1 has no other way to send a body
        while (await receive()).get("more_body"):
            pass
        return
    if length.isdecimal() and (len(length) > 18 or int(length) > MAX_BODY_BYTES):
        raise _too_large()
    size, more = 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] != "http.request":  # so a client looks that went away
                    raise MalformedDocument("The body ended before it was complete, or its chunks are malformed.")
                part = message.get("body", b"")
                size += len(part)
                if size > MAX_BODY_BYTES:
                    raise _too_large()
                take(part)
                more = message.get("more_body", False)
    except TimeoutError:
        raise BodyTooSlow(f"The body must arrive within {BODY_SECONDS} seconds.") from None


def _too_large() -> BodyTooLarge:
    return BodyTooLarge("A body may have at most 1 MiB; send less at a time.")
