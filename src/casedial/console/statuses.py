"""The four lists of a firm's statuses: add, rename, order, flag, retire and restore."""

from __future__ import annotations

from casedial.console.answers import Answer, Page, Redirect
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import ChangedMeanwhile, PathNotFound
from casedial.domain.firms import Firm
from casedial.domain.statuses import Flag, Status, StatusType
from casedial.domain.users import UserRole
from casedial.service.operations import firms
from casedial.service.operations import statuses as operations

KINDS = {
    "dialer": StatusType.DIALER,
    "disposition": StatusType.DISPOSITION,
    "campaign": StatusType.CAMPAIGN,
    "attempts": StatusType.ATTEMPTS,
}
_WHAT = {
    StatusType.DIALER: "Whether a case is passed to the dialer. Three of them have a role, which no rename changes.",
    StatusType.DISPOSITION: "What a dialer reports of a call. The flags say what each means, whatever its name.",
    StatusType.CAMPAIGN: "By which lists of cases are told apart. What is decided for one is on its page.",
    StatusType.ATTEMPTS: "How often somebody was called: whole numbers, which dialers send.",
}
FLAGS = {
    Flag.ATTEMPT: "somebody was called",
    Flag.CONVERSATION: "and spoken with",
    Flag.OPT_OUT: "must not be called any more",
    Flag.FINAL: "nothing is left to call for",
}


def _kind(visit: Visit) -> StatusType:
    """Return the type that the address or the form names. Raises PathNotFound."""
    asked = visit.form.text("type") or visit.query.text("type") or "disposition"
    if asked not in KINDS:
        raise PathNotFound("There is no such type of status.")
    return KINDS[asked]


def _here(visit: Visit, kind: StatusType) -> str:
    return visit.to("setup", "statuses", type=next(name for name, one in KINDS.items() if one is kind))


def _chosen(visit: Visit, kind: StatusType) -> Status:
    wanted = visit.form.number("status")
    found = next((status for status in visit.firm.statuses.of(kind) if status.id == wanted), None)
    if found is None:
        raise PathNotFound("There is no such status.")
    return found


def _shown(visit: Visit, kind: StatusType, errors: FormErrors | None = None) -> Page:
    firm = visit.firm
    values = {
        "kind": kind,
        "kinds": [(one.label, one is kind, _here(visit, one)) for one in KINDS.values()],
        "type": next(name for name, one in KINDS.items() if one is kind),
        "what": _WHAT[kind],
        "rows": [(status, _used(firm, status)) for status in firm.statuses.of(kind)],
        "seen": ",".join(str(status.id) for status in firm.statuses.of(kind)),
        "flags": [(flag.value, word) for flag, word in FLAGS.items()] if kind is StatusType.DISPOSITION else [],
        "may": visit.may(UserRole.ADMINISTRATOR),
    }
    return Page("statuses.html", values, errors or FormErrors())


def _used(firm: Firm, status: Status) -> list[str]:
    """Return the campaigns whose decisions name a disposition."""
    return [
        firm.statuses.known(id_, StatusType.CAMPAIGN).name
        for id_, campaign in firm.campaigns.items()
        if status.id in campaign.retries
    ]


async def statuses(visit: Visit) -> Answer:
    """List the statuses of a type."""
    return _shown(visit, _kind(visit))


async def _meanwhile(visit: Visit, kind: StatusType, field: str, told: str) -> Page:
    """Show the list as it is now to who changes what somebody else has changed."""
    visit.opened = await firms.show(visit.store, visit.actor, visit.firm.name)
    return _shown(visit, kind, FormErrors({field: told}))


async def add(visit: Visit) -> Answer:
    """Add a status at the end of its list."""
    kind, errors, name = _kind(visit), FormErrors(), visit.form.text("name")
    with errors.at("name"):
        await operations.add(visit.store, visit.actor, visit.firm.name, kind, name)
        return Redirect(_here(visit, kind), said=f"{name} is added, at the end of the list.")
    return _shown(visit, kind, errors)


async def rename(visit: Visit) -> Answer:
    """Rename a status."""
    kind, errors = _kind(visit), FormErrors()
    status = _chosen(visit, kind)
    field = f"name-{status.id}"
    name = visit.form.text(field)
    if status.name != visit.form.text("was"):
        return await _renamed_meanwhile(visit, kind, status.id)
    with errors.at(field):
        try:
            await operations.rename(visit.store, visit.actor, visit.firm.name, kind, status.name, name, status.id)
        except ChangedMeanwhile:
            return await _renamed_meanwhile(visit, kind, status.id)
        return Redirect(_here(visit, kind), said=f"{status.name} is named {name} now. Its cases and history stay.")
    return _shown(visit, kind, errors)


async def _renamed_meanwhile(visit: Visit, kind: StatusType, status_id: int) -> Page:
    now = await firms.show(visit.store, visit.actor, visit.firm.name)
    name = now.statuses.known(status_id, kind).name
    told = f"Somebody else has renamed it to {name} meanwhile. Nothing was changed."
    return await _meanwhile(visit, kind, f"name-{status_id}", told)


async def flag(visit: Visit) -> Answer:
    """Say what a disposition means."""
    kind, errors = StatusType.DISPOSITION, FormErrors()
    status, field = _chosen(visit, kind), f"flags-{visit.form.text('status')}"
    told = "Somebody else has changed these flags meanwhile: here they are now. Nothing was changed."
    if visit.form.text("was") != ",".join(sorted(status.flags)):
        return await _meanwhile(visit, kind, field, told)
    wanted = [Flag(word) for word in visit.form.texts("flag") if word in list(Flag)]
    with errors.at(field):
        try:
            seen = (status.id, status.flags)
            await operations.flag(visit.store, visit.actor, visit.firm.name, status.name, wanted, seen)
        except ChangedMeanwhile:
            return await _meanwhile(visit, kind, field, told)
        said = f"{status.name} means from now on: {', '.join(FLAGS[one] for one in wanted) or 'nothing'}."
        return Redirect(_here(visit, kind), said=said)
    return _shown(visit, kind, errors)


async def retire(visit: Visit) -> Answer:
    """Retire a status, or take it back into use."""
    kind, errors, retired = _kind(visit), FormErrors(), visit.path.endswith("/retire")
    status = _chosen(visit, kind)
    with errors.at(f"name-{status.id}"):
        await operations.retire(visit.store, visit.actor, visit.firm.name, kind, status.name, retired)
        said = f"{status.name} is retired: nobody can set it." if retired else f"{status.name} can be set again."
        return Redirect(_here(visit, kind), said=said)
    return _shown(visit, kind, errors)


async def order(visit: Visit) -> Answer:
    """Put a list in another order: the whole of it, or one status a place up or down."""
    kind, firm = _kind(visit), visit.firm
    seen = [int(text) for text in visit.form.text("seen").split(",") if text.isascii() and text.isdecimal()]
    ids = [int(text) for text in visit.form.texts("order") if text.isascii() and text.isdecimal()]
    for name, step in (("up", -1), ("down", 1)):
        moved = visit.form.number(name)
        if moved in seen:
            ids = [one for one in seen if one != moved]
            ids.insert(max(0, seen.index(moved) + step), moved)
    by_id = {status.id: status.name for status in firm.statuses.of(kind)}
    told = "Somebody else has changed this list meanwhile: here it is now. Nothing was changed."
    if sorted(ids) != sorted(by_id):
        return await _meanwhile(visit, kind, "", told)
    try:
        names = [by_id[one] for one in ids]
        await operations.reorder(visit.store, visit.actor, firm.name, kind, names, seen)
    except ChangedMeanwhile:
        return await _meanwhile(visit, kind, "", told)
    return Redirect(_here(visit, kind), said="The order is saved.")


_HERE = "/{firm}/setup/statuses"
ROUTES = (
    Route("GET", _HERE, statuses, UserRole.VIEWER),
    Route("POST", f"{_HERE}/add", add, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/rename", rename, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/flag", flag, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/retire", retire, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/restore", retire, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/order", order, UserRole.ADMINISTRATOR),
)
