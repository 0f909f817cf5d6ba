"""The scenario "wire" has a case, and a key, for each thing that the wire does, as docs/reference/sandbox.md lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from casedial_client.testing import Sandbox
from tests.conftest import assert_problem
from tests.servers import connected, plain


@pytest.fixture(scope="module")
def wire(casedial_sandbox_server: Sandbox) -> Sandbox:
    casedial_sandbox_server.reset()
    return casedial_sandbox_server


@pytest.fixture
def http(wire: Sandbox) -> Iterator[httpx.Client]:
    with connected(base_url=wire.address + "/", headers={"X-ApiKey": wire.key}) as client:
        yield client


def case(http: httpx.Client, case_id: int) -> Any:
    return http.get("GetCaseInfo", params={"CaseID": case_id}).json()


def due(http: httpx.Client, **asked: object) -> list[int]:
    return [found["CaseID"] for found in http.post("GetCasesToDial", json=asked).json()]


def test_who_is_due_and_in_which_order(http: httpx.Client) -> None:
    found = due(http)
    assert found[:13] == [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 17, 18]
    assert set(range(101, 121)) <= set(found)
    assert not {9, 10, 14, 15, 16, 20} & set(found)  # later, Do not Dial, closed, no role, held
    assert due(http, Campaign="Notification campaign") == [17, 18]
    assert due(http, CaseGroup="mass tort") == [6, 7, 8]
    assert due(http, Campaign="Nowhere") == []
    assert due(http, Campaign="Test campaign", Records=3) == [101, 102, 103]


def test_phones(http: httpx.Client) -> None:
    assert [(p["PhoneName"], p["Primary"], p["Text"]) for p in case(http, 2)["Phones"]] == [
        ("Cell", True, True),
        ("Home", False, False),
    ]
    assert [p["PhoneName"] for p in case(http, 3)["Phones"]] == ["Cell"]  # a fax is left out
    assert [p["Phone"] for p in case(http, 4)["Phones"]] == ["+442079460958"]
    assert [p["Phone"] for p in case(http, 18)["Phones"]] == ["4025550118"]


def test_what_is_missing(http: httpx.Client) -> None:
    found = case(http, 5)
    assert found["Phones"] == []
    assert [found[name] for name in ("CaseStatus", "Campaign", "Attempts", "ZipCode")] == [""] * 4


def test_attempts_have_a_highest(http: httpx.Client) -> None:
    assert case(http, 6)["Attempts"] == "20"
    assert http.post("UpdateCaseStatus", json={"CaseID": 6, "Attempts": 21}).headers["x-attempts-limit"] == "20"


def test_who_gets_a_note_by_phone(http: httpx.Client, wire: Sandbox) -> None:
    for number, expected in (("402-555-0112", {12, 13}), ("402-555-0115", {15})):
        reply = http.post("AddCaseNoteByPhone", json={"Phone": number, "Note": "Called in."})
        assert {result["CaseID"] for result in reply.json()["Results"]} == expected
    assert_problem(http.post("AddCaseNoteByPhone", json={"Phone": "4029999999", "Note": "x"}), 404, "PhoneNotFound")


def test_held_by_another(http: httpx.Client, wire: Sandbox) -> None:
    assert case(http, 20)["DialerStatus"] == "In the Dialer"
    claim_id = wire.case(20).claim_id
    assert claim_id
    reply = http.post("UpdateCaseStatus", json={"CaseID": 20, "Status": "To Dial"}, headers={"X-Claim-Id": claim_id})
    assert_problem(reply, 409, "ClaimLost")


def test_statuses(http: httpx.Client) -> None:
    assert case(http, 16)["DialerStatus"] == "Ask the lawyer"
    for disposition, code in (("Wrong Number", "RetiredStatus"), ("Unheard of", "UnknownStatus")):
        assert_problem(http.post("UpdateCaseStatus", json={"CaseID": 7, "Disposition": disposition}), 400, code)
    assert_problem(
        http.post("UpdateCaseStatus", json={"CaseID": 10, "NextCall": "2030-01-01T09:00:00"}), 400, "NotToDial"
    )


def test_calling_rules(http: httpx.Client, wire: Sandbox) -> None:
    found = http.get(f"{wire.url}/v1/cases/201/explain").json()
    assert [check["Passed"] for check in found["Checks"] if check["Name"] == "do not call"] == [False]


@pytest.mark.parametrize(
    ("key", "method", "asked", "status", "code"),
    [
        ("expired", "GetCaseInfo", {"CaseID": 1}, 401, "KeyExpired"),
        ("revoked", "GetCaseInfo", {"CaseID": 1}, 401, "KeyRevoked"),
        ("read_only", "AddCaseNote", {"CaseID": 1, "Note": "x"}, 403, "ScopeNotAllowed"),
        ("one_campaign", "GetCasesToDial", {"Campaign": "Intake follow-up"}, 403, "CampaignNotAllowed"),
        ("other_network", "GetCaseInfo", {"CaseID": 1}, 403, "AddressNotAllowed"),
        ("other_firm", "GetCaseInfo", {"CaseID": 2}, 404, "CaseNotFound"),
    ],
)
def test_keys(wire: Sandbox, key: str, method: str, asked: dict[str, object], status: int, code: str) -> None:
    reply = plain.post(f"{wire.address}/{method}", json=asked, headers={"X-ApiKey": wire.keys[key]})
    assert_problem(reply, status, code)


def test_the_key_that_is_slow(wire: Sandbox) -> None:
    key = {"X-ApiKey": wire.keys["slow"]}
    codes = [plain.get(f"{wire.url}/v1/firm", headers=key).status_code for _ in range(5)]
    assert 429 in codes


def test_the_other_vendor_and_the_other_firm(wire: Sandbox) -> None:
    names = [
        plain.get(f"{wire.url}/v1/firm", headers={"X-ApiKey": wire.keys[key]}).json()["Name"]
        for key in ("other_vendor", "other_firm")
    ]
    assert names == [wire.firm, "Other Law Firm"]
