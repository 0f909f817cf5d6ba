"""Webhooks to real endpoints: at least once, in order per case, nobody held up, nothing lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as Independent

from casedial.clock import MovableClock
from casedial.database.engine import Store
from casedial.domain.dialing import CaseFilter, OperatorChange
from casedial.domain.webhooks import Standing, Webhook
from casedial.service.operations import cases, changes, webhook_work, webhooks
from casedial.service.operations.doctor import examine
from casedial.service.operations.feed import Feed
from casedial.service.operations.webhook_work import LANES, Worker
from casedial.service.webhooks import NewSecret
from casedial.storage import webhooks as stored
from casedial.wire.posting import Poster
from casedial.wire.webhooks import event_body
from tests.conftest import ME, Office
from tests.endpoints import Endpoint, Received, every_second_lost, hang, status
from tests.waiting import PATIENCE, until
from tests.wire.test_posting import HERE

DAY = timedelta(days=1, hours=1)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, clock: MovableClock) -> None:
    """Look so often that no test waits, and nothing is due, or over, before a test lets time pass."""
    clock.freeze()
    monkeypatch.setattr(webhook_work, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(webhook_work, "_IDLE_SECONDS", 0.02)


@dataclass
class At:
    """What a server does for webhooks, and what it told of it."""

    worker: Worker
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[BaseException] = field(default_factory=list)


@asynccontextmanager
async def serving(store: Store, seconds: float = PATIENCE) -> AsyncIterator[At]:
    """Deliver, until the block ends."""

    def tell(webhook: Webhook, outcome: str) -> None:
        at.outcomes[outcome] += 1

    at = At(Worker(Feed(store), Poster(HERE, seconds), event_body, tell, lambda error: at.faults.append(error)))

    async def go_on() -> None:
        while True:
            await asyncio.sleep(await at.worker.look(store))

    task = asyncio.create_task(go_on())
    try:
        yield at
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await at.worker.stop()
    assert at.faults == []


async def add(office: Office, url: str, *kinds: str) -> NewSecret:
    return (await webhooks.add(office.store, ME, Feed(office.store), office.name, url, kinds or None))[1]


async def note(office: Office, case_id: int, text: str = "n") -> None:
    await cases.add_note(office.store, ME, office.name, case_id, text)


async def fill(office: Office, case_ids: range, each: int = 3) -> None:
    """Add cases, and notes to them: an event for each."""
    for case_id in case_ids:
        await office.add(case_id)
    for number in range(each):
        for case_id in case_ids:
            await note(office, case_id, f"{number}")


async def listed(office: Office) -> list[tuple[Webhook, Standing]]:
    found = await webhooks.every(office.store, ME, office.name)
    return [(one.webhook, one.standing) for one in found.webhooks]


def texts(endpoint: Endpoint) -> dict[int | None, list[str]]:
    """The notes of each case in the order in which they came first."""
    found: dict[int | None, dict[str, str]] = {}
    for one in endpoint.received:
        found.setdefault(one.case_id, {}).setdefault(one.id, str(one.document["data"]["Note"]))
    return {case_id: list(notes.values()) for case_id, notes in found.items()}


async def how_it_stands(office: Office) -> Standing:
    """How it stands with the only endpoint."""
    return (await listed(office))[0][1]


async def settled(office: Office, seconds: float = PATIENCE) -> None:
    """Wait until nothing waits."""

    async def is_so() -> bool:
        return not any(standing.waiting for _, standing in await listed(office))

    await until(is_so, seconds)


async def tried(at: At, count: int) -> None:
    """Wait until it is recorded that so many tries failed."""
    await until(lambda: at.outcomes["failed"] >= count)


async def test_what_happens_from_now_on_signed(office: Office) -> None:
    await fill(office, range(1, 2), 1)
    async with Endpoint() as endpoint:
        new = await add(office, endpoint.url)
        await note(office, 1, "Ann — called")
        async with serving(office.store) as at:
            await endpoint.until(1)
            await settled(office)
    [received] = endpoint.received
    verified = Independent(new.secret).verify(received.body, received.headers)
    assert verified["type"] == "case.noted"
    assert verified["data"]["Note"] == "Ann — called"
    assert verified["data"]["CaseID"] == 1
    assert received.headers["content-type"] == "application/json"
    assert at.outcomes == {"delivered": 1}
    [(webhook, standing)] = await listed(office)
    assert (webhook.state, webhook.delivered, standing) == ("active", 1, Standing())


async def test_only_the_kinds_that_are_wanted_and_of_the_firm(office: Office, other_office: Office) -> None:
    await office.add(1)
    await other_office.add(1)
    async with Endpoint() as endpoint:
        await add(office, endpoint.url, "case.changed")
        await note(office, 1)
        await note(other_office, 1)
        await set_priority(office, 1, 2)
        async with serving(office.store):
            await endpoint.until(1)
            await asyncio.sleep(0.1)
    assert [one.document["type"] for one in endpoint.received] == ["case.changed"]


async def set_priority(office: Office, case_id: int, priority: int) -> None:
    which = CaseFilter(case_ids=(case_id,))
    found = await changes.preview(office.store, ME, office.name, which, lambda firm: OperatorChange(priority=priority))
    await changes.run(office.store, ME, office.name, found.change.id)


async def test_a_failing_event_holds_its_case_and_nobody_else(office: Office, clock: MovableClock) -> None:
    async def answer(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
        await status(500 if received.case_id == 1 and broken else 200)(endpoint, received, writer)

    broken = True
    async with Endpoint(answer) as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 5), 4)
        async with serving(office.store) as at:
            await endpoint.until(13)
            await until(lambda: at.outcomes == {"delivered": 12, "failed": 1})
            assert {case_id: len(ids) for case_id, ids in endpoint.cases().items()} == {1: 1, 2: 4, 3: 4, 4: 4}
            [(webhook, standing)] = await listed(office)
            assert (standing.waiting, webhook.error) == (4, "it answered 500")
            [failure] = await webhooks.failures(office.store, ME, webhook.id)
            assert (failure.queued.case_id, failure.attempts) == (1, 1)
            broken = False
            clock.move(timedelta(seconds=10))
            await endpoint.until(16)
            await settled(office)
    assert texts(endpoint)[1] == ["0", "1", "2", "3"]
    assert at.outcomes == {"delivered": 16, "failed": 1}


async def test_every_second_reply_is_lost(office: Office, clock: MovableClock) -> None:
    async with Endpoint(every_second_lost(status(200))) as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 4), 3)
        async with serving(office.store), asyncio.timeout(PATIENCE):
            while (await listed(office))[0][0].delivered < 9:
                clock.move(timedelta(seconds=10))
                await asyncio.sleep(0.05)
    assert texts(endpoint) == {case_id: ["0", "1", "2"] for case_id in (1, 2, 3)}
    assert set(Counter(one.id for one in endpoint.received).values()) == {2}  # the same message, by its id


async def test_one_that_hangs_holds_up_nobody_else(office: Office) -> None:
    async with Endpoint(hang) as hanging, Endpoint() as well:
        await add(office, hanging.url)
        await add(office, well.url)
        await fill(office, range(1, 11), 3)
        async with serving(office.store):
            await well.until(30)
            await hanging.until(LANES)
            await asyncio.sleep(0.1)
        assert hanging.most == LANES  # and no more than that
        assert len(hanging.received) == LANES
    assert well.most <= LANES


async def test_one_that_is_gone_for_good(office: Office) -> None:
    async with Endpoint(status(410)) as endpoint:
        new = await add(office, endpoint.url)
        await fill(office, range(1, 2), 3)
        async with serving(office.store) as at:
            await endpoint.until(1)
            await until(lambda: at.outcomes == {"gone": 1})
            assert (await listed(office))[0][0].state == "gone"
            await note(office, 1, "3")
            findings = [one for one in await examine(office.store, ME) if one.check == "webhooks"]
            assert "is gone (410)" in findings[0].found
            assert len(endpoint.received) == 1
            endpoint.answer = status(200)
            replayed = await webhooks.replay(office.store, ME, new.webhook.id)
            assert (replayed.dead, replayed.waiting) == (0, 3)
            await endpoint.until(4)
            await settled(office)
    assert texts(endpoint)[1] == ["0", "1", "2", "3"]


async def test_what_fails_for_a_day_is_laid_aside_and_replayed(office: Office, clock: MovableClock) -> None:
    async with Endpoint(status(503)) as endpoint:
        new = await add(office, endpoint.url)
        await fill(office, range(1, 4), 2)
        async with serving(office.store) as at:
            await tried(at, 3)
            clock.move(DAY)

            async def are_laid_aside() -> bool:
                return await how_it_stands(office) == Standing(0, None, 6)

            await until(are_laid_aside)
            findings = [one for one in await examine(office.store, ME) if one.check == "webhooks"]
            assert "has failed since" in findings[0].found
            endpoint.answer = status(200)
            endpoint.received.clear()
            assert (await webhooks.replay(office.store, ME, new.webhook.id)).dead == 6
            await endpoint.until(6)
            await settled(office)
    assert texts(endpoint) == {case_id: ["0", "1"] for case_id in (1, 2, 3)}


async def test_an_endpoint_that_answers_again_gets_all_at_once(office: Office, clock: MovableClock) -> None:
    """Though some of it would have to wait for hours yet."""
    async with Endpoint(status(503)) as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 4), 1)
        async with serving(office.store):
            for _ in range(4):
                await asyncio.sleep(0.1)
                clock.move(timedelta(hours=1))
            endpoint.answer = status(200)
            await note(office, 3)
            async with asyncio.timeout(PATIENCE):
                while len(endpoint.cases().get(3, ())) < 2 or (await how_it_stands(office)).waiting:
                    clock.move(timedelta(minutes=1))
                    await asyncio.sleep(0.1)
    assert {case_id: len(ids) for case_id, ids in endpoint.cases().items()} == {1: 1, 2: 1, 3: 2}


async def test_the_place_moves_with_the_messages(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is killed between the two leaves neither."""
    change, calls = stored.change, list[object]()

    async def killed(tx: Any, webhook_id: int, values: Any) -> None:
        if "cursor" in values and not calls:
            calls.append(values)
            raise RuntimeError("killed")
        await change(tx, webhook_id, values)

    monkeypatch.setattr(stored, "change", killed)
    monkeypatch.setattr(webhook_work, "_FAULT_REST", 0.05)
    async with Endpoint() as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 4), 2)
        async with serving(office.store) as at:
            await endpoint.until(6)
            await settled(office)
            assert [str(fault) for fault in at.faults] == ["killed"]
            at.faults.clear()
    assert len(endpoint.received) == 6


async def test_one_server_at_a_time_and_another_when_it_is_killed(office: Office, clock: MovableClock) -> None:
    async with Endpoint() as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 4), 2)
        async with serving(office.store) as first, serving(office.store) as second:
            await endpoint.until(6)
            await settled(office)
            await note(office, 1)
            await endpoint.until(7)
            assert 0 in (first.outcomes.total(), second.outcomes.total())
        assert len(endpoint.received) == 7
        async with serving(office.store) as third:
            await note(office, 1)
            await asyncio.sleep(0.1)
            assert third.outcomes.total() == 0  # nobody gave the duty back
            clock.move(timedelta(seconds=9))
            await endpoint.until(8)
