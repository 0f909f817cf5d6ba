"""How often somebody is called: limits, the gap between two calls, numbers in open claims, who opts out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.tables import calls as calls_table
from casedial.database.tables import claims as claims_table
from casedial.domain.calling import Verdict
from casedial.domain.cases import Phone
from casedial.domain.dialing import CaseUpdate, DialQuery
from casedial.domain.limits import LOOK_BACK, own_limit
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Flag, Role, StatusType
from casedial.service import dialing, do_not_call, judging
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from casedial.service.operations import holding_back
from casedial.service.statuses import flag_status
from casedial.storage import calls, firms
from tests.conftest import Office
from tests.service.test_calling import CAMPAIGN, NEW_YORK, caller, claim, decide, held_back, ids

NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)  # a Tuesday, in New York
HOUR = timedelta(hours=1)
OTHER = "Notification campaign"
SHARED = {"zip_code": "10001", "phones": (Phone("Cell", "2125550100", True),)}


async def report(office: Office, case_id: int, now: datetime, **said: Any) -> None:
    async with office.store.write() as tx:
        outcomes, _ = await dialing.update_case_status(tx, await caller(office), [CaseUpdate(case_id, **said)], now)
    assert outcomes == [None]


async def explain(office: Office, case_id: int, now: datetime) -> Verdict:
    firm, case = await office.firm(), await office.case(case_id)
    async with office.store.read() as tx:
        return await judging.explain(tx, firm, case, now)


async def failed(office: Office, case_id: int, now: datetime) -> list[str]:
    return [check.name for check in (await explain(office, case_id, now)).checks if not check.passed]


async def call(office: Office, case_id: int, now: datetime, disposition: str = "No Answer") -> None:
    """Claim a case, which must be the next, and report that it was dialed; it is due again at once."""
    assert ids(await claim(office, now, 1)) == [case_id]
    await report(office, case_id, now, status="To Dial", next_call=now, disposition=disposition)


async def made(office: Office) -> list[tuple[str, int, bool]]:
    async with office.store.read() as tx:
        rows = await tx.execute(calls_table.select().order_by(calls_table.c.id))
        return [(row.number, row.case_id, row.conversation) for row in rows]


async def test_a_limit_of_the_rules_is_kept(office: Office) -> None:
    """Florida: three in 24 hours."""
    await decide(office, purpose=Purpose.SOLICITATION)
    await office.add(1, zip_code="33101", phones=(Phone("Cell", "3055550101", True),))
    for times in range(3):
        await call(office, 1, NOON + times * HOUR)
    assert await claim(office, NOON + 3 * HOUR) == []
    verdict = await explain(office, 1, NOON + 3 * HOUR)
    assert [check.name for check in verdict.checks if not check.passed] == ["how often"]
    [deferral] = [found for found in verdict.phones[0].deferred if found.limit.of_case]
    said = deferral.words((await office.firm()).local)
    last = "2026-11-24T13:00:00 (America/Chicago)"
    assert said == f"at most 3 in 24h (Fla. Stat. 501.616(6)); the last was at {last}"
    assert verdict.next_at == NOON + timedelta(days=1)
    assert await held_back(office) == {1: min(verdict.next_at, NOON + 15 * HOUR)}
    assert await holding_back.let_go(office.store, NOON + timedelta(days=1)) == 1
    await call(office, 1, NOON + timedelta(days=1))


async def test_a_debt_rests_after_a_conversation(office: Office) -> None:
    await decide(office, purpose=Purpose.DEBT)
    await office.add(1, **NEW_YORK)
    await call(office, 1, NOON, "Successful")
    for days, callable_then in ((6, False), (7, True)):
        assert (await explain(office, 1, NOON + timedelta(days=days))).callable is callable_then


async def test_limits_of_a_campaign_count_per_case_and_per_number(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, limits=[own_limit(2, timedelta(hours=24))])
    await office.set(min_gap=0)
    await office.add(1, **SHARED)
    await office.add(2, **SHARED, dial_at=NOON - HOUR)
    await call(office, 1, NOON)
    await call(office, 2, NOON + HOUR)
    assert await claim(office, NOON + 2 * HOUR) == []  # twice the number
    await office.add(3, zip_code="10001", phones=(Phone("Cell", "2125550103"), Phone("Work", "2125550104")))
    await call(office, 3, NOON + 2 * HOUR)
    assert [number for number, case_id, _ in await made(office) if case_id == 3] == ["2125550103", "2125550104"]
    assert (await explain(office, 3, NOON + 3 * HOUR)).callable  # once the case, at two numbers
    await decide(office, limits=[])
    assert ids(await claim(office, NOON + 4 * HOUR, 1)) == [1]


async def test_two_calls_of_a_number_lie_apart_across_cases_and_campaigns(office: Office) -> None:
    for name in (CAMPAIGN, OTHER):
        async with office.store.write() as tx:
            firm = await open_firm(tx, office.name, lock=True)
            await set_campaign(tx, firm, name, CampaignChange(purpose=Purpose.CLIENT))
    await office.add(1, **SHARED)
    await office.add(2, **SHARED, campaign=OTHER)
    await call(office, 1, NOON)
    quarter = timedelta(minutes=15)
    assert not (await explain(office, 2, NOON + quarter - timedelta(seconds=1))).callable
    assert (await explain(office, 2, NOON + quarter)).callable
    await office.set(min_gap=3600)
    assert (await explain(office, 2, NOON + quarter)).next_at == NOON + HOUR


async def test_a_number_is_in_one_open_claim(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.set(min_gap=0)
    await office.add(1, **SHARED)
    await office.add(2, zip_code="10001", phones=(*SHARED["phones"], Phone("Work", "2125550199")))
    await office.add(3, **SHARED)
    listed = await claim(office, NOON, auto_change=False)
    assert [(case.case_id, [phone.name for phone in case.phones]) for case in listed] == [(1, ["Cell"]), (2, ["Work"])]
    assert ids(await claim(office, NOON)) == [1, 2]
    assert await failed(office, 3, NOON) == ["in use"]
    assert (await explain(office, 3, NOON)).next_at is None
    assert await claim(office, NOON) == []
    assert await held_back(office) == {3: NOON + timedelta(seconds=30)}  # not longer: a call may end at any time
    await report(office, 1, NOON, status="Do not Dial")
    assert await failed(office, 3, NOON) == ["in use"]  # case 2 has the number, too
    await report(office, 2, NOON, status="Do not Dial")
    assert await holding_back.let_go(office.store, NOON + timedelta(seconds=30)) == 1
    assert ids(await claim(office, NOON + timedelta(seconds=30))) == [3]


async def test_without_a_purpose_numbers_are_handed_out_as_they_come(office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id, **SHARED)
    assert ids(await claim(office, NOON)) == [1, 2]


@pytest.mark.parametrize("database", ["postgresql"])  # SQLite has one writer
async def test_claims_side_by_side_never_share_a_number(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 41):
        await office.add(case_id, zip_code="10001", phones=(Phone("Cell", f"21255501{case_id % 20:02}", True),))
    who, query = await caller(office), DialQuery(CAMPAIGN, None, 2, True)
    given: list[str] = []

    async def dialer() -> None:
        for _ in range(10):
            async with office.store.write() as tx:
                found, _ = await dialing.get_cases_to_dial(tx, who, query, NOON)
            given.extend(phone.number for case in found for phone in case.phones)

    await asyncio.gather(*(dialer() for _ in range(4)))
    assert len(given) == len(set(given))
    assert len(given) == 20


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_claim_that_is_not_over_yet_keeps_its_numbers(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in (1, 2):
        await office.add(case_id, **SHARED)
    who, query = await caller(office), DialQuery(CAMPAIGN, None, 1, True)
    async with office.store.write() as one:
        assert ids((await dialing.get_cases_to_dial(one, who, query, NOON))[0]) == [1]
        async with office.store.write() as two:
            assert ids((await dialing.get_cases_to_dial(two, who, query, NOON))[0]) == []
    assert 2 not in await held_back(office)  # nobody knows yet


async def test_the_same_said_again_is_one_call(office: Office) -> None:
    await office.add(1, **NEW_YORK)
    await claim(office, NOON)
    await report(office, 1, NOON, disposition="No Answer", attempts="1")
    await report(office, 1, NOON, disposition="No Answer", attempts="1")
    await report(office, 1, NOON + HOUR, status="To Dial", disposition="No Answer")
    await report(office, 1, NOON + HOUR, status="To Dial", disposition="No Answer")  # a reply was lost, perhaps
    assert len(await made(office)) == 1
    await report(office, 1, NOON + HOUR, disposition="No Answer", attempts="2")
    await report(office, 1, NOON + 2 * HOUR, disposition="No Answer")
    assert len(await made(office)) == 3


async def test_only_what_was_handed_out_counts(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    phones = (Phone("Work", "2135550102", True), Phone("Cell", "2125550101"))
    early = NOON - timedelta(hours=3, minutes=30)  # 5:30 in Los Angeles
    await office.add(1, zip_code="10001", phones=phones)
    [case] = await claim(office, early)
    assert [phone.name for phone in case.phones] == ["Cell"]
    await report(office, 1, early, disposition="Busy")
    assert await made(office) == [("2125550101", 1, False)]
    await report(office, 1, early + HOUR, disposition="Never Dialed")
    assert len(await made(office)) == 1


async def test_who_opts_out_is_called_by_no_case_any_more(office: Office) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "Successful", {Flag.ATTEMPT, Flag.OPT_OUT})
    await office.add(1, **SHARED)
    await office.add(2, **SHARED)
    await claim(office, NOON, 1)
    await report(office, 1, NOON, disposition="Successful")
    assert await office.role(1) is Role.DO_NOT_DIAL
    assert (await office.changes(1))[-1].reason == "nothing is left to dial for: Successful"
    firm = await office.firm()
    assert firm.has_do_not_call
    async with office.store.read() as tx:
        listed = await do_not_call.concerning(tx, firm, [await office.case(2)])
    assert listed.numbers["2125550100"].source == "opted out: Successful"
    assert await claim(office, NOON) == []
    await report(office, 2, NOON, status="To Dial")
    assert await office.role(2) is Role.DO_NOT_DIAL


async def test_a_final_disposition_ends_the_dialing_unless_the_dialer_says_otherwise(office: Office) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "Successful", {Flag.ATTEMPT, Flag.CONVERSATION, Flag.FINAL})
    for case_id in (1, 2):
        await office.add(case_id, **NEW_YORK)
    await claim(office, NOON)
    await report(office, 1, NOON, disposition="Successful")
    await report(office, 2, NOON, disposition="Successful", status="To Dial", next_call=NOON + HOUR)
    assert [await office.role(n) for n in (1, 2)] == [Role.DO_NOT_DIAL, Role.TO_DIAL]


async def test_an_import_with_dispositions_is_no_call(office: Office) -> None:
    await office.add(1, **NEW_YORK, disposition="No Answer")
    assert await made(office) == []


async def test_calls_are_forgotten_when_no_limit_counts_them(office: Office) -> None:
    await office.add(1, **NEW_YORK)
    await report(office, 1, NOON, disposition="No Answer")
    for at, count in ((NOON + LOOK_BACK - HOUR, 0), (NOON + LOOK_BACK, 1)):
        async with office.store.write() as tx:
            assert await calls.forget(tx, at, 100) == count


async def test_the_evidence_of_a_claim_tells_the_calls_before(office: Office) -> None:
    await decide(office, purpose=Purpose.SOLICITATION)
    await office.add(1, zip_code="33101", phones=(Phone("Cell", "3055550101", True),))
    await call(office, 1, NOON)
    await claim(office, NOON + HOUR)
    case = await office.case(1)
    assert case.hold
    async with office.store.read() as tx:
        query = sa.select(claims_table.c.evidence).where(claims_table.c.id == case.hold.claim_id)
        [phone] = (await tx.execute(query)).scalar_one()["1"]
    assert phone["calls"].startswith("1 call, at most 3 in 24h (Fla. Stat. 501.616(6))")


async def test_a_claim_and_an_explanation_agree_about_calls(office: Office) -> None:
    """Thirty cases that share ten numbers, called at random."""
    await decide(office, purpose=Purpose.CLIENT, limits=[own_limit(2, timedelta(hours=6))], rest=timedelta(hours=20))
    for case_id in range(1, 31):
        await office.add(case_id, zip_code="10001", phones=(Phone("Cell", f"212555010{case_id % 10}", True),))
    now = NOON
    for turn in range(12):
        now += timedelta(minutes=37)
        await holding_back.let_go(office.store, now)
        verdicts = {n: await explain(office, n, now) for n in range(1, 31)}
        may = {n for n, verdict in verdicts.items() if verdict.callable}
        found = ids(await claim(office, now, 4))
        assert set(found) <= may
        numbers = [n % 10 for n in found]
        assert len(numbers) == len(set(numbers))
        assert len(found) == min(4, len({n % 10 for n in may}))
        for n in found:
            said = "Successful" if n % 3 == 0 else "Busy"
            await report(office, n, now, status="To Dial", next_call=now, disposition=said)
        assert all((v.next_at == now) is v.callable for v in verdicts.values()), turn


async def test_flags_are_as_the_names_say_until_they_are_set(office: Office) -> None:
    firm = await office.firm()
    flags = {status.name: set(status.flags) for status in firm.statuses.of(StatusType.DISPOSITION)}
    assert flags.pop("Never Dialed") == set()
    assert flags.pop("Successful") == {Flag.ATTEMPT, Flag.CONVERSATION}
    assert flags == {name: {Flag.ATTEMPT} for name in ("Busy", "No Answer", "Answering Machine")}
    assert not any(status.flags for status in firm.statuses.of(StatusType.CAMPAIGN))
    async with office.store.write() as tx:  # as a casedial that knows no flags adds one
        await tx.execute(sa.text("UPDATE statuses SET flags = NULL"))
        await firms.change(tx, firm.id)
    assert (await office.firm()).statuses.all == firm.statuses.all
