"""Everything casedial can refuse, as one tree. The class name is the stable code a client sees.

::

    CasedialError
     ├── RequestError             the request is wrong as it stands
     │    ├── MalformedDocument        not JSON, not UTF-8, NUL, a lone surrogate, NaN
     │    ├── MissingParameter
     │    ├── UnknownParameter         that nothing asks for, where the client wants to be told
     │    ├── InvalidParameter
     │    ├── ConflictingParameter     one parameter twice with different values
     │    ├── UnknownStatus            not one of the firm's statuses of that type
     │    ├── RetiredStatus            one of them, but no longer to be set
     │    └── NotToDial                NextCall without Status on a case that is not To Dial
     ├── TooLarge
     │    ├── BodyTooLarge
     │    ├── TooManyItems
     │    └── NoteTooLong
     ├── UnsupportedContentType
     ├── NotAuthenticated
     │    ├── KeyMissing
     │    ├── KeyMistyped              fails its own checksum: a typo
     │    ├── KeyUnknown
     │    ├── KeyRevoked
     │    └── KeyExpired
     ├── NotAllowed               a valid key that may not do this
     │    ├── ScopeNotAllowed
     │    ├── CampaignNotAllowed
     │    └── AddressNotAllowed
     ├── RateLimited
     ├── NotFound
     │    ├── PathNotFound
     │    ├── CaseNotFound
     │    ├── PhoneNotFound            no case of the firm has this number
     │    ├── StatusNotFound
     │    └── ChangeNotFound           the firm has no such change of many cases
     ├── Conflict
     │    ├── CaseUnreadable           what is stored of the case makes no sense
     │    ├── ClaimLost                the case is no longer held by this claim
     │    ├── StatusExists
     │    ├── StatusHasRole
     │    ├── ChangedMeanwhile         somebody else changed it since it was shown
     │    ├── ChangeNotPossible        it cannot be run, or be undone, any more; or a case is In the Dialer
     │    └── RequestStillRunning      the first request with this Idempotency-Key
     ├── CursorGone               what is behind a cursor of the feed was purged, or never was
     ├── IdempotencyKeyReused     with another request
     ├── BodyTooSlow
     ├── CallerLeft               hung up before the work began: in logs only
     ├── MethodNotAllowed
     ├── OperatorError            met on the command line, never on the wire
     │    ├── FirmNotFound
     │    ├── FirmExists
     │    ├── UserNotFound
     │    ├── UserExists
     │    ├── LinkOver                 the link by which a password is set was used, or its time is over
     │    ├── RoleNotAllowed           a user's role is not enough for this
     │    ├── KeyNotFound
     │    ├── KeyExists
     │    ├── WebhookNotFound
     │    ├── ImportNotFound           the firm has no such import
     │    ├── ImportNotPossible        it cannot be checked, run or undone, any more
     │    ├── DatabaseMissing          there is none yet, or an empty one
     │    ├── SchemaNewer              the database was made by a newer casedial
     │    ├── InvalidSetting           a value that cannot be used
     │    ├── NoRoom                   on the disk, for a file
     │    └── EndedHalfway             some of it is done
     ├── SchemaBehind             the database needs `casedial migrate`
     ├── StorageUnavailable       the database cannot be reached, is full or is busy
     ├── TooBusy                  the server holds as many requests as it can
     └── InternalError            a fault of ours
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: a JSON pointer to it (``#/Records``), what is wrong with it, and what was sent in it."""

    pointer: str
    detail: str
    sent: object = None


class CasedialError(Exception):
    """Root of the tree: ``detail`` is a sentence for a person, ``fields`` names the bad fields."""

    title = "Something went wrong"

    def __init__(self, detail: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)

    @property
    def code(self) -> str:
        """Return the stable code of this error: its class's name."""
        return type(self).__name__


class RequestError(CasedialError):
    title = "The request is wrong"


class MalformedDocument(RequestError):
    title = "The document cannot be read"


class MissingParameter(RequestError):
    title = "A required parameter is missing"


class UnknownParameter(RequestError):
    title = "A parameter is unknown"


class InvalidParameter(RequestError):
    title = "A parameter has a value that cannot be used"


class ConflictingParameter(RequestError):
    title = "A parameter was sent twice with different values"


class UnknownStatus(RequestError):
    title = "The firm has no such status"


class RetiredStatus(RequestError):
    title = "The status is retired"


class NotToDial(RequestError):
    title = "The case is not waiting to be dialed"


class TooLarge(CasedialError):
    title = "The request is too large"


class BodyTooLarge(TooLarge):
    title = "The body is too large"


class TooManyItems(TooLarge):
    title = "Too many items in one request"


class NoteTooLong(TooLarge):
    title = "The note is too long"


class NotesTooLarge(TooLarge):
    title = "The notes of one request are too large in total"


class UnsupportedContentType(CasedialError):
    title = "The content type is not supported"


class NotAuthenticated(CasedialError):
    title = "No valid key"


class KeyMissing(NotAuthenticated):
    title = "The X-ApiKey header is missing"


class KeyMistyped(NotAuthenticated):
    title = "The key is mistyped"


class KeyUnknown(NotAuthenticated):
    title = "The key is unknown"


class KeyRevoked(NotAuthenticated):
    title = "The key was revoked"


class KeyExpired(NotAuthenticated):
    title = "The key has expired"


class NotAllowed(CasedialError):
    title = "The key may not do this"


class ScopeNotAllowed(NotAllowed):
    title = "The key lacks the scope for this"


class CampaignNotAllowed(NotAllowed):
    title = "The key is limited to other campaigns"


class AddressNotAllowed(NotAllowed):
    title = "The key may not be used from this address"


class RateLimited(CasedialError):
    title = "Too many requests with this key"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after  # seconds


class OperatorError(CasedialError):
    title = "This cannot be done"


class NotFound(CasedialError):
    title = "Not found"


class PathNotFound(NotFound):
    title = "There is nothing at this path"


class CaseNotFound(NotFound):
    title = "The case does not exist"


class PhoneNotFound(NotFound):
    title = "No case has this phone"


class StatusNotFound(NotFound):
    title = "The status does not exist"


class ChangeNotFound(NotFound):
    title = "The change does not exist"


class Conflict(CasedialError):
    title = "The request conflicts with what is stored"


class CaseUnreadable(Conflict):
    title = "The stored case cannot be read"


class ClaimLost(Conflict):
    title = "The claim no longer holds the case"


class RequestStillRunning(Conflict):
    title = "The first request with this key is still running"


class StatusExists(Conflict):
    title = "The status already exists"


class StatusHasRole(Conflict):
    title = "The status has a role"


class ChangedMeanwhile(Conflict):
    title = "Somebody else changed it meanwhile"


class ChangeNotPossible(Conflict):
    title = "This cannot be done as things are"


class CursorGone(CasedialError):
    title = "The feed cannot go on from this cursor"

    def __init__(self, detail: str, start_over: str) -> None:
        super().__init__(detail)
        self.start_over = start_over  # the cursor before all that is kept


class IdempotencyKeyReused(CasedialError):
    title = "The Idempotency-Key was used for another request"


class BodyTooSlow(CasedialError):
    title = "The body did not arrive in time"


class CallerLeft(CasedialError):
    title = "The caller left before the request was done"


class FirmNotFound(OperatorError):
    title = "The firm does not exist"


class UserNotFound(OperatorError):
    title = "The user does not exist"


class UserExists(OperatorError):
    title = "The user already exists"


class LinkOver(OperatorError):
    title = "The link does not work any more"


class RoleNotAllowed(OperatorError):
    title = "The user's role does not allow this"


class KeyNotFound(OperatorError):
    title = "The key does not exist"


class MethodNotAllowed(CasedialError):
    title = "The HTTP method is not allowed here"


class FirmExists(OperatorError):
    title = "The firm already exists"


class KeyExists(OperatorError):
    title = "The key already exists"


class WebhookNotFound(OperatorError):
    title = "The webhook does not exist"


class ImportNotFound(OperatorError):
    title = "The import does not exist"


class ImportNotPossible(OperatorError):
    title = "The import cannot be checked, run or undone now"


class DatabaseMissing(OperatorError):
    title = "There is no casedial database yet"


class SchemaNewer(OperatorError):
    title = "The database is newer than this casedial"


class InvalidSetting(OperatorError):
    title = "A value cannot be used"


class NoRoom(OperatorError):
    title = "There is no room on the server's disk"


class EndedHalfway(OperatorError):
    title = "It ended halfway"


class SchemaBehind(CasedialError):
    title = "The database needs casedial migrate"


class StorageUnavailable(CasedialError):
    title = "The database cannot answer now"

    def __init__(self, detail: str, cause: str | None = None, told: str | None = None) -> None:
        super().__init__(detail)
        self.cause = cause or detail  # for the log: what the database said, and where it is
        self.told = told or detail  # the same for a person at the shell


class TooBusy(CasedialError):
    title = "The server is too busy"


class InternalError(CasedialError):
    title = "A fault in casedial"


def every_error(root: type[CasedialError] = CasedialError) -> Iterator[type[CasedialError]]:
    """Yield the leaves of the tree: every class whose name can be sent as a code."""
    children = root.__subclasses__()
    if not children:
        yield root
    for child in children:
        yield from every_error(child)
