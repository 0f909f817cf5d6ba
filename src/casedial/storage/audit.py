"""The audit: entries are added and read, and never changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import audit, audit_heads
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.audit import FIRST, AuditFilter, Entry, KeptEntry, digest

LOOKED_THROUGH = 50_000  # entries, for a page of those that fit a filter
_ASTRAY = timedelta(hours=1)  # by which an entry may be older than the one before it: servers differ about the time


async def add(tx: Transaction, firm_id: int, entry: Entry) -> None:
    """Add an entry at the end of a firm's chain, which this transaction holds from here on."""
    head = tx.dialect.insert(audit_heads).values(firm_id=firm_id, digest=FIRST)
    await tx.execute(head.on_conflict_do_nothing())
    held = sa.select(audit_heads.c.digest).where(audit_heads.c.firm_id == firm_id).with_for_update()
    previous = bytes((await tx.execute(held)).scalar_one())
    actor = entry.actor
    await tx.execute(
        audit.insert().values(
            firm_id=firm_id,
            at=entry.at,
            actor_kind=int(actor.kind),
            actor_name=actor.name,
            actor_id=actor.id,
            origin=actor.origin,
            action=entry.action,
            subject=entry.subject,
            before=entry.before,
            after=entry.after,
            previous=previous,
        )
    )
    now_last = audit_heads.update().where(audit_heads.c.firm_id == firm_id)
    await tx.execute(now_last.values(digest=digest(previous, firm_id, entry)))


async def page(tx: Transaction, wanted: AuditFilter, after: int, limit: int) -> list[KeptEntry]:
    """Return entries in the order in which they were added, from the one behind an id."""
    query = audit.select().where(audit.c.id > after, *_conditions(wanted)).order_by(audit.c.id).limit(limit)
    return [_entry_from(row) for row in await tx.execute(query)]


async def page_back(
    tx: Transaction, wanted: AuditFilter, firm_id: int, before: int | None, limit: int
) -> tuple[list[KeptEntry], int | None]:
    """Return entries of a chain, the last one first, from the one before an id; and as far as which id was looked.

    No more than ``LOOKED_THROUGH`` entries are read for it; None: there are none behind those. Only what was added in
    the time that is meant is looked through, found by halves: later entries have higher ids, within ``_ASTRAY``.
    """
    own, c = audit.c.firm_id == firm_id, audit.c
    if wanted.until is not None:
        behind = await _first_since(tx, firm_id, wanted.until + _ASTRAY)
        before = behind if before is None or (behind is not None and behind < before) else before
    oldest = await _first_since(tx, firm_id, wanted.since - _ASTRAY) if wanted.since is not None else 0
    if oldest is None:  # nothing since then
        return [], None
    earlier = [own] if before is None else [own, c.id < before]
    edge = sa.select(c.id).where(*earlier, c.id >= oldest).order_by(c.id.desc()).offset(LOOKED_THROUGH).limit(1)
    last: int | None = (await tx.execute(edge)).scalar_one_or_none()
    floor = oldest if last is None else last + 1
    query = audit.select().where(*earlier, c.id >= floor, *_conditions(wanted)).order_by(c.id.desc()).limit(limit)
    return [_entry_from(row) for row in await tx.execute(query)], None if last is None else floor


async def _first_since(tx: Transaction, firm_id: int, at: datetime) -> int | None:
    """Return an id of a chain before which all entries were added before a time; None where all were."""
    own = audit.c.firm_id == firm_id
    # One by one: SQLite finds either end at once, but for both it reads all.
    ends = [sa.select(find(audit.c.id)).where(own) for find in (sa.func.min, sa.func.max)]
    first, last = [(await tx.execute(end)).scalar() for end in ends]
    if first is None or last is None:
        return None
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        some = audit.select().where(own, audit.c.id >= middle).order_by(audit.c.id).limit(1)
        there = (await tx.execute(some)).one()
        if there.at < at:
            low = there.id + 1
        else:
            high = middle
    return low if low <= last else None


def _conditions(wanted: AuditFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.firm_id is not None:
        found.append(audit.c.firm_id == wanted.firm_id)
    if wanted.since is not None:
        found.append(audit.c.at >= wanted.since)
    if wanted.until is not None:
        found.append(audit.c.at < wanted.until)
    if wanted.action is not None:
        found.append(audit.c.action.startswith(wanted.action, autoescape=True))
    if wanted.by is not None:
        found.append(audit.c.actor_name == wanted.by)
    return found


async def heads(tx: Transaction, firm_id: int | None) -> dict[int, bytes]:
    """Return the hash of the last entry of each chain, or of one."""
    query = sa.select(audit_heads.c.firm_id, audit_heads.c.digest).order_by(audit_heads.c.firm_id)
    if firm_id is not None:
        query = query.where(audit_heads.c.firm_id == firm_id)
    return {row.firm_id: bytes(row.digest) for row in await tx.execute(query)}


async def chains(tx: Transaction) -> list[int]:
    """Return the firms of which there are entries, whether their chain has an end or not."""
    query = sa.select(audit.c.firm_id).distinct().order_by(audit.c.firm_id)
    return list((await tx.execute(query)).scalars())


def _entry_from(row: Any) -> KeptEntry:
    actor = Actor(ActorKind(row.actor_kind), row.actor_name, row.actor_id, row.origin)
    entry = Entry(row.at, actor, row.action, row.subject, row.before, row.after)
    return KeptEntry(row.id, row.firm_id, entry, bytes(row.previous))
