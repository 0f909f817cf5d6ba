"""Endpoints of webhooks on loopback that do what real ones do: take messages, hang, cut, refuse, redirect."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.waiting import PATIENCE, until


@dataclass(frozen=True)
class Received:
    """A message as it came, whatever was answered."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def case_id(self) -> int | None:
        found = self.document["data"].get("CaseID")
        return None if found is None else int(found)


Answering = Callable[["Endpoint", Received, asyncio.StreamWriter], Awaitable[None]]


def status(code: int, *more: str) -> Answering:
    """Answer with a status."""

    async def answer(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join((f"HTTP/1.1 {code} Said", "Content-Length: 2", *more))
        writer.write(f"{head}\r\n\r\nok".encode())
        await writer.drain()

    return answer


async def hang(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.sleep(3600)


async def cut(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
    """Break off in the middle of the head."""
    writer.write(b"HTTP/1.1 20")
    await writer.drain()


async def babble(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
    """Answer something that is no HTTP, without end."""
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def flood(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
    """Answer with a body that has no end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


def every_second_lost(then: Answering) -> Answering:
    """Take each message, and lose the first reply to it."""

    async def answer(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
        if [one.id for one in endpoint.received].count(received.id) % 2 == 0:
            await then(endpoint, received, writer)

    return answer


@dataclass
class Endpoint:
    """A server on loopback; ``answer`` may be changed while it runs."""

    answer: Answering = field(default_factory=lambda: status(200))
    context: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    open: int = 0  # connections now
    most: int = 0  # at a time

    async def __aenter__(self) -> Endpoint:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def cases(self) -> dict[int | None, list[str]]:
        """The ids of the messages of each case, in the order in which they first came."""
        found: dict[int | None, list[str]] = {}
        for one in self.received:
            line = found.setdefault(one.case_id, [])
            if one.id not in line:
                line.append(one.id)
        return found

    async def until(self, count: int, seconds: float = PATIENCE) -> None:
        """Wait until so many different messages have come."""
        await until(lambda: len({one.id for one in self.received}) >= count, seconds)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                received = Received(head[0].split()[1], headers, body)
                self.received.append(received)
                await self.answer(self, received, writer)
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.transport.abort() if self.answer is cut else writer.close()
