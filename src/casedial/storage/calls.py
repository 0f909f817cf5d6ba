"""Calls that were made, and numbers that are in an open claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import zip_longest

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from casedial.domain.cases import Role
from casedial.domain.limits import LOOK_BACK, Call
from casedial.storage import bulk
from casedial.storage.engine import Database, Transaction
from casedial.storage.tables import calls, cases, phone_numbers

_AT_ONCE = 5000  # that one query looks for: SQLite takes 32,766 parameters
_NUMBERS_LOCK = 1_850_307_913  # what advisory locks of numbers are known by
_RESERVED_SINGLY = 256
_RESERVE = sa.text("""
WITH firm AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:what, :the_firm))
SELECT number, pg_try_advisory_xact_lock(hashtextextended(:the_firm || ':' || number, :what)) AS ours
FROM firm, unnest(:numbers) AS number
""").bindparams(
    sa.bindparam("what", _NUMBERS_LOCK, sa.Integer),
    sa.bindparam("the_firm", type_=sa.Integer),
    sa.bindparam("numbers", type_=ARRAY(sa.Text)),
)


def _batches(values: Iterable[str] | Iterable[int]) -> Iterator[Sequence[str | int]]:
    ordered: list[str | int] = sorted(set(values))
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


async def add(tx: Transaction, firm_id: int, made: Sequence[Call]) -> None:
    """Record calls."""
    rows = [(firm_id, call.number, call.case_id, call.at, call.conversation) for call in made]
    await bulk.insert(tx, calls, ("firm_id", "number", "case_id", "called_at", "conversation"), rows)


async def concerning(
    tx: Transaction, firm_id: int, numbers: Iterable[str], case_ids: Iterable[int], now: datetime
) -> set[Call]:
    """Return the calls of these numbers and of these cases that any limit may still count."""
    found: set[Call] = set()
    lately = sa.and_(calls.c.firm_id == firm_id, calls.c.called_at > now - LOOK_BACK)
    for some, few in zip_longest(_batches(numbers), _batches(case_ids), fillvalue=()):
        either = calls.select().where(lately, tx.among(calls.c.number, some))
        rows = await tx.execute(either.union_all(calls.select().where(lately, tx.among(calls.c.case_id, few))))
        found |= {Call(row.number, row.case_id, row.called_at, row.conversation) for row in rows}
    return found


async def reserve(tx: Transaction, firm_id: int, numbers: Iterable[str]) -> set[str]:
    """Keep numbers for this transaction; return those that no other claim is about to hand out. Nobody waits long.

    A large claim keeps the whole firm for itself, for locks of single numbers fill PostgreSQL's memory of them.
    """
    wanted = sorted(set(numbers))
    if tx.database is Database.SQLITE or not wanted:  # SQLite has one writer
        return set(wanted)
    if len(wanted) > _RESERVED_SINGLY:
        await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_NUMBERS_LOCK, firm_id)))
        return set(wanted)
    rows = await tx.execute(_RESERVE, {"the_firm": firm_id, "numbers": wanted})
    return {row.number for row in rows if row.ours}


async def in_use(tx: Transaction, firm_id: int, numbers: Iterable[str]) -> dict[str, int]:
    """Return which of these numbers a case In the Dialer has, each with such a case's CaseID."""
    there = phone_numbers.c
    has = sa.and_(cases.c.firm_id == there.firm_id, cases.c.case_id == there.case_id)
    found: dict[str, int] = {}
    for some in _batches(numbers):
        query = sa.select(there.number, there.case_id).select_from(phone_numbers.join(cases, has))
        query = query.where(there.firm_id == firm_id, tx.among(there.number, some))
        rows = await tx.execute(query.where(cases.c.dialer_role == int(Role.IN_THE_DIALER)))
        found |= {row.number: row.case_id for row in rows}
    return found


async def forget(tx: Transaction, now: datetime, limit: int) -> int:
    """Delete calls that no limit counts any more, at most ``limit``; return how many."""
    old = sa.select(calls.c.id).where(calls.c.called_at <= now - LOOK_BACK).order_by(calls.c.called_at).limit(limit)
    old = old.with_for_update(skip_locked=True)  # another server deletes them
    return int((await tx.execute(calls.delete().where(calls.c.id.in_(old)))).rowcount)
