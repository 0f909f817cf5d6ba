"""The proxy passes on every byte until it cuts, and cuts where it was told to."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos import proxy
from tests.chaos.proxy import HANGUP, REPLY, REQUEST, Cut, Proxy
from tests.waiting import PATIENCE, until

SENT, ANSWERED = b"r" * 1000, b"a" * 500


@asynccontextmanager
async def between(
    monkeypatch: pytest.MonkeyPatch, cut: Cut | None
) -> AsyncIterator[tuple[int, bytearray, io.StringIO]]:
    """Run a server that answers 1000 bytes with 500, and a proxy before it; give its port and what the server got."""
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            got.extend(data)
            if len(got) % len(SENT) == 0:
                writer.write(ANSWERED)
        writer.close()

    monkeypatch.setattr(proxy, "plan", lambda chance: cut)
    journal = io.StringIO()
    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        await Proxy(port_of(server), "x", journal).serve(0) as before_it,
    ):
        yield port_of(before_it), got, journal
        if connections := asyncio.all_tasks() - {asyncio.current_task()}:  # each closes its sides when it ends
            await asyncio.wait(connections, timeout=PATIENCE)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def ask(port: int, times: int = 1) -> bytes:
    """Send the request so many times, each after the whole reply to the one before; return all that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for number in range(1, times + 1):
            writer.write(SENT)
            while len(answer) < number * len(ANSWERED):
                data = await asyncio.wait_for(reader.read(1000), PATIENCE)
                if not data:
                    return answer
                answer += data
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answer


async def test_without_a_cut_everything_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with between(monkeypatch, None) as (port, got, journal):
        assert await ask(port, times=3) == ANSWERED * 3
        assert bytes(got) == SENT * 3
        assert journal.getvalue() == ""


@pytest.mark.parametrize("size", [0, 1, 499])
async def test_a_reply_is_cut_after_so_many_bytes(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    async with between(monkeypatch, Cut(REPLY, 1, size, reset=False)) as (port, got, journal):
        assert await ask(port, times=3) == ANSWERED + ANSWERED[:size]
        assert bytes(got) == SENT * 2
        await until(journal.getvalue)
        assert json.loads(journal.getvalue())["cut"] == REPLY


async def test_a_request_is_cut_before_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async with between(monkeypatch, Cut(REQUEST, 0, 300, reset=True)) as (port, got, _):
        assert await ask(port) == b""
        await asyncio.sleep(0.1)
        assert len(got) <= 300  # a reset may overtake what was on its way


async def test_a_dialer_goes_away_while_the_server_works(monkeypatch: pytest.MonkeyPatch) -> None:
    async with between(monkeypatch, Cut(HANGUP, 0, 0, reset=False)) as (port, got, _):
        assert len(await ask(port, times=2)) <= len(ANSWERED)
        await until(lambda: len(got) >= len(SENT))
        assert bytes(got[: len(SENT)]) == SENT
