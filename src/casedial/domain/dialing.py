"""The rules of dialing: what a caller may ask, what an update does to a case, where a note goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from casedial.domain.cases import Case, Firm, Role, Status, StatusChange, StatusType
from casedial.domain.errors import FieldError, NotToDial

MAX_RECORDS = 1000  # cases in one GetCasesToDial reply
MAX_ITEMS = 1000  # cases in one UpdateCaseStatus or AddCaseNote request
MAX_NOTE_BYTES = 64 * 1024  # of UTF-8


@dataclass(frozen=True, slots=True)
class DialQuery:
    """GetCasesToDial: which due cases, how many, and whether to claim them in the same step."""

    campaign: str | None
    case_group: str | None
    records: int
    auto_change: bool = False


@dataclass(frozen=True, slots=True)
class CaseUpdate:
    """One item of UpdateCaseStatus; None leaves a field as it is. ``pointer`` leads to the item."""

    case_id: int
    status: str | None = None
    next_call: datetime | None = None
    attempts: str | None = None
    disposition: str | None = None
    pointer: str = "#"


@dataclass(frozen=True, slots=True)
class CaseNote:
    """One item of AddCaseNote."""

    case_id: int
    text: str


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases an operator means; None does not filter. Names are matched as on the wire."""

    case_ids: tuple[int, ...] | None = None
    dialer_status: str | None = None
    campaign: str | None = None
    disposition: str | None = None
    case_group: str | None = None


def change(
    case: Case, statuses: Mapping[StatusType, Status | None], dial_at: datetime | None, by: str, now: datetime
) -> tuple[Case, list[StatusChange]]:
    """Set statuses (None clears one) and the dial time; return the case after it and its history rows.

    A change takes effect at the later of ``now`` and the case's last change, so that history never
    runs backwards, whatever a server's clock does. A moved dial time is a change of the Dialer Status
    that it belongs to.
    """
    recorded = dict(statuses)
    if dial_at != case.dial_at:
        recorded.setdefault(StatusType.DIALER, case.statuses.get(StatusType.DIALER))
    if not recorded:
        return case, []
    at = max(now, case.changed_at) if case.changed_at else now
    history = [
        StatusChange(case.case_id, kind, status, dial_at if kind == StatusType.DIALER else None, at, by)
        for kind, status in sorted(recorded.items())
    ]
    after = {kind: status for kind, status in {**case.statuses, **recorded}.items() if status}
    return replace(case, statuses=after, dial_at=dial_at, changed_at=at), history


def update(firm: Firm, case: Case, item: CaseUpdate, by: str, now: datetime) -> tuple[Case, list[StatusChange]]:
    """Apply one item of UpdateCaseStatus to its case [specification: UpdateCaseStatus].

    Raises UnknownStatus, RetiredStatus or NotToDial; the case is then left as it was.
    """
    named = (
        (StatusType.DIALER, item.status, "Status"),
        (StatusType.DISPOSITION, item.disposition, "Disposition"),
        (StatusType.ATTEMPTS, item.attempts, "Attempts"),
    )
    statuses = {
        kind: firm.statuses.to_set(kind, name, f"{item.pointer}/{field}") for kind, name, field in named if name
    }
    if StatusType.DIALER in statuses:
        return change(case, statuses, item.next_call or now, by, now)
    if item.next_call is None:
        return change(case, statuses, case.dial_at, by, now)
    if case.role != Role.TO_DIAL:
        detail = "NextCall without Status moves the date of a case that is To Dial; this case is not."
        raise NotToDial(detail, [FieldError(f"{item.pointer}/NextCall", detail)])
    return change(case, statuses, item.next_call, by, now)


def note_recipients(cases: Sequence[Case]) -> list[Case]:
    """Return the cases a note by phone goes to: all open ones, if none is open all closed ones."""
    return [case for case in cases if not case.closed] or list(cases)
