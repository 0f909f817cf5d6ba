"""How often a key that has a rate limit was used, counted in minutes of the database's clock."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import key_minutes

MINUTE = 60  # seconds


@cache
def _count(dialect: Dialect) -> Any:
    """Build the one statement that counts a request and tells how many there were, and the database's time."""
    clock: Any = sa.func.coalesce(sa.bindparam("clock", type_=sa.Float), dialect.seconds())
    minute = dialect.whole(clock / MINUTE)
    insert = dialect.insert(key_minutes)
    # A request that waited for another may come with the minute before.
    goes_on = (key_minutes.c.minute - insert.excluded.minute).between(0, 1)
    return (
        insert.values(key_id=sa.bindparam("the_key"), minute=minute, requests=1)
        .on_conflict_do_update(
            index_elements=["key_id"],
            set_={
                "minute": sa.case((goes_on, key_minutes.c.minute), else_=insert.excluded.minute),
                "requests": sa.case((goes_on, key_minutes.c.requests + 1), else_=1),
            },
        )
        .returning(key_minutes.c.requests, key_minutes.c.minute, clock.label("clock"))
    )


async def count(tx: Transaction, key_id: int) -> tuple[int, float]:
    """Count a request; return how many there were in this minute, and how many seconds of it are left."""
    moved_to = tx.machine.moved_to()
    given = {"the_key": key_id, "clock": moved_to.timestamp() if moved_to else None}
    counted = (await tx.execute(_count(tx.dialect), given)).one()
    return counted.requests, (counted.minute + 1) * MINUTE - counted.clock
