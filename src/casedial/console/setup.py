"""The set-up: where it leads, and the settings of the firm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from casedial.console import editing
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.editing import DO, EDIT, SAVE, Draft
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import ChangedMeanwhile, InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.limits import show_span
from casedial.domain.retention import LONGEST
from casedial.domain.spans import read_span
from casedial.domain.users import UserRole
from casedial.service.firms import FirmChange, wanted
from casedial.service.operations import firms as operations
from casedial.service.operations import rehearsals

_ZONES = sorted(
    zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
)


async def setup(visit: Visit) -> Answer:
    """Show where the set-up leads."""
    return Page("setup.html")


def _span(seconds: int) -> str:
    return show_span(timedelta(seconds=seconds)) if seconds else "0"


def _fields_of(firm: Firm) -> dict[str, str]:
    return {
        "zone": firm.time_zone,
        "records": str(firm.default_records),
        "timeout": _span(firm.claim_timeout),
        "retention": show_span(timedelta(days=firm.retention_days)) if firm.retention_days else "",
        "gap": _span(firm.min_gap),
        "second_factor": "yes" if firm.second_factor else "",
    }


_NAMES = {
    "zone": ("time_zone", "Time zone"),
    "records": ("default_records", "Cases for a dialer that does not send Records"),
    "timeout": ("claim_timeout", "Claims run out after"),
    "retention": ("retention_days", "Old data is kept for"),
    "gap": ("min_gap", "Gap between two calls of one number"),
    "second_factor": ("second_factor", "Second factor"),
}


def _read(field: str, text: str) -> str | int | bool:
    """Return what a field means. Raises InvalidSetting."""
    if field == "zone":
        return text
    if field == "second_factor":
        return bool(text)
    if field == "records":
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise InvalidSetting("Give a whole number, such as 100.")
        return int(text)
    if field == "retention":
        kept = read_span(text or "0", "d")
        if kept % timedelta(days=1) or kept > LONGEST:
            raise InvalidSetting(f"Give whole days, such as 90d or 12w, at most {LONGEST.days} days; empty: for ever.")
        return kept.days
    return int(read_span(text).total_seconds())


def _meant(before: Mapping[str, str], shown: Mapping[str, str], errors: FormErrors) -> FirmChange:
    """Return what a form wants of a firm: what is as it was is None. What is wrong with a field is said there."""
    values: dict[str, Any] = {}
    for field, (name, _) in _NAMES.items():
        if shown[field] != before[field]:
            with errors.at(field):
                value: Any = _read(field, shown[field])
                wanted(FirmChange(**{name: value}))
                values[name] = value
    return FirmChange(**values)


def _told(shown: Mapping[str, str]) -> dict[str, str]:
    """Say in words what stands in the form."""
    words = {
        "timeout": "never" if shown["timeout"] == "0" else shown["timeout"],
        "retention": shown["retention"] or "for ever",
        "gap": "none" if shown["gap"] == "0" else shown["gap"],
        "second_factor": "demanded of everybody" if shown["second_factor"] else "as each user wants",
    }
    return {label: words.get(field, shown[field]) for field, (_, label) in _NAMES.items()}


def _shown(visit: Visit, draft: Draft, errors: FormErrors | None = None) -> Page:
    zones = _ZONES if visit.firm.time_zone in _ZONES else [visit.firm.time_zone, *_ZONES]
    values = {
        "draft": draft,
        "zones": [(zone, zone) for zone in zones],
        "told": _told(_fields_of(visit.firm)),
        "may": visit.may(UserRole.ADMINISTRATOR),
    }
    return Page("firm.html", values, errors or FormErrors())


async def firm(visit: Visit) -> Answer:
    """Show the settings of the firm."""
    return _shown(visit, editing.opened(_fields_of(visit.firm)))


async def change(visit: Visit) -> Answer:
    """Tell what a change of the firm does, and make it where it was looked over."""
    errors, before = FormErrors(), _fields_of(visit.firm)
    draft = editing.sent(visit, before)
    draft.tell(errors)
    meant = _meant(before, draft.shown, errors)
    if errors or visit.form.text(DO) == EDIT:
        return _shown(visit, draft, errors)
    changes = editing.differences(_told(before), _told(draft.shown))
    if meant == FirmChange():
        return Redirect(visit.path, said="Nothing was changed: the form was as it is stored.")
    if visit.form.text(DO) != SAVE:
        effect = None
        if meant.min_gap is not None or meant.time_zone is not None:
            effect = await rehearsals.of_firm(visit.store, visit.actor, visit.firm.name, meant, visit.now)
        return editing.review(visit, f"Change {visit.firm.name}?", changes, effect, _notes(meant), draft=draft)
    return await _save(visit, meant, [name for name, _, _ in changes])


def _notes(meant: FirmChange) -> list[str]:
    """Say what else a change does."""
    notes = ["It counts from the next request on, on every server."]
    if meant.time_zone is not None:
        notes.append("Dialers read and write times by this zone: tell their vendors before you save.")
    if meant.claim_timeout is not None:
        notes.append("Claims that are open keep the time they were made with.")
    if meant.retention_days:
        notes.append("What is older goes with the next casedial purge, and cannot be brought back.")
    if meant.second_factor:
        notes.append("Users without one, you among them, are asked to set it up before they can go on.")
    return notes


async def _save(visit: Visit, meant: FirmChange, changed: list[str]) -> Answer:
    try:
        await operations.change(visit.store, visit.actor, visit.firm.name, meant, visit.firm)
    except ChangedMeanwhile:  # in this very moment: it is told as what was changed before
        visit.opened = await operations.show(visit.store, visit.actor, visit.firm.name)
        return await change(visit)
    return Redirect(visit.path, said=f"Saved: {', '.join(changed).lower()}.")


async def rename(visit: Visit) -> Answer:
    """Rename the firm."""
    errors, name = FormErrors(), visit.form.text("name")
    with errors.at("name"):
        if visit.form.text("was") != visit.firm.name:
            raise ChangedMeanwhile(f"Somebody else has renamed it to {visit.firm.name}. Nothing was changed.")
        await operations.rename(visit.store, visit.actor, visit.firm.name, name)
        return Redirect(visit.to("setup", "firm"), said=f"The firm is named {name} now. Its address stays.")
    return _shown(visit, editing.opened(_fields_of(visit.firm)), errors)


ROUTES = (
    Route("GET", "/{firm}/setup", setup, UserRole.VIEWER),
    Route("GET", "/{firm}/setup/firm", firm, UserRole.VIEWER),
    Route("POST", "/{firm}/setup/firm", change, UserRole.ADMINISTRATOR),
    Route("POST", "/{firm}/setup/firm/name", rename, UserRole.ADMINISTRATOR),
)
