"""An import as a job: receive a file, match its columns, check it, run it, undo it; and those that were made.

Each is a row with the rows of its file in pieces, worked on piece by piece by whoever is there (``import_work.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.changes import Outcome
from casedial.domain.errors import ImportNotFound, ImportNotPossible, InvalidSetting, TooManyItems
from casedial.domain.firms import Firm
from casedial.domain.import_jobs import (
    KEPT,
    MOST_ROWS,
    DateOrder,
    FileLine,
    Job,
    JobCounts,
    JobState,
    JobUndoCounts,
    Piece,
    Plan,
    Reading,
    Received,
)
from casedial.service.audit import note
from casedial.service.firms import open_firm
from casedial.service.operations import import_work
from casedial.service.operations.import_work import Worker
from casedial.service.operations.opening import read_firm, transact_fresh
from casedial.storage import import_jobs

PIECE = 500  # rows
_PIECE_SIZE = 512 * 1024  # characters, about
_PATIENCE = 1.0  # seconds that a person waits for a page: small files are done by then
MOST_NAMED = 1000
_FIRST = 10  # rows that are shown


async def _find(tx: Transaction, firm: Firm, job_id: int, lock: bool = False) -> Job:
    found = await import_jobs.find(tx, firm, job_id, lock)
    if found is None:
        raise ImportNotFound(f"{firm.name} has no import {job_id}; one that was not run is kept for a day.")
    return found


async def meanings(store: Store, actor: Actor, firm_name: str) -> dict[str, list[str]]:
    """Return what columns of files of a firm meant, by the hash of their header. Raises FirmNotFound."""
    return await read_firm(store, firm_name, import_jobs.meanings)


async def receive(store: Store, actor: Actor, firm_name: str, received: Received) -> int:
    """Keep the rows of a file, to be matched; return the id of the import.

    Raises FirmNotFound, TooManyItems, and what ``received`` does.
    """

    async def begin(tx: Transaction) -> int:
        firm = await open_firm(tx, firm_name)
        now = tx.now()
        job_id = await import_jobs.add(tx, firm, actor, received.file_name, received.form, now, KEPT)
        await note(tx, actor, firm.id, "import.receive", f"import {job_id}")
        return job_id

    job_id = await store.transact(begin)
    rows = pieces = 0
    while lines := await asyncio.to_thread(received.read, PIECE, _PIECE_SIZE):
        rows, pieces = rows + len(lines), pieces + 1
        if rows > MOST_ROWS:
            raise TooManyItems(f"The file has more than {MOST_ROWS:,} rows: divide it, or use casedial cases import.")
        await store.transact(partial(_add_piece, firm_name=firm_name, job_id=job_id, number=pieces, lines=lines))
        await store.give_way()
    values: dict[str, Any] = {
        "told": list(received.told),
        "columns": list(received.columns),
        "row_count": rows,
        "pieces": pieces,
    }
    await store.transact(partial(import_jobs.update, job_id=job_id, state=int(JobState.RECEIVED), **values))
    return job_id


async def _add_piece(tx: Transaction, firm_name: str, job_id: int, number: int, lines: Sequence[FileLine]) -> None:
    await import_jobs.add_piece(tx, await open_firm(tx, firm_name), job_id, number, lines)


async def check(
    store: Store, actor: Actor, firm_name: str, job_id: int, plan: Plan, header: str, reading: Reading
) -> None:
    """Find every error of an import that reads its rows by ``plan``; nothing is written of a case.

    Small files are done when this returns, larger ones are gone on with by the servers. What the columns mean is
    remembered for the next file with this header, "" for none. Raises FirmNotFound, ImportNotFound, ImportNotPossible,
    and InvalidSetting where the order of day and month has to be asked for.
    """
    if not plan.order:
        plan = await _with_order(store, firm_name, job_id, plan, reading)

    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        job = await _find(tx, firm, job_id, lock=True)
        if job.state not in (JobState.RECEIVED, JobState.CHECKING, JobState.CHECKED):
            raise ImportNotPossible(f"Import {job_id} {_TOLD[job.state]}: its columns cannot be changed any more.")
        await import_jobs.forget_faults(tx, job_id)
        await note(tx, actor, firm.id, "import.check", f"import {job_id}", None, {"rows": job.rows})
        if header:
            await import_jobs.remember(tx, firm, header, plan.meanings, tx.now())
        await _begin(tx, job_id, state=int(JobState.CHECKING), plan=plan, expected=JobCounts(), worker=None)

    await transact_fresh(store, work)
    await _work_a_while(store, job_id, reading)


_TOLD = {
    JobState.RECEIVING: "is still being received, or was interrupted then",
    JobState.RECEIVED: "has not been checked yet",
    JobState.CHECKING: "is being checked",
    JobState.CHECKED: "was checked",
    JobState.RUNNING: "is running",
    JobState.DONE: "is done",
    JobState.UNDOING: "is being undone",
    JobState.UNDONE: "was undone",
}


async def _with_order(store: Store, firm_name: str, job_id: int, plan: Plan, reading: Reading) -> Plan:
    """Return the plan with the order that the dates of the file show. Raises InvalidSetting where they show none."""
    doubtful, after = DateOrder(), 0
    while True:
        async with store.read() as tx:
            await _find(tx, await open_firm(tx, firm_name), job_id)
            piece = await import_jobs.piece(tx, job_id, after)
        if piece is None:
            break
        found = await asyncio.to_thread(reading.order, plan.meanings, piece.lines)
        if found.order:
            return _ordered(plan, found.order)
        doubtful, after = (doubtful if doubtful.text else found), piece.number
    if doubtful.text:
        raise InvalidSetting(
            f"Line {doubtful.line} has the date {doubtful.text[:40]!r}, and nothing in the file tells whether its day "
            "or its month comes first: choose."
        )
    return _ordered(plan, "month-first")  # of dates of which there are none


def _ordered(plan: Plan, order: str) -> Plan:
    return Plan(plan.meanings, order, plan.set_statuses, plan.add_statuses)


async def _begin(tx: Transaction, job_id: int, **values: Any) -> None:
    """Give work to whoever comes first."""
    await import_jobs.update(tx, job_id, worked_until=await tx.clock(), last=0, keep_until=None, **values)


async def _work_a_while(store: Store, job_id: int, reading: Reading) -> None:
    """Work on an import for as long as somebody waits; the servers go on."""
    worker, until = Worker(reading), time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if not await import_work.step(store, job_id, worker):
            return
    await store.transact(partial(import_work.leave, job_id=job_id, worker=worker))


async def run(store: Store, actor: Actor, firm_name: str, job_id: int, reading: Reading) -> None:
    """Write the rows of an import that was checked; one that runs, or is done, is left as it is.

    Raises FirmNotFound, ImportNotFound and ImportNotPossible.
    """

    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        job = await _find(tx, firm, job_id, lock=True)
        if job.state in (JobState.RUNNING, JobState.DONE):
            return
        if job.state is not JobState.CHECKED:
            raise ImportNotPossible(f"Import {job_id} {_TOLD[job.state]}: check it first.")
        if job.is_over(await tx.clock()):
            raise ImportNotPossible(f"Import {job_id} was checked more than 24 hours ago: send the file again.")
        await _begin(tx, job_id, state=int(JobState.RUNNING), actor=actor, begun_at=tx.now(), worker=None)
        await note(tx, actor, firm.id, "import.run", f"import {job_id}", None, _noted(job))

    await transact_fresh(store, work)
    await _work_a_while(store, job_id, reading)


def _noted(job: Job) -> dict[str, Any]:
    """Return what is written down of an import: nothing of a person, and no name of a file."""
    return {"rows": job.rows, "set_statuses": job.plan.set_statuses, "add_statuses": job.plan.add_statuses}


async def undo(store: Store, actor: Actor, firm_name: str, job_id: int, reading: Reading) -> None:
    """Remove every case that an import added and nobody has touched; one that still runs ends with it.

    Raises FirmNotFound, ImportNotFound and ImportNotPossible.
    """

    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        job = await _find(tx, firm, job_id, lock=True)
        if job.state is JobState.UNDOING:
            return
        if not job.can_be_undone(await tx.clock()):
            why = "added nothing" if job.state is JobState.DONE and not job.counts.added else _TOLD[job.state]
            late = ", and its 24 hours are over" if job.state is JobState.DONE and job.counts.added else ""
            raise ImportNotPossible(f"Import {job_id} {why}{late}: there is nothing to undo.")
        by = {"undone_by": actor, "undo_counts": JobUndoCounts(), "worker": None}
        await _begin(tx, job_id, state=int(JobState.UNDOING), **by)
        await note(tx, actor, firm.id, "import.undo", f"import {job_id}", None, {"cases": job.counts.added})

    await transact_fresh(store, work)
    await _work_a_while(store, job_id, reading)


async def discard(store: Store, actor: Actor, firm_name: str, job_id: int) -> None:
    """Let go of an import that was not run. Raises FirmNotFound, ImportNotFound and ImportNotPossible."""

    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        job = await _find(tx, firm, job_id, lock=True)
        if job.state >= JobState.RUNNING:
            raise ImportNotPossible(f"Import {job_id} {_TOLD[job.state]}: it cannot be discarded.")
        await import_jobs.update(tx, job_id, worker=None, worked_until=None, keep_until=await tx.clock())
        await note(tx, actor, firm.id, "import.discard", f"import {job_id}")

    await store.transact(work)


@dataclass(frozen=True, slots=True)
class Listed:
    """Imports of a firm, the newest first; where there are older ones, those before the id ``before``."""

    jobs: list[Job]
    before: int | None


async def every(store: Store, actor: Actor, firm_name: str, before: int | None = None, limit: int = 25) -> Listed:
    """Return the imports of a firm, from the one before an id. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Listed:
        found = await import_jobs.of_firm(tx, firm, before, limit + 1)
        clock = await tx.clock()
        there = [job for job in found[:limit] if job.state >= JobState.RUNNING or not job.is_over(clock)]
        return Listed(there, found[limit - 1].id if len(found) > limit else None)

    return await read_firm(store, firm_name, work)


@dataclass(frozen=True, slots=True)
class FaultyLine:
    """A row in which something is wrong: where, and what it is."""

    piece: int
    line: FileLine
    at: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An import at a time of the database, its first rows, some of its faulty ones, and what its undo left."""

    clock: datetime
    job: Job
    first: Sequence[FileLine]
    faults: list[FaultyLine]
    more_faults: bool
    left_by_undo: dict[Outcome, list[int]] = field(default_factory=dict)


_LEFT = (Outcome.CHANGED_SINCE, Outcome.IN_THE_DIALER, Outcome.UNREADABLE)


async def show(
    store: Store, actor: Actor, firm_name: str, job_id: int, after: tuple[int, int] = (0, -1), limit: int = 50
) -> Shown:
    """Return an import, with faulty rows behind a piece and a place in it. Raises FirmNotFound and ImportNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Shown:
        job = await _find(tx, firm, job_id)
        first = await import_jobs.piece(tx, job_id, 0)
        faults = await _faults(tx, job_id, after, limit + 1)
        left = {why: await import_jobs.named(tx, job, why, MOST_NAMED) for why in _LEFT}
        lines = first.lines[:_FIRST] if first else ()
        return Shown(await tx.clock(), job, lines, faults[:limit], len(faults) > limit, left)

    return await read_firm(store, firm_name, work)


async def _faults(tx: Transaction, job_id: int, after: tuple[int, int], limit: int) -> list[FaultyLine]:
    number, at = after
    found: list[FaultyLine] = []
    before = number - 1 if number else 0
    while len(found) < limit and (piece := await import_jobs.piece(tx, job_id, before, faulty=True)):
        found += [one for one in _faulty(piece) if (one.piece, one.at) > (number, at)]
        before = piece.number
    return found[:limit]


def _faulty(piece: Piece) -> list[FaultyLine]:
    return [
        FaultyLine(piece.number, piece.lines[fault.at], fault.at, fault.column, fault.reason)
        for fault in piece.faults
        if fault.at < len(piece.lines)
    ]


async def faults(
    store: Store,
    actor: Actor,
    firm_name: str,
    job_id: int,
    write: Callable[[Sequence[FaultyLine]], None],
) -> None:
    """Write every faulty row of an import, piece by piece. Raises FirmNotFound, ImportNotFound, and what it raises."""
    await read_firm(store, firm_name, partial(_find, job_id=job_id))
    after = 0
    while True:
        async with store.read() as tx:
            piece = await import_jobs.piece(tx, job_id, after, faulty=True)
        if piece is None:
            return
        write(_faulty(piece))
        after = piece.number
