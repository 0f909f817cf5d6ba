"""The OpenAPI document: the specification's five methods with its own examples, the two for claims, every reply."""

from __future__ import annotations

from typing import Any

import msgspec

from casedial import __version__
from casedial.domain import errors
from casedial.domain.claims import MAX_EXTENSION, MIN_LEASE
from casedial.domain.dialing import MAX_ITEMS, MAX_RECORDS
from casedial.web.examples import CASE, CASE_INFO, COUNTED, DONE, EXPLAINED, FIRM, UPDATE
from casedial.web.links import linked
from casedial.web.problems import PROBLEM, status_of
from casedial.wire.firms import FirmReply
from casedial.wire.replies import CaseReply, ProblemReply, WriteReply

Schema = dict[str, Any]

_DESCRIPTION = """\
The Predictive Dialer API: hand cases to a dialer, hear what became of them. ExtendClaim, ReleaseClaim and the
headers `Idempotency-Key`, `X-Claim-Id`, `X-Claim-Seconds` and `X-Strict` go beyond it; a client that does not use them
never meets them.

Names of parameters are compared without regard to case, `-`, `_` and blanks. Times are local to the firm
(`2026-05-06T09:00:00`); with `Z` or an offset they are converted. A parameter that nothing asks for is ignored
and named in the reply header `X-Ignored-Parameters`. Errors are problem documents (RFC 9457) with a stable `code`.
"""


_CASE_ID: Schema = {
    "description": "SmartAdvocate case id: a whole number or a string of digits.",
    "oneOf": [
        {"type": "integer", "minimum": 1, "maximum": 9223372036854775807},
        {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
    ],
}
_NOTE: Schema = {"type": "string", "minLength": 1, "description": "Text of the note; at most 64 KiB of UTF-8."}
_PHONE: Schema = {
    "type": "string",
    "maxLength": 64,
    "pattern": "^([ ().-]*(\\+?1[ ().-]*)?([0-9][ ().-]*){10}|\\+[2-9][ .-]*([0-9][ .-]*){6,14})$",
    "description": "Plaintiff's phone number: ten digits, however punctuated, or + and all digits of one abroad; "
    "`PhoneNumber` is an alias.",
}
_DIAL: dict[str, Schema] = {
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
_ITEM: dict[str, Schema] = {
    "CaseID": _CASE_ID,
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
        "description": "Attempts count, one of the firm's Attempts statuses. Above the highest of them: the highest, "
        "and `X-Attempts-Limit` says so.",
        "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]*$"}],
    },
    "Disposition": {"type": "string", "description": "New Last Dialer Disposition."},
}
_BY_PHONE: dict[str, Schema] = {"Phone": _PHONE, "Note": _NOTE}
_MANY_CASE_IDS: Schema = {
    **_CASE_ID,
    "oneOf": [*_CASE_ID["oneOf"], {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": _CASE_ID}],
}
_RELEASE: dict[str, Schema] = {
    "ClaimID": {"type": "string", "format": "uuid", "description": "The claim, unless X-Claim-Id names it."},
    "CaseID": {**_MANY_CASE_IDS, "description": "Cases of the claim. Absent: all that it holds."},
}
_EXTEND: dict[str, Schema] = {
    **_RELEASE,
    "Seconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_EXTENSION,
        "description": "For how long, from now. Absent: as the claim asked for by X-Claim-Seconds, else the claim "
        "timeout. No lease gets shorter.",
    },
}

# Headers that a request may have, by the name of the parameter.
_REQUEST_HEADERS: dict[str, Schema] = {
    "Idempotency-Key": {
        "description": "A name for this write, new for each: a repeat with it gets the first reply and has no effect.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "X-Claim-Id": {
        "description": "The claim under which this is written: a case that it does not hold any more is left alone.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "X-Claim-Seconds": {
        "description": "After how many seconds the claim is to run out; at most what the firm or campaign allows. "
        "`X-Claim-Expires` says what it is.",
        "schema": {"type": "integer", "minimum": MIN_LEASE, "maximum": MAX_EXTENSION},
    },
    "X-Strict": {
        "description": "Refuse a request that has a parameter nothing asks for (400, `UnknownParameter`).",
        "schema": {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01])?$", "default": "false"},
    },
}

# What any method may answer beside its own replies.
_COMMON_ERRORS: tuple[type[errors.CasedialError], ...] = (
    errors.MalformedDocument,
    errors.UnknownParameter,
    errors.InvalidParameter,
    errors.ConflictingParameter,
    errors.KeyMissing,
    errors.KeyMistyped,
    errors.KeyUnknown,
    errors.KeyRevoked,
    errors.KeyExpired,
    errors.ScopeNotAllowed,
    errors.CampaignNotAllowed,
    errors.AddressNotAllowed,
    errors.RateLimited,
    errors.MethodNotAllowed,
    errors.BodyTooLarge,
    errors.BodyTooSlow,
    errors.UnsupportedContentType,
    errors.StorageUnavailable,
    errors.TooBusy,
    errors.InternalError,
)


def _object(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _batch(item: Schema) -> Schema:
    return _object({"Cases": {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": item}}, ("Cases",))


def _query(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.get("description", ""),
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in properties.items()
    ]


def _request_headers(*names: str) -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _body(schema: Schema, example: Schema, form: Schema) -> Schema:
    """Describe a body; it is not required, for the plain parameters may stand in the query string."""
    json = {"schema": schema, "example": example}
    return {"content": {"application/json": json, "application/x-www-form-urlencoded": {"schema": form}}}


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _responses(
    success: Schema, example: Any, own: tuple[type[errors.CasedialError], ...], headers: tuple[str, ...] = ()
) -> Schema:
    by_status: dict[int, list[type[errors.CasedialError]]] = {}
    for error in (*own, *_COMMON_ERRORS):
        by_status.setdefault(status_of(error), []).append(error)
    retry = ("Retry-After",)
    extra = {401: ("WWW-Authenticate",), 405: ("Allow",), 409: retry, 429: retry, 503: retry}
    found: Schema = {
        "200": {
            "description": "Done.",
            "headers": _headers("X-Request-Id", "X-Ignored-Parameters", *headers),
            "content": {"application/json": {"schema": success, "example": example}},
        }
    }
    for status, codes in sorted(by_status.items()):
        found[str(status)] = {
            "description": " ".join(f"`{code.__name__}`: {code.title}." for code in dict.fromkeys(codes)),
            "headers": _headers("X-Request-Id", *extra.get(status, ())),
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemReply"}}},
        }
    return found


def _operation(method: str, verb: str, summary: str, parts: Schema) -> Schema:
    return {"operationId": f"{method}_{verb}", "tags": [method], "summary": summary, **parts}


def _read(
    method: str,
    summary: str,
    properties: dict[str, Schema],
    required: tuple[str, ...],
    reply: Schema,
    headers: tuple[str, ...] = (),
) -> Schema:
    example: Schema = dict.fromkeys(required, 7) or {"Campaign": "Intake follow-up", "Records": 25, "Auto-change": True}
    whole = _object(properties, required)
    also = _request_headers(*headers, "X-Strict")
    queried = {"parameters": [*_query(properties, required), *also], "responses": reply}
    posted = {"parameters": also, "requestBody": _body(whole, example, whole), "responses": reply}
    return {
        "get": _operation(method, "get", summary, queried),
        "post": _operation(method, "post", summary, posted),
    }


def _write(
    method: str, summary: str, plain: dict[str, Schema], body: Schema, reply: Schema, headers: tuple[str, ...] = ()
) -> Schema:
    """Describe a write; its plain parameters may come in the query string instead of the body."""
    parameters = [*_query(plain), *_request_headers("Idempotency-Key", *headers, "X-Strict")]
    parts = {"parameters": parameters, "requestBody": body, "responses": reply}
    return {verb: _operation(method, verb, summary, parts) for verb in ("post", "put")}


def _reads(base: str) -> Schema:
    case: Schema = {"$ref": "#/components/schemas/CaseReply"}
    return {
        f"{base}/GetCasesToDial": _read(
            "GetCasesToDial",
            "Gets a list of cases for dialer to dial",
            _DIAL,
            (),
            _responses({"type": "array", "items": case}, [CASE], _REPEATED, ("X-Records-Limit", *_CLAIM)),
            ("Idempotency-Key", "X-Claim-Seconds"),
        ),
        f"{base}/GetCaseInfo": _read(
            "GetCaseInfo",
            "Returns information about a specific case",
            {"CaseID": _CASE_ID},
            ("CaseID",),
            _responses(case, CASE_INFO, (errors.MissingParameter, errors.CaseNotFound, errors.CaseUnreadable)),
        ),
    }


_BY: Schema = {
    "By": {"type": ["string", "null"], "description": "Who set it; null where that was another vendor or a person"},
    "Since": {"type": ["string", "null"], "format": "date-time"},
    "Reason": {"type": ["string", "null"], "description": "Why, where nobody asked for it"},
}
_HELD: Schema = {
    **_BY,
    "Until": {"type": ["string", "null"], "format": "date-time", "description": "null where it does not run out"},
    "AnsweredAt": {"type": ["string", "null"], "format": "date-time"},
    "ClaimID": {"type": ["string", "null"], "description": "Of a claim of your own"},
}
_STANDING: Schema = {
    "TimeZone": {"type": "string", "description": "The firm's, in which words tell times"},
    "Held": {"type": ["object", "null"], "description": "Who has the case In the Dialer", "properties": _HELD},
    "DoNotDial": {"type": ["object", "null"], "description": "Who set it Do not Dial", "properties": _BY},
}


def _calling() -> Schema:
    """Describe what is beside the specification: what a key may do, why a case may be called or not."""
    case_id = {"name": "case_id", "in": "path", "required": True, "schema": _CASE_ID}
    strict = _request_headers("X-Strict")
    explained = _responses({"type": "object", "properties": _STANDING}, EXPLAINED, (errors.CaseNotFound,))
    counted = _responses({"type": "object"}, COUNTED, ())
    counts = {"parameters": [*_query({"Campaign": _DIAL["Campaign"]}), *strict], "responses": counted}
    about = {"parameters": [case_id, *strict], "responses": explained}
    firm = {"parameters": strict, "responses": _responses({"$ref": "#/components/schemas/FirmReply"}, FIRM, ())}
    return {
        "/v1/firm": {"get": _operation("Firm", "get", "The firm's names and time zone, and what the key may do", firm)},
        "/v1/cases/{case_id}/explain": {
            "get": _operation("Explain", "get", "Why a case may be called now, or not, and when it may next", about)
        },
        "/v1/preflight": {"get": _operation("Preflight", "get", "Counts due cases by what holds them back", counts)},
    }


# What a write that is repeated with its Idempotency-Key may be answered, and the headers of a claim.
_REPEATED = (errors.RequestStillRunning, errors.IdempotencyKeyReused)
_CLAIM = ("X-Claim-Id", "X-Claim-Expires")
_WRITE: Schema = {"$ref": "#/components/schemas/WriteReply"}


def _update(base: str) -> Schema:
    item = _object(_ITEM, ("CaseID",))
    several: Schema = {"type": "array", "minItems": 1, "maxItems": MAX_ITEMS, "items": item}
    own = (errors.MissingParameter, errors.TooManyItems, errors.CaseNotFound, errors.CaseUnreadable, errors.ClaimLost)
    statuses = (errors.UnknownStatus, errors.RetiredStatus, errors.NotToDial)
    updated = {"Succeeded": 1, "Failed": 0, "Results": [{"CaseID": 515512, "Success": True}]}
    return {
        f"{base}/UpdateCaseStatus": _write(
            "UpdateCaseStatus",
            "Updates status for one or more cases",
            _ITEM,
            _body({"anyOf": [_batch(item), several, item]}, UPDATE, item),
            _responses(_WRITE, updated, (*own, *statuses, *_REPEATED), ("X-Attempts-Limit", *_CLAIM)),
            ("X-Claim-Id", "X-Claim-Seconds"),
        )
    }


def _notes(base: str) -> Schema:
    note = _object({"CaseID": _CASE_ID, "Note": _NOTE}, ("CaseID", "Note"))
    one_or_many = _object({"CaseID": _MANY_CASE_IDS, "Note": _NOTE}, ("CaseID", "Note"))
    by_phone = _object(_BY_PHONE, ("Phone", "Note"))
    own = (errors.MissingParameter, errors.NoteTooLong, errors.NotesTooLarge)
    return {
        f"{base}/AddCaseNote": _write(
            "AddCaseNote",
            "Adds a note to one or more cases",
            {"CaseID": _MANY_CASE_IDS, "Note": _NOTE},
            _body({"anyOf": [one_or_many, _batch(note)]}, {"CaseID": 7, "Note": "Asked to be called back."}, note),
            _responses(_WRITE, DONE, (*own, errors.TooManyItems, errors.CaseNotFound, *_REPEATED)),
        ),
        f"{base}/AddCaseNoteByPhone": _write(
            "AddCaseNoteByPhone",
            "Adds a note to cases found by phone number",
            _BY_PHONE,
            _body(by_phone, {"Phone": "(402) 320-5759", "Note": "Left a message."}, by_phone),
            _responses(_WRITE, DONE, (*own, errors.PhoneNotFound, errors.CaseUnreadable, *_REPEATED)),
        ),
    }


def _claims(base: str) -> Schema:
    refused = (errors.CaseNotFound, errors.CaseUnreadable, errors.ClaimLost)
    own = (errors.MissingParameter, errors.TooManyItems, *refused, *_REPEATED)
    claim = {"ClaimID": "3f2b8c1e-5d7a-4e0b-9c4d-2a6f1b7e8d90", "CaseID": [7]}
    found: Schema = {}
    for method, summary, plain, headers in (
        ("ExtendClaim", "Keeps cases of a claim for longer", _EXTEND, ("X-Claim-Expires",)),
        ("ReleaseClaim", "Gives cases of a claim back, undialed", _RELEASE, ()),
    ):
        body = _body(_object(plain), claim, _object(plain))
        reply = _responses(_WRITE, DONE, own, headers)
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
        "paths": {**linked({**_reads(base), **_update(base), **_notes(base), **_claims(base)}), **_calling()},
        "components": _components(),
    }


def _components() -> Schema:
    _, schemas = msgspec.json.schema_components(
        [CaseReply, WriteReply, ProblemReply, FirmReply], ref_template="#/components/schemas/{name}"
    )
    return {
        "schemas": schemas,
        "headers": {
            "X-Request-Id": _header("Names this request in the server's log.", always=True),
            "X-Ignored-Parameters": _header("Parameters that nothing asked for, percent-encoded."),
            "X-Records-Limit": _header("The maximum to which Records was cut."),
            "X-Attempts-Limit": _header("The firm's highest Attempts status, as which a higher count was taken."),
            "X-Claim-Id": _header("The claim that holds the cases of this reply."),
            "X-Claim-Expires": _header("When it runs out, unless extended; absent when it does not."),
            "Allow": _header("The HTTP methods this path takes.", always=True),
            "Retry-After": _header("Seconds after which to try again."),
            "WWW-Authenticate": _header("Says that a ClientKey is asked for.", always=True),
        },
        "parameters": {
            name: {"name": name, "in": "header", "required": False, **parameter}
            for name, parameter in _REQUEST_HEADERS.items()
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
