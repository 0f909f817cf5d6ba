"""Forms of changes of many cases: what they want, and how a preview of it begins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from casedial.console.forms import FormErrors
from casedial.console.visits import Visit
from casedial.domain.cases import PRIORITIES
from casedial.domain.changes import Change
from casedial.domain.dialing import MAX_NOTE_BYTES, CaseFilter, Move, OperatorChange
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind, Task, Wanted
from casedial.domain.statuses import StatusType
from casedial.service.operations import changes as operations

_PATIENCE = 1.0  # seconds for which a preview is waited for: most are done by then
_MOVES = {"to-dial": Move.TO_DIAL, "do-not-dial": Move.DO_NOT_DIAL, "back": Move.BACK_FROM_DIALER}
_TASKS = {
    "note": ChangeKind.NOTE,
    "list": ChangeKind.LIST,
    "unlist": ChangeKind.UNLIST,
    "export": ChangeKind.EXPORT,
}
# What can be done with many cases: what is sent, and what is shown.
TASKS = (
    ("set", "Set status, campaign or priority"),
    ("note", "Add a note"),
    ("list", "Put on the do-not-call list"),
    ("unlist", "Take off the do-not-call list"),
    ("export", "Export to a file"),
)
_SETTLING: set[asyncio.Task[Change]] = set()


class Asked(Protocol):
    """What a form asks for."""

    @property
    def reason(self) -> str:
        """Return why."""

    def read(self, firm: Firm) -> Wanted:
        """Return what it means for a firm."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What cases are to be set to."""

    move: Move | None
    dial_at: datetime | None
    campaign: str | None
    priority: int | None
    reason: str

    def read(self, firm: Firm) -> OperatorChange:
        """Return what it means for a firm. Raises StatusNotFound or RetiredStatus."""
        into = None
        if self.campaign:
            named = firm.statuses.named(StatusType.CAMPAIGN, self.campaign)
            into = firm.statuses.to_set(StatusType.CAMPAIGN, named.name, "to_campaign")
        return OperatorChange(self.move, self.dial_at, into, self.priority)


@dataclass(frozen=True, slots=True)
class Other:
    """What else is to be done with cases."""

    task: Task
    reason: str

    def read(self, firm: Firm) -> Task:
        """Return it: it means the same for every firm."""
        return self.task


async def begin(visit: Visit, which: CaseFilter, asked: Asked) -> int:
    """Begin a preview, and go on with it whether or not anybody waits; return the id of the change."""
    how = (visit.store, visit.actor, visit.firm.name)
    change_id = await operations.begin(*how, which, asked.read, asked.reason)
    task = asyncio.create_task(operations.settle(*how, change_id, which, asked.read))
    _SETTLING.add(task)
    task.add_done_callback(_settled)
    await asyncio.wait({task}, timeout=_PATIENCE)
    return change_id


def _settled(task: asyncio.Task[Change]) -> None:
    """Let go of a preview; one that failed stays unfinished, which its page says."""
    _SETTLING.discard(task)
    if not task.cancelled():
        task.exception()


def asked_of(visit: Visit, errors: FormErrors) -> Asked | None:
    """Read what is wanted of many cases; None where it cannot be read, which ``errors`` say."""
    form = visit.form
    kind = _TASKS.get(form.text("task"))
    if kind is None:
        return settings_of(visit, errors)
    text = ""
    if kind is ChangeKind.NOTE:
        text = form.text("note")
        if not text:
            errors.add("note", "Write something.")
        elif len(text.encode()) > MAX_NOTE_BYTES:
            errors.add("note", f"A note has at most {MAX_NOTE_BYTES // 1024} KiB.")
    return None if errors else Other(Task(kind, text), form.text("reason"))


def settings_of(visit: Visit, errors: FormErrors) -> Settings | None:
    """Read what cases are to be set to; None where it cannot be read, which ``errors`` say."""
    form = visit.form
    move, dial_at = _MOVES.get(form.text("move")), None
    if text := form.text("at"):
        try:
            dial_at = datetime.fromisoformat(text).replace(tzinfo=visit.zone)
        except ValueError:
            errors.add("at", "Give a day and a time, such as 2026-05-06T09:00.")
        if move in (None, Move.DO_NOT_DIAL):
            errors.add("at", "A time goes with To Dial, or back from the dialer.")
    priority = form.number("to_priority")
    if form.text("to_priority") and priority not in PRIORITIES:
        errors.add("to_priority", f"A priority is {PRIORITIES[0]} to {PRIORITIES[-1]}.")
    campaign = form.text("to_campaign") or None
    if not (move or campaign or priority):
        errors.add("move", "Say what to change.")
    return None if errors else Settings(move, dial_at, campaign, priority, form.text("reason"))


def campaigns_to_set(firm: Firm) -> list[tuple[str, str]]:
    """Return the campaigns into which a case may be moved, to be chosen from."""
    return [(one.name, one.name) for one in firm.statuses.of(StatusType.CAMPAIGN) if not one.retired]
