"""casedial rules: list, ban, lift; casedial explain and casedial preflight."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from casedial.cli.campaigns import show_week
from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    count,
    run,
    show_json,
    show_moment,
    show_table,
)
from casedial.cli.overrides import FEDERAL_WORD, Id, Reason, Source, override_row, place_row
from casedial.cli.overrides import register as register_overrides
from casedial.domain.calling import PhoneVerdict, Verdict, words
from casedial.domain.cases import Case, Firm, StatusType
from casedial.domain.errors import CaseNotFound, InvalidSetting
from casedial.domain.hours import Week
from casedial.domain.limits import show_span
from casedial.domain.rules import Ban, Row, RuleBook
from casedial.domain.standing import Standing
from casedial.rules import DAYS, overridden
from casedial.service import calling
from casedial.service import rules as service
from casedial.service.calling import Preflight
from casedial.service.firms import open_firm
from casedial.service.rules import ALL_STATES
from casedial.service.standing import standings
from casedial.storage import cases
from casedial.storage.engine import Store
from casedial.storage.rules import InForce
from casedial.wire.calling import explain_reply, preflight_reply
from casedial.wire.values import MAX_CASE_ID, local_time, show_instant

app = typer.Typer(help="Calling rules: bans of states, overrides of rows, where ZIP codes are.", no_args_is_help=True)
register_overrides(app)

_HOURS = ("state", "purposes", "hours", "clock", "no calls on holidays")
_COLUMNS = (*_HOURS, "how often", "source", "checked", "confidence")


@app.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the rules as they count now: those that casedial ships, and what was decided by an operator."""
    found: InForce = run(lambda store: service.in_force(store, datetime.now(UTC)), database_url, as_json)
    book = overridden(found.overrides)
    bans = [_ban_row(ban_id, ban) for ban_id, ban in found.bans.items()]
    places = [place_row(placed) for placed in found.placed]
    if as_json:
        overrides = [override_row(change) for change in found.overrides]
        rows = [_row(row) for row in book.rows]
        show_json({"version": book.version, "rows": rows, "bans": bans, "overrides": overrides, "places": places})
        return
    show_table(_COLUMNS, [_cells(row) for row in book.rows], f"Rules of {book.version}")
    _show_notes(book)
    if bans:
        show_table(("ban", "state", "until", "reason", "source"), [list(row.values()) for row in bans])
    if places:
        cells = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in places]
        show_table(("override", "ZIP code", "states", "zones", "reason", "source"), cells)


def _show_notes(book: RuleBook) -> None:
    typer.echo("")
    for row in book.rows:
        if row.note:
            typer.echo(f"{row.state or FEDERAL_WORD} {', '.join(sorted(row.purposes))}: {row.note}")
    typer.echo("")


def _row(row: Row) -> dict[str, Any]:
    per = row.attempts
    return {
        "state": row.state or FEDERAL_WORD,
        "purposes": sorted(row.purposes),
        "hours": show_week(row.windows) if row.windows else None,
        "zone": row.zone,
        "holidays": row.bans_holidays,
        "attempts": {"count": per.count, "hours": per.hours, "per": per.per} if per else None,
        "rest_hours": row.rest,
        "source": row.source,
        "checked": str(row.checked),
        "confidence": row.confidence,
        "note": row.note,
    }


def _cells(row: Row) -> list[object]:
    return [
        row.state or FEDERAL_WORD,
        ", ".join(sorted(row.purposes)),
        _brief_week(row.windows) if row.windows else "",
        row.zone,
        row.bans_holidays,
        _how_often(row),
        row.source,
        row.checked,
        row.confidence,
    ]


def _brief_week(windows: Week) -> str:
    """Show hours, days that have the same together: mon-sat 08:00-20:00, sun none."""
    parts = []
    for hours, days in groupby(zip(windows, DAYS, strict=True), key=lambda day: day[0]):
        named = [day for _, day in days]
        parts.append(f"{'-'.join(dict.fromkeys((named[0], named[-1])))} {hours or 'none'}")
    return ", ".join(parts)


def _how_often(row: Row) -> str:
    limits = []
    if row.attempts:
        span = show_span(timedelta(hours=row.attempts.hours))
        limits.append(f"{row.attempts.count} in {span} per {row.attempts.per}")
    if row.rest:
        limits.append(f"none within {show_span(timedelta(hours=row.rest))} after a conversation")
    return "; ".join(limits)


def _ban_row(ban_id: int, ban: Ban) -> dict[str, object]:
    state = ban.state or ALL_STATES
    return {
        "id": ban_id,
        "state": state,
        "until": show_instant(ban.until),
        "reason": ban.reason,
        "source": ban.source,
    }


@app.command()
def ban(
    state: Annotated[str, typer.Argument(help="Two letters, or all.", show_default=False)],
    until: Annotated[
        str,
        typer.Option(help="The last day, such as 2026-12-01, to its end there; or a time in UTC.", show_default=False),
    ],
    reason: Reason,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let nobody call a state until a time, on every server at once. Campaigns without a purpose have no rules."""

    async def work(store: Store) -> tuple[int, Ban]:
        return await service.ban(store, state, _read_until(until), reason, source, datetime.now(UTC))

    ban_id, made = run(work, database_url, as_json)
    if as_json:
        show_json(_ban_row(ban_id, made))
    else:
        typer.echo(f"Ban {ban_id}: no calls to {made.state or 'any state'} until {show_instant(made.until)}.")


def _read_until(text: str) -> date | datetime:
    try:
        if len(text) == len("2026-12-01"):
            return date.fromisoformat(text)
        return local_time(text, ZoneInfo("UTC"))
    except ValueError as error:
        raise InvalidSetting(f"--until: {error}. Give a day such as 2026-12-01, or a time in UTC.") from None


@app.command()
def lift(ban_id: Id, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End a ban before its time."""
    run(lambda store: service.lift(store, ban_id, datetime.now(UTC)), database_url, as_json)
    if as_json:
        show_json({"id": ban_id, "lifted": True})
    else:
        typer.echo(f"Ban {ban_id} is lifted.")


def explain(
    case_id: Annotated[
        int, typer.Argument(metavar="CASEID", min=1, max=MAX_CASE_ID, help="The case.", show_default=False)
    ],
    firm: FirmName,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a case may be called now, every check in order, and when it may next."""
    now = datetime.now(UTC)

    async def work(store: Store) -> tuple[Firm, Case, Verdict, Standing]:
        async with store.read() as tx:
            opened = await open_firm(tx, firm)
            case = await cases.fetch(tx, opened, case_id)
            if case is None:
                raise CaseNotFound(f"{opened.name} has no case {case_id}.")
            [standing] = await standings(tx, opened, [case])
            return opened, case, await calling.explain(tx, opened, case, now), standing

    opened, case, verdict, standing = run(work, database_url, as_json)
    if as_json:
        show_json(explain_reply(opened, case, verdict, standing, now))
        return
    typer.echo(f"Case {case_id} {'may be called now' if verdict.callable else 'may not be called now'}.")
    if words_of_it := standing.words(opened):
        typer.echo(words_of_it)
    show_table(
        ("check", "", "found"), [(c.name, "passed" if c.passed else "not passed", c.found) for c in verdict.checks]
    )
    if verdict.rules_apply:
        typer.echo(f"Rules of {verdict.version}, purpose {verdict.purpose}.")
    for phone in verdict.phones:
        _explain_phone(opened, phone)
    if not verdict.callable:
        next_at = verdict.next_at
        typer.echo(f"Next callable at {opened.local(next_at)}." if next_at else "No time is known at which it may.")


def _explain_phone(firm: Firm, found: PhoneVerdict) -> None:
    name = found.phone.name
    if found.not_dialed:
        typer.echo(f"{name}: {found.not_dialed}")
    elif found.listing:
        typer.echo(f"{name}: {found.listing}")
    elif found.used_by is not None:
        typer.echo(f"{name}: its number is in the open claim of case {found.used_by}")
    elif found.deferred:
        typer.echo(f"{name}: {'; '.join(deferral.words(firm.local) for deferral in found.deferred)}")
    elif found.hours:
        typer.echo(f"{name} ({found.place}): {'; '.join(words(found.hours))}")


def preflight(
    firm: FirmName,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Count the due cases by what holds them back now, and by the hour in which they may be called."""
    now = datetime.now(UTC)

    async def work(store: Store) -> tuple[Firm, Preflight]:
        async with store.read() as tx:
            opened = await open_firm(tx, firm)
            named = opened.statuses.named(StatusType.CAMPAIGN, campaign) if campaign else None
            return opened, await calling.preflight(tx, opened, [named.id] if named else None, now)

    opened, found = run(work, database_url, as_json)
    if as_json:
        show_json(preflight_reply(found.due, found.callable, found.without_rules, found.held_back, found.by_hour, now))
        return
    held = "; ".join(f"{number} {_HELD[reason]}" for reason, number in found.held_back.items() if number)
    typer.echo(f"{count(found.due, 'case')} due; {found.callable} callable now{'; ' + held if held else ''}.")
    if found.without_rules:
        typer.echo(
            f"Warning: {found.without_rules} of the callable are in campaigns without a purpose (or in none): no "
            "calling rules are applied to them, at any hour."
        )
    if found.by_hour:
        rows = [(show_moment(hour, opened.zone), number) for hour, number in found.by_hour.items()]
        show_table((f"from ({opened.time_zone})", "become callable"), rows)


_HELD = {
    "paused": "in a paused campaign",
    "no phone": "without a phone that can be dialed",
    "abroad": "with numbers abroad only, which the campaign does not call",
    "do not call": "on the do-not-call list",
    "in use": "with a number in another open claim",
    "how often": "called often enough for now",
    "hours": "outside their calling hours",
}
