"""Campaigns: what is set, what it does is told before, and nobody overwrites what somebody else changed."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import httpx
import pytest

from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.limits import own_limit
from casedial.domain.rules import Override, Purpose
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.domain.weeks import read_week
from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns as operations
from tests.conftest import ME, Office
from tests.console.conftest import FIRM, Doors, Tab

NAME = "Intake follow-up"
_INPUT = re.compile(r'<input[^>]*name="([^"]+)"[^>]*?value="([^"]*)"[^>]*>')
_AREA = re.compile(r'<textarea[^>]*name="([^"]+)"[^>]*>([^<]*)</textarea>')
_CHOICE = re.compile(r'<select[^>]*name="([^"]+)".*?</select>', re.DOTALL)


def fields(page: httpx.Response) -> dict[str, str]:
    """What a browser would send of the forms of a page: the last of each name, boxes only where they are ticked."""
    text = page.text
    found = {
        name: unescape(value)
        for tag in re.findall(r"<input[^>]*>", text)
        if 'type="checkbox"' not in tag or " checked" in tag
        for name, value in _INPUT.findall(tag)
    }
    found |= {name: unescape(value) for name, value in _AREA.findall(text)}
    for select in _CHOICE.finditer(text):
        chosen = re.search(r'value="([^"]*)" selected', select[0])
        found[select[1]] = unescape(chosen[1]) if chosen else ""
    return found


async def campaign_of(office: Office, name: str = NAME) -> tuple[int, Campaign]:
    firm = await office.firm()
    status = firm.statuses.named(StatusType.CAMPAIGN, name)
    return status.id, firm.campaign(status.id)


async def opened(tab: Tab, office: Office) -> tuple[str, dict[str, str]]:
    path = f"/{FIRM}/campaigns/{(await campaign_of(office))[0]}"
    return path, fields(await tab.get(path))


async def send(tab: Tab, path: str, form: dict[str, str], **changed: str) -> httpx.Response:
    return await tab.http.post(f"/console{path}", data={**form, **changed})


async def test_everything_that_the_command_line_sets(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.MANAGER)
    firm = await office.firm()
    busy = firm.statuses.named(StatusType.DISPOSITION, "Busy").id
    path, form = await opened(tab, office)
    wanted = {
        "purpose": "solicitation",
        "abroad": "yes",
        "timeout": "90 min",
        "hours": "wider",
        "reason": "our counsel",
        "limits": "3/24h\r\n7 in 7 days",
        "rest": "7d",
        f"after-{busy}": "4h",
        f"times-{busy}": "5",
    }
    wanted |= {"mon-from": "09:00", "mon-to": "18:00", "sat-from": "10:00", "sat-to": "00:00"}
    review = await send(tab, path, form, **wanted)
    assert review.status_code == 200
    assert "Nothing is saved yet." in review.text
    assert (await campaign_of(office))[1] == Campaign()
    saved = await send(tab, path, fields(review), do="save")
    assert saved.status_code == 303, saved.text
    decided = (await campaign_of(office))[1]
    assert decided == Campaign(
        5400,
        Purpose.SOLICITATION,
        False,
        (Override(read_week("mon 09:00-18:00, sat 10:00-24:00"), True, "our counsel"),),
        (
            own_limit(3, timedelta(hours=24)),
            own_limit(7, timedelta(days=7)),
            own_limit(1, timedelta(days=7), conversations=True),
        ),
        {busy: Retry(timedelta(hours=4), 5)},
        True,
    )
    _, form = await opened(tab, office)
    assert (await send(tab, path, form)).status_code == 303  # as it is stored: nothing to look over
    off = {name: "" for name in wanted if name != "abroad"} | {"purpose": "none", "hours": "rules"}
    form.pop("abroad")
    review = await send(tab, path, {**form, **off})
    assert (await send(tab, path, fields(review), do="save")).status_code == 303
    assert (await campaign_of(office))[1] == Campaign()


async def test_what_it_does_is_told_before(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.MANAGER)
    await operations.change(office.store, ME, office.name, NAME, CampaignChange(purpose=Purpose.CLIENT))
    always = Override(read_week("daily 00:00-24:00"), True, "a test")
    await operations.change(office.store, ME, office.name, NAME, CampaignChange(hours=[always]))
    for case_id in range(1, 8):
        await office.add(case_id, zip_code="60601")
    path, form = await opened(tab, office)
    now = (await office.firm()).zone
    del now
    review = await send(tab, path, form, abroad="yes")
    assert "Nothing: of 7 callable now none would be held back" in review.text
    # Hours that are over, whatever the hour is.
    days = {
        f"{day}-{end}": text
        for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
        for end, text in (("from", "00:00"), ("to", "00:01"))
    }
    review = await send(tab, path, form, **days)
    assert "Of <strong>7</strong> callable now <strong>7</strong> would be held back" in review.text
    again = await send(tab, path, fields(review), do="edit")
    assert again.status_code == 200
    assert fields(again)["sun-to"] == "00:01"
    assert "all 7 cases that are due" in review.text


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("purpose", "fun", "Choose a purpose."),
        ("timeout", "soon", "is not a span"),
        ("timeout", "2 years", "is not a span"),
        ("limits", "many", "is not a limit"),
        ("limits", "3/90d", "at most"),
        ("rest", "1.5h", "is not a span"),
        ("hours", "wider", "Give the hours of at least one day"),
    ],
)
async def test_bad_input_comes_back(doors: Doors, field: str, typed: str, told: str) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    path, form = await opened(tab, doors.office)
    reply = await send(tab, path, form, **{field: typed}, do="save")
    assert reply.status_code == 422
    assert told in unescape(reply.text)
    assert typed in fields(reply)[field] or field == "purpose"
    assert (await campaign_of(doors.office))[1] == Campaign()


async def test_the_second_of_two_is_told_what_the_first_changed(doors: Doors) -> None:
    office = doors.office
    one, other = await doors.signed_in(UserRole.MANAGER), await doors.signed_in(UserRole.MANAGER)
    path, ours = await opened(one, office)
    _, theirs = await opened(other, office)
    review = await send(one, path, ours, purpose="client", rest="2d")
    assert (await send(one, path, fields(review), do="save")).status_code == 303
    told = await send(other, path, theirs, rest="5d", limits="3/24h", do="save")
    assert told.status_code == 422
    text = unescape(told.text)
    assert "Somebody else changed this since you opened the form. Nothing was saved" in text
    assert "Somebody else changed this from none to client." in text
    assert "Somebody else changed this from nothing to 2d." in text
    again = fields(told)
    assert (again["purpose"], again["rest"], again["limits"]) == ("client", "5d", "3/24h")
    saved = await send(other, path, again, do="save")
    assert saved.status_code == 303
    decided = (await campaign_of(office))[1]
    assert decided.purpose is Purpose.CLIENT
    assert [one.span for one in decided.limits if one.conversations] == [timedelta(days=5)]


async def test_in_the_very_moment_of_saving(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.MANAGER)
    path, form = await opened(tab, office)
    change, first = operations.change, True

    async def meanwhile(*given: object, **named: object) -> object:
        nonlocal first
        if first:
            first = False
            await change(office.store, ME, office.name, NAME, CampaignChange(purpose=Purpose.DEBT))
        return await change(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(operations, "change", meanwhile)
    told = await send(tab, path, form, rest="5d", do="save")
    assert told.status_code == 422
    assert "from none to debt" in told.text
    assert (await campaign_of(office))[1] == Campaign(purpose=Purpose.DEBT)


async def test_pause_resume_and_preflight(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.MANAGER)
    await office.add(1)
    path, _ = await opened(tab, office)
    assert (await tab.post(f"{path}/pause")).status_code == 303
    assert (await campaign_of(office))[1].paused
    assert "paused" in (await tab.get(f"/{FIRM}/campaigns")).text
    found = await tab.get(f"{path}/preflight")
    assert "<strong>0</strong> of all 1 cases that are due" in re.sub(r"\s+", " ", found.text)
    assert "in a paused campaign" in found.text
    assert (await tab.post(f"{path}/resume")).status_code == 303
    assert not (await campaign_of(office))[1].paused


async def test_a_viewer_looks(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    path, form = await opened(tab, doors.office)
    assert "purpose" not in form
    assert (await send(tab, path, {"token": form["token"]}, purpose="client", do="save")).status_code == 403
    assert (await tab.post(f"{path}/pause")).status_code == 403
    assert (await tab.get(f"/{FIRM}/campaigns/999999")).status_code == 404
