"""Delete cases with all that is kept of them, down to the bytes of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.database.tables import (
    calls,
    case_names,
    cases,
    change_cases,
    changes,
    claims,
    do_not_call,
    fact_changes,
    idempotency,
    import_cases,
    import_pieces,
    keys,
    looks,
    notes,
    phone_changes,
    phone_numbers,
    priority_changes,
    refused_reports,
    status_history,
    webhook_deliveries,
)
from casedial.storage import firms, import_jobs, names, webhooks
from casedial.storage.changes import HAS_CASES

ReplyName = tuple[int, bytes]  # the key, and the digest of the Idempotency-Key

_ROWS = {
    "history": status_history,
    "phone_changes": phone_changes,
    "priority_changes": priority_changes,
    "fact_changes": fact_changes,
    "notes": notes,
}


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
    await names.remove_of(tx, firm_id, case_id)
    for table in (phone_numbers, calls, refused_reports, looks, cases):
        await tx.execute(table.delete().where(_of(table, firm_id, case_id)))
    with_cases = sa.select(changes.c.id).where(changes.c.firm_id == firm_id, HAS_CASES)  # their index begins with it
    there = change_cases.c.change_id.in_(with_cases)
    await tx.execute(change_cases.delete().where(there, _of(change_cases, firm_id, case_id)))
    await tx.execute(import_jobs.forget_cases(firm_id, [case_id]))
    await webhooks.take_back(tx, firm_id, [case_id])
    return removed


async def delete_untouched(tx: Transaction, firm_id: int, case_ids: Sequence[int]) -> None:
    """Delete cases that this transaction holds and nobody has touched: no claim, note or listing names one."""
    if not case_ids:
        return
    with_cases = sa.select(changes.c.id).where(changes.c.firm_id == firm_id, HAS_CASES)
    await webhooks.take_back(tx, firm_id, case_ids)
    these = tx.among(change_cases.c.case_id, case_ids)
    await tx.execute(
        change_cases.delete().where(change_cases.c.change_id.in_(with_cases), change_cases.c.firm_id == firm_id, these)
    )
    for table in (status_history, fact_changes, phone_numbers, calls, refused_reports, cases):
        await tx.execute(table.delete().where(table.c.firm_id == firm_id, tx.among(table.c.case_id, case_ids)))


async def claims_of(tx: Transaction, firm_id: int, case_ids: Sequence[int]) -> list[UUID]:
    """Return the claims that these cases were ever part of."""
    listed = tx.dialect.listed(claims.c.case_ids)
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
    holds_one = sa.or_(*(tx.dialect.holds(idempotency.c.body, mark) for mark in marks))
    of_firm = idempotency.c.key_id.in_(sa.select(keys.c.id).where(keys.c.firm_id == firm_id))
    query = sa.select(idempotency.c.key_id, idempotency.c.digest).where(of_firm, holds_one)
    return [(row.key_id, row.digest) for row in await tx.execute(query)]


async def edit_replies(tx: Transaction, names: Sequence[ReplyName], edit: Callable[[bytes], bytes]) -> None:
    """Store kept replies as ``edit`` returns them."""
    for key_id, digest in sorted(names):
        this = sa.and_(idempotency.c.key_id == key_id, idempotency.c.digest == digest)
        body = (await tx.execute(sa.select(idempotency.c.body).where(this).with_for_update())).scalar_one_or_none()
        if body is not None:
            await tx.execute(idempotency.update().where(this).values(body=edit(body)))


async def wipe(store: Store) -> bool:
    """See to it that nothing of deleted rows is left in the database; return whether that was possible.

    A reader or writer that holds on may be in the way.
    """
    return await store.dialect.wipe(
        store,
        (
            *_ROWS.values(),
            *(phone_numbers, case_names, calls, refused_reports, claims, idempotency, change_cases, cases),
            *(import_pieces, import_cases, webhook_deliveries),
        ),
    )
