"""Cases that the firm's own systems send: many at once, one changed, one deleted."""

from __future__ import annotations

from casedial.database.engine import Store
from casedial.domain.cases import PRIORITIES
from casedial.domain.dialing import MAX_ITEMS, CaseFilter
from casedial.domain.errors import (
    CaseNotFound,
    CaseUnreadable,
    ChangeNotPossible,
    FieldError,
    InvalidParameter,
    MissingParameter,
    TooManyItems,
)
from casedial.domain.importing import STATUS_COLUMNS, CaseRow
from casedial.service.imports import BatchReport, ImportOptions
from casedial.service.operations import forgetting, imports
from casedial.service.operations.forgetting import ReplyForm
from casedial.service.replies import PARTIAL, SUCCESS, Reply
from casedial.web.problems import problem
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.cases import MANAGE
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire import values
from casedial.wire.documents import JsonObject, canonical
from casedial.wire.replies import WriteReply, case_marks, without_cases
from casedial.wire.requests import Items
from casedial.wire.v1.cases import DeleteReply
from casedial.wire.v1.putting import (
    AddedStatus,
    PatchReply,
    PutReply,
    bad_field,
    case_row,
    case_rows,
    put_results,
    warnings_of,
)
from casedial.wire.v1.reading import list_of, object_of, one


def _put(call: Call) -> Work:
    body = call.body
    sent = one(body, "Cases")
    options = ImportOptions(
        bool(body.optional("SetStatuses", values.boolean)), bool(body.optional("AddStatuses", values.boolean))
    )
    call.finish()
    batch = case_rows(list_of(sent, "Cases", MAX_ITEMS), call.firm)
    places = [place for place, item in enumerate(batch.items) if isinstance(item, CaseRow)]
    rows = [item for item in batch.items if isinstance(item, CaseRow)]

    async def work(store: Store) -> Reply:
        if not rows:
            return _all_failed(call, PutReply(0, len(batch.items), put_results(batch, {}, {}, {})), batch)
        report = await imports.put(store, call.actor, call.firm.name, rows, options)
        return _put_reply(call, batch, places, report)

    return Work(work, len(batch.items))


def _put_reply(call: Call, batch: Items[CaseRow], places: list[int], report: BatchReport) -> Reply:
    failed = {places[index]: bad_field(error, f"#/Cases/{places[index]}") for index, error in report.bad}
    outcomes = {after.case_id: "updated" for _, after in report.moves.changed}
    outcomes |= {case.case_id: "added" for case in report.moves.added}
    results = put_results(batch, failed, outcomes, warnings_of(report.doubtful, places))
    failures = sum(not result.Success for result in results)
    reply = PutReply(
        len(results) - failures,
        failures,
        results,
        report.added,
        report.updated,
        report.unchanged,
        report.statuses_kept,
        sorted(set(report.in_the_dialer)),
        [AddedStatus(STATUS_COLUMNS[kind], name) for kind, name in report.statuses_added],
    )
    if not reply.Succeeded:
        return _all_failed(call, reply, batch)
    return done(reply, reply.Succeeded, PARTIAL if failures else SUCCESS)


def _all_failed(call: Call, reply: PutReply, batch: Items[CaseRow]) -> Reply:
    """Return the problem document of a request of which nothing was done, with what was wrong with each case."""
    first = reply.Results[0]
    errors = [item for item in batch.items if isinstance(item, InvalidParameter)]
    detail = str(first.Message) if reply.Failed == 1 else f"All {reply.Failed} cases failed, the first: {first.Message}"
    whole = InvalidParameter(detail, [field for error in errors for field in error.fields])
    return problem(whole, call.request_id, write=WriteReply(0, reply.Failed, list(reply.Results)))


def _patch(call: Call) -> Work:
    case_id = call.place("case_id", "CaseID", values.case_id)
    found = object_of(call.document.body, "The body", "#")
    named = [value for name, value in found if canonical(name) == "caseid" and value not in (None, case_id)]
    if named:
        detail = "is not the case of the path; leave it out"
        raise InvalidParameter(f"CaseID {detail}.", [FieldError("#/CaseID", detail)])
    given = [pair for pair in found if canonical(pair[0]) != "caseid"]
    if not given:
        raise MissingParameter("Say what to change: at least one field of the case.", [FieldError("#", "is empty")])
    row = case_row(JsonObject([("CaseID", case_id), *given]), call.firm)

    async def work(store: Store) -> Reply:
        options = ImportOptions(set_statuses=True)
        report = await imports.put(store, call.actor, call.firm.name, [row], options, only_there=True)
        for _, error in report.bad:
            raise bad_field(error)
        if report.in_the_dialer:
            raise ChangeNotPossible(f"Case {case_id} is In the Dialer: take it back from there first.")
        warnings = warnings_of(report.doubtful, [0]).get(0, [])
        return done(PatchReply(case_id, report.updated > 0, warnings), cases=report.updated)

    return Work(work)


def _delete(call: Call) -> Work:
    case_id = call.place("case_id", "CaseID", values.case_id)
    even_in_the_dialer = bool(call.query.optional("EvenInTheDialer", values.boolean))
    form = ReplyForm(case_marks, without_cases)

    async def work(store: Store) -> Reply:
        which = CaseFilter(case_ids=(case_id,))
        gone = await forgetting.forget(store, call.actor, call.firm.name, which, even_in_the_dialer, form, do=True)
        if gone.in_the_dialer:
            raise ChangeNotPossible(f"Case {case_id} is In the Dialer: take it back from there first.")
        if gone.unknown:
            raise CaseNotFound(f"{call.firm.name} has no case {case_id}. What was left of one is deleted.")
        return done(DeleteReply(case_id, gone.history, gone.notes, gone.phones, bool(gone.wiped)), cases=gone.cases)

    return Work(work)


_TEXT: Schema = {"type": ["string", "null"]}
_FLAG: Schema = {"type": ["boolean", "null"]}
_PHONE: Schema = {
    "type": "object",
    "required": ["Phone"],
    "properties": {"PhoneName": _TEXT, "Phone": {"type": "string", "maxLength": 64}, "Primary": _FLAG, "Text": _FLAG},
}
_FIELDS: dict[str, Schema] = {
    "Phones": {"type": ["array", "null"], "items": _PHONE, "description": "All phones of the case, in their order."},
    "CaseStatus": _TEXT,
    "DialerStatus": _TEXT,
    "Campaign": _TEXT,
    "Attempts": {"type": ["string", "integer", "null"]},
    "Disposition": _TEXT,
    "DialDateTime": {**_TEXT, "description": "Local to the firm, or with an offset: `2026-05-06T09:00:00`."},
    "Priority": {"type": ["integer", "null"], "minimum": PRIORITIES[0], "maximum": PRIORITIES[-1]},
    "ZipCode": _TEXT,
    "CaseGroup": _TEXT,
    "Closed": {
        "type": ["boolean", "string", "null"],
        "description": "The day on which it was, or true or false.",
    },
    "Plaintiff": _TEXT,
}
_ITEM: Schema = {
    "type": "object",
    "required": ["CaseID"],
    "properties": {"CaseID": {"type": ["integer", "string"]}, **_FIELDS},
}
_SENT = {
    "CaseID": 6,
    "Plaintiff": "Ada Example",
    "ZipCode": "68046",
    "Campaign": "Intake follow-up",
    "DialerStatus": "To Dial",
    "Phones": [{"PhoneName": "Cell", "Phone": "4025555759", "Primary": True, "Text": True}],
}
_FIELD_BY_FIELD = "A field that is absent stays as it is, one that is null or empty is cleared."
_PUT_DETAIL = (
    f"{_FIELD_BY_FIELD} A case that the firm does not have is added. Statuses of cases that are there are changed only "
    "with SetStatuses, and never while a case is In the Dialer. Each case succeeds or fails by itself."
)
ROUTES = (
    Route(
        "POST",
        "/v1/cases",
        "PutCases",
        MANAGE,
        _put,
        Described(
            "Adds or changes up to 1,000 cases, with their phones",
            PutReply,
            {
                "Succeeded": 1,
                "Failed": 0,
                "Results": [{"CaseID": 6, "Success": True, "Outcome": "added"}],
                "Added": 1,
                "Updated": 0,
                "Unchanged": 0,
                "StatusesKept": 0,
                "InTheDialer": [],
                "StatusesAdded": [],
            },
            body={
                "type": "object",
                "required": ["Cases"],
                "properties": {
                    "Cases": {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": _ITEM},
                    "SetStatuses": {**_FLAG, "description": "Also change the statuses of cases that are there."},
                    "AddStatuses": {
                        **_FLAG,
                        "description": "Add names that the firm does not have.",
                    },
                },
            },
            sent={"Cases": [_SENT]},
            errors=(MissingParameter, TooManyItems),
            detail=_PUT_DETAIL,
        ),
    ),
    Route(
        "PATCH",
        "/v1/cases/{case_id}",
        "ChangeCase",
        MANAGE,
        _patch,
        Described(
            "Changes fields, phones and statuses of a case",
            PatchReply,
            {"CaseID": 6, "Changed": True, "Warnings": []},
            body={"type": "object", "minProperties": 1, "properties": _FIELDS},
            sent={"Priority": 1, "Disposition": None},
            errors=(MissingParameter, CaseNotFound, ChangeNotPossible),
            detail=f"{_FIELD_BY_FIELD} All or nothing is done.",
        ),
    ),
    Route(
        "DELETE",
        "/v1/cases/{case_id}",
        "DeleteCase",
        MANAGE,
        _delete,
        Described(
            "Deletes a case, and all that tells of it",
            DeleteReply,
            {"CaseID": 6, "History": 4, "Notes": 2, "Phones": 1, "Wiped": True},
            query={"EvenInTheDialer": {"type": "boolean", "description": "Also where a dialer has it."}},
            errors=(CaseNotFound, CaseUnreadable, ChangeNotPossible),
        ),
        apart=True,
    ),
)
