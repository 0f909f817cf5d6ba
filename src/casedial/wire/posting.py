"""Send a message to an endpoint that somebody else named: to an address that was looked at, within bounds.

The name is resolved once, every address of it is judged, and the connection goes to one of those: what a name resolves
to a moment later is nothing to us. There are no redirects and no proxies; of the reply little is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property

import h11

from casedial.domain.destinations import Destination, Network, read_destination, refusal
from casedial.domain.errors import InvalidSetting
from casedial.domain.webhooks import Answer

SECONDS = 15.0  # for all of it
_BODY_SECONDS = 2.0  # for the rest of a reply that nobody needs
_HEAD_BYTES = 16 * 1024
_REPLY_BYTES = 64 * 1024
_LOOKUPS = 32  # names at a time: each takes a thread until its resolver gives up


class _NotAllowed(Exception):
    """Nothing may be sent there."""


class Poster:
    """Sends messages; ``networks`` are those inside that an administrator allows."""

    def __init__(self, networks: Sequence[Network] = (), seconds: float = SECONDS) -> None:
        self._networks = networks
        self._seconds = seconds
        self._lookups = asyncio.Semaphore(_LOOKUPS)

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a POST; whatever happens to it is an answer."""
        began = time.monotonic()
        status, error = None, ""
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._post(read_destination(url), headers, body)
        except Exception as failure:
            error = self._told(failure)
        return Answer(status, error, time.monotonic() - began)

    def _told(self, error: Exception) -> str:
        """Say why there is no answer: nothing of what an endpoint sent."""
        if isinstance(error, _NotAllowed):
            return str(error)
        if isinstance(error, InvalidSetting):
            return error.detail
        if isinstance(error, TimeoutError):
            return f"there was no answer within {self._seconds:g} s"
        if isinstance(error, socket.gaierror):
            return "its name does not resolve"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return "the encrypted connection failed"
        if isinstance(error, h11.RemoteProtocolError | EOFError):
            return "what it answered is no reply, or broke off"
        if isinstance(error, ConnectionRefusedError):
            return "nothing listens there"
        if isinstance(error, OSError):
            return "the connection failed"
        raise error

    async def _post(self, to: Destination, headers: Mapping[str, str], body: bytes) -> int:
        addresses = await self._addresses(to)
        for address in addresses:
            if why := refusal(address, self._networks, to.is_encrypted):
                raise _NotAllowed(why)
        reader, writer = await self._connect(to, addresses)
        try:
            return await _exchange(reader, writer, to, headers, body)
        finally:
            writer.transport.abort()

    async def _connect(
        self, to: Destination, addresses: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first address that takes a connection."""
        how = {"ssl": self._context, "server_hostname": to.host} if to.is_encrypted else {}
        for number, address in enumerate(addresses, 1):
            try:
                return await asyncio.open_connection(address, to.port, limit=_REPLY_BYTES, **how)  # type: ignore[arg-type]
            except OSError:
                if number == len(addresses):
                    raise
        raise socket.gaierror

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Return what certificates are judged by: what the machine trusts, or SSL_CERT_FILE."""
        return ssl.create_default_context()

    async def _addresses(self, to: Destination) -> list[str]:
        """Resolve a name, once; in a thread of its own, so that a slow resolver holds up nobody else's."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def settle(addresses: list[str] | None, error: OSError | None) -> None:
            self._lookups.release()
            if found.done():
                return
            if error:
                found.set_exception(error)
            else:
                found.set_result(addresses or [])

        def look() -> None:
            outcome: tuple[list[str] | None, OSError | None]
            try:
                every = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
                outcome = list(dict.fromkeys(str(one[4][0]) for one in every)), None
            except OSError as error:
                outcome = None, error
            except UnicodeError:  # a label that is too long
                outcome = None, socket.gaierror()
            with suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(settle, *outcome)

        await self._lookups.acquire()
        threading.Thread(target=look, name="webhook name", daemon=True).start()
        return await found


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    to: Destination,
    headers: Mapping[str, str],
    body: bytes,
) -> int:
    """Send the request, and return the status of the reply once its head is whole."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
    own = {"host": to.authority, "content-length": str(len(body)), "connection": "close"}
    head = h11.Request(method="POST", target=to.target, headers=list({**own, **headers}.items()))
    sent = [connection.send(head), connection.send(h11.Data(data=body)), connection.send(h11.EndOfMessage())]
    writer.write(b"".join(part for part in sent if part))
    with suppress(ConnectionError):  # it may have answered, and closed, before it read all
        await writer.drain()
    left, status = _REPLY_BYTES, 0
    while not status:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
        elif event is h11.NEED_DATA:
            left -= await _receive(reader, connection, left)
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError
    with suppress(OSError, EOFError, TimeoutError, h11.RemoteProtocolError):  # so that it can send all of its reply
        async with asyncio.timeout(_BODY_SECONDS):
            while not isinstance(event, h11.EndOfMessage):
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    left -= await _receive(reader, connection, left)
    return status


async def _receive(reader: asyncio.StreamReader, connection: h11.Connection, left: int) -> int:
    """Read on, within what is left; return how much there was. Raises EOFError."""
    if left <= 0:
        raise EOFError
    data = await reader.read(min(left, _HEAD_BYTES))
    connection.receive_data(data)
    if not data and connection.their_state is h11.SEND_RESPONSE:
        raise EOFError
    return len(data)
