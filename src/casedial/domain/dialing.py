"""The rules of dialing: what a caller may ask, what an update does to a case, where a note goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from casedial.domain.actors import Actor
from casedial.domain.cases import Case, Hold, StatusChange
from casedial.domain.claims import Taker, answer, enter, says_dialed
from casedial.domain.errors import FieldError, NotesTooLarge, NotToDial
from casedial.domain.firms import Firm
from casedial.domain.reasons import Why
from casedial.domain.statuses import Role, Status, StatusType

MAX_RECORDS = 1000  # cases in one GetCasesToDial reply
MAX_ITEMS = 1000  # cases in one UpdateCaseStatus or AddCaseNote request
MAX_NOTE_BYTES = 64 * 1024  # of UTF-8
MAX_NOTES_BYTES = 16 * 1024 * 1024  # that one request adds, each note as often as it is added
_LEAST_NOTE_BYTES = 1024  # that a note counts as: its row and its place in the reply are there, too
MOST_NOTES = MAX_NOTES_BYTES // _LEAST_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class DialQuery:
    """GetCasesToDial: which due cases, how many, and whether to claim them in the same step.

    ``seconds`` is the lease that a claim asks for; None: the claim timeout.
    """

    campaign: str | None
    case_group: str | None
    records: int
    auto_change: bool = False
    seconds: int | None = None


class CaseUpdate(NamedTuple):
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
    """Which cases an operator means; None does not filter. Names are matched as on the wire.

    ``case_ids`` are in order. ``due_at``: To Dial, and due then. ``number`` is that by which numbers are compared.
    ``name`` is the beginning of one of the plaintiff's. ``do_not_call``: the case or a number of it is on the list.
    ``held_by`` is a vendor. ``held_back``: To Dial, due, and no rule allows a call now. ``answered``: In the Dialer,
    somebody was reached, and nobody has said what comes next.
    """

    case_ids: tuple[int, ...] | None = None
    dialer_status: str | None = None
    campaign: str | None = None
    disposition: str | None = None
    case_group: str | None = None
    due_at: datetime | None = None
    number: str | None = None
    name: str | None = None
    do_not_call: bool = False
    held_by: str | None = None
    attempts: str | None = None
    priority: int | None = None
    held_back: bool = False
    answered: bool = False


def change(
    case: Case,
    statuses: Mapping[StatusType, Status | None],
    dial_at: datetime | None,
    by: Actor,
    now: datetime,
    hold: Hold | None = None,
    why: Why | None = None,
) -> tuple[Case, list[StatusChange]]:
    """Set statuses (None clears one) and the dial time; return the case after it and its history rows.

    A change takes effect at the later of ``now`` and the case's last change, so that history never
    runs backwards, whatever a server's clock does. A moved dial time is a change of the Dialer Status
    that it belongs to. ``hold`` is that of a case In the Dialer afterwards, by default the one it has;
    a case that leaves the dialer has none.
    """
    recorded = statuses
    if dial_at != case.dial_at and StatusType.DIALER not in statuses:
        recorded = {**statuses, StatusType.DIALER: case.statuses.get(StatusType.DIALER)}
    if not recorded:
        return case, []
    at = max(now, case.changed_at) if case.changed_at else now
    left = {kind: status for kind, status in {**case.statuses, **recorded}.items() if status}
    dialer = left.get(StatusType.DIALER)
    stays = (hold or case.hold) if dialer and dialer.role is Role.IN_THE_DIALER else None
    after = case.standing(left, dial_at, at, stays)
    held_by = after.hold or case.hold
    claim_id = held_by.claim_id if held_by else None
    history = [
        StatusChange(case.case_id, kind, status, dial_at if kind == StatusType.DIALER else None, at, by, claim_id, why)
        for kind, status in sorted(recorded.items())
    ]
    return after, history


def update(
    firm: Firm, case: Case, item: CaseUpdate, by: Actor, now: datetime, taker: Taker
) -> tuple[Case, list[StatusChange]]:
    """Apply one item of UpdateCaseStatus to its case [specification: UpdateCaseStatus].

    A Disposition without Status answers a case In the Dialer. Raises UnknownStatus, RetiredStatus or NotToDial; the
    case is then left as it was.
    """
    statuses = firm.statuses.all_to_set(item.status, item.disposition, item.attempts, item.pointer)
    hold = None
    dialer = statuses.get(StatusType.DIALER)
    if dialer:
        dial_at = item.next_call or now
        if dialer.role is not Role.IN_THE_DIALER:
            return change(case, statuses, dial_at, by, now)
        after, recorded = change(case, statuses, dial_at, by, now, enter(firm, case, taker))
        if case.hold and taker.holds:  # a heartbeat: the case keeps its time, and its history stays short
            recorded = [row for row in recorded if row.type is not StatusType.DIALER]
        return after, recorded
    if says_dialed(statuses.get(StatusType.DISPOSITION)) and case.hold:
        hold = answer(case.hold, now)
    if item.next_call is None:
        return change(case, statuses, case.dial_at, by, now, hold)
    if case.role != Role.TO_DIAL:
        detail = "NextCall without Status is for a case that is To Dial, and this case is not; send Status too."
        raise NotToDial(detail, [FieldError(f"{item.pointer}/NextCall", detail, firm.clock_time(item.next_call))])
    return change(case, statuses, item.next_call, by, now)


def with_known_attempts(firm: Firm, item: CaseUpdate) -> CaseUpdate:
    """Return an item whose count is above all of the firm's with the highest of them: a refusal would dial again."""
    highest = firm.statuses.highest_count
    if item.attempts and highest and int(item.attempts) > int(highest.name):
        return item._replace(attempts=highest.name)
    return item


def did_already(firm: Firm, item: CaseUpdate, history: Sequence[StatusChange], claim_id: UUID, by: Actor) -> bool:
    """Tell whether this vendor already made the very change that an item asks for, under this claim.

    A heartbeat never repeats another: it says that the case is still held, and asks for that.
    """
    wanted = {
        kind: firm.statuses.find(kind, name)
        for kind, name in (
            (StatusType.DIALER, item.status),
            (StatusType.DISPOSITION, item.disposition),
            (StatusType.ATTEMPTS, item.attempts),
        )
        if name
    }
    dialer = wanted.get(StatusType.DIALER)
    if dialer and dialer.role is Role.IN_THE_DIALER:
        return False
    made = [row for row in history if row.claim_id == claim_id and row.actor.is_same_vendor(by)]
    # The rows of a change follow each other at one instant, at which there may be others of the same claim, too.
    runs = (made[start : start + len(wanted)] for start in range(len(made) - len(wanted) + 1))
    return bool(wanted) and any(
        {row.type: row.status for row in run} == wanted
        and len({row.changed_at for row in run}) == 1
        and (item.next_call is None or any(row.dial_at == item.next_call for row in run))
        for run in runs
    )


def give_back(
    firm: Firm, case: Case, history: Sequence[StatusChange], by: Actor, now: datetime, why: Why
) -> tuple[Case, list[StatusChange]]:
    """Move a case from the dialer back to To Dial, at the dial time it had; or to what else it was: never dialed then.

    ``history`` matters only for a case that was not To Dial. Raises StatusesStale for a status that the firm lacks.
    """
    if case.hold and case.hold.redial_at:
        to_dial = firm.statuses.with_role(Role.TO_DIAL)
        return change(case, {StatusType.DIALER: to_dial}, case.hold.redial_at, by, now, why=why)
    before = came_from(history)
    if before is None and history:
        return change(case, {StatusType.DIALER: None}, None, by, now, why=why)
    if before and before.status:
        firm.statuses.by_id(before.status.id)  # or it would go back to what is no status of the firm
    status = before.status if before else firm.statuses.with_role(Role.DO_NOT_DIAL)
    return change(case, {StatusType.DIALER: status}, before.dial_at if before else now, by, now, why=why)


class Move(Enum):
    """Where an operator moves a case's Dialer Status."""

    TO_DIAL = "To Dial"
    DO_NOT_DIAL = "Do not Dial"
    BACK_FROM_DIALER = "back from the dialer"


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """What an operator wants of many cases: a move, with ``dial_at`` when to dial, a campaign, a priority."""

    move: Move | None = None
    dial_at: datetime | None = None
    campaign: Status | None = None
    priority: int | None = None


def concerns(wanted: OperatorChange, case: Case) -> bool:
    """Tell whether the change would do anything to the case.

    A case in the dialer is not moved to To Dial but by "back from the dialer": somebody may be talking.
    """
    if wanted.move is Move.BACK_FROM_DIALER:
        return case.role is Role.IN_THE_DIALER
    if wanted.move is Move.TO_DIAL:
        return case.role is not Role.IN_THE_DIALER
    moves = wanted.move is Move.DO_NOT_DIAL and case.role is not Role.DO_NOT_DIAL
    moves |= wanted.campaign is not None and case.statuses.get(StatusType.CAMPAIGN) != wanted.campaign
    return moves or wanted.priority not in (None, case.priority)


def last_dialer(history: Sequence[StatusChange]) -> StatusChange | None:
    """Return the last change of a case's Dialer Status."""
    return next((row for row in reversed(history) if row.type is StatusType.DIALER), None)


def answered_since(history: Sequence[StatusChange]) -> datetime | None:
    """Return when a case that is In the Dialer got a Disposition without a Status, None when it got none since."""
    entered = last_dialer(history)
    later = [row for row in history if entered and row.changed_at > entered.changed_at]
    return next(
        (row.changed_at for row in later if row.type is StatusType.DISPOSITION and says_dialed(row.status)), None
    )


def came_from(history: Sequence[StatusChange]) -> StatusChange | None:
    """Return the Dialer Status that a case in the dialer had before, None when it had none."""
    dialer = (row for row in reversed(history) if row.type is StatusType.DIALER)
    return next((row for row in dialer if row.status is None or row.status.role is not Role.IN_THE_DIALER), None)


def operate(
    firm: Firm, case: Case, wanted: OperatorChange, by: Actor, now: datetime, why: Why | None = None
) -> tuple[Case, list[StatusChange]]:
    """Do an operator's change; a case back from the dialer gets its old dial time unless another is given."""
    case = case if wanted.priority is None else replace(case, priority=wanted.priority)
    statuses: dict[StatusType, Status | None] = {}
    if wanted.campaign:
        statuses[StatusType.CAMPAIGN] = wanted.campaign
    if wanted.move is None:
        return change(case, statuses, case.dial_at, by, now, why=why)
    role = Role.DO_NOT_DIAL if wanted.move is Move.DO_NOT_DIAL else Role.TO_DIAL
    statuses[StatusType.DIALER] = firm.statuses.with_role(role)
    old = case.hold.redial_at if wanted.move is Move.BACK_FROM_DIALER and case.hold else None
    return change(case, statuses, wanted.dial_at or old or now, by, now, why=why)


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


class AboutMany(Exception):
    """What was to be done for few cases is about many: whoever asked for it waits for a turn."""


class Addressee(NamedTuple):
    """What has to be known of a case that a note by phone may go to."""

    case_id: int
    closed: bool
    campaign_id: int | None
    claim_id: UUID | None


def note_recipients(found: Sequence[Addressee]) -> list[int]:
    """Return the CaseIDs a note by phone goes to: all open ones, if none is open all closed ones."""
    return [case.case_id for case in found if not case.closed] or [case.case_id for case in found]


def check_size(texts: Sequence[str]) -> None:
    """Raise NotesTooLarge for more notes than one request may add."""
    size = sum(count * max(_LEAST_NOTE_BYTES, len(text.encode())) for text, count in Counter(texts).items())
    if size > MAX_NOTES_BYTES:
        raise NotesTooLarge(
            f"{len(texts)} cases would get {size / 2**20:.0f} MiB of notes; one request adds at most "
            f"{MAX_NOTES_BYTES // 2**20} MiB. Send a shorter note, or send it to fewer cases."
        )
