"""The four lists of statuses by the firm's own system."""

from __future__ import annotations

from typing import Any

import pytest

from casedial.domain.statuses import Flag, StatusType
from tests.conftest import Office, assert_problem
from tests.web.v1.conftest import System
from tests.web.v1.told import audited

DISPOSITION = "Last Dialer Disposition"


async def status(office: Office, name: str, kind: StatusType = StatusType.DISPOSITION) -> int:
    return (await office.firm()).statuses.named(kind, name).id


async def names(system: System, kind: str) -> list[str]:
    return [one["Name"] for one in (await system.get("statuses", Type=kind)).json()["Statuses"]]


async def actions(office: Office) -> list[str]:
    return [entry.action for entry in await audited(office)]


async def test_they_are_listed_in_the_firms_order(system: System, office: Office) -> None:
    whole = (await system.get("statuses")).json()["Statuses"]
    assert [one["Name"] for one in whole[:5]] == ["To Dial", "In the Dialer", "Do not Dial", "Never Dialed", "Busy"]
    assert whole[0] == {
        "StatusID": await status(office, "To Dial", StatusType.DIALER),
        "Type": "Dialer Status",
        "Name": "To Dial",
        "Role": "ToDial",
        "Flags": [],
        "Retired": False,
    }
    assert whole[4]["Flags"] == ["attempt"]
    assert len(whole) == len((await office.firm()).statuses.all)
    for kind in ("Campaign Status", "campaign", " CAMPAIGN status "):
        assert await names(system, kind) == ["Intake follow-up", "Notification campaign"]
    assert_problem(await system.get("statuses", Type="colour"), 400, "InvalidParameter", "#/Type")


async def test_one_is_added(system: System, office: Office) -> None:
    reply = await system.call("POST", "statuses", {"Type": "disposition", "Name": " Wrong Number "})
    assert reply.status_code == 200, reply.text
    assert reply.json()["StatusID"] == await status(office, "Wrong Number")
    assert (reply.json()["Type"], reply.json()["Flags"]) == (DISPOSITION, ["attempt"])
    assert (await names(system, DISPOSITION))[-1] == "Wrong Number"
    again = {"Type": "disposition", "Name": "WRONG number"}
    assert_problem(await system.call("POST", "statuses", again), 409, "StatusExists")
    many = {"Type": "Attempts Status", "Name": "many"}
    assert_problem(await system.call("POST", "statuses", many), 400, "InvalidParameter")
    assert_problem(await system.call("POST", "statuses", {"Name": "x"}), 400, "MissingParameter", "#/Type")
    assert await actions(office) == ["status.add"]


async def test_all_of_a_change_is_made_or_nothing(system: System, office: Office) -> None:
    id_ = await status(office, "Busy")
    wanted: dict[str, Any] = {"Name": "Engaged", "Flags": ["attempt", "Conversation"], "Retired": True}
    reply = await system.call("PATCH", f"statuses/{id_}", wanted)
    assert reply.status_code == 200, reply.text
    assert reply.json() == {
        "StatusID": id_,
        "Type": DISPOSITION,
        "Name": "Engaged",
        "Role": None,
        "Flags": ["attempt", "conversation"],
        "Retired": True,
    }
    assert await actions(office) == ["status.rename", "status.flag", "status.retire"]
    assert (await system.call("PATCH", f"statuses/{id_}", reply.json())).json() == reply.json()  # as it was read
    assert len(await actions(office)) == 3

    bad = {"Name": "Engaged again", "Flags": ["conversation"]}  # which is an attempt, too
    assert_problem(await system.call("PATCH", f"statuses/{id_}", bad), 400, "InvalidParameter")
    assert (await names(system, DISPOSITION))[1] == "Engaged"
    assert len(await actions(office)) == 3
    assert (await system.call("PATCH", f"statuses/{id_}", {"Flags": []})).json()["Flags"] == []
    assert (await system.call("PATCH", f"statuses/{id_}", {"Flags": "final"})).json()["Flags"] == ["final"]


async def test_what_is_refused(system: System, office: Office, other_office: Office) -> None:
    to_dial = f"statuses/{await status(office, 'To Dial', StatusType.DIALER)}"
    assert_problem(await system.call("PATCH", to_dial, {"Retired": True}), 409, "StatusHasRole")
    assert_problem(await system.call("PATCH", to_dial, {"Flags": ["attempt"]}), 400, "InvalidParameter", "#/Flags")
    assert_problem(await system.call("PATCH", to_dial, {"Name": "in the DIALER"}), 409, "StatusExists")
    assert_problem(await system.call("PATCH", to_dial, {"Name": "x" * 300}), 400, "InvalidParameter")
    assert (await system.call("PATCH", to_dial, {"Name": "To be dialed"})).json()["Role"] == "ToDial"
    busy = f"statuses/{await status(office, 'Busy')}"
    assert_problem(await system.call("PATCH", busy, {"Flags": ["loud", 7]}), 400, "InvalidParameter", "#/Flags/1")
    for wanted in (await status(other_office, "Busy"), 10**18):
        assert_problem(await system.call("PATCH", f"statuses/{wanted}", {"Name": "Mine"}), 404, "StatusNotFound")
    assert_problem(await system.call("PATCH", "statuses/order", {"Name": "x"}), 405, "MethodNotAllowed")
    [theirs] = [one for one in (await other_office.firm()).statuses.all if one.name == "Busy"]
    assert theirs.flags == {Flag.ATTEMPT}


async def test_an_order(system: System, office: Office) -> None:
    wanted = {"Type": DISPOSITION, "Names": ["successful", "Busy"]}
    reply = await system.call("POST", "statuses/order", wanted)
    assert [one["Name"] for one in reply.json()["Statuses"]] == (await names(system, DISPOSITION))
    assert (await names(system, DISPOSITION))[:3] == ["Successful", "Busy", "Never Dialed"]
    nope = {"Type": DISPOSITION, "Names": ["Busy", "Nope"]}
    assert_problem(await system.call("POST", "statuses/order", nope), 400, "UnknownStatus", "#/Names/1")
    assert_problem(await system.call("POST", "statuses/order", {"Names": ["Busy"]}), 400, "MissingParameter", "#/Type")
    none = {"Type": DISPOSITION}
    assert_problem(await system.call("POST", "statuses/order", none), 400, "MissingParameter", "#/Names")


async def test_a_repeat_gets_the_first_reply(system: System) -> None:
    new, once = {"Type": "campaign", "Name": "Third campaign"}, {"Idempotency-Key": "one"}
    first = await system.call("POST", "statuses", new, once)
    assert first.status_code == 200
    assert (await system.call("POST", "statuses", new, once)).content == first.content
    assert_problem(await system.call("POST", "statuses", new), 409, "StatusExists")


@pytest.mark.parametrize("name", ["  ", None, 7, "\u0000", "two\nlines"])
async def test_a_name_that_is_none(system: System, name: object) -> None:
    reply = await system.call("POST", "statuses", {"Type": "campaign", "Name": name})
    assert reply.status_code == 400
    assert await names(system, "campaign") == ["Intake follow-up", "Notification campaign"]
