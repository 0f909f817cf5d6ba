"""The audit: entries are added and read, and never changed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import audit, audit_heads
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.audit import FIRST, AuditFilter, Entry, KeptEntry, digest


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


async def page_back(tx: Transaction, wanted: AuditFilter, before: int | None, limit: int) -> list[KeptEntry]:
    """Return entries, the last one first, from the one before an id."""
    query = audit.select().where(*_conditions(wanted))
    if before is not None:
        query = query.where(audit.c.id < before)
    return [_entry_from(row) for row in await tx.execute(query.order_by(audit.c.id.desc()).limit(limit))]


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
