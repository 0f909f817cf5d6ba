"""The audit: who changed what; and whether that record was tampered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import IO, Any

from casedial.console.answers import Answer, Page
from casedial.console.downloads import FORMS, download
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.audit import AuditFilter, KeptEntry
from casedial.domain.errors import PathNotFound
from casedial.domain.users import UserRole
from casedial.service.operations import audit as operations
from casedial.service.operations.audit import Verified
from casedial.wire.audit import AUDIT_COLUMNS, audit_cells, audit_row
from casedial.wire.dates import written_day
from casedial.wire.sheets import Form
from casedial.wire.writing import written

_LIMIT = 50
_ACTIONS = ("campaign", "case", "do_not_call", "firm", "import", "key", "status", "user")


def _filter(visit: Visit, errors: FormErrors) -> AuditFilter:
    """Return which entries are meant; a day that is none is said at its field."""
    at = {name: _day(visit, name, errors) for name in ("since", "until")}
    until = at["until"] + timedelta(days=1) if at["until"] else None
    return AuditFilter(None, at["since"], until, visit.query.text("action") or None, visit.query.text("by") or None)


def _day(visit: Visit, name: str, errors: FormErrors) -> datetime | None:
    """Return when a day begins where the visitor reads times."""
    text = visit.query.text(name)
    if not text:
        return None
    try:
        return datetime.combine(written_day(text), time(), visit.zone)
    except (ValueError, OverflowError):
        errors.add(name, "This is not a day: write it as 2026-05-06.")
        return None


async def audit(visit: Visit) -> Answer:
    """Show entries, the newest first."""
    return await _shown(visit)


async def _shown(visit: Visit, verified: Verified | None = None) -> Page:
    errors = FormErrors()
    wanted = _filter(visit, errors)
    before = visit.query.number("before")
    found = await operations.newest(visit.store, visit.actor, visit.firm.name, wanted, before, _LIMIT)
    values = {
        "entries": found.entries,
        "next": found.looked if found.more else None,
        "is_short": found.more and len(found.entries) < _LIMIT,
        "actions": [("", "Anything"), *((one, one.replace("_", " ")) for one in _ACTIONS)],
        "facts": _facts,
        "forms": FORMS,
        "verified": verified,
        "broken": _broken(verified) if verified and verified.broken else "",
    }
    return Page("audit.html", values, errors)


def _facts(values: Mapping[str, Any] | None) -> str:
    """Write what was, or is, as people read it."""
    return "; ".join(f"{name.replace('_', ' ')}: {_told(value)}" for name, value in (values or {}).items())[:500]


def _told(value: Any) -> str:
    """Write a value: what is within others in brackets, hours by the clock."""
    match value:
        case _ if value in (None, "", [], {}):
            return "–"
        case bool():
            return "yes" if value else "no"
        case {"opens": int(opens), "closes": int(closes)}:
            return f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"
        case Mapping():
            return "(" + "; ".join(f"{name}: {_told(one)}" for name, one in value.items()) + ")"
        case list():
            return ", ".join(map(_told, value))
        case _:
            return str(value)


def _broken(verified: Verified) -> str:
    before, behind = verified.broken or (None, None)
    if before is None:
        return f"Entries before {behind or 'the end'} were removed or moved."
    if behind is None:
        return f"Entry {before} was altered, or entries after it were removed."
    return f"Entry {before} was altered, or entries between it and {behind} were removed or moved."


async def verify(visit: Visit) -> Answer:
    """Go through the chain of the firm."""
    [found] = await operations.verify(visit.store, visit.actor, visit.firm.name)
    return await _shown(visit, found)


async def file(visit: Visit) -> Answer:
    """Send entries as a file, with the hashes of the chain."""
    form = next((one for one in Form if one == visit.query.text("format", "csv")), None)
    if form is None:
        raise PathNotFound("There is no such file.")
    shown = audit_row if form is Form.JSONL else audit_cells
    wanted = _filter(visit, FormErrors())

    async def write(raw: IO[bytes]) -> None:
        with written(raw, form, AUDIT_COLUMNS) as rows:

            def add(page: Sequence[KeptEntry], firms: dict[int, str]) -> None:
                rows.add(shown(kept, firms) for kept in page)

            await operations.export(visit.store, visit.actor, visit.firm.name, wanted, add)

    day = visit.now.astimezone(visit.zone).date()
    return await download(f"audit-{visit.parameters['firm']}-{day}", form, write)


ROUTES = (
    Route("GET", "/{firm}/audit", audit, UserRole.ADMINISTRATOR),
    Route("GET", "/{firm}/audit/file", file, UserRole.ADMINISTRATOR),
    Route("POST", "/{firm}/audit/verify", verify, UserRole.ADMINISTRATOR),
)
