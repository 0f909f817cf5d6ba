"""What a server does without being asked, among other servers, older ones and people with a database client."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.clock import MovableClock
from casedial.database.engine import Store
from casedial.database.tables import cases
from casedial.database.tables import claims as claims_table
from casedial.domain.firms import Caller
from casedial.domain.statuses import Role
from casedial.service import claims
from casedial.service.claims import adopt, return_lapsed
from casedial.storage import cases as stored_cases
from casedial.storage import claims as stored_claims
from casedial.storage.claimants import Claimant
from casedial.storage.queues import DueFilter
from casedial.web.upkeep import Upkeep
from tests.conftest import NOW, Api, Office, vendor
from tests.postgres import PostgresServer


async def claim_each(office: Office, case_ids: Iterable[int], records: int = 1) -> None:
    """Claim these cases, so many by each claim."""
    firm = await office.firm()
    for _ in case_ids:
        async with office.store.write() as tx:
            await stored_claims.claim(tx, [Claimant(Caller(firm, vendor()), DueFilter(None, None, records))], NOW)


def lapse(office: Office) -> None:
    """Let every lease be over."""
    assert isinstance(office.store.machine, MovableClock)
    office.store.machine.move(timedelta(hours=25))


async def look(store: Store) -> claims.Returned:
    return await store.transact(lambda tx: return_lapsed(tx, tx.now()))


async def set_role(office: Office, case_id: int, role: Role) -> None:
    """Move a case as an older casedial does, which knows of no hold."""
    status = (await office.firm()).statuses.with_role(role)
    async with office.store.write() as tx:
        moved = cases.update().where(cases.c.case_id == case_id)
        await tx.execute(moved.values(dialer_status_id=status.id, dialer_role=int(role), changed_at=datetime.now(UTC)))


async def test_what_an_older_server_moved_does_not_go_back(office: Office) -> None:
    await office.add(1)
    await office.add(2)
    await claim_each(office, [1, 2])
    await set_role(office, 1, Role.DO_NOT_DIAL)
    assert (await office.case(1)).hold is None
    lapse(office)
    assert sum((await look(office.store)).cases.values()) == 1
    assert await office.role(1) is Role.DO_NOT_DIAL
    assert await office.role(2) is Role.TO_DIAL


async def test_one_look_returns_a_bounded_number(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or thousands of leases that end together are one transaction, which is never done in time."""
    monkeypatch.setattr(claims, "_CASES_AT_ONCE", 5)
    for case_id in range(1, 13):
        await office.add(case_id)
    await claim_each(office, range(4), records=3)
    lapse(office)
    found = [await look(office.store) for _ in range(5)]
    assert [(sum(returned.cases.values()), returned.looked_at) for returned in found] == [(3, 1)] * 4 + [(0, 0)]


async def test_a_claim_above_the_bound_is_looked_at_alone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_CASES_AT_ONCE", 2)
    for case_id in range(1, 6):
        await office.add(case_id)
    await claim_each(office, [1], records=5)
    lapse(office)
    assert sum((await look(office.store)).cases.values()) == 5


@pytest.mark.parametrize("database", ["postgresql"])  # SQLite has one writer
async def test_nobodys_lock_on_a_case_holds_up_the_others(
    office: Office, database_url: str, clock: MovableClock
) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await claim_each(office, [1, 2])
    async with office.store.write() as tx:  # as an older casedial leaves it
        unclaimed = {"claim_id": None, "held_until": None, "redial_at": None}
        await tx.execute(cases.update().where(cases.c.case_id == 3).values(dialer_role=2, **unclaimed))
    lapse(office)
    store = Store(database_url, patience=30, clock=office.store.machine)  # who waits for the lock is given up then
    async with office.store.write() as tx:
        await tx.execute(sa.text("SELECT 1 FROM cases WHERE case_id IN (1, 3) FOR UPDATE"))
        await Upkeep(store).look()
        assert await store.transact(lambda tx: adopt(tx, datetime.now(UTC))) == 0
        assert await office.role(2) is Role.TO_DIAL
    assert await office.role(1) is Role.IN_THE_DIALER
    clock.move(timedelta(seconds=1.2))  # after which it is looked at again
    await Upkeep(store).look()
    assert await office.role(1) is Role.TO_DIAL
    await store.close()


async def forget_holds(office: Office) -> None:
    """Leave cases In the Dialer as an older casedial does."""
    async with office.store.write() as tx:
        nothing = {"claim_id": None, "held_until": None, "redial_at": None, "answered_at": None}
        await tx.execute(cases.update().values(nothing))
        await tx.execute(claims_table.delete())


async def test_who_was_dialed_before_the_claim_was_found_is_not_dialed_again(api: Api, office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    await forget_holds(office)
    await api.post("UpdateCaseStatus", {"CaseID": 2, "Disposition": "Busy"})  # before anybody found it
    await office.store.transact(lambda tx: adopt(tx, datetime.now(UTC)))
    lapse(office)
    await look(office.store)
    assert [await office.role(n) for n in (1, 2, 3)] == [Role.IN_THE_DIALER, Role.IN_THE_DIALER, Role.TO_DIAL]
    holds: list[Any] = [(await office.case(n)).hold for n in (1, 2)]
    assert all(hold.answered_at for hold in holds)


async def test_a_heartbeat_before_the_claim_was_found_keeps_the_old_time(api: Api, office: Office) -> None:
    await office.add(1)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "To Dial", "NextCall": "2025-11-23T09:00:00"})
    dial_at = (await office.case(1)).dial_at
    await api.post("GetCasesToDial", {"Auto-change": True})
    await forget_holds(office)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer"})
    hold = (await office.case(1)).hold
    assert hold
    assert hold.redial_at == dial_at


async def test_what_cannot_be_adopted_keeps_nobody_busy(office: Office) -> None:
    """A role written by hand that is not the status's."""
    await office.add(1)
    async with office.store.write() as tx:
        await tx.execute(cases.update().values(dialer_role=2))
    assert await office.store.transact(lambda tx: adopt(tx, datetime.now(UTC))) == 0
    async with office.store.read() as tx:
        found = await stored_cases.fetch(tx, await office.firm(), 1)
    assert found
    assert found.role is Role.TO_DIAL


@pytest.fixture
async def plain(database_url: str, postgres: PostgresServer) -> AsyncIterator[Store]:
    """The same database, opened by a role that may look into nobody else's session."""
    postgres.execute("DROP ROLE IF EXISTS plain")
    postgres.execute("CREATE ROLE plain LOGIN")
    opened = Store(database_url.replace("//postgres@", "//plain@"))
    yield opened
    await opened.close()
    postgres.execute("DROP ROLE plain")


@pytest.mark.parametrize("database", ["postgresql"])
@pytest.mark.parametrize("kind", ["REPEATABLE READ", "a write"])
async def test_a_server_knows_of_an_old_snapshot_of_whomever(office: Office, plain: Store, kind: str) -> None:
    """Of a superuser's session, as a backup has it, another role sees neither what it does nor since when."""

    async def look() -> bool:
        await office.add(next(case_ids))  # somebody goes on writing
        await looks._look_for_snapshots()
        return plain.heads.needed

    case_ids, looks = itertools.count(1), Upkeep(plain)
    assert [await look() for _ in range(3)] == [False, False, False]
    asked = "SELECT count(*) FROM firms" if kind == "REPEATABLE READ" else "SELECT txid_current()"
    async with office.store.read() if kind == "REPEATABLE READ" else office.store.write() as held:
        await held.execute(sa.text(asked))
        async with plain.single() as tx:
            [snapshot] = await tx.dialect.old_snapshots(tx, timedelta(0), transactions=-1)
        assert snapshot.age is None
        await look()
        await look()
        assert await look()
        assert await look()
    await look()
    assert not await look()
