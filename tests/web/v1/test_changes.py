"""Changes of many cases below /v1, from the preview to the undo: the same that the console makes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from casedial.domain.statuses import Role
from casedial.service.operations import changes, working
from tests.conftest import ME, Office, assert_problem
from tests.waiting import until
from tests.web.test_replay import same
from tests.web.v1.conftest import System


async def work(office: Office) -> None:
    """What a server does every other second."""
    server = uuid4()
    while (await working.go_on(office.store, server))[0]:
        pass


async def previewed(system: System, body: dict[str, Any]) -> dict[str, Any]:
    begun = await system.call("POST", "cases/changes", body)
    assert begun.status_code == 200, begun.text
    assert begun.json()["State"] == "preparing"

    async def settled() -> dict[str, Any] | None:
        shown: dict[str, Any] = (await system.get(f"cases/changes/{begun.json()['ChangeID']}")).json()
        return None if shown["State"] == "preparing" else shown

    found: dict[str, Any] = await until(settled)
    return found


@pytest.fixture
async def three(office: Office) -> Office:
    await office.add(1, dialer="Do not Dial")
    await office.add(2, dialer="In the Dialer")
    await office.add(3, dialer="Do not Dial", campaign="Notification campaign")
    return office


async def test_from_the_preview_to_the_undo(system: System, three: Office) -> None:
    shown = await previewed(system, {"Which": {"All": True}, "Move": "ToDial", "Reason": "A second try"})
    assert (shown["State"], shown["Total"], shown["Expected"]["Changed"]) == ("previewed", 3, 2)
    assert shown["By"] == {"Name": "Our System", "Kind": "key"}
    address = f"cases/changes/{shown['ChangeID']}"
    running = await system.call("POST", f"{address}/run")
    assert running.json()["State"] == "running", running.text
    await work(three)
    done = (await system.get(address)).json()
    assert (done["State"], done["Done"], done["Counts"]["Changed"]) == ("done", 3, 2)
    assert done["Left"] == [{"Reason": "InTheDialer", "CaseIDs": [2]}]
    assert await three.role(1) is Role.TO_DIAL
    assert (await three.history(1))[-1][2] == "Our System"
    assert (await system.call("POST", f"{address}/undo")).json()["State"] == "undoing"
    await work(three)
    undone = (await system.get(address)).json()
    assert (undone["State"], undone["UndoCounts"]["PutBack"]) == ("undone", 2)
    assert await three.role(1) is Role.DO_NOT_DIAL
    assert_problem(await system.call("POST", f"{address}/undo"), 409, "ChangeNotPossible")


async def test_it_is_the_change_that_the_console_shows(system: System, three: Office) -> None:
    which = {"CaseIDs": [3, "1", 99], "Campaign": "Notification campaign"}
    shown = await previewed(system, {"Which": which, "Priority": 1, "Campaign": "Intake follow-up"})
    found = await changes.every(three.store, ME, three.name)
    assert [(change.id, change.total) for change in found.changes] == [(shown["ChangeID"], 1)]
    assert (shown["Wanted"]["Priority"], shown["Wanted"]["Campaign"]) == (1, "Intake follow-up")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "MissingParameter", "#/Which"),
        ({"Which": {}, "Move": "ToDial"}, "MissingParameter", "#/Which"),
        ({"Which": {"All": True}}, "MissingParameter", "#/Move"),
        ({"Which": {"All": True}, "Move": "Away"}, "InvalidParameter", "#/Move"),
        ({"Which": {"All": True}, "Priority": 10}, "InvalidParameter", "#/Priority"),
        ({"Which": {"All": True}, "Move": "DoNotDial", "DialDateTime": "2026-05-06T09:00:00"}, "InvalidParameter",
         "#/DialDateTime"),
        ({"Which": {"Campaign": "No such"}, "Move": "ToDial"}, "UnknownStatus", "#/Which/Campaign"),
        ({"Which": {"Colour": "red"}, "Move": "ToDial"}, "UnknownParameter", "#/Which/Colour"),
        ({"Which": {"CaseIDs": [1, "x"]}, "Move": "ToDial"}, "InvalidParameter", "#/Which/CaseIDs/1"),
        ({"Which": [], "Move": "ToDial"}, "InvalidParameter", "#/Which"),
        ({"Which": {"All": True}, "Campaign": "No such"}, "UnknownStatus", "#/Campaign"),
        ({"Which": {"All": True}, "Move": "ToDial", "Reason": "x" * 201}, "InvalidParameter", None),
    ],
)  # fmt: skip
async def test_what_makes_no_sense(system: System, three: Office, body: Any, code: str, pointer: str | None) -> None:
    assert_problem(await system.call("POST", "cases/changes", body), 400, code, pointer)
    assert (await system.get("cases/changes")).json() == {"Changes": [], "Next": None}


async def test_above_a_thousand_the_number_is_to_be_said(
    system: System, three: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "TYPED_ABOVE", 2)
    shown = await previewed(system, {"Which": {"All": True}, "Move": "DoNotDial"})
    address = f"cases/changes/{shown['ChangeID']}"
    assert_problem(await system.call("POST", f"{address}/run"), 400, "InvalidParameter")
    assert_problem(await system.call("POST", f"{address}/run", {"Cases": 2}), 400, "InvalidParameter")
    assert (await system.call("POST", f"{address}/run", {"Cases": 3})).json()["State"] == "running"


async def test_a_repeat_begins_no_second_change(system: System, three: Office) -> None:
    body, once = {"Which": {"All": True}, "Move": "ToDial"}, {"Idempotency-Key": "begin"}
    first = await system.call("POST", "cases/changes", body, once)
    assert same(first, await system.call("POST", "cases/changes", body, once))
    listed = (await system.get("cases/changes", Limit=1)).json()
    assert ([one["ChangeID"] for one in listed["Changes"]], listed["Next"]) == ([first.json()["ChangeID"]], None)


async def test_pages_of_changes(system: System, three: Office) -> None:
    ids = [(await previewed(system, {"Which": {"All": True}, "Priority": n}))["ChangeID"] for n in (1, 2, 3)]
    first = (await system.get("cases/changes", Limit=2)).json()
    rest = (await system.get("cases/changes", Limit=2, Before=first["Next"])).json()
    assert [one["ChangeID"] for one in (*first["Changes"], *rest["Changes"])] == sorted(ids, reverse=True)
    assert rest["Next"] is None
    assert_problem(await system.get("cases/changes/999"), 404, "ChangeNotFound")
    for action in ("run", "undo"):
        assert_problem(await system.call("POST", f"cases/changes/999/{action}"), 404, "ChangeNotFound")


@pytest.mark.parametrize(("body", "kind"), [({"Note": "Call back."}, "note"), ({"DoNotCall": True}, "list")])
async def test_a_note_and_the_do_not_call_list(system: System, three: Office, body: dict[str, Any], kind: str) -> None:
    shown = await previewed(system, {"Which": {"All": True}, **body})
    assert (shown["Wanted"]["Kind"], shown["Wanted"]["Note"]) == (kind, body.get("Note"))

    async def become(step: str) -> list[bool]:
        reply = await system.call("POST", f"cases/changes/{shown['ChangeID']}/{step}")
        assert reply.status_code == 200, reply.text
        await work(three)
        if kind == "note":
            return [[note.text for note in await three.notes(case_id)] == ["Call back."] for case_id in (1, 2, 3)]
        listed = (await system.get("cases", DoNotCall="true")).json()["Cases"]
        return [case_id in {case["CaseID"] for case in listed} for case_id in (1, 2, 3)]

    assert await become("run") == [True, True, True]
    assert await become("undo") == [False, False, False]


@pytest.mark.parametrize(
    "body", [{"Note": "n", "Move": "ToDial"}, {"DoNotCall": False, "Priority": 2}, {"DoNotCall": True, "Note": "n"}]
)
async def test_what_stands_alone(system: System, body: dict[str, Any]) -> None:
    assert_problem(
        await system.call("POST", "cases/changes", {"Which": {"All": True}, **body}), 400, "InvalidParameter"
    )
