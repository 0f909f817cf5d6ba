"""A proxy between dialers and a server that cuts connections, in the middle of requests and of replies.

``python -m tests.chaos.proxy PORT UPSTREAM_PORT SEED JOURNAL`` runs until SIGTERM. Of each connection it decides
by chance whether, when and how it breaks.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

CHUNK = 65536
REQUEST, REPLY, HANGUP = "request", "reply", "hangup"


@dataclass
class Cut:
    """How one connection breaks: after ``spared`` chunks from the dialer pass, then within ``bytes``.

    REQUEST: the server gets so many bytes of what the dialer sends. REPLY: the dialer gets so many bytes of what the
    server answers. HANGUP: the dialer's side goes away while the server works.
    """

    kind: str
    spared: int
    bytes: int
    reset: bool  # by RST, else by FIN
    happened: asyncio.Event = field(default_factory=asyncio.Event)


def plan(chance: random.Random) -> Cut | None:
    """Choose how a connection breaks; None: not by us."""
    if chance.random() < 0.3:
        return None
    kind = chance.choice((REQUEST, REPLY, REPLY, REPLY, HANGUP))
    size = 0 if chance.random() < 0.25 else int(chance.lognormvariate(5.5, 1.3))
    return Cut(kind, chance.randrange(0, 16), size, chance.random() < 0.5)


class Proxy:
    """Listens on one port of loopback and passes everything on to another, until it cuts."""

    def __init__(self, upstream: int, seed: str, journal: TextIO) -> None:
        self._upstream = upstream
        self._chance = random.Random(seed)
        self._journal = journal

    async def serve(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", port, limit=CHUNK)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream, limit=CHUNK)
        except OSError:  # the server was killed
            writer.transport.abort()
            return
        cut = plan(self._chance)
        due = asyncio.Event()  # set once the cut may happen
        forward = asyncio.create_task(self._forward(reader, upstream_writer, cut, due))
        back = asyncio.create_task(self._back(upstream_reader, writer, cut, due))
        tasks = {forward, back}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for side in (writer, upstream_writer):
                _close(side, reset=cut is not None and cut.happened.is_set() and cut.reset)
            if cut and cut.happened.is_set():
                self._note(cut)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Cut | None, due: asyncio.Event
    ) -> None:
        """Pass on what the dialer sends."""
        chunks = 0
        left = cut.bytes if cut and cut.kind == REQUEST else None
        while data := await reader.read(CHUNK):
            chunks += 1
            if cut and chunks > cut.spared:
                due.set()
            if left is not None and due.is_set():
                if len(data) > left:
                    writer.write(data[:left])
                    await _sent(writer)
                    cut.happened.set()  # type: ignore[union-attr]
                    return
                left -= len(data)
            writer.write(data)
            await writer.drain()
            if cut and cut.kind == HANGUP and due.is_set():
                await asyncio.sleep(self._chance.uniform(0, 0.03))
                cut.happened.set()
                return

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Cut | None, due: asyncio.Event
    ) -> None:
        """Pass on what the server answers."""
        left = cut.bytes if cut and cut.kind == REPLY else None
        while data := await reader.read(CHUNK):
            if left is not None and due.is_set():
                if len(data) > left:
                    writer.write(data[:left])
                    await _sent(writer)
                    cut.happened.set()  # type: ignore[union-attr]
                    return
                left -= len(data)
            writer.write(data)
            await writer.drain()

    def _note(self, cut: Cut) -> None:
        self._journal.write(json.dumps({"at": time.time(), "cut": cut.kind, "after": cut.bytes}) + "\n")
        self._journal.flush()


async def _sent(writer: asyncio.StreamWriter) -> None:
    """Wait until what was written has left, for an aborted connection sends nothing more."""
    while writer.transport.get_write_buffer_size() and not writer.transport.is_closing():
        await asyncio.sleep(0.001)


def _close(writer: asyncio.StreamWriter, reset: bool) -> None:
    if reset:
        plug = writer.get_extra_info("socket")
        if plug is not None:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()


async def run(port: int, upstream: int, seed: str, journal: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with journal.open("a", encoding="utf-8") as file:
        server = await Proxy(upstream, seed, file).serve(port)
        await stop.wait()
        server.close()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
