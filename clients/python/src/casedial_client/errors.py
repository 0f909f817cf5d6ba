"""Everything that can go wrong, as one tree. A server's refusal is the class that its ``code`` names.

::

    CasedialError
     ├── Refusal                      what a server says
     │    ├── RequestError                the request is wrong as it stands
     │    │    ├── MalformedDocument, MissingParameter, UnknownParameter, InvalidParameter, ConflictingParameter
     │    │    └── UnknownStatus, RetiredStatus, NotToDial
     │    ├── TooLarge                    BodyTooLarge, TooManyItems, NoteTooLong, NotesTooLarge
     │    ├── NotAuthenticated            KeyMissing, KeyMistyped, KeyUnknown, KeyRevoked, KeyExpired
     │    ├── NotAllowed                  ScopeNotAllowed, CampaignNotAllowed, AddressNotAllowed
     │    ├── NotFound                    PathNotFound, CaseNotFound, PhoneNotFound, StatusNotFound, ChangeNotFound
     │    ├── Conflict                    CaseUnreadable, ClaimLost, RequestStillRunning
     │    │                               StatusExists, StatusHasRole, ChangedMeanwhile, ChangeNotPossible
     │    ├── ServerError                 StorageUnavailable, SchemaBehind, TooBusy, InternalError
     │    ├── RateLimited, BodyTooSlow, CallerLeft, CursorGone, MethodNotAllowed, UnsupportedContentType
     │    └── IdempotencyKeyReused
     ├── NoReply                      nothing came back
     ├── UnexpectedReply              something did that no server of this API sends
     ├── OutcomeUnknown               a write that was perhaps done, and that cannot be repeated safely
     ├── ZoneUnknown                  the server does not tell its firm's time zone
     └── OutboxError                  OutboxInUse, OutboxForeign, OutboxUnusable

The docstring of a class is what to do about it; ``advice`` returns it. A code that this version does not know is told
as the nearest class by its HTTP status, with that ``code``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from casedial_client.models import Result


class BadField(Struct, frozen=True):
    """One bad field of a request: a JSON pointer to it (``#/Records``), and what is wrong with it."""

    pointer: str
    detail: str


class CasedialError(Exception):
    """Something went wrong."""

    is_final = False  # the very same request is refused again, however often it is sent
    is_transient = False  # it may succeed later without anybody doing anything
    may_be_done = False  # the request was perhaps carried out all the same

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        fields: tuple[BadField, ...] = (),
        results: tuple[Result, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code or type(self).__name__
        self.has_code = code is not None  # a server of this API said so, and not what stands in front of it
        self.fields = fields
        self.results = results  # what became of each item of a write of which every one failed
        self.request_id = request_id
        self.retry_after = retry_after  # seconds

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.code}: {self.detail}{request}"

    @property
    def advice(self) -> str:
        """Return what to do about it."""
        return " ".join((inspect.getdoc(type(self)) or "").split())


class Refusal(CasedialError):
    """The server refused the request, and said why."""


class RequestError(Refusal):
    """The request is wrong as it stands. Fix the program that sent it."""

    is_final = True


class MalformedDocument(RequestError):
    """The body or the query string is not JSON, not UTF-8, or contains text that no database can store. Nothing was
    applied. Fix the client."""


class MissingParameter(RequestError):
    """A required parameter is absent, `null` or empty. `errors` names it."""


class UnknownParameter(RequestError):
    """You sent `X-Strict`, and the method has no parameter of this name. `errors` says where it is. Nothing was
    applied."""


class InvalidParameter(RequestError):
    """A value is of the wrong kind or out of range. `errors` names it."""


class ConflictingParameter(RequestError):
    """The same parameter came twice, perhaps in two spellings or in query and body, with different values."""


class UnknownStatus(RequestError):
    """The firm has no status of this name. The message lists the names it has."""


class RetiredStatus(RequestError):
    """The firm has taken this status out of use. Send another one."""


class NotToDial(RequestError):
    """NextCall came without Status for a case that is not "To Dial". Send `Status`, too."""


class TooLarge(Refusal):
    """The request is too large. Send less at a time."""

    is_final = True


class BodyTooLarge(TooLarge):
    """A body may have at most 1 MiB. Send less at a time."""


class TooManyItems(TooLarge):
    """A request may have at most 1000 items, and JSON at most 30,000 values. Nothing was applied; send less at a
    time."""


class NoteTooLong(TooLarge):
    """A note may have at most 65,536 bytes of UTF-8. Nothing was applied."""


class NotesTooLarge(TooLarge):
    """One request may add at most 16 MiB of notes. A note counts once for each case that gets it, and as at least 1
    KiB, so a note by phone goes to at most 16,384 cases. Nothing was applied; send a shorter note, or send it to fewer
    cases."""


class UnsupportedContentType(Refusal):
    """Send JSON or a form, and say which in `Content-Type`."""


class MethodNotAllowed(Refusal):
    """The header `Allow` lists the HTTP methods of this path."""


class IdempotencyKeyReused(Refusal):
    """Use a new Idempotency-Key for each new request; send the same one only to repeat a request."""

    is_final = True


class NotAuthenticated(Refusal):
    """The server does not take the key. Check it, or ask the firm for a new one."""


class KeyMissing(NotAuthenticated):
    """Send the header `X-ApiKey`."""


class KeyMistyped(NotAuthenticated):
    """The key cannot be right: a character is wrong or missing. Copy it again."""


class KeyUnknown(NotAuthenticated):
    """No firm on this server has this key. Check the server's address and the key."""


class KeyRevoked(NotAuthenticated):
    """The firm has revoked the key. Ask for a new one."""


class KeyExpired(NotAuthenticated):
    """The firm set an end for this key, and it has passed. Ask the firm for a new one."""


class NotAllowed(Refusal):
    """The key may not do this. Ask the firm."""


class ScopeNotAllowed(NotAllowed):
    """The firm has limited what this key may do. Use another method or ask the firm."""

    is_final = True


class CampaignNotAllowed(NotAllowed):
    """This key may not be used for the campaign, or for the campaign of the case. Leave the case alone."""

    is_final = True


class AddressNotAllowed(NotAllowed):
    """The firm allows this key only from certain addresses. Ask which ones, and whether there is a proxy in between."""


class NotFound(Refusal):
    """There is no such thing. Check the address and the parameters."""


class PathNotFound(NotFound):
    """Check the base path and the spelling of the method."""


class CaseNotFound(NotFound):
    """The firm has no case with this CaseID."""

    is_final = True


class PhoneNotFound(NotFound):
    """No case of the firm has a phone with this number."""

    is_final = True


class StatusNotFound(NotFound):
    """The firm has no status of this name: a campaign, a disposition, a Dialer Status. `casedial status list` shows the
    names."""


class ChangeNotFound(NotFound):
    """The firm has no change with this id; a change that was never run is kept for a day. `casedial cases changes`
    shows the ids."""


class Conflict(Refusal):
    """The request conflicts with what is stored. Look at the case, and decide anew."""

    is_final = True


class CaseUnreadable(Conflict):
    """The database was edited manually, or only partly restored. Nothing was changed, and other cases are not affected.
    Tell the firm: `casedial doctor` names the case and says what to do."""


class ClaimLost(Conflict):
    """The claim ran out or was released, or the case was moved. Nothing was changed. Do not dial the case; claim
    again."""


class RequestStillRunning(Conflict):
    """Wait as many seconds as `Retry-After` says, and repeat the request with the same Idempotency-Key."""

    is_final = False
    is_transient = True
    may_be_done = True


class StatusExists(Conflict):
    """The firm already has this status, perhaps in another spelling or retired."""


class StatusHasRole(Conflict):
    """The firm needs this status. Rename it instead."""


class ChangedMeanwhile(Conflict):
    """Look at what it is now, and change that."""


class ChangeNotPossible(Conflict):
    """The message says why: the change was never run, was done more than 24 hours ago, or has been undone; or the case
    is In the Dialer, and has to be taken back first."""


class CursorGone(Refusal):
    """`casedial purge` removed something that this reader has not had, or the database was restored from a backup
    since. Read all cases anew, and go on from `After=end`; or read what is kept from the cursor in `StartOver`."""

    is_final = True


class RateLimited(Refusal):
    """The key has used up its requests for this minute. Nothing was applied. Wait as many seconds as `Retry-After`
    says, and repeat."""

    is_transient = True


class BodyTooSlow(Refusal):
    """A body must arrive within 30 seconds. Nothing was applied. Send it again, or send less at a time."""

    is_transient = True


class CallerLeft(BodyTooSlow):
    """Nobody gets this reply; it appears only in the log and the metrics. Nothing was claimed, or the claimed cases
    were given back. If it happens often, give requests a longer timeout."""


class ServerError(Refusal):
    """The server, or a proxy in front of it, is in trouble. Repeat the request later."""

    is_transient = True
    may_be_done = True


class SchemaBehind(ServerError):
    """The database is older than this casedial. An administrator must run `casedial migrate`."""

    may_be_done = False


class StorageUnavailable(ServerError):
    """The database is down, read-only, full or too busy, or its file was removed. Wait as many seconds as `Retry-After`
    says, and repeat."""


class TooBusy(ServerError):
    """The server has as many requests in memory as it can hold. Nothing was applied. Wait as many seconds as
    `Retry-After` says, and repeat."""

    may_be_done = False


class InternalError(ServerError):
    """This is a bug in casedial. Give the firm's administrator the `request_id`, which is in the log."""

    may_be_done = False


class NoReply(CasedialError):
    """Nothing came back: the server is away, or the network is. Check the address; repeat later."""

    is_transient = True

    def __init__(self, detail: str, may_be_done: bool) -> None:
        super().__init__(detail)
        self.may_be_done = may_be_done


class UnexpectedReply(CasedialError):
    """What answers at this address is not a server of this API. Check the address, and what stands in between."""


class OutcomeUnknown(CasedialError):
    """The request was perhaps carried out, perhaps not. Towards casedial, repeat it with the `idempotency_key` of this
    error, which does it once. Towards another server, look at the case before you repeat anything."""

    def __init__(self, detail: str, idempotency_key: str | None = None) -> None:
        super().__init__(detail)
        self.idempotency_key = idempotency_key


class ZoneUnknown(CasedialError):
    """Times on the wire have no zone, and this server does not tell its firm's. Give the client a `time_zone`."""


class OutboxError(CasedialError):
    """The outbox cannot be used."""


class OutboxInUse(OutboxError):
    """Another process, or another claim of this one, has this outbox open. Give each its own."""


class OutboxForeign(OutboxError):
    """This outbox still holds results for another firm or server. Deliver those first, with the address and the key
    they were made for. If only the name of the firm or the server has changed, call Outbox(file).readdress()."""


class OutboxUnusable(OutboxError):
    """The outbox cannot be read or written: the disk is full, say, or the file is none of ours. What was being written
    is not in it."""


def every_error(root: type[CasedialError] = CasedialError) -> Iterator[type[CasedialError]]:
    """Yield every class of the tree."""
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)
