"""ClientKeys. Only a digest is stored: keys are random, so a plain SHA-256 cannot be turned back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa

from casedial.domain.keys import KeyLimits, Scope
from casedial.storage.engine import Database, Transaction, among
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
    limits: KeyLimits


_LIMITS = (keys.c.scopes, keys.c.campaigns, keys.c.addresses, keys.c.expires_at, keys.c.rate_limit)
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
    *_LIMITS,
).join_from(keys, firms)
_BY_DIGEST = {
    database: sa.select(keys.c.digest, *_SELECT.selected_columns)
    .join_from(keys, firms)
    .where(among(database, keys.c.digest, "digests"))
    for database in Database
}

_STANDING = {
    database: sa.select(keys.c.id, *_LIMITS).where(among(database, keys.c.id, "ids"), keys.c.revoked_at.is_(None))
    for database in Database
}


def _limits_from(row: Any) -> KeyLimits:
    return KeyLimits(
        frozenset(map(Scope, row.scopes.split())),
        None if row.campaigns is None else frozenset(row.campaigns),
        None if row.addresses is None else tuple(map(ip_network, row.addresses)),
        row.expires_at,
        row.rate_limit,
    )


def _limit_values(limits: KeyLimits) -> dict[str, object]:
    return {
        "scopes": " ".join(scope for scope in Scope if scope in limits.scopes),
        "campaigns": None if limits.campaigns is None else sorted(limits.campaigns),
        "addresses": None if limits.addresses is None else list(map(str, limits.addresses)),
        "expires_at": limits.expires_at,
        "rate_limit": limits.rate_limit,
    }


def _key_from(row: Any) -> KeyRecord:
    return KeyRecord(
        row.id,
        row.firm_id,
        row.firm_name,
        row.firm_version,
        row.vendor,
        row.hint,
        row.created_at,
        row.last_used_at,
        row.revoked_at,
        _limits_from(row),
    )


async def add(
    tx: Transaction, firm_id: int, vendor: str, digest: bytes, hint: str, limits: KeyLimits, now: datetime
) -> int:
    """Store a key; return its id. The caller has checked that it is not there."""
    values = {"firm_id": firm_id, "vendor": vendor, "digest": digest, "hint": hint, "created_at": now}
    row = {**values, **_limit_values(limits)}
    return int((await tx.execute(keys.insert().values(row).returning(keys.c.id))).scalar_one())


async def find(tx: Transaction, digests: Collection[bytes]) -> dict[bytes, KeyRecord | None]:
    """Return the keys with these digests, revoked or not; None for one whose row cannot be read."""
    query = _BY_DIGEST[tx.database]
    found, unreadable = await tx.apart(query, {"digests": list(digests)}, lambda row: (row.digest, _key_from(row)))
    return {**dict(found), **dict.fromkeys(unreadable)}


async def standing(tx: Transaction, key_ids: Collection[int]) -> dict[int, KeyLimits]:
    """Return the limits, as they are now, of those of these keys that are not revoked."""
    rows = await tx.execute(_STANDING[tx.database], {"ids": list(key_ids)})
    return {row.id: _limits_from(row) for row in rows}


async def lock(tx: Transaction, key_id: int) -> KeyRecord | None:
    """Return the key with this id, held until the end of the transaction, or None."""
    query = _SELECT.where(keys.c.id == key_id).with_for_update(of=keys)
    row = (await tx.execute(query)).one_or_none()
    return _key_from(row) if row else None


async def every(tx: Transaction, firm_id: int | None = None) -> tuple[list[KeyRecord], list[int]]:
    """Return all keys, or those of one firm, oldest first; and the ids of those that cannot be read."""
    query = _SELECT if firm_id is None else _SELECT.where(keys.c.firm_id == firm_id)
    return await tx.apart(query.order_by(keys.c.id), None, _key_from)


async def limit(tx: Transaction, key_id: int, limits: KeyLimits) -> None:
    """Set what a key is limited to, at once for every server."""
    await tx.execute(keys.update().where(keys.c.id == key_id).values(_limit_values(limits)))


async def revoke(tx: Transaction, key_id: int, now: datetime) -> bool:
    """Revoke a key, at once for every server; return whether there is such a key. The first time stands."""
    revoked_at = sa.func.coalesce(keys.c.revoked_at, sa.bindparam("now", now, keys.c.revoked_at.type))
    result = await tx.execute(keys.update().where(keys.c.id == key_id).values(revoked_at=revoked_at))
    return result.rowcount == 1


async def touch(tx: Transaction, key_id: int, now: datetime) -> None:
    """Note that a key was used, unless that was noted within the last minute."""
    stale = sa.or_(keys.c.last_used_at.is_(None), keys.c.last_used_at <= now - LAST_USE_PRECISION)
    await tx.execute(keys.update().where(keys.c.id == key_id, stale).values(last_used_at=now))
