"""X-Strict: unknown parameters are refused by name instead of ignored."""

from __future__ import annotations

from typing import Any

import pytest

from casedial.domain.statuses import Role
from tests.conftest import Api, Office, assert_problem

STRICT = {"X-Strict": "true"}
UNKNOWN: list[tuple[str, Any, set[str]]] = [
    ("GetCasesToDial", {"Auto-change": True, "Compaign": "x"}, {"#/Compaign"}),
    ("GetCaseInfo", {"Case_Idd": 1}, {"#/Case_Idd"}),
    ("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial", "Notes": "x"}, {"#/Notes"}),
    (
        "UpdateCaseStatus",
        {"Cases": [{"CaseID": 1, "Status": "Do not Dial"}, {"CaseID": 1, "Stat/us": "x"}], "Records": 1},
        {"#/Cases/1/Stat~1us", "#/Records"},
    ),
    ("UpdateCaseStatus", [{"CaseID": 1, "Status": "Do not Dial", "Foo": 1}], {"#/0/Foo"}),
    ("AddCaseNote", {"CaseID": [1], "Note": "n", "Author": "me"}, {"#/Author"}),
    ("AddCaseNoteByPhone", {"Phone": "4025550001", "Note": "n", "CaseID": 1}, {"#/CaseID"}),
    ("ExtendClaim", {"ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90", "Second": 1}, {"#/Second"}),
    ("ReleaseClaim", {"ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90", "Seconds": 1}, {"#/Seconds"}),
]


@pytest.mark.parametrize(("method", "body", "pointers"), UNKNOWN)
async def test_a_request_with_an_unknown_parameter_changes_nothing(
    method: str, body: Any, pointers: set[str], api: Api, office: Office
) -> None:
    await office.add(1)
    reply = await api.post(method, body, STRICT)
    problem = assert_problem(reply, 400, "UnknownParameter")
    assert {bad["pointer"] for bad in problem["errors"]} == pointers
    assert "x-ignored-parameters" not in reply.headers
    assert await office.role(1) is Role.TO_DIAL
    assert await office.notes(1) == []
    assert "x-ignored-parameters" in (await api.post(method, body, {"X-Strict": "0"})).headers


async def test_a_request_that_is_right_is_answered(api: Api, office: Office) -> None:
    await office.add(1)
    body = {"Cases": [{"case_id": 1, "STATUS": "Do not Dial", "NextCall": None}]}
    assert (await api.post("UpdateCaseStatus", body, {"X-Strict": "TRUE"})).status_code == 200
    assert await office.role(1) is Role.DO_NOT_DIAL
    for path in ("firm", "preflight", "cases/1/explain"):
        headers = {"X-ApiKey": api.key, **STRICT}
        assert (await api.http.get(f"/v1/{path}", headers=headers)).status_code == 200
        odd = await api.http.get(f"/v1/{path}", params={"Odd": "x"}, headers=headers)
        assert_problem(odd, 400, "UnknownParameter", "#/Odd")


async def test_many_are_named_in_part(api: Api) -> None:
    body = {f"Foo {number} " + "x" * 200: 1 for number in range(1000)}
    reply = await api.post("GetCasesToDial", body, STRICT)
    problem = assert_problem(reply, 400, "UnknownParameter")
    assert len(problem["errors"]) == 20
    assert len(reply.content) < 8192


async def test_one_is_named_and_several_are(api: Api) -> None:
    for names, said in (
        (("Foo",), "no parameter named Foo, and X-Strict refuses it."),
        (
            ("Foo", "Statuss", "Bar"),
            "no parameters named Foo, Statuss and Bar, and X-Strict refuses them.",
        ),
    ):
        reply = await api.post("GetCasesToDial", dict.fromkeys(names, 1), STRICT)
        assert reply.json()["detail"] == f"This method has {said}"


async def test_what_is_refused_is_not_kept(api: Api, office: Office) -> None:
    """The same Idempotency-Key does for the request as it was meant."""
    await office.add(1)
    key = {"Idempotency-Key": "one", **STRICT}
    assert_problem(await api.post("GetCasesToDial", {"Auto-change": 1, "Campain": ""}, key), 400, "UnknownParameter")
    assert len((await api.post("GetCasesToDial", {"Auto-change": 1}, key)).json()) == 1


@pytest.mark.parametrize("value", ["yes", "2", "tru"])
async def test_what_is_no_boolean(api: Api, value: str) -> None:
    reply = await api.post("GetCasesToDial", {}, {"X-Strict": value})
    assert_problem(reply, 400, "InvalidParameter", "header/X-Strict")
