"""casedial rules: list, ban, lift; casedial explain and casedial preflight."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from casedial.cli.campaigns import limit_row
from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    ShowTime,
    count,
    day,
    me,
    moment,
    run,
    show_json,
    show_moment,
    show_table,
    show_utc,
    snake,
)
from casedial.cli.overrides import FEDERAL_WORD, Id, Reason, Source, override_row, place_row
from casedial.cli.overrides import register as register_overrides
from casedial.domain.calling import PhoneVerdict
from casedial.domain.firms import Firm
from casedial.domain.limits import of_rules, show_span
from casedial.domain.rules import Ban, Row, RuleBook
from casedial.domain.spots import words
from casedial.domain.weeks import brief_week, show_week
from casedial.rules import overridden
from casedial.service.operations import calling
from casedial.service.operations import rules as operations
from casedial.service.operations.rules import ALL_STATES
from casedial.wire.calling import explain_reply, preflight_reply
from casedial.wire.values import MAX_CASE_ID, instant

app = typer.Typer(help="Calling rules: bans on states, overrides, and the places of ZIP codes.", no_args_is_help=True)
register_overrides(app)

_HOURS = ("state", "purposes", "hours", "clock", "no calls on holidays")
_COLUMNS = (*_HOURS, "how often", "source", "checked", "confidence")


@app.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the rules now in force: those that ship with casedial, and the decisions of operators."""
    found = run(lambda store: operations.in_force(store, me(), datetime.now(UTC)), database_url, as_json)
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
        show_table(
            ("ban", "state", "until", "reason", "source"),
            [list(_ban_row(ban_id, ban, show_utc).values()) for ban_id, ban in found.bans.items()],
        )
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
    per = row.attempts.per if row.attempts else None
    return {
        "state": row.state or FEDERAL_WORD,
        "purposes": sorted(row.purposes),
        "hours": show_week(row.windows) if row.windows else None,
        "zone": row.zone,
        "holidays": row.bans_holidays,
        "limits": [{**limit_row(limit), "per": None if limit.conversations else per} for limit in of_rules([row])],
        "source": row.source,
        "checked": str(row.checked),
        "confidence": row.confidence,
        "note": row.note,
    }


def _cells(row: Row) -> list[object]:
    return [
        row.state or FEDERAL_WORD,
        ", ".join(sorted(row.purposes)),
        brief_week(row.windows) if row.windows else "",
        row.zone,
        row.bans_holidays,
        _how_often(row),
        row.source,
        row.checked,
        row.confidence,
    ]


def _how_often(row: Row) -> str:
    limits = []
    if row.attempts:
        span = show_span(timedelta(hours=row.attempts.hours))
        limits.append(f"{row.attempts.count} in {span} per {row.attempts.per}")
    if row.rest:
        limits.append(f"none within {show_span(timedelta(hours=row.rest))} after a conversation")
    return "; ".join(limits)


def _ban_row(ban_id: int, ban: Ban, time: ShowTime = instant) -> dict[str, object]:
    state = ban.state or ALL_STATES
    return {
        "id": ban_id,
        "state": state,
        "until": time(ban.until),
        "reason": ban.reason,
        "source": ban.source,
    }


def _read_until(text: str) -> date | datetime:
    return moment(text, ZoneInfo("UTC"), "--until") if ":" in text else day(text)


@app.command()
def ban(
    state: Annotated[str, typer.Argument(help="Two letters, or all.", show_default=False)],
    until: Annotated[
        Any,
        typer.Option(
            parser=_read_until,
            metavar="TIME",
            help="The last day, such as 2026-12-01, until it ends in that state; or a time in UTC.",
            show_default=False,
        ),
    ],
    reason: Reason,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ban calls to a state until a time, on every server at once. Campaigns without a purpose are not affected."""
    now = datetime.now(UTC)
    ban_id, made = run(
        lambda store: operations.ban(store, me(), state, until, reason, source, now), database_url, as_json
    )
    if as_json:
        show_json(_ban_row(ban_id, made))
    else:
        typer.echo(f"Ban {ban_id}: no calls to {made.state or 'any state'} until {show_utc(made.until)}.")


@app.command()
def lift(ban_id: Id, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End a ban early."""
    run(lambda store: operations.lift(store, me(), ban_id, datetime.now(UTC)), database_url, as_json)
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
    """Say whether a case may be called now, with every check in order, and when next."""
    now = datetime.now(UTC)
    found = run(lambda store: calling.explain(store, me(), firm, case_id, now), database_url, as_json)
    opened, verdict = found.firm, found.verdict
    if as_json:
        show_json(snake(explain_reply(opened, found.case, verdict, found.standing, now)))
        return
    typer.echo(f"Case {case_id} {'may be called now' if verdict.callable else 'may not be called now'}.")
    if words_of_it := found.standing.words(opened):
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
        typer.echo(
            f"Next callable at {opened.local(next_at)}." if next_at else "It is not known when it may be called."
        )


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
    """Count the due cases by what holds them back now, and by the hour when they may be called."""
    now = datetime.now(UTC)
    opened, found = run(lambda store: calling.preflight(store, me(), firm, campaign, now), database_url, as_json)
    if as_json:
        counted = preflight_reply(found.due, found.callable, found.without_rules, found.held_back, found.by_hour, now)
        held_back = {reason.replace(" ", "_"): number for reason, number in found.held_back.items()}
        show_json({**snake(counted), "held_back": held_back})
        return
    held = "; ".join(f"{number} {_HELD[reason]}" for reason, number in found.held_back.items() if number)
    typer.echo(f"{count(found.due, 'case')} due; {found.callable} callable now{'; ' + held if held else ''}.")
    if found.without_rules:
        typer.echo(
            f"Warning: {found.without_rules} of the callable cases are in campaigns without a purpose (or in "
            "none): no calling rules apply to them, at any hour."
        )
    if found.by_hour:
        rows = [(show_moment(hour, opened.zone), number) for hour, number in found.by_hour.items()]
        show_table((f"from ({opened.time_zone})", "become callable"), rows)


_HELD = {
    "paused": "in a paused campaign",
    "no phone": "without a phone that can be dialed",
    "abroad": "only with numbers abroad, which the campaign does not call",
    "do not call": "on the do-not-call list",
    "in use": "with a number in another open claim",
    "how often": "called often enough for now",
    "hours": "outside their calling hours",
}
