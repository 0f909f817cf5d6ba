"""casedial rules: list, ban, lift; casedial explain and casedial preflight."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from casedial.cli.campaigns import show_week
from casedial.cli.common import AsJson, DatabaseUrl, FirmName, count, fail, run, show_json, show_moment, show_table
from casedial.domain.calling import PhoneVerdict, Verdict, words
from casedial.domain.cases import Case, Firm, StatusType
from casedial.domain.errors import CaseNotFound, InvalidSetting
from casedial.domain.places import TERRITORIES
from casedial.domain.rules import FEDERAL, Ban
from casedial.rules import load
from casedial.service import calling
from casedial.service.calling import Preflight
from casedial.service.firms import open_firm
from casedial.storage import cases, firms
from casedial.storage import rules as stored
from casedial.storage.engine import Store
from casedial.wire.calling import explain_reply, preflight_reply
from casedial.wire.values import MAX_CASE_ID, local_time, show_instant

app = typer.Typer(help="Calling rules, and bans of states.", no_args_is_help=True)

_ALL_STATES = "all"


def register(root: typer.Typer) -> None:
    """Add explain and preflight to the root."""
    root.command()(explain)
    root.command()(preflight)


@app.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the rules that casedial ships, and the bans in force."""

    async def work(store: Store) -> list[tuple[int, Ban]]:
        async with store.read() as tx:
            return await stored.numbered_bans(tx, datetime.now(UTC))

    book, bans = load(), run(work, database_url, as_json)
    rows = [
        {
            "state": row.state or "federal",
            "purposes": sorted(row.purposes),
            "hours": show_week(row.windows) if row.windows else None,
            "zone": row.zone,
            "holidays": row.bans_holidays,
            "source": row.source,
            "checked": str(row.checked),
            "confidence": row.confidence,
        }
        for row in book.rows
    ]
    if as_json:
        show_json({"version": book.version, "rows": rows, "bans": [_ban_row(*ban) for ban in bans]})
        return
    shown = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
    columns = ("state", "purposes", "hours", "clock", "no calls on holidays", "source", "checked", "confidence")
    show_table(columns, shown, f"Rules of {book.version}")
    if bans:
        show_table(("ban", "state", "until", "reason", "source"), [list(_ban_row(*ban).values()) for ban in bans])


def _ban_row(ban_id: int, ban: Ban) -> dict[str, object]:
    state = ban.state or _ALL_STATES
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
    until: Annotated[str, typer.Option(help="A date or time in UTC, such as 2026-12-01.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; explanations show it.", show_default=False)],
    source: Annotated[str, typer.Option(help="Where it is written.", show_default=False)] = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let nobody call a state until a time, on every server at once. Campaigns without a purpose have no rules."""
    now = datetime.now(UTC)
    try:
        wanted = _read_ban(state, until, reason, source, now)
    except InvalidSetting as error:
        fail(error, as_json)

    async def work(store: Store) -> int:
        async with store.write() as tx:
            return await stored.add_ban(tx, wanted, now)

    ban_id = run(work, database_url, as_json)
    if as_json:
        show_json(_ban_row(ban_id, wanted))
    else:
        typer.echo(f"Ban {ban_id}: no calls to {wanted.state or 'any state'} until {show_instant(wanted.until)}.")


def _read_ban(state: str, until: str, reason: str, source: str, now: datetime) -> Ban:
    named = FEDERAL if state.strip().lower() == _ALL_STATES else state.strip().upper()
    if not state.strip():
        raise InvalidSetting("Name a state by its two letters, or all.")
    if named and named not in load().zones.keys() | TERRITORIES:
        raise InvalidSetting(f"There is no state {state!r}: give two letters, such as LA, or all.")
    try:
        instant = local_time(f"{until}T00:00:00" if len(until) == len("2026-12-01") else until, ZoneInfo("UTC"))
    except ValueError as error:
        raise InvalidSetting(f"--until {error}, or a date.") from None
    if instant <= now:
        raise InvalidSetting("This time has passed: a ban is until a time to come.")
    if not reason.strip():
        raise InvalidSetting("A ban needs a reason.")
    return Ban(named, instant, reason.strip(), source.strip())


@app.command()
def lift(
    ban_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="From rules list.", show_default=False)
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """End a ban before its time."""

    async def work(store: Store) -> bool:
        async with store.write() as tx:
            ended = await stored.lift_ban(tx, ban_id, datetime.now(UTC))
            await firms.change_all(tx)  # whoever holds back by the ban notices
        await calling.look_again(store)  # also when an earlier lift was cut off here
        return ended

    if not run(work, database_url, as_json):
        fail(InvalidSetting(f"No ban {ban_id} is in force; casedial rules list shows those that are."), as_json)
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

    async def work(store: Store) -> tuple[Firm, Case, Verdict]:
        async with store.read() as tx:
            opened = await open_firm(tx, firm)
            case = await cases.fetch(tx, opened, case_id)
            if case is None:
                raise CaseNotFound(f"{opened.name} has no case {case_id}.")
            return opened, case, await calling.explain(tx, opened, case, now)

    opened, case, verdict = run(work, database_url, as_json)
    if as_json:
        show_json(explain_reply(case, verdict, now))
        return
    typer.echo(f"Case {case_id} {'may be called now' if verdict.callable else 'may not be called now'}.")
    show_table(
        ("check", "", "found"), [(c.name, "passed" if c.passed else "not passed", c.found) for c in verdict.checks]
    )
    for phone in verdict.phones:
        _explain_phone(phone)
    if not verdict.callable:
        when = show_moment(verdict.next_at, opened.zone)
        typer.echo(f"Next callable at {when} ({opened.time_zone})." if when else "No time is known at which it may.")


def _explain_phone(found: PhoneVerdict) -> None:
    name = found.phone.name
    if found.not_dialed:
        typer.echo(f"{name}: {found.not_dialed}")
    elif found.listing:
        typer.echo(f"{name}: {found.listing}")
    elif found.used_by is not None:
        typer.echo(f"{name}: its number is in the open claim of case {found.used_by}")
    elif found.deferred:
        typer.echo(f"{name}: {'; '.join(map(str, found.deferred))}")
    elif found.hours:
        places = f"{', '.join(sorted(found.place.states)) or 'unknown place'}"
        typer.echo(f"{name} ({places}): {'; '.join(words(found.hours))}")


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
