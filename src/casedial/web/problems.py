"""Errors to HTTP: which status each has, and the problem document that tells it."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.types import Send

from casedial.domain import errors
from casedial.service.replies import Reply
from casedial.web.observe import RequestRecord, note_fault
from casedial.wire.documents import ignored_header
from casedial.wire.replies import WriteReply, encode, problem_reply

PROBLEM = "application/problem+json"

# The nearest class up the tree decides.
STATUS_OF: dict[type[errors.CasedialError], int] = {
    errors.RequestError: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.BodyTooSlow: 408,
    errors.CallerLeft: 408,
    errors.Conflict: 409,
    errors.CursorGone: 410,
    errors.TooLarge: 413,
    errors.UnsupportedContentType: 415,
    errors.IdempotencyKeyReused: 422,
    errors.RateLimited: 429,
    errors.StorageUnavailable: 503,
    errors.SchemaBehind: 503,
    errors.TooBusy: 503,
    errors.CasedialError: 500,
}


def status_of(error: type[errors.CasedialError]) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS_OF[ancestor] for ancestor in error.__mro__ if ancestor in STATUS_OF)


def problem(
    error: errors.CasedialError, request_id: str, verbs: tuple[str, ...] = (), write: WriteReply | None = None
) -> Reply:
    """Render an error as a problem document; ``verbs`` are those the path takes."""
    status = status_of(type(error))
    headers: dict[str, str] = {}
    if status in (408, 413) or isinstance(error, errors.TooBusy):
        headers["Connection"] = "close"  # the rest of the body stays unread
    if status == 405:
        headers["Allow"] = ", ".join(verbs)
    if isinstance(error, errors.RateLimited):
        headers["Retry-After"] = str(error.retry_after)
    elif status == 503 or isinstance(error, errors.RequestStillRunning):
        headers["Retry-After"] = "1"
    if status == 401:
        headers["WWW-Authenticate"] = 'ApiKey realm="casedial"'
    body = encode(problem_reply(error, status, request_id, write))
    return Reply(body, status, PROBLEM, headers, error.code)


def respond(record: RequestRecord, reply: Reply) -> Response[bytes]:
    """Return a reply as the framework sends it, and note what it says as the request's outcome."""
    headers = _note(record, reply)
    return Response(reply.body, status_code=reply.status, headers=headers, media_type=reply.media_type)


async def send_reply(send: Send, record: RequestRecord, reply: Reply) -> None:
    """Send a reply, and note what it says as the request's outcome."""
    record.status, headers = reply.status, _note(record, reply)
    coded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    told = (b"content-type", reply.media_type.encode()), (b"content-length", b"%d" % len(reply.body))
    whole = [*told, *coded, *every_reply_has(record)]
    await send({"type": "http.response.start", "status": reply.status, "headers": whole})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


def _note(record: RequestRecord, reply: Reply) -> dict[str, str]:
    record.outcome, record.cases = reply.outcome, reply.cases
    record.claimed, record.claimed_in = reply.claimed, reply.claimed_in
    return {**reply.headers, **ignored_names(record)}


def every_reply_has(record: RequestRecord) -> list[tuple[bytes, bytes]]:
    """Return the headers of every reply, whatever it answers."""
    return [(b"x-request-id", record.request_id.encode()), *_ALWAYS]


_ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for whatever a handler or the framework raised."""
    record: RequestRecord = request.scope["casedial"]  # type: ignore[typeddict-item]
    return respond(record, refusal(record, error))


def refusal(record: RequestRecord, error: Exception) -> Reply:
    """Return the answer to whatever was raised; log it where it is a fault of ours."""
    if not isinstance(error, errors.CasedialError | HTTPException) or (
        isinstance(error, HTTPException) and error.status_code >= 500
    ):
        note_fault(record, error)
    if isinstance(error, errors.StorageUnavailable):
        record.cause = error.cause
    return problem(_our_own(error, record), record.request_id, record.verbs)


def nothing_here() -> errors.PathNotFound:
    """Return the refusal of a path that leads nowhere."""
    return errors.PathNotFound("There is nothing at this path; /docs lists the methods.")


def ignored_names(record: RequestRecord) -> dict[str, str]:
    """Return the header that names parameters nothing asked for, so that a typo can be seen."""
    return {"X-Ignored-Parameters": ignored_header(name for name, _ in record.ignored)} if record.ignored else {}


def _our_own(error: Exception, record: RequestRecord) -> errors.CasedialError:
    if isinstance(error, errors.CasedialError):
        return error
    if isinstance(error, NotFoundException):
        return nothing_here()
    if isinstance(error, MethodNotAllowedException):
        return errors.MethodNotAllowed(f"This path takes {' or '.join(record.verbs)} only.")
    if isinstance(error, HTTPException) and error.status_code < 500:
        return errors.MalformedDocument("The request cannot be read.")
    return errors.InternalError("A fault in casedial, recorded in its log. Nothing was changed.")
