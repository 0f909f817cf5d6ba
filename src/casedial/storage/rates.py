"""How often a key that has a rate limit was used, counted in minutes of the database's clock."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from casedial.storage.engine import Database, Transaction
from casedial.storage.tables import key_minutes

MINUTE = 60  # seconds


def _count(database: Database) -> Any:
    """Build the one statement that counts a request and tells how many there were, and the database's time."""
    clock: sa.ColumnElement[float] = sa.bindparam("clock", type_=sa.Float)
    if database is Database.POSTGRESQL:  # servers that share it may differ about the minute
        clock = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
    minute = sa.cast(sa.func.floor(clock / MINUTE), sa.BigInteger)
    if database is Database.SQLITE:  # not every one has floor(); its cast cuts
        minute = sa.cast(clock / MINUTE, sa.BigInteger)
    insert = (sqlite if database is Database.SQLITE else postgresql).insert(key_minutes)
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


_COUNT = {database: _count(database) for database in Database}


async def count(tx: Transaction, key_id: int) -> tuple[int, float]:
    """Count a request; return how many there were in this minute, and how many seconds of it are left."""
    row: dict[str, object] = {"the_key": key_id}
    if tx.database is Database.SQLITE:
        row["clock"] = time.time()
    counted = (await tx.execute(_COUNT[tx.database], row)).one()
    return counted.requests, (counted.minute + 1) * MINUTE - counted.clock
