"""The claim: whose cases, in which order, how many, and never twice."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from casedial.domain.cases import PRIORITY, Firm, Hold, Role, StatusType
from casedial.storage import cases, claims, heads, queues
from casedial.storage.claims import Claimant
from casedial.storage.engine import Database, Store
from casedial.storage.queues import DueFilter
from casedial.storage.tables import cases as cases_table
from tests.conftest import NOW, Office

ALL = DueFilter(None, None, 5)


async def test_concurrent_claims_take_each_case_once(store: Store, office: Office) -> None:
    firm = await office.firm()
    for case_id in range(1, 121):
        await office.add(case_id, dial_at=NOW - timedelta(minutes=case_id))

    async def claim(records: int) -> list[int]:
        async with store.write() as tx:
            [(taken, _)] = await claims.claim(tx, firm, [Claimant(DueFilter(None, None, records), "x", None)], NOW)
            return [case.case_id for case in taken]

    batches = await asyncio.gather(*(claim(records) for records in (1, 7, 50, 3, 20, 20, 20, 20)))
    taken = [case_id for batch in batches for case_id in batch]
    assert len(taken) == len(set(taken)) == 120
    for batch in batches:
        assert batch == sorted(batch, reverse=True)  # the oldest dial time first


async def test_a_claim_passes_over_what_another_holds(store: Store, office: Office) -> None:
    firm = await office.firm()
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id))
    if store.database is Database.SQLITE:
        return  # one writer at a time: there is nothing to pass over
    async with store.write() as holding:
        await cases.lock(holding, firm, [3])
        async with store.write() as tx:
            [(taken, _)] = await claims.claim(tx, firm, [Claimant(DueFilter(None, None, 2), "x", None)], NOW)
            assert [case.case_id for case in taken] == [2, 1]


async def test_history_never_runs_backwards(store: Store, office: Office) -> None:
    """A server whose clock is behind records its claim at the time of the change before it."""
    firm = await office.firm()
    later = NOW + timedelta(hours=1)
    await office.add(1, changed_at=later)
    await office.add(2, changed_at=None)
    async with store.write() as tx:
        await claims.claim(tx, firm, [Claimant(ALL, "x", None)], NOW)
    async with store.read() as tx:
        history = await cases.history(tx, firm, [1, 2])
    assert [change.changed_at for change in history[1]] == [later]
    assert [change.changed_at for change in history[2]] == [NOW]
    assert (await office.case(1)).changed_at == later
    assert (await office.case(1)).dial_at == NOW  # the status's own date/time is the server's now


async def test_what_a_claim_changes(store: Store, office: Office, other_office: Office) -> None:
    firm = await office.firm()
    await office.add(1, attempts="3", disposition="Busy")
    await other_office.add(1)
    async with store.write() as tx:
        [([claimed], claim)] = await claims.claim(tx, firm, [Claimant(ALL, "Acme", 8)], NOW)
    assert claimed.role is Role.TO_DIAL  # as it was found
    after = await office.case(1)
    assert after.role is Role.IN_THE_DIALER
    assert {kind: s.name for kind, s in after.statuses.items() if kind is not StatusType.DIALER} == {
        StatusType.CAMPAIGN: "Intake follow-up",
        StatusType.ATTEMPTS: "3",
        StatusType.DISPOSITION: "Busy",
    }
    assert await office.history(1) == [("Dialer Status", "In the Dialer", "Acme")]
    assert await other_office.role(1) is Role.TO_DIAL
    assert claim
    assert after.hold
    assert claim == (await office.claim(claim.id))
    assert (claim.vendor, claim.key_id, claim.case_ids, claim.created_at) == ("Acme", 8, (1,), NOW)
    assert after.hold == Hold(claim.id, claim.expires_at, claimed.dial_at)


async def test_each_filter_has_its_index(store: Store, office: Office) -> None:
    """A claim walks an index in due order and stops: no sort, no scan of other campaigns' cases."""
    firm = await office.firm()
    async with store.write() as tx:
        if store.database is Database.POSTGRESQL:
            for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
                await tx.execute(sa.text(f"SET LOCAL {setting} = off"))
        intake = (firm.statuses.of(StatusType.CAMPAIGN)[0].id,)
        for campaigns, group, index in (
            (None, None, "ix_cases_queue"),
            (intake, None, "ix_cases_queue_campaign"),
            (None, "Auto", "ix_cases_queue_group"),
            (intake, "Auto", "ix_cases_queue_campaign_group"),
        ):
            wanted = DueFilter(campaigns, group, 5)
            query, parameters = queues._list(wanted.shape), wanted.parameters(firm, NOW, PRIORITY)
            compiled = query.params(parameters).compile(
                dialect=tx.connection.sync_engine.dialect, compile_kwargs={"literal_binds": True}
            )
            explain = "EXPLAIN QUERY PLAN" if store.database is Database.SQLITE else "EXPLAIN"
            text = str(compiled).replace(":", "\\:")
            plan = "\n".join(str(row) for row in await tx.execute(sa.text(f"{explain} {text}")))
            assert f"{index} " in plan or f"{index}'" in plan, plan
            assert "SORT" not in plan.upper(), plan
            assert "TEMP B-TREE" not in plan.upper(), plan
    assert cases_table.c.dialer_role is not None


async def test_what_is_claimed_together_goes_to_each_in_turn(store: Store, office: Office) -> None:
    """As if one had claimed after the other: the same cases, a claim of its own for each, in the same order."""
    firm = await office.firm()
    intake, callback = (campaign.id for campaign in firm.statuses.of(StatusType.CAMPAIGN)[:2])
    for case_id in range(1, 7):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id))
    for case_id in (11, 12):
        await office.add(case_id, campaign=firm.statuses.of(StatusType.CAMPAIGN)[1].name)

    def claimant(campaign: int, records: int, vendor: str) -> Claimant:
        return Claimant(DueFilter((campaign,), None, records), vendor, records)

    async with store.write() as tx:
        claimed = await claims.claim(
            tx,
            firm,
            [
                claimant(intake, 2, "Acme"),
                claimant(callback, 1, "Bell"),
                claimant(intake, 3, "Bell"),
                claimant(intake, 9, "Acme"),
                claimant(intake, 1, "late"),
            ],
            NOW,
        )
    assert [[case.case_id for case in found] for found, _ in claimed] == [[6, 5], [11], [4, 3, 2], [1], []]
    assert claimed[4][1] is None
    for (found, claim), vendor, key_id in zip(claimed[:4], ("Acme", "Bell", "Bell", "Acme"), (2, 1, 3, 9), strict=True):
        assert claim
        assert await office.claim(claim.id) == claim
        assert (claim.vendor, claim.key_id) == (vendor, key_id)
        for case in found:
            after = await office.case(case.case_id)
            assert after.hold
            assert after.hold == Hold(claim.id, claim.expires_at, case.dial_at)
            assert await office.history(case.case_id) == [("Dialer Status", "In the Dialer", vendor)]
    async with store.read() as tx:
        assert [case.case_id for case in await queues.due(tx, firm, ALL, NOW)] == [12]


IN_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"])


async def claimed(store: Store, firm: Firm, records: int, *queues: DueFilter) -> list[list[int]]:
    """Claim so many cases from each of these queues, together; return their CaseIDs."""
    claimants = [Claimant(replace(queue, records=records), "Acme", None) for queue in queues]
    async with store.write() as tx:
        return [[case.case_id for case in found] for found, _ in await claims.claim(tx, firm, claimants, NOW)]


@pytest.fixture
async def snapshot_is_held(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostgreSQL that cannot clean up, and in which every claim is slow."""
    store.heads.needed = True
    monkeypatch.setattr(heads, "_SLOW", 0.0)


@IN_POSTGRESQL
async def test_a_claim_begins_where_the_last_one_found_something(
    store: Store, office: Office, snapshot_is_held: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = await office.firm()
    for case_id in range(11, 19):
        await office.add(case_id, dial_at=NOW - timedelta(days=10))
    assert await claimed(store, firm, 2, ALL) == [[11, 12]]
    await office.add(1, dial_at=NOW - timedelta(days=20))
    assert await claimed(store, firm, 2, ALL) == [[13, 14]]
    clock = time.monotonic() + heads._AT_MOST
    monkeypatch.setattr(heads.time, "monotonic", lambda: clock)
    assert await claimed(store, firm, 2, ALL) == [[1, 15]]  # what came before it is found after a while


@IN_POSTGRESQL
async def test_nobody_goes_without_for_the_sake_of_a_head(store: Store, office: Office, snapshot_is_held: None) -> None:
    firm = await office.firm()
    intake, callback = (DueFilter((status.id,), None, 0) for status in firm.statuses.of(StatusType.CAMPAIGN)[:2])
    for case_id in (11, 12, 13):
        await office.add(case_id, dial_at=NOW - timedelta(days=10))
    await office.add(21, campaign=firm.statuses.of(StatusType.CAMPAIGN)[1].name)
    assert await claimed(store, firm, 1, intake, intake) == [[11], [12]]
    for case_id in (1, 2):
        await office.add(case_id, dial_at=NOW - timedelta(days=20))
    assert await claimed(store, firm, 1, intake, callback, intake) == [[13], [21], [1]]
    assert await claimed(store, firm, 1, intake, intake) == [[2], []]


@IN_POSTGRESQL
@pytest.mark.parametrize("why", ["nobody holds a snapshot", "it was quick"])
async def test_without_need_the_order_is_strict(store: Store, office: Office, why: str) -> None:
    firm = await office.firm()
    store.heads.needed = why == "it was quick"
    if store.heads.needed:
        store.heads.found((firm.id, ALL.queue), NOW, 5, heads._SLOW / 2, None)
    for case_id in (11, 12, 13):
        await office.add(case_id, dial_at=NOW - timedelta(days=10))
    await claimed(store, firm, 1, ALL)
    store.heads._known.clear()  # whatever this machine took for it
    await office.add(1, dial_at=NOW - timedelta(days=20))
    assert await claimed(store, firm, 2, ALL) == [[1, 12]]
