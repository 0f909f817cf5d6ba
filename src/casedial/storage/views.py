"""Searches of a user that have a name."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import views
from casedial.domain.firms import Firm
from casedial.domain.names import fold
from casedial.domain.searching import View


def _of(firm: Firm, user_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(views.c.firm_id == firm.id, views.c.user_id == user_id)


async def every(tx: Transaction, firm: Firm, user_id: int) -> list[View]:
    """Return the views of a user, by name."""
    query = views.select().where(_of(firm, user_id)).order_by(views.c.name_folded)
    return [View(row.id, row.name, row.query) for row in await tx.execute(query)]


async def save(tx: Transaction, firm: Firm, user_id: int, name: str, query: str, now: datetime) -> int:
    """Store a view, in the place of one of its name; return its id."""
    named = sa.and_(_of(firm, user_id), views.c.name_folded == fold(name))
    there = (await tx.execute(sa.select(views.c.id).where(named).with_for_update())).scalar_one_or_none()
    values = {"name": name, "name_folded": fold(name), "query": query, "created_at": now}
    if there is not None:
        await tx.execute(views.update().where(views.c.id == there).values(values))
        return int(there)
    added = views.insert().values(firm_id=firm.id, user_id=user_id, **values).returning(views.c.id)
    return int((await tx.execute(added)).scalar_one())


async def remove(tx: Transaction, firm: Firm, user_id: int, view_id: int) -> bool:
    """Remove a view of a user; tell whether it was there."""
    return bool((await tx.execute(views.delete().where(_of(firm, user_id), views.c.id == view_id))).rowcount)
