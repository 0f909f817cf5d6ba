"""What is wanted of many cases, and of which: set them, note on them, list them, take them along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, TypeAlias

from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusType


class ChangeKind(IntEnum):
    """What is done with the cases. Values are stored."""

    SET = 1
    NOTE = 2  # added to each
    LIST = 3  # put on the do-not-call list
    UNLIST = 4  # taken off it
    EXPORT = 5  # nothing: their set is written to files


@dataclass(frozen=True, slots=True)
class Task:
    """What else can be wanted of many cases than to set them; ``note`` is the text of one."""

    kind: ChangeKind
    note: str = ""


Wanted: TypeAlias = OperatorChange | Task


def kind_of(wanted: Wanted) -> ChangeKind:
    """Return what is done where this is wanted."""
    return wanted.kind if isinstance(wanted, Task) else ChangeKind.SET


def written_order(firm: Firm, asked: Wanted, which: CaseFilter) -> dict[str, Any]:
    """Return what is wanted as JSON has it: statuses by their ids, and nothing of a person but the text of a note.

    Of ``which`` only in what state a case has to be: CaseIDs, names and numbers have made the set.
    """
    wanted = asked if isinstance(asked, OperatorChange) else OperatorChange()
    named = {name: _id_of(firm, kind, getattr(which, name)) for name, kind in _NAMED.items()}
    if named["attempts"] is None:
        del named["attempts"]
    return {
        "move": wanted.move.name if wanted.move else None,
        "dial_at": written_time(wanted.dial_at),
        "campaign": wanted.campaign.id if wanted.campaign else None,
        "priority": wanted.priority,
        **({"note": asked.note} if isinstance(asked, Task) and asked.note else {}),
        "which": {
            **named,
            "case_group": which.case_group,
            "due_at": written_time(which.due_at),
            "do_not_call": which.do_not_call,
            "held_by": which.held_by,
            **{name: value for name in _LATER if (value := getattr(which, name))},
        },
    }


_NAMED = {
    "dialer_status": StatusType.DIALER,
    "campaign": StatusType.CAMPAIGN,
    "disposition": StatusType.DISPOSITION,
    "attempts": StatusType.ATTEMPTS,
}
# Written only where it is asked for: an older casedial goes on with a change that it can read.
_LATER = ("priority", "held_back", "answered")


def _id_of(firm: Firm, kind: StatusType, name: str | None) -> int | None:
    return firm.statuses.named(kind, name).id if name else None


def written_time(at: datetime | None) -> str | None:
    """Return a time as JSON has it."""
    return at.astimezone(UTC).isoformat() if at else None


def read_time(text: str | None) -> datetime | None:
    """Return what ``written_time`` wrote."""
    return datetime.fromisoformat(text) if text else None


def read_order(firm: Firm, order: Mapping[str, Any]) -> tuple[OperatorChange, CaseFilter]:
    """Return what is to be set of cases (nothing, for a task), and in which state they have to be.

    Raises StatusesStale.
    """
    move = Move[order["move"]] if order["move"] else None
    campaign = firm.statuses.by_id(order["campaign"])
    wanted = OperatorChange(move, read_time(order["dial_at"]), campaign, order["priority"])
    which: dict[str, Any] = {**order["which"], "due_at": read_time(order["which"]["due_at"])}
    named = {name: status.name if (status := firm.statuses.by_id(which.get(name))) else None for name in _NAMED}
    return wanted, CaseFilter(**(which | named))
