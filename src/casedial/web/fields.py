"""The parameters and request headers of the methods, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from casedial.domain.claims import MAX_EXTENSION, MIN_LEASE
from casedial.domain.dialing import MAX_ITEMS, MAX_RECORDS

Schema = dict[str, Any]

CASE_ID: Schema = {
    "description": "SmartAdvocate case id: a whole number or a string of digits.",
    "oneOf": [
        {"type": "integer", "minimum": 1, "maximum": 9223372036854775807},
        {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
    ],
}
NOTE: Schema = {"type": "string", "minLength": 1, "description": "Text of the note; at most 64 KiB of UTF-8."}
PHONE: Schema = {
    "type": "string",
    "maxLength": 64,
    "pattern": "^([ ().-]*(\\+?1[ ().-]*)?([0-9][ ().-]*){10}|\\+[2-9][ .-]*([0-9][ .-]*){6,14})$",
    "description": "Plaintiff's phone number: ten digits with any punctuation, or + and all digits of a number abroad; "
    "`PhoneNumber` is an alias.",
}
DIAL: dict[str, Schema] = {
    "Campaign": {"type": "string", "description": "Dialer campaign name. Empty: all cases to dial."},
    "CaseGroup": {"type": "string", "description": "Case Group name. Empty: cases from all case groups."},
    "Records": {
        "type": "integer",
        "minimum": 1,
        "maximum": 999_999_999_999_999_999,
        "description": f"Number of records to return. Absent: the firm's default. More than {MAX_RECORDS}: "
        f"{MAX_RECORDS}, and `X-Records-Limit` says so.",
    },
    "Auto-change": {
        "type": "boolean",
        "default": False,
        "description": "Automatically change the status to “In the Dialer” for returned cases, in the same step.",
    },
}
ITEM: dict[str, Schema] = {
    "CaseID": CASE_ID,
    "Status": {
        "type": "string",
        "description": "New Dialer Status (To Dial/In the Dialer/Do not Dial). Empty: the status is not updated.",
    },
    "NextCall": {
        "type": "string",
        "pattern": r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,30})?(Z|[+-]\d\d:?\d\d)?)?$",
        "examples": ["2020-05-06T09:00:00"],
        "description": "Date/time of the next call. Absent with a Status: now.",
    },
    "Attempts": {
        "description": "Attempts count, one of the firm's Attempts statuses. A higher count is taken as the highest of "
        "them, and `X-Attempts-Limit` says so.",
        "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]*$"}],
    },
    "Disposition": {"type": "string", "description": "New Last Dialer Disposition."},
}
BY_PHONE: dict[str, Schema] = {"Phone": PHONE, "Note": NOTE}
MANY_CASE_IDS: Schema = {
    **CASE_ID,
    "oneOf": [*CASE_ID["oneOf"], {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": CASE_ID}],
}
# Not "format": "uuid": generated clients make a type of its own of that, which no header takes. What a reply's
# X-Claim-Id brought can be sent as it came.
_CLAIM_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
RELEASE: dict[str, Schema] = {
    "ClaimID": {**_CLAIM_ID, "description": "The claim, unless X-Claim-Id names it."},
    "CaseID": {**MANY_CASE_IDS, "description": "Cases of the claim. Absent: all that it holds."},
}
EXTEND: dict[str, Schema] = {
    **RELEASE,
    "Seconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_EXTENSION,
        "description": "For how long, from now. Absent: what the claim asked for in X-Claim-Seconds, else the claim "
        "timeout. No claim gets shorter.",
    },
}

# Headers that a request may have, by the name of the parameter.
REQUEST_HEADERS: dict[str, Schema] = {
    "Idempotency-Key": {
        "description": "A name for this write, a new one for each. A repeat with the same name gets the first reply "
        "and has no effect.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "X-Claim-Id": {
        "description": "The claim under which this is written: a case that it no longer holds is left unchanged.",
        "schema": _CLAIM_ID,
    },
    "X-Claim-Seconds": {
        "description": "How many seconds the claim is to last; at most what the firm or campaign allows. "
        "`X-Claim-Expires` says what it is.",
        "schema": {"type": "integer", "minimum": MIN_LEASE, "maximum": MAX_EXTENSION},
    },
    "X-Strict": {
        "description": "Refuse a request with a parameter that the method does not have (400, `UnknownParameter`).",
        "schema": {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])?$", "default": "false"},
    },
}
