"""The OpenAPI document: the specification's five methods with its own examples, the two for claims, every reply."""

from __future__ import annotations

import msgspec

from casedial import __version__
from casedial.domain import errors
from casedial.web.described import body_of, operation, query_of, request_headers, responses
from casedial.web.examples import CASE, CASE_INFO, COUNTED, DONE, EXPLAINED, FIRM, REFUSALS, UPDATE
from casedial.web.fields import BY_PHONE, CASE_ID, DIAL, ITEM, MANY_CASE_IDS, NOTE, REQUEST_HEADERS, Schema
from casedial.web.links import linked
from casedial.web.schemas import SCHEMAS, ref
from casedial.web.v1 import describing
from casedial.wire.firms import FirmReply
from casedial.wire.replies import CaseReply, ProblemReply, WriteReply

_DESCRIPTION = """\
Dialers ask for the cases to call, and report what came of each call. Of the methods below, GetCasesToDial, GetCaseInfo,
UpdateCaseStatus, AddCaseNote and AddCaseNoteByPhone are the published Predictive Dialer API. ExtendClaim, ReleaseClaim,
the paths under `/v1`, most of them for the firm's own systems, and the request headers `Idempotency-Key`, `X-Claim-Id`,
`X-Claim-Seconds` and `X-Strict` are additions of casedial; a client may do without them. To try a method here, press
Authorize and enter your ClientKey.

Names of parameters are compared without regard to case, `-`, `_` and blanks. Times are local to the firm
(`2026-05-06T09:00:00`); times with `Z` or an offset are converted. A parameter that a method does not have is ignored,
and the reply header `X-Ignored-Parameters` names it; with `X-Strict: true` the request is refused instead.

## Claims

GetCasesToDial with `Auto-change` true is a **claim**: in one step the cases of its reply become "In the Dialer", and no
other call gets them, however many dialers ask. The reply header `X-Claim-Id` names the claim; `X-Claim-Expires` says
when it ends: after 24 hours, unless the firm chose another time or you asked for less with `X-Claim-Seconds`.

- Report each case with UpdateCaseStatus as soon as its call ends. Send the claim's `X-Claim-Id`: if the claim no longer
  holds the case, the item fails with `ClaimLost`, and nothing is overwritten.
- ExtendClaim keeps cases longer. ReleaseClaim gives back the cases that you will not dial.
- When a claim ends, cases that nobody reported go back to "To Dial". A case with a Disposition but no Status stays.

## Repeating a request

When no reply arrives, you cannot know whether the request was carried out. Give each claim and each write a new
`Idempotency-Key`, and send the same request with the same key again: it is carried out once, and every repeat gets the
first reply, for 24 hours. Before you dial cases from a repeated claim, look at its `X-Claim-Expires`: if that
time has passed, claim again. Without the header, a repeated claim takes other cases, and a repeated note is added
twice.

## Errors

An error is a problem document (RFC 9457). Decide by its `code`, which is stable, and not by its words.
[All codes](/docs/errors) are on one page, and the examples below are replies of a server.

- A write answers with one result for each item. If at least one item succeeds, the status is 200: look at `Failed`.
  If all items fail, the status is that of the first failure, and the problem document carries the results.
- On 408, 429, 503, and 409 with the code `RequestStillRunning`, send the same request again, after as many seconds as
  `Retry-After` says. Any other 4xx stays the same until you change the request or the firm changes something.
- `request_id` is also the reply header `X-Request-Id`. Quote it when you ask the firm: its log has it.
"""


def _read(
    method: str,
    summary: str,
    body: str,
    reply: Schema,
    headers: tuple[str, ...] = (),
) -> Schema:
    whole = SCHEMAS[body]
    properties, required = whole["properties"], tuple(whole.get("required", ()))
    example: Schema = dict.fromkeys(required, 7) or {"Campaign": "Intake follow-up", "Records": 25, "Auto-change": True}
    also = request_headers(*headers, "X-Strict")
    queried = {"parameters": [*query_of(properties, required), *also], "responses": reply}
    posted = {"parameters": also, "requestBody": body_of(ref(body), example, whole), "responses": reply}
    return {
        "get": operation(method, "get", summary, queried),
        "post": operation(method, "post", summary, posted),
    }


def _write(
    method: str, summary: str, plain: dict[str, Schema], body: Schema, reply: Schema, headers: tuple[str, ...] = ()
) -> Schema:
    """Describe a write; its plain parameters may come in the query string instead of the body."""
    parameters = [*query_of(plain), *request_headers("Idempotency-Key", *headers, "X-Strict")]
    parts = {"parameters": parameters, "requestBody": body, "responses": reply}
    return {verb: operation(method, verb, summary, parts) for verb in ("post", "put")}


def _reads(base: str) -> Schema:
    case = ref("CaseReply")
    return {
        f"{base}/GetCasesToDial": _read(
            "GetCasesToDial",
            "Gets a list of cases for dialer to dial",
            "DialQuery",
            responses({"type": "array", "items": case}, [CASE], _REPEATED, ("X-Records-Limit", *_CLAIM)),
            ("Idempotency-Key", "X-Claim-Seconds"),
        ),
        f"{base}/GetCaseInfo": _read(
            "GetCaseInfo",
            "Returns information about a specific case",
            "CaseQuery",
            responses(case, CASE_INFO, (errors.MissingParameter, errors.CaseNotFound, errors.CaseUnreadable)),
        ),
    }


def _calling() -> Schema:
    """Describe what is beside the specification: what a key may do, why a case may be called or not."""
    case_id = {"name": "case_id", "in": "path", "required": True, "schema": CASE_ID}
    strict = request_headers("X-Strict")
    explained = responses(ref("ExplainReply"), EXPLAINED, (errors.CaseNotFound,))
    counted = responses(ref("PreflightReply"), COUNTED, ())
    counts = {"parameters": [*query_of({"Campaign": DIAL["Campaign"]}), *strict], "responses": counted}
    about = {"parameters": [case_id, *strict], "responses": explained}
    firm = {"parameters": strict, "responses": responses(ref("FirmReply"), FIRM, ())}
    return {
        "/v1/firm": {"get": operation("Firm", "get", "The firm's names and time zone, and what the key may do", firm)},
        "/v1/cases/{case_id}/explain": {
            "get": operation("Explain", "get", "Why a case may be called now, or not, and when it may next", about)
        },
        "/v1/preflight": {"get": operation("Preflight", "get", "Counts due cases by what holds them back", counts)},
    }


# What a write that is repeated with its Idempotency-Key may be answered, and the headers of a claim.
_REPEATED = (errors.RequestStillRunning, errors.IdempotencyKeyReused)
_CLAIM = ("X-Claim-Id", "X-Claim-Expires")
_WRITE = ref("WriteReply")


def _update(base: str) -> Schema:
    own = (errors.MissingParameter, errors.TooManyItems, errors.CaseNotFound, errors.CaseUnreadable, errors.ClaimLost)
    statuses = (errors.UnknownStatus, errors.RetiredStatus, errors.NotToDial)
    updated = {"Succeeded": 1, "Failed": 0, "Results": [{"CaseID": 515512, "Success": True}]}
    return {
        f"{base}/UpdateCaseStatus": _write(
            "UpdateCaseStatus",
            "Updates status for one or more cases",
            ITEM,
            body_of({"anyOf": [ref("CaseUpdates"), ref("CaseUpdate")]}, UPDATE, SCHEMAS["CaseUpdate"]),
            responses(_WRITE, updated, (*own, *statuses, *_REPEATED), ("X-Attempts-Limit", *_CLAIM)),
            ("X-Claim-Id", "X-Claim-Seconds"),
        )
    }


def _notes(base: str) -> Schema:
    several: Schema = {"anyOf": [ref("NoteToCases"), ref("CaseNotes")]}
    by_phone: Schema = {"Phone": "(402) 320-5759", "Note": "Left a message."}
    own = (errors.MissingParameter, errors.NoteTooLong, errors.NotesTooLarge)
    return {
        f"{base}/AddCaseNote": _write(
            "AddCaseNote",
            "Adds a note to one or more cases",
            {"CaseID": MANY_CASE_IDS, "Note": NOTE},
            body_of(several, {"CaseID": 7, "Note": "Asked to be called back."}, SCHEMAS["CaseNote"]),
            responses(_WRITE, DONE, (*own, errors.TooManyItems, errors.CaseNotFound, *_REPEATED)),
        ),
        f"{base}/AddCaseNoteByPhone": _write(
            "AddCaseNoteByPhone",
            "Adds a note to cases found by phone number",
            BY_PHONE,
            body_of(ref("NoteByPhone"), by_phone, SCHEMAS["NoteByPhone"]),
            responses(_WRITE, DONE, (*own, errors.PhoneNotFound, errors.CaseUnreadable, *_REPEATED)),
        ),
    }


def _claims(base: str) -> Schema:
    refused = (errors.CaseNotFound, errors.CaseUnreadable, errors.ClaimLost)
    own = (errors.MissingParameter, errors.TooManyItems, *refused, *_REPEATED)
    claim = {"ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90", "CaseID": [7]}
    found: Schema = {}
    for method, summary, name, headers in (
        ("ExtendClaim", "Keeps cases of a claim for longer", "ExtendQuery", ("X-Claim-Expires",)),
        ("ReleaseClaim", "Gives cases of a claim back, undialed", "ReleaseQuery", ()),
    ):
        body, plain = body_of(ref(name), claim, SCHEMAS[name]), SCHEMAS[name]["properties"]
        reply = responses(_WRITE, DONE, own, headers)
        found[f"{base}/{method}"] = _write(method, summary, plain, body, reply, ("X-Claim-Id",))
    return found


def _header(description: str, always: bool = False) -> Schema:
    """Describe a header; one that is ``always`` there belongs to every reply that names it."""
    return {"description": description, "required": always, "schema": {"type": "string"}}


def document(base: str) -> Schema:
    """Return the OpenAPI 3.1 document of a server whose methods are under ``base``."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Predictive Dialer API",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"ClientKey": []}],
        "paths": {
            **linked({**_reads(base), **_update(base), **_notes(base), **_claims(base)}),
            **_calling(),
            **describing.paths(),
        },
        "components": _components(),
    }


def _components() -> Schema:
    _, schemas = msgspec.json.schema_components(
        [CaseReply, WriteReply, ProblemReply, FirmReply], ref_template="#/components/schemas/{name}"
    )
    return {
        "schemas": schemas | SCHEMAS | describing.schemas(),
        "examples": {
            code: {"summary": f"{code}: {shown['request']}", "value": shown["reply"]}
            for code, shown in REFUSALS.items()
        },
        "headers": {
            "X-Request-Id": _header("Identifies this request in the server's log.", always=True),
            "X-Ignored-Parameters": _header("Parameters that the method does not have, percent-encoded."),
            "X-Records-Limit": _header("The maximum to which Records was cut."),
            "X-Attempts-Limit": _header("The firm's highest Attempts status, which replaced a higher count."),
            "X-Claim-Id": _header("The claim that holds the cases of this reply."),
            "X-Claim-Expires": _header("When the claim runs out unless it is extended; absent if it never does."),
            "Allow": _header("The HTTP methods this path takes.", always=True),
            "Retry-After": _header("Seconds after which to try again."),
            "WWW-Authenticate": _header("Says that a ClientKey is required.", always=True),
        },
        "parameters": {
            name: {"name": name, "in": "header", "required": False, **parameter}
            for name, parameter in REQUEST_HEADERS.items()
        },
        "securitySchemes": {
            "ClientKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-ApiKey",
                "description": "The ClientKey of one dialer vendor for one firm.",
            }
        },
    }
