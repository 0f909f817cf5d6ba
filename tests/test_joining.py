"""What several callers ask for at the same time is done together, in order, and by halves for nobody."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from types import SimpleNamespace

import pytest

from casedial import joining
from casedial.domain.errors import CallerLeft, StorageUnavailable
from casedial.joining import Batch, Joined
from tests.waiting import PATIENCE, until


class Work:
    """Answers with ten times the number asked for, as soon as the gate is open; notes each batch."""

    def __init__(self, most: int = 100) -> None:
        self.joined: Joined[int, int] = Joined(self.together, most)
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def together(self, batch: Batch[int, int]) -> list[int | BaseException]:
        while batch.more():
            pass
        asks = batch.asks
        self.batches.append(asks)
        await self.gate.wait()
        if 13 in asks:
            raise ValueError("all")
        return [KeyError(ask) if ask < 0 else 10 * ask for ask in asks]

    def ask(self, what: int, weight: int = 1, leaves: asyncio.Event | None = None) -> asyncio.Task[int]:
        return asyncio.create_task(self.joined.ask(what, weight, leaves.wait if leaves else None))


async def test_who_comes_meanwhile_is_in_the_next_batch() -> None:
    work = Work()
    first = work.ask(1)
    await until(lambda: work.batches)
    others = [work.ask(number) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert work.batches == [[1], [2, 3, 4]]
    assert await work.joined.ask(5) == 50  # and so it goes on


async def test_a_batch_has_room_for_so_much() -> None:
    work = Work(most=5)
    work.gate.set()
    asked = [work.ask(number, weight) for number, weight in ((1, 3), (2, 2), (3, 9), (4, 1))]
    await asyncio.gather(*asked)
    assert work.batches == [[1, 2], [3], [4]]  # one that is larger than all room is alone


async def test_an_exception_is_for_one_or_for_all() -> None:
    work = Work()
    work.gate.set()
    found = await asyncio.gather(work.ask(1), work.ask(-2), work.ask(3), return_exceptions=True)
    assert found[::2] == [10, 30]
    assert isinstance(found[1], KeyError)
    one, other = await asyncio.gather(work.ask(1), work.ask(13), return_exceptions=True)
    assert isinstance(one, ValueError)
    assert isinstance(other, ValueError)
    assert one is not other
    for error in (one, other):  # each tells where it happened
        assert "together" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


async def test_who_was_cancelled_is_left_out() -> None:
    work = Work()
    first = work.ask(1)
    await until(lambda: work.batches)
    gone, stays = work.ask(2), work.ask(3)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(first, stays) == [10, 30]
    assert work.batches == [[1], [3]]


async def test_who_leaves_while_waiting_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK_SECONDS", 0.01)
    work, left = Work(), asyncio.Event()
    first = work.ask(1)
    await until(lambda: work.batches)
    gone, stays = work.ask(2, leaves=left), work.ask(3, leaves=asyncio.Event())
    left.set()
    await until(lambda: any(asked.is_gone for asked in work.joined._waiting))
    work.gate.set()
    assert await asyncio.gather(first, stays) == [10, 30]
    with pytest.raises(CallerLeft):
        await gone
    assert work.batches == [[1], [3]]


async def test_what_is_done_for_one_who_was_cancelled_is_told() -> None:
    """So that it can be taken back; for the others nothing changes."""
    unheard: list[tuple[int, int]] = []
    gate = asyncio.Event()

    async def together(batch: Batch[int, int]) -> list[int | BaseException]:
        asks = batch.all()
        await gate.wait()
        return [KeyError(ask) if ask < 0 else 10 * ask for ask in asks]

    joined: Joined[int, int] = Joined(together, 100, unheard=lambda what, answer: unheard.append((what, answer)))
    gone, failed, stays = (asyncio.create_task(joined.ask(what)) for what in (1, -2, 3))
    await asyncio.sleep(0.01)
    gone.cancel()
    failed.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await stays == 30
    assert unheard == [(1, 10)]


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    first = work.ask(1)
    await until(lambda: work.batches)
    monkeypatch.setattr(joining, "QUEUE_SECONDS", 0.1)
    with pytest.raises(StorageUnavailable):
        await work.joined.ask(2)
    work.gate.set()
    assert await first == 10  # it was begun: nobody gives up what may be done
    assert work.batches == [[1]]


async def test_nobody_waits_for_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK_SECONDS", 0.01)
    gate = asyncio.Event()

    async def together(batch: Batch[str, str]) -> list[str]:
        if batch.asks == ["hangs"]:
            await gate.wait()
        return batch.asks

    joined: Joined[str, str] = Joined(together, 100, at_once=2)
    hanging = asyncio.create_task(joined.ask("hangs"))
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        assert await joined.ask("goes on") == "goes on"
    assert not hanging.done()
    gate.set()
    assert await hanging == "hangs"


async def test_who_gave_up_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    first = work.ask(1)
    await until(lambda: work.batches)
    monkeypatch.setattr(joining, "QUEUE_SECONDS", 0.01)

    class Body:
        """What a request has in hand."""

    async def request(kept: list[weakref.ref[Body]]) -> None:
        body = Body()
        kept.append(weakref.ref(body))
        await work.joined.ask(2)
        raise AssertionError(body)

    kept: list[weakref.ref[Body]] = []
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            await request(kept)
    work.gate.set()
    await first
    gc.collect()
    assert [body() for body in kept] == [None] * 3


async def test_what_cancels_itself_cancels_no_stranger() -> None:
    gate = asyncio.Event()

    async def together(batch: Batch[int, int]) -> list[int]:
        while batch.more():
            pass
        await gate.wait()
        if 2 in batch.asks:
            raise asyncio.CancelledError
        return batch.asks

    joined: Joined[int, int] = Joined(together, 2)
    asked = [asyncio.create_task(joined.ask(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in found] == [StorageUnavailable, StorageUnavailable, int]


async def test_too_few_answers_are_a_fault_of_all() -> None:
    async def together(batch: Batch[int, int]) -> list[int]:
        while batch.more():
            pass
        return batch.asks[1:]

    joined: Joined[int, int] = Joined(together, 9)
    found = await asyncio.gather(joined.ask(1), joined.ask(2), return_exceptions=True)
    assert not any(isinstance(one, int) for one in found), "somebody got the answer to another"


class Quick:
    """Answers at once, one after the other: a batch never takes long, but who waits behind many does."""

    def __init__(self) -> None:
        self.joined: Joined[int, int] = Joined(self.together, 1)
        self.done: list[int] = []

    async def together(self, batch: Batch[int, int]) -> list[int]:
        await asyncio.sleep(0.01)
        self.done += batch.asks
        return batch.asks


async def test_who_waits_too_long_is_told_though_every_batch_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Quick()
    monkeypatch.setattr(joining, "QUEUE_SECONDS", 30.0)
    monkeypatch.setattr(joining, "time", SimpleNamespace(monotonic=lambda: float(len(quick.done))))  # a second a batch
    async with asyncio.timeout(PATIENCE):
        asked = [quick.joined.ask(number) for number in range(200)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [number for number, answer in enumerate(answers) if isinstance(answer, StorageUnavailable)]
    assert quick.done == list(range(31))
    assert refused == list(range(31, 200))


async def test_who_leaves_a_long_queue_of_quick_batches_is_left_out() -> None:
    quick, watched, left = Quick(), asyncio.Event(), asyncio.Event()

    async def leaves() -> None:
        watched.set()
        await left.wait()

    others = [asyncio.create_task(quick.joined.ask(number)) for number in range(30)]
    leaver = asyncio.create_task(quick.joined.ask(99, leaves=leaves))
    await watched.wait()
    assert 99 not in quick.done
    left.set()
    with pytest.raises(CallerLeft):
        await leaver
    await asyncio.gather(*others)
    assert quick.done == list(range(30))
