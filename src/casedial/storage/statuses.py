"""A firm's statuses. Whoever changes them also calls ``firms.change``, so that no server shows a stale name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import statuses
from casedial.domain.names import fold
from casedial.domain.statuses import Flag, Role, StatusType, first_flags


def show_flags(flags: Iterable[Flag]) -> str:
    """Return flags as they are stored."""
    return " ".join(sorted(flags))


def read_flags(kind: StatusType, name: str, stored: str | None) -> frozenset[Flag]:
    """Return stored flags; those of a status that an older casedial added are what a new one has."""
    known = {flag.value for flag in Flag}  # a newer casedial may have more
    return first_flags(kind, name) if stored is None else frozenset(map(Flag, known.intersection(stored.split())))


async def flag(tx: Transaction, status_id: int, flags: Iterable[Flag]) -> None:
    """Give a disposition these flags, and no others."""
    await tx.execute(statuses.update().where(statuses.c.id == status_id).values(flags=show_flags(flags)))


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
            "flags": show_flags(first_flags(kind, name)),
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
