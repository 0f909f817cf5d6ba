"""Imports: send a file, match its columns, see every error, import, take back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import IO, Any

from casedial.console.answers import Answer, Fragment, Page, Redirect
from casedial.console.downloads import download
from casedial.console.forms import FormErrors, Upload
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.changes import Outcome
from casedial.domain.errors import PathNotFound
from casedial.domain.import_jobs import Job, JobState, Plan
from casedial.domain.users import UserRole
from casedial.service.operations import import_jobs as operations
from casedial.service.operations.import_jobs import FaultyLine, Shown
from casedial.wire.columns import REJECT_COLUMNS
from casedial.wire.formulas import unguarded
from casedial.wire.sheets import Form
from casedial.wire.uploads import MEANINGS, Reading, checked_meanings, header_key, opened_upload, probable
from casedial.wire.writing import written

_SAMPLES = 3  # cells of a column that are shown
ORDERS = (
    ("", "As the file shows"),
    ("month-first", "Month first: 5/6/2026 is May 6"),
    ("day-first", "Day first: 5/6/2026 is June 5"),
)


async def imports(visit: Visit) -> Answer:
    """Ask for a file; list earlier imports."""
    return await _front(visit, FormErrors())


async def _front(visit: Visit, errors: FormErrors) -> Page:
    listed = await operations.every(visit.store, visit.actor, visit.firm.name, visit.query.number("before"))
    return Page("import.html", {"listed": listed, "states": JobState}, errors)


async def receive(visit: Visit) -> Answer:
    """Take a file in."""
    errors, job_id = FormErrors(), None
    upload = visit.files.get("file")
    if upload is None or not (upload.name or upload.size):
        errors.add("file", "Choose a file.")
    else:
        with errors.at("file"):
            job_id = await _received(visit, upload)
    if job_id is None:
        return await _front(visit, errors)
    return Redirect(visit.to("import", job_id))


async def _received(visit: Visit, upload: Upload) -> int:
    remembered = await operations.meanings(visit.store, visit.actor, visit.firm.name)
    with ExitStack() as stack:
        opening = opened_upload(upload.file, upload.name, remembered, visit.form.text("sheet") or None)
        received = await asyncio.to_thread(stack.enter_context, opening)
        return await operations.receive(visit.store, visit.actor, visit.firm.name, received)


def _after(visit: Visit) -> tuple[int, int]:
    """Return behind which faulty row the page begins: 3.17."""
    piece, _, at = visit.query.text("after").partition(".")
    fits = piece.isdecimal() and at.isdecimal() and len(piece) < 10 and len(at) < 10
    return (int(piece), int(at)) if fits and int(piece) else (0, -1)


async def _shown(visit: Visit) -> Shown:
    job_id = visit.number("job_id")
    found = await operations.show(visit.store, visit.actor, visit.firm.name, job_id, _after(visit))
    if found.job.state is JobState.RECEIVING or (found.job.state < JobState.RUNNING and found.job.is_over(found.clock)):
        raise PathNotFound(
            "There is no such import, or its time is over: a file that is not imported is kept for a day."
        )
    return found


def _values(visit: Visit, found: Shown) -> dict[str, Any]:
    job = found.job
    last = found.faults[-1] if found.faults else None
    return {
        "found": found,
        "job": job,
        "states": JobState,
        "shown_columns": _shown_columns(job),
        "shown_rows": [_shown_row(job, line.cells) for line in found.first],
        "next_faults": f"{last.piece}.{last.at}" if last and found.more_faults else "",
        "left": [(word, found.left_by_undo[why]) for why, word in _LEFT if found.left_by_undo.get(why)],
    }


_LEFT = (
    (Outcome.CHANGED_SINCE, "somebody has done something with them since"),
    (Outcome.IN_THE_DIALER, "they are in the dialer"),
    (Outcome.UNREADABLE, "what is stored of them cannot be read"),
)


def _shown_columns(job: Job) -> list[str]:
    return [name for name in job.plan.meanings if name] if job.form == Form.CSV else ["Row"]


def _shown_row(job: Job, cells: Sequence[str]) -> list[str]:
    """Return those cells of a row that mean something."""
    if job.form != Form.CSV:
        return [" ".join(cells)[:300]]
    every = zip(job.plan.meanings, [*cells, *[""] * (len(job.plan.meanings) - len(cells))], strict=False)
    return [unguarded(cell)[:100] for name, cell in every if name]


async def show(visit: Visit) -> Answer:
    """Show an import: the columns to be matched, what the check found, how far it is, what became of it."""
    found = await _shown(visit)
    if found.job.state is JobState.RECEIVED or (found.job.state is JobState.CHECKED and visit.query.has("columns")):
        return await _matching(visit, found, FormErrors())
    return Page("import_job.html", _values(visit, found))


async def live(visit: Visit) -> Answer:
    """Show it as it is now."""
    return Fragment("import_state.html", partial(_values, visit, await _shown(visit)))


async def _matching(visit: Visit, found: Shown, errors: FormErrors) -> Page:
    job = found.job
    meanings = list(job.plan.meanings)
    if not meanings:
        remembered = await operations.meanings(visit.store, visit.actor, visit.firm.name)
        meanings = probable(job.columns, remembered)
    samples = [
        [unguarded(line.cells[at])[:60] for line in found.first if at < len(line.cells) and line.cells[at].strip()]
        for at in range(len(job.columns))
    ]
    rows = [
        (f"column-{at}", name or f"Column {at + 1}", samples[at][:_SAMPLES], meanings[at] if at < len(meanings) else "")
        for at, name in enumerate(job.columns)
    ]
    values = {"job": job, "rows": rows, "options": MEANINGS, "orders": ORDERS, "is_csv": job.form == Form.CSV}
    return Page("import_columns.html", values, errors)


async def check(visit: Visit) -> Answer:
    """Match the columns, and find every error."""
    found, errors, form = await _shown(visit), FormErrors(), visit.form
    job = found.job
    meanings: tuple[str, ...] = ()
    with errors.at("columns"):
        if job.form == Form.CSV:
            meanings = checked_meanings(job.columns, [form.text(f"column-{at}") for at in range(len(job.columns))])
    if not errors:
        order = form.text("order") if form.text("order") in dict(ORDERS) else ""
        plan = Plan(tuple(meanings), order, form.has("set_statuses"), form.has("add_statuses"))
        key = header_key(job.columns) if meanings else ""
        with errors.at("order"):
            await operations.check(visit.store, visit.actor, visit.firm.name, job.id, plan, key, Reading())
    if errors:
        return await _matching(visit, found, errors)
    return Redirect(visit.to("import", job.id))


async def run(visit: Visit) -> Answer:
    """Import what was checked."""
    job_id = visit.number("job_id")
    await operations.run(visit.store, visit.actor, visit.firm.name, job_id, Reading())
    return Redirect(visit.to("import", job_id))


async def undo(visit: Visit) -> Answer:
    """Take back what it added."""
    job_id = visit.number("job_id")
    await operations.undo(visit.store, visit.actor, visit.firm.name, job_id, Reading())
    return Redirect(visit.to("import", job_id))


async def discard(visit: Visit) -> Answer:
    """Let go of a file."""
    await operations.discard(visit.store, visit.actor, visit.firm.name, visit.number("job_id"))
    return Redirect(visit.to("import"), said="The file was discarded. Nothing was imported from it.")


async def rejects(visit: Visit) -> Answer:
    """Send the rows in which something is wrong, as they were, with what it is: to be mended, and imported."""
    found = await _shown(visit)
    job = found.job
    columns = [name or f"({column})" for name, column in zip(job.plan.meanings, job.columns, strict=False)]
    header = [*REJECT_COLUMNS, *(columns if job.form == Form.CSV else job.columns)]
    width = len(header) - len(REJECT_COLUMNS)

    async def write(raw: IO[bytes]) -> None:
        with written(raw, Form.CSV, header) as rows:

            def add(faults: Sequence[FaultyLine]) -> None:
                rows.add([one.line.line, one.column, one.reason, *_cells(one, width)] for one in faults)

            await operations.faults(visit.store, visit.actor, visit.firm.name, job.id, add)

    return await download(f"rejects-{job.id}", Form.CSV, write)


def _cells(one: FaultyLine, width: int) -> list[str]:
    """Return the cells of a bad row, as many as the header has where they were fewer."""
    return [*map(unguarded, one.line.cells), *[""] * (width - len(one.line.cells))]


ROUTES = (
    Route("GET", "/{firm}/import", imports, UserRole.MANAGER),
    Route("POST", "/{firm}/import", receive, UserRole.MANAGER, takes_files=True),
    Route("GET", "/{firm}/import/{job_id}", show, UserRole.MANAGER),
    Route("GET", "/{firm}/import/{job_id}/live", live, UserRole.MANAGER, live=True),
    Route("GET", "/{firm}/import/{job_id}/rejects", rejects, UserRole.MANAGER),
    Route("POST", "/{firm}/import/{job_id}/check", check, UserRole.MANAGER),
    Route("POST", "/{firm}/import/{job_id}/run", run, UserRole.MANAGER),
    Route("POST", "/{firm}/import/{job_id}/undo", undo, UserRole.MANAGER),
    Route("POST", "/{firm}/import/{job_id}/discard", discard, UserRole.MANAGER),
)
