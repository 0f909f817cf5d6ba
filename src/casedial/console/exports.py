"""Exports: cases and what is known of them, as files to keep."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import IO, Any

from casedial.console.answers import Answer, Page
from casedial.console.downloads import FORMS, download
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import PathNotFound
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.cases import EVERY_CASE
from casedial.service.operations import exports as operations
from casedial.wire.exporting import CaseSheets
from casedial.wire.sheets import Form

WHAT = (
    ("cases", "Cases, as an import reads them"),
    ("notes", "Notes"),
    ("calls", "Latest calls"),
    ("history", "History: statuses, times, phones, priorities"),
)
_FILTERS = {
    "campaign": StatusType.CAMPAIGN,
    "dialer_status": StatusType.DIALER,
    "disposition": StatusType.DISPOSITION,
}


async def export(visit: Visit) -> Answer:
    """Ask what is wanted, of which cases, in which form."""
    named = {
        name: [("", "All"), *((one.name, one.name) for one in visit.firm.statuses.of(kind))]
        for name, kind in _FILTERS.items()
    }
    return Page("export.html", {"what": WHAT, "forms": FORMS[:2], "named": named})


async def file(visit: Visit) -> Answer:
    """Send a file."""
    what = visit.query.text("what", "cases")
    form = next((one for one in (Form.CSV, Form.XLSX) if one == visit.query.text("format", "csv")), None)
    if form is None or what not in dict(WHAT):
        raise PathNotFound("There is no such file.")
    asked = {name: visit.query.text(name) or None for name in (*_FILTERS, "case_group")}
    which = replace(EVERY_CASE, **asked)  # type: ignore[arg-type]  # which are all texts
    day = visit.now.astimezone(visit.zone).date()
    return await download(f"{what}-{visit.parameters['firm']}-{day}", form, partial(_write, visit, what, form, which))


async def _write(visit: Visit, what: str, form: Form, which: CaseFilter, raw: IO[bytes]) -> None:
    async with sheets_of(raw, form, what) as sheets:
        await operations.export_noted(visit.store, visit.actor, visit.firm.name, which, sheets, what)


@asynccontextmanager
async def sheets_of(raw: IO[bytes], form: Form, what: str) -> AsyncIterator[CaseSheets]:
    """Open what writes the cases into a file, or only what else there is of them; dialers do not wait for its end."""
    if what == "cases":
        sheets = CaseSheets(raw, form, can_rewind=True)
    else:
        sheets = CaseSheets(_Nowhere(), Form.JSONL, {what: (raw, form)})
    try:
        yield sheets
    finally:
        await asyncio.to_thread(sheets.close)


class _Nowhere(io.BytesIO):
    """Takes the cases where only what else there is of them is wanted."""

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Let go of them."""
        for _ in lines:
            pass


ROUTES = (
    Route("GET", "/{firm}/export", export, UserRole.MANAGER),
    Route("GET", "/{firm}/export/file", file, UserRole.MANAGER),
)
