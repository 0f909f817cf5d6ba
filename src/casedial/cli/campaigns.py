"""casedial campaign: set, limit, retry, pause, resume, list."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    count,
    fail,
    run,
    show_json,
    show_table,
    show_timeout,
    span,
)
from casedial.domain.campaigns import Retry
from casedial.domain.cases import Firm, Status, StatusType
from casedial.domain.errors import InvalidSetting
from casedial.domain.hours import Week
from casedial.domain.limits import own_limit, show_span
from casedial.domain.rules import Override, Purpose
from casedial.rules import DAYS, week
from casedial.service import calling
from casedial.service import campaigns as service
from casedial.service.campaigns import FIRMS_OWN, CampaignChange
from casedial.service.firms import open_firm
from casedial.storage.engine import Store, Transaction

app = typer.Typer(help="What a firm decided for one campaign.", no_args_is_help=True)

_FIRMS_WORD, _RULES_WORD, _NONE_WORD = "firm", "rules", "none"
_CALLS = re.compile(r"(\d{1,4})\s*/\s*(.+)", re.ASCII)
_DAY = re.compile(r"([a-z-]+)\s+([0-9:-]+|none)")
_NO_RULES = "No calling rules are applied: every due case is given out, at any hour."

Name = Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)]
PurposeOption = Annotated[
    Purpose | None,
    typer.Option("--purpose", help="What it calls for, which decides the calling rules.", show_default=False),
]
Hours = Annotated[
    str | None,
    typer.Option(
        help="Its own hours, in the called person's time, within those of the rules: "
        "'mon-fri 09:00-18:00, sat 10:00-14:00'; rules: those of the rules.",
        show_default=False,
    ),
]
Wider = Annotated[bool, typer.Option("--wider", help="These hours stand in the place of the rules'.")]
Reason = Annotated[str, typer.Option(help="Why they may be wider; it is recorded.", show_default=False)]
Abroad = Annotated[
    bool | None,
    typer.Option(
        "--abroad/--no-abroad",
        help="Whether it calls numbers of other countries, where no calling rules hold but its own hours do.",
        show_default=False,
    ),
]


def _timeout(text: str) -> int:
    """Read seconds, or the word that takes an own timeout back."""
    if text.strip().lower() == _FIRMS_WORD:
        return FIRMS_OWN
    try:
        return max(0, int(text))
    except ValueError:
        raise typer.BadParameter(f"seconds (0: never), or {_FIRMS_WORD!r} for the firm's own") from None


def read_week(text: str) -> Week:
    """Read hours such as ``mon-fri 09:00-18:00, sat 10:00-14:00``; days that are not named have none."""
    hours: dict[str, str | None] = {}
    for part in text.lower().split(","):
        found = _DAY.fullmatch(part.strip())
        first, _, last = (found[1] if found else "").replace("daily", "mon-sun").partition("-")
        if found is None or first not in DAYS or (last or first) not in DAYS[DAYS.index(first) :]:
            raise InvalidSetting(f"{part.strip()!r} are no hours; write them as: mon-fri 09:00-18:00, sat 10:00-14:00.")
        for day in DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]:
            if day in hours:
                raise InvalidSetting(f"There are two hours for {day}.")
            hours[day] = None if found[2] == _NONE_WORD else found[2]
    return week(dict.fromkeys(DAYS) | hours)


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
        "hours": [f"{'wider' if own.wider else 'within'}: {show_week(own.windows)}" for own in decided.hours],
        "limits": [str(own) for own in decided.limits],
        "retries": [
            f"{status.name}: in {show_span(retry.after)}, at most {count(retry.at_most, 'time')}, then Do not Dial"
            for status in firm.statuses.of(StatusType.DISPOSITION)
            if (retry := decided.retries.get(status.id))
        ],
        "retired": campaign.retired,
    }


def read_calls(text: str) -> tuple[int, timedelta]:
    """Read a number of calls in a time, such as ``3/24h``."""
    found = _CALLS.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no limit: write calls and a time, such as 3/24h")
    return int(found[1]), span(found[2])


def show_week(windows: Week) -> str:
    """Show hours day by day."""
    return ", ".join(f"{day} {hours or _NONE_WORD}" for day, hours in zip(DAYS, windows, strict=True))


def _change(
    name: str, firm: str, change: CampaignChange, database_url: str | None, as_json: bool
) -> tuple[Firm, Status]:
    async def on_firm(tx: Transaction) -> tuple[Firm, Status]:
        return await service.set_campaign(tx, await open_firm(tx, firm, lock=True), name, change)

    async def work(store: Store) -> tuple[Firm, Status]:
        changed = await store.transact(on_firm)
        if change.lets_through:
            await calling.look_again(store, changed[0].id, changed[1].id)
        return changed

    return run(work, database_url, as_json)


@app.command("set")
def set_(
    name: Name,
    firm: FirmName,
    claim_timeout: Annotated[
        int | None,
        typer.Option(
            parser=_timeout,
            metavar="SECONDS",
            help="Seconds after which an unanswered claim runs out; 0: never; firm: as the firm's own.",
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
    """Decide for one campaign what differs from the firm. Takes effect with the next claim."""
    try:
        own = None if hours is None else _own_hours(hours, wider, reason)
    except InvalidSetting as error:
        fail(error, as_json)
    if own is None and (wider or reason):
        fail(InvalidSetting("--wider and --reason go with --hours."), as_json)
    if claim_timeout is None and purpose is None and own is None and abroad is None:
        fail(InvalidSetting("Say what to set: --claim-timeout, --purpose, --hours or --abroad."), as_json)
    change = CampaignChange(claim_timeout, purpose, None, own, abroad=abroad)
    changed, campaign = _change(name, firm, change, database_url, as_json)
    row = _row(changed, campaign)
    if as_json:
        show_json(row)
        return
    typer.echo(f"{campaign.name}: claims run out {show_timeout(row['claim_timeout'])}; purpose {row['purpose']}.")
    if row["purpose"] == Purpose.NONE:
        typer.echo(_NO_RULES)
    else:
        typer.echo("\n".join(row["hours"]) or "The hours of the rules.")
        typer.echo("Numbers abroad are called, too." if row["abroad"] else "Numbers abroad are not called.")


@app.command()
def limit(
    name: Name,
    firm: FirmName,
    calls: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CALLS/SPAN",
            help="At most so many calls of a case, and of a number, in a time, such as 3/24h; once for each.",
            show_default=False,
        ),
    ] = None,
    rest: Annotated[
        timedelta | None,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="No call so long after a conversation, such as 7d; 0: as the rules say.",
            show_default=False,
        ),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Only what the rules say.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say how often somebody may be called, besides what the rules say. Counts where the campaign has a purpose."""
    if off == (bool(calls) or rest is not None):
        fail(InvalidSetting("Give --calls, --rest or both; or --off."), as_json)
    limits = [] if off else [own_limit(*read_calls(text)) for text in calls] if calls else None
    change = CampaignChange(limits=limits, rest=timedelta(0) if off else rest)
    changed, campaign = _change(name, firm, change, database_url, as_json)
    row = _row(changed, campaign)
    if as_json:
        show_json(row)
        return
    typer.echo("\n".join(row["limits"]) or f"{campaign.name}: how often is as the rules say.")
    if row["limits"] and row["purpose"] == Purpose.NONE:
        typer.echo("They count once the campaign has a purpose: casedial campaign set --purpose.")


@app.command()
def retry(
    name: Name,
    firm: FirmName,
    disposition: Annotated[str, typer.Option(help="The disposition that a dialer reports.", show_default=False)],
    after: Annotated[
        timedelta | None,
        typer.Option(
            parser=span, metavar="SPAN", help="Try again then, such as 4h (s, m, h or d).", show_default=False
        ),
    ] = None,
    at_most: Annotated[
        int | None, typer.Option(min=1, max=1000, help="So often; then Do not Dial.", show_default=False)
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Leave this disposition to the dialer again.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say when to try again after a disposition that comes without a Status and without NextCall."""
    if off == (after is not None or at_most is not None) or (not off and (after is None or at_most is None)):
        fail(InvalidSetting("Give --after and --at-most, or --off."), as_json)
    wanted = Retry(after, at_most) if after is not None and at_most is not None else None
    changed, campaign = _change(name, firm, CampaignChange(retries={disposition: wanted}), database_url, as_json)
    row = _row(changed, campaign)
    if as_json:
        show_json(row)
    else:
        typer.echo("\n".join(row["retries"]) or f"{campaign.name}: what comes next is the dialer's to say.")


@app.command()
def pause(name: Name, firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Give out none of its cases until it is resumed. What is claimed already goes on."""
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
    """List a firm's campaigns and what counts for each."""

    async def work(store: Store) -> Firm:
        async with store.read() as tx:
            return await open_firm(tx, firm)

    opened = run(work, database_url, as_json)
    rows = [_row(opened, campaign) for campaign in opened.statuses.of(StatusType.CAMPAIGN)]
    if as_json:
        show_json(rows)
        return
    table = [["; ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
    columns = ("name", "claim timeout", "own", "purpose", "paused", "abroad", "hours", "limits", "retries", "retired")
    show_table(columns, table)
