"""Changes of many cases: begun as a preview, run and undone by the servers, the same that the console makes."""

from __future__ import annotations

from casedial.database.engine import Store
from casedial.domain.cases import PRIORITIES
from casedial.domain.errors import (
    ChangeNotFound,
    ChangeNotPossible,
    MissingParameter,
    RetiredStatus,
    UnknownStatus,
)
from casedial.service.operations import changes
from casedial.service.operations.changes import TYPED_ABOVE
from casedial.service.replies import Reply
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.cases import FILTER, MANAGE
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire import values
from casedial.wire.v1.changes import (
    MOST_NAMED,
    MOVES,
    ChangeReply,
    ChangeShown,
    ChangesPage,
    change_reply,
    change_shown,
    wanted_change,
)
from casedial.wire.v1.reading import object_of, one

_MOST, _USUAL = 200, 50  # changes of a page


def _begin(call: Call) -> Work:
    body = call.body
    which = call.within(object_of(one(body, "Which"), "Which", "#/Which"), "#/Which")
    wanted = wanted_change(body, which, call.firm, call.now)
    begun: list[int] = []

    async def work(store: Store) -> Reply:
        how = (store, call.actor, call.firm.name)
        change_id = await changes.begin(*how, wanted.which, wanted.read, wanted.reason)
        begun[:] = [change_id]
        return await _told(store, call, change_id)

    async def settle(store: Store) -> object:
        return await changes.settle(store, call.actor, call.firm.name, begun[0], wanted.which, wanted.read)

    return Work(work, behind=settle)


async def _told(store: Store, call: Call, change_id: int) -> Reply:
    found = await changes.show(store, call.actor, call.firm.name, change_id)
    return done(change_reply(found.firm, found.change, found.clock))


def _run(call: Call) -> Work:
    change_id = call.place("change_id", "ChangeID", values.case_id)
    total = call.body.optional("Cases", values.whole_number) if call.document.body is not None else None

    async def work(store: Store) -> Reply:
        await changes.start(store, call.actor, call.firm.name, change_id, total)
        return await _told(store, call, change_id)

    return Work(work)


def _undo(call: Call) -> Work:
    change_id = call.place("change_id", "ChangeID", values.case_id)
    call.refuse_body()

    async def work(store: Store) -> Reply:
        await changes.start_undo(store, call.actor, call.firm.name, change_id)
        return await _told(store, call, change_id)

    return Work(work)


def _read(call: Call) -> Work:
    change_id = call.place("change_id", "ChangeID", values.case_id)

    async def work(store: Store) -> Reply:
        found = await changes.show(store, call.actor, call.firm.name, change_id)
        return done(change_shown(found.firm, found.change, found.clock, found.left, found.left_by_undo))

    return Work(work)


def _list(call: Call) -> Work:
    before = call.query.optional("Before", values.case_id)
    limit = call.limit(_MOST, _USUAL)

    async def work(store: Store) -> Reply:
        found = await changes.every(store, call.actor, call.firm.name, before, limit)
        shown = [change_reply(found.firm, one, found.clock) for one in found.changes]
        return done(ChangesPage(shown, shown[-1].ChangeID if found.more and shown else None))

    return Work(work)


_NONE = {
    "Changed": 0,
    "FromTheDialer": 0,
    "DoNotCall": 0,
    "InTheDialer": 0,
    "Unchanged": 0,
    "NotMeant": 0,
    "Gone": 0,
    "Unreadable": 0,
}
_CHANGE: dict[str, object] = {
    "ChangeID": 12,
    "State": "previewed",
    "MadeAt": "2026-11-24T13:05:00.000Z",
    "By": {"Name": "Our System", "Kind": "key"},
    "Reason": "A second try",
    "Wanted": {"Kind": "set", "Move": "ToDial", "DialAt": None, "Campaign": None, "Priority": 2, "Note": None},
    "Total": 310,
    "Expected": {**_NONE, "Changed": 302, "InTheDialer": 8},
    "Done": 0,
    "Counts": _NONE,
    "BegunAt": None,
    "FinishedAt": None,
    "UndoUntil": None,
    "UndoneBy": None,
    "UndoneAt": None,
    "UndoCounts": {"PutBack": 0, "DoNotCall": 0, "ChangedSince": 0, "InTheDialer": 0, "Gone": 0, "Unreadable": 0},
}
_ID: dict[str, Schema] = {"change_id": {"type": "integer", "minimum": 1, "maximum": 9223372036854775807}}
_TEXT: Schema = {"type": ["string", "null"]}
_WHICH: Schema = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        **FILTER,
        "CaseIDs": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_NAMED,
            "items": {"type": ["integer", "string"]},
        },
        "All": {"type": "boolean", "description": "Every case of the firm, where nothing else is said."},
    },
}
_BODY: Schema = {
    "type": "object",
    "required": ["Which"],
    "properties": {
        "Which": _WHICH,
        "Move": {"enum": [*MOVES, None]},
        "DialDateTime": {**_TEXT, "description": "When to dial, local to the firm or with an offset."},
        "Campaign": {**_TEXT, "description": "Into which campaign."},
        "Priority": {"type": ["integer", "null"], "minimum": PRIORITIES[0], "maximum": PRIORITIES[-1]},
        "Note": {**_TEXT, "description": "A note for each case; a change that adds it does nothing else."},
        "DoNotCall": {
            "type": ["boolean", "null"],
            "description": "On the do-not-call list, or off it; a change that does it does nothing else.",
        },
        "Reason": {**_TEXT, "description": "One line, at most 200 characters: it stands in the history of each case."},
    },
}
ROUTES = (
    Route(
        "POST",
        "/v1/cases/changes",
        "BeginChange",
        MANAGE,
        _begin,
        Described(
            "Begins a change of many cases: finds them, and counts what it would do",
            ChangeReply,
            {**_CHANGE, "State": "preparing", "Total": 0, "Expected": _NONE},
            body=_BODY,
            sent={
                "Which": {"Campaign": "Intake follow-up", "Disposition": "No Answer"},
                "Move": "ToDial",
                "Priority": 2,
            },
            errors=(MissingParameter, UnknownStatus, RetiredStatus),
            detail="No case is changed yet. Read the change until it is `previewed`; then it can be run, for 24 hours. "
            "One that stays `preparing` for long was interrupted: begin a new one.",
        ),
    ),
    Route(
        "GET",
        "/v1/cases/changes",
        "ListChanges",
        MANAGE,
        _list,
        Described(
            "Lists changes of many cases, the newest first",
            ChangesPage,
            {"Changes": [_CHANGE], "Next": None},
            query={
                "Before": {"type": "integer", "minimum": 1, "description": "`Next` of the page before."},
                "Limit": {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _USUAL},
            },
        ),
    ),
    Route(
        "GET",
        "/v1/cases/changes/{change_id}",
        "ReadChange",
        MANAGE,
        _read,
        Described(
            "Returns a change, how far it is, and which cases it left",
            ChangeShown,
            {**_CHANGE, "Left": [{"Reason": "InTheDialer", "CaseIDs": [6, 7]}], "LeftByUndo": []},
            errors=(ChangeNotFound,),
            path=_ID,
        ),
    ),
    Route(
        "POST",
        "/v1/cases/changes/{change_id}/run",
        "RunChange",
        MANAGE,
        _run,
        Described(
            "Has a change done by the servers",
            ChangeReply,
            {**_CHANGE, "State": "running", "BegunAt": "2026-11-24T13:06:00.000Z"},
            body={
                "type": "object",
                "properties": {
                    "Cases": {
                        "type": ["integer", "null"],
                        "description": f"How many it is about, its Total: required above {TYPED_ABOVE:,}.",
                    }
                },
            },
            sent={"Cases": 310},
            errors=(ChangeNotFound, ChangeNotPossible, RetiredStatus),
            path=_ID,
        ),
    ),
    Route(
        "POST",
        "/v1/cases/changes/{change_id}/undo",
        "UndoChange",
        MANAGE,
        _undo,
        Described(
            "Has a change undone: every case that nobody has changed since is put back",
            ChangeReply,
            {**_CHANGE, "State": "undoing", "BegunAt": "2026-11-24T13:06:00.000Z"},
            errors=(ChangeNotFound, ChangeNotPossible),
            path=_ID,
        ),
    ),
)
