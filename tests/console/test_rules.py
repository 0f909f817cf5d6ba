"""Calling rules: bans, overrides, places; what they do is told before; who may decide about all firms."""

from __future__ import annotations

from html import unescape

import pytest

from casedial.domain.rules import Override, Purpose
from casedial.domain.users import UserRole
from casedial.domain.weeks import read_week
from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns, rules
from tests.conftest import ME, NOW
from tests.console.conftest import FIRM, Doors, Tab
from tests.console.test_campaigns import fields, send

HERE = f"/{FIRM}/setup/rules"


async def everywhere(doors: Doors) -> Tab:
    """An administrator of both firms."""
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    from casedial.service.operations import users

    await users.set_role(doors.store, ME, tab.name, "Other & Sons", UserRole.ADMINISTRATOR)
    return tab


async def in_force(doors: Doors):  # type: ignore[no-untyped-def]
    return await rules.in_force(doors.store, ME, NOW)


async def test_a_ban_is_looked_over_made_and_lifted(doors: Doors) -> None:
    office, tab = doors.office, await everywhere(doors)
    always = Override(read_week("daily 00:00-24:00"), True, "a test")
    wanted = CampaignChange(purpose=Purpose.CLIENT, hours=[always])
    await campaigns.change(office.store, ME, office.name, "Intake follow-up", wanted)
    for case_id in (1, 2, 3):
        await office.add(case_id, zip_code="60601")
    token = {"token": await tab.token()}
    ban = {"state": "il", "until": "2050-12-01", "reason": "storm", "source": "the governor"}
    review = await send(tab, f"{HERE}/ban", token, **ban)
    assert review.status_code == 200, review.text
    assert "Of <strong>3</strong> callable now <strong>3</strong> would be held back" in review.text
    assert not (await in_force(doors)).bans
    assert (await send(tab, f"{HERE}/ban", fields(review), do="edit")).status_code == 200
    assert (await send(tab, f"{HERE}/ban", fields(review), do="save")).status_code == 303
    [(ban_id, made)] = (await in_force(doors)).bans.items()
    assert (made.state, made.reason, made.source) == ("IL", "storm", "the governor")
    assert "storm" in (await tab.get(HERE)).text
    ends = {**token, "kind": "ban", "id": str(ban_id)}
    review = await send(tab, f"{HERE}/end", ends)
    assert "<strong>3</strong> that are held back now could be called" in review.text
    assert (await send(tab, f"{HERE}/end", ends, do="save")).status_code == 303
    gone = await send(tab, f"{HERE}/end", ends, do="save")
    assert gone.status_code == 404
    assert "somebody has ended it" in gone.text


async def test_an_override(doors: Doors) -> None:
    tab = await everywhere(doors)
    token = {"token": await tab.token()}
    row = {"row": "la", "purpose": "client", "week": "own", "mon-from": "09:00", "mon-to": "17:00", "why": "counsel"}
    row |= {"holidays": "yes", "calls": "3/24h", "rest": "7d", "where": "a statute"}
    review = await send(tab, f"{HERE}/override", token, **row)
    assert "mon 09:00-17:00, tue-sun none" in review.text
    assert (await send(tab, f"{HERE}/override", fields(review), do="save")).status_code == 303
    [made] = (await in_force(doors)).overrides
    assert (made.state, made.purpose, made.reason, made.source) == ("LA", Purpose.CLIENT, "counsel", "a statute")
    assert (made.bans_holidays, made.rest) == (True, 168)
    assert made.attempts
    assert (made.attempts.count, made.attempts.hours) == (3, 24)
    shown = await tab.get(f"{HERE}?state=LA")
    assert "counsel" in shown.text
    # Two at once: the second looked it over before the first was made.
    second = await send(tab, f"{HERE}/override", token, row="la", purpose="client", rest="2d", why="another")
    assert f"override {made.id}: counsel" in second.text
    late = {**token, "row": "la", "purpose": "client", "rest": "2d", "why": "another", "over": ""}
    told = await send(tab, f"{HERE}/override", late, do="save")
    assert told.status_code == 200
    assert f"override {made.id}: counsel" in told.text
    assert (await in_force(doors)).overrides == (made,)
    assert (await send(tab, f"{HERE}/override", fields(told), do="save")).status_code == 303
    [again] = (await in_force(doors)).overrides
    assert again.rest == 48
    ends = {**token, "kind": "override", "id": str(again.id)}
    assert (await send(tab, f"{HERE}/end", ends, do="save")).status_code == 303
    assert not (await in_force(doors)).overrides


async def test_a_place(doors: Doors) -> None:
    tab = await everywhere(doors)
    token = {"token": await tab.token()}
    place = {"zip": "9001", "states": "ne, ca", "zones": "Europe/Berlin", "because": "the base is in Germany"}
    review = await send(tab, f"{HERE}/place", token, **place)
    assert "CA, NE, Europe/Berlin" in review.text
    assert (await send(tab, f"{HERE}/place", fields(review), do="save")).status_code == 303
    [made] = (await in_force(doors)).placed
    assert made.zip_code == "09001"


@pytest.mark.parametrize(
    ("what", "sent", "told"),
    [
        ("ban", {"state": "XX", "until": "2050-01-01", "reason": "x"}, "There is no state 'XX'"),
        ("ban", {"state": "LA", "until": "soon", "reason": "x"}, "Give the last day"),
        ("ban", {"state": "LA", "until": "2001-01-01", "reason": "x"}, "This time has passed"),
        ("ban", {"state": "LA", "until": "9999-12-31", "reason": "x"}, "later than calendars go"),
        ("ban", {"state": "LA", "until": "2050-01-01"}, "Give a reason"),
        ("override", {"row": "", "purpose": "client", "why": "x"}, "Name a state"),
        ("override", {"row": "LA", "purpose": "none", "why": "x"}, "no rules"),
        ("override", {"row": "LA", "purpose": "client", "why": "x"}, "Say what to override"),
        ("override", {"row": "LA", "purpose": "client", "rest": "90m", "why": "x"}, "whole hours"),
        ("override", {"row": "LA", "purpose": "client", "calls": "many", "why": "x"}, "is not a limit"),
        ("override", {"row": "LA", "purpose": "client", "rest": "7d"}, "Give a reason"),
        ("place", {"zip": "x", "states": "NE", "zones": "Europe/Berlin", "because": "x"}, "is not a ZIP code"),
        ("place", {"zip": "09001", "states": "", "zones": "", "because": "x"}, "Name the states"),
        ("place", {"zip": "09001", "states": "NE", "zones": "Mars", "because": "x"}, "is not a time zone"),
    ],
)
async def test_bad_input_comes_back(doors: Doors, what: str, sent: dict[str, str], told: str) -> None:
    tab = await everywhere(doors)
    reply = await send(tab, f"{HERE}/{what}", {"token": await tab.token()}, **sent, do="save")
    assert reply.status_code == 422, reply.text
    assert told in unescape(reply.text)
    found = await in_force(doors)
    assert (found.bans, found.overrides, found.placed) == ({}, (), ())


async def test_who_is_not_administrator_of_all_firms_decides_nothing(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    shown = await tab.get(HERE)
    assert "Only somebody who is administrator of every firm" in shown.text
    assert "Ban calls to a state" not in shown.text
    ban = {"state": "LA", "until": "2050-01-01", "reason": "x"}
    refused = await send(tab, f"{HERE}/ban", {"token": await tab.token()}, **ban, do="save")
    assert refused.status_code == 422
    assert "administrator in every firm of this server" in refused.text
    assert not (await in_force(doors)).bans
    manager = await doors.signed_in(UserRole.MANAGER)
    assert (await manager.get(HERE)).status_code == 200
    assert (await manager.post(f"{HERE}/ban", **ban, do="save")).status_code == 403
