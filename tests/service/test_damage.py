"""Rows that make no sense, left by hand or by half a restore: they are passed over and told of, all others go on."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import cases, statuses
from casedial.database.tables import claims as claims_table
from casedial.database.tables import duties as duties_table
from casedial.domain.damage import Damage
from casedial.domain.overrides import RowOverride
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role, StatusType
from casedial.domain.weeks import week
from casedial.service import claims
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.claims import Adopting, adopt
from casedial.service.firms import open_firm
from casedial.service.operations import holding_back, rules
from casedial.service.operations import upkeep as operations
from casedial.service.operations.doctor import examine
from casedial.service.operations.sweeping import Sweeper
from casedial.service.operations.upkeep import return_each
from casedial.service.statuses import add_statuses
from casedial.storage import rules as stored
from casedial.web import observe, upkeep
from casedial.web.upkeep import Upkeep
from tests.conftest import ALWAYS, ME, NOW, Api, Office, assert_problem
from tests.service.test_calling import LOS_ANGELES, MORNING, NEW_YORK, claim, ids
from tests.service.test_imports import bring
from tests.service.test_rules import explained
from tests.waiting import until

CAMPAIGN = "Intake follow-up"
OLD = {"dial_at": NOW - timedelta(days=400)}  # before all others
GARBAGE = {"sqlite": "nonsense", "postgresql": '{"a": [1]}'}
COLUMNS = ("dialer_status_id", "campaign_id", "attempts_id", "disposition_id")


async def spoil(office: Office, case_id: int, **values: object) -> None:
    """Write what no casedial writes."""
    async with office.store.write() as tx:
        await tx.execute(cases.update().where(cases.c.case_id == case_id).values(values))


async def spoil_json(office: Office, table: str, column: str, where: str) -> None:
    garbage = GARBAGE[office.store.dialect.name]
    async with office.store.write() as tx:
        await tx.execute(sa.text(f"UPDATE {table} SET {column} = '{garbage}' WHERE {where}".replace(":", "\\:")))


async def lapse(office: Office) -> None:
    past = datetime.now(UTC) - timedelta(seconds=5)
    async with office.store.write() as tx:
        await tx.execute(cases.update().where(cases.c.held_until.is_not(None)).values(held_until=past))
        await tx.execute(claims_table.update().values(check_at=past))


async def next_looks(office: Office) -> list[timedelta]:
    async with office.store.read() as tx:
        found = (
            await tx.execute(sa.select(claims_table.c.check_at).where(claims_table.c.check_at.is_not(None)))
        ).scalars()
        return [at - datetime.now(UTC) for at in found]


async def look(store: Store) -> list[Damage]:
    """Return what is over, until there is nothing more; return what was passed over."""
    damages = []
    while (returned := await return_each(store, datetime.now(UTC))).looked_at:
        damages += returned.damages
    return damages


async def held(office: Office, *case_ids: int) -> None:
    """Cases In the Dialer, all by one claim."""
    for case_id in case_ids:
        await office.add(case_id, attempts="1", disposition="Busy")


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_held_case_with_a_status_that_the_firm_lacks(
    api: Api, office: Office, other_office: Office, column: str
) -> None:
    await held(office, 1, 2)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await other_office.add(1, dialer="In the Dialer")
    await spoil(office, 1, **{column: 999_999})
    if column == "dialer_status_id":
        async with office.store.write() as tx:
            await tx.execute(
                cases.update().where(cases.c.firm_id != (await office.firm()).id).values(dialer_status_id=None)
            )
    firm_id = (await office.firm()).id
    await lapse(office)
    damages = await look(office.store)
    assert damages.count(Damage("case", firm_id, "1")) == 1
    assert await office.role(2) is Role.TO_DIAL  # of the same claim
    [again] = [left for left in await next_looks(office) if left > timedelta(0)][:1]
    assert again > timedelta(minutes=4)


async def test_a_claim_whose_list_of_cases_is_garbage(api: Api, office: Office, other_office: Office) -> None:
    await held(office, 1, 2)
    bad = (await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})).headers["x-claim-id"]
    await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})
    await other_office.add(1, dialer="In the Dialer")
    raw = bad.replace("-", "") if office.store.dialect.name == "sqlite" else bad
    await spoil_json(office, "claims", "case_ids", f"id = '{raw}'")
    await lapse(office)
    [damage] = await look(office.store)
    assert (damage.what, damage.firm_id, damage.id) == ("claim", (await office.firm()).id, bad)
    assert await office.role(2) is Role.TO_DIAL
    assert await other_office.role(1) is Role.TO_DIAL
    assert await office.role(1) is Role.IN_THE_DIALER
    # The dialer that has it can go on all the same.
    reply = await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"}, headers={"X-Claim-Id": bad})
    assert reply.json()["Succeeded"] == 1


async def test_a_claim_of_a_firm_that_is_gone(office: Office) -> None:
    await office.add(1, dialer="In the Dialer")
    async with office.store.write() as tx:
        row = (await tx.execute(claims_table.select())).one()
        await tx.execute(claims_table.insert().values({**row._mapping, "id": uuid4(), "firm_id": 77}))
    await lapse(office)
    [damage] = await look(office.store)
    assert (damage.what, damage.firm_id) == ("firm", 77)
    assert await office.role(1) is Role.TO_DIAL


async def test_a_firm_without_the_status_to_go_back_to(api: Api, office: Office, other_office: Office) -> None:
    await held(office, 1)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await other_office.add(1, dialer="In the Dialer")
    async with office.store.write() as tx:
        firm_id = (await office.firm()).id
        await tx.execute(statuses.update().where(statuses.c.firm_id == firm_id, statuses.c.role == 1).values(role=None))
    await lapse(office)
    [damage] = await look(office.store)
    assert damage == Damage("case", firm_id, "1", "KeyError")
    assert await other_office.role(1) is Role.TO_DIAL


async def test_what_fails_together_is_done_one_by_one(
    api: Api, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that fails, of a kind that nobody thought of."""
    await held(office, 1, 2)
    bad = (await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})).headers["x-claim-id"]
    await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})
    save = claims.cases.save

    async def fail(tx: Any, firm: Any, changed: Any) -> None:
        changed = list(changed)
        if any(after.case_id == 1 for _, after in changed):
            raise RuntimeError
        await save(tx, firm, changed)

    await lapse(office)
    monkeypatch.setattr(claims.cases, "save", fail)
    [damage] = await look(office.store)
    assert (damage.what, damage.id, damage.why) == ("claim", bad, "RuntimeError")
    assert await office.role(2) is Role.TO_DIAL


async def test_what_cannot_be_adopted_hides_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_CASES_AT_ONCE", 2)
    for case_id in range(1, 6):
        await office.add(case_id, dialer="In the Dialer")
        await spoil(office, case_id, claim_id=None, held_until=None)
    for case_id in (1, 2):
        await spoil(office, case_id, campaign_id=999_999)
    so_far = Adopting()
    adopted = [await office.store.transact(lambda tx: adopt(tx, datetime.now(UTC), so_far)) for _ in range(3)]
    assert adopted == [0, 2, 1]
    assert {damage.id for damage in so_far.damages} == {"1", "2"}


async def decide(office: Office, **decided: Any) -> None:
    async with office.store.write() as tx:
        await set_campaign(tx, await open_firm(tx, office.name, lock=True), CAMPAIGN, CampaignChange(**decided))


@pytest.mark.usefixtures("same_day")
@pytest.mark.parametrize("rules", [False, True])
@pytest.mark.parametrize("spoiled", [*COLUMNS, "phones"])
@pytest.mark.parametrize("claims_them", [False, True])
async def test_a_due_case_that_cannot_be_read_stops_no_claim(
    api: Api, office: Office, rules: bool, spoiled: str, claims_them: bool
) -> None:
    if rules:
        await decide(office, purpose=Purpose.CONSENTED, hours=[ALWAYS])
    phones: dict[str, Any] = {"zip_code": "10001"}
    await office.add(1, **OLD, **phones)
    for case_id in (2, 3):
        await office.add(case_id, **phones)
    if spoiled == "phones":
        await spoil_json(office, "cases", "phones", "case_id = 1")
    else:
        await spoil(office, 1, **{spoiled: 999_999})
    reply = await api.post("GetCasesToDial", {"Auto-change": claims_them, "Records": 1})
    assert reply.status_code == 200
    assert [case["CaseID"] for case in reply.json()] == [2]
    if spoiled != "campaign_id" or not rules:
        async with office.store.read() as tx:
            row = (await tx.execute(sa.select(cases.c.dialer_role).where(cases.c.case_id == 1))).one()
        assert row.dialer_role == 4  # not looked at for a while
    told = [damage for damage in observe._damages_told if damage.id == "1"]
    assert told


async def test_nothing_is_set_aside_for_one_who_knows_the_firm_as_it_was(office: Office, store: Store) -> None:
    """A campaign was added, and a case put into it, a moment ago: the row makes sense to whoever reads the firm."""
    before = await office.firm()
    async with store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await add_statuses(tx, firm, [(StatusType.CAMPAIGN, "New")])
    await office.add(1, campaign="New")
    assert await holding_back.set_aside(store, before, [1], datetime.now(UTC)) == []
    async with store.read() as tx:
        assert (await tx.execute(sa.select(cases.c.dialer_role))).scalars().all() == [Role.TO_DIAL]


async def test_many_that_cannot_be_read_are_set_aside_together(api: Api, office: Office) -> None:
    for case_id in range(1, 60):
        await office.add(case_id, **OLD)
    await office.add(60)
    async with office.store.write() as tx:
        await tx.execute(cases.update().where(cases.c.case_id < 60).values(disposition_id=999_999))
    reply = await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})
    assert [case["CaseID"] for case in reply.json()] == [60]


async def test_an_update_names_the_case_that_cannot_be_read(api: Api, office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    await spoil(office, 1, disposition_id=999_999)
    items = [{"CaseID": n, "Disposition": "Busy"} for n in (1, 2)]
    reply = await api.post("UpdateCaseStatus", {"Cases": items})
    assert [result.get("Code") for result in reply.json()["Results"]] == ["CaseUnreadable", None]
    assert_problem(await api.get("GetCaseInfo", CaseID=1), 409, "CaseUnreadable")
    reply = await api.post("ReleaseClaim", {"ClaimID": claim_id, "CaseID": [1, 2]})
    assert [result.get("Code") for result in reply.json()["Results"]] == ["CaseUnreadable", None]


async def test_an_import_leaves_a_case_alone_that_cannot_be_read(office: Office) -> None:
    await office.add(1)
    await spoil(office, 1, disposition_id=999_999)
    report = await bring(office, "CaseID,Plaintiff\n1,Ann\n2,Ben\n")
    assert (report.added, [index for index, _ in report.bad]) == (1, [0])


async def test_a_key_that_cannot_be_read_is_alone_so(api: Api, other_office: Office, office: Office) -> None:
    """Keys of several firms are looked up together."""
    await spoil_json(office, "keys", "campaigns", f"firm_id = {(await office.firm()).id}")
    async with office.store.write() as tx:
        await tx.execute(sa.text("UPDATE keys SET scopes = 'nonsense' WHERE firm_id = 1"))
    await office.add(1)
    await other_office.add(1)
    other = Api(api.http, other_office.key)
    replies = await asyncio.gather(*(one.get("GetCaseInfo", CaseID=1) for one in (api, other) * 5))
    assert [reply.status_code for reply in replies] == [500, 200] * 5


async def test_a_campaign_that_cannot_be_read_is_paused(api: Api, office: Office) -> None:
    await decide(office, purpose=Purpose.CONSENTED)
    await spoil_json(office, "campaigns", "hours", "true")
    async with office.store.write() as tx:
        await tx.execute(sa.text("UPDATE firms SET version = version + 1"))
    await office.add(1)
    await office.add(2, campaign="Notification campaign")
    reply = await api.post("GetCasesToDial", {"Auto-change": True})
    assert [case["CaseID"] for case in reply.json()] == [2]
    assert await Sweeper().sweep(office.store, datetime.now(UTC)) == 1  # here no server held it back after the reply
    [found] = [one for one in await examine(office.store, ME) if one.check == "unreadable rows" and one.level]
    assert CAMPAIGN in found.found


async def test_a_sweep_goes_on_behind_a_list_that_it_cannot_read(office: Office, other_office: Office) -> None:
    for one in (office, other_office):
        await decide(one, paused=True)
        await one.add(1)
        await one.add(2)
    async with office.store.write() as tx:
        firm_id = (await office.firm()).id
        this = sa.and_(cases.c.firm_id == firm_id, cases.c.case_id == 1)
        await tx.execute(cases.update().where(this).values(attempts_id=999_999))
    sweeper = Sweeper()
    assert sum([await sweeper.sweep(office.store, NOW) for _ in range(3)]) == 4
    assert sweeper.damages == [Damage("case", firm_id, "1")]


async def test_one_without_a_date_holds_nothing_back(office: Office) -> None:
    await decide(office, paused=True)
    for case_id in (1, 2):
        await office.add(case_id)
    await Sweeper().sweep(office.store, NOW)
    await spoil(office, 1, dial_at=None)
    later = NOW + timedelta(days=1)
    assert await holding_back.let_go(office.store, later) == 1
    assert await holding_back.let_go(office.store, later) == 0
    await holding_back.release_held_back(office.store)
    assert await office.role(2) is Role.TO_DIAL


async def test_a_chore_that_fails_or_is_slow_starves_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.add(1, dialer="In the Dialer")
    failed: defaultdict[str, list[float]] = defaultdict(list)  # when

    def failing(name: str) -> Any:
        async def fail(store: Store, now: datetime) -> int:
            failed[name].append(time.monotonic())
            raise RuntimeError

        return fail

    async def hang(store: Store, now: datetime) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(operations, "drop_old_replies", failing("replies"))
    monkeypatch.setattr(operations, "forget_calls", hang)
    monkeypatch.setattr(holding_back, "let_go", failing("let go"))
    monkeypatch.setattr(upkeep, "_STOP_SECONDS", 0.2)
    told: list[object] = []
    monkeypatch.setattr(upkeep, "note_upkeep_fault", lambda chore, error, again: told.append((chore, again)))
    running = Upkeep(office.store)
    running.start()
    await lapse(office)

    async def is_returned() -> bool:
        return await office.role(1) is Role.TO_DIAL

    await until(is_returned)
    await until(lambda: all(len(failed[name]) >= 3 for name in ("replies", "let go")))
    await running.stop()
    for first, second, third, *_ in failed.values():  # later and later
        assert second - first > 0.45
        assert third - second > 0.9
    assert [one for one in told if one[1] is False] == [("replies", False), ("let go", False)]  # type: ignore[index]


async def test_doctor_names_what_makes_no_sense(api: Api, office: Office, other_office: Office) -> None:
    for case_id in range(1, 6):
        await office.add(case_id)
    await other_office.add(9)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})).headers["x-claim-id"]
    firm = await office.firm()
    await spoil(office, 2, campaign_id=999_999)
    await spoil_json(office, "cases", "phones", "case_id = 3")
    await spoil_json(office, "claims", "case_ids", "true")
    await spoil(office, 4, dialer_status_id=firm.statuses.with_role(Role.DO_NOT_DIAL).id)
    await spoil(office, 9, dialer_status_id=firm.statuses.with_role(Role.TO_DIAL).id)  # of another firm
    found = {one.found: one.advice for one in await examine(office.store, ME) if one.check == "unreadable rows"}
    text = "\n".join(found)
    assert f"{office.name}: 1 case with a campaign status that the firm does not have (CaseID 2)." in text
    assert f"{office.name}: 1 case with phones that are not a list (CaseID 3)." in text
    assert f"{office.name}: 1 case whose Dialer Status and role do not match (CaseID 4)." in text
    assert f"{other_office.name}: 1 case with a dialer status that the firm does not have (CaseID 9)." in text
    assert f"{office.name}: 1 claim whose list of cases cannot be read ({claim_id})." in text
    assert all(found.values())


async def in_force(office: Office) -> stored.InForce:
    async with office.store.read() as tx:
        return await stored.in_force(tx, MORNING)


async def spoil_row(office: Office, table: str, **values: str) -> None:
    """Write what no casedial writes in all rows of a table; each value is SQL."""
    changes = ", ".join(f"{column} = {value}" for column, value in values.items()).replace(":", "\\:")
    async with office.store.write() as tx:
        await tx.execute(sa.text(f"UPDATE {table} SET {changes}"))


async def test_a_ban_that_cannot_be_read_bans_what_it_can_be_read_to_ban(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await office.add(1, **NEW_YORK)
    await office.add(2, **LOS_ANGELES)
    noon = MORNING + timedelta(hours=6)
    ban_id, made = await rules.ban(office.store, ME, "NY", noon + timedelta(hours=1), "storm", "", noon)
    unreadable = (Damage("ban", None, str(ban_id)),)
    await spoil_row(office, "bans", state="'nonsense'")
    assert ids(await claim(office, noon, auto_change=False)) == []  # of which state nobody knows: of all
    found = await in_force(office)
    assert ([ban.until for ban in found.bans.values()], found.unreadable) == ([made.until], unreadable)
    assert ids(await claim(office, noon + timedelta(hours=2), auto_change=False)) == [1, 2]
    await spoil_row(office, "bans", state="' ny '")
    assert ids(await claim(office, noon, auto_change=False)) == [2]
    endless = ("'nonsense'", "''", "17", "x'00ff'", "CAST(x'ff41' AS TEXT)")
    for end in endless if office.store.dialect.name == "sqlite" else ("'infinity'",):
        await spoil_row(office, "bans", state="'NY'", until=end)
        assert ids(await claim(office, noon + timedelta(days=1), auto_change=False)) == [2]
        assert (await explained(office, 1, noon)).next_at is None
        assert len((await rules.in_force(office.store, ME, noon)).bans) == 1
    await rules.lift(office.store, ME, ban_id, noon)
    assert ids(await claim(office, noon, auto_change=False)) == [1, 2]


CONTENTS = (
    "nonsense",
    "[]",
    "{}",
    '{"state": "XX", "purpose": "client", "hours": null, "holidays": true, "calls": null, "rest": null}',
    '{"state": "NY", "purpose": "client", "hours": null, "holidays": null, "calls": ["a", 1, "b"], "rest": null}',
    '{"state": "NY", "purpose": "client", "hours": [["a", "b"]], "holidays": null, "calls": null, "rest": null}',
    '{"states": ["NY"], "zones": ["Mars"]}',
    '{"states": ["XX"], "zones": ["UTC"]}',
    '{"states": ["NY"], "zones": []}',
)


async def test_an_override_that_cannot_be_read_leaves_the_row_that_casedial_ships(
    office: Office, other_office: Office
) -> None:
    for one in (office, other_office):
        await decide(one, purpose=Purpose.CLIENT)
        await one.add(1, **NEW_YORK)
    noon = MORNING + timedelta(hours=4)
    never = RowOverride("NY", Purpose.CLIENT, "why", noon.date(), windows=week({"daily": "23:00-24:00"}))
    change = await rules.override(office.store, ME, never, "", noon)
    placed = await rules.place(office.store, ME, rules.read_place("10001", ["NY"], ["Asia/Tokyo"], "why"), "", noon)
    assert ids(await claim(other_office, noon, auto_change=False)) == []
    for content in CONTENTS:
        await spoil_row(office, "overrides", content=f"'{content}'")
        for one in (office, other_office):
            assert ids(await claim(one, noon, auto_change=False)) == [1]
        found = await in_force(office)
        assert {(one.what, one.id) for one in found.unreadable} == {
            ("override", str(change.id)),
            ("override", str(placed.id)),
        }
    words = [finding.found for finding in await examine(office.store, ME) if finding.check == "unreadable rows"]
    assert f"Override {change.id} cannot be read: the rules that ship with casedial apply instead." in words
    sweeper = Sweeper()
    await sweeper.sweep(office.store, noon)
    assert {damage.what for damage in sweeper.damages} == {"override"}
    for id_ in (change.id, placed.id):
        await rules.restore(office.store, ME, id_, noon)
    assert (await in_force(office)).unreadable == ()


@pytest.mark.parametrize("database", ["sqlite"])
async def test_text_in_another_encoding_is_read(api: Api, office: Office) -> None:
    """A name that came by SQL in Latin-1. PostgreSQL takes no such text."""
    await office.add(1)
    await office.add(2)
    async with office.store.write() as tx:
        await tx.execute(sa.text("UPDATE cases SET case_status = CAST(x'4d61f1616e61' AS TEXT) WHERE case_id = 1"))
    reply = await api.post("GetCasesToDial", {"Auto-change": True})
    assert [(case["CaseID"], case["CaseStatus"]) for case in reply.json()] == [(1, "Ma\ufffdana"), (2, "")]
    await lapse(office)
    assert await look(office.store) == []
    assert await office.role(1) is Role.TO_DIAL


async def test_a_claim_without_an_id_or_a_time_stops_no_lease(office: Office, other_office: Office) -> None:
    """Of all firms the leases are looked for at once."""
    await office.add(1, dialer="In the Dialer")
    firm = await office.firm()
    sqlite = office.store.dialect.name == "sqlite"
    ids_ = ("'garbage'", "x'00ff'", "CAST(x'ff41' AS TEXT)", "''", "17") if sqlite else ()
    times = ("''", "17", "x'00ff'") if sqlite else ("'-infinity'", "'0044-03-15 BC'")
    spoiled = (*(("id", one) for one in ids_), *(("check_at", one) for one in times))
    for case_id, (column, garbage) in enumerate(spoiled, 2):
        await other_office.add(case_id, dialer="In the Dialer")
        await lapse(office)
        async with office.store.write() as tx:
            await tx.execute(sa.text(f"UPDATE claims SET {column} = {garbage} WHERE firm_id = {firm.id}"))
        await upkeep.Upkeep(office.store).look()
        assert await other_office.role(case_id) is Role.TO_DIAL, garbage
        if column == "id":
            words = [finding.found for finding in await examine(office.store, ME) if finding.check == "unreadable rows"]
            assert any("claim without a valid id" in found for found in words)


async def test_a_duty_that_nobody_can_read_is_taken(office: Office) -> None:
    sweeper, duty = Sweeper(), duties_table
    await decide(office, paused=True)
    await office.add(1)
    garbage = ("'nonsense'", "17", "'9999-12-31 00:00:00'") if office.store.dialect.name == "sqlite" else ()
    for end in (*garbage, "'2030-01-01 00:00:00'"):
        async with office.store.write() as tx:
            await tx.execute(duty.delete())
            await tx.execute(duty.insert().values(name="sweep", holder=uuid4(), until=NOW))
            await tx.execute(sa.text(f"UPDATE duties SET until = {end}".replace(":", "\\:")))
        await sweeper.sweep(office.store, datetime.now(UTC))
        async with office.store.read() as tx:
            holders = (await tx.execute(sa.select(duty.c.holder))).scalars().all()
        assert holders == [sweeper.duty.me], end
