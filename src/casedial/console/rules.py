"""Calling rules: what is in force, and what operators decide: bans, overrides, where ZIP codes are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, time
from typing import TypeAlias

from casedial.console import editing
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.campaign_forms import read_week_fields
from casedial.console.editing import DO, EDIT, SAVE
from casedial.console.forms import Fields, FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import InvalidSetting, PathNotFound
from casedial.domain.overrides import RowOverride, read_attempts, whole_hours
from casedial.domain.places import STATES, Placed
from casedial.domain.rules import FEDERAL, Ban, Purpose, Row
from casedial.domain.spans import read_span
from casedial.domain.users import UserRole
from casedial.domain.weeks import DAYS, brief_week
from casedial.rules import overridden
from casedial.service.operations import rehearsals
from casedial.service.operations import rules as operations
from casedial.service.operations.rehearsals import RulesChange

FEDERAL_WORD = "federal"
_PURPOSES = tuple((one.value, one.value) for one in Purpose if one is not Purpose.NONE)
_COUNTS = "It counts from the next claim on, on every server, for every firm and all campaigns with a purpose."

Save: TypeAlias = Callable[[], Awaitable[str]]  # does it, and returns what to say


async def _shown(visit: Visit, errors: FormErrors | None = None, opened: str = "") -> Page:
    """Show the rules; ``opened`` is the form that is sent back."""
    found = await operations.in_force(visit.store, visit.actor, visit.now)
    book, state = overridden(found.overrides), visit.query.text("state").upper()
    may = visit.may(UserRole.ADMINISTRATOR)
    values = {
        "version": book.version,
        "rows": [(row, _how_often(row)) for row in book.rows if row.state in (FEDERAL, state)],
        "state": state if state in STATES else "",
        "states": [("", "Federal only"), *((one, one) for one in sorted(STATES))],
        "found": found,
        "purposes": _PURPOSES,
        "days": {f"{day}-{end}": visit.form.text(f"{day}-{end}") for day in DAYS for end in ("from", "to")},
        "opened": opened,
        "may": may and await operations.may_decide(visit.store, visit.actor),
        "is_administrator": may,
    }
    return Page("rules.html", values, errors or FormErrors())


def _how_often(row: Row) -> str:
    return "; ".join(_limits(row))


def _limits(row: Row) -> Iterator[str]:
    if row.attempts:
        yield f"{row.attempts.count} in {row.attempts.hours} h per {row.attempts.per}"
    if row.rest:
        yield f"none within {row.rest} h after a conversation"


async def rules(visit: Visit) -> Answer:
    """Show the rules in force, and what was decided about them."""
    return await _shown(visit)


async def _decide(
    visit: Visit, errors: FormErrors, opened: str, told: list[tuple[str, str, str]], change: RulesChange, save: Save
) -> Answer:
    """Tell what a decision does, and make it where it was looked over."""
    if visit.form.text(DO) == EDIT:
        return await _shown(visit, errors, opened)
    if visit.form.text(DO) == SAVE:
        with errors.at(""):
            return Redirect(visit.to("setup", "rules"), said=await save())
        return await _shown(visit, errors, opened)
    effect = await rehearsals.of_rules(visit.store, visit.actor, visit.firm.name, change, visit.now)
    notes = [_COUNTS, f"Of other firms nothing is counted here: the figures are those of {visit.firm.name}."]
    back = visit.to("setup", "rules") if opened == "end" else None
    return editing.review(visit, told[0][0], told[1:], effect, notes, button="Do it", back=back)


async def ban(visit: Visit) -> Answer:
    """Let nobody call a state until a time."""
    form, errors = visit.form, FormErrors()
    state, wanted = "", None
    until: date | datetime = date.max
    with errors.at("state"):
        state = operations.state_of(form.text("state"))
    with errors.at("until"):
        until = _until(form)
    if not form.text("reason"):
        errors.add("reason", "Give a reason; it is recorded and shown.")
    if not errors:
        with errors.at("until"):
            wanted = operations.read_ban(state or "all", until, form.text("reason"), form.text("source"), visit.now)
    if wanted is None:
        return await _shown(visit, errors, "ban")
    told = [
        (f"Ban calls to {_where(wanted)}?", "", ""),
        ("Calls to " + _where(wanted), "by the rules", f"none until {wanted.until:%Y-%m-%d %H:%M} UTC"),
    ]
    return await _decide(visit, errors, "ban", told, rehearsals.with_ban(wanted), lambda: _save_ban(visit, wanted))


def _where(ban: Ban) -> str:
    return ban.state or "all states"


def _until(form: Fields) -> date | datetime:
    """Read the last day of a ban, or the instant at which it ends. Raises InvalidSetting."""
    try:
        day = date.fromisoformat(form.text("until"))
        at = form.text("at")
        return datetime.combine(day, time.fromisoformat(at), UTC) if at else day
    except (ValueError, OverflowError):
        raise InvalidSetting("Give the last day, such as 2026-12-01.") from None


async def _save_ban(visit: Visit, wanted: Ban) -> str:
    _, made = await operations.ban(
        visit.store, visit.actor, wanted.state or "all", wanted.until, wanted.reason, wanted.source, visit.now
    )
    return f"Nobody calls {_where(made)} until {made.until:%Y-%m-%d %H:%M} UTC."


async def override(visit: Visit) -> Answer:
    """Replace parts of one row of the rules."""
    form, errors = visit.form, FormErrors()
    wanted = _read_override(visit, errors)
    if errors or wanted is None:
        return await _shown(visit, errors, "override")
    found = await operations.in_force(visit.store, visit.actor, visit.now)
    old = next((one for one in found.overrides if (one.state, one.purpose) == (wanted.state, wanted.purpose)), None)
    row = f"{wanted.state or FEDERAL_WORD}, {wanted.purpose}"
    told = [(f"Override {row}?", "", ""), *_override_told(wanted)]
    if old:
        told.append(("In place of", f"override {old.id}: {old.reason}", "ended"))
    over = str(old.id) if old else ""
    if form.text(DO) == SAVE and form.text("over") != over:  # not the one that was looked over
        visit.form = Fields([pair for pair in form.pairs if pair[0] != DO])
    visit.form.pairs = [*((name, text) for name, text in visit.form.pairs if name != "over"), ("over", over)]

    async def save() -> str:
        made = await operations.override(visit.store, visit.actor, wanted, form.text("where"), visit.now)
        return f"Override {made.id} of {row} counts from now on."

    return await _decide(visit, errors, "override", told, rehearsals.with_override(wanted), save)


def _read_override(visit: Visit, errors: FormErrors) -> RowOverride | None:
    form, state = visit.form, FEDERAL
    with errors.at("row"):
        state = operations.state_of(form.text("row"), FEDERAL_WORD)
    purpose = next((one for one in Purpose if one.value == form.text("purpose")), None)
    if purpose is None:
        errors.add("purpose", "Choose a purpose.")
        return None
    week = {f"{day}-{end}": form.text(f"{day}-{end}") for day in DAYS for end in ("from", "to")}
    windows = read_week_fields(week, errors) if form.text("week") == "own" else None
    attempts = rest = None
    with errors.at("calls"):
        attempts = read_attempts(form.text("calls"), purpose) if form.text("calls") else None
    with errors.at("rest"):
        rest = whole_hours(read_span(form.text("rest"))) if form.text("rest") else None
    if not form.text("why"):
        errors.add("why", "Give a reason; it is recorded, and explanations show it.")
    if errors:
        return None
    holidays = {"yes": True, "no": False}.get(form.text("holidays"))
    with errors.at("week"):
        today = visit.now.date()
        return RowOverride(state, purpose, form.text("why"), today, windows, holidays, attempts, rest)
    return None


def _override_told(wanted: RowOverride) -> Iterator[tuple[str, str, str]]:
    shipped = "as casedial ships it"
    if wanted.windows is not None:
        yield "Hours", shipped, brief_week(wanted.windows)
    if wanted.bans_holidays is not None:
        yield "Calls on holidays", shipped, "forbidden" if wanted.bans_holidays else "allowed"
    if wanted.attempts is not None:
        count, hours = wanted.attempts.count, wanted.attempts.hours
        yield "Limit", shipped, f"{count} in {hours} h" if count else "none"
    if wanted.rest is not None:
        yield "Rest after a conversation", shipped, f"{wanted.rest} h" if wanted.rest else "none"


async def place(visit: Visit) -> Answer:
    """Say where a ZIP code is."""
    form, errors = visit.form, FormErrors()
    wanted: Placed | None = None
    if not form.text("because"):
        errors.add("because", "Give a reason; it is recorded and shown.")
    with errors.at("zip"):
        states, zones = (form.text(name).replace(",", " ").split() for name in ("states", "zones"))
        wanted = operations.read_place(form.text("zip"), states, zones, form.text("because") or "-")
    if errors or wanted is None:
        return await _shown(visit, errors, "place")
    where = f"{', '.join(sorted(wanted.place.states))}, {', '.join(sorted(wanted.place.zones))}"
    told = [(f"Place ZIP code {wanted.zip_code}?", "", ""), (wanted.zip_code, "as the table says", where)]
    chosen = wanted

    async def save() -> str:
        made = await operations.place(visit.store, visit.actor, chosen, form.text("told_by"), visit.now)
        return f"ZIP code {made.zip_code} is in {where} from now on."

    return await _decide(visit, errors, "place", told, rehearsals.with_place(wanted), save)


async def end(visit: Visit) -> Answer:
    """End a ban early, or an override of a row or of a ZIP code."""
    number, is_ban = visit.form.number("id"), visit.form.text("kind") == "ban"
    found = await operations.in_force(visit.store, visit.actor, visit.now)
    known = {**{one.id: one.reason for one in found.overrides}, **{one.id: one.place.placed for one in found.placed}}
    known = {id_: one.reason for id_, one in found.bans.items()} if is_ban else known
    if number is None or number not in known:
        raise PathNotFound("It is not in force any more: somebody has ended it, or its time has passed.")
    what = f"ban {number}" if is_ban else f"override {number}"
    told = [(f"End {what}?", "", ""), (what.capitalize(), f"in force: {known[number]}", "ended")]
    change = rehearsals.without(ban_id=number) if is_ban else rehearsals.without(override_id=number)

    async def save() -> str:
        ends = operations.lift if is_ban else operations.restore
        await ends(visit.store, visit.actor, number, visit.now)
        return f"{what.capitalize()} has ended."

    return await _decide(visit, FormErrors(), "end", told, change, save)


_HERE = "/{firm}/setup/rules"
ROUTES = (
    Route("GET", _HERE, rules, UserRole.VIEWER),
    Route("POST", f"{_HERE}/ban", ban, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/override", override, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/place", place, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/end", end, UserRole.ADMINISTRATOR),
)
