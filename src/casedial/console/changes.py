"""Changes of many cases: what one would do, how far it is, and its undo."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from casedial.console.answers import Answer, Fragment, Page, Redirect
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.cases import PRIORITIES
from casedial.domain.changes import Change, ChangeState, Outcome, said
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import ChangeNotFound
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.operations import changes as operations
from casedial.service.operations.changes import TYPED_ABOVE, Shown

_PAGE = 50
_PATIENCE = 1.0  # seconds for which a preview is waited for: most are done by then
_MOVES = {"to-dial": Move.TO_DIAL, "do-not-dial": Move.DO_NOT_DIAL, "back": Move.BACK_FROM_DIALER}
_SETTLING: set[asyncio.Task[Change]] = set()

OUTCOMES = {
    Outcome.IN_THE_DIALER: "In the Dialer, so left",
    Outcome.NOT_MEANT: "Changed by somebody else meanwhile, so left",
    Outcome.GONE: "Deleted meanwhile",
    Outcome.UNREADABLE: "Left, because what is stored cannot be read",
    Outcome.CHANGED_SINCE: "Changed since, so left",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form wants of cases."""

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

    async def begin(self, visit: Visit, which: CaseFilter) -> int:
        """Begin a preview, and go on with it whether or not anybody waits; return the id of the change."""
        how = (visit.store, visit.actor, visit.firm.name)
        change_id = await operations.begin(*how, which, self.read, self.reason)
        task = asyncio.create_task(operations.settle(*how, change_id, which, self.read))
        _SETTLING.add(task)
        task.add_done_callback(_settled)
        await asyncio.wait({task}, timeout=_PATIENCE)
        return change_id


def _settled(task: asyncio.Task[Change]) -> None:
    """Let go of a preview; one that failed stays unfinished, which its page says."""
    _SETTLING.discard(task)
    if not task.cancelled():
        task.exception()


def wanted_of(visit: Visit, errors: FormErrors) -> Wanted | None:
    """Read what is wanted of cases; None where it cannot be read, which ``errors`` say."""
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
    return None if errors else Wanted(move, dial_at, campaign, priority, form.text("reason"))


def campaigns_to_set(firm: Firm) -> list[tuple[str, str]]:
    """Return the campaigns into which a case may be moved, to be chosen from."""
    return [(one.name, one.name) for one in firm.statuses.of(StatusType.CAMPAIGN) if not one.retired]


def _state(change: Change) -> tuple[str, str]:
    """Return how far a change is, as a mark and a word."""
    return {
        ChangeState.PREPARING: ("idle", "being counted"),
        ChangeState.PREVIEWED: ("idle", "not run"),
        ChangeState.RUNNING: ("warn", "running"),
        ChangeState.DONE: ("good", "done"),
        ChangeState.UNDOING: ("warn", "being undone"),
        ChangeState.UNDONE: ("idle", "undone"),
    }[change.state]


def _progress(change: Change) -> tuple[int, int]:
    """Return how many cases are done, and of how many."""
    if change.state in (ChangeState.UNDOING, ChangeState.UNDONE):
        return change.undo_counts.of_all(), change.counts.changed(change.has_move)
    return change.counts.of_all(change.has_move), change.total


async def changes(visit: Visit) -> Answer:
    """List changes, the newest first."""
    before = visit.query.number("before")
    found = await operations.every(visit.store, visit.actor, visit.firm.name, before, _PAGE)
    last = found.changes[-1].id if found.more else None
    rows = [(one, said(found.firm, one), *_state(one)) for one in found.changes]
    after = visit.to("changes", before=last) if last else ""
    return Page("changes.html", {"rows": rows, "after": after, "before": before})


def _standing(firm: Firm, change: Change) -> list[tuple[str, str, int]]:
    """Return how many cases of which Dialer Status and campaign are in the set, the most first."""

    def name(status_id: int | None, kind: StatusType) -> str:
        return firm.statuses.known(status_id, kind).name if status_id is not None else "none"

    rows = sorted(change.standing, key=lambda one: -one[2])
    return [(name(one, StatusType.DIALER), name(two, StatusType.CAMPAIGN), number) for one, two, number in rows]


async def _shown(visit: Visit) -> dict[str, object]:
    found: Shown = await operations.show(visit.store, visit.actor, visit.firm.name, visit.number("id"))
    change = found.change
    done, of = _progress(change)
    return {
        "found": found,
        "change": change,
        "what": said(found.firm, change),
        "state": _state(change),
        "standing": _standing(found.firm, change),
        "done": done,
        "of": of,
        "left": [(OUTCOMES[why], ids) for why, ids in found.left.items() if ids],
        "left_by_undo": [(OUTCOMES[why], ids) for why, ids in found.left_by_undo.items() if ids],
        "can_run": change.state is ChangeState.PREVIEWED and not change.is_over(found.clock),
        "can_undo": change.can_be_undone(found.clock),
        "is_moving": change.state.is_at_work or change.state is ChangeState.PREPARING,
        "must_type": change.total > TYPED_ABOVE,
        "is_counted": change.state is not ChangeState.PREPARING,
    }


async def _page(visit: Visit, errors: FormErrors | None = None) -> Page:
    try:
        return Page("change.html", await _shown(visit), errors or FormErrors())
    except ChangeNotFound as gone:
        told = {"title": "This change is not there", "detail": gone.detail, "back": visit.to("changes")}
        return Page("error.html", {**told, "label": "Back to the changes"}, status=404)


async def change(visit: Visit) -> Answer:
    """Show a change: what it would do, does or did."""
    return await _page(visit)


async def live(visit: Visit) -> Answer:
    """Give the part of it that moves."""
    return Fragment("change_live.html", await _shown(visit))


async def run(visit: Visit) -> Answer:
    """Have a change done by the servers."""
    errors, change_id = FormErrors(), visit.number("id")
    typed = visit.form.text("typed").replace(",", "").replace(".", "")
    number = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else None
    with errors.at("typed"):
        await operations.start(visit.store, visit.actor, visit.firm.name, change_id, number)
        return Redirect(visit.to("changes", change_id), said="It is being done.")
    return await _page(visit, errors)


async def undo(visit: Visit) -> Answer:
    """Have a change undone by the servers."""
    errors, change_id = FormErrors(), visit.number("id")
    with errors.at(""):
        await operations.start_undo(visit.store, visit.actor, visit.firm.name, change_id)
        return Redirect(visit.to("changes", change_id), said="It is being undone.")
    return await _page(visit, errors)


ROUTES = (
    Route("GET", "/{firm}/changes", changes, UserRole.VIEWER),
    Route("GET", "/{firm}/changes/{id}", change, UserRole.VIEWER),
    Route("GET", "/{firm}/changes/{id}/live", live, UserRole.VIEWER, live=True),
    Route("POST", "/{firm}/changes/{id}/run", run, UserRole.MANAGER),
    Route("POST", "/{firm}/changes/{id}/undo", undo, UserRole.MANAGER),
)
