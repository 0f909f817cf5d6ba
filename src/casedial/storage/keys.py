"""ClientKeys. Only a digest is stored: keys are random, so a plain SHA-256 cannot be turned back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_network
from typing import Any

import sqlalchemy as sa

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import firms, keys
from casedial.domain.firms import Caller
from casedial.domain.keys import KeyLimits, KeyRecord, Scope

LAST_USE_PRECISION = timedelta(minutes=1)


_LIMITS = (keys.c.scopes, keys.c.campaigns, keys.c.addresses, keys.c.expires_at, keys.c.rate_limit)


@cache
def key_state(dialect: Dialect) -> sa.ColumnElement[str]:
    """Return what tells one state of a key from another: all that a request depends on."""
    return dialect.state_of([keys.c.firm_id, keys.c.vendor, keys.c.revoked_at, *_LIMITS])


@cache
def _select(dialect: Dialect) -> sa.Select[Any]:
    return sa.select(
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
        key_state(dialect).label("state"),
    ).join_from(keys, firms)


@cache
def _by_digest(dialect: Dialect) -> sa.Select[Any]:
    these = dialect.among_given(keys.c.digest, "digests")
    return sa.select(keys.c.digest, *_select(dialect).selected_columns).join_from(keys, firms).where(these)


@cache
def _states(dialect: Dialect) -> sa.Select[Any]:
    found = sa.select(keys.c.id, key_state(dialect).label("state"), firms.c.version)
    return found.join_from(keys, firms).where(dialect.among_given(keys.c.id, "ids"))


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
        row.state,
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
    query = _by_digest(tx.dialect)
    found, unreadable = await tx.apart(query, {"digests": list(digests)}, lambda row: (row.digest, _key_from(row)))
    return {**dict(found), **dict.fromkeys(unreadable)}


async def proven(tx: Transaction, callers: Sequence[Caller], now: datetime) -> list[bool]:
    """Tell of each caller whether key and firm are what they were when they were looked up, and the key is not over."""
    wanted = {caller.key_id for caller in callers if caller.key_state is not None}
    rows = await tx.execute(_states(tx.dialect), {"ids": list(wanted)}) if wanted else ()
    known = {row.id: (row.state, row.version) for row in rows}
    return [
        caller.key_state is None
        or (known.get(caller.key_id) == (caller.key_state, caller.firm.version) and not caller.limits.has_expired(now))
        for caller in callers
    ]


async def lock(tx: Transaction, key_id: int) -> KeyRecord | None:
    """Return the key with this id, held until the end of the transaction, or None."""
    query = _select(tx.dialect).where(keys.c.id == key_id).with_for_update(of=keys)
    row = (await tx.execute(query)).one_or_none()
    return _key_from(row) if row else None


async def every(tx: Transaction, firm_id: int | None = None) -> tuple[list[KeyRecord], list[int]]:
    """Return all keys, or those of one firm, oldest first; and the ids of those that cannot be read."""
    query = _select(tx.dialect).order_by(keys.c.id)
    return await tx.apart(query if firm_id is None else query.where(keys.c.firm_id == firm_id), None, _key_from)


async def limit(tx: Transaction, key_id: int, limits: KeyLimits) -> None:
    """Set what a key is limited to, at once for every server."""
    await tx.execute(keys.update().where(keys.c.id == key_id).values(_limit_values(limits)))


async def revoke(tx: Transaction, key_id: int, now: datetime) -> tuple[int, str] | None:
    """Revoke a key, at once for every server; return its firm's id and its vendor, None where there is no such key.

    The first time stands. The key is not read: it is revoked though its row makes no sense.
    """
    revoked_at = sa.func.coalesce(keys.c.revoked_at, sa.bindparam("now", now, keys.c.revoked_at.type))
    revoked = keys.update().where(keys.c.id == key_id).values(revoked_at=revoked_at)
    row = (await tx.execute(revoked.returning(keys.c.firm_id, keys.c.vendor))).one_or_none()
    return (row.firm_id, row.vendor) if row else None


async def touch(tx: Transaction, key_id: int, now: datetime) -> None:
    """Note that a key was used, unless that was noted within the last minute."""
    stale = sa.or_(keys.c.last_used_at.is_(None), keys.c.last_used_at <= now - LAST_USE_PRECISION)
    await tx.execute(keys.update().where(keys.c.id == key_id, stale).values(last_used_at=now))
