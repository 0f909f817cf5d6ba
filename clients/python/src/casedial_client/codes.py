"""Which class of ``errors`` a refusal is, by the code that a server sends, or else by its HTTP status."""

from __future__ import annotations

from casedial_client.errors import (
    BodyTooSlow,
    CasedialError,
    Conflict,
    MethodNotAllowed,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    Refusal,
    RequestError,
    ServerError,
    TooLarge,
    UnexpectedReply,
    UnsupportedContentType,
    every_error,
)

_BY_CODE = {error.__name__: error for error in every_error(Refusal)}
_BY_STATUS: dict[int, type[CasedialError]] = {
    400: RequestError,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    405: MethodNotAllowed,
    408: BodyTooSlow,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedContentType,
    422: RequestError,
    429: RateLimited,
}


def class_of(code: str | None, status: int) -> type[CasedialError]:
    """Return the class of a refusal: the one its code names, else the nearest by its status."""
    fallback = ServerError if status >= 500 else UnexpectedReply
    return _BY_CODE.get(code or "") or _BY_STATUS.get(status, fallback)
