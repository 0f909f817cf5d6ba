"""Delete cases with all that is kept of them, down to the bytes of the file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa

from casedial.domain.errors import StorageUnavailable
from casedial.storage import firms, health
from casedial.storage.engine import Database, Store, Transaction
from casedial.storage.retention import listed_cases
from casedial.storage.tables import (
    calls,
    cases,
    claims,
    do_not_call,
    idempotency,
    keys,
    notes,
    phone_numbers,
    refused_reports,
    status_history,
)

ReplyName = tuple[int, bytes]  # the key, and the digest of the Idempotency-Key

_ROWS = {"history": status_history, "notes": notes}
_WIPE_TRIES = 10
_WIPE_PAUSE = 0.5  # seconds


def _of(table: sa.Table, firm_id: int, case_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.firm_id == firm_id, table.c.case_id == case_id)


async def count(tx: Transaction, firm_id: int, case_id: int) -> dict[str, int]:
    """Return how many rows of each kind there are of a case."""
    found = {}
    for kind, table in _ROWS.items():
        query = sa.select(sa.func.count()).select_from(table).where(_of(table, firm_id, case_id))
        found[kind] = int((await tx.execute(query)).scalar_one())
    return found


async def delete(tx: Transaction, firm_id: int, case_id: int) -> dict[str, int]:
    """Delete a case that this transaction holds, or what is left of one; return how many rows of each kind."""
    removed = {
        kind: int((await tx.execute(table.delete().where(_of(table, firm_id, case_id)))).rowcount)
        for kind, table in _ROWS.items()
    }
    if (await tx.execute(do_not_call.delete().where(_of(do_not_call, firm_id, case_id)))).rowcount:
        await firms.change(tx, firm_id)  # it may have no list any more
    for table in (phone_numbers, calls, refused_reports, cases):
        await tx.execute(table.delete().where(_of(table, firm_id, case_id)))
    return removed


async def claims_of(tx: Transaction, firm_id: int, case_ids: Sequence[int]) -> list[UUID]:
    """Return the claims that these cases were ever part of."""
    listed = listed_cases(tx.database)
    there = sa.select(sa.literal(1)).where(sa.cast(listed.c.value, sa.BigInteger).in_(case_ids))
    query = sa.select(claims.c.id).where(
        claims.c.firm_id == firm_id, there.select_from(listed).correlate(claims).exists()
    )
    return list((await tx.execute(query.order_by(claims.c.id))).scalars())


async def take_from_claims(tx: Transaction, firm_id: int, claim_ids: Sequence[UUID], case_ids: Sequence[int]) -> None:
    """Take cases that are gone out of claims; a claim left without any goes, too.

    A case that an import has brought back meanwhile stays: a new claim may hold it.
    """
    query = sa.select(claims.c.id, claims.c.case_ids, claims.c.evidence).where(tx.among(claims.c.id, claim_ids))
    back = sa.select(cases.c.case_id).where(cases.c.firm_id == firm_id, tx.among(cases.c.case_id, case_ids))
    gone = set(case_ids) - set((await tx.execute(back)).scalars())
    for row in (await tx.execute(query.order_by(claims.c.id).with_for_update())).all():
        left = [case_id for case_id in row.case_ids if case_id not in gone]
        this = claims.c.id == row.id
        evidence = {case_id: found for case_id, found in (row.evidence or {}).items() if int(case_id) not in gone}
        fewer = claims.update().where(this).values(case_ids=left, evidence=evidence or None)
        await tx.execute(fewer if left else claims.delete().where(this))


async def replies_with(tx: Transaction, firm_id: int, marks: Sequence[bytes]) -> list[ReplyName]:
    """Return the kept replies to a firm's keys that hold one of these marks."""
    body = idempotency.c.body

    def holds(mark: bytes) -> sa.ColumnElement[bool]:
        if tx.database is Database.SQLITE:
            return sa.func.instr(body, mark) > 0
        return sa.func.position(sa.literal(mark, sa.LargeBinary).op("IN")(body)) > 0

    of_firm = idempotency.c.key_id.in_(sa.select(keys.c.id).where(keys.c.firm_id == firm_id))
    query = sa.select(idempotency.c.key_id, idempotency.c.digest).where(of_firm, sa.or_(*map(holds, marks)))
    return [(row.key_id, row.digest) for row in await tx.execute(query)]


async def edit_replies(tx: Transaction, names: Sequence[ReplyName], edit: Callable[[bytes], bytes]) -> None:
    """Store kept replies as ``edit`` returns them."""
    for key_id, digest in sorted(names):
        this = sa.and_(idempotency.c.key_id == key_id, idempotency.c.digest == digest)
        body = (await tx.execute(sa.select(idempotency.c.body).where(this).with_for_update())).scalar_one_or_none()
        if body is not None:
            await tx.execute(idempotency.update().where(this).values(body=edit(body)))


async def wipe(store: Store) -> bool:
    """See to it that nothing of deleted rows is left in a SQLite file or its log, nor in PostgreSQL's statistics.

    Return whether that was possible; a reader or writer that holds on may be in the way.
    """
    if store.database is Database.POSTGRESQL:
        async with store.session() as tx:
            await tx.connection.execution_options(isolation_level="AUTOCOMMIT")
            _, reached = await health.is_snapshot_held(tx, None)
            for table in (*_ROWS.values(), phone_numbers, calls, refused_reports, claims, idempotency, cases):
                await tx.execute(sa.text(f"VACUUM (ANALYZE) {table.name}"))  # statistics hold samples of the values
            # What a transaction from before may still see stays.
            is_held, _ = await health.is_snapshot_held(tx, reached)
            return not is_held
    try:
        async with store.outside() as connection:
            # Overwriting what is deleted (``secure_delete``) is not enough: where SQLite moves rows from page to
            # page, copies stay in the gaps, of two in a hundred cases when it was tried.
            await connection.execute("VACUUM")
            # The log is emptied when no reader needs it; who waits for that keeps writers out, so never long.
            await connection.execute("PRAGMA busy_timeout = 1000")
            for _ in range(_WIPE_TRIES):
                cursor = await connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                busy = await cursor.fetchone()
                if busy and not busy[0]:
                    return True
                await asyncio.sleep(_WIPE_PAUSE)
    except StorageUnavailable:
        pass
    return False
