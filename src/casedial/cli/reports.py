"""casedial reports: refused."""

from __future__ import annotations

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, run, show_json, show_moment, show_table
from casedial.domain.cases import Firm
from casedial.domain.refused import KeptRefusal
from casedial.service import refused as service
from casedial.service.firms import open_firm
from casedial.storage import refused
from casedial.storage.engine import Store

app = typer.Typer(help="What dialers reported.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep a single command from standing for the group."""


@app.command("refused")
def refused_(firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the last hundred reports that were refused, the latest first: for each the phone may ring again."""

    async def work(store: Store) -> tuple[Firm, list[KeptRefusal]]:
        async with store.read() as tx:
            opened = await open_firm(tx, firm)
            return opened, await refused.last(tx, opened.id)

    opened, kept = run(work, database_url, as_json)
    rows = [
        {
            "time": show_moment(row.at, opened.zone),
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
        typer.echo(f"No report to {opened.name} was refused lately.")
