"""Changes of many cases: their headers, the cases of each, and who works on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from casedial.database.tables import LEFT, LEFT_BY_UNDO, change_cases, changes, priority_changes, status_history
from casedial.domain.actors import Actor
from casedial.domain.changes import Change, ChangeState, Counts, Outcome, UndoCounts
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind
from casedial.storage import shifts
from casedial.storage.actors import actor_from, actor_values

# Whether the cases of a change have not been let go of yet.
HAS_CASES = sa.or_(changes.c.keep_until.is_not(None), changes.c.worked_until.is_not(None))

T = TypeVar("T", Counts, UndoCounts)


def _change_from(row: Any) -> Change:
    actor = replace(actor_from(row.actor_kind, row.actor_id, row.made_by), origin=row.origin)
    undone_by = None
    if row.undone_by:
        name, kind, actor_id, origin = row.undone_by
        undone_by = replace(actor_from(kind, actor_id, name), origin=origin)
    return Change(
        id=row.id,
        firm_id=row.firm_id,
        kind=ChangeKind(row.kind),
        state=ChangeState(row.state),
        made_at=row.made_at,
        actor=actor,
        reason=row.reason,
        order=row.wanted,
        total=row.total,
        expected=_counts(Counts, row.expected),
        counts=_counts(Counts, row.counts),
        undo_counts=_counts(UndoCounts, row.undo_counts),
        undone_by=undone_by,
        begun_at=row.begun_at,
        finished_at=row.finished_at,
        undone_at=row.undone_at,
        last=row.last,
        worked_until=row.worked_until,
        keep_until=row.keep_until,
        standing=tuple((dialer, campaign, number) for dialer, campaign, number in row.expected.get("standing", ())),
    )


def _counts(kind: type[T], stored: Mapping[str, int]) -> T:
    """Read counts; those that only a newer casedial keeps are left out."""
    return kind(**{one.name: stored[one.name] for one in fields(kind) if one.name in stored})


async def add(
    tx: Transaction,
    firm: Firm,
    actor: Actor,
    task: ChangeKind,
    order: Mapping[str, Any],
    reason: str,
    now: datetime,
    keep: timedelta,
) -> int:
    """Add a change whose set is to be settled; return its id."""
    kind, actor_id = actor_values(actor)
    nothing: dict[str, int] = {}
    row = changes.insert().values(
        firm_id=firm.id,
        kind=int(task),
        state=int(ChangeState.PREPARING),
        made_at=now,
        made_by=actor.name,
        origin=actor.origin,
        actor_kind=kind,
        actor_id=actor_id,
        reason=reason,
        wanted=order,
        total=0,
        expected=nothing,
        counts=nothing,
        undo_counts=nothing,
        last=0,
        keep_until=await tx.clock() + keep,
    )
    return int((await tx.execute(row.returning(changes.c.id))).scalar_one())


async def add_cases(
    tx: Transaction,
    firm: Firm,
    change_id: int,
    case_ids: Sequence[int],
    total: int,
    expected: Counts,
    standing: Mapping[tuple[int | None, int | None], int],
) -> None:
    """Add cases to the set of a change, and store what there is in it then."""
    rows = [(change_id, case_id, firm.id) for case_id in case_ids]
    await bulk.insert(tx, change_cases, ("change_id", "case_id", "firm_id"), rows)
    counted = [[*ids, number] for ids, number in standing.items()]
    told = {**asdict(expected), "standing": counted}  # which is no count to an older casedial
    await tx.execute(changes.update().where(changes.c.id == change_id).values(total=total, expected=told))


async def find(tx: Transaction, firm: Firm, change_id: int, lock: bool = False) -> Change | None:
    """Return a change of the firm; ``lock`` holds it."""
    row = await shifts.find(tx, changes, firm, change_id, lock)
    return _change_from(row) if row else None


async def of_firm(tx: Transaction, firm: Firm, before: int | None, limit: int) -> list[Change]:
    """Return the firm's changes, the newest first, from the one before an id."""
    return [_change_from(row) for row in await shifts.of_firm(tx, changes, firm, before, limit)]


async def update(tx: Transaction, change_id: int, **values: Any) -> None:
    """Store what a change that this transaction holds is now."""
    for name in ("counts", "undo_counts"):
        if name in values:
            values[name] = asdict(values[name])
    await shifts.update(tx, changes, change_id, values)


async def take(tx: Transaction, change_id: int, worker: UUID, span: timedelta) -> Change | None:
    """Take the work on a change, or keep it, and hold the change; None where somebody else has it, or none is left."""
    row = await shifts.take(tx, changes, change_id, worker, span)
    return _change_from(row) if row else None


async def waiting(tx: Transaction, worker: UUID) -> tuple[int, int] | None:
    """Return the firm and the id of a change with work that this worker has, or nobody; None where there is none."""
    return await shifts.waiting(tx, changes, worker)


async def put_off(tx: Transaction, change_id: int) -> None:
    """Leave the work on a change alone for a while."""
    await shifts.put_off(tx, changes, change_id)


# Its cases


@dataclass(frozen=True, slots=True)
class Left:
    """A case as a change left it: what undo goes back to, as it was written, and the last rows of its history then."""

    case_id: int
    before: Mapping[str, Any]
    history_id: int
    priority_id: int


async def to_do(tx: Transaction, change: Change, limit: int) -> list[int]:
    """Return the next cases that are to be changed."""
    c = change_cases.c
    query = sa.select(c.case_id).where(c.change_id == change.id, c.case_id > change.last, c.outcome.is_(None))
    return list((await tx.execute(query.order_by(c.case_id).limit(limit))).scalars())


async def to_undo(tx: Transaction, change: Change, limit: int) -> list[Left]:
    """Return the next of its cases that are to be put back."""
    c = change_cases.c
    query = sa.select(c.case_id, c.before, c.history_id, c.priority_id).where(
        c.change_id == change.id, c.case_id > change.last, c.outcome == int(Outcome.CHANGED)
    )
    rows = await tx.execute(query.order_by(c.case_id).limit(limit))
    return [
        Left(row.case_id, msgspec.json.decode(row.before), row.history_id or 0, row.priority_id or 0) for row in rows
    ]


_DONE = ("outcome", "before", "history_id", "priority_id")


@cache
def _noted(dialect: Dialect, columns: tuple[str, ...]) -> sa.Update:
    this = change_cases.c.change_id == sa.bindparam("this_change")
    return dialect.update_each(change_cases, this, "case_id", columns)


async def note_done(
    tx: Transaction,
    firm: Firm,
    change: Change,
    outcomes: Mapping[int, Outcome],
    before: Mapping[int, Mapping[str, Any]],
) -> None:
    """Store what became of cases; of those that were changed also what undo goes back to, and where history ended."""
    history = await last_rows(tx, firm, status_history, list(before))
    priorities = await last_rows(tx, firm, priority_changes, list(before))
    rows = [
        {
            "case_id": case_id,
            "outcome": int(outcome),
            "before": msgspec.json.encode(before[case_id]).decode() if case_id in before else None,
            "history_id": history.get(case_id),
            "priority_id": priorities.get(case_id),
        }
        for case_id, outcome in outcomes.items()
    ]
    await tx.execute(_noted(tx.dialect, _DONE), tx.dialect.given_each({"this_change": change.id}, rows))


async def note_undone(tx: Transaction, change: Change, outcomes: Mapping[int, Outcome]) -> None:
    """Store what an undo made of cases."""
    rows = [{"case_id": case_id, "undo_outcome": int(outcome)} for case_id, outcome in outcomes.items()]
    await tx.execute(_noted(tx.dialect, ("undo_outcome",)), tx.dialect.given_each({"this_change": change.id}, rows))


async def last_rows(tx: Transaction, firm: Firm, table: sa.Table, case_ids: Sequence[int]) -> dict[int, int]:
    """Return the id of the last row that each of these cases has in a table of what became of them, if it has any.

    Whoever adds one holds the case: of one case, a later row has a higher id.
    """
    if not case_ids:
        return {}
    c = table.c
    query = sa.select(c.case_id, sa.func.max(c.id).label("last")).group_by(c.case_id)
    rows = await tx.execute(query.where(c.firm_id == firm.id, tx.among(c.case_id, case_ids)))
    return {row.case_id: row.last for row in rows}


async def touched_since(tx: Transaction, firm: Firm, left: Sequence[Left]) -> set[int]:
    """Return those of these cases, which this transaction holds, in whose history there is something since."""
    case_ids = [one.case_id for one in left]
    history = await last_rows(tx, firm, status_history, case_ids)
    priorities = await last_rows(tx, firm, priority_changes, case_ids)
    return {
        one.case_id
        for one in left
        if history.get(one.case_id, 0) > one.history_id or priorities.get(one.case_id, 0) > one.priority_id
    }


async def left(tx: Transaction, change: Change, whys: Sequence[Outcome], most: int) -> dict[Outcome, list[int]]:
    """Return the first of the cases that a change left, by why."""
    return await _first(tx, change, change_cases.c.outcome, LEFT, whys, most)


async def left_by_undo(tx: Transaction, change: Change, whys: Sequence[Outcome], most: int) -> dict[Outcome, list[int]]:
    """Return the first of the cases that its undo left, by why."""
    return await _first(tx, change, change_cases.c.undo_outcome, LEFT_BY_UNDO, whys, most)


async def _first(
    tx: Transaction, change: Change, column: sa.Column[Any], few: sa.TextClause, whys: Sequence[Outcome], most: int
) -> dict[Outcome, list[int]]:
    """Return the first cases by what became of them; ``few`` is the condition of an index, which answers it."""
    c, heads = change_cases.c, []
    for why in whys:
        head = sa.select(column.label("why"), c.case_id).where(c.change_id == change.id, column == int(why), few)
        heads.append(sa.select(head.order_by(c.case_id).limit(most).subquery()))
    found: dict[Outcome, list[int]] = {why: [] for why in whys}
    for row in await tx.execute(sa.union_all(*heads)):
        found[Outcome(row.why)].append(row.case_id)
    return found


async def set_behind(tx: Transaction, change: Change, after: int, limit: int) -> list[int]:
    """Return the next cases of the set of a change, behind a CaseID."""
    c = change_cases.c
    query = sa.select(c.case_id).where(c.change_id == change.id, c.case_id > after).order_by(c.case_id).limit(limit)
    return list((await tx.execute(query)).scalars())


async def forget(tx: Transaction, limit: int) -> int:
    """Let go of cases of a change whose time is over, and of the text of its note; what was never run goes whole.

    Return how many went.
    """
    c = changes.c
    over = sa.select(c.id, c.state, c.wanted).where(c.keep_until.is_not(None), c.keep_until <= await tx.clock())
    row = (await tx.execute(over.order_by(c.keep_until).limit(1).with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return 0
    of = change_cases.c
    page = sa.select(of.case_id).where(of.change_id == row.id).order_by(of.case_id).limit(limit)
    some = list((await tx.execute(page)).scalars())
    if some:
        await tx.execute(change_cases.delete().where(of.change_id == row.id, of.case_id <= some[-1]))
        return len(some)
    this = c.id == row.id
    was_run = row.state not in (ChangeState.PREPARING, ChangeState.PREVIEWED)
    kept = {name: value for name, value in row.wanted.items() if name != "note"}
    header = changes.update().where(this).values(keep_until=None, wanted=kept)
    await tx.execute(header if was_run else changes.delete().where(this))
    return 1
