"""The claim: whose cases, in which order, how many, and never twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from casedial.database import heads
from casedial.database.engine import Store, Transaction
from casedial.database.tables import cases as cases_table
from casedial.domain.cases import PRIORITY, Hold, ShownCase
from casedial.domain.claims import Claim
from casedial.domain.firms import Caller, Firm
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import open_firm
from casedial.service.statuses import add_statuses
from casedial.storage import cases, claims, queues
from casedial.storage.claimants import Claimant
from casedial.storage.queues import DueFilter
from tests.conftest import NOW, Office, vendor

ALL = DueFilter(None, None, 5)
IN_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"])
IN_SQLITE = pytest.mark.parametrize("database", ["sqlite"])


def claimant(firm: Firm, wanted: DueFilter, name: str = "x", key_id: int = 1) -> Claimant:
    return Claimant(Caller(firm, vendor(name, key_id)), wanted)


async def claim(tx: Transaction, *claimants: Claimant) -> list[tuple[list[ShownCase], Claim | None]]:
    """Claim for each of them, all of whom are who they were."""
    return [found for found in await claims.claim(tx, claimants, NOW) if found]


async def claimed(store: Store, firm: Firm, records: int, *queues: DueFilter) -> list[list[int]]:
    """Claim so many cases from each of these queues, together; return their CaseIDs."""
    claimants = [claimant(firm, replace(queue, records=records), "Acme") for queue in queues]
    async with store.write() as tx:
        return [[case.case_id for case in found] for found, _ in await claim(tx, *claimants)]


async def test_concurrent_claims_take_each_case_once(store: Store, office: Office) -> None:
    firm = await office.firm()
    for case_id in range(1, 121):
        await office.add(case_id, dial_at=NOW - timedelta(minutes=case_id))

    async def some(records: int) -> list[int]:
        async with store.write() as tx:
            [(taken, _)] = await claim(tx, claimant(firm, DueFilter(None, None, records)))
            return [case.case_id for case in taken]

    batches = await asyncio.gather(*(some(records) for records in (1, 7, 50, 3, 20, 20, 20, 20)))
    taken = [case_id for batch in batches for case_id in batch]
    assert len(taken) == len(set(taken)) == 120
    for batch in batches:
        assert batch == sorted(batch, reverse=True)  # the oldest dial time first


@IN_POSTGRESQL
async def test_a_claim_passes_over_what_another_holds(store: Store, office: Office) -> None:
    firm = await office.firm()
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id))
    async with store.write() as holding:
        await cases.lock(holding, firm, [3])
        assert await claimed(store, firm, 2, ALL) == [[2, 1]]


@IN_SQLITE
async def test_a_claim_waits_for_who_writes(store: Store, office: Office) -> None:
    """One writes at a time, so there is nothing to pass over: it finds what the other one leaves."""
    firm = await office.firm()
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id))
    async with store.write() as holding:
        waiting = asyncio.create_task(claimed(store, firm, 2, ALL))
        assert not (await asyncio.wait({waiting}, timeout=0.3))[0]
        await holding.execute(cases_table.update().where(cases_table.c.case_id == 2).values(dialer_role=2))
    assert await waiting == [[3, 1]]


async def test_history_never_runs_backwards(store: Store, office: Office) -> None:
    """A server whose clock is behind records its claim at the time of the change before it."""
    firm = await office.firm()
    later = NOW + timedelta(hours=1)
    await office.add(1, changed_at=later)
    await office.add(2, changed_at=None)
    async with store.write() as tx:
        await claim(tx, claimant(firm, ALL))
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
        [([found], made)] = await claim(tx, claimant(firm, ALL, "Acme", 8))
    assert found.dialer_id == firm.statuses.with_role(Role.TO_DIAL).id  # as it was found
    after = await office.case(1)
    assert after.role is Role.IN_THE_DIALER
    assert {kind: s.name for kind, s in after.statuses.items() if kind is not StatusType.DIALER} == {
        StatusType.CAMPAIGN: "Intake follow-up",
        StatusType.ATTEMPTS: "3",
        StatusType.DISPOSITION: "Busy",
    }
    assert await office.history(1) == [("Dialer Status", "In the Dialer", "Acme")]
    assert await other_office.role(1) is Role.TO_DIAL
    assert made
    assert after.hold
    assert made == (await office.claim(made.id))
    assert (made.vendor, made.key_id, made.case_ids, made.created_at) == ("Acme", 8, (1,), NOW)
    assert after.hold == Hold(made.id, made.expires_at, found.dial_at)


async def test_each_filter_has_its_index(store: Store, office: Office) -> None:
    """A claim walks an index in due order and stops: no sort, no scan of other campaigns' cases."""
    firm = await office.firm()
    async with store.write() as tx:
        if store.dialect.name == "postgresql":
            for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
                await tx.execute(sa.text(f"SET LOCAL {setting} = off"))
        intake = (firm.statuses.of(StatusType.CAMPAIGN)[0].id,)
        several = tuple(status.id for status in firm.statuses.of(StatusType.CAMPAIGN)[:2])
        for campaigns, group, index in (
            (None, None, "ix_cases_queue"),
            (intake, None, "ix_cases_queue_campaign"),
            (None, "Auto", "ix_cases_queue_group"),
            (intake, "Auto", "ix_cases_queue_campaign_group"),
            (several, None, "ix_cases_queue_campaign"),
            (several, "Auto", "ix_cases_queue_campaign_group"),
        ):
            wanted = DueFilter(campaigns, group, 5)
            query = queues._list(wanted.shape, store.dialect, queues._AS_CASE)
            parameters = wanted.parameters(firm, NOW, PRIORITY)
            compiled = query.params(parameters).compile(
                dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True}
            )
            explain = "EXPLAIN QUERY PLAN" if store.dialect.name == "sqlite" else "EXPLAIN"
            text = str(compiled).replace(":", "\\:")
            plan = "\n".join(str(row) for row in await tx.execute(sa.text(f"{explain} {text}")))
            assert f"{index} " in plan or f"{index}'" in plan, plan
            assert "SORT" not in plan.upper().replace("SORT KEY", ""), plan  # which what merges has, too
            assert "TEMP B-TREE" not in plan.upper(), plan


async def test_what_is_claimed_together_goes_to_each_in_turn(store: Store, office: Office) -> None:
    """As if one had claimed after the other: the same cases, a claim of its own for each, in the same order."""
    firm = await office.firm()
    intake, callback = (campaign.id for campaign in firm.statuses.of(StatusType.CAMPAIGN)[:2])
    for case_id in range(1, 7):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id))
    for case_id in (11, 12):
        await office.add(case_id, campaign=firm.statuses.of(StatusType.CAMPAIGN)[1].name)

    def of(campaign: int, records: int, name: str) -> Claimant:
        return claimant(firm, DueFilter((campaign,), None, records), name, records)

    async with store.write() as tx:
        claimed = await claim(
            tx,
            of(intake, 2, "Acme"),
            of(callback, 1, "Bell"),
            of(intake, 3, "Bell"),
            of(intake, 9, "Acme"),
            of(intake, 1, "late"),
        )
    assert [[case.case_id for case in found] for found, _ in claimed] == [[6, 5], [11], [4, 3, 2], [1], []]
    assert claimed[4][1] is None
    for (found, made), name, key_id in zip(claimed[:4], ("Acme", "Bell", "Bell", "Acme"), (2, 1, 3, 9), strict=True):
        assert made
        assert await office.claim(made.id) == made
        assert (made.vendor, made.key_id) == (name, key_id)
        for case in found:
            after = await office.case(case.case_id)
            assert after.hold
            assert after.hold == Hold(made.id, made.expires_at, case.dial_at)
            assert await office.history(case.case_id) == [("Dialer Status", "In the Dialer", name)]
    async with store.read() as tx:
        assert [case.case_id for case in await queues.due(tx, firm, ALL, NOW)] == [12]


@pytest.fixture
async def snapshot_is_held(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostgreSQL that cannot clean up, and in which every claim is slow."""
    store.heads.needed = True
    monkeypatch.setattr(heads, "_SLOW", 0.0)
    monkeypatch.setattr(heads, "time", SimpleNamespace(monotonic=lambda: 0.0))  # none is over while the machine stalls


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
    monkeypatch.setattr(heads, "time", SimpleNamespace(monotonic=lambda: heads._AT_MOST))
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
        case = await office.add(5, dial_at=NOW)
        store.heads.found(queues.head_of(firm, ALL, PRIORITY), PRIORITY, case, heads._SLOW / 2, None)
    for case_id in (11, 12, 13):
        await office.add(case_id, dial_at=NOW - timedelta(days=10))
    await claimed(store, firm, 1, ALL)
    store.heads._known.clear()  # whatever this machine took for it
    await office.add(1, dial_at=NOW - timedelta(days=20))
    assert await claimed(store, firm, 2, ALL) == [[1, 12]]


CASES = """
INSERT INTO cases (firm_id, case_id, case_status, case_group, case_group_folded, closed, zip_code, plaintiff, phones,
  dialer_status_id, dialer_role, dial_at, campaign_id)
SELECT firm_id, case_id + n, case_status, case_group, case_group_folded, closed, zip_code, plaintiff, phones,
  dialer_status_id, dialer_role, dial_at, campaign_id
FROM cases CROSS JOIN numbers WHERE case_id = :case_id"""
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"


async def fill(store: Store, office: Office, case_id: int, count: int, campaign: str, days: int) -> None:
    """Add so many cases of a campaign, all due since so many days."""
    await office.add(case_id, campaign=campaign, case_group="Auto", dial_at=NOW - timedelta(days=days))
    async with store.write() as tx:
        await tx.execute(sa.text(NUMBERS + CASES), {"case_id": case_id, "count": count - 1})


@asynccontextmanager
async def what_is_read(tx: Transaction) -> AsyncIterator[list[int]]:
    """How much of the table of cases is read: its rows in PostgreSQL, and in SQLite hundreds of steps."""
    assert tx.session
    counted: list[int] = []
    if tx.dialect.name == "sqlite":
        steps = itertools.count()
        await tx.session.driver.set_progress_handler(lambda: next(steps) and None, 100)
        yield counted
        await tx.session.driver.set_progress_handler(None, 0)
        counted.append(next(steps))
        return
    query = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'cases'"
    before = (await tx.execute(sa.text(query))).scalar_one()
    yield counted
    counted.append((await tx.execute(sa.text(query))).scalar_one() - before)


@pytest.mark.parametrize("group", [None, "Auto"])
@pytest.mark.parametrize("number", [2, 3])
async def test_several_campaigns_read_no_more_than_one(
    office: Office, database_url: str, group: str | None, number: int
) -> None:
    """However many cases of other campaigns come before theirs, with plans that are kept and none that is made."""
    store = Store(database_url, patience=30)
    async with store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await add_statuses(tx, firm, [(StatusType.CAMPAIGN, name) for name in ("Third", "Fourth")])
    firm = await office.firm()
    campaigns = firm.statuses.of(StatusType.CAMPAIGN)
    await fill(store, office, 1, 40_000, campaigns[0].name, days=9)
    for place in range(1, 4):
        await fill(store, office, place * 100_000, 400, campaigns[place].name, days=place)
    one, several = (DueFilter(tuple(c.id for c in campaigns[1 : 1 + n]), group, 50) for n in (1, number))
    counts: dict[DueFilter, list[int]] = {one: [], several: []}
    for wanted, read in counts.items():
        async with store.write() as tx:
            async with what_is_read(tx) as counted:
                assert len(await queues.due(tx, firm, wanted, NOW)) == 50
            async with what_is_read(tx) as claimed:
                [(taken, _)] = await claim(tx, claimant(firm, wanted))
            assert len(taken) == 50
            assert {case.campaign_id for case in taken} == {
                campaigns[number].id if wanted is several else one.campaign_ids[0]
            }
            read += counted + claimed
    await store.close()
    assert all(ours <= 2 * its + 50 for ours, its in zip(counts[several], counts[one], strict=True)), counts


async def test_several_campaigns_have_one_order(store: Store, office: Office) -> None:
    """By dial time and CaseID over all of them; passed over is what another claim holds, and what is due later."""
    firm = await office.firm()
    first, second = firm.statuses.of(StatusType.CAMPAIGN)[:2]
    both = DueFilter((first.id, second.id), None, 4)
    for case_id in range(1, 9):
        campaign = (first, second)[case_id % 2].name
        await office.add(
            case_id, campaign=campaign, dial_at=NOW - timedelta(days=case_id // 3), case_group="AB"[case_id % 3 == 0]
        )
    await office.add(9, campaign=first.name, dial_at=NOW + timedelta(seconds=1))
    in_order = [6, 7, 8, 3, 4, 5, 1, 2]
    async with store.read() as tx:
        assert [case.case_id for case in await queues.due(tx, firm, replace(both, records=9), NOW)] == in_order
        found = await queues.due(tx, firm, replace(both, records=9, case_group="b"), NOW)
        assert [case.case_id for case in found] == [6, 3]
        page = await queues.due(tx, firm, both, NOW)
        assert [case.case_id for case in await queues.due(tx, firm, replace(both, after=page[-1]), NOW)] == in_order[4:]
    if store.dialect.name == "postgresql":
        async with store.write() as holding:
            await cases.lock(holding, firm, [6, 8])
            assert await claimed(store, firm, 4, both) == [[7, 3, 4, 5]]
        assert await claimed(store, firm, 9, both) == [[6, 8, 1, 2]]
    else:
        assert await claimed(store, firm, 3, both, both) == [[6, 7, 8], [3, 4, 5]]


@IN_POSTGRESQL
async def test_several_campaigns_begin_at_a_head(store: Store, office: Office, snapshot_is_held: None) -> None:
    firm = await office.firm()
    both = DueFilter(tuple(status.id for status in firm.statuses.of(StatusType.CAMPAIGN)[:2]), None, 0)
    for case_id in (11, 12, 13, 14):
        campaign = firm.statuses.of(StatusType.CAMPAIGN)[case_id % 2].name
        await office.add(case_id, campaign=campaign, dial_at=NOW - timedelta(days=10))
    assert await claimed(store, firm, 1, both, both) == [[11], [12]]
    await office.add(1, dial_at=NOW - timedelta(days=20))
    assert await claimed(store, firm, 2, both) == [[13, 14]]
    assert await claimed(store, firm, 2, both) == [[1]]


@IN_POSTGRESQL
async def test_a_look_begins_where_the_last_one_found_something(
    store: Store, office: Office, snapshot_is_held: None
) -> None:
    """So claims do that go through the list page by page: by calling rules, priorities or a do-not-call list."""
    firm = await office.firm()
    for case_id in (11, 12):
        await office.add(case_id, dial_at=NOW - timedelta(days=10))

    async def look() -> list[int]:
        async with store.read() as tx:
            return [case.case_id for case in await queues.due(tx, firm, ALL, NOW)]

    assert await look() == [11, 12]
    await office.add(1, dial_at=NOW - timedelta(days=20))
    assert await look() == [11, 12]
    async with store.write() as tx:
        await tx.execute(cases_table.update().where(cases_table.c.case_id > 10).values(dialer_role=2))
    assert await look() == [1]  # nobody goes without for the sake of a head
