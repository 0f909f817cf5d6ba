"""The specification's JSON, verbatim: a firm set up as each example reads answers with that very JSON."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

from casedial.domain.cases import Phone
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.statuses import rename_status
from tests.conftest import Api, Office

CHICAGO = ZoneInfo("America/Chicago")

GET_CASES_TO_DIAL = """
[
{
"CaseID": 6,
"Phones": [
{
"PhoneName": "Cell",
"Phone": "4025555759",
"Primary": true,
"Text": true
},
{
"PhoneName": "Home",
"Phone": "4025551234",
"Primary": false,
"Text": false
}
],
"CaseStatus": "LIT 04 - Answer Received",
"DialerStatus": "To Dial",
"Campaign": "Intake follow-up",
"Attempts": "1",
"DialDateTime": "2020-07-28T23:02:00",
"ZipCode": "68046"
}
]
"""

GET_CASE_INFO = """
{
"CaseID": 7,
"Phones": [
{
"PhoneName": "Home Primary Phone",
"Phone": "4023205759",
"Primary": true,
"Text": false
},
{
"PhoneName": "Cell",
"Phone": "4025758268",
"Primary": false,
"Text": false
}
],
"CaseStatus": "LIT 03 - Lawsuit Served",
"DialerStatus": "Do not dial",
"Campaign": "Intake follow-up",
"Attempts": "1",
"DialDateTime": "2020-06-09T11:26:00",
"ZipCode": "11235"
}
"""

UPDATE_CASE_STATUS = """
{
"Cases":[
{
"CaseID":515512,
"Status":"To Dial",
"NextCall":"2020-05-06T09:00:00",
"Attempts":1,
"Disposition":"No Answer"
}
]
}
"""


def same_json(text: str, example: str) -> bool:
    """Equal with the order of fields, which dict equality would not see."""
    return json.loads(text, object_pairs_hook=list) == json.loads(example, object_pairs_hook=list)


async def test_get_cases_to_dial(api: Api, office: Office) -> None:
    await office.add(
        6,
        phones=(Phone("Home", "(402) 555-1234"), Phone("Cell", "402-555-5759", True, True)),
        case_status="LIT 04 - Answer Received",
        attempts="1",
        dial_at=datetime(2020, 7, 28, 23, 2, tzinfo=CHICAGO),
        zip_code="68046",
    )
    for auto_change in ("false", "true"):  # claimed cases are returned as they were found
        reply = await api.get(
            "GetCasesToDial", **{"Campaign": "Intake follow-up", "Records": 10, "Auto-change": auto_change}
        )
        assert reply.status_code == 200
        assert same_json(reply.text, GET_CASES_TO_DIAL)
    assert (await api.get("GetCasesToDial")).json() == []


async def test_get_case_info(api: Api, office: Office) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await rename_status(tx, firm, StatusType.DIALER, "Do not Dial", "Do not dial")
    await office.add(
        7,
        phones=(Phone("Home Primary Phone", "4023205759", True), Phone("Cell", "4025758268")),
        case_status="LIT 03 - Lawsuit Served",
        dialer="Do not dial",
        attempts="1",
        dial_at=datetime(2020, 6, 9, 11, 26, tzinfo=CHICAGO),
        zip_code="11235",
    )
    reply = await api.get("GetCaseInfo", CaseID=7)
    assert reply.status_code == 200
    assert same_json(reply.text, GET_CASE_INFO)


async def test_update_case_status(api: Api, office: Office) -> None:
    await office.add(515512, dialer="In the Dialer")
    reply = await api.post("UpdateCaseStatus", content=UPDATE_CASE_STATUS)
    assert reply.status_code == 200
    assert reply.json() == {"Succeeded": 1, "Failed": 0, "Results": [{"CaseID": 515512, "Success": True}]}
    case = (await api.get("GetCaseInfo", CaseID=515512)).json()
    assert case["DialerStatus"] == "To Dial"
    assert case["DialDateTime"] == "2020-05-06T09:00:00"
    assert case["Attempts"] == "1"
    stored = await office.case(515512)
    assert stored.statuses[StatusType.DISPOSITION].name == "No Answer"
    assert await office.history(515512) == [
        ("Dialer Status", "To Dial", "Acme Dialer"),
        ("Last Dialer Disposition", "No Answer", "Acme Dialer"),
        ("Attempts Status", "1", "Acme Dialer"),
    ]
