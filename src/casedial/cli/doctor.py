"""casedial doctor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, Row, day, fail, me, show_json, show_table
from casedial.database.engine import Store
from casedial.domain.errors import CasedialError, InvalidSetting
from casedial.service.operations.doctor import examine
from casedial.service.operations.findings import Finding, Level
from casedial.service.operations.known import Judged, Known, acknowledge, judge
from casedial.settings import settings_from


def doctor(
    acknowledged: Annotated[
        str | None,
        typer.Option(
            "--acknowledge",
            metavar="WARNING",
            help="Do not count this warning: give the letters and digits shown with it, or its check. Needs "
            "--reason and --until.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why the warning is accepted.", show_default=False)] = None,
    until: Annotated[
        date | None,
        typer.Option(parser=day, metavar="DATE", help="The last day (UTC) on which to ignore it.", show_default=False),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check the database and say what to do. Exits 0 when all is well, 1 on warnings, 2 on failures."""
    if any((acknowledged, reason, until)) and not all((acknowledged, reason, until)):
        raise typer.BadParameter("--acknowledge, --reason and --until go together")
    known = Known(until, reason) if until and reason else None
    try:
        found = asyncio.run(_examine(database_url, acknowledged, known))
    except CasedialError as error:
        fail(error, as_json)
    worst = max(one.level for one in found)
    if as_json:
        show_json({"level": worst.name.lower(), "findings": [_row(one) for one in found]})
    else:
        _show(found)
    raise typer.Exit(int(worst))


async def _examine(database_url: str | None, which: str | None, known: Known | None) -> list[Judged]:
    """Look the database over; note as known first what is to be. Raises InvalidSetting and StorageUnavailable."""
    try:
        store = Store(settings_from(database_url=database_url).database_url)
    except InvalidSetting as error:
        advice = "Give --database-url or CASEDIAL_DATABASE_URL."
        return [Judged(Finding("database", Level.FAILURE, error.detail, advice))]
    try:
        found = await judge(store, me(), await examine(store, me()))
        if which and known:
            await acknowledge(store, me(), found, which, known)
            found = await judge(store, me(), [one.finding for one in found])
        return found
    finally:
        await store.close()


def _level(one: Judged) -> str:
    return "acknowledged" if one.known else one.level.name.lower()


def _row(one: Judged) -> Row:
    finding = one.finding
    row: Row = {"check": finding.check, "level": _level(one), "found": finding.found, "advice": finding.advice}
    if finding.level is Level.WARNING:
        row["id"] = one.mark
    return {**row, "until": str(one.known.until), "reason": one.known.reason} if one.known else row


def _show(found: Sequence[Judged]) -> None:
    show_table(("", "check", "found"), [(_level(one), one.finding.check, one.finding.found) for one in found])
    for one in found:
        finding = one.finding
        named = f"{finding.check} ({one.mark})" if finding.level is Level.WARNING else finding.check
        if one.known:
            typer.echo(f"\n{named}: acknowledged until {one.known.until}: {one.known.reason}")
        elif finding.level is not Level.OK:
            typer.echo(f"\n{named}: {finding.advice}")
