"""casedial audit: list, export, verify."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, count, day, err, me, run, show_json, show_table
from casedial.cli.output import Output, is_standard, opened
from casedial.database.engine import Store
from casedial.domain.audit import AuditFilter, KeptEntry
from casedial.service.operations import audit as operations
from casedial.service.operations.audit import Entries, Verified
from casedial.wire.audit import AUDIT_COLUMNS, audit_cells, audit_row
from casedial.wire.sheets import Form, form_of
from casedial.wire.writing import written

app = typer.Typer(help="The audit: who changed what, and whether that record was tampered with.", no_args_is_help=True)

Firm = Annotated[
    str | None,
    typer.Option("--firm", metavar="NAME", help="Only what concerns this firm; by default all.", show_default=False),
]
Since = Annotated[
    date | None,
    typer.Option(parser=day, metavar="DATE", help="The first day (UTC), such as 2026-05-06.", show_default=False),
]
Until = Annotated[date | None, typer.Option(parser=day, metavar="DATE", help="The last day (UTC).", show_default=False)]
Action = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Only actions that begin so, such as key or campaign.set.", show_default=False),
]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only what this actor did, by its whole name.", show_default=False)
]


def _midnight(wanted: date | None, days: int = 0) -> datetime | None:
    return datetime.combine(wanted + timedelta(days=days), time(), UTC) if wanted else None


def _filter(since: date | None, until: date | None, action: str | None, by: str | None) -> AuditFilter:
    return AuditFilter(None, _midnight(since), _midnight(until, 1), action, by)


@app.command("list")
def list_(
    firm: Firm = None,
    since: Since = None,
    until: Until = None,
    action: Action = None,
    by: By = None,
    after: Annotated[int, typer.Option(min=0, metavar="ID", help="Only entries after this one.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many entries to show at most.")] = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what people changed, oldest first. Times are UTC."""

    async def work(store: Store) -> Entries:
        return await operations.entries(store, me(), firm, _filter(since, until, action, by), after, limit)

    found = run(work, database_url, as_json)
    last = found.entries[-1].id if found.more else None
    if as_json:
        show_json({"entries": [audit_row(kept, found.firms) for kept in found.entries], "after": last})
    elif found.entries:
        shown = AUDIT_COLUMNS[:-1]  # a hash is for verify
        rows = [dict(zip(AUDIT_COLUMNS, audit_cells(kept, found.firms), strict=True)) for kept in found.entries]
        show_table(shown, [[row[name] for name in shown] for row in rows])
        if last:
            err.print(f"There are more: --after {last} shows the next ones; --limit shows more at once.")
    else:
        typer.echo("There are no such entries.")


@app.command("export")
def export(
    firm: Firm = None,
    since: Since = None,
    until: Until = None,
    action: Action = None,
    by: By = None,
    output: Output = None,
    form: Annotated[Form | None, typer.Option("--format", help="By default CSV, or what the file's name says.")] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the audit to a file, with the hashes of its chains."""
    if as_json and is_standard(output):
        raise typer.BadParameter("with --json, entries go to a file: give its name with --output")
    chosen = form or form_of(output or Path("-"))
    wanted = _filter(since, until, action, by)
    shown = audit_row if chosen is Form.JSONL else audit_cells
    with opened(output) as raw, written(raw, chosen, AUDIT_COLUMNS) as rows:

        def write(page: Sequence[KeptEntry], firms: dict[int, str]) -> None:
            rows.add(shown(kept, firms) for kept in page)

        entries = run(lambda store: operations.export(store, me(), firm, wanted, write), database_url, as_json)
    if as_json:
        show_json({"file": str(output), "entries": entries})
    elif not is_standard(output):
        typer.echo(f"Wrote {count(entries, 'entry')} to {output}.")


@app.command()
def verify(firm: Firm = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Check that no entry was altered, removed or moved. Exits with 1 where one was."""
    found = run(lambda store: operations.verify(store, me(), firm), database_url, as_json)
    if as_json:
        show_json([{"firm": one.firm, "entries": one.entries, "broken": one.broken} for one in found])
    else:
        for one in found:
            whose = f"Firm {one.firm}" if one.firm else "What concerns no firm"
            typer.echo(f"{whose}: {_told(one)}")
    if any(one.broken for one in found):
        raise typer.Exit(1)


def _told(found: Verified) -> str:
    if found.broken is None:
        return f"{count(found.entries, 'entry')}, none altered, removed or moved."
    before, behind = found.broken
    if before is None:
        return f"broken at its beginning: entries before {behind or 'the end'} were removed or moved."
    if behind is None:
        return f"broken after entry {before}: it was altered, or entries after it were removed."
    return (
        f"broken between entries {before} and {behind}: {before} was altered, or entries there were removed or moved."
    )
