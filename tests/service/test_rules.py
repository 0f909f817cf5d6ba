"""What an operator decides about the rules: it counts with the next claim, it is told, and it can be taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from casedial.database.tables import overrides
from casedial.domain.calling import Verdict, evidence
from casedial.domain.cases import Phone
from casedial.domain.dialing import CaseUpdate
from casedial.domain.errors import InvalidSetting
from casedial.domain.overrides import RowOverride
from casedial.domain.rules import Attempts, Hours, Purpose
from casedial.domain.spots import words
from casedial.rules import load, week
from casedial.service import dialing, judging, preflights
from casedial.service.operations import holding_back, rules
from casedial.storage import rules as stored
from tests.conftest import ME, Office
from tests.service.test_calling import MORNING, NEW_YORK, caller, claim, claim_whole, decide, ids
from tests.statements import listening


async def test_overrides_count_at_once_and_until_they_are_over(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    noon, store = MORNING + timedelta(hours=4), office.store
    evening = week({"daily": "18:00-21:00"})
    narrow = RowOverride("NY", Purpose.CLIENT, "they asked for it", noon.date(), evening)
    first = await rules.override(store, ME, narrow, "a letter", noon)
    assert await claim(office, noon) == []
    # A second one of the same row stands in the first one's place.
    wide = await rules.override(store, ME, replace(narrow, windows=week({"daily": "00:00-24:00"})), "", noon)
    found = await rules.in_force(store, ME, noon)
    assert [change.id for change in found.overrides] == [wide.id] != [first.id]
    assert ids(await claim(office, noon, auto_change=False)) == [1]
    await rules.override(store, ME, replace(narrow, bans_holidays=True), "", noon)
    assert await claim(office, noon) == []
    verdict = await explained(office, 1, noon)
    assert "by the operator (they asked for it)" in words(verdict.phones[0].hours or NO_HOURS)[0]
    assert verdict.version.startswith(f"{load().version}, overrides ")
    [last] = (await rules.in_force(store, ME, noon)).overrides
    await rules.restore(store, ME, last.id, noon)
    assert ids(await claim(office, noon)) == [1]
    with pytest.raises(InvalidSetting):
        await rules.restore(store, ME, last.id, noon)
    async with store.read() as tx:
        kept = (await tx.execute(sa.select(overrides.c.subject, overrides.c.lifted_at))).all()
    assert [row.subject for row in kept] == ["NY client"] * 3
    assert all(row.lifted_at for row in kept)


NO_HOURS = Hours(False, ())


async def explained(office: Office, case_id: int, now: datetime) -> Verdict:
    firm, case = await office.firm(), await office.case(case_id)
    async with office.store.read() as tx:
        return await judging.explain(tx, firm, case, now)


async def test_a_limit_that_an_operator_overrode(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    noon = MORNING + timedelta(hours=4)
    limit = RowOverride("NY", Purpose.CLIENT, "enough", noon.date(), attempts=Attempts(1, 24, "subject"))
    await rules.override(office.store, ME, limit, "", noon)
    [case], _ = await claim_whole(office, noon)
    update = CaseUpdate(case.case_id, "To Dial", noon, disposition="Busy")
    async with office.store.write() as tx:
        await dialing.update_case_status(tx, await caller(office), [update], noon)
    assert await claim(office, noon + timedelta(hours=1)) == []
    [phone] = (await explained(office, 1, noon + timedelta(hours=1))).phones
    assert "at most 1 in 24h (override" in str(phone.deferred[0].limit)


async def test_a_zip_code_abroad_is_closed_until_an_operator_says_where_it_is(office: Office) -> None:
    await decide(office, purpose=Purpose.CONSENTED)
    noon, store = MORNING + timedelta(hours=4), office.store
    await office.add(1, zip_code="09001", phones=NEW_YORK["phones"])
    await office.add(2, zip_code="96940", phones=NEW_YORK["phones"])
    await office.add(3, zip_code="09001", phones=NEW_YORK["phones"], campaign="Notification campaign")
    assert await claim(office, noon) == []
    verdict = await explained(office, 1, noon)
    assert words(verdict.phones[0].hours or NO_HOURS) == [
        "The ZIP code is abroad (military mail, Europe): no calls until casedial rules place says where it is."
    ]
    assert verdict.next_at is None
    assert (await explained(office, 3, noon)).callable  # no purpose, no rules
    async with store.read() as tx:
        counts = await preflights.preflight(tx, await office.firm(), None, noon)
    assert (counts.due, counts.callable, counts.held_back["hours"]) == (3, 1, 2)
    placed = rules.read_place("9001", ["ne"], ["Europe/Berlin"], "the base is in Germany")
    made = await rules.place(store, ME, placed, "", noon)
    found, _ = await claim_whole(office, noon, auto_change=False)
    assert ids(found) == [1]  # 18:30 in Berlin
    assert await claim(office, noon + timedelta(hours=3)) == []
    [phone] = (await explained(office, 1, noon)).phones
    [kept] = evidence(await explained(office, 1, noon)) or []
    assert (kept["place"], kept["placed"]) == ("NE,NY|America/New_York,Europe/Berlin", "the base is in Germany")
    assert str(phone.place) == "NE, NY; the operator placed the ZIP code: the base is in Germany"
    await rules.restore(store, ME, made.id, noon)
    assert await claim(office, noon) == []


@pytest.mark.parametrize(
    ("zip_code", "states", "zones", "reason"),
    [
        ("soon", ["NE"], ["UTC"], "why"),
        ("09001", [], ["UTC"], "why"),
        ("09001", ["all"], ["UTC"], "why"),
        ("09001", ["XX"], ["UTC"], "why"),
        ("09001", ["NE"], [], "why"),
        ("09001", ["NE"], ["Mars/Base"], "why"),
        ("09001", ["NE"], ["../etc"], "why"),
        ("09001", ["NE"], ["UTC"], " "),
    ],
)
def test_what_is_no_place(zip_code: str, states: list[str], zones: list[str], reason: str) -> None:
    with pytest.raises(InvalidSetting):
        rules.read_place(zip_code, states, zones, reason)


async def test_a_ban_until_a_day_ends_with_it_there(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    last_day, store = MORNING.date(), office.store
    ban_id, ban = await rules.ban(store, ME, "ny", last_day, "storm", "", MORNING)
    assert ban.until == datetime(2026, 11, 25, 5, tzinfo=UTC)
    for hour in range(16):
        assert await claim(office, MORNING + timedelta(hours=hour)) == []
    assert await holding_back.let_go(store, MORNING + timedelta(days=1)) == 1
    assert ids(await claim(office, MORNING + timedelta(days=1), auto_change=False)) == [1]
    await rules.lift(store, ME, ban_id, MORNING)
    assert ids(await claim(office, MORNING)) == [1]
    for state, until, reason in (("XX", last_day, "r"), (" ", last_day, "r"), ("NY", last_day, " ")):
        with pytest.raises(InvalidSetting):
            await rules.ban(store, ME, state, until, reason, "", MORNING)
    with pytest.raises(InvalidSetting):
        await rules.ban(store, ME, "NY", last_day - timedelta(days=1), "r", "", MORNING)


async def test_what_operators_decided_is_one_query(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await rules.ban(office.store, ME, "LA", MORNING.date(), "storm", "", MORNING)
    placed = rules.read_place("09001", ["NE"], ["Europe/Berlin"], "why")
    await rules.place(office.store, ME, placed, "", MORNING)
    change = RowOverride("NY", Purpose.CLIENT, "why", MORNING.date(), week({"daily": "09:00-17:00"}))
    await rules.override(office.store, ME, change, "", MORNING)
    async with office.store.read() as tx:
        with listening() as heard:
            found = await stored.in_force(tx, MORNING)
    assert len(heard) == 1
    assert [ban.state for ban in found.bans.values()] == ["LA"]
    assert found.overrides == (replace(change, id=found.overrides[0].id),)
    assert found.places[9001].placed == "why"


async def test_a_foreign_number_of_a_zip_code_abroad_waits_for_the_operator_too(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT, abroad=True)
    noon, store = MORNING + timedelta(hours=4), office.store
    phones = (Phone("Cell", "+49 30 1234567", True),)
    await office.add(1, zip_code="09001", phones=phones)
    await office.add(2, zip_code="", phones=phones[:1])
    assert not (await explained(office, 1, noon)).callable
    assert (await explained(office, 2, noon)).callable
    placed = rules.read_place("09001", ["NE"], ["Europe/Berlin"], "the base is in Germany")
    await rules.place(store, ME, placed, "", noon)
    assert (await explained(office, 1, noon)).callable  # 18:30 in Berlin
    assert not (await explained(office, 1, noon + timedelta(hours=3))).callable
