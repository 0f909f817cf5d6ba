"""GetCaseInfo: one object of the shape that GetCasesToDial lists."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from casedial.domain.cases import Phone
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.statuses import add_statuses, rename_status, retire_status
from tests.conftest import Api, Office, assert_problem

METHOD = "GetCaseInfo"
LARGEST = 2**63 - 1


async def test_every_form_and_spelling(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    await office.add(8)
    expected = (await api.get(METHOD, CaseID=7)).json()
    assert expected["CaseID"] == 7
    for name in ("CaseID", "caseid", "CASEID", "case_id", "Case-ID", "Case ID", "-c_a s-E_i D"):
        replies = {
            "query": await api.get(METHOD, **{name: 7}),
            "query of a POST": await api.post(METHOD, params={name: 7}),
            "JSON number": await api.post(METHOD, json={name: 7}),
            "JSON string": await api.post(METHOD, json={name: "7"}),
            "JSON without Content-Type": await api.post(METHOD, content=json.dumps({name: 7})),
            "form": await api.post(METHOD, data={name: "7"}),
            "form and query": await api.post(METHOD, data={name: "7"}, params={"CaseID": "7", "Case_ID": ""}),
            "beside null": await api.post(METHOD, json={name: 7, "CASE__ID": None}),
        }
        for form, reply in replies.items():
            with subtests.test(name=name, form=form):
                assert reply.status_code == 200, reply.text
                assert reply.json() == expected


async def test_the_whole_of_a_case(api: Api, office: Office) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await add_statuses(tx, firm, [(StatusType.DIALER, "Callback"), (StatusType.CAMPAIGN, "Straße")])
    await office.add(
        7,
        case_status="LIT 03 - Lawsuit Served",
        dialer="Callback",  # neither due nor open: information is about any case
        closed=True,
        campaign="Straße",
        attempts="20",
        disposition="Busy",
        dial_at=datetime(2030, 7, 1, 17, 0, 59, 900000, tzinfo=UTC),
        zip_code="01234",
        case_group="MVA",
        plaintiff="Jane Doe",
        phones=(
            Phone("Home", "402-555-0001 x7"),
            Phone("Office fax", "402-555-0002", True),
            Phone("Cell", "+1 (402) 555-0003", True, True),
            Phone("Wien", "+43 1 58858"),
        ),
    )
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await retire_status(tx, firm, StatusType.CAMPAIGN, "Straße", True)
        await rename_status(tx, firm, StatusType.DIALER, "Callback", "Call back")
    reply = await api.get(METHOD, CaseID=7)
    # Order and all: nothing but what the specification names.
    assert json.loads(reply.text, object_pairs_hook=list) == [
        ("CaseID", 7),
        (
            "Phones",
            [
                [("PhoneName", "Cell"), ("Phone", "4025550003"), ("Primary", True), ("Text", True)],
                [("PhoneName", "Home"), ("Phone", "4025550001"), ("Primary", False), ("Text", False)],
                [("PhoneName", "Wien"), ("Phone", "+43 1 58858"), ("Primary", False), ("Text", False)],
            ],
        ),
        ("CaseStatus", "LIT 03 - Lawsuit Served"),
        ("DialerStatus", "Call back"),
        ("Campaign", "Straße"),
        ("Attempts", "20"),
        ("DialDateTime", "2030-07-01T12:00:59"),
        ("ZipCode", "01234"),
    ]


async def test_missing_values(api: Api, office: Office) -> None:
    await office.add(LARGEST, dialer=None, campaign=None, phones=(), dial_at=None)
    assert (await api.get(METHOD, CaseID=LARGEST)).json() == {
        "CaseID": LARGEST,
        "Phones": [],
        "CaseStatus": "",
        "DialerStatus": "",
        "Campaign": "",
        "Attempts": "",
        "DialDateTime": None,
        "ZipCode": "",
    }


async def test_a_case_that_does_not_exist(api: Api, office: Office, other_office: Office) -> None:
    await office.add(7)
    await other_office.add(8)
    for case_id in (8, 70, LARGEST):
        assert_problem(await api.get(METHOD, CaseID=case_id), 404, "CaseNotFound")
        assert_problem(await api.post(METHOD, json={"CaseID": str(case_id)}), 404, "CaseNotFound")


async def test_a_case_id_that_cannot_be_one(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    texts = ["0", "-7", "+7", " 7", "7 ", "7\n", "7.0", "7e0", "0x7", "seven", "٧", "７", "7,7", str(2**63), "7" * 5000]
    others: list[Any] = [0, -7, 7.5, 2**63, 10**300, True, False, [], [7], {}, {"CaseID": 7}]
    for case_id in [*texts, *others]:
        with subtests.test(json=case_id):
            assert_problem(await api.post(METHOD, json={"CaseID": case_id}), 400, "InvalidParameter", "#/CaseID")
    for case_id in texts:
        with subtests.test(query=case_id):
            assert_problem(await api.get(METHOD, CaseID=case_id), 400, "InvalidParameter", "#/CaseID")
        with subtests.test(form=case_id):
            assert_problem(await api.post(METHOD, data={"CaseID": case_id}), 400, "InvalidParameter", "#/CaseID")
    for nothing in ({}, {"CaseID": None}, {"CaseID": ""}, {"Case": 7}):
        with subtests.test(json=nothing):
            assert_problem(await api.post(METHOD, json=nothing), 400, "MissingParameter", "#/CaseID")
    assert_problem(await api.get(METHOD), 400, "MissingParameter", "#/CaseID")
    assert_problem(await api.post(METHOD), 400, "MissingParameter", "#/CaseID")


async def test_case_id_twice(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    """Only CaseID of AddCaseNote may repeat."""
    await office.add(7)
    await office.add(8)
    for query, body in [
        ("CaseID=7&CaseID=8", None),
        ("CaseID=7&case_id=8", None),
        ("CaseID=7", b'{"CaseID":8}'),
        ("", b'{"CaseID":7,"caseId":8}'),
    ]:
        with subtests.test(query=query, body=body):
            reply = await api.post(f"{METHOD}?{query}", content=body)
            assert_problem(reply, 400, "ConflictingParameter", "#/CaseID")
    reply = await api.post(f"{METHOD}?CaseID=7&CaseID=7", content=b'{"CaseID":"7","CaseId":7}')
    assert reply.json()["CaseID"] == 7
