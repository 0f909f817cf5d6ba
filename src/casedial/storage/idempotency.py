"""Replies to writes sent with an Idempotency-Key, kept to be given again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from casedial.database.dialects import Dialect, RowHeld
from casedial.database.engine import Transaction
from casedial.database.tables import idempotency
from casedial.domain.errors import RequestStillRunning

KEPT_FOR = timedelta(hours=24)
_THIS_ROW = sa.and_(
    idempotency.c.key_id == sa.bindparam("the_key", type_=sa.BigInteger),
    idempotency.c.digest == sa.bindparam("the_digest", type_=sa.LargeBinary),
)
_FIND = idempotency.select().where(_THIS_ROW)
_KEEP = (
    idempotency.update().where(_THIS_ROW).values({name: sa.bindparam(name) for name in ("status", "headers", "body")})
)


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply as it was given the first time; ``fingerprint`` tells which request it answered."""

    fingerprint: bytes
    status: int
    headers: dict[str, str]
    body: bytes


@cache
def _begin(dialect: Dialect) -> Any:
    """Build the first insert of a write: it takes the key, also one whose time is over, or waits for who has it."""
    insert = dialect.insert(idempotency)
    anew = {"fingerprint": insert.excluded.fingerprint, "created_at": insert.excluded.created_at}
    return insert.on_conflict_do_update(
        index_elements=["key_id", "digest"],
        set_={**anew, "status": None, "headers": None, "body": None},
        where=idempotency.c.created_at <= sa.bindparam("cutoff", type_=idempotency.c.created_at.type),
    ).returning(idempotency.c.key_id)


@cache
def _take(dialect: Dialect) -> Any:
    """Build the insert that takes a key without waiting, where nobody has it."""
    insert = dialect.insert(idempotency).on_conflict_do_nothing()
    return insert.returning(idempotency.c.key_id, idempotency.c.digest)


@dataclass(frozen=True, slots=True, order=True)
class Once:
    """A write that is to be done once: the key of its caller, its Idempotency-Key, and which request it is."""

    key_id: int
    key: bytes
    fingerprint: bytes


def digest(key: str) -> bytes:
    """Return what an Idempotency-Key is stored by."""
    return sha256(key.encode()).digest()


async def begin(tx: Transaction, once: Once, now: datetime, patience: float) -> KeptReply | None:
    """Take a key for the write that begins here, or return the reply that the first request with it was given.

    Raises RequestStillRunning when the first goes on for ``patience`` seconds more.
    """
    row = {**_row(once, now), "cutoff": now - KEPT_FOR}
    async with _waiting(tx, patience):
        taken = (await tx.execute(_begin(tx.dialect), row)).one_or_none()
    if taken:
        return None
    kept = (await tx.execute(_FIND, {"the_key": once.key_id, "the_digest": once.key})).one()
    return KeptReply(kept.fingerprint, kept.status, kept.headers, kept.body)


async def begin_new(tx: Transaction, wanted: Sequence[Once], now: datetime, patience: float) -> set[Once]:
    """Take the keys of writes that are done together; return those that nobody ever used, the others are left alone.

    Raises RequestStillRunning when the first request with one of them goes on for ``patience`` seconds more.
    """
    if not wanted:
        return set()
    async with _waiting(tx, patience):  # in order, so that two do not wait for each other
        rows = await tx.execute(_take(tx.dialect), [_row(once, now) for once in sorted(wanted)])
    taken = {(row.key_id, row.digest) for row in rows}
    return {once for once in wanted if (once.key_id, once.key) in taken}


def _row(once: Once, now: datetime) -> dict[str, object]:
    return {"key_id": once.key_id, "digest": once.key, "fingerprint": once.fingerprint, "created_at": now}


@asynccontextmanager
async def _waiting(tx: Transaction, patience: float) -> AsyncIterator[None]:
    """Wait so many seconds for who has a key. Raises RequestStillRunning."""
    try:
        async with tx.dialect.waiting(tx, patience):
            yield
    except RowHeld:
        raise still_running() from None


def still_running() -> RequestStillRunning:
    """Return the refusal of a repeat that would not wait longer."""
    return RequestStillRunning("The first request with this Idempotency-Key is still running; repeat it in a moment.")


async def keep(tx: Transaction, replies: Mapping[Once, KeptReply]) -> None:
    """Keep the replies of writes that took their keys in this transaction."""
    rows = [
        {
            "the_key": once.key_id,
            "the_digest": once.key,
            "status": reply.status,
            "headers": reply.headers,
            "body": reply.body,
        }
        for once, reply in replies.items()
    ]
    if rows:
        await tx.execute(_KEEP, rows)


async def forget(tx: Transaction, once: Once) -> None:
    """Give back a key taken in this transaction: its reply is not one to be kept."""
    await tx.execute(idempotency.delete().where(_THIS_ROW), {"the_key": once.key_id, "the_digest": once.key})


async def count_old(tx: Transaction, now: datetime) -> int:
    """Return how many replies there are whose time is over."""
    query = sa.select(sa.func.count()).select_from(idempotency).where(idempotency.c.created_at <= now - KEPT_FOR)
    return int((await tx.execute(query)).scalar_one())


async def purge(tx: Transaction, now: datetime, limit: int) -> int:
    """Delete replies whose time is over, at most ``limit``; return how many."""
    is_old = idempotency.c.created_at <= now - KEPT_FOR
    old = sa.select(idempotency.c.key_id, idempotency.c.digest).where(is_old).limit(limit)
    these = sa.tuple_(idempotency.c.key_id, idempotency.c.digest).in_(old.with_for_update(skip_locked=True))
    # Asked twice: a key may be taken anew between the finding and the deleting.
    return int((await tx.execute(idempotency.delete().where(these, is_old))).rowcount)
