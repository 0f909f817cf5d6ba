"""The do-not-call list by the firm's own system."""

from __future__ import annotations

from typing import Any

import pytest

from casedial.domain.keys import Scope
from casedial.domain.statuses import Role
from tests.conftest import Api, Office, assert_problem
from tests.web.v1.conftest import System, key_of
from tests.web.v1.told import audited, hold_back

NUMBER, OTHER = "4025550001", "4025550002"  # of the cases 1 and 2


async def entries(system: System) -> list[tuple[str | None, int | None, str]]:
    listed = (await system.get("do-not-call")).json()["Entries"]
    return [(one["Number"], one["CaseID"], one["Source"]) for one in listed]


async def add(system: System, **body: Any) -> dict[str, int]:
    reply = await system.call("POST", "do-not-call", body)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_it_is_added_to_looked_up_and_taken_off(system: System, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    body = {"Number": ["(402) 555-0001", NUMBER, "402.555.0099"], "CaseID": 2, "Source": "letter"}
    assert await add(system, **body) == {"Added": 3, "Known": 0}
    assert await entries(system) == [(NUMBER, None, "letter"), ("4025550099", None, "letter"), (None, 2, "letter")]
    assert await add(system, Number=NUMBER) == {"Added": 0, "Known": 1}
    assert (await Api(system.http, office.key).post("GetCasesToDial", {})).json() == []

    found = (await system.call("POST", "do-not-call/look-up", {"Number": "+1 402 555 0001", "CaseID": [1, 2]})).json()
    assert [(one["Number"], one["CaseID"]) for one in found["Entries"]] == [(NUMBER, None), (None, 2)]
    assert (found["Cases"], found["AreAll"]) == ([1], True)
    none = (await system.call("POST", "do-not-call/look-up", {"Number": OTHER})).json()
    assert none == {"Entries": [], "Cases": [2], "AreAll": True}

    taken = {"Number": [NUMBER, "402-555-0098"], "CaseID": [2, 3], "Reason": "signed a consent"}
    removed = (await system.call("POST", "do-not-call/remove", taken)).json()
    assert (removed["Removed"], removed["NotListed"]) == (2, {"Numbers": ["4025550098"], "CaseIDs": [3]})
    assert await entries(system) == [("4025550099", None, "letter")]
    told = [(one.actor.name, one.action, one.after) for one in await audited(office)]
    assert told[-1] == ("Our System", "do_not_call.remove", {"reason": "signed a consent"})
    assert len((await Api(system.http, office.key).post("GetCasesToDial", {})).json()) == 2


async def test_the_source_is_the_keys_where_nobody_says(system: System, office: Office) -> None:
    await office.add(1)
    await add(system, CaseID="1")
    assert await entries(system) == [(None, 1, "added by Our System")]


async def test_who_stays_do_not_dial_is_told(system: System, office: Office) -> None:
    await office.add(1, dialer="Do not Dial")
    await add(system, Number=NUMBER)
    removed = (await system.call("POST", "do-not-call/remove", {"Number": NUMBER, "Reason": "a mistake"})).json()
    assert [one["CaseID"] for one in removed["DoNotDial"]] == [1]
    assert removed["AreAll"] is True
    assert await office.role(1) is Role.DO_NOT_DIAL


async def test_what_was_held_back_is_let_go(system: System, office: Office) -> None:
    await office.add(1)
    await add(system, Number=NUMBER)
    await hold_back(office, 1)
    await system.call("POST", "do-not-call/remove", {"Number": NUMBER, "Reason": "a mistake"})
    assert len((await Api(system.http, office.key).post("GetCasesToDial", {"Auto-change": True})).json()) == 1


async def test_page_by_page(system: System, office: Office) -> None:
    every = [f"40255502{number:02}" for number in range(7)]
    await add(system, Number=every)
    found, after = [], None
    for size in (3, 3, 1):
        page = (await system.get("do-not-call", Limit=3, **({"After": after} if after else {}))).json()
        assert len(page["Entries"]) == size
        found += [one["Number"] for one in page["Entries"]]
        after = page["Next"]
    assert (found, after) == (every, None)


@pytest.mark.parametrize("where", ["", "/look-up", "/remove"])
@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "MissingParameter", None),
        ({"Number": [], "CaseID": []}, "MissingParameter", None),
        ({"Number": "555-0123"}, "InvalidParameter", "#/Number"),
        ({"Number": [NUMBER, "555-0123", {}]}, "InvalidParameter", "#/Number/2"),
        ({"Number": "9" * 70}, "InvalidParameter", "#/Number"),
        ({"CaseID": [1, "x"]}, "InvalidParameter", "#/CaseID/1"),
        ({"CaseID": 0}, "InvalidParameter", "#/CaseID"),
        ({"CaseID": list(range(1, 1002))}, "TooManyItems", "#/CaseID"),
        ({"Phone": NUMBER}, "UnknownParameter", "#/Phone"),
    ],
)
async def test_what_is_wrong_is_named(
    system: System, where: str, body: dict[str, Any], code: str, pointer: str | None
) -> None:
    also = {"Reason": "a reason"} if where == "/remove" else {}
    reply = await system.call("POST", f"do-not-call{where}", {**body, **also})
    assert_problem(reply, 413 if code == "TooManyItems" else 400, code, pointer)
    assert await entries(system) == []


async def test_what_else_is_refused(system: System, office: Office, other_office: Office) -> None:
    await other_office.add(7)
    assert_problem(await system.call("POST", "do-not-call", {"CaseID": 7, "Number": NUMBER}), 404, "CaseNotFound")
    assert await entries(system) == []
    without = await system.call("POST", "do-not-call/remove", {"Number": NUMBER})
    assert_problem(without, 400, "MissingParameter", "#/Reason")
    named = {"Number": NUMBER, "Reason": f"call {NUMBER} again"}
    told = assert_problem(await system.call("POST", "do-not-call/remove", named), 400, "InvalidParameter")
    assert NUMBER not in told["detail"]


async def test_another_firms_list_is_not_seen(system: System, office: Office, other_office: Office) -> None:
    await other_office.add(1)
    theirs = System(system.http, other_office.key)
    assert_problem(await theirs.get("do-not-call"), 403, "ScopeNotAllowed")
    theirs = System(system.http, await key_of(other_office, Scope.MANAGE))
    await add(theirs, Number=NUMBER, CaseID=1)
    assert await entries(system) == []
    found = (await system.call("POST", "do-not-call/look-up", {"Number": NUMBER, "CaseID": 1})).json()
    assert found == {"Entries": [], "Cases": [], "AreAll": True}
    removed = (await system.call("POST", "do-not-call/remove", {"Number": NUMBER, "Reason": "mine"})).json()
    assert removed["Removed"] == 0
    assert len(await entries(theirs)) == 2


async def test_a_repeat_gets_the_first_reply(system: System) -> None:
    body, once = {"Number": NUMBER, "Reason": "a mistake"}, {"Idempotency-Key": "one"}
    await add(system, Number=NUMBER)
    first = await system.call("POST", "do-not-call/remove", body, once)
    assert first.json()["Removed"] == 1
    assert (await system.call("POST", "do-not-call/remove", body, once)).content == first.content
