"""casedial firm: add, set, rename, delete, list."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    MayMake,
    Row,
    count,
    days,
    err,
    fail,
    me,
    refuse_unreadable,
    run,
    seconds,
    show_json,
    show_table,
    show_timeout,
    timeout,
    typed,
)
from casedial.database import schema
from casedial.domain.errors import InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.limits import show_span
from casedial.domain.names import fold
from casedial.domain.retention import LONGEST
from casedial.service.firms import DEFAULT_RECORDS, FirmChange, checked_gap
from casedial.service.operations import firms as operations
from casedial.service.operations.removal import Removed, count_firm, remove_firm

app = typer.Typer(help="Law firms.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The firm's name.", show_default=False)]
TimeZone = Annotated[str, typer.Option(help="The firm's IANA time zone, such as America/New_York.", show_default=False)]
DefaultRecords = Annotated[int, typer.Option(help="How many cases a dialer gets if it does not send Records.")]


def _retention(text: str) -> int:
    kept = days(text)
    if kept > LONGEST.days:
        raise typer.BadParameter(f"at most {LONGEST.days} days; or 0")
    return kept


def _gap(text: str) -> int:
    with typed():
        return checked_gap(seconds(text))


def _row(firm: Firm) -> Row:
    return {
        "id": firm.id,
        "name": firm.name,
        "time_zone": firm.time_zone,
        "default_records": firm.default_records,
        "claim_timeout": firm.claim_timeout,
        "retention_days": firm.retention_days,
        "min_gap": firm.min_gap,
        "second_factor": firm.second_factor,
    }


def _kept(firm: Firm) -> str:
    kept = show_span(timedelta(days=firm.retention_days or 0))
    return f"old data is kept for {kept}" if firm.retention_days else "all data is kept"


@app.command()
def add(
    name: Name,
    time_zone: TimeZone,
    default_records: DefaultRecords = DEFAULT_RECORDS,
    yes: MayMake = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a firm, with the usual statuses of the specification."""
    firm = run(
        lambda store: operations.add(store, me(), name, time_zone, default_records),
        database_url,
        as_json,
        partial(schema.make, yes=yes),
    )
    if as_json:
        show_json(_row(firm))
    else:
        typer.echo(f"Added {firm.name}. Next: casedial key add --firm {name!r} --vendor NAME")


@app.command("set")
def set_(
    name: Name,
    time_zone: Annotated[str | None, typer.Option(help="Another IANA time zone.", show_default=False)] = None,
    default_records: Annotated[
        int | None, typer.Option(help="How many cases a dialer gets if it does not send Records.")
    ] = None,
    claim_timeout: Annotated[
        int | None,
        typer.Option(
            parser=timeout,
            metavar="SPAN",
            help="When an unanswered claim runs out, such as 2h or 7200 (seconds); 0: never.",
            show_default=False,
        ),
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(
            parser=_retention,
            metavar="SPAN",
            help="How long casedial purge keeps old data, such as 365 (days), 90d or 12w; 0: forever.",
            show_default=False,
        ),
    ] = None,
    min_gap: Annotated[
        int | None,
        typer.Option(
            parser=_gap,
            metavar="SPAN",
            help="Time between two calls to one number, such as 15m or 900 (seconds), whatever the case; 0: none. "
            "Applies where calling rules do.",
            show_default=False,
        ),
    ] = None,
    second_factor: Annotated[
        bool | None,
        typer.Option(
            "--second-factor/--no-second-factor",
            help="Whether users of the console need a second factor in this firm.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a firm's settings; what you leave out stays as it is. Takes effect with the next request.

    A new claim timeout counts for claims made from then on.
    """
    wanted = FirmChange(time_zone, default_records, claim_timeout, retention_days, min_gap, second_factor)
    firm = run(lambda store: operations.change(store, me(), name, wanted), database_url, as_json)
    if as_json:
        show_json(_row(firm))
    else:
        typer.echo(
            f"{firm.name}: {firm.time_zone}, {firm.default_records} records by default, "
            f"{show_timeout(firm.claim_timeout)}, {_kept(firm)}, "
            f"{show_span(timedelta(seconds=firm.min_gap))} between two calls to one number."
        )


@app.command()
def rename(
    old: Annotated[str, typer.Argument(help="The firm's current name.", show_default=False)],
    new: Annotated[str, typer.Argument(help="The new name.", show_default=False)],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Rename a firm. Its keys, cases and everything else stay. Takes effect with the next request."""
    firm = run(lambda store: operations.rename(store, me(), old, new), database_url, as_json)
    if as_json:
        show_json(_row(firm))
    else:
        typer.echo(f"The firm is now named {firm.name}.")


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be deleted.")] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", help="The firm's name again; without this you are asked for it.", show_default=False),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete a firm with its cases, keys, statuses, notes and history: it cannot be brought back.

    Its keys are refused first, by every server at once. Should it be stopped half-way, give the command again.
    """
    found = run(lambda store: count_firm(store, me(), name), database_url, as_json)
    if yes:
        if confirm is None:
            confirm = typer.prompt(
                f"{_what(found)}. This cannot be undone. Type the firm's name to delete it", err=True
            )
        if fold(confirm) != fold(found.firm.name):
            fail(InvalidSetting(f"Nothing was deleted: {confirm!r} is not the name {found.firm.name!r}."), as_json)
        found = run(lambda store: remove_firm(store, me(), name), database_url, as_json)
    if as_json:
        show_json({"done": yes, "name": found.firm.name, "rows": found.rows, "wiped": found.wiped})
    elif not yes:
        typer.echo(f"This would delete {_what(found)}. Nothing was changed; add --yes to do it.")
    else:
        typer.echo(f"Deleted {_what(found)}.")
    if found.wiped is False:
        err.print(
            "Traces may be left on the disk, because somebody is reading the database: VACUUM in the database removes "
            "them.",
            soft_wrap=True,
        )
        raise typer.Exit(1)


def _what(found: Removed) -> str:
    rows = found.rows
    kept = f"{count(rows['notes'], 'note')}, {count(rows['claims'], 'claim')}"
    return (
        f"{found.firm.name}: {count(rows['cases'], 'case')}, {kept}, {count(rows['status_history'], 'row')} of history "
        "and everything else the firm has"
    )


def _as_span(name: str, cell: Any) -> object:
    """Return a cell of a firm's row as a table shows it."""
    unit = {"claim_timeout": "seconds", "min_gap": "seconds", "retention_days": "days"}.get(name)
    return timedelta(**{unit: cell}) if unit and cell is not None else cell


@app.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all firms. Exits with 1 if some cannot be read."""
    found = run(lambda store: operations.every(store, me()), database_url, as_json)
    rows = [{**_row(firm), "cases": number} for firm, number in found.firms]
    if as_json:
        show_json(rows)
    else:
        names = ("id", "name", "time zone", "default records", "claim timeout", "kept for", "minimum gap")
        show_table((*names, "second factor", "cases"), [[_as_span(*cell) for cell in row.items()] for row in rows])
    refuse_unreadable(found.unreadable, "firm")
