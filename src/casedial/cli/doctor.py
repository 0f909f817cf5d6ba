"""casedial doctor."""

from __future__ import annotations

import asyncio

import typer

from casedial.cli.common import AsJson, DatabaseUrl, show_json, show_table
from casedial.domain.errors import InvalidSetting
from casedial.service.doctor import Finding, Level, examine
from casedial.settings import settings_from
from casedial.storage.engine import Store


def doctor(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Look the database over and say what to do. Exits 0 when all is well, 1 on warnings, 2 on failures."""
    findings = asyncio.run(_examine(database_url))
    worst = max(finding.level for finding in findings)
    if as_json:
        listed = [
            {"check": f.check, "level": f.level.name.lower(), "found": f.found, "advice": f.advice} for f in findings
        ]
        show_json({"level": worst.name.lower(), "findings": listed})
    else:
        show_table(("", "check", "found"), [(f.level.name.lower(), f.check, f.found) for f in findings])
        for finding in findings:
            if finding.level is not Level.OK:
                typer.echo(f"\n{finding.check}: {finding.advice}")
    raise typer.Exit(int(worst))


async def _examine(database_url: str | None) -> list[Finding]:
    try:
        store = Store(settings_from(database_url=database_url).database_url)
    except InvalidSetting as error:
        return [Finding("database", Level.FAILURE, error.detail, "Give --database-url or CASEDIAL_DATABASE_URL.")]
    try:
        return await examine(store)
    finally:
        await store.close()
