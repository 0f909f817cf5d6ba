"""Delete a firm with every row of it, page by page, so that no transaction is long."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases, firms, keys, metadata, statuses

PAGE = 2000

Table = sa.Table
Place = tuple[Any, ...]  # a primary key


def _of_firm(table: sa.Table, firm_id: int) -> Any:
    """Return which rows of a table are a firm's, by whatever ties them to it; None where nothing does."""
    if table is firms:
        return firms.c.id == firm_id
    if "firm_id" in table.c:
        return table.c.firm_id == firm_id
    for name, owner in (("key_id", keys), ("status_id", statuses)):
        if name in table.c:
            return table.c[name].in_(sa.select(owner.c.id).where(owner.c.firm_id == firm_id))
    return None


_OF_FIRMS = [table for table in reversed(metadata.sorted_tables) if _of_firm(table, 0) is not None]
# What others refer to goes last, all at once: those rows are few.
_LAST = [
    table
    for table in _OF_FIRMS
    if table in (firms, keys, statuses) or (table.primary_key.columns.keys() in (["key_id"], ["status_id"]))
]
GROWING = [table for table in _OF_FIRMS if table not in _LAST]  # what refers to other tables comes first
_OF_CASES = [table for table in GROWING if any(key.column.table is cases for key in table.foreign_keys)]


async def count(tx: Transaction, firm_id: int) -> dict[str, int]:
    """Return how many rows a firm has in each table that grows."""
    found = {}
    for table in GROWING:
        query = sa.select(sa.func.count()).select_from(table).where(_of_firm(table, firm_id))
        found[table.name] = int((await tx.execute(query)).scalar_one())
    return found


async def refuse_keys(tx: Transaction, firm_id: int) -> None:
    """Refuse all keys of a firm from the commit on; every server reads the firm anew."""
    now = await tx.clock()
    valid = sa.and_(keys.c.firm_id == firm_id, keys.c.revoked_at.is_(None))
    await tx.execute(keys.update().where(valid).values(revoked_at=now))
    await tx.execute(firms.update().where(firms.c.id == firm_id).values(version=firms.c.version + 1))


async def remove_page(tx: Transaction, table: sa.Table, firm_id: int, after: Place | None) -> tuple[int, Place | None]:
    """Delete a page of a firm's rows of a table; return how many there were, and where to go on (None: at the end)."""
    names = list(table.primary_key.columns)
    here = [_of_firm(table, firm_id)]
    if after is not None:
        here.append(_ordered(names) > _values(names, after))
    rows = (await tx.execute(sa.select(*names).where(*here).order_by(*names).limit(PAGE))).all()
    if not rows:
        return 0, None
    last = tuple(rows[-1])
    here.append(_ordered(names) <= _values(names, last))
    if table is cases:  # what came meanwhile
        gone = sa.select(cases.c.case_id).where(*here)
        for child in _OF_CASES:
            await tx.execute(child.delete().where(child.c.firm_id == firm_id, child.c.case_id.in_(gone)))
    await tx.execute(table.delete().where(*here))
    return len(rows), last if len(rows) == PAGE else None


def _ordered(names: list[sa.Column[Any]]) -> Any:
    return names[0] if len(names) == 1 else sa.tuple_(*names)


def _values(names: list[sa.Column[Any]], place: Place) -> Any:
    values = [sa.literal(value, name.type) for name, value in zip(names, place, strict=True)]
    return values[0] if len(names) == 1 else sa.tuple_(*values)


async def remove_rest(tx: Transaction, firm_id: int) -> bool:
    """Delete the firm itself; nothing, and return False, where rows have come since they were removed."""
    await tx.execute(sa.select(firms.c.id).where(firms.c.id == firm_id).with_for_update())
    for table in GROWING:
        some = sa.select(sa.literal(1)).select_from(table).where(_of_firm(table, firm_id)).limit(1)
        if (await tx.execute(some)).all():
            return False
    for table in _LAST:
        await tx.execute(table.delete().where(_of_firm(table, firm_id)))
    return True
