"""Campaigns by the firm's own system: settings, pause and resume, one operation as in the console."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from casedial.domain.rules import Purpose
from casedial.domain.statuses import StatusType
from casedial.service.operations import campaigns
from casedial.service.operations.campaigns import CampaignChange
from tests.conftest import ME, Api, Office, assert_problem
from tests.web.v1.conftest import System
from tests.web.v1.told import audited, hold_back

SETTINGS: dict[str, Any] = {
    "Paused": False,
    "Purpose": "client",
    "ClaimSeconds": 7200,
    "Abroad": True,
    "Hours": [{"Week": "mon-fri 09:00-18:00, sat-sun none", "Wider": False, "Reason": ""}],
    "Limits": [{"Calls": 3, "Seconds": 86400}, {"Calls": 10, "Seconds": 604800}],
    "RestSeconds": 172800,
    "Retries": [
        {"Disposition": "Busy", "AfterSeconds": 600, "AtMost": 3},
        {"Disposition": "No Answer", "AfterSeconds": 14400, "AtMost": 5},
    ],
}
UNDECIDED: dict[str, Any] = {
    "Paused": False,
    "Purpose": "none",
    "ClaimSeconds": None,
    "Abroad": False,
    "Hours": [],
    "Limits": [],
    "RestSeconds": 0,
    "Retries": [],
}


async def its_id(office: Office, name: str = "Intake follow-up") -> int:
    return (await office.firm()).statuses.named(StatusType.CAMPAIGN, name).id


async def path_of(office: Office, *more: str) -> str:
    return "/".join(("campaigns", str(await its_id(office)), *more))


async def test_they_are_listed_and_read(system: System, office: Office) -> None:
    listed = (await system.get("campaigns")).json()["Campaigns"]
    assert [one["Name"] for one in listed] == ["Intake follow-up", "Notification campaign"]
    read = (await system.get(await path_of(office))).json()
    assert read == listed[0]
    known = {"CampaignID": await its_id(office), "Name": "Intake follow-up", "Retired": False, "Unreadable": False}
    assert read == {**known, **UNDECIDED}


async def test_every_setting_is_set_read_and_set_back(system: System, office: Office) -> None:
    path = await path_of(office)
    reply = await system.call("PATCH", path, SETTINGS)
    assert reply.status_code == 200, reply.text
    whole = reply.json()
    assert {name: whole[name] for name in SETTINGS} == SETTINGS
    assert (await system.get(path)).json() == whole
    decided = (await office.firm()).campaign(await its_id(office))
    assert (decided.purpose, decided.claim_timeout, decided.abroad) == (Purpose.CLIENT, 7200, True)
    assert decided.retries[(await office.firm()).statuses.named(StatusType.DISPOSITION, "Busy").id].at_most == 3

    assert (await system.call("PATCH", path, whole)).json() == whole  # as it was read
    assert (await system.call("PATCH", path, {})).json() == whole
    back = await system.call("PATCH", path, UNDECIDED)
    assert {name: back.json()[name] for name in UNDECIDED} == UNDECIDED
    told = [(entry.actor.name, entry.action, entry.subject) for entry in await audited(office)]
    assert told == [("Our System", "campaign.set", "campaign Intake follow-up")] * 2


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, value in SETTINGS.items() if name != "Paused"])
async def test_what_is_absent_stays(system: System, office: Office, name: str, value: object) -> None:
    path = await path_of(office)
    changed = (await system.call("PATCH", path, {name: value})).json()
    assert {one: changed[one] for one in UNDECIDED} == {**UNDECIDED, name: value}


async def test_a_campaign_is_paused_and_resumed(system: System, office: Office) -> None:
    await office.add(1)
    dialer = Api(system.http, office.key)
    assert (await system.call("POST", await path_of(office, "pause"))).json()["Paused"] is True
    assert (await dialer.post("GetCasesToDial", {"Auto-change": True})).json() == []
    assert (await system.call("POST", await path_of(office, "resume"), {})).json()["Paused"] is False
    assert len((await dialer.post("GetCasesToDial", {"Auto-change": True})).json()) == 1


async def test_what_was_held_back_is_let_go_with_the_reply(system: System, office: Office) -> None:
    """A case that a claim met and may not give out is looked at again at once, where a change may let it through."""
    await office.add(1)
    await hold_back(office, 1)
    path, dialer = await path_of(office), Api(system.http, office.key)
    for change, found in (({"ClaimSeconds": 60}, 0), ({"Abroad": True}, 1)):
        assert (await system.call("PATCH", path, change)).status_code == 200
        assert len((await dialer.post("GetCasesToDial", {"Auto-change": True})).json()) == found


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"Purpose": "fun"}, "InvalidParameter", "#/Purpose"),
        ({"Paused": "maybe"}, "InvalidParameter", "#/Paused"),
        ({"ClaimSeconds": -1}, "InvalidParameter", "#/ClaimSeconds"),
        ({"ClaimSeconds": 10**30}, "InvalidParameter", "#/ClaimSeconds"),
        ({"Hours": "mon-fri"}, "InvalidParameter", "#/Hours"),
        ({"Hours": [{"Week": "monday"}]}, "InvalidParameter", "#/Hours/0"),
        ({"Hours": [{"Week": "mon 09:00-10:00", "Wider": True}]}, "InvalidParameter", "#/Hours/0"),
        ({"Hours": [{}]}, "MissingParameter", "#/Hours/0/Week"),
        ({"Hours": [{"Week": "mon 09:00-10:00"}] * 2}, "TooManyItems", "#/Hours"),
        ({"Limits": [7]}, "InvalidParameter", "#/Limits/0"),
        ({"Limits": [{"Calls": 0, "Seconds": 60}]}, "InvalidParameter", "#/Limits/0/Calls"),
        ({"Limits": [{"Calls": 1}]}, "MissingParameter", "#/Limits/0/Seconds"),
        ({"Limits": [{"Calls": 1, "Seconds": 60, "Per": "day"}]}, "UnknownParameter", "#/Limits/0/Per"),
        ({"Limits": {"Calls": 1}}, "InvalidParameter", "#/Limits"),
        (
            {"Retries": [{"Disposition": "Nope", "AfterSeconds": 60, "AtMost": 1}]},
            "UnknownStatus",
            "#/Retries/0/Disposition",
        ),
        ({"Retries": [{"Disposition": None}]}, "MissingParameter", "#/Retries/0/Disposition"),
        ({"Colour": "red"}, "UnknownParameter", "#/Colour"),
    ],
)
async def test_what_is_wrong_is_named(
    system: System, office: Office, body: dict[str, Any], code: str, pointer: str
) -> None:
    reply = await system.call("PATCH", await path_of(office), body)
    assert_problem(reply, 413 if code == "TooManyItems" else 400, code, pointer)
    assert (await office.firm()).campaign(await its_id(office)).retries == {}


async def test_what_only_the_setting_knows_is_wrong_is_refused_alike(system: System, office: Office) -> None:
    far = {"Limits": [{"Calls": 1, "Seconds": int(timedelta(days=200).total_seconds())}]}
    told = assert_problem(await system.call("PATCH", await path_of(office), far), 400, "InvalidParameter")
    assert "A limit is 1 to 1000 calls" in told["detail"]


async def test_one_that_is_not_the_firms_is_nobodys(system: System, office: Office, other_office: Office) -> None:
    disposition = (await office.firm()).statuses.named(StatusType.DISPOSITION, "Busy").id
    for wanted in (await its_id(other_office), disposition, 10**18):
        for verb, more, body in (("GET", "", None), ("PATCH", "", {"Paused": True}), ("POST", "/pause", None)):
            assert_problem(await system.call(verb, f"campaigns/{wanted}{more}", body), 404, "StatusNotFound")
    assert_problem(await system.get("campaigns/x"), 400, "InvalidParameter")
    assert not (await other_office.firm()).campaign(await its_id(other_office)).paused


async def test_a_repeat_gets_the_first_reply(system: System, office: Office) -> None:
    path, once = await path_of(office), {"Idempotency-Key": "one"}
    first = await system.call("PATCH", path, {"ClaimSeconds": 60}, once)
    await campaigns.change(office.store, ME, office.name, "Intake follow-up", CampaignChange(claim_timeout=120))
    assert (await system.call("PATCH", path, {"ClaimSeconds": 60}, once)).content == first.content
    assert (await office.firm()).campaign(await its_id(office)).claim_timeout == 120
    assert_problem(await system.call("PATCH", path, {"ClaimSeconds": 61}, once), 422, "IdempotencyKeyReused")


async def test_a_fault_leaves_nothing(system: System, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings, the audit and the reply that is kept are one transaction."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    path, once = await path_of(office), {"Idempotency-Key": "one"}
    with monkeypatch.context() as patched:
        patched.setattr(campaigns, "note_change", fail)
        assert_problem(await system.call("PATCH", path, {"Paused": True}, once), 500, "InternalError")
    assert (await system.get(path)).json()["Paused"] is False
    assert await audited(office) == []
    assert (await system.call("PATCH", path, {"Paused": True}, once)).json()["Paused"] is True
