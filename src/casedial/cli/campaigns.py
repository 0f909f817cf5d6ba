"""casedial campaign: set, limit, retry, pause, resume, list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    count,
    me,
    run,
    show_json,
    show_table,
    show_timeout,
    span,
    timeout,
    typed,
)
from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.firms import Firm
from casedial.domain.limits import Limit, own_limit, show_span
from casedial.domain.rules import Override, Purpose
from casedial.domain.spans import read_calls
from casedial.domain.statuses import Status, StatusType
from casedial.domain.weeks import DAYS, read_week, show_week
from casedial.service.campaigns import FIRMS_OWN, CampaignChange
from casedial.service.operations import campaigns as operations
from casedial.service.operations import firms

app = typer.Typer(help="The settings of one campaign.", no_args_is_help=True)

_FIRMS_WORD, _RULES_WORD = "firm", "rules"
_NO_RULES = "No calling rules apply: due cases are given out at any hour."

Name = Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)]
PurposeOption = Annotated[
    Purpose | None,
    typer.Option("--purpose", help="The purpose of its calls, which decides the calling rules.", show_default=False),
]
Hours = Annotated[
    str | None,
    typer.Option(
        help="Its own hours, in the called person's time and within those of the rules: "
        "'mon-fri 09:00-18:00, sat 10:00-14:00'; rules: only those of the rules.",
        show_default=False,
    ),
]
Wider = Annotated[bool, typer.Option("--wider", help="These hours replace those of the rules.")]
Reason = Annotated[str, typer.Option(help="Why they may be wider; this is recorded.", show_default=False)]
Abroad = Annotated[
    bool | None,
    typer.Option(
        "--abroad/--no-abroad",
        help="Whether it calls numbers of other countries, where only its own hours apply, and no calling rules.",
        show_default=False,
    ),
]


def _timeout(text: str) -> int:
    """Read a span, or the word that takes an own timeout back."""
    if text.strip().lower() == _FIRMS_WORD:
        return FIRMS_OWN
    return timeout(text)


def _own_hours(text: str, wider: bool, reason: str) -> list[Override]:
    return [] if text.strip().lower() == _RULES_WORD else [Override(read_week(text), wider, reason.strip())]


def _row(firm: Firm, campaign: Status) -> Row:
    decided = firm.campaign(campaign.id)
    return {
        "name": campaign.name,
        "claim_timeout": firm.claim_timeout_of(campaign),
        "own": decided.claim_timeout is not None,
        "purpose": decided.purpose.value,
        "paused": decided.paused,
        "abroad": decided.abroad,
        "hours": [_hours_row(own) for own in decided.hours],
        "limits": [limit_row(own) for own in decided.limits],
        "retries": [
            {"disposition": name, "after": int(retry.after.total_seconds()), "at_most": retry.at_most}
            for name, retry in _retries(firm, decided)
        ],
        "retired": campaign.retired,
    }


def _hours_row(own: Override) -> Row:
    windows = {day: str(hours) if hours else None for day, hours in zip(DAYS, own.windows, strict=True)}
    return {"wider": own.wider, "reason": own.reason or None, **windows}


def limit_row(own: Limit) -> Row:
    """Return a limit as --json shows it."""
    return {"calls": own.count, "seconds": int(own.span.total_seconds()), "conversations": own.conversations}


def _retries(firm: Firm, decided: Campaign) -> Iterator[tuple[str, Retry]]:
    for status in firm.statuses.of(StatusType.DISPOSITION):
        if retry := decided.retries.get(status.id):
            yield status.name, retry


def _told(firm: Firm, campaign: Status) -> dict[str, list[str]]:
    """Say in words what a firm decided for a campaign: its hours, limits and retries."""
    decided = firm.campaign(campaign.id)
    return {
        "hours": [f"{'wider' if own.wider else 'within'}: {show_week(own.windows)}" for own in decided.hours],
        "limits": [str(own) for own in decided.limits],
        "retries": [
            f"{name}: in {show_span(retry.after)}, at most {count(retry.at_most, 'time')}, then Do not Dial"
            for name, retry in _retries(firm, decided)
        ],
    }


def _change(
    name: str, firm: str, change: CampaignChange, database_url: str | None, as_json: bool
) -> tuple[Firm, Status]:
    return run(lambda store: operations.change(store, me(), firm, name, change), database_url, as_json)


@app.command("set")
def set_(
    name: Name,
    firm: FirmName,
    claim_timeout: Annotated[
        int | None,
        typer.Option(
            parser=_timeout,
            metavar="SPAN",
            help="When an unanswered claim runs out, such as 2h or 7200 (seconds); 0: never; firm: the firm's own "
            "time.",
            show_default=False,
        ),
    ] = None,
    purpose: PurposeOption = None,
    hours: Hours = None,
    wider: Wider = False,
    reason: Reason = "",
    abroad: Abroad = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change the settings of one campaign. Takes effect with the next claim."""
    with typed():
        own = None if hours is None else _own_hours(hours, wider, reason)
    if own is None and (wider or reason):
        raise typer.BadParameter("--wider and --reason go with --hours")
    if claim_timeout is None and purpose is None and own is None and abroad is None:
        raise typer.BadParameter("say what to set: --claim-timeout, --purpose, --hours or --abroad")
    change = CampaignChange(claim_timeout, purpose, None, own, abroad=abroad)
    changed, campaign = _change(name, firm, change, database_url, as_json)
    row = _row(changed, campaign)
    if as_json:
        show_json(row)
        return
    typer.echo(f"{campaign.name}: {show_timeout(row['claim_timeout'])}; purpose {row['purpose']}.")
    if row["purpose"] == Purpose.NONE:
        typer.echo(_NO_RULES)
    else:
        typer.echo("\n".join(_told(changed, campaign)["hours"]) or "The hours of the rules.")
        typer.echo("Numbers abroad are also called." if row["abroad"] else "Numbers abroad are not called.")


@app.command()
def limit(
    name: Name,
    firm: FirmName,
    calls: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CALLS/SPAN",
            help="At most this many calls to a case, and to a number, in a time, such as 3/24h; may repeat.",
            show_default=False,
        ),
    ] = None,
    rest: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="No call for this long after a conversation, such as 7d; 0: only what the rules say.",
            show_default=False,
        ),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Only the limits of the rules.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Limit how often somebody may be called, in addition to the rules. Applies if the campaign has a purpose."""
    if off == (bool(calls) or rest is not None):
        raise typer.BadParameter("give --calls, --rest or both; or --off")
    with typed():
        limits = [] if off else [own_limit(*read_calls(text)) for text in calls] if calls else None
    change = CampaignChange(limits=limits, rest=timedelta(0) if off else rest)
    changed, campaign = _change(name, firm, change, database_url, as_json)
    row = _row(changed, campaign)
    if as_json:
        show_json(row)
        return
    limits_told = _told(changed, campaign)["limits"]
    typer.echo("\n".join(limits_told) or f"{campaign.name}: only the limits of the rules apply.")
    if row["limits"] and row["purpose"] == Purpose.NONE:
        typer.echo("They apply once the campaign has a purpose: casedial campaign set --purpose.")


@app.command()
def retry(
    name: Name,
    firm: FirmName,
    disposition: Annotated[str, typer.Option(help="The disposition that a dialer reports.", show_default=False)],
    after: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="Try again after this time, such as 4h (s, m, h, d or w).",
            show_default=False,
        ),
    ] = None,
    at_most: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How often to try again; then Do not Dial.", show_default=False)
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Leave it to the dialer again what comes after this disposition.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say when to try again after a disposition that comes without a Status and without NextCall."""
    if off == (after is not None or at_most is not None) or (not off and (after is None or at_most is None)):
        raise typer.BadParameter("give --after and --at-most, or --off")
    wanted = Retry(after, at_most) if after is not None and at_most is not None else None
    changed, campaign = _change(name, firm, CampaignChange(retries={disposition: wanted}), database_url, as_json)
    if as_json:
        show_json(_row(changed, campaign))
    else:
        typer.echo(
            "\n".join(_told(changed, campaign)["retries"]) or f"{campaign.name}: the dialer decides what comes next."
        )


@app.command()
def pause(name: Name, firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Give out no cases of a campaign until it is resumed. Cases that are already claimed are not affected."""
    _set_paused(True, name, firm, database_url, as_json)


@app.command()
def resume(name: Name, firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Give out its cases again."""
    _set_paused(False, name, firm, database_url, as_json)


def _set_paused(paused: bool, name: str, firm: str, database_url: str | None, as_json: bool) -> None:
    changed, campaign = _change(name, firm, CampaignChange(paused=paused), database_url, as_json)
    if as_json:
        show_json(_row(changed, campaign))
    else:
        typer.echo(f"{campaign.name} is paused." if paused else f"{campaign.name} runs.")


@app.command("list")
def list_(firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List a firm's campaigns and their settings."""
    opened = run(lambda store: firms.show(store, me(), firm), database_url, as_json)
    every = opened.statuses.of(StatusType.CAMPAIGN)
    if as_json:
        show_json([_row(opened, campaign) for campaign in every])
        return
    rows = [
        {
            **_row(opened, campaign),
            "claim_timeout": timedelta(seconds=opened.claim_timeout_of(campaign)),
            **_told(opened, campaign),
        }
        for campaign in every
    ]
    table = [["; ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
    columns = ("name", "claim timeout", "own", "purpose", "paused", "abroad", "hours", "limits", "retries", "retired")
    show_table(columns, table)
