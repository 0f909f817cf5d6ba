"""Firms, and the whole of a firm as the domain knows it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases, firms, statuses
from casedial.domain.campaigns import Campaign
from casedial.domain.damage import Damage
from casedial.domain.errors import FirmNotFound
from casedial.domain.firms import Firm
from casedial.domain.names import fold
from casedial.domain.statuses import Role, Status, Statuses, StatusType
from casedial.domain.users import slug_of
from casedial.storage import campaigns, do_not_call
from casedial.storage.statuses import read_flags


async def add(tx: Transaction, name: str, time_zone: str, default_records: int, now: datetime) -> int:
    """Add a firm without statuses; return its id. The caller has checked that the name is free."""
    result = await tx.execute(
        firms.insert()
        .values(
            name=name,
            name_folded=fold(name),
            time_zone=time_zone,
            default_records=default_records,
            slug=await free_slug(tx, slug_of(name)),
            # Never one that a firm had before: SQLite gives the number of a deleted firm to the next one, and a server
            # knows a firm by its number and version.
            version=time.time_ns() // 1000,
            created_at=now,
        )
        .returning(firms.c.id)
    )
    return int(result.scalar_one())


async def find(tx: Transaction, name: str, lock: bool = False) -> int | None:
    """Return the id of the firm of this name, or None; ``lock`` holds it against other operators."""
    query = sa.select(firms.c.id).where(firms.c.name_folded == fold(name))
    return (await tx.execute(query.with_for_update(key_share=True) if lock else query)).scalar_one_or_none()


async def free_slug(tx: Transaction, wanted: str) -> str | None:
    """Return what a firm may be called in addresses: as wanted, or with the first number that is free behind it.

    None where nothing is wanted: such a firm goes by its number.
    """
    if not wanted:
        return None
    query = sa.select(firms.c.slug).where(firms.c.slug.startswith(wanted, autoescape=True))
    taken = set((await tx.execute(query)).scalars())
    return next(slug for slug in (wanted, *(f"{wanted}-{n}" for n in range(2, len(taken) + 3))) if slug not in taken)


async def load(tx: Transaction, firm_id: int) -> tuple[int, Firm]:
    """Return a firm with its statuses in order, and the version at which this is what it looks like.

    Raises FirmNotFound.
    """
    firm = (await tx.execute(firms.select().where(firms.c.id == firm_id))).one_or_none()
    if firm is None:
        raise FirmNotFound("The firm was deleted.")
    rows = await tx.execute(
        statuses.select().where(statuses.c.firm_id == firm_id).order_by(statuses.c.type, statuses.c.position)
    )
    listed = Statuses(map(_status_from, rows))
    has_do_not_call = await do_not_call.has_any(tx, firm_id)
    return firm.version, _firm(firm, listed, await campaigns.of_firm(tx, firm_id), has_do_not_call)


async def load_or_damage(tx: Transaction, firm_id: int) -> Firm | Damage:
    """Return a firm, or what says that there is none that can be read: claims and cases may be left of one."""
    try:
        return (await load(tx, firm_id))[1]
    except sa.exc.DBAPIError:
        raise
    except Exception as error:
        return Damage.of("firm", firm_id, firm_id, error)


def _status_from(row: Any) -> Status:
    kind = StatusType(row.type)
    role = Role(row.role) if row.role else None
    return Status(row.id, kind, row.name, role, row.retired, read_flags(kind, row.name, row.flags))


def _firm(row: Any, listed: Statuses, decided: Mapping[int, Campaign], has_do_not_call: bool = False) -> Firm:
    return Firm(
        row.id,
        row.name,
        row.time_zone,
        row.default_records,
        listed,
        row.claim_timeout,
        decided,
        row.retention_days,
        has_do_not_call,
        row.min_gap,
        tuple(map(int, row.priorities.split())),
        row.second_factor,
        row.version,
    )


async def ids(tx: Transaction) -> list[int]:
    """Return the ids of all firms, by name."""
    return list((await tx.execute(sa.select(firms.c.id).order_by(firms.c.name_folded))).scalars())


async def names(tx: Transaction) -> dict[int, str]:
    """Return the names of all firms by their ids."""
    return {row.id: row.name for row in await tx.execute(sa.select(firms.c.id, firms.c.name))}


async def name_of(tx: Transaction, firm_id: int) -> str:
    """Return the name of a firm, or what stands for it where it is gone."""
    name = (await tx.execute(sa.select(firms.c.name).where(firms.c.id == firm_id))).scalar_one_or_none()
    return name or f"firm {firm_id}"


async def versions(tx: Transaction, firm_ids: Iterable[int]) -> dict[int, int]:
    """Return the version of each of these firms that there is."""
    query = sa.select(firms.c.id, firms.c.version).where(tx.among(firms.c.id, sorted(firm_ids)))
    return {row.id: row.version for row in await tx.execute(query)}


async def every(tx: Transaction) -> tuple[list[tuple[Firm, int]], list[int]]:
    """Return all firms by name, each with its number of cases; their statuses are left out.

    And the ids of those that cannot be read.
    """
    counted = sa.select(sa.func.count()).where(cases.c.firm_id == firms.c.id).scalar_subquery()
    query = sa.select(firms, counted.label("cases")).order_by(firms.c.name_folded)
    return await tx.apart(query, None, lambda row: (_firm(row, Statuses(()), {}), row.cases))


async def is_unchanged(tx: Transaction, firm: Firm) -> bool:
    """Tell whether a firm is what it was when it was read, and keep it so until the end of the transaction.

    It says no, too, while somebody else has it in hand.
    """
    query = sa.select(firms.c.version).where(firms.c.id == firm.id).with_for_update(read=True, skip_locked=True)
    return (await tx.execute(query)).scalar_one_or_none() == firm.version


async def is_current(tx: Transaction, firm: Firm) -> bool:
    """Tell whether a firm is what it was when it was read."""
    query = sa.select(firms.c.version).where(firms.c.id == firm.id)
    return bool((await tx.execute(query)).scalar_one_or_none() == firm.version)


async def add_priorities(tx: Transaction, firm: Firm, priorities: Iterable[int]) -> None:
    """Let claims look for these priorities, too, from the commit on. The firm is held."""
    every = sorted({*firm.priorities, *priorities})
    if every != list(firm.priorities):
        await change(tx, firm.id, priorities=" ".join(map(str, every)))


async def change_all(tx: Transaction) -> None:
    """Let every server read every firm anew."""
    await tx.execute(firms.update().values(version=firms.c.version + 1))


async def change(tx: Transaction, firm_id: int, **values: str | int | bool | None) -> None:
    """Change columns of a firm, if any, and its version, so that every server reads it anew."""
    await tx.execute(firms.update().where(firms.c.id == firm_id).values(**values, version=firms.c.version + 1))
