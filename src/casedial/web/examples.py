"""Examples for the OpenAPI document: the specification's own where it has one; of errors, what a server replied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

CASE: Schema = {
    "CaseID": 6,
    "Phones": [
        {"PhoneName": "Cell", "Phone": "4025555759", "Primary": True, "Text": True},
        {"PhoneName": "Home", "Phone": "4025551234", "Primary": False, "Text": False},
    ],
    "CaseStatus": "LIT 04 - Answer Received",
    "DialerStatus": "To Dial",
    "Campaign": "Intake follow-up",
    "Attempts": "1",
    "DialDateTime": "2020-07-28T23:02:00",
    "ZipCode": "68046",
}
CASE_INFO: Schema = {
    "CaseID": 7,
    "Phones": [
        {"PhoneName": "Home Primary Phone", "Phone": "4023205759", "Primary": True, "Text": False},
        {"PhoneName": "Cell", "Phone": "4025758268", "Primary": False, "Text": False},
    ],
    "CaseStatus": "LIT 03 - Lawsuit Served",
    "DialerStatus": "Do not dial",
    "Campaign": "Intake follow-up",
    "Attempts": "1",
    "DialDateTime": "2020-06-09T11:26:00",
    "ZipCode": "11235",
}
UPDATE: Schema = {
    "Cases": [
        {
            "CaseID": 515512,
            "Status": "To Dial",
            "NextCall": "2020-05-06T09:00:00",
            "Attempts": 1,
            "Disposition": "No Answer",
        }
    ]
}
DONE: Schema = {"Succeeded": 1, "Failed": 0, "Results": [{"CaseID": 7, "Success": True}]}
FIRM: Schema = {
    "Name": "Lex & Partners",
    "TimeZone": "America/Chicago",
    "Campaigns": ["Intake follow-up"],
    "DialerStatuses": {"ToDial": "To Dial", "InTheDialer": "In the Dialer", "DoNotDial": "Do not dial"},
    "Dispositions": ["Never Dialed", "Busy", "No Answer", "Answering Machine", "Successful"],
    "Attempts": [str(count) for count in range(21)],
    "Records": 100,
    "ClaimSeconds": 86400,
    "Key": {
        "Vendor": "Acme Dialer",
        "Scopes": ["dial", "update", "note", "read"],
        "Campaigns": None,
        "RateLimit": None,
        "ExpiresAt": None,
    },
}
EXPLAINED: Schema = {
    "CaseID": 7,
    "At": "2026-11-24T13:05:00.000Z",
    "Callable": False,
    "NextCallableAt": None,
    "Purpose": "client",
    "Rules": "2026-11-28",
    "Checks": [{"Name": "dialer status", "Passed": False, "Found": "In the Dialer"}],
    "Phones": [],
    "TimeZone": "America/New_York",
    "Held": {
        "By": "Acme Dialer",
        "Since": "2026-11-24T13:00:00.000Z",
        "Reason": None,
        "Until": "2026-11-24T14:00:00.000Z",
        "AnsweredAt": None,
        "ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90",
    },
    "DoNotDial": None,
}
COUNTED: Schema = {
    "At": "2026-11-24T13:05:00.000Z",
    "Due": 1204,
    "Callable": 310,
    "WithoutRules": 0,
    "HeldBack": {
        "paused": 0,
        "no phone": 92,
        "abroad": 12,
        "do not call": 150,
        "in use": 0,
        "how often": 0,
        "hours": 640,
    },
    "ByHour": [{"From": "2026-11-24T17:00:00.000Z", "Cases": 640}],
}
# By code: a request in a line, and the problem document that it gets.
REFUSALS: dict[str, Schema] = json.loads(Path(__file__).with_name("refusals.json").read_text(encoding="utf-8"))
