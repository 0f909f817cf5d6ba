"""Changes of many cases: what one would do, how far it is, and its undo."""

from __future__ import annotations

from functools import partial
from typing import IO

from casedial.console.answers import Answer, Fragment, Page, Redirect
from casedial.console.downloads import FORMS, download
from casedial.console.exports import WHAT, sheets_of
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.changes import Change, ChangeState, Outcome, said
from casedial.domain.errors import ChangeNotFound, PathNotFound
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.operations import changes as operations
from casedial.service.operations import exports
from casedial.service.operations.changes import TYPED_ABOVE, Shown
from casedial.wire.sheets import Form

_PAGE = 50
OUTCOMES = {
    Outcome.IN_THE_DIALER: "In the Dialer, so left",
    Outcome.NOT_MEANT: "Changed by somebody else meanwhile, so left",
    Outcome.GONE: "Deleted meanwhile",
    Outcome.UNREADABLE: "Left, because what is stored cannot be read",
    Outcome.CHANGED_SINCE: "Changed since, so left",
}

# What the button does that has a change done, between its verb and how many cases these are.
_VERBS = {
    ChangeKind.SET: ("Change", ""),
    ChangeKind.NOTE: ("Add the note to", ""),
    ChangeKind.LIST: ("Put", " on the list"),
    ChangeKind.UNLIST: ("Take", " off the list"),
}


def _button(change: Change) -> str:
    """Return what stands on the button that has a change done."""
    number = change.expected.changed(change.has_move)
    before, behind = _VERBS.get(change.kind, ("", ""))
    return f"{before} {number:,} case{'' if number == 1 else 's'}{behind}"


def _state(change: Change) -> tuple[str, str]:
    """Return how far a change is, as a mark and a word."""
    if change.kind is ChangeKind.EXPORT and change.state is ChangeState.PREVIEWED:
        return "good", "ready to be taken along"
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
    is_ready = change.state is ChangeState.PREVIEWED and not change.is_over(found.clock)
    is_export = change.kind is ChangeKind.EXPORT
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
        "can_run": is_ready and not is_export,
        "can_export": is_ready and is_export,
        "kind": change.kind.name.lower(),
        "note": change.order.get("note", ""),
        "button": _button(change),
        "what_to_export": WHAT,
        "forms": FORMS[:2],
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
    shown = await _shown(visit)
    return Fragment("change_live.html", lambda: shown)


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


async def file(visit: Visit) -> Answer:
    """Send the cases of an export, or what else there is of them, as a file."""
    what = visit.query.text("what", "cases")
    form = next((one for one in (Form.CSV, Form.XLSX) if one == visit.query.text("format", "csv")), None)
    if form is None or what not in dict(WHAT):
        raise PathNotFound("There is no such file.")
    day, change_id = visit.now.astimezone(visit.zone).date(), visit.number("id")
    name = f"{what}-{visit.parameters['firm']}-{day}-{change_id}"
    return await download(name, form, partial(_write, visit, change_id, what, form))


async def _write(visit: Visit, change_id: int, what: str, form: Form, raw: IO[bytes]) -> None:
    async with sheets_of(raw, form, what) as sheets:
        await exports.export_chosen(visit.store, visit.actor, visit.firm.name, change_id, sheets, what)


ROUTES = (
    Route("GET", "/{firm}/changes", changes, UserRole.VIEWER),
    Route("GET", "/{firm}/changes/{id}", change, UserRole.VIEWER),
    Route("GET", "/{firm}/changes/{id}/live", live, UserRole.VIEWER, live=True),
    Route("GET", "/{firm}/changes/{id}/file", file, UserRole.MANAGER),
    Route("POST", "/{firm}/changes/{id}/run", run, UserRole.MANAGER),
    Route("POST", "/{firm}/changes/{id}/undo", undo, UserRole.MANAGER),
)
