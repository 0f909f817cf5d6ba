"""Schemas that the OpenAPI document gives a name, by which generators call what they make of them.

JSON bodies, and those replies that are no structs. A form has the same fields without a name: a generator that finds
one name for both cannot tell which of the two to send.
"""

from __future__ import annotations

from typing import Any

from casedial.domain.dialing import MAX_ITEMS
from casedial.web.fields import BY_PHONE, CASE_ID, DIAL, EXTEND, ITEM, MANY_CASE_IDS, NOTE, RELEASE

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """Describe an object."""
    found: Schema = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _several(item: str) -> Schema:
    items = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": ref(item)}
    return an_object({"Cases": items}, ("Cases",))


def _whole(properties: dict[str, Schema]) -> Schema:
    """Describe an object that always has all its fields."""
    return an_object(properties, tuple(properties))


def _maybe(name: str) -> Schema:
    return {"anyOf": [ref(name), {"type": "null"}]}


_REQUESTS: dict[str, Schema] = {
    "DialQuery": an_object(DIAL),
    "CaseQuery": an_object({"CaseID": CASE_ID}, ("CaseID",)),
    "CaseUpdate": an_object(ITEM, ("CaseID",)),
    "CaseUpdates": _several("CaseUpdate"),
    "CaseNote": an_object({"CaseID": CASE_ID, "Note": NOTE}, ("CaseID", "Note")),
    "CaseNotes": _several("CaseNote"),
    "NoteToCases": an_object({"CaseID": MANY_CASE_IDS, "Note": NOTE}, ("CaseID", "Note")),
    "NoteByPhone": an_object(BY_PHONE, ("Phone", "Note")),
    "ExtendQuery": an_object(EXTEND),
    "ReleaseQuery": an_object(RELEASE),
}

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_AT: Schema = {"type": "string", "format": "date-time"}
_AT_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_BY: dict[str, Schema] = {
    "By": {"type": ["string", "null"], "description": "Who set it; null if it was another vendor or a person"},
    "Since": _AT_OR_NULL,
    "Reason": {"type": ["string", "null"], "description": "Why, if casedial did it by itself"},
}

_REPLIES: dict[str, Schema] = {
    "ExplainReply": _whole(
        {
            "CaseID": {"type": "integer"},
            "At": _AT,
            "Callable": _FLAG,
            "NextCallableAt": {**_AT_OR_NULL, "description": "null if no time is known"},
            "Purpose": _TEXT,
            "Rules": {**_TEXT, "description": "The version of the calling rules"},
            "Checks": {"type": "array", "items": ref("CheckReply"), "description": "Every check, in order"},
            "Phones": {"type": "array", "items": ref("PhoneExplained")},
            "TimeZone": {**_TEXT, "description": "The firm's time zone; texts give times in it"},
            "Held": {**_maybe("HeldReply"), "description": "Who has the case In the Dialer"},
            "DoNotDial": {**_maybe("SetReply"), "description": "Who set it Do not Dial"},
        }
    ),
    "CheckReply": _whole({"Name": _TEXT, "Passed": _FLAG, "Found": _TEXT}),
    "PhoneExplained": _whole(
        {
            "PhoneName": _TEXT,
            "Callable": _FLAG,
            "ZipCode": _TEXT,
            "Place": _TEXT,
            "States": _TEXTS,
            "Zones": _TEXTS,
            "Because": _TEXTS,
            "NextCallableAt": _AT_OR_NULL,
        }
    ),
    "HeldReply": _whole(
        {
            **_BY,
            "Until": {**_AT_OR_NULL, "description": "null if it does not run out"},
            "AnsweredAt": _AT_OR_NULL,
            "ClaimID": {"type": ["string", "null"], "description": "Only of your own claim"},
        }
    ),
    "SetReply": _whole(_BY),
    "PreflightReply": _whole(
        {
            "At": _AT,
            "Due": _COUNT,
            "Callable": {**_COUNT, "description": "Those that may be called now"},
            "WithoutRules": {**_COUNT, "description": "Those of them whose campaign has no calling rules"},
            "HeldBack": {
                "type": "object",
                "additionalProperties": _COUNT,
                "description": "How many, by the first check",
            },
            "ByHour": {"type": "array", "items": ref("CasesFrom")},
        }
    ),
    "CasesFrom": _whole({"From": _AT, "Cases": _COUNT}),
}

SCHEMAS = _REQUESTS | _REPLIES
