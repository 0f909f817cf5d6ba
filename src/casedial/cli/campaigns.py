"""casedial campaign: set, list."""

from __future__ import annotations

from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, Row, run, show_json, show_table, show_timeout
from casedial.domain.cases import Firm, StatusType
from casedial.service import campaigns as service
from casedial.service.firms import open_firm
from casedial.storage.engine import Store

app = typer.Typer(help="What a firm decided for one campaign.", no_args_is_help=True)

_FIRMS_OWN = "firm"


def _timeout(text: str) -> int | str:
    """Read seconds, or the word that takes an own timeout back."""
    if text.strip().lower() == _FIRMS_OWN:
        return _FIRMS_OWN
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"seconds (0: never), or {_FIRMS_OWN!r} for the firm's own") from None


def _rows(firm: Firm) -> list[Row]:
    return [
        {
            "name": campaign.name,
            "claim_timeout": firm.claim_timeout_of(campaign),
            "own": campaign.id in firm.campaign_timeouts,
            "retired": campaign.retired,
        }
        for campaign in firm.statuses.of(StatusType.CAMPAIGN)
    ]


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    firm: FirmName,
    claim_timeout: Annotated[
        str,
        typer.Option(
            parser=_timeout,
            metavar="SECONDS",
            help="Seconds after which an unanswered claim runs out; 0: never; firm: as the firm's own.",
            show_default=False,
        ),
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Decide for one campaign what differs from the firm. Takes effect with the next claim."""
    seconds = int(claim_timeout) if claim_timeout != _FIRMS_OWN else None

    async def work(store: Store) -> Firm:
        async with store.write() as tx:
            return await service.set_campaign(tx, await open_firm(tx, firm, lock=True), name, seconds)

    changed = run(work, database_url, as_json)
    campaign = changed.statuses.named(StatusType.CAMPAIGN, name)
    if as_json:
        show_json(next(row for row in _rows(changed) if row["name"] == campaign.name))
    else:
        typer.echo(f"{campaign.name}: claims run out {show_timeout(changed.claim_timeout_of(campaign))}.")


@app.command("list")
def list_(firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List a firm's campaigns and what counts for each."""

    async def work(store: Store) -> Firm:
        async with store.read() as tx:
            return await open_firm(tx, firm)

    rows = _rows(run(work, database_url, as_json))
    if as_json:
        show_json(rows)
    else:
        show_table(("name", "claim timeout", "own", "retired"), [list(row.values()) for row in rows])
