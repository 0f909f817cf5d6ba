"""One case: whether it may be called now, why not, when; its phones, its events, its notes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from casedial.console import forms
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.cases import query_of, search_of
from casedial.console.change_forms import campaigns_to_set, settings_of
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.calling import Listing
from casedial.domain.cases import Case
from casedial.domain.changes import Outcome
from casedial.domain.dialing import MAX_NOTE_BYTES
from casedial.domain.errors import CaseNotFound, InvalidSetting
from casedial.domain.phone_changes import PhoneEdit, with_changed, with_phone, without_phone
from casedial.domain.phones import key_of, listed_numbers
from casedial.domain.timeline import read_place, written_place
from casedial.domain.users import UserRole
from casedial.service.operations import case as operations
from casedial.service.operations import cases, do_not_call, searching
from casedial.service.operations.case import Look
from casedial.service.operations.searching import Neighbours
from casedial.wire.calling import because

_DONE = "list"  # the query of the list from which one came


def _from(visit: Visit) -> str:
    """Return the query of the list from which one came, as it is in addresses."""
    sent = visit.form.text(_DONE) or visit.query.text(_DONE)
    return query_of(forms.query(sent.encode("ascii", "ignore")))


async def _shown(visit: Visit, errors: FormErrors | None = None) -> Page:
    case_id, came_from = visit.number("case_id"), _from(visit)
    how = (visit.store, visit.actor, visit.firm.name)
    place = read_place(visit.query.text("events"))
    try:
        look = await operations.look(*how, case_id, visit.now, place)
    except CaseNotFound as gone:
        back = f"{visit.to('cases')}?{came_from}" if came_from else visit.to("cases")
        detail = f"{gone.detail} Somebody may have deleted it meanwhile."
        told = {"title": f"Case {case_id} is not there", "detail": detail, "back": back, "label": "Back to the cases"}
        return Page("error.html", told, status=404)
    beside = Neighbours(None, None)
    if came_from:
        fields = forms.query(came_from.encode())
        beside = await searching.neighbours(*how, search_of(fields, visit.now), case_id)
    more = look.timeline.more
    values = {
        "look": look,
        "case": look.case,
        "list": came_from,
        "beside": beside,
        "phones": _phones(look),
        "older": visit.here(events=written_place(more)) if more else "",
        "newest": visit.here(events=None) if place else "",
        "into": [("", "as it is"), *campaigns_to_set(look.firm)],
        "listed": look.do_not_call.cases.get(case_id),
    }
    return Page("case.html", values, errors or FormErrors())


def _phones(look: Look) -> list[dict[str, object]]:
    """Return the phones in their order, each with what holds it and how it is named in forms."""
    verdicts = {found.phone.number: found for found in look.verdict.phones}
    found = []
    for place, phone in enumerate(look.case.each_phone()):
        verdict = verdicts.get(phone.number)
        key = key_of(phone.number)
        found.append(
            {
                "phone": phone,
                "place": place,
                "may": verdict.callable if verdict else False,
                "because": because(look.firm, verdict) if verdict else ["a fax is never dialed"],
                "next_at": verdict.next_at if verdict and not verdict.callable else None,
                "where": str(verdict.place) if verdict and verdict.hours else "",
                "listed": bool(key and key in look.do_not_call.numbers),
                "can_list": key is not None,
            }
        )
    return found


async def case(visit: Visit) -> Answer:
    """Show a case."""
    return await _shown(visit)


def _back(visit: Visit, said: str) -> Redirect:
    return Redirect(visit.to("cases", visit.number("case_id"), list=_from(visit)), said=said)


async def set_(visit: Visit) -> Answer:
    """Change its Dialer Status, campaign or priority."""
    errors = FormErrors()
    wanted = settings_of(visit, errors)
    if wanted is not None:
        with errors.at(""):
            how = (visit.store, visit.actor, visit.firm.name, visit.number("case_id"))
            outcome = await operations.change(*how, wanted.read)
            return _back(visit, "Changed." if outcome is Outcome.CHANGED else "It is as you want it already.")
    return await _shown(visit, errors)


async def add_note(visit: Visit) -> Answer:
    """Add a note."""
    errors, text = FormErrors(), visit.form.text("note")
    if not text:
        errors.add("note", "Write something.")
    elif len(text.encode()) > MAX_NOTE_BYTES:
        errors.add("note", f"A note has at most {MAX_NOTE_BYTES // 1024} KiB.")
    with errors.at("note"):
        if not errors:
            await cases.add_note(visit.store, visit.actor, visit.firm.name, visit.number("case_id"), text)
            return _back(visit, "The note is added.")
    return await _shown(visit, errors)


def _edit(visit: Visit) -> PhoneEdit:
    form = visit.form
    return PhoneEdit(form.text("number"), form.text("name"), form.has("primary"), form.has("text"))


async def _change_phones(visit: Visit, edit: Callable[[Case], Case], said: str, at: str) -> Answer:
    errors = FormErrors()
    with errors.at(at):
        how = (visit.store, visit.actor, visit.firm.name, visit.number("case_id"))
        await cases.change_phones(*how, edit)
        return _back(visit, said)
    return await _shown(visit, errors)


async def add_phone(visit: Visit) -> Answer:
    """Add a phone."""
    return await _change_phones(visit, lambda case: with_phone(case, _edit(visit)), "The phone is added.", "number")


async def change_phone(visit: Visit) -> Answer:
    """Change a phone, or take it away."""
    which, edit = visit.form.text("which"), _edit(visit)
    if visit.form.text("do") == "remove":
        return await _change_phones(visit, lambda case: without_phone(case, which), "The phone is removed.", "")
    return await _change_phones(visit, lambda case: with_changed(case, which, edit), "The phone is changed.", "")


async def list_(visit: Visit) -> Answer:
    """Put a number, or the case, on the do-not-call list, or take it off."""
    case_id, which = visit.number("case_id"), visit.form.text("which")
    how = (visit.store, visit.actor, visit.firm.name)
    errors, numbers = FormErrors(), list[str]()
    with errors.at(""):
        if which:
            numbers = listed_numbers(which)
        if visit.form.text("do") == "remove":
            await do_not_call.remove(*how, numbers, [] if which else [case_id])
            return _back(visit, "Taken off the do-not-call list. Its Dialer Status stays as it is.")
        today, source = visit.now.astimezone(visit.firm.zone).date(), visit.form.text("source")
        await do_not_call.add(*how, _listings(today, source, numbers, case_id))
        return _back(visit, "On the do-not-call list: no dialer is given it any more.")
    return await _shown(visit, errors)


def _listings(today: date, source: str, numbers: list[str], case_id: int) -> list[Listing]:
    if len(source) > 200:
        raise InvalidSetting("A reason has at most 200 characters.")
    if numbers:
        return [Listing(today, source, number=number) for number in numbers]
    return [Listing(today, source, case_id=case_id)]


ROUTES = (
    Route("GET", "/{firm}/cases/{case_id}", case, UserRole.VIEWER),
    Route("POST", "/{firm}/cases/{case_id}/set", set_, UserRole.MANAGER),
    Route("POST", "/{firm}/cases/{case_id}/notes", add_note, UserRole.MANAGER),
    Route("POST", "/{firm}/cases/{case_id}/phones", add_phone, UserRole.MANAGER),
    Route("POST", "/{firm}/cases/{case_id}/phone", change_phone, UserRole.MANAGER),
    Route("POST", "/{firm}/cases/{case_id}/do-not-call", list_, UserRole.MANAGER),
)
