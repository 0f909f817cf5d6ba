"""The do-not-call list: listed, looked through, added to, taken off."""

from __future__ import annotations

from casedial.database.engine import Store
from casedial.domain.calling import Listing
from casedial.domain.dialing import MAX_ITEMS
from casedial.domain.errors import CaseNotFound, MissingParameter
from casedial.domain.keys import Scope
from casedial.service.operations import do_not_call
from casedial.service.replies import Reply
from casedial.web.fields import CASE_ID
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire import values
from casedial.wire.v1.do_not_call import (
    DoNotCallAdded,
    DoNotCallFound,
    DoNotCallPage,
    DoNotCallRemoved,
    listing_reply,
    named,
    removed_reply,
)

MOST, USUAL = 1000, 100  # entries of a page
MANAGE = (Scope.MANAGE,)


def _list(call: Call) -> Work:
    after, limit = call.query.optional("After", values.case_id) or 0, call.limit(MOST, USUAL)

    async def work(store: Store) -> Reply:
        found = await do_not_call.entries(store, call.actor, call.firm.name, None, after, limit)
        return done(DoNotCallPage([listing_reply(entry) for entry in found.entries], found.after))

    return Work(work, limit)


def _look_up(call: Call) -> Work:
    asked = named(call.body)

    async def work(store: Store) -> Reply:
        found = await do_not_call.concerned(store, call.actor, call.firm.name, asked.numbers, asked.case_ids)
        return done(DoNotCallFound([listing_reply(entry) for entry in found.listed], found.cases, found.are_all))

    return Work(work, len(asked))


def _add(call: Call) -> Work:
    asked, today = named(call.body, "Source"), call.now.date()
    source = asked.text or f"added by {call.actor.name}"

    async def work(store: Store) -> Reply:
        listings = [
            *(Listing(today, source, number=number) for number in asked.numbers),
            *(Listing(today, source, case_id=case_id) for case_id in asked.case_ids),
        ]
        added = await do_not_call.add(store, call.actor, call.firm.name, listings)
        return done(DoNotCallAdded(added, len(listings) - added))

    return Work(work, len(asked))


def _remove(call: Call) -> Work:
    asked = named(call.body, "Reason", is_required=True)

    async def work(store: Store) -> Reply:
        _, removed = await do_not_call.remove(
            store, call.actor, call.firm.name, asked.numbers, asked.case_ids, asked.text
        )
        return done(removed_reply(removed.entries, removed.not_listed, removed.do_not_dial, removed.are_all))

    return Work(work, len(asked))


_NUMBER: Schema = {"type": "string", "maxLength": 64}
_NAMED: dict[str, Schema] = {
    "Number": {
        "oneOf": [_NUMBER, {"type": "array", "maxItems": MAX_ITEMS, "items": _NUMBER}],
        "description": "A phone number in any form, or a list of them.",
    },
    "CaseID": {
        "oneOf": [*CASE_ID["oneOf"], {"type": "array", "maxItems": MAX_ITEMS, "items": CASE_ID}],
        "description": "A CaseID, or a list of them.",
    },
}
_SOURCE: Schema = {
    "type": "string",
    "maxLength": 255,
    "description": "Who asked for it, or where it comes from. Absent: the name of the key.",
}
_REASON: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "Why. It is written into the audit for good, so it must not hold a phone number.",
}
_ENTRIES = [
    {"Number": "4025550159", "CaseID": None, "ListedOn": "2026-11-24", "Source": "letter"},
    {"Number": None, "CaseID": 7, "ListedOn": "2026-11-24", "Source": "added by Case system"},
]


def _body(also: dict[str, Schema] | None = None, *required: str) -> Schema:
    properties = {**_NAMED, **(also or {})}
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


ROUTES = (
    Route(
        "GET",
        "/v1/do-not-call",
        "ListDoNotCall",
        MANAGE,
        _list,
        Described(
            "Lists the do-not-call list in the order of entry, page by page",
            DoNotCallPage,
            {"Entries": _ENTRIES, "Next": None},
            query={
                "After": {"type": "integer", "minimum": 1, "description": "`Next` of the page before."},
                "Limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            },
        ),
    ),
    Route(
        "POST",
        "/v1/do-not-call",
        "AddToDoNotCall",
        MANAGE,
        _add,
        Described(
            "Never gives out these numbers, in any case, or these cases",
            DoNotCallAdded,
            {"Added": 2, "Known": 0},
            body=_body({"Source": _SOURCE}),
            sent={"Number": ["(402) 555-0159"], "CaseID": [7], "Source": "letter"},
            errors=(MissingParameter, CaseNotFound),
            detail="It counts at once, on every server. With an unknown CaseID nothing is added.",
        ),
    ),
    Route(
        "POST",
        "/v1/do-not-call/look-up",
        "LookUpDoNotCall",
        MANAGE,
        _look_up,
        Described(
            "Returns what is on the list of some numbers and cases, and which cases have these numbers",
            DoNotCallFound,
            {"Entries": [_ENTRIES[0]], "Cases": [7], "AreAll": True},
            body=_body(),
            sent={"Number": "402-555-0159"},
            errors=(MissingParameter,),
            detail="It is a POST so that no phone number stands in an address.",
        ),
        writes=False,
    ),
    Route(
        "POST",
        "/v1/do-not-call/remove",
        "RemoveFromDoNotCall",
        MANAGE,
        _remove,
        Described(
            "Takes numbers or cases off the list, and says which cases stay Do not Dial",
            DoNotCallRemoved,
            {
                "Removed": 1,
                "NotListed": {"Numbers": ["4025550160"], "CaseIDs": []},
                "DoNotDial": [
                    {
                        "CaseID": 7,
                        "By": "casedial",
                        "Since": "2026-11-24T13:00:00.000Z",
                        "Reason": "on the do-not-call list",
                    }
                ],
                "AreAll": True,
            },
            body=_body({"Reason": _REASON}, "Reason"),
            sent={"Number": ["402-555-0159", "402-555-0160"], "Reason": "signed a consent"},
            errors=(MissingParameter,),
            detail="A status is never set back by itself.",
        ),
    ),
)
