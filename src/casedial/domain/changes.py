"""Changes of many cases: what was wanted of which, how far it is, and how it is undone.

Which persons are meant is settled before any case is changed: the set, by CaseID. In which state a case has to be (a
status, due, who holds it) is asked again when its turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from casedial.domain.actors import Actor
from casedial.domain.cases import Case, Hold, StatusChange
from casedial.domain.counted import Counted
from casedial.domain.dialing import Move, OperatorChange, change
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind, read_order, read_time, written_time
from casedial.domain.reasons import Why
from casedial.domain.statuses import Role, Status, StatusType

KEPT = timedelta(days=1)  # how long a preview may be run, and what was run be undone
REASON_LIMIT = 200  # characters


class ChangeState(IntEnum):
    """How far a change is. Values are stored."""

    PREPARING = 1  # its set is being settled
    PREVIEWED = 2
    RUNNING = 3
    DONE = 4
    UNDOING = 5
    UNDONE = 6

    @property
    def is_at_work(self) -> bool:
        """Tell whether there is something to go on with."""
        return self in (ChangeState.RUNNING, ChangeState.UNDOING)


class Outcome(IntEnum):
    """What became of a case of a change, or of its undo. Values are stored."""

    CHANGED = 1
    UNCHANGED = 2  # as wanted already
    IN_THE_DIALER = 3  # left there: somebody may be talking
    NOT_MEANT = 4  # any more: it is no longer in the state that was asked for
    GONE = 5
    UNREADABLE = 6  # its row makes no sense
    PUT_BACK = 7
    CHANGED_SINCE = 8  # by somebody else


@dataclass(slots=True)
class Counts(Counted):
    """How many cases of a change, by what became of them, or would."""

    cases: int = 0  # changed as asked
    from_the_dialer: int = 0  # those of them that were In the Dialer, and no longer are
    in_the_dialer: int = 0  # left there
    do_not_call: int = 0  # on the do-not-call list, so Do not Dial; without a move these are among those changed, too
    unchanged: int = 0
    not_meant: int = 0
    gone: int = 0
    unreadable: int = 0

    def changed(self, has_move: bool) -> int:
        """Return how many were changed, as asked or to Do not Dial."""
        return self.cases + (self.do_not_call if has_move else 0)

    def of_all(self, has_move: bool) -> int:
        """Return how many these are together."""
        left = self.in_the_dialer + self.unchanged + self.not_meant + self.gone + self.unreadable
        return self.changed(has_move) + left

    def count(self, wanted: OperatorChange, before: Case, after: Case | None) -> None:
        """Count a case; None where the change does not concern it."""
        if after is None:
            left = wanted.move is Move.TO_DIAL
            self.in_the_dialer += left
            self.unchanged += not left
        elif wanted.move not in (None, Move.DO_NOT_DIAL) and after.role is Role.DO_NOT_DIAL:
            self.do_not_call += 1
        else:
            self.cases += 1
            self.from_the_dialer += before.role is Role.IN_THE_DIALER and after.role is not Role.IN_THE_DIALER
            self.do_not_call += wanted.move is None and before.role is not after.role


@dataclass(slots=True)
class UndoCounts(Counted):
    """How many of the cases that a change had changed, by what its undo made of them."""

    cases: int = 0  # put back
    do_not_call: int = 0  # of those: on the do-not-call list by now, so Do not Dial
    changed_since: int = 0  # by somebody else, and so left
    in_the_dialer: int = 0  # claimed since, and so left
    gone: int = 0
    unreadable: int = 0

    def of_all(self) -> int:
        """Return how many these are together."""
        return self.cases + self.changed_since + self.in_the_dialer + self.gone + self.unreadable


@dataclass(frozen=True, slots=True)
class Change:
    """A change of many cases of a firm. ``order`` is what was wanted of which, as ``written_order`` returns it.

    ``last`` is the CaseID up to which the present work is done, and ``worked_until`` until when somebody is at it.
    ``keep_until`` is when its cases are let go of, and with them the way to undo it.
    """

    id: int
    firm_id: int
    kind: ChangeKind
    state: ChangeState
    made_at: datetime
    actor: Actor
    reason: str
    order: Mapping[str, Any]
    total: int
    expected: Counts
    counts: Counts
    undo_counts: UndoCounts
    undone_by: Actor | None
    begun_at: datetime | None
    finished_at: datetime | None
    undone_at: datetime | None
    last: int
    worked_until: datetime | None
    keep_until: datetime | None
    # How many there were when the set was settled, by the ids of their Dialer Status and their campaign.
    standing: tuple[tuple[int | None, int | None, int], ...] = ()

    @property
    def has_move(self) -> bool:
        """Tell whether a Dialer Status was wanted."""
        return bool(self.order["move"])

    def is_interrupted(self, clock: datetime) -> bool:
        """Tell whether there is work, and nobody at it."""
        return self.state.is_at_work and (self.worked_until is None or self.worked_until <= clock)

    def is_over(self, clock: datetime) -> bool:
        """Tell whether its cases are let go of, or will be at any moment."""
        return not self.state.is_at_work and (self.keep_until is None or self.keep_until <= clock)

    def can_be_undone(self, clock: datetime) -> bool:
        """Tell whether there is something to undo, and time for it."""
        return self.state in (ChangeState.RUNNING, ChangeState.DONE) and not self.is_over(clock)


@dataclass(frozen=True, slots=True)
class Before:
    """What a case was before a change, as far as a change may touch it: statuses by their ids."""

    dialer: int | None
    campaign: int | None
    dial_at: datetime | None
    priority: int
    hold: Hold | None

    @classmethod
    def of(cls, case: Case) -> Before:
        """Return what a case is."""
        dialer = case.statuses.get(StatusType.DIALER)
        return cls(dialer.id if dialer else None, case.campaign_id, case.dial_at, case.priority, case.hold)

    @property
    def standing(self) -> tuple[int | None, int | None]:
        """Return the ids of its Dialer Status and its campaign."""
        return self.dialer, self.campaign

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        hold = self.hold and [
            str(self.hold.claim_id),
            *map(written_time, (self.hold.until, self.hold.redial_at, self.hold.answered_at)),
        ]
        facts = {"dialer": self.dialer, "campaign": self.campaign, "priority": self.priority}
        return {**facts, "dial_at": written_time(self.dial_at), "hold": hold}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Before:
        """Return what ``written`` wrote."""
        hold = None
        if written["hold"]:
            claim_id, *times = written["hold"]
            hold = Hold(UUID(claim_id), *map(read_time, times))
        facts = {name: written[name] for name in ("dialer", "campaign", "priority")}
        return cls(**facts, dial_at=read_time(written["dial_at"]), hold=hold)


def put_back(
    firm: Firm, case: Case, before: Before, by: Actor, now: datetime, why: Why
) -> tuple[Case, list[StatusChange]]:
    """Bring a case back to what it was, its hold included: who held it may go on, or its lease runs out.

    One that never left the dialer keeps its lease and its time, which the dialer moves. Raises StatusesStale.
    """
    stays = case.role is Role.IN_THE_DIALER
    ids = {StatusType.CAMPAIGN: before.campaign} | ({} if stays else {StatusType.DIALER: before.dialer})
    were = {kind: firm.statuses.by_id(id_) for kind, id_ in ids.items()}
    differ: dict[StatusType, Status | None] = {
        kind: status for kind, status in were.items() if case.statuses.get(kind) != status
    }
    case = replace(case, priority=before.priority)
    if stays:
        return change(case, differ, case.dial_at, by, now, why=why)
    return change(case, differ, before.dial_at, by, now, before.hold, why)


_SET = {Move.TO_DIAL: Role.TO_DIAL, Move.DO_NOT_DIAL: Role.DO_NOT_DIAL}
_SAID = {
    ChangeKind.LIST: "onto the do-not-call list",
    ChangeKind.UNLIST: "off the do-not-call list",
    ChangeKind.EXPORT: "export",
}
_SAID_OF_NOTE = 60  # characters


def said(firm: Firm, change: Change) -> str:
    """Say what was wanted of the cases. Raises StatusesStale."""
    if change.kind is ChangeKind.NOTE:
        text = " ".join(change.order.get("note", "").split())
        cut = f"{text[:_SAID_OF_NOTE]}…" if len(text) > _SAID_OF_NOTE else text
        return f"a note: {cut}" if cut else "a note"
    if change.kind is not ChangeKind.SET:
        return _SAID[change.kind]
    wanted, _ = read_order(firm, change.order)
    told = []
    if wanted.move is Move.BACK_FROM_DIALER:
        told.append("back from the dialer")
    elif wanted.move:
        told.append(firm.statuses.with_role(_SET[wanted.move]).name)
    if wanted.dial_at:
        told.append(f"at {firm.local(wanted.dial_at)}")
    if wanted.campaign:
        told.append(f"into {wanted.campaign.name}")
    if wanted.priority is not None:
        told.append(f"priority {wanted.priority}")
    return ", ".join(told)
