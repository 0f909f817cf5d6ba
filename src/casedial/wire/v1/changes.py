"""Changes of many cases, as the firm's own systems ask for them and are told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec

from casedial.domain.actors import Actor
from casedial.domain.changes import Change, ChangeState, Counts, Outcome, UndoCounts
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import FieldError, InvalidParameter, MissingParameter
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind, Task, Wanted, read_order
from casedial.domain.statuses import StatusType
from casedial.wire import values
from casedial.wire.documents import Parameters
from casedial.wire.v1.cases import case_filter, priority
from casedial.wire.v1.reading import list_of, one, text
from casedial.wire.values import instant

MOST_NAMED = 10_000  # cases of one change
_LONGEST_REASON = 1000  # characters; how long one may be is the operation's to say

MOVES = {"ToDial": Move.TO_DIAL, "DoNotDial": Move.DO_NOT_DIAL, "BackFromDialer": Move.BACK_FROM_DIALER}
_MOVE_NAMES = {move: name for name, move in MOVES.items()}


class ActorReply(msgspec.Struct, frozen=True):
    """Who did something, and what that is: key, user, command_line, import, policy, casedial."""

    Name: str
    Kind: str


class WantedReply(msgspec.Struct, frozen=True):
    """What was wanted of the cases.

    Kind is set (the first four fields say what), note, list or unlist (of the do-not-call list), or export, which only
    the console makes.
    """

    Kind: str
    Move: str | None
    DialAt: str | None
    Campaign: str | None
    Priority: int | None
    Note: str | None


class ChangeCounts(msgspec.Struct, frozen=True):
    """How many cases were changed, or would be, and how many were left, by why.

    FromTheDialer are those of the changed that were In the Dialer; DoNotCall those that became Do not Dial for being on
    the do-not-call list.
    """

    Changed: int
    FromTheDialer: int
    DoNotCall: int
    InTheDialer: int
    Unchanged: int
    NotMeant: int
    Gone: int
    Unreadable: int


class UndoneCounts(msgspec.Struct, frozen=True):
    """How many cases an undo has put back, and how many it left, by why."""

    PutBack: int
    DoNotCall: int
    ChangedSince: int
    InTheDialer: int
    Gone: int
    Unreadable: int


class ChangeReply(msgspec.Struct, frozen=True):
    """A change of many cases, and how far it is.

    State is preparing, previewed, running, done, undoing or undone. Expected is what the preview counted, Counts what
    was done so far. UndoUntil is null where it cannot be undone. Done is for how many cases it is settled.
    """

    ChangeID: int
    State: str
    MadeAt: str
    By: ActorReply
    Reason: str
    Wanted: WantedReply
    Total: int
    Expected: ChangeCounts
    Done: int
    Counts: ChangeCounts
    BegunAt: str | None
    FinishedAt: str | None
    UndoUntil: str | None
    UndoneBy: ActorReply | None
    UndoneAt: str | None
    UndoCounts: UndoneCounts


class LeftReply(msgspec.Struct, frozen=True):
    """Cases that were left, and why; the first 1,000 of each reason."""

    Reason: str
    CaseIDs: list[int]


class ChangeShown(ChangeReply, frozen=True):
    """A change with the cases that it left, and those that its undo left."""

    Left: list[LeftReply] = []
    LeftByUndo: list[LeftReply] = []


class ChangesPage(msgspec.Struct, frozen=True):
    """Changes, the newest first; Next is what to send as Before for the older ones, null at the end."""

    Changes: list[ChangeReply]
    Next: int | None


@dataclass(frozen=True, slots=True)
class WantedChange:
    """What is wanted of which cases."""

    which: CaseFilter
    move: Move | None
    dial_at: datetime | None
    campaign: str | None
    priority: int | None
    task: Task | None
    reason: str

    def read(self, firm: Firm) -> Wanted:
        """Return what it means for a firm. Raises UnknownStatus or RetiredStatus."""
        if self.task:
            return self.task
        into = firm.statuses.to_set(StatusType.CAMPAIGN, self.campaign, "#/Campaign") if self.campaign else None
        return OperatorChange(self.move, self.dial_at, into, self.priority)


def wanted_change(body: Parameters, which: Parameters, firm: Firm, now: datetime) -> WantedChange:
    """Read a change; ``which`` are the fields of the body's Which."""
    move = body.optional("Move", _move)
    dial_at = body.optional("DialDateTime", partial(values.local_time, zone=firm.zone))
    campaign, to_priority = body.optional("Campaign", values.name), body.optional("Priority", priority)
    reason = body.optional("Reason", text(_LONGEST_REASON)) or ""
    if dial_at and move in (None, Move.DO_NOT_DIAL):
        detail = "goes with the Move ToDial or BackFromDialer"
        body.refuse(InvalidParameter(f"DialDateTime {detail}.", [FieldError("#/DialDateTime", detail)]))
    task, is_set = _task(body), bool(move or campaign or to_priority)
    if not (is_set or task):
        detail = "is required, or Campaign, Priority, Note or DoNotCall: say what to change"
        body.refuse(MissingParameter(f"Move {detail}.", [FieldError("#/Move", detail)]))
    if is_set and task:
        where = "Note" if task.kind is ChangeKind.NOTE else "DoNotCall"
        detail = "stands alone: make a change of its own of it"
        body.refuse(InvalidParameter(f"{where} {detail}.", [FieldError(f"#/{where}", detail)]))
    found = case_filter(which, firm, now)
    named = one(which, "CaseIDs")
    if named is not None:
        found = replace(found, case_ids=_case_ids(list_of(named, "Which/CaseIDs", MOST_NAMED)))
    if found == CaseFilter() and not which.optional("All", values.boolean):
        detail = "names no cases; to mean every case of the firm, say All: true"
        which.refuse(MissingParameter(f"Which {detail}.", [FieldError("#/Which", detail)]))
    return WantedChange(found, move, dial_at, campaign, to_priority, task, reason)


def _task(body: Parameters) -> Task | None:
    """Return what else is wanted than to set cases."""
    note, listed = body.optional("Note", values.note), body.optional("DoNotCall", values.boolean)
    if note is not None and listed is not None:
        detail = "stands alone: make a change of its own of it"
        body.refuse(InvalidParameter(f"Note {detail}.", [FieldError("#/Note", detail)]))
    if note is not None:
        return Task(ChangeKind.NOTE, note)
    return None if listed is None else Task(ChangeKind.LIST if listed else ChangeKind.UNLIST)


def _move(value: object) -> Move:
    if not isinstance(value, str) or value not in MOVES:
        raise ValueError(f"must be one of: {', '.join(MOVES)}")
    return MOVES[value]


def _case_ids(listed: Sequence[object]) -> tuple[int, ...]:
    found = set()
    for place, value in enumerate(listed):
        try:
            found.add(values.case_id(value))
        except ValueError as error:
            bad = FieldError(f"#/Which/CaseIDs/{place}", str(error), value)
            raise InvalidParameter(f"A CaseID {error}.", [bad]) from None
    return tuple(sorted(found))


def change_reply(firm: Firm, change: Change, clock: datetime) -> ChangeReply:
    """Show a change. Raises StatusesStale."""
    wanted, _ = read_order(firm, change.order)
    is_undo = change.state in (ChangeState.UNDOING, ChangeState.UNDONE)
    return ChangeReply(
        ChangeID=change.id,
        State=change.state.name.lower(),
        MadeAt=values.show_instant(change.made_at),
        By=actor_reply(change.actor),
        Reason=change.reason,
        Wanted=WantedReply(
            change.kind.name.lower(),
            _MOVE_NAMES[wanted.move] if wanted.move else None,
            instant(wanted.dial_at),
            wanted.campaign.name if wanted.campaign else None,
            wanted.priority,
            change.order.get("note"),
        ),
        Total=change.total,
        Expected=_counts(change, change.expected),
        Done=change.undo_counts.of_all() if is_undo else change.counts.of_all(change.has_move),
        Counts=_counts(change, change.counts),
        BegunAt=instant(change.begun_at),
        FinishedAt=instant(change.finished_at),
        UndoUntil=instant(change.keep_until) if change.can_be_undone(clock) else None,
        UndoneBy=actor_reply(change.undone_by) if change.undone_by else None,
        UndoneAt=instant(change.undone_at),
        UndoCounts=_undo_counts(change.undo_counts),
    )


def change_shown(
    firm: Firm,
    change: Change,
    clock: datetime,
    left: Mapping[Outcome, list[int]],
    left_by_undo: Mapping[Outcome, list[int]],
) -> ChangeShown:
    """Show a change with what it left. Raises StatusesStale."""
    whole = msgspec.structs.asdict(change_reply(firm, change, clock))
    return ChangeShown(**whole, Left=_left(left), LeftByUndo=_left(left_by_undo))


def actor_reply(actor: Actor) -> ActorReply:
    """Show who did something."""
    return ActorReply(actor.name, actor.kind.name.lower())


_REASONS = {
    Outcome.IN_THE_DIALER: "InTheDialer",
    Outcome.NOT_MEANT: "NotMeant",
    Outcome.GONE: "Gone",
    Outcome.UNREADABLE: "Unreadable",
    Outcome.CHANGED_SINCE: "ChangedSince",
}


def _left(found: Mapping[Outcome, list[int]]) -> list[LeftReply]:
    return [LeftReply(_REASONS[why], ids) for why, ids in found.items() if ids]


def _counts(change: Change, counts: Counts) -> ChangeCounts:
    return ChangeCounts(
        counts.changed(change.has_move),
        counts.from_the_dialer,
        counts.do_not_call,
        counts.in_the_dialer,
        counts.unchanged,
        counts.not_meant,
        counts.gone,
        counts.unreadable,
    )


def _undo_counts(counts: UndoCounts) -> UndoneCounts:
    left = counts.changed_since, counts.in_the_dialer, counts.gone, counts.unreadable
    return UndoneCounts(counts.cases, counts.do_not_call, *left)
