"""Where clients of the sandbox connect. It passes on what they and the server say, and cuts where a fault wants it.

A server cannot send half a reply on purpose: its HTTP library would not let it. So the server listens on a port of its
own, and what is in front of it knows nothing of HTTP: only bytes, and two ways to end a connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

_CHUNK = 65536
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what closes then is reset


class Line:
    """A client's connection."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.peer: tuple[str, int] = client.get_extra_info("peername")[:2]
        self.left: int | None = None  # bytes of the server's that the client still gets; None: all
        self._client = client

    def reset(self) -> None:
        """End it as a machine that crashed does: the client gets an RST."""
        plug = self._client.get_extra_info("socket")
        with suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._client.transport.abort()

    async def give(self, server: asyncio.StreamReader) -> None:
        """Give the client what the server says, until one of them ends it or nothing is left that it may have."""
        while self.left != 0 and (data := await server.read(_CHUNK)):
            if self.left is not None:
                data = data[: self.left]
                self.left -= len(data)
            self._client.write(data)
            await self._client.drain()


class Door:
    """Listens for clients; each connection of theirs has one to the server."""

    def __init__(self) -> None:
        self.port = 0
        self._inner = 0
        self._lines: dict[int, Line] = {}  # by the port from which the server sees them come
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, inner: int) -> None:
        """Begin to listen; port 0 takes a free one. Raises OSError where that cannot be."""
        self._inner = inner
        self._server = await asyncio.start_server(self._serve, host, port, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    def line(self, port: int) -> Line | None:
        """Return the connection that comes to the server from a port."""
        return self._lines.get(port)

    async def close(self) -> None:
        """Listen no more, and end all connections."""
        if self._server:
            self._server.close()
        for line in list(self._lines.values()):
            line.reset()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._inner, limit=_CHUNK)
        except OSError:
            client.transport.abort()
            return
        port = to_server.get_extra_info("sockname")[1]
        line = self._lines[port] = Line(client)
        asking = asyncio.create_task(_pass_on(reader, to_server))
        try:
            with suppress(OSError):
                await line.give(from_server)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            del self._lines[port]
            to_server.close()
            client.close()


async def _pass_on(client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
    """Tell the server what the client says, and that it says no more."""
    with suppress(OSError):
        while data := await client.read(_CHUNK):
            to_server.write(data)
            await to_server.drain()
        to_server.write_eof()
