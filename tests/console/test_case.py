"""One case: its sentence, its checks, its events; and edits that come back where they make no sense."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from casedial.database.tables import audit, cases
from casedial.domain.cases import Phone
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role
from casedial.domain.users import UserRole
from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns
from casedial.service.operations import case as operations
from tests.conftest import ME
from tests.console.conftest import FIRM, OTHER_FIRM, Doors
from tests.service.test_today import NEVER


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=2)


@pytest.fixture
async def one(doors: Doors) -> Doors:
    phones = (Phone("Cell", "(402) 555-0107", True, True), Phone("Fax", "4025550108"))
    await doors.office.add(7, plaintiff="Ann <i>Lee", dial_at=long_ago(), phones=phones, zip_code="68046")
    return doors


async def test_what_a_page_says_of_a_case(one: Doors) -> None:
    tab = await one.signed_in(UserRole.VIEWER)
    shown = (await tab.get(f"/{FIRM}/cases/7")).text
    assert "May be called now." in shown
    assert "Ann &lt;i&gt;Lee" in shown
    assert "(402) 555-0107" in shown
    assert "a fax is never dialed" in shown
    assert "Add the note" not in shown
    change = CampaignChange(purpose=Purpose.SOLICITATION, hours=[NEVER])
    await campaigns.change(one.store, ME, one.office.name, "Intake follow-up", change)
    shown = (await tab.get(f"/{FIRM}/cases/7")).text
    assert "May be called now." not in shown
    assert "hours" in shown


async def test_edits_and_their_events(one: Doors) -> None:
    tab = await one.signed_in(UserRole.MANAGER)
    here = f"/{FIRM}/cases/7"
    assert (await tab.post(f"{here}/notes", note="Called <back>\nlater", list="q=ann")).status_code == 303
    assert (await tab.post(f"{here}/phones", number="402-555-0199", name="Work")).status_code == 303
    edited = {"which": "402-555-0199", "number": "4025550198", "name": "Office", "primary": "yes", "do": "change"}
    assert (await tab.post(f"{here}/phone", **edited)).status_code == 303
    case = await one.office.case(7)
    assert [(p.name, p.number, p.primary) for p in case.phones][-1] == ("Office", "4025550198", True)
    assert (await tab.post(f"{here}/phone", which="4025550198", do="remove")).status_code == 303
    assert (await tab.post(f"{here}/set", move="do-not-dial", to_priority="2", reason="asked")).status_code == 303
    assert (await one.office.role(7)) is Role.DO_NOT_DIAL
    shown = (await tab.get(here)).text
    for words in (
        "Called &lt;back&gt;\nlater",
        "Phone added: Work 402-555-0199",
        "Office 4025550198, primary",
        "Phone removed",
        "Priority 5 is now 2",
        "Do not Dial",
        tab.name,
    ):
        assert words in shown, words


async def test_the_do_not_call_list(one: Doors) -> None:
    tab = await one.signed_in(UserRole.MANAGER)
    here = f"/{FIRM}/cases/7"
    assert (await tab.post(f"{here}/do-not-call", which="(402) 555-0107", do="add")).status_code == 303
    shown = (await tab.get(here)).text
    assert "Take off the do-not-call list" in shown
    assert "on the do-not-call list since" in shown
    assert (await tab.post(f"{here}/do-not-call", which="(402) 555-0107", do="remove")).status_code == 303
    assert (await tab.post(f"{here}/do-not-call", do="add")).status_code == 303
    assert "Take the case off the do-not-call list" in (await tab.get(here)).text


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("notes", {"note": "  "}, "Write something."),
        ("notes", {"note": "x" * 70_000}, "at most 64 KiB"),
        ("phones", {"number": "12"}, "cannot be dialed"),
        ("phones", {"number": "4025550107"}, "already has this number"),
        ("phone", {"which": "4025550000", "number": "4025550001", "do": "change"}, "has no phone"),
        ("set", {}, "Say what to change."),
        ("do-not-call", {"which": "12", "do": "add"}, "cannot be dialed"),
    ],
)
async def test_what_makes_no_sense_comes_back(one: Doors, path: str, fields: dict[str, str], words: str) -> None:
    tab = await one.signed_in(UserRole.MANAGER)
    again = await tab.post(f"/{FIRM}/cases/7/{path}", **fields)
    assert again.status_code == 422
    assert words in again.text
    assert "What happened" in again.text


async def test_a_case_in_the_dialer_is_taken_back_first(one: Doors) -> None:
    await one.office.add(8, dialer="In the Dialer", dial_at=long_ago())
    tab = await one.signed_in(UserRole.MANAGER)
    refused = await tab.post(f"/{FIRM}/cases/8/set", move="to-dial")
    assert refused.status_code == 422
    assert "take it back from there first" in refused.text
    assert (await tab.post(f"/{FIRM}/cases/8/set", move="back")).status_code == 303
    assert (await one.office.role(8)) is Role.TO_DIAL


async def test_a_case_that_is_gone_leads_back(one: Doors) -> None:
    tab = await one.signed_in(UserRole.MANAGER)
    async with one.store.write() as tx:
        await tx.execute(sa.text("DELETE FROM phone_numbers"))
        await tx.execute(cases.delete())
    for reply in (
        await tab.get(f"/{FIRM}/cases/7?list=q%3Dann"),
        await tab.post(f"/{FIRM}/cases/7/set", move="do-not-dial", list="q=ann"),
        await tab.post(f"/{FIRM}/cases/7/notes", note="late", list="q=ann"),
        await tab.post(f"/{FIRM}/cases/7/phones", number="4025550111", list="q=ann"),
    ):
        assert reply.status_code == 404
        assert "is not there" in reply.text
        assert f'href="/console/{FIRM}/cases?q=ann"' in reply.text


async def test_next_and_previous_of_the_list(one: Doors) -> None:
    for case_id in (5, 9):
        await one.office.add(case_id, plaintiff="Ann Doe")
    tab = await one.signed_in(UserRole.VIEWER)
    shown = (await tab.get(f"/{FIRM}/cases/7?list=order%3Dnewest")).text
    assert '/cases/9?list=order%3Dnewest" rel="prev" data-key="k"' in shown
    assert '/cases/5?list=order%3Dnewest" rel="next" data-key="j"' in shown


async def test_events_come_page_by_page(one: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "EVENTS", 2)
    monkeypatch.setattr(operations, "_FETCHED", 3)
    tab = await one.signed_in(UserRole.MANAGER)
    for number in range(7):
        await tab.post(f"/{FIRM}/cases/7/notes", note=f"note-{number}")
        await tab.post(f"/{FIRM}/cases/7/set", to_priority=str(1 + number))
    seen: list[str] = []
    address = f"/{FIRM}/cases/7"
    while address:
        shown = (await tab.get(address)).text
        seen += re.findall(r"note-\d|Priority \d is now \d", shown)
        on = re.search(r'href="/console([^"]+)" rel="next"', shown)
        address = on[1].replace("&amp;", "&") if on else ""
    assert len(seen) == len(set(seen)) == 14
    assert [one for one in seen if one.startswith("note")] == [f"note-{n}" for n in range(6, -1, -1)]


async def test_a_look_is_written_down_once_an_hour(one: Doors) -> None:
    tab, other = await one.signed_in(UserRole.VIEWER), await one.signed_in(UserRole.VIEWER)
    for who in (tab, tab, other):
        await who.get(f"/{FIRM}/cases/7")
    async with one.store.read() as tx:
        looks = (await tx.execute(sa.select(audit.c.actor_name).where(audit.c.action == "case.view"))).scalars().all()
    assert len(looks) <= 4  # of two users, around the turn of an hour of each twice
    assert set(looks) == {tab.name, other.name}


async def test_another_firm_s_case_is_none(one: Doors) -> None:
    other = await one.signed_in(UserRole.ADMINISTRATOR, "Other & Sons")
    assert (await other.get(f"/{FIRM}/cases/7")).status_code == 404
    assert (await other.get(f"/{OTHER_FIRM}/cases/7")).status_code == 404
    for path in ("set", "notes", "phones", "phone", "do-not-call"):
        reply = await other.post(f"/{FIRM}/cases/7/{path}", note="x", move="do-not-dial", do="add")
        assert reply.status_code == 404
    assert (await one.office.role(7)) is Role.TO_DIAL
    viewer = await one.signed_in(UserRole.VIEWER)
    for path in ("set", "notes", "phones", "phone", "do-not-call"):
        assert (await viewer.post(f"/{FIRM}/cases/7/{path}", note="x")).status_code == 403
