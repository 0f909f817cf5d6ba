"""casedial report."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, day, me, run, show_json, show_table
from casedial.domain.figures import By
from casedial.service.operations.figures import count_reports


def report(
    firm: FirmName,
    since: Annotated[
        date, typer.Option(parser=day, metavar="DATE", help="The first day, such as 2026-05-06.", show_default=False)
    ],
    until: Annotated[
        date | None,
        typer.Option(parser=day, metavar="DATE", help="The last day; by default today.", show_default=False),
    ] = None,
    by: Annotated[By, typer.Option(help="Count reports by disposition, campaign, vendor or hour.")] = (By.DISPOSITION),
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Count what dialers reported, by disposition, campaign, vendor or hour. Days and hours are the firm's."""
    found = run(lambda store: count_reports(store, me(), firm, since, until), database_url, as_json)
    opened, counts, total = found.firm, found.by(by), asdict(found.total)
    if as_json:
        rows = [{by.value: name, **asdict(count)} for name, count in counts.items()]
        days = {"since": since.isoformat(), "until": found.until.isoformat()}
        show_json({"firm": opened.name, **days, "by": by.value, "rows": rows, "total": total})
        return
    shown = [[name or "(none)", *asdict(count).values()] for name, count in counts.items()]
    title = f"Reports to {opened.name} from {since} to {found.until} ({opened.time_zone})"
    show_table((by.value, *total), [*shown, ["all", *total.values()]], title=title)
