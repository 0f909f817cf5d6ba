"""Who looked at which case within the hour."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import looks

_ONCE_IN = timedelta(hours=1)


def _this(firm_id: int, case_id: int, user_id: int) -> sa.ColumnElement[bool]:
    c = looks.c
    return sa.and_(c.firm_id == firm_id, c.case_id == case_id, c.user_id == user_id)


async def is_noted(tx: Transaction, firm_id: int, case_id: int, user_id: int, now: datetime) -> bool:
    """Tell whether a look of this user at this case was noted within the hour."""
    found = sa.select(looks.c.at).where(_this(firm_id, case_id, user_id), looks.c.at > now - _ONCE_IN)
    return (await tx.execute(found)).scalar() is not None


async def note(tx: Transaction, firm_id: int, case_id: int, user_id: int, now: datetime) -> None:
    """Note a look, in the place of an earlier one."""
    await tx.execute(looks.delete().where(_this(firm_id, case_id, user_id)))
    row = {"firm_id": firm_id, "case_id": case_id, "user_id": user_id, "at": now}
    kept = tx.dialect.insert(looks).values(row).on_conflict_do_nothing()  # of another tab at the same time
    await tx.execute(kept)
