"""A firm's statuses. Whoever changes them also calls ``firms.change``, so that no server shows a stale name."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from casedial.domain.cases import Role, StatusType, fold
from casedial.storage.engine import Transaction
from casedial.storage.tables import statuses


async def add(tx: Transaction, firm_id: int, added: Sequence[tuple[StatusType, str, Role | None]], first: int) -> None:
    """Add statuses after those there are: ``first`` is the position of the first."""
    rows = [
        {
            "firm_id": firm_id,
            "type": kind,
            "name": name,
            "name_folded": fold(name),
            "position": first + index,
            "role": role,
            "retired": False,
        }
        for index, (kind, name, role) in enumerate(added)
    ]
    await tx.execute(statuses.insert(), rows)


async def rename(tx: Transaction, status_id: int, name: str) -> None:
    """Give a status another name."""
    await tx.execute(statuses.update().where(statuses.c.id == status_id).values(name=name, name_folded=fold(name)))


async def retire(tx: Transaction, status_id: int, retired: bool) -> None:
    """Retire a status (cases keep it, nobody can set it), or restore it."""
    await tx.execute(statuses.update().where(statuses.c.id == status_id).values(retired=retired))


async def place(tx: Transaction, status_ids: Sequence[int]) -> None:
    """Put the statuses of one type in this order."""
    statement = statuses.update().where(statuses.c.id == sa.bindparam("status_id"))
    rows = [{"status_id": status_id, "position": position} for position, status_id in enumerate(status_ids)]
    await tx.execute(statement, rows)
