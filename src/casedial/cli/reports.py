"""casedial reports: refused."""

from __future__ import annotations

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, me, run, show_json, show_moment, show_table
from casedial.service import refused as service
from casedial.service.operations import refused
from casedial.wire.values import instant

app = typer.Typer(help="What dialers reported.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep a single command from standing for the group."""


@app.command("refused")
def refused_(firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the last hundred refused reports, latest first. The people concerned may be called again."""
    opened, kept = run(lambda store: refused.last(store, me(), firm), database_url, as_json)
    rows = [
        {
            "at": instant(row.at) if as_json else show_moment(row.at, opened.zone),
            "key": row.key_id,
            "vendor": row.vendor,
            "case_id": row.refusal.case_id,
            "code": row.refusal.code,
            "field": row.refusal.field or None,
            "value": row.refusal.value or None,
            "why": service.why(row.refusal),
        }
        for row in kept
    ]
    if as_json:
        show_json(rows)
    elif rows:
        columns = (f"time ({opened.time_zone})", "key", "vendor", "CaseID", "code", "field", "value", "why")
        show_table(columns, [list(row.values()) for row in rows])
    else:
        typer.echo(f"No report to {opened.name} was refused recently.")
