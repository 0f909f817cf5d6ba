"""Cases below /v1: sent, listed, read, changed, deleted, and what a repeat gets."""

from __future__ import annotations

from typing import Any

import httpx
import sqlalchemy as sa

from casedial.database import tables
from casedial.database.engine import Store
from casedial.domain.cases import Phone
from casedial.domain.keys import Scope
from casedial.domain.statuses import Role
from casedial.storage import keys
from tests.conftest import NOW, Api, Office, assert_problem
from tests.web.test_replay import same
from tests.web.v1.conftest import System, key_of

ONCE = {"Idempotency-Key": "put-1"}
CASE: dict[str, Any] = {
    "CaseID": 6,
    "Plaintiff": "Ada Example",
    "ZipCode": "68046",
    "Campaign": "Intake follow-up",
    "DialerStatus": "To Dial",
    "DialDateTime": "2026-05-06T09:00:00",
    "Phones": [{"PhoneName": "Cell", "Phone": "(402) 555-5759", "Primary": True, "Text": True}],
}


async def audited(store: Store) -> list[tuple[str, str, str]]:
    async with store.read() as tx:
        found = await tx.execute(sa.select(tables.audit).order_by(tables.audit.c.id))
        return [(row.action, row.subject, row.actor_name) for row in found]


async def test_cases_are_added_changed_and_told_of_one_by_one(system: System, office: Office) -> None:
    reply = await system.call("POST", "cases", {"Cases": [CASE, {"CaseID": 7, "CaseGroup": "Auto"}]})
    assert reply.status_code == 200, reply.text
    assert reply.json()["Results"] == [
        {"CaseID": 6, "Success": True, "Outcome": "added"},
        {"CaseID": 7, "Success": True, "Outcome": "added"},
    ]
    assert (await office.case(6)).phones == (Phone("Cell", "(402) 555-5759", True, True),)
    again = (await system.call("POST", "cases", {"Cases": [CASE, {"CaseID": 7, "CaseGroup": "Work"}]})).json()
    assert [result["Outcome"] for result in again["Results"]] == ["unchanged", "updated"]
    assert (again["Added"], again["Updated"], again["Unchanged"]) == (0, 1, 1)
    assert ("case.put", "cases that were sent", "Our System") in await audited(office.store)


async def test_a_case_reads_back_as_it_was_sent(system: System) -> None:
    await system.call("POST", "cases", {"Cases": [CASE]})
    shown = (await system.get("cases/6")).json()
    assert {name: shown[name] for name in CASE} == CASE
    back = {name: value for name, value in shown.items() if name != "HeldBy"}
    again = await system.call("POST", "cases", {"Cases": [back], "SetStatuses": True})
    assert again.json()["Results"] == [{"CaseID": 6, "Success": True, "Outcome": "unchanged"}]


async def test_bad_cases_among_good_ones(system: System, office: Office) -> None:
    sent = [
        CASE,
        {"CaseID": 0},
        7,
        {"CaseID": 8, "Priority": 12},
        {"CaseID": 9, "Campaign": "No such"},
        {"CaseID": 10, "Colour": "red"},
        {"CaseID": 11, "Phones": "402"},
        {"CaseID": 12, "Phones": [{"Phone": "12"}]},
        {"Plaintiff": "nobody"},
    ]
    reply = await system.call("POST", "cases", {"Cases": sent})
    found = reply.json()
    assert (reply.status_code, found["Succeeded"], found["Failed"]) == (200, 2, 7)
    assert [result["Success"] for result in found["Results"]] == [True, *[False] * 6, True, False]
    assert found["Results"][5]["Code"] == "UnknownParameter"
    assert "Phone1 has 2 digits" in found["Results"][7]["Warnings"][0]
    listed = (await system.get("cases")).json()
    assert [case["CaseID"] for case in listed["Cases"]] == [6, 12]
    told = assert_problem(await system.call("POST", "cases", {"Cases": [{"CaseID": 8, "Priority": 12}, 7]}), 400,
                          "InvalidParameter", "#/Cases/0/Priority")  # fmt: skip
    assert (told["Failed"], len(told["Results"])) == (2, 2)


async def test_what_no_list_of_cases_is(system: System) -> None:
    for body, code in (
        ({}, "MissingParameter"),
        ({"Cases": []}, "InvalidParameter"),
        ({"Cases": {}}, "InvalidParameter"),
        ({"Cases": [CASE], "Case": 1}, "UnknownParameter"),
        ([CASE], "InvalidParameter"),
        ({"Cases": [CASE], "SetStatuses": "perhaps"}, "InvalidParameter"),
    ):
        assert_problem(await system.call("POST", "cases", body), 400, code)
    assert_problem(await system.call("POST", "cases", {"Cases": [CASE] * 1001}), 413, "TooManyItems")
    assert_problem(await system.call("POST", "cases", content=b"{"), 400, "MalformedDocument")
    assert_problem(await system.call("POST", "cases", data={"Cases": "1"}), 415, "UnsupportedContentType")
    assert_problem(await system.call("POST", "cases"), 400, "MissingParameter")
    assert (await system.get("cases")).json() == {"Cases": [], "Next": None, "Unreadable": []}


async def test_a_thousand_cases(system: System, office: Office) -> None:
    sent = [{**CASE, "CaseID": number} for number in range(1, 1001)]
    reply = await system.call("POST", "cases", {"Cases": sent}, ONCE)
    assert (reply.status_code, reply.json()["Added"]) == (200, 1000)
    found, after = [], None
    while True:
        page = (await system.get("cases", Limit=400, **({"After": after} if after else {}))).json()
        found += [case["CaseID"] for case in page["Cases"]]
        after = page["Next"]
        if after is None:
            break
    assert found == list(range(1, 1001))


async def test_statuses_stay_unless_they_are_to_be_set(system: System, office: Office) -> None:
    await office.add(1)
    await office.add(2, dialer="In the Dialer")
    sent = {"Cases": [{"CaseID": number, "DialerStatus": "Do not Dial"} for number in (1, 2)]}
    assert (await system.call("POST", "cases", sent)).json()["StatusesKept"] == 2
    set_ = (await system.call("POST", "cases", {**sent, "SetStatuses": True})).json()
    assert (set_["Updated"], set_["InTheDialer"]) == (1, [2])
    assert [await office.role(number) for number in (1, 2)] == [Role.DO_NOT_DIAL, Role.IN_THE_DIALER]
    added = await system.call("POST", "cases", {"Cases": [{"CaseID": 3, "Campaign": "New"}], "AddStatuses": True})
    assert added.json()["StatusesAdded"] == [{"Field": "Campaign", "Name": "New"}]


async def test_a_repeat_gets_the_first_reply_and_changes_nothing(system: System, office: Office) -> None:
    first = await system.call("POST", "cases", {"Cases": [CASE, {"CaseID": 0}]}, ONCE)
    await system.call("PATCH", "cases/6", {"Plaintiff": "Somebody Else"})
    assert same(first, await system.call("POST", "cases", {"Cases": [CASE, {"CaseID": 0}]}, ONCE))
    assert (await office.case(6)).plaintiff == "Somebody Else"
    assert_problem(await system.call("POST", "cases", {"Cases": [CASE]}, ONCE), 422, "IdempotencyKeyReused")
    assert_problem(await system.call("DELETE", "cases/6", headers=ONCE), 422, "IdempotencyKeyReused")
    patch = {"Idempotency-Key": "patch"}
    assert same(
        await system.call("PATCH", "cases/6", {"Plaintiff": "C"}, patch),
        await system.call("PATCH", "cases/6", {"Plaintiff": "C"}, patch),
    )
    gone = {"Idempotency-Key": "delete"}
    assert same(
        await system.call("DELETE", "cases/6", headers=gone), await system.call("DELETE", "cases/6", headers=gone)
    )
    assert_problem(await system.call("DELETE", "cases/6"), 404, "CaseNotFound")


async def test_null_clears_and_is_another_request(system: System, office: Office) -> None:
    await system.call("POST", "cases", {"Cases": [CASE]})
    assert (await system.call("PATCH", "cases/6", {"Priority": 1}, ONCE)).status_code == 200
    told = await system.call("PATCH", "cases/6", {"Priority": 1, "Plaintiff": None}, ONCE)
    assert_problem(told, 422, "IdempotencyKeyReused")
    await system.call("PATCH", "cases/6", {"Plaintiff": None})
    assert ((await office.case(6)).plaintiff, (await office.case(6)).priority) == ("", 1)


async def test_a_write_that_fails_leaves_nothing_and_keeps_no_reply(
    system: System, office: Office, monkeypatch: Any
) -> None:
    """All of it is one transaction: the cases, the audit, the reply."""

    async def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("casedial.service.operations.imports.note", fail)
        assert (await system.call("POST", "cases", {"Cases": [CASE]}, ONCE)).status_code == 500
    assert (await system.get("cases")).json()["Cases"] == []
    assert (await system.call("POST", "cases", {"Cases": [CASE]}, ONCE)).json()["Added"] == 1


async def test_one_case_is_changed_whole_or_not_at_all(system: System, office: Office) -> None:
    await office.add(1)
    await office.add(2, dialer="In the Dialer")
    reply = await system.call("PATCH", "cases/1", {"DialerStatus": "Do not Dial", "Phone2": "4025550199"})
    assert reply.json() == {"CaseID": 1, "Changed": True, "Warnings": []}
    assert await office.role(1) is Role.DO_NOT_DIAL
    assert len((await office.case(1)).phones) == 2
    assert (await system.call("PATCH", "cases/1", {"CaseID": 1, "Priority": 5})).json()["Changed"] is False
    for path, body, status, code in (
        ("cases/1", {"Campaign": "No such", "Plaintiff": "X"}, 400, "InvalidParameter"),
        ("cases/1", {"CaseID": 2, "Plaintiff": "X"}, 400, "InvalidParameter"),
        ("cases/1", {}, 400, "MissingParameter"),
        ("cases/1", {"Colour": "red"}, 400, "UnknownParameter"),
        ("cases/3", {"Plaintiff": "X"}, 404, "CaseNotFound"),
        ("cases/2", {"DialerStatus": "To Dial", "Plaintiff": "X"}, 409, "ChangeNotPossible"),
    ):
        assert_problem(await system.call("PATCH", path, body), status, code)
    assert [(await office.case(number)).plaintiff for number in (1, 2)] == ["", ""]


async def test_a_case_is_deleted_with_all_that_tells_of_it(system: System, office: Office, api: Api) -> None:
    await office.add(1)
    await office.add(2, dialer="In the Dialer")
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "Secret"})
    assert_problem(await system.call("DELETE", "cases/2"), 409, "ChangeNotPossible")
    assert (await system.call("DELETE", "cases/2", params={"EvenInTheDialer": "true"})).status_code == 200
    assert (await system.call("DELETE", "cases/1")).json()["Notes"] == 1
    assert_problem(await system.get("cases/1"), 404, "CaseNotFound")
    assert ("case.delete", "case 1", "Our System") in await audited(office.store)


async def test_filters(system: System, office: Office) -> None:
    await office.add(1, campaign="Intake follow-up", plaintiff="Ada Smith", phones=(Phone("Cell", "4025550101"),))
    await office.add(2, campaign="Notification campaign", dialer="Do not Dial", case_group="Auto", priority=1)
    for query, found in (
        ({"Campaign": "intake FOLLOW-UP"}, [1]),
        ({"DialerStatus": "Do not Dial"}, [2]),
        ({"CaseGroup": "auto"}, [2]),
        ({"Phone": "(402) 555-0101"}, [1]),
        ({"Plaintiff": "smi"}, [1]),
        ({"Priority": 1}, [2]),
        ({"Due": "true"}, [1]),
        ({"DoNotCall": "true"}, []),
        ({"After": 1}, [2]),
    ):
        listed = await system.get("cases", **query)
        assert [case["CaseID"] for case in listed.json()["Cases"]] == found, query


async def test_a_key_with_a_scope_of_a_newer_casedial_is_refused_and_nothing_else(
    http: httpx.AsyncClient, office: Office, store: Store
) -> None:
    """So an older server has it with manage: it cannot read the key, and serves all others."""
    newer = await key_of(office, Scope.MANAGE)
    async with store.write() as tx:
        changed = tables.keys.update().where(tables.keys.c.scopes == "manage")
        await tx.execute(changed.values(scopes="manage tomorrow"))
    assert (await System(http, newer).get("cases")).status_code == 500
    assert (await Api(http, office.key).get("GetCasesToDial")).status_code == 200
    async with store.write() as tx:
        readable, unreadable = await keys.every(tx)
        assert (len(readable), len(unreadable)) == (1, 1)
        assert await keys.revoke(tx, unreadable[0], NOW) is not None
