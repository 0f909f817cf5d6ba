"""What claims met and could not hand out is held back after they replied; until then no claim goes past it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database import met
from casedial.database.engine import Store
from casedial.database.tables import cases as table
from casedial.domain.dialing import DialQuery
from casedial.domain.errors import StorageUnavailable
from casedial.domain.rules import Override, Purpose
from casedial.domain.weeks import week
from casedial.service import dialing
from casedial.service import holding_back as steps
from casedial.service.operations import holding_back
from casedial.storage import queues
from casedial.storage.queues import Sight
from casedial.web.upkeep import Upkeep
from tests.conftest import NOW, Office
from tests.service.test_calling import CAMPAIGN, LOS_ANGELES, MORNING, NEW_YORK, caller, decide, held_back, ids

MINUTE = timedelta(minutes=1)
CLOSED, OPEN = 60, 4
ANY_TIME = [Override(week({"daily": "00:00-24:00"}), wider=True, reason="asked for")]


async def fill(office: Office, closed: int = CLOSED) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, closed + 1):
        await office.add(case_id, **LOS_ANGELES, dial_at=NOW - timedelta(days=9))
    for case_id in range(101, 101 + OPEN):
        await office.add(case_id, **NEW_YORK, dial_at=NOW - timedelta(days=1))


async def claim(office: Office, records: int = 1, now: datetime = MORNING, store: Store | None = None) -> list[int]:
    """Claim, and hold nothing back."""
    query = DialQuery(CAMPAIGN, None, records, True)
    async with (store or office.store).write() as tx:
        return ids((await dialing.get_cases_to_dial(tx, await caller(office), query, now))[0])


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The CaseIDs that claims looked at."""
    found: list[int] = []
    real = queues.look

    async def look(*asked: Any) -> list[Sight]:
        sights = await real(*asked)
        found.extend(sight.case_id for sight in sights)
        return sights

    monkeypatch.setattr(queues, "look", look)
    return found


async def test_a_claim_replies_before_anything_is_held_back(office: Office) -> None:
    await fill(office)
    assert await claim(office) == [101]
    assert await held_back(office) == {}
    assert await holding_back.hold_back_met(office.store, MORNING) == CLOSED
    assert len(await held_back(office)) == CLOSED
    assert await holding_back.hold_back_met(office.store, MORNING) == 0


async def test_the_next_claim_begins_behind_what_is_to_be_held_back(office: Office, looked_at: list[int]) -> None:
    await fill(office)
    assert await claim(office) == [101]
    assert len(looked_at) >= CLOSED
    looked_at.clear()
    assert await claim(office) == [102]
    assert min(looked_at) > CLOSED
    taken = office.store.met.take()  # while somebody holds them back, too
    looked_at.clear()
    assert await claim(office) == [103]
    assert min(looked_at) > CLOSED
    assert taken.size == CLOSED
    office.store.met.done()
    looked_at.clear()
    assert await claim(office) == [104]
    assert min(looked_at) == 1, "nothing was held back, so they are met again"


async def test_what_comes_before_them_waits_no_longer_than_they_are_held_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(office)
    assert await claim(office) == [101]
    await office.add(200, **NEW_YORK, dial_at=NOW - timedelta(days=10))
    assert await claim(office) == [102]
    await holding_back.hold_back_met(office.store, MORNING)
    assert await claim(office) == [200]


@pytest.mark.parametrize("shorter", [False, True])
async def test_who_finds_nothing_behind_them_looks_before_them_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch, shorter: bool
) -> None:
    await fill(office)
    assert await claim(office, OPEN) == list(range(101, 101 + OPEN))
    if shorter:
        await office.add(105, **NEW_YORK, dial_at=NOW - timedelta(days=1))
    await office.add(200, **NEW_YORK, dial_at=NOW - timedelta(days=10))
    assert await claim(office, 5) == ([105] if shorter else []) + [200]
    monkeypatch.setattr(met, "_BEHIND_SECONDS", -1.0)  # a second later
    await office.add(201, **NEW_YORK, dial_at=NOW - timedelta(days=10))
    assert await claim(office) == [201]


async def test_a_server_that_dies_loses_nothing(office: Office) -> None:
    await fill(office)
    assert await claim(office) == [101]
    other = Store(office.store.url)  # it was started anew
    try:
        assert await claim(office, store=other) == [102]
        assert await holding_back.hold_back_met(other, MORNING) == CLOSED
    finally:
        await other.close()
    assert len(await held_back(office)) == CLOSED


async def test_what_was_undone_is_held_back_all_the_same(office: Office) -> None:
    await fill(office)

    async def fails() -> None:
        async with office.store.write() as tx:
            await dialing.get_cases_to_dial(tx, await caller(office), DialQuery(CAMPAIGN, None, 1, True), MORNING)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    await holding_back.hold_back_met(office.store, MORNING)
    assert len(await held_back(office)) == CLOSED
    assert await claim(office) == [101]


async def test_what_was_decided_meanwhile_counts(office: Office) -> None:
    """A firm's change, a change of a case, another claim, and the hour at which they open."""
    await fill(office)
    assert await claim(office) == [101]
    await decide(office, hours=ANY_TIME)
    await holding_back.hold_back_met(office.store, MORNING)
    assert await held_back(office) == {}
    assert await claim(office, 2) == [1, 2]
    await decide(office, hours=[])
    assert await claim(office) == [102]
    async with office.store.write() as tx:
        await tx.execute(sa.update(table).where(table.c.case_id == 3).values(zip_code="10001", phones=[]))
        await tx.execute(sa.update(table).where(table.c.case_id == 4).values(dialer_role=3))
    await holding_back.hold_back_met(office.store, MORNING)
    found = await held_back(office)
    assert found.keys() == {3, *range(5, CLOSED + 1)}
    assert found[3] == MORNING + timedelta(hours=12)  # without a phone
    assert await holding_back.let_go(office.store, found[5]) == CLOSED - 4
    assert await claim(office, now=found[5] - MINUTE) == [103]
    await holding_back.hold_back_met(office.store, found[5])  # which has come meanwhile
    assert (await held_back(office)).keys() == {3}


async def test_what_cannot_be_held_back_is_met_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(office)
    assert await claim(office) == [101]
    real = steps.hold_back

    async def away(*asked: Any, **more: Any) -> int:
        raise StorageUnavailable("The database is away.")

    monkeypatch.setattr(steps, "hold_back", away)
    with pytest.raises(StorageUnavailable):
        await holding_back.hold_back_met(office.store, MORNING)
    monkeypatch.setattr(steps, "hold_back", real)
    assert await claim(office) == [102]
    assert await holding_back.hold_back_met(office.store, MORNING) == CLOSED


async def test_what_is_noted_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(met, "_MOST", 50)
    await fill(office)
    assert await claim(office) == [101]
    for case_id in range(301, 321):
        await office.add(case_id, **LOS_ANGELES, dial_at=NOW - timedelta(days=2))
    assert [await claim(office) for _ in range(2)] == [[102], [103]]
    assert office.store.met.take().size == CLOSED


async def test_a_server_holds_them_back_by_itself(office: Office) -> None:
    await fill(office)
    assert await claim(office, now=MORNING) == [101]
    upkeep = Upkeep(office.store)
    await upkeep._hold_back_met()
    assert office.store.met.take().size == 0
    assert "met" in [chore.name for chore in upkeep._chores]
