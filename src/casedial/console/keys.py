"""ClientKeys of the firm: list, make, take over, limit, roll, revoke."""

from __future__ import annotations

from datetime import timedelta

from casedial.console import editing
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.editing import DO, EDIT, SAVE, Draft
from casedial.console.forms import FormErrors
from casedial.console.key_forms import SCOPES, expiry, fields_of, meant, told
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import ChangedMeanwhile, InvalidSetting, PathNotFound
from casedial.domain.keys import UNLIMITED, KeyRecord
from casedial.domain.spans import read_span
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.keys import LimitChange, NewKey
from casedial.service.operations import keys as operations

_SOON = timedelta(days=7)


def _state(visit: Visit, key: KeyRecord) -> tuple[str, str]:
    """Return how a key stands: a kind of mark, and a word."""
    ends = key.limits.expires_at
    if key.revoked_at:
        return "idle", "revoked"
    if ends and ends <= visit.now:
        return "idle", "expired"
    if ends and ends - visit.now < _SOON:
        return "warn", "ends soon"
    return ("good", "active") if key.last_used_at else ("idle", "never used")


async def _list(visit: Visit, draft: Draft, errors: FormErrors | None = None) -> Page:
    found = await operations.every(visit.store, visit.actor, visit.firm.name)
    rows = [(key, _state(visit, key), told(visit.firm, fields_of(visit.firm, key.limits))) for key, _ in found.keys]
    values = {
        "rows": [row for row in rows if not row[0].revoked_at],
        "revoked": [key for key, _, _ in rows if key.revoked_at],
        "unreadable": found.unreadable,
        **_form(visit, draft),
    }
    return Page("keys.html", values, errors or FormErrors())


def _form(visit: Visit, draft: Draft) -> dict[str, object]:
    campaigns = [status for status in visit.firm.statuses.of(StatusType.CAMPAIGN) if not status.retired]
    return {"draft": draft, "scopes": [(scope.value, word) for scope, word in SCOPES.items()], "campaigns": campaigns}


async def keys(visit: Visit) -> Answer:
    """List the keys."""
    return await _list(visit, editing.opened(fields_of(visit.firm, UNLIMITED)))


def _made(new: NewKey, said: str) -> Page:
    return Page("key_made.html", {"new": new, "said_of_old": said})


async def add(visit: Visit) -> Answer:
    """Make a key, or take over one that the vendor uses already, and show it once."""
    errors, before = FormErrors(), fields_of(visit.firm, UNLIMITED)
    draft = editing.sent(visit, before)
    wanted = meant(visit.firm, before, draft.shown, errors)
    vendor, brought = visit.form.text("vendor"), visit.form.text("key")
    if not vendor:
        errors.add("vendor", "Name the dialer company.")
    if not errors:
        with errors.at("key" if brought else "vendor"):
            _, new = await operations.add(
                visit.store, visit.actor, visit.firm.name, vendor, lambda firm: wanted, brought or None
            )
            if brought:
                return Redirect(visit.to("keys", new.id), said=f"The key of {new.vendor} is taken over.")
            return _made(new, "")
    return await _list(visit, draft, errors)


async def _chosen(visit: Visit) -> KeyRecord:
    """Return the key of the path. Raises PathNotFound."""
    wanted = visit.number("key_id")
    found = await operations.every(visit.store, visit.actor, visit.firm.name)
    chosen = next((key for key, _ in found.keys if key.id == wanted), None)
    if chosen is None:
        raise PathNotFound("There is no such key.")
    return chosen


def _shown(visit: Visit, key: KeyRecord, draft: Draft, errors: FormErrors | None = None) -> Page:
    values = {
        "key": key,
        "state": _state(visit, key),
        "told": told(visit.firm, fields_of(visit.firm, key.limits)),
        "is_over": key.revoked_at is not None or key.limits.has_expired(visit.now),
        **_form(visit, draft),
    }
    return Page("key.html", values, errors or FormErrors())


async def key(visit: Visit) -> Answer:
    """Show a key, with the form of its limits."""
    chosen = await _chosen(visit)
    return _shown(visit, chosen, editing.opened(fields_of(visit.firm, chosen.limits)))


async def change(visit: Visit) -> Answer:
    """Tell what a change of a key's limits is, and make it where it was looked over."""
    chosen, errors = await _chosen(visit), FormErrors()
    before = fields_of(visit.firm, chosen.limits)
    draft = editing.sent(visit, before)
    draft.tell(errors)
    wanted = meant(visit.firm, before, draft.shown, errors)
    if errors or visit.form.text(DO) == EDIT:
        return _shown(visit, chosen, draft, errors)
    changes = editing.differences(told(visit.firm, before), told(visit.firm, draft.shown))
    if wanted == LimitChange():
        return Redirect(visit.path, said="Nothing was changed: the form was as it is stored.")
    if visit.form.text(DO) != SAVE:
        notes = ["It counts from the vendor's next request on, on every server."]
        return editing.review(visit, f"Change the key of {chosen.vendor}?", changes, None, notes, draft=draft)
    return await _save(visit, chosen, wanted, draft)


async def _save(visit: Visit, chosen: KeyRecord, wanted: LimitChange, draft: Draft) -> Answer:
    errors = FormErrors()
    try:
        await operations.limit(visit.store, visit.actor, chosen.id, lambda firm: wanted, chosen.limits)
        return Redirect(visit.path, said="Saved. It counts from the vendor's next request on.")
    except ChangedMeanwhile:  # in this very moment: it is told as what was changed before
        return await change(visit)
    except InvalidSetting as error:
        errors.add("expires" if wanted.expires_at else "", error.detail)
    return _shown(visit, chosen, draft, errors)


async def roll(visit: Visit) -> Answer:
    """Make a key that takes the place of another, which works for a while yet; show it once."""
    chosen, errors = await _chosen(visit), FormErrors()
    overlap, text, wanted = timedelta(0), visit.form.text("expires"), LimitChange()
    if text != fields_of(visit.firm, chosen.limits)["expires"]:
        wanted = LimitChange(**expiry(visit.firm, text, errors))
    with errors.at("overlap"):
        overlap = read_span(visit.form.text("overlap"))
    if not errors:
        with errors.at("overlap"):
            rolled = await operations.roll(visit.store, visit.actor, chosen.id, overlap, lambda firm: wanted)
            ends = f"works until {visit.firm.local(rolled.old_ends)}" if overlap else "is refused from now on"
            return _made(rolled.new, f"The key before it, {chosen.hint}, {ends}.")
    draft = editing.opened(fields_of(visit.firm, chosen.limits))
    return _shown(visit, chosen, draft, errors)


async def revoke(visit: Visit) -> Answer:
    """Refuse a key from now on."""
    chosen = await _chosen(visit)
    await operations.revoke(visit.store, visit.actor, chosen.id)
    said = f"The key {chosen.hint} of {chosen.vendor} is revoked: every server refuses it from now on."
    return Redirect(visit.to("keys"), said=said)


_HERE = "/{firm}/keys"
ROUTES = (
    Route("GET", _HERE, keys, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/add", add, UserRole.ADMINISTRATOR),
    Route("GET", f"{_HERE}/{{key_id}}", key, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{key_id}}", change, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{key_id}}/roll", roll, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{key_id}}/revoke", revoke, UserRole.ADMINISTRATOR),
)
