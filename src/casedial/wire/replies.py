"""The specification's JSON, field order included, and the problem documents of RFC 9457."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from zoneinfo import ZoneInfo

import msgspec

from casedial.domain.cases import Case
from casedial.domain.errors import CasedialError, CursorGone
from casedial.domain.phones import dialable
from casedial.domain.statuses import StatusType
from casedial.wire.values import show_time


class PhoneReply(msgspec.Struct, frozen=True):
    """One phone of a case [specification: Return Values]."""

    PhoneName: str
    Phone: str
    Primary: bool
    Text: bool


class CaseReply(msgspec.Struct, frozen=True):
    """A case, as GetCasesToDial lists it and GetCaseInfo returns it [specification: Return Values]."""

    CaseID: int
    Phones: list[PhoneReply]
    CaseStatus: str
    DialerStatus: str
    Campaign: str
    Attempts: str
    DialDateTime: str | None
    ZipCode: str


class ResultReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item of a write."""

    CaseID: str | int | float | None
    Success: bool
    Code: str | None = None
    Message: str | None = None


class WriteReply(msgspec.Struct, frozen=True):
    """What became of a write, item by item in request order."""

    Succeeded: int
    Failed: int
    Results: list[ResultReply]


class FieldReply(msgspec.Struct, frozen=True):
    """One bad field of a request."""

    pointer: str
    detail: str


class ProblemReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457); a write of which every item failed also carries its results.

    StartOver is the cursor from which a feed can be read that cannot go on.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldReply] = []
    Succeeded: int | None = None
    Failed: int | None = None
    Results: list[ResultReply] | None = None
    StartOver: str | None = None


encode = msgspec.json.Encoder().encode


def case_reply(case: Case, zone: ZoneInfo) -> CaseReply:
    """Show a case; phones are those a dialer may dial, primary first, and no doubtful one."""
    return CaseReply(
        case.case_id,
        [PhoneReply(p.name, number, p.primary, p.text) for p in case.voice_phones if (number := dialable(p.number))],
        case.case_status,
        case.name_of(StatusType.DIALER),
        case.name_of(StatusType.CAMPAIGN),
        case.name_of(StatusType.ATTEMPTS),
        show_time(case.dial_at, zone) if case.dial_at else None,
        case.zip_code,
    )


def case_marks(case_id: int) -> list[bytes]:
    """Return the bytes by which a reply is known that tells of a person: a case, or a failure that quotes a dialer."""
    return [mark % case_id for mark in (b'{"CaseID":%d,"Phones":', *_FAILED)]


_FAILED = (b'{"CaseID":%d,"Success":false', b'{"CaseID":"%d","Success":false')
_FORGOTTEN = "The case has been deleted."


def without_cases(body: bytes, case_ids: Set[int]) -> bytes:
    """Return a reply as it was sent, but without these cases, and without the words about those that failed."""
    sent = msgspec.json.decode(body)
    if isinstance(sent, list):
        return encode([case for case in sent if case["CaseID"] not in case_ids])
    for result in sent.get("Results", ()):
        if not result["Success"] and str(result["CaseID"]) in set(map(str, case_ids)):
            result["Message"] = _FORGOTTEN
            if "detail" in sent:  # a problem document, whose words are those of its items
                sent |= {"detail": _FORGOTTEN, "errors": []}
    return encode(sent)


def write_reply(echoes: Iterable[object], outcomes: Sequence[CasedialError | None]) -> WriteReply:
    """Show what became of each item: None is success."""
    results = [
        ResultReply(echo, True) if error is None else ResultReply(echo, False, error.code, error.detail)  # type: ignore[arg-type]
        for echo, error in zip(echoes, outcomes, strict=True)
    ]
    failed = sum(error is not None for error in outcomes)
    return WriteReply(len(results) - failed, failed, results)


def problem_reply(error: CasedialError, status: int, request_id: str, write: WriteReply | None = None) -> ProblemReply:
    """Show an error as a problem document; ``type`` is a path into this server's own reference of errors."""
    return ProblemReply(
        type=f"/docs/errors#{error.code}",
        title=error.title,
        status=status,
        detail=error.detail,
        instance=f"urn:uuid:{request_id}",
        code=error.code,
        request_id=request_id,
        errors=[FieldReply(field.pointer, field.detail) for field in error.fields],
        Succeeded=write.Succeeded if write else None,
        Failed=write.Failed if write else None,
        Results=write.Results if write else None,
        StartOver=error.start_over if isinstance(error, CursorGone) else None,
    )
