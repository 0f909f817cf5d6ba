"""The parts of which the OpenAPI document describes an operation: parameters, a body, every reply."""

from __future__ import annotations

from typing import Any

from casedial.domain import errors
from casedial.web.examples import REFUSALS
from casedial.web.fields import Schema
from casedial.web.problems import PROBLEM, status_of
from casedial.web.schemas import ref

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


def query_of(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> list[Schema]:
    """Describe the parameters of a query string."""
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


def request_headers(*names: str) -> list[Schema]:
    """Refer to headers that a request may have."""
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def body_of(schema: Schema, example: Schema, form: Schema) -> Schema:
    """Describe a body; it is not required, for the plain parameters may stand in the query string."""
    json = {"schema": schema, "example": example}
    return {"content": {"application/json": json, "application/x-www-form-urlencoded": {"schema": form}}}


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def responses(
    success: Schema, example: Any, own: tuple[type[errors.CasedialError], ...], headers: tuple[str, ...] = ()
) -> Schema:
    """Describe every reply: the success, and each refusal by its status."""
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
            "content": {PROBLEM: {"schema": ref("ProblemReply"), **_shown(codes)}},
        }
    return found


def _shown(codes: list[type[errors.CasedialError]]) -> Schema:
    examples = {
        code.__name__: {"$ref": f"#/components/examples/{code.__name__}"} for code in codes if code.__name__ in REFUSALS
    }
    return {"examples": examples} if examples else {}


def operation(method: str, verb: str, summary: str, parts: Schema) -> Schema:
    """Describe one verb of a path."""
    return {"operationId": f"{method}_{verb}", "tags": [method], "summary": summary, **parts}
