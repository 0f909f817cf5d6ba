"""ClientKeys. Only a digest is stored: keys are random, so a plain SHA-256 cannot be turned back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from casedial.storage.engine import Transaction
from casedial.storage.tables import firms, keys

LAST_USE_PRECISION = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is stored, with its firm's name and version."""

    id: int
    firm_id: int
    firm_name: str
    firm_version: int
    vendor: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


_SELECT = sa.select(
    keys.c.id,
    keys.c.firm_id,
    firms.c.name.label("firm_name"),
    firms.c.version.label("firm_version"),
    keys.c.vendor,
    keys.c.hint,
    keys.c.created_at,
    keys.c.last_used_at,
    keys.c.revoked_at,
).join_from(keys, firms)
_BY_DIGEST = _SELECT.where(keys.c.digest == sa.bindparam("digest"))


async def add(tx: Transaction, firm_id: int, vendor: str, digest: bytes, hint: str, now: datetime) -> int:
    """Store a key; return its id. The caller has checked that it is not there."""
    values = {"firm_id": firm_id, "vendor": vendor, "digest": digest, "hint": hint, "created_at": now}
    return int((await tx.execute(keys.insert().values(values).returning(keys.c.id))).scalar_one())


async def find(tx: Transaction, digest: bytes) -> KeyRecord | None:
    """Return the key with this digest, revoked or not, or None."""
    row = (await tx.execute(_BY_DIGEST, {"digest": digest})).one_or_none()
    return KeyRecord(**row._mapping) if row else None


async def every(tx: Transaction, firm_id: int | None = None) -> list[KeyRecord]:
    """Return all keys, or those of one firm, oldest first."""
    query = _SELECT if firm_id is None else _SELECT.where(keys.c.firm_id == firm_id)
    return [KeyRecord(**row._mapping) for row in await tx.execute(query.order_by(keys.c.id))]


async def revoke(tx: Transaction, key_id: int, now: datetime) -> bool:
    """Revoke a key, at once for every server; return whether there is such a key. The first time stands."""
    revoked_at = sa.func.coalesce(keys.c.revoked_at, sa.bindparam("now", now, keys.c.revoked_at.type))
    result = await tx.execute(keys.update().where(keys.c.id == key_id).values(revoked_at=revoked_at))
    return result.rowcount == 1


async def touch(tx: Transaction, key_id: int, now: datetime) -> None:
    """Note that a key was used, unless that was noted within the last minute."""
    stale = sa.or_(keys.c.last_used_at.is_(None), keys.c.last_used_at <= now - LAST_USE_PRECISION)
    await tx.execute(keys.update().where(keys.c.id == key_id, stale).values(last_used_at=now))
