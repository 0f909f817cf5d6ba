"""Set-up: the firm, and the four lists of statuses."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from casedial.domain.statuses import Flag, StatusType
from casedial.domain.users import UserRole
from casedial.service.firms import FirmChange
from casedial.service.operations import firms, statuses
from tests.conftest import ME, Office
from tests.console.conftest import FIRM, Doors, Tab
from tests.console.test_campaigns import fields, send

HERE = f"/{FIRM}/setup/statuses"


async def test_the_firm(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    assert (await tab.get(f"/{FIRM}/setup")).status_code == 200
    path = f"/{FIRM}/setup/firm"
    form = fields(await tab.get(path))
    wanted = {"zone": "America/Denver", "records": "25", "timeout": "2h", "gap": "0", "retention": "12w"}
    await office.add(1)
    review = await send(tab, path, form, **wanted)
    assert "Nothing is saved yet." in review.text
    assert "tell their vendors before you save" in review.text
    assert "What it does to the cases that are due now" in review.text
    assert (await office.firm()).default_records == 100
    saved = await send(tab, path, fields(review), do="save")
    assert saved.status_code == 303, saved.text
    firm = await office.firm()
    found = firm.time_zone, firm.default_records, firm.claim_timeout, firm.min_gap, firm.retention_days
    assert found == ("America/Denver", 25, 7200, 0, 84)
    shown = await tab.get(path)
    form = fields(shown)
    await firms.change(office.store, ME, office.name, FirmChange(default_records=30))
    told = await send(tab, path, form, records="40", do="save")
    assert "Somebody else changed this from 25 to 30." in told.text
    assert (await office.firm()).default_records == 30
    review = await send(tab, path, fields(told), second_factor="yes")
    assert "demanded of everybody" in review.text
    assert (await send(tab, path, fields(review), do="save")).status_code == 303
    assert (await office.firm()).second_factor


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("zone", "Mars/Olympus", "is not a time zone"),
        ("records", "many", "Give a whole number"),
        ("records", "0", "must be 1 to"),
        ("timeout", "", "is not a span"),
        ("timeout", "9999d", "A claim timeout is 0"),
        ("gap", "90d", "A minimum gap is 0"),
        ("retention", "12h", "Give whole days"),
    ],
)
async def test_bad_input_comes_back(doors: Doors, field: str, typed: str, told: str) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    path = f"/{FIRM}/setup/firm"
    reply = await send(tab, path, fields(await tab.get(path)), **{field: typed}, do="save")
    assert reply.status_code == 422
    assert told in unescape(reply.text)
    assert f'id="{field}-wrong"' in reply.text


async def test_the_firm_is_renamed_and_its_address_stays(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    path = f"/{FIRM}/setup/firm/name"
    assert (await tab.post(path, name="Other & Sons", was=doors.office.name)).status_code == 422
    assert (await tab.post(path, name="Lex & Co", was="Somebody")).status_code == 422
    assert (await tab.post(path, name="Lex & Co", was=doors.office.name)).status_code == 303
    assert "Lex &amp; Co" in (await tab.get(f"/{FIRM}/setup/firm")).text


async def names(office: Office, kind: StatusType) -> list[str]:
    return [status.name for status in (await office.firm()).statuses.of(kind)]


async def id_of(office: Office, name: str, kind: StatusType = StatusType.DISPOSITION) -> int:
    return (await office.firm()).statuses.named(kind, name).id


async def test_add_rename_flag_retire_restore(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    for kind in ("dialer", "disposition", "campaign", "attempts"):
        assert (await tab.get(f"{HERE}?type={kind}")).status_code == 200
    assert (await tab.get(f"{HERE}?type=other")).status_code == 404
    assert (await tab.post(f"{HERE}/add", type="disposition", name="Wrong Number")).status_code == 303
    again = await tab.post(f"{HERE}/add", type="disposition", name="wrong number")
    assert again.status_code == 422
    assert "already has the Last Dialer Disposition" in again.text
    there = await id_of(office, "Wrong Number")
    common = {"type": "disposition", "status": there}
    named = {**common, f"name-{there}": "Nobody There"}
    assert (await tab.post(f"{HERE}/rename", **named, was="Wrong Number")).status_code == 303
    late = await tab.post(f"{HERE}/rename", **named, was="Wrong Number")
    assert late.status_code == 422
    assert "Somebody else has renamed it to Nobody There meanwhile" in late.text
    flags = {**common, "was": "attempt", "flag": ["attempt", "opt-out"]}
    assert (await tab.post(f"{HERE}/flag", **flags)).status_code == 303
    assert (await office.firm()).statuses.named(StatusType.DISPOSITION, "Nobody There").flags == {
        Flag.ATTEMPT,
        Flag.OPT_OUT,
    }
    assert "Somebody else has changed these flags" in (await tab.post(f"{HERE}/flag", **flags)).text
    wrong = await tab.post(f"{HERE}/flag", **common, was="attempt,opt-out", flag="conversation")
    assert "A conversation is also an attempt" in wrong.text
    assert (await tab.post(f"{HERE}/retire", **common)).status_code == 303
    assert (await office.firm()).statuses.named(StatusType.DISPOSITION, "Nobody There").retired
    assert (await tab.post(f"{HERE}/restore", **common)).status_code == 303
    kept = await tab.post(f"{HERE}/retire", type="dialer", status=await id_of(office, "To Dial", StatusType.DIALER))
    assert "it can be renamed, not retired" in unescape(kept.text)


async def orders(tab: Tab) -> tuple[str, list[str]]:
    page = (await tab.get(f"{HERE}?type=disposition")).text
    seen = re.search('name="seen" value="([^"]*)"', page)
    assert seen
    return seen[1], re.findall('name="order" value="([0-9]+)"', page)


async def test_the_order(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    seen, ids = await orders(tab)
    busy, never = await id_of(office, "Busy"), await id_of(office, "Never Dialed")
    common = {"type": "disposition", "order": ids}
    moved = await tab.post(f"{HERE}/order", **common, seen=seen, up=busy)
    assert moved.status_code == 303
    assert (await names(office, StatusType.DISPOSITION))[:2] == ["Busy", "Never Dialed"]
    late = await tab.post(f"{HERE}/order", **common, seen=seen, down=never)
    assert late.status_code == 422
    assert "Somebody else has changed this list meanwhile" in late.text
    seen, ids = await orders(tab)
    dragged = await tab.post(f"{HERE}/order", type="disposition", seen=seen, order=ids[::-1])
    assert dragged.status_code == 303
    assert (await names(office, StatusType.DISPOSITION))[-1] == "Busy"
    seen, ids = await orders(tab)
    await statuses.add(office.store, ME, office.name, StatusType.DISPOSITION, "New")
    assert (await tab.post(f"{HERE}/order", type="disposition", seen=seen, order=ids)).status_code == 422


async def test_managers_look(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    assert "Administrators can change these" in (await tab.get(f"/{FIRM}/setup/firm")).text
    assert 'name="order"' not in (await tab.get(HERE)).text
    assert (await tab.post(f"{HERE}/add", type="disposition", name="X")).status_code == 403
    assert (await tab.post(f"/{FIRM}/setup/firm", records="1", do="save")).status_code == 403


@pytest.mark.parametrize("first", ["rename", "flag"])
@pytest.mark.parametrize("second", ["rename", "flag"])
async def test_what_somebody_else_does_at_the_same_moment(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """The page was read, and before its change is stored another one is."""
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    kind = StatusType.DISPOSITION
    status = (await office.firm()).statuses.named(kind, "Busy")
    real = {"rename": statuses.rename, "flag": statuses.flag}
    before = {
        "rename": lambda: real["rename"](doors.store, ME, office.name, kind, "Busy", "Engaged"),
        "flag": lambda: real["flag"](doors.store, ME, office.name, "Busy", [Flag.FINAL]),
    }

    async def late(*given: Any) -> Any:
        await before[first]()
        return await real[second](*given)

    monkeypatch.setattr(statuses, second, late)
    common = {"type": "disposition", "status": str(status.id)}
    forms = {
        "rename": {f"name-{status.id}": "Taken", "was": "Busy"},
        "flag": {"flag": ["attempt"], "was": ",".join(sorted(status.flags))},
    }
    reply = await tab.post(f"{HERE}/{second}", **common, **forms[second])
    now = next(one for one in (await office.firm()).statuses.of(kind) if one.id == status.id)
    if (first, second) == ("flag", "rename"):  # which do not concern each other
        assert (reply.status_code, now.name, now.flags) == (303, "Taken", {Flag.FINAL})
        return
    assert reply.status_code == 422
    assert "Nothing was changed" in reply.text
    assert (now.name, now.flags) == (("Engaged", status.flags) if first == "rename" else ("Busy", {Flag.FINAL}))
