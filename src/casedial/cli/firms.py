"""casedial firm: add, set, rename, delete, list."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    MayMake,
    Row,
    count,
    err,
    fail,
    refuse_unreadable,
    run,
    show_json,
    show_table,
    show_timeout,
)
from casedial.domain.cases import Firm, fold
from casedial.domain.errors import InvalidSetting
from casedial.service import calling
from casedial.service import firms as service
from casedial.service.removal import Removed, count_firm, remove_firm
from casedial.storage import firms, schema
from casedial.storage.engine import Store, Transaction

app = typer.Typer(help="Law firms.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The firm's name.", show_default=False)]
TimeZone = Annotated[str, typer.Option(help="The firm's IANA time zone, such as America/New_York.", show_default=False)]
DefaultRecords = Annotated[int, typer.Option(help="Cases a caller gets who sends no Records.")]


def _row(firm: Firm) -> Row:
    return {
        "id": firm.id,
        "name": firm.name,
        "time_zone": firm.time_zone,
        "default_records": firm.default_records,
        "claim_timeout": firm.claim_timeout,
        "retention_days": firm.retention_days,
        "min_gap": firm.min_gap,
    }


def _kept(firm: Firm) -> str:
    return f"what is over is kept {count(firm.retention_days, 'day')}" if firm.retention_days else "all is kept"


@app.command()
def add(
    name: Name,
    time_zone: TimeZone,
    default_records: DefaultRecords = service.DEFAULT_RECORDS,
    yes: MayMake = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a firm, with the specification's typical statuses."""

    async def work(tx: Transaction) -> Firm:
        return await service.add_firm(tx, name, time_zone, datetime.now(UTC), default_records)

    firm = run(lambda store: store.transact(work), database_url, as_json, partial(schema.make, yes=yes))
    if as_json:
        show_json(_row(firm))
    else:
        typer.echo(f"Added {firm.name}. Next: casedial key add --firm {name!r} --vendor NAME")


@app.command("set")
def set_(
    name: Name,
    time_zone: Annotated[str | None, typer.Option(help="Another IANA time zone.", show_default=False)] = None,
    default_records: Annotated[int | None, typer.Option(help="Cases a caller gets who sends no Records.")] = None,
    claim_timeout: Annotated[
        int | None,
        typer.Option(help="Seconds after which an unanswered claim runs out; 0: never.", show_default=False),
    ] = None,
    retention_days: Annotated[
        int | None,
        typer.Option(min=0, max=36500, help="Days that casedial purge keeps what is over; 0: for ever."),
    ] = None,
    min_gap: Annotated[
        int | None,
        typer.Option(
            help="Seconds between two calls of one number, whatever the case; counts where calling rules do. 0: none.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a firm's settings; what is not named stays. Takes effect with the next request.

    A new claim timeout counts for claims made from then on.
    """

    async def on_firm(tx: Transaction) -> Firm:
        firm = await service.open_firm(tx, name, lock=True)
        return await service.set_firm(tx, firm, time_zone, default_records, claim_timeout, retention_days, min_gap)

    async def work(store: Store) -> Firm:
        firm = await store.transact(on_firm)
        if min_gap is not None:
            await calling.look_again(store, firm.id)
        return firm

    firm = run(work, database_url, as_json)
    if as_json:
        show_json(_row(firm))
    else:
        typer.echo(
            f"{firm.name}: {firm.time_zone}, {firm.default_records} records by default, claims run out "
            f"{show_timeout(firm.claim_timeout)}, {_kept(firm)}, {count(firm.min_gap, 'second')} between two calls of "
            "one number."
        )


@app.command()
def rename(
    old: Annotated[str, typer.Argument(help="The firm's name until now.", show_default=False)],
    new: Annotated[str, typer.Argument(help="Its name from now on.", show_default=False)],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Rename a firm. Its keys, cases and all else stay; takes effect with the next request."""

    async def work(tx: Transaction) -> Firm:
        return await service.rename_firm(tx, await service.open_firm(tx, old, lock=True), new)

    firm = run(lambda store: store.transact(work), database_url, as_json)
    if as_json:
        show_json(_row(firm))
    else:
        typer.echo(f"The firm is named {firm.name} from now on.")


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", help="The firm's name once more; by default it is asked for.", show_default=False),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete a firm with its cases, keys, statuses, notes and history: it cannot be brought back.

    Its keys are refused first, by every server at once. Should it be stopped half-way, give the command again.
    """
    found = run(lambda store: count_firm(store, name), database_url, as_json)
    if yes:
        if confirm is None:
            confirm = typer.prompt(
                f"{_what(found)} cannot be brought back. Type the firm's name to delete it", err=True
            )
        if fold(confirm) != fold(found.firm.name):
            fail(InvalidSetting(f"Nothing was deleted: {confirm!r} is not the name {found.firm.name!r}."), as_json)
        found = run(lambda store: remove_firm(store, name), database_url, as_json)
    if as_json:
        show_json({"done": yes, "name": found.firm.name, "rows": found.rows, "wiped": found.wiped})
    elif not yes:
        typer.echo(f"This would delete {_what(found)}. Nothing was changed; add --yes to do it.")
    else:
        typer.echo(f"Deleted {_what(found)}.")
    if found.wiped is False:
        err.print(
            "Traces may be left on the disk, for somebody reads the database: VACUUM in the database removes them.",
            soft_wrap=True,
        )
        raise typer.Exit(1)


def _what(found: Removed) -> str:
    rows = found.rows
    kept = f"{count(rows['notes'], 'note')}, {count(rows['claims'], 'claim')}"
    return (
        f"{found.firm.name}: {count(rows['cases'], 'case')}, {kept}, {count(rows['status_history'], 'row')} of history "
        "and all else of it"
    )


@app.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all firms. Exits 1 when some cannot be read."""

    async def work(store: Store) -> tuple[list[Row], list[int]]:
        async with store.read() as tx:
            found, unreadable = await firms.every(tx)
            return [{**_row(firm), "cases": count} for firm, count in found], unreadable

    rows, unreadable = run(work, database_url, as_json)
    if as_json:
        show_json(rows)
    else:
        columns = (
            "id",
            "name",
            "time zone",
            "default records",
            "claim timeout",
            "retention days",
            "minimum gap",
            "cases",
        )
        show_table(columns, [list(row.values()) for row in rows])
    refuse_unreadable(unreadable, "firm")
