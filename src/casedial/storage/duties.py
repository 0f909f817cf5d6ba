"""Duties that one server of a database has at a time, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import duties


@dataclass(frozen=True, slots=True)
class Duty:
    """Who has a duty, and for how long still, by the database's clock."""

    holder: UUID
    left: timedelta


async def of(tx: Transaction, name: str) -> Duty | None:
    """Return who has a duty, None where nobody ever had it, or nobody can read who."""
    clock = await tx.clock()
    query = sa.select(duties.c.name, duties.c.holder, duties.c.until).where(duties.c.name == name)
    found, _ = await tx.apart(query, None, lambda row: Duty(row.holder, row.until - clock))
    return found[0] if found else None


async def take(tx: Transaction, name: str, holder: UUID, span: timedelta) -> bool:
    """Take a duty, or keep it, for a while; return False where somebody else has it.

    Nobody has it for longer than that: the clock was set back, or the row makes no sense.
    """
    clock = await tx.clock()
    insert = tx.dialect.insert(duties)
    row = insert.values(name=name, holder=holder, until=clock + span)
    is_free = sa.or_(duties.c.holder == holder, duties.c.until <= clock, duties.c.until > clock + span)
    kept = row.on_conflict_do_update(
        index_elements=["name"], set_={"holder": row.excluded.holder, "until": row.excluded.until}, where=is_free
    )
    return bool((await tx.execute(kept.returning(duties.c.name))).all())
