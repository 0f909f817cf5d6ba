"""One clock: whatever depends on the time follows the store's, leases in the database too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from casedial.clock import Clock, MovableClock
from casedial.database.engine import Store
from casedial.domain.campaigns import Retry
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role
from casedial.service.keys import LimitChange, limit_key, open_key
from casedial.service.operations import holding_back
from casedial.service.operations.sweeping import Sweeper
from casedial.storage import keys
from casedial.web.upkeep import Upkeep
from tests.conftest import Api, Office, assert_problem
from tests.service.test_calling import NEW_YORK, decide, held_back

NOON = datetime(2027, 3, 2, 17, 0, tzinfo=UTC)  # in New York, on a Tuesday
HOUR = timedelta(hours=1)


async def claim(api: Api) -> Any:
    return await api.post("GetCasesToDial", {"Auto-change": True})


async def limit(office: Office, change: LimitChange) -> None:
    async with office.store.write() as tx:
        [key], _ = await keys.every(tx)
        await limit_key(tx, *await open_key(tx, key.id), change, tx.now())


def test_it_is_the_machines_until_it_is_moved() -> None:
    clock = MovableClock()
    assert Clock().moved_to() is clock.moved_to() is None
    assert abs(clock.now() - Clock().now()) < timedelta(seconds=5)
    clock.set(NOON)
    assert NOON <= clock.now() < NOON + timedelta(seconds=5)
    clock.freeze()
    clock.move(HOUR)
    assert clock.is_frozen
    assert clock.now() == clock.moved_to() == clock.now()
    stood = clock.now()
    clock.run()
    assert not clock.is_frozen
    assert stood <= clock.now() < stood + timedelta(seconds=5)


async def test_a_database_has_its_own_time_unless_the_clock_was_moved(store: Store, clock: MovableClock) -> None:
    async with store.read() as tx:
        assert abs(await tx.clock() - Clock().now()) < timedelta(seconds=5)
    clock.freeze()
    clock.set(NOON)
    async with store.read() as tx:
        assert await tx.clock() == tx.now() == store.now() == NOON


async def test_a_lease_begins_and_ends_by_it(api: Api, office: Office, clock: MovableClock) -> None:
    clock.freeze()
    clock.set(NOON)
    await office.add(1)
    reply = await claim(api)
    assert datetime.fromisoformat(reply.headers["x-claim-expires"]) == NOON + 24 * HOUR
    assert (await office.claim(UUID(reply.headers["x-claim-id"]))).expires_at == NOON + 24 * HOUR
    clock.move(24 * HOUR - timedelta(seconds=1))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.IN_THE_DIALER
    clock.move(timedelta(seconds=1))
    await Upkeep(office.store).look()
    assert await office.role(1) is Role.TO_DIAL


async def test_so_does_one_where_calling_rules_apply(api: Api, office: Office, clock: MovableClock) -> None:
    clock.freeze()
    clock.set(NOON)
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    reply = await claim(api)
    assert datetime.fromisoformat(reply.headers["x-claim-expires"]) == NOON + 24 * HOUR


async def test_calling_hours_open_by_it(api: Api, office: Office, clock: MovableClock) -> None:
    clock.set(NOON - 12 * HOUR)
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    assert (await claim(api)).json() == []
    assert await Sweeper().sweep(office.store, office.store.now()) == 1
    clock.move(12 * HOUR)
    assert await holding_back.let_go(office.store, office.store.now()) == 1
    assert len((await claim(api)).json()) == 1


async def test_what_is_due_and_what_is_retried_follow_it(api: Api, office: Office, clock: MovableClock) -> None:
    clock.set(NOON)
    await decide(office, retries={"No Answer": Retry(4 * HOUR, 2)})
    await office.add(1, **NEW_YORK)
    assert len((await claim(api)).json()) == 1
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "No Answer"})
    clock.move(3 * HOUR)
    assert (await claim(api)).json() == []
    clock.move(HOUR)
    assert len((await claim(api)).json()) == 1


async def test_what_was_begun_before_it_moved_is_no_longer_so_when_all_is_caught_up(
    office: Office, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep of the night that ends in the morning holds cases back that by then may be called."""
    clock.set(NOON - 12 * HOUR)
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    sweep, began, goes_on = Sweeper.sweep, asyncio.Event(), asyncio.Event()

    async def late(self: Sweeper, store: Store, now: datetime) -> int:
        began.set()
        await goes_on.wait()
        return await sweep(self, store, now)

    monkeypatch.setattr(Sweeper, "sweep", late)
    upkeep = Upkeep(office.store)
    upkeep.start()
    await began.wait()
    clock.move(12 * HOUR)
    catching_up = asyncio.create_task(upkeep.catch_up())
    await asyncio.sleep(0.5)  # in which it would have let go what is held back already
    goes_on.set()
    await catching_up
    assert await held_back(office) == {}
    await upkeep.stop()


@pytest.mark.parametrize("span", [timedelta(minutes=1), timedelta(days=1), timedelta(days=-1)])
async def test_the_minute_of_a_rate_limit_is_over_by_it(
    api: Api, office: Office, clock: MovableClock, span: timedelta
) -> None:
    clock.freeze()
    clock.set(NOON)
    await office.add(1)
    await limit(office, LimitChange(rate_limit=1))
    for _ in range(2):
        assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200
        refused = await api.get("GetCaseInfo", CaseID=1)
        assert_problem(refused, 429, "RateLimited")
        assert refused.headers["retry-after"] == "60"
        assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 429
        clock.move(span)


async def test_a_key_expires_by_it(api: Api, office: Office, clock: MovableClock) -> None:
    clock.set(NOON)
    await office.add(1)
    await limit(office, LimitChange(expires_at=NOON + HOUR))
    assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200
    clock.move(2 * HOUR)
    assert_problem(await claim(api), 401, "KeyExpired")
    assert await office.role(1) is Role.TO_DIAL


async def test_a_key_that_has_not_expired_by_it_still_claims(api: Api, office: Office, clock: MovableClock) -> None:
    """The claim's statement asks the clock, too: by the machine's this key is over."""
    clock.set(datetime(2020, 1, 1, tzinfo=UTC))
    await office.add(1, dial_at=datetime(2019, 1, 1, tzinfo=UTC))
    await limit(office, LimitChange(expires_at=datetime(2020, 1, 2, tzinfo=UTC)))
    assert len((await claim(api)).json()) == 1
