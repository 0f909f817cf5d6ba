"""Errors to HTTP: which status each has, and the problem document that tells it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
)

from casedial.domain import errors
from casedial.web.observe import RequestRecord, note_fault
from casedial.wire.documents import ignored_header
from casedial.wire.replies import WriteReply, encode, problem_reply

PROBLEM = "application/problem+json"

# The nearest class up the tree decides.
STATUS_OF: dict[type[errors.CasedialError], int] = {
    errors.RequestError: 400,
    errors.NotAuthenticated: 401,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.TooLarge: 413,
    errors.UnsupportedContentType: 415,
    errors.StorageUnavailable: 503,
    errors.SchemaBehind: 503,
    errors.CasedialError: 500,
}


def status_of(error: type[errors.CasedialError]) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS_OF[ancestor] for ancestor in error.__mro__ if ancestor in STATUS_OF)


def problem(
    record: RequestRecord,
    error: errors.CasedialError,
    headers: dict[str, str] | None = None,
    write: WriteReply | None = None,
) -> Response[bytes]:
    """Answer with a problem document, and note its code as the request's outcome."""
    record.outcome = error.code
    status = status_of(type(error))
    headers = {**(headers or {}), **ignored_names(record)}
    if status == 413:
        headers["Connection"] = "close"  # the rest of the body stays unread
    if status == 405:
        headers["Allow"] = ", ".join(record.verbs)
    if status == 503:
        headers["Retry-After"] = "1"
    if status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="casedial"'
    body = encode(problem_reply(error, status, record.request_id, write))
    return Response(body, status_code=status, headers=headers, media_type=PROBLEM)


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for whatever a handler or the framework raised."""
    record: RequestRecord = request.scope["casedial"]  # type: ignore[typeddict-item]
    if not isinstance(error, errors.CasedialError | HTTPException) or (
        isinstance(error, HTTPException) and error.status_code >= 500
    ):
        note_fault(record, error)
    return problem(record, _our_own(error, record))


def ignored_names(record: RequestRecord) -> dict[str, str]:
    """Return the header that names parameters nothing asked for, so that a typo can be seen."""
    return {"X-Ignored-Parameters": ignored_header(record.ignored)} if record.ignored else {}


def _our_own(error: Exception, record: RequestRecord) -> errors.CasedialError:
    if isinstance(error, errors.CasedialError):
        return error
    if isinstance(error, NotFoundException):
        return errors.PathNotFound("There is nothing at this path; /docs lists what there is.")
    if isinstance(error, MethodNotAllowedException):
        return errors.MethodNotAllowed(f"This path takes {' or '.join(record.verbs)} only.")
    if isinstance(error, ClientException) and error.status_code == 413:
        return errors.BodyTooLarge("A body has at most 1 MiB.")
    if isinstance(error, HTTPException) and error.status_code < 500:
        return errors.MalformedDocument("The request cannot be read.")
    return errors.InternalError("A fault in casedial, now in its log. Nothing was changed.")
