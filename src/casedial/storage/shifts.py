"""Tables of work, such as ``changes``: the rows of a firm, and who works on one.

That is one at a time, and the next one when that one is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.domain.firms import Firm
from casedial.storage.actors import actor_values

LONGEST = timedelta(minutes=5)  # that somebody has the work on a row without going on


async def find(tx: Transaction, table: sa.Table, firm: Firm, id_: int, lock: bool = False) -> Any | None:
    """Return a row of the firm; ``lock`` holds it."""
    query = table.select().where(table.c.id == id_, table.c.firm_id == firm.id)
    return (await tx.execute(query.with_for_update() if lock else query)).one_or_none()


async def of_firm(tx: Transaction, table: sa.Table, firm: Firm, before: int | None, limit: int) -> Sequence[Any]:
    """Return the firm's rows, the newest first, from the one before an id."""
    query = table.select().where(table.c.firm_id == firm.id)
    if before is not None:
        query = query.where(table.c.id < before)
    return (await tx.execute(query.order_by(table.c.id.desc()).limit(limit))).all()


async def update(tx: Transaction, table: sa.Table, id_: int, values: dict[str, Any]) -> None:
    """Store what a row is now; an ``actor`` and ``undone_by`` as its columns have them."""
    if by := values.pop("actor", None):
        kind, actor_id = actor_values(by)
        values |= {"made_by": by.name, "origin": by.origin, "actor_kind": kind, "actor_id": actor_id}
    if by := values.pop("undone_by", None):
        values["undone_by"] = [by.name, *actor_values(by), by.origin]
    await tx.execute(table.update().where(table.c.id == id_).values(values))


def _is_free(table: sa.Table, worker: UUID, clock: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that there is work on a row that this worker has, or nobody.

    Nobody has it for long: where that is said the clock was set back, or the row makes no sense.
    """
    c = table.c
    mine = sa.or_(c.worker == worker, c.worked_until <= clock, c.worked_until > clock + LONGEST)
    return sa.and_(c.worked_until.is_not(None), mine)


async def take(tx: Transaction, table: sa.Table, id_: int, worker: UUID, span: timedelta) -> Any | None:
    """Take the work on a row, or keep it, and hold it; None where somebody else has it, or none is left."""
    clock, c = await tx.clock(), table.c
    taken = table.update().where(c.id == id_, _is_free(table, worker, clock))
    taken = taken.values(worker=worker, worked_until=clock + span).returning(*table.c)
    return (await tx.execute(taken)).one_or_none()


async def waiting(tx: Transaction, table: sa.Table, worker: UUID) -> tuple[int, int] | None:
    """Return the firm and the id of a row with work that this worker has, or nobody; None where there is none."""
    clock, c = await tx.clock(), table.c
    query = sa.select(c.firm_id, c.id).where(_is_free(table, worker, clock))
    row = (await tx.execute(query.order_by(c.worked_until).limit(1))).one_or_none()
    return (row.firm_id, row.id) if row else None


async def put_off(tx: Transaction, table: sa.Table, id_: int) -> None:
    """Leave the work on a row alone for a while."""
    this = table.update().where(table.c.id == id_, table.c.worked_until.is_not(None))
    await tx.execute(this.values(worker=None, worked_until=await tx.clock() + LONGEST))
