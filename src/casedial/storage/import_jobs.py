"""Imports that are jobs: their headers, their rows piece by piece, the cases that they added, what columns mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import (
    do_not_call,
    import_cases,
    import_headers,
    import_jobs,
    import_pieces,
    notes,
    phone_changes,
    priority_changes,
    status_history,
)
from casedial.domain.actors import Actor
from casedial.domain.cases import Case
from casedial.domain.changes import Outcome
from casedial.domain.firms import Firm
from casedial.domain.import_jobs import (
    Fault,
    FileLine,
    Job,
    JobCounts,
    JobState,
    JobUndoCounts,
    Piece,
    Plan,
    mark_of,
)
from casedial.storage import shifts
from casedial.storage.actors import actor_from, actor_values
from casedial.storage.changes import last_rows

# Whether the rows and cases of an import have not been let go of yet.
HAS_ROWS = sa.or_(import_jobs.c.keep_until.is_not(None), import_jobs.c.worked_until.is_not(None))

T = TypeVar("T", JobCounts, JobUndoCounts)


def _job_from(row: Any) -> Job:
    undone_by = None
    if row.undone_by:
        name, kind, actor_id, origin = row.undone_by
        undone_by = replace(actor_from(kind, actor_id, name), origin=origin)
    return Job(
        id=row.id,
        firm_id=row.firm_id,
        state=JobState(row.state),
        made_at=row.made_at,
        actor=replace(actor_from(row.actor_kind, row.actor_id, row.made_by), origin=row.origin),
        file_name=row.file_name,
        form=row.form,
        told=row.told,
        columns=row.columns,
        rows=row.row_count,
        pieces=row.pieces,
        plan=Plan.read(row.plan),
        expected=_counts(JobCounts, row.expected),
        counts=_counts(JobCounts, row.counts),
        undo_counts=_counts(JobUndoCounts, row.undo_counts),
        undone_by=undone_by,
        begun_at=row.begun_at,
        finished_at=row.finished_at,
        undone_at=row.undone_at,
        last=row.last,
        worked_until=row.worked_until,
        keep_until=row.keep_until,
    )


def _counts(kind: type[T], stored: Mapping[str, int]) -> T:
    return kind(**{one.name: stored[one.name] for one in fields(kind) if one.name in stored})


# Headers


async def add(
    tx: Transaction, firm: Firm, actor: Actor, file_name: str, form: str, now: datetime, keep: timedelta
) -> int:
    """Add an import whose rows are to come; return its id."""
    kind, actor_id = actor_values(actor)
    nothing: dict[str, int] = {}
    row = import_jobs.insert().values(
        firm_id=firm.id,
        state=int(JobState.RECEIVING),
        made_at=now,
        made_by=actor.name,
        origin=actor.origin,
        actor_kind=kind,
        actor_id=actor_id,
        file_name=file_name,
        form=form,
        told=[],
        columns=[],
        row_count=0,
        pieces=0,
        plan=Plan().written(),
        expected=nothing,
        counts=nothing,
        undo_counts=nothing,
        last=0,
        keep_until=await tx.clock() + keep,
    )
    return int((await tx.execute(row.returning(import_jobs.c.id))).scalar_one())


async def find(tx: Transaction, firm: Firm, job_id: int, lock: bool = False) -> Job | None:
    """Return an import of the firm; ``lock`` holds it."""
    row = await shifts.find(tx, import_jobs, firm, job_id, lock)
    return _job_from(row) if row else None


async def of_firm(tx: Transaction, firm: Firm, before: int | None, limit: int) -> list[Job]:
    """Return the firm's imports, the newest first, from the one before an id."""
    return [_job_from(row) for row in await shifts.of_firm(tx, import_jobs, firm, before, limit)]


async def update(tx: Transaction, job_id: int, **values: Any) -> None:
    """Store what an import that this transaction holds is now."""
    for name in ("expected", "counts", "undo_counts"):
        if name in values:
            values[name] = asdict(values[name])
    if "plan" in values:
        values["plan"] = values["plan"].written()
    await shifts.update(tx, import_jobs, job_id, values)


async def take(tx: Transaction, job_id: int, worker: UUID, span: timedelta) -> Job | None:
    """Take the work on an import, or keep it, and hold it; None where somebody else has it, or none is left."""
    row = await shifts.take(tx, import_jobs, job_id, worker, span)
    return _job_from(row) if row else None


async def waiting(tx: Transaction, worker: UUID) -> tuple[int, int] | None:
    """Return the firm and the id of an import with work that this worker has, or nobody."""
    return await shifts.waiting(tx, import_jobs, worker)


async def put_off(tx: Transaction, job_id: int) -> None:
    """Leave the work on an import alone for a while."""
    await shifts.put_off(tx, import_jobs, job_id)


# Rows


async def add_piece(tx: Transaction, firm: Firm, job_id: int, number: int, lines: Sequence[FileLine]) -> None:
    """Add the next rows of a file."""
    values = {"job_id": job_id, "number": number, "firm_id": firm.id, "lines": _text(lines)}
    await tx.execute(import_pieces.insert(), [values])


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def piece(tx: Transaction, job_id: int, after: int, faulty: bool = False) -> Piece | None:
    """Return the piece behind a number, or the next one there in which something is wrong."""
    c = import_pieces.c
    query = sa.select(c.number, c.lines, c.faults).where(c.job_id == job_id, c.number > after)
    if faulty:
        query = query.where(c.faults.is_not(None))
    row = (await tx.execute(query.order_by(c.number).limit(1))).one_or_none()
    return _piece_from(row) if row else None


def _piece_from(row: Any) -> Piece:
    lines = [FileLine(*line) for line in msgspec.json.decode(row.lines)]
    return Piece(row.number, lines, [Fault(*fault) for fault in msgspec.json.decode(row.faults or "[]")])


async def note_faults(tx: Transaction, job_id: int, number: int, faults: Sequence[Fault]) -> None:
    """Store what is wrong with the rows of a piece."""
    this = import_pieces.update().where(import_pieces.c.job_id == job_id, import_pieces.c.number == number)
    await tx.execute(this.values(faults=_text(faults) if faults else None))


async def forget_faults(tx: Transaction, job_id: int) -> None:
    """Take back what was found to be wrong: the rows are read in another way."""
    this = import_pieces.update().where(import_pieces.c.job_id == job_id, import_pieces.c.faults.is_not(None))
    await tx.execute(this.values(faults=None))


# The cases that it added


@dataclass(frozen=True, slots=True)
class AddedCase:
    """A case as an import left it: its mark, and the last row of its history then."""

    case_id: int
    mark: str
    history_id: int


async def note_added(tx: Transaction, firm: Firm, job_id: int, added: Sequence[Case]) -> None:
    """Store the cases that an import has added, as they are."""
    history = await last_rows(tx, firm, status_history, [case.case_id for case in added])
    rows = [(job_id, case.case_id, firm.id, mark_of(case), history.get(case.case_id)) for case in added]
    await bulk.insert(tx, import_cases, ("job_id", "case_id", "firm_id", "mark", "history_id"), rows)


@cache
def _noted(dialect: Dialect, columns: tuple[str, ...]) -> sa.Update:
    this = import_cases.c.job_id == sa.bindparam("this_job")
    return dialect.update_each(import_cases, this, "case_id", columns)


async def note_changed(tx: Transaction, firm: Firm, job_id: int, changed: Sequence[Case]) -> None:
    """Store what cases are that a later row of an import has changed; of those that it had not added nothing."""
    if not changed:
        return
    history = await last_rows(tx, firm, status_history, [case.case_id for case in changed])
    rows = [
        {"case_id": case.case_id, "mark": mark_of(case), "history_id": history.get(case.case_id)} for case in changed
    ]
    await tx.execute(_noted(tx.dialect, ("mark", "history_id")), tx.dialect.given_each({"this_job": job_id}, rows))


async def to_undo(tx: Transaction, job: Job, limit: int) -> list[AddedCase]:
    """Return the next cases that it added."""
    c = import_cases.c
    query = sa.select(c.case_id, c.mark, c.history_id).where(c.job_id == job.id, c.case_id > job.last)
    rows = await tx.execute(query.order_by(c.case_id).limit(limit))
    return [AddedCase(row.case_id, row.mark, row.history_id or 0) for row in rows]


async def touched_since(tx: Transaction, firm: Firm, added: Sequence[AddedCase], there: Mapping[int, Case]) -> set[int]:
    """Return those of these cases, which this transaction holds, with which somebody has done something since."""
    case_ids = [one.case_id for one in added]
    history = await last_rows(tx, firm, status_history, case_ids)
    touched: set[int] = set()
    for table in (phone_changes, priority_changes, notes, do_not_call):
        query = sa.select(table.c.case_id).where(table.c.firm_id == firm.id, tx.among(table.c.case_id, case_ids))
        touched.update((await tx.execute(query)).scalars())
    for one in added:
        case = there.get(one.case_id)
        if history.get(one.case_id, 0) > one.history_id or (case and mark_of(case) != one.mark):
            touched.add(one.case_id)
    return touched


async def note_undone(tx: Transaction, job: Job, outcomes: Mapping[int, Outcome]) -> None:
    """Store what an undo made of cases."""
    rows = [{"case_id": case_id, "undo_outcome": int(outcome)} for case_id, outcome in outcomes.items()]
    await tx.execute(_noted(tx.dialect, ("undo_outcome",)), tx.dialect.given_each({"this_job": job.id}, rows))


async def named(tx: Transaction, job: Job, outcome: Outcome, most: int) -> list[int]:
    """Return the first of the cases of an undo of which this became."""
    c = import_cases.c
    query = sa.select(c.case_id).where(c.job_id == job.id, c.undo_outcome == int(outcome))
    return list((await tx.execute(query.order_by(c.case_id).limit(most))).scalars())


# What columns mean


async def meanings(tx: Transaction, firm: Firm) -> dict[str, list[str]]:
    """Return what columns of files of a firm meant, by the hash of their header."""
    c = import_headers.c
    rows = await tx.execute(sa.select(c.header, c.meanings).where(c.firm_id == firm.id))
    return {row.header: row.meanings for row in rows}


async def remember(tx: Transaction, firm: Firm, header: str, meant: Sequence[str], now: datetime) -> None:
    """Store what the columns of such a file mean."""
    row = tx.dialect.insert(import_headers).values(firm_id=firm.id, header=header, meanings=list(meant), used_at=now)
    values = {"meanings": row.excluded.meanings, "used_at": row.excluded.used_at}
    await tx.execute(row.on_conflict_do_update(index_elements=["firm_id", "header"], set_=values))


# Letting go


async def forget(tx: Transaction, limit: int) -> int:
    """Let go of rows and cases of an import whose time is over; one that never ran goes, too. Return how many went."""
    c = import_jobs.c
    over = sa.select(c.id, c.state).where(c.keep_until.is_not(None), c.keep_until <= await tx.clock())
    row = (await tx.execute(over.order_by(c.keep_until).limit(1).with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return 0
    for table, key, most in ((import_pieces, "number", 20), (import_cases, "case_id", limit)):
        column, of = table.c[key], table.c.job_id == row.id
        some = list((await tx.execute(sa.select(column).where(of).order_by(column).limit(most))).scalars())
        if some:
            await tx.execute(table.delete().where(of, column <= some[-1]))
            return len(some)
    this = c.id == row.id
    was_run = row.state >= JobState.RUNNING
    over_now = import_jobs.update().where(this).values(keep_until=None)
    await tx.execute(over_now if was_run else import_jobs.delete().where(this))
    return 1


async def with_rows(tx: Transaction, firm_id: int) -> list[int]:
    """Return the imports of a firm whose rows have not been let go of."""
    query = sa.select(import_jobs.c.id).where(import_jobs.c.firm_id == firm_id, HAS_ROWS)
    return list((await tx.execute(query.order_by(import_jobs.c.id))).scalars())


async def by_id(tx: Transaction, job_id: int) -> Job | None:
    """Return an import of any firm, held."""
    row = (await tx.execute(import_jobs.select().where(import_jobs.c.id == job_id).with_for_update())).one_or_none()
    return _job_from(row) if row else None


async def blank(tx: Transaction, job_id: int, number: int, lines: Sequence[FileLine]) -> None:
    """Store what is left of the rows of a piece."""
    this = import_pieces.update().where(import_pieces.c.job_id == job_id, import_pieces.c.number == number)
    await tx.execute(this.values(lines=_text(lines)))


def forget_cases(firm_id: int, case_ids: Collection[int]) -> sa.Delete:
    """Return what takes cases out of the sets of a firm's imports."""
    with_rows = sa.select(import_jobs.c.id).where(import_jobs.c.firm_id == firm_id, HAS_ROWS)
    c = import_cases.c
    return import_cases.delete().where(c.job_id.in_(with_rows), c.firm_id == firm_id, c.case_id.in_(case_ids))
