"""The rules of dialing: what a caller may ask, what an update does to a case, where a note goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

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


class Move(Enum):
    """Where an operator moves a case's Dialer Status."""

    TO_DIAL = "To Dial"
    DO_NOT_DIAL = "Do not Dial"
    BACK_FROM_DIALER = "back from the dialer"


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """What an operator wants of many cases: a move, with ``dial_at`` when to dial, a campaign, or both."""

    move: Move | None = None
    dial_at: datetime | None = None
    campaign: Status | None = None


def concerns(wanted: OperatorChange, case: Case) -> bool:
    """Tell whether the change would do anything to the case.

    A case in the dialer is not moved to To Dial but by "back from the dialer": somebody may be talking.
    """
    if wanted.move is Move.BACK_FROM_DIALER:
        return case.role is Role.IN_THE_DIALER
    if wanted.move is Move.TO_DIAL:
        return case.role is not Role.IN_THE_DIALER
    moves = wanted.move is Move.DO_NOT_DIAL and case.role is not Role.DO_NOT_DIAL
    return moves or (wanted.campaign is not None and case.statuses.get(StatusType.CAMPAIGN) != wanted.campaign)


def last_dial_time(history: Sequence[StatusChange]) -> datetime | None:
    """Return the dial time that a case had when it was last To Dial."""
    waiting = (c for c in reversed(history) if c.status and c.status.role is Role.TO_DIAL)
    return next((c.dial_at for c in waiting), None)


def operate(
    firm: Firm, case: Case, wanted: OperatorChange, history: Sequence[StatusChange], by: str, now: datetime
) -> tuple[Case, list[StatusChange]]:
    """Do an operator's change; a case back from the dialer gets its old dial time unless another is given."""
    statuses: dict[StatusType, Status | None] = {}
    if wanted.campaign:
        statuses[StatusType.CAMPAIGN] = wanted.campaign
    if wanted.move is None:
        return change(case, statuses, case.dial_at, by, now)
    role = Role.DO_NOT_DIAL if wanted.move is Move.DO_NOT_DIAL else Role.TO_DIAL
    statuses[StatusType.DIALER] = firm.statuses.with_role(role)
    old = last_dial_time(history) if wanted.move is Move.BACK_FROM_DIALER else None
    return change(case, statuses, wanted.dial_at or old or now, by, now)


@dataclass(frozen=True, slots=True)
class StatusPeriod:
    """A status as it lasted: from its change until the next one of its type, None while it lasts."""

    change: StatusChange
    until: datetime | None


def periods(history: Sequence[StatusChange]) -> list[StatusPeriod]:
    """Return a case's history as periods, oldest first."""
    ends: dict[StatusType, datetime] = {}
    found = []
    for recorded in reversed(history):
        found.append(StatusPeriod(recorded, ends.get(recorded.type)))
        ends[recorded.type] = recorded.changed_at
    return found[::-1]


def note_recipients(cases: Sequence[Case]) -> list[Case]:
    """Return the cases a note by phone goes to: all open ones, if none is open all closed ones."""
    return [case for case in cases if not case.closed] or list(cases)
