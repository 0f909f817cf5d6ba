"""Cases: find them, filter, choose some or all that match, and begin a change of many; searches with a name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from casedial.console import forms
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.change_forms import TASKS, asked_of, begin, campaigns_to_set
from casedial.console.forms import Fields, FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.cases import PRIORITIES
from casedial.domain.dialing import CaseFilter
from casedial.domain.searching import Order, Place, Search, View
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.operations import searching, views

_PAGE = 50
_MOST_CHOSEN = 1000
# The filters of a list: the name in the address, and what a chip says before its value.
_FILTERS = {
    "q": "",
    "status": "status",
    "campaign": "campaign",
    "disposition": "disposition",
    "attempts": "attempts",
    "group": "group",
    "priority": "priority",
    "vendor": "held by",
    "due": "due",
    "held": "held back",
    "answered": "answered",
    "listed": "on the do-not-call list",
}
_FLAGS = ("due", "held", "answered", "listed")
ORDERS = (("case", "CaseID"), ("newest", "CaseID, the highest first"), ("dialing", "as they are dialed"))


def search_of(fields: Fields, now: datetime) -> Search:
    """Return what the query of an address looks for."""
    priority = fields.number("priority")
    which = CaseFilter(
        dialer_status=fields.text("status") or None,
        campaign=fields.text("campaign") or None,
        disposition=fields.text("disposition") or None,
        attempts=fields.text("attempts") or None,
        case_group=fields.text("group") or None,
        priority=priority if priority in PRIORITIES else None,
        held_by=fields.text("vendor") or None,
        due_at=now if fields.text("due") else None,
        held_back=bool(fields.text("held")),
        answered=bool(fields.text("answered")),
        do_not_call=bool(fields.text("listed")),
    )
    order = Order.CASE
    with suppress(ValueError):
        order = Order(fields.text("order"))
    return Search(fields.text("q")[:255], which, order)


def query_of(fields: Fields, **changed: str | None) -> str:
    """Return the query of an address that lists the same, but for what is changed; None takes one off."""
    kept = [(name, fields.text(name)) for name in (*_FILTERS, "order") if name not in changed]
    pairs = [*kept, *((name, value or "") for name, value in changed.items())]
    return urlencode([(name, value) for name, value in pairs if value])


def _written(place: Place) -> str:
    return ",".join(map(str, place))


def place_in(text: str) -> Place | None:
    """Read a place of a list, of whatever order; None for one that makes no sense, which begins anew."""
    parts = text.split(",")
    with suppress(ValueError):
        if len(parts) == 3:
            datetime.fromisoformat(parts[1])
            return int(parts[0]), parts[1], int(parts[2])
        return (parts[0], int(parts[1])) if len(parts) == 2 else (int(text),)
    return None


@dataclass(frozen=True, slots=True)
class _Chip:
    told: str
    without: str


def _chips(visit: Visit, fields: Fields) -> list[_Chip]:
    """Return the filters that are on, each with the address without it."""
    found = []
    for name, word in _FILTERS.items():
        value = fields.text(name)
        if value:
            told = word if name in _FLAGS else f"{word} {value}".strip()
            found.append(_Chip(told, f"{visit.to('cases')}?{query_of(fields, **{name: None})}"))
    return found


def _options(visit: Visit, kind: StatusType) -> list[tuple[str, str]]:
    every = [("", "any")]
    return every + [
        (one.name, f"{one.name} (retired)" if one.retired else one.name) for one in visit.firm.statuses.of(kind)
    ]


async def _listed(visit: Visit, fields: Fields, errors: FormErrors | None = None) -> Page:
    errors = errors or FormErrors()
    search, result = search_of(fields, visit.now), None
    after = place_in(fields.text("after"))
    with errors.at(""):
        result = await searching.find(visit.store, visit.actor, visit.firm.name, search, after, _PAGE)
    own: list[View] = await views.every(visit.store, visit.actor, visit.firm.name)
    here = f"{visit.to('cases')}?{query_of(fields)}"
    goes_on = result.more if result else None
    values = {
        "fields": fields,
        "result": result,
        "rows": result.rows if result else [],
        "chips": _chips(visit, fields),
        "query": query_of(fields),
        "is_first": after is None,
        "next": f"{here}&{urlencode({'after': _written(goes_on)})}" if goes_on else "",
        "is_short": goes_on is not None and len(result.rows if result else ()) < _PAGE,
        "views": own,
        "orders": ORDERS,
        "statuses": _options(visit, StatusType.DIALER),
        "campaigns": _options(visit, StatusType.CAMPAIGN),
        "dispositions": _options(visit, StatusType.DISPOSITION),
        "attempts": _options(visit, StatusType.ATTEMPTS),
        "priorities": [("", "any"), *((str(one), str(one)) for one in PRIORITIES)],
        "tasks": TASKS,
        "into": [("", "as they are"), *campaigns_to_set(visit.firm)],
    }
    return Page("cases.html", values, errors)


async def cases(visit: Visit) -> Answer:
    """List cases."""
    return await _listed(visit, visit.query)


def _chosen(visit: Visit) -> Sequence[int]:
    texts = visit.form.texts("case")
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < 19]


async def change(visit: Visit) -> Answer:
    """Begin a change of the cases that were chosen, or of all that match; the next page shows what it would do."""
    fields, errors = forms.query(visit.form.text("list").encode("ascii", "ignore")), FormErrors()
    asked = asked_of(visit, errors)
    chosen, every = sorted(set(_chosen(visit))), visit.form.text("which") == "all"
    if not every and not chosen:
        errors.add("which", "Choose cases by the boxes in front of them, or all that match.")
    if len(chosen) > _MOST_CHOSEN:
        errors.add("which", f"Choose at most {_MOST_CHOSEN:,} cases, or all that match.")
    if errors or asked is None:
        return await _listed(visit, fields, errors)
    search = search_of(fields, visit.now)
    with errors.at(""):
        if every:
            which = await searching.meant(visit.store, visit.actor, visit.firm.name, search)
        else:
            which = CaseFilter(case_ids=tuple(chosen))
        change_id = await begin(visit, which, asked)
        return Redirect(visit.to("changes", change_id))
    return await _listed(visit, fields, errors)


async def save_view(visit: Visit) -> Answer:
    """Keep the search under a name."""
    fields, errors = forms.query(visit.form.text("list").encode("ascii", "ignore")), FormErrors()
    query = query_of(fields)
    with errors.at("view"):
        await views.save(visit.store, visit.actor, visit.firm.name, visit.form.text("view"), query)
    if errors:
        return await _listed(visit, fields, errors)
    return Redirect(f"{visit.to('cases')}?{query}", said="The view is saved.")


async def remove_view(visit: Visit) -> Answer:
    """Remove a view."""
    await views.remove(visit.store, visit.actor, visit.firm.name, visit.form.number("id") or 0)
    return Redirect(visit.to("cases"), said="The view is removed.")


ROUTES = (
    Route("GET", "/{firm}/cases", cases, UserRole.VIEWER),
    Route("POST", "/{firm}/cases/change", change, UserRole.MANAGER),
    Route("POST", "/{firm}/cases/views", save_view, UserRole.VIEWER),
    Route("POST", "/{firm}/cases/views/remove", remove_view, UserRole.VIEWER),
)
