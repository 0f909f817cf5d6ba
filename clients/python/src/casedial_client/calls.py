"""Each call of the API, once: what it takes, what is sent, and how its reply is read.

Client and AsyncClient both offer them, under the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from casedial_client.errors import UnexpectedReply
from casedial_client.models import (
    Case,
    CaseNote,
    Cases,
    CaseUpdate,
    Explanation,
    Firm,
    Preflight,
    Result,
    Results,
    case_from,
    without_nulls,
)
from casedial_client.sending import Call, Reply, Server, new_key

T = TypeVar("T")


def get_cases_to_dial(
    campaign: str | None = None,
    case_group: str | None = None,
    records: int | None = None,
    *,
    auto_change: bool = False,
    claim_seconds: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Cases]:
    """Get the cases that are due, the oldest first; at most ``records``, the firm's default where that is None.

    With ``auto_change`` they are claimed: nobody else gets them until ``lease`` ends, after ``claim_seconds`` or the
    firm's own time. ``Client.claim`` does that, and what comes after it.
    """
    parameters = {"Campaign": campaign, "CaseGroup": case_group, "Records": records}
    if not auto_change:
        return Call("GetCasesToDial", parameters, _cases, "GET")
    key = idempotency_key or new_key()
    return Call("GetCasesToDial", parameters | {"Auto-change": True}, _cases, headers=_lease(claim_seconds), key=key)


def get_case_info(case_id: int) -> Call[Case]:
    """Get one case. Raises CaseNotFound."""
    return Call("GetCaseInfo", {"CaseID": case_id}, _reading(lambda told, server: case_from(told, server.zone)), "GET")


def update_case_status(
    *updates: CaseUpdate,
    claim_id: str | None = None,
    claim_seconds: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Results]:
    """Update one or more cases, up to 1000.

    With ``claim_id`` a case that this claim no longer holds is left alone and fails with ClaimLost. Each case is
    applied or fails on its own: look at ``failed``. Raises the first failure where every one failed.
    """
    headers = _lease(claim_seconds) | _claim(claim_id)
    return _write("UpdateCaseStatus", {"Cases": list(updates)}, idempotency_key, headers)


def add_case_note(case_ids: int | Iterable[int], note: str, *, idempotency_key: str | None = None) -> Call[Results]:
    """Add a note to one case, or the same note to several."""
    return _write("AddCaseNote", {"CaseID": _ids(case_ids), "Note": note}, idempotency_key)


def add_case_notes(*notes: CaseNote, idempotency_key: str | None = None) -> Call[Results]:
    """Add a note of its own to each of several cases."""
    return _write("AddCaseNote", {"Cases": list(notes)}, idempotency_key)


def add_case_note_by_phone(phone: str, note: str, *, idempotency_key: str | None = None) -> Call[Results]:
    """Add a note to the open cases with this number; where none is open, to the closed ones. Raises PhoneNotFound."""
    return _write("AddCaseNoteByPhone", {"Phone": phone, "Note": note}, idempotency_key)


def extend_claim(
    claim_id: str,
    case_ids: int | Iterable[int] | None = None,
    *,
    seconds: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Results]:
    """Hold the cases of a claim for longer; all of them where none is named. ``lease`` says until when.

    Casedial only. Raises ClaimLost where it holds none of them.
    """
    parameters = {"ClaimID": claim_id, "CaseID": _ids(case_ids), "Seconds": seconds}
    return _write("ExtendClaim", parameters, idempotency_key)


def release_claim(
    claim_id: str, case_ids: int | Iterable[int] | None = None, *, idempotency_key: str | None = None
) -> Call[Results]:
    """Give cases of a claim back, so that others can have them; all of them where none is named.

    Casedial only. Raises ClaimLost where it holds none of them.
    """
    return _write("ReleaseClaim", {"ClaimID": claim_id, "CaseID": _ids(case_ids)}, idempotency_key)


def firm() -> Call[Firm]:
    """Get the firm's time zone, the names that can be sent, and what the key may do. Casedial only."""
    return Call("/v1/firm", {}, _typed(Firm), "GET")


def explain(case_id: int) -> Call[Explanation]:
    """Get whether a case may be called now, every check, and when next. Casedial only. Raises CaseNotFound."""
    return Call(f"/v1/cases/{case_id}/explain", {}, _typed(Explanation), "GET")


def preflight(campaign: str | None = None) -> Call[Preflight]:
    """Get how many cases are due, how many may be called now, and what holds back the others. Casedial only."""
    return Call("/v1/preflight", {"Campaign": campaign}, _typed(Preflight), "GET")


def call(
    method: str,
    parameters: Mapping[str, Any],
    *,
    writes: bool,
    claim_id: str | None = None,
    claim_seconds: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Reply]:
    """Call a method by its name, or GET a path that begins with a slash; the reply is returned as it came."""
    key = (idempotency_key or new_key()) if writes else None
    headers = _lease(claim_seconds) | _claim(claim_id)
    return Call(method, parameters, lambda reply, _: reply, "POST" if writes else "GET", headers, key)


def _write(
    method: str, parameters: Mapping[str, Any], key: str | None, headers: Mapping[str, str] | None = None
) -> Call[Results]:
    return Call(method, parameters, _results, headers=headers or {}, key=key or new_key())


def _ids(case_ids: int | Iterable[int] | None) -> int | list[int] | None:
    return case_ids if case_ids is None or isinstance(case_ids, int) else list(case_ids)


def _lease(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"X-Claim-Seconds": str(seconds)}


def _claim(claim_id: str | None) -> dict[str, str]:
    return {} if claim_id is None else {"X-Claim-Id": claim_id}


def _reading(convert: Callable[[Any, Server], T]) -> Callable[[Reply, Server], T]:
    """Return how a document is read; one that is none of this API's is an UnexpectedReply."""

    def read(reply: Reply, server: Server) -> T:
        try:
            return convert(reply.document, server)
        except (msgspec.ValidationError, TypeError, AttributeError, LookupError) as error:
            what = f"The reply is not what this API says: {error}"
            raise UnexpectedReply(what, status=reply.status, request_id=reply.request_id) from None

    return read


def _typed(kind: type[T]) -> Callable[[Reply, Server], T]:
    return _reading(lambda told, _: msgspec.convert(without_nulls(told), kind))


def _cases(reply: Reply, server: Server) -> Cases:
    read = _reading(lambda told, server: [case_from(item, server.zone) for item in told])
    return Cases(read(reply, server), reply.lease, reply.request_id)


def _results(reply: Reply, server: Server) -> Results:
    """Read what became of a write. The published text does not say what it answers: elsewhere there may be nothing."""

    def results(told: Any, server: Server) -> tuple[Result, ...]:
        return msgspec.convert(told["Results"] if server.is_casedial else (), tuple[Result, ...])

    read = _reading(results)(reply, server) if reply.body or server.is_casedial else ()
    return Results(read, reply.lease, reply.request_id)
