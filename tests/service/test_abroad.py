"""Numbers of other countries: never taken for US numbers, and called under a purpose only where a campaign says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from casedial.domain.calling import Listing, Verdict, evidence
from casedial.domain.cases import Phone
from casedial.domain.phones import listed_numbers
from casedial.domain.rules import Ban, Override, Purpose
from casedial.domain.weeks import week
from casedial.service import do_not_call, judging
from casedial.service.firms import open_firm
from casedial.service.operations import holding_back
from casedial.storage import calls, rules
from tests.conftest import Office
from tests.service.test_calling import claim, decide, held_back, ids
from tests.service.test_how_often import report

NOON = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)  # a Tuesday, in Chicago, where the firm is
SINGAPORE = (Phone("Cell", "+65 9234 5678", True),)
ALABAMA = (Phone("Cell", "659-234-5678", True),)  # the same digits
HOUR = timedelta(hours=1)


async def explained(office: Office, case_id: int, now: datetime = NOON) -> Verdict:
    firm, case = await office.firm(), await office.case(case_id)
    async with office.store.read() as tx:
        return await judging.explain(tx, firm, case, now)


async def test_a_campaign_with_a_purpose_calls_the_us_only(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, phones=SINGAPORE, zip_code="35004")
    await office.add(2, phones=(Phone("Cell", "+47 22 12 34 56"), Phone("Home", "205-555-0101")), zip_code="35004")
    found = await claim(office, NOON)
    assert [(case.case_id, [phone.name for phone in case.phones]) for case in found] == [(2, ["Home"])]
    assert await held_back(office) == {1: NOON + timedelta(hours=12)}
    verdict = await explained(office, 1)
    assert [check.name for check in verdict.checks if not check.passed] == ["abroad"]
    assert (verdict.next_at, verdict.phones[0].not_dialed) == (
        None,
        "the number is abroad, and the campaign calls only the US",
    )
    await decide(office, abroad=True)  # which lets go what was held back
    assert ids(await claim(office, NOON)) == [1]


async def test_it_is_called_at_any_time_or_in_the_campaigns_own_hours_on_the_firms_clock(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, abroad=True)
    await office.add(1, phones=SINGAPORE, zip_code="35004")
    night = NOON + 14 * HOUR
    assert (await explained(office, 1, night)).callable
    own = Override(week({"mon-fri": "10:00-18:00", "sat-sun": None}))
    await decide(office, hours=[own])
    verdict = await explained(office, 1, night)
    assert (verdict.callable, verdict.next_at) == (False, datetime(2026, 11, 25, 16, 0, tzinfo=UTC))
    assert await claim(office, night) == []
    assert await held_back(office) == {1: verdict.next_at}
    verdict = await explained(office, 1)
    assert verdict.callable
    [kept] = evidence(verdict) or []
    assert (kept["place"], kept["purpose"]) == ("abroad|America/Chicago", "client")
    assert "abroad, America/Chicago: Tue 12:00 in 10:00-18:00 (hours set by the campaign)" in kept["hours"]


async def test_a_ban_on_all_states_stops_it_and_one_on_a_state_does_not(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, abroad=True)
    await office.add(1, phones=SINGAPORE, zip_code="35004")
    async with office.store.write() as tx:
        await rules.add_ban(tx, Ban("AL", NOON + HOUR, "storm"), NOON)
    assert (await explained(office, 1)).callable
    async with office.store.write() as tx:
        await rules.add_ban(tx, Ban("", NOON + HOUR, "outage"), NOON)
    assert not (await explained(office, 1)).callable


async def test_the_same_digits_at_home_and_abroad_are_two_numbers(office: Office) -> None:
    """One is not in use with the other, its calls do not count for the other, and a list that has one has not both."""
    await decide(office, purpose=Purpose.CLIENT, abroad=True)
    await office.add(1, phones=SINGAPORE, zip_code="35004")
    await office.add(2, phones=ALABAMA, zip_code="35004")
    await office.add(3, phones=SINGAPORE, zip_code="35004")
    assert ids(await claim(office, NOON)) == [1, 2]  # 3 has the number of 1
    assert (await explained(office, 3)).phones[0].used_by == 1
    await report(office, 1, NOON, status="To Dial", disposition="No Answer", next_call=NOON + timedelta(days=1))
    firm = await office.firm()
    async with office.store.read() as tx:
        made, _ = await calls.concerning(tx, firm.id, ["+6592345678", "6592345678"], [], NOON + HOUR)
    assert [(call.number, call.case_id) for call in made] == [("+6592345678", 1)]
    [deferral] = (await explained(office, 3, NOON + timedelta(minutes=5))).phones[0].deferred
    assert deferral.limit.source == "minimum gap set by the firm"
    later = NOON + HOUR
    await holding_back.let_go(office.store, later)
    assert ids(await claim(office, later)) == [3]


async def test_a_listed_number_abroad_is_not_called(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, abroad=True)
    await office.add(1, phones=SINGAPORE, zip_code="35004")
    await office.add(2, phones=ALABAMA, zip_code="35004")
    await office.add(3, phones=(Phone("Cell", "0065-9234-5678"),), campaign=None)
    async with office.store.write() as tx:
        listed = [Listing(date(2026, 11, 1), "letter", number=n) for n in listed_numbers("+65 9234 5678")]
        await do_not_call.add(tx, await open_firm(tx, office.name, lock=True), listed)
    assert ids(await claim(office, NOON)) == [2]
    for case_id in (1, 3):
        assert not (await explained(office, case_id)).callable


async def test_who_has_a_listed_number_at_home_and_one_abroad_is_not_handed_out_without_a_phone(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, phones=(*SINGAPORE, *ALABAMA, Phone("Old", "555-0101")), zip_code="35004")
    async with office.store.write() as tx:
        listed = [Listing(date(2026, 11, 1), "letter", number="6592345678")]
        await do_not_call.add(tx, await open_firm(tx, office.name, lock=True), listed)
    assert await claim(office, NOON) == []
    verdict = await explained(office, 1)
    assert [check.found for check in verdict.checks if not check.passed] == ["1 of 1 phone is listed"]
    await decide(office, abroad=True)
    [case] = await claim(office, NOON)
    assert case.phones == SINGAPORE
