"""Turns: what takes much of a server comes one after the other for a key, and leaves room to others."""

from __future__ import annotations

import asyncio
import time

import pytest

from casedial.domain.errors import StorageUnavailable
from casedial.web import turns
from casedial.web.turns import Turns

LARGE, SMALL = 1024 * 1024, 1000
TOOK = 0.02


def read() -> float:
    """Keep the thread busy; return when that began."""
    began, until = time.monotonic(), time.thread_time() + TOOK
    while time.thread_time() < until:
        pass
    return began


async def test_after_a_large_document_of_a_key_the_others_have_their_time() -> None:
    some = Turns(4)
    first, second, other, small = await asyncio.gather(
        some.read(1, LARGE, read), some.read(1, LARGE, read), some.read(2, LARGE, read), some.read(1, SMALL, read)
    )
    assert second - first > 5 * TOOK
    assert max(other, small) < second


async def test_a_document_that_cannot_be_read_has_taken_its_time() -> None:
    some = Turns(4)

    ended = 0.0

    def fail() -> None:
        nonlocal ended
        read()
        ended = time.monotonic()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # ours, as it was raised
        await some.read(1, LARGE, fail)
    assert await some.read(1, LARGE, read) - ended > 3 * TOOK


async def at_work(some: Turns, *wanted: tuple[int, int]) -> int:
    """Return how many of these (a key, how many cases) are at work at once."""
    now = most = 0

    async def work() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    await asyncio.gather(*(some.work(*one, work) for one in wanted))
    return most


async def test_what_is_about_many_cases_leaves_connections_to_others() -> None:
    assert await at_work(Turns(4), (1, 1000), (1, 1000), (1, 1000)) == 1
    assert await at_work(Turns(4), (1, 1000), (2, 1000), (3, 1000)) == 2
    assert await at_work(Turns(1), (1, 1000), (2, 1000)) == 1
    assert await at_work(Turns(4), *[(1, 100)] * 5) == 5


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "QUEUE_SECONDS", 0.05)
    some = Turns(4)
    let_go = asyncio.Event()
    first = asyncio.create_task(some.work(1, 1000, let_go.wait))
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable):
        await some.work(1, 1000, _nothing)
    assert await some.work(2, 1000, _nothing) == "done"
    let_go.set()
    assert await first
    assert await some.work(1, 1000, _nothing) == "done"


async def _nothing() -> str:
    return "done"
