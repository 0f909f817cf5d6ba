"""Calling rules at work: what a claim gives out, what it holds back, and that an explanation says the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases as cases_table
from casedial.database.tables import claims as claims_table
from casedial.domain.calling import outside_hours
from casedial.domain.cases import Case, Phone
from casedial.domain.claims import Claim
from casedial.domain.dialing import CaseUpdate, DialQuery
from casedial.domain.firms import Caller
from casedial.domain.rules import Ban, Override, Purpose
from casedial.domain.statuses import Role, StatusType
from casedial.rules import load, week
from casedial.service import claiming, dialing, judging, preflights
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from casedial.service.operations import holding_back
from casedial.service.operations.sweeping import Sweeper
from casedial.storage import cases, firms, forgetting, queues, rules
from casedial.storage.queues import Sight
from tests.conftest import NOW, Office, vendor
from tests.statements import listening

CAMPAIGN = "Intake follow-up"
MORNING = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)  # a Tuesday: 8:30 in New York, 5:30 in Los Angeles
NEW_YORK = {"zip_code": "10001", "phones": (Phone("Cell", "212555{:04}", True),)}
LOS_ANGELES = {"zip_code": "90012", "phones": (Phone("Cell", "213555{:04}", True),)}


async def decide(office: Office, **change: Any) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm, campaign = await set_campaign(tx, firm, CAMPAIGN, CampaignChange(**change))
    await holding_back.release_held_back(office.store, firm.id, campaign.id)


async def caller(office: Office) -> Caller:
    return Caller(await office.firm(), vendor("Acme Dialer", 1))


async def claim(office: Office, now: datetime, records: int = 100, auto_change: bool = True) -> list[Case]:
    found, _ = await claim_whole(office, now, records, auto_change)
    return found


async def claim_whole(
    office: Office, now: datetime, records: int = 100, auto_change: bool = True
) -> tuple[list[Case], Claim | None]:
    query = DialQuery(CAMPAIGN, None, records, auto_change)
    async with office.store.write() as tx:
        found = await dialing.get_cases_to_dial(tx, await caller(office), query, now)
    await holding_back.hold_back_met(office.store, now)  # as a server does
    return found


def ids(found: Sequence[Case]) -> list[int]:
    return [case.case_id for case in found]


async def held_back(office: Office) -> dict[int, datetime]:
    async with office.store.read() as tx:
        query = sa.select(cases_table.c.case_id, cases_table.c.held_back_until).where(cases_table.c.dialer_role == 4)
        return {row.case_id: row.held_back_until for row in await tx.execute(query)}


async def test_without_a_purpose_the_plain_specification_stands(office: Office) -> None:
    await office.add(1, **LOS_ANGELES)
    assert ids(await claim(office, MORNING)) == [1]


async def test_only_what_may_be_called_now_is_claimed(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **LOS_ANGELES, dial_at=NOW - timedelta(days=9))
    await office.add(2, **NEW_YORK)
    assert ids(await claim(office, MORNING, auto_change=False)) == [2]
    assert await held_back(office) == {}  # a read changes nothing
    assert ids(await claim(office, MORNING)) == [2]
    opens = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)  # 8:00 in Los Angeles
    assert await held_back(office) == {1: opens}
    assert await office.role(1) is Role.TO_DIAL
    for at, count in ((opens - timedelta(seconds=1), 0), (opens, 1)):
        assert await holding_back.let_go(office.store, at) == count
    assert ids(await claim(office, opens)) == [1]


async def test_a_phone_that_may_not_be_called_is_left_out(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    phones = (Phone("Work", "2135550102", True), Phone("Cell", "2125550101"), Phone("Fax", "2125550103"))
    await office.add(1, zip_code="10001", phones=phones)
    [case] = await claim(office, MORNING)
    assert [phone.name for phone in case.phones] == ["Cell"]
    assert len((await office.case(1)).phones) == 3


async def test_what_stands_behind_many_closed_cases_is_found(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_AT_ONCE", 5)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 31):
        await office.add(case_id, **LOS_ANGELES)
    for case_id in range(31, 36):
        await office.add(case_id, **NEW_YORK)
    assert ids(await claim(office, MORNING, 3, auto_change=False)) == [31, 32, 33]
    assert ids(await claim(office, MORNING, 3)) == [31, 32, 33]
    assert len(await held_back(office)) == 30
    assert ids(await claim(office, MORNING, 3)) == [34, 35]


async def test_one_request_looks_at_a_bounded_number(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_AT_ONCE", 5)
    monkeypatch.setattr(claiming, "_MOST", 10)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 16):
        await office.add(case_id, **LOS_ANGELES)
    await office.add(16, **NEW_YORK)
    assert ids(await claim(office, MORNING, 1)) == []
    assert ids(await claim(office, MORNING, 1)) == [16]  # the next goes on where this one ended


async def test_a_sweep_holds_back_the_head_of_the_list(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 21):
        await office.add(case_id, **(NEW_YORK if case_id % 10 == 0 else LOS_ANGELES))
    sweeper = Sweeper()
    assert await sweeper.sweep(office.store, MORNING) == 18
    assert await sweeper.sweep(office.store, MORNING) == 0
    assert ids(await claim(office, MORNING)) == [10, 20]


async def test_a_change_of_a_held_case_is_looked_at_anew(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **LOS_ANGELES)
    await claim(office, MORNING)
    assert 1 in await held_back(office)
    async with office.store.write() as tx:
        await dialing.update_case_status(tx, await caller(office), [CaseUpdate(1, "Do not Dial")], MORNING)
    assert await held_back(office) == {}
    assert await office.role(1) is Role.DO_NOT_DIAL


async def test_a_ban_counts_at_once_and_until_it_is_lifted(office: Office) -> None:
    await decide(office, purpose=Purpose.CONSENTED)
    await office.add(1, **NEW_YORK)
    noon = MORNING + timedelta(hours=4)
    async with office.store.write() as tx:
        ban_id = await rules.add_ban(tx, Ban("NY", noon + timedelta(days=3), "storm"), MORNING)
    assert await claim(office, noon) == []
    async with office.store.write() as tx:
        assert await rules.lift_ban(tx, ban_id, noon)
        await firms.change_all(tx)
    await holding_back.release_held_back(office.store)
    assert ids(await claim(office, noon)) == [1]


async def test_a_paused_campaign_gives_out_nothing(office: Office) -> None:
    await office.add(1, **NEW_YORK)
    await office.add(2, **NEW_YORK, campaign="Notification campaign")
    await decide(office, paused=True)
    assert await claim(office, MORNING) == []
    async with office.store.write() as tx:  # without a campaign, all others go on
        every, _ = await dialing.get_cases_to_dial(tx, await caller(office), DialQuery(None, None, 9, True), MORNING)
    assert ids(every) == [2]
    await decide(office, paused=False)
    assert ids(await claim(office, MORNING)) == [1]


async def test_hours_of_a_campaign(office: Office) -> None:
    await office.add(1, **NEW_YORK)
    narrower = Override(week({"mon-fri": "10:00-18:00", "sat-sun": None}))
    await decide(office, purpose=Purpose.CLIENT, hours=[narrower])
    assert await claim(office, MORNING) == []
    wider = Override(week({"daily": "05:00-23:00"}), wider=True, reason="asked for early calls")
    await decide(office, hours=[wider])
    assert ids(await claim(office, MORNING - timedelta(hours=3))) == [1]


async def test_the_evidence_of_a_claim_is_kept_and_forgotten_with_the_case(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in (1, 2):
        await office.add(case_id, **NEW_YORK)
    _, made = await claim_whole(office, MORNING)
    assert made
    async with office.store.read() as tx:
        kept = (await tx.execute(sa.select(claims_table.c.evidence))).scalar_one()
    [phone] = kept["1"]
    assert (phone["phone"], phone["place"]) == ("Cell", "NY|America/New_York")
    assert phone["rules"] == load().version
    assert "08:30 in 08:00-21:00 (47 CFR 64.1200" in phone["hours"]
    firm = await office.firm()
    async with office.store.write() as tx:
        await forgetting.delete(tx, firm.id, 1)
        await forgetting.take_from_claims(tx, firm.id, [made.id], [1])
        assert set((await tx.execute(sa.select(claims_table.c.evidence))).scalar_one()) == {"2"}


ZIPS = ("10001", "90012", "68046", "86001", "96813", "35004", "00901", "86515", "09001", "", "not a ZIP")
AREAS = ("212", "213", "402", "928", "808", "205", "787", "671", "800", "416")


async def test_a_claim_and_an_explanation_never_disagree(office: Office) -> None:
    """Random cases of both campaigns, at random instants, both sides of the changes of the clock."""
    chance = random.Random(7)
    purposes = {CAMPAIGN: Purpose.SOLICITATION, "Notification campaign": Purpose.DEBT}
    async with office.store.write() as tx:
        for name, purpose in purposes.items():
            firm = await open_firm(tx, office.name, lock=True)
            await set_campaign(tx, firm, name, CampaignChange(purpose=purpose))
    for case_id in range(1, 201):
        numbers = [f"{chance.choice(AREAS)}555{case_id:04}" for _ in range(chance.randrange(0, 3))]
        phones = tuple(Phone(f"Phone {n}", number, n == 0) for n, number in enumerate(numbers))
        campaign = chance.choice((*purposes, None))
        await office.add(case_id, zip_code=chance.choice(ZIPS), phones=phones, campaign=campaign)
    for day in (
        datetime(2026, 3, 7, tzinfo=UTC),
        datetime(2026, 10, 31, tzinfo=UTC),
        datetime(2026, 12, 24, tzinfo=UTC),
    ):
        for _ in range(6):
            now = day + timedelta(minutes=chance.randrange(3 * 24 * 60))
            await agree(office, now)


async def agree(office: Office, now: datetime) -> None:
    firm = await office.firm()
    async with office.store.read() as tx:
        every = [case for n in range(1, 201) if (case := await cases.fetch(tx, firm, n))]
        verdicts = {case.case_id: await judging.explain(tx, firm, case, now) for case in every}
        listed, _ = await dialing.get_cases_to_dial(tx, await caller(office), DialQuery(None, None, 500, False), now)
        in_force = await judging.rules_now(tx, now)
    may = {case_id: list(verdict.allowed) for case_id, verdict in verdicts.items() if verdict.callable}
    assert {case.case_id: list(case.phones) for case in listed} == may
    for verdict in verdicts.values():
        assert verdict.callable == (verdict.next_at == now)
    quick = {case.case_id: found for case in every if (found := outside_hours(firm, case, now, in_force))}
    assert quick.keys().isdisjoint(may)
    assert {case_id: found.next_at for case_id, found in quick.items()} == {n: verdicts[n].next_at for n in quick}
    ruled = {case_id for case_id, verdict in verdicts.items() if verdict.rules_apply}
    assert quick.keys() | may.keys() >= ruled, "nothing but hours holds them back, so it is seen at a glance"


async def test_preflight_counts_what_holds_cases_back(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in (1, 2, 3):
        await office.add(case_id, **LOS_ANGELES)
    await office.add(4, **NEW_YORK)
    await office.add(5, zip_code="10001", phones=(Phone("Fax", "2125550101"),))
    await claim(office, MORNING, 1)  # holds some back, which are counted all the same
    await office.add(6, **NEW_YORK, campaign=None)
    await office.add(7, **NEW_YORK, dial_at=MORNING + timedelta(days=1))
    firm = await office.firm()
    async with office.store.read() as tx:
        found = await preflights.preflight(tx, firm, None, MORNING)
        one = await preflights.preflight(tx, firm, [firm.statuses.named(StatusType.CAMPAIGN, CAMPAIGN).id], MORNING)
    assert (found.due, found.callable) == (5, 1)
    assert found.held_back == dict.fromkeys(preflights.HELD_BACK, 0) | {"no phone": 1, "hours": 3}
    assert found.by_hour == {datetime(2026, 11, 24, 16, 0, tzinfo=UTC): 3}
    assert (one.due, one.callable) == (4, 0)


async def test_a_swept_list_costs_a_claim_no_more(office: Office) -> None:
    """Statements are counted, for they do not depend on the machine: 19 of 20 cases are closed."""
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 401):
        await office.add(case_id, **(NEW_YORK if case_id % 20 == 0 else LOS_ANGELES))
    sweeper = Sweeper()
    while await sweeper.sweep(office.store, MORNING):
        pass
    query = DialQuery(CAMPAIGN, None, 5, True)
    who = await caller(office)
    async with office.store.write() as tx:
        with listening() as asked:
            found, _ = await dialing.get_cases_to_dial(tx, who, query, MORNING)
    assert len(found) == 5
    # Bans, due; numbers in use and calls before the lock and after it; lock, reserve, clock, move, record, claim.
    assert len(asked) <= 12


@pytest.mark.parametrize("database", ["postgresql"])  # SQLite has one writer
async def test_claims_side_by_side_get_what_there_is(office: Office) -> None:
    """Each takes what it gives out, and leaves the rest to the others, in order; a sweep takes nothing."""
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 101):
        await office.add(case_id, **NEW_YORK)
    who = await caller(office)
    query = DialQuery(CAMPAIGN, None, 25, True)
    taken = []
    async with office.store.write() as one, office.store.write() as two, office.store.write() as three:
        for tx in (one, two):
            found, _ = await dialing.get_cases_to_dial(tx, who, query, MORNING)
            taken.append(ids(found))
        assert await Sweeper().sweep(office.store, MORNING) == 0
        taken.append(ids((await dialing.get_cases_to_dial(three, who, query, MORNING))[0]))
    assert taken == [list(range(1, 26)), list(range(26, 51)), list(range(51, 76))]


async def test_nothing_is_held_back_by_what_was_decided_otherwise_since(office: Office) -> None:
    """A claim that began before, and writes after, the decision that lets its cases through."""
    await decide(office, paused=True)
    for case_id in (1, 2):
        await office.add(case_id, **NEW_YORK)
    before = await caller(office)
    await decide(office, paused=False)
    async with office.store.write() as tx:
        found, _ = await dialing.get_cases_to_dial(tx, before, DialQuery(CAMPAIGN, None, 9, True), MORNING)
    await holding_back.hold_back_met(office.store, MORNING)
    assert found == []
    assert await held_back(office) == {}
    assert ids(await claim(office, MORNING)) == [1, 2]


async def test_looking_again_meets_each_case_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding_back, "_PAGE", 10)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 36):
        await office.add(case_id, **LOS_ANGELES)
    await Sweeper().sweep(office.store, MORNING)
    assert len(await held_back(office)) == 35
    firm = await office.firm()
    await holding_back.release_held_back(office.store, firm.id + 1)
    assert len(await held_back(office)) == 35
    await holding_back.release_held_back(office.store, firm.id)
    assert await held_back(office) == {}


async def test_a_case_is_looked_at_again_within_half_a_day(office: Office) -> None:
    """Whatever it was held back by, and whoever was cut off before letting it go."""
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    async with office.store.write() as tx:
        await rules.add_ban(tx, Ban("NY", MORNING + timedelta(days=50), "storm"), MORNING)
    await claim(office, MORNING)
    assert await held_back(office) == {1: MORNING + timedelta(hours=12)}


async def test_a_read_goes_to_the_end_of_the_list(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_AT_ONCE", 5)
    monkeypatch.setattr(claiming, "_MOST", 10)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 31):
        await office.add(case_id, **LOS_ANGELES)
    await office.add(31, **NEW_YORK)
    assert ids(await claim(office, MORNING, 1, auto_change=False)) == [31]


async def test_a_number_abroad_is_nowhere_in_the_states(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, zip_code="", phones=(Phone("Cell", "+47 22 12 34 56", True),))
    firm, case = await office.firm(), await office.case(1)
    async with office.store.read() as tx:
        verdict = await judging.explain(tx, firm, case, MORNING)
    assert not verdict.phones[0].place.is_known


async def test_a_case_moved_between_reading_and_taking_is_not_given_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    other = (await office.firm()).statuses.named(StatusType.CAMPAIGN, "Notification campaign")
    look = queues.look

    async def moved_meanwhile(tx: Transaction, *arguments: Any) -> list[Sight]:
        found = await look(tx, *arguments)
        await tx.execute(cases_table.update().values(campaign_id=other.id))
        return found

    monkeypatch.setattr(queues, "look", moved_meanwhile)
    assert await claim(office, MORNING) == []


@pytest.mark.parametrize("database", ["postgresql"])
async def test_what_others_hold_does_not_count_as_looked_at(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_MOST", 20)
    monkeypatch.setattr(claiming, "_AT_ONCE", 5)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 61):
        await office.add(case_id, **NEW_YORK)
    who, query = await caller(office), DialQuery(CAMPAIGN, None, 20, True)
    async with office.store.write() as one, office.store.write() as two:
        assert len((await dialing.get_cases_to_dial(one, who, query, MORNING))[0]) == 20
        assert len((await dialing.get_cases_to_dial(two, who, query, MORNING))[0]) == 20
