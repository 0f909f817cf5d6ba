"""Calls that were made, and numbers that are in an open claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import zip_longest

import sqlalchemy as sa

from casedial.domain.cases import Role
from casedial.domain.limits import LOOK_BACK, Call
from casedial.storage.engine import Transaction
from casedial.storage.tables import calls, cases, phone_numbers

_AT_ONCE = 5000  # that one query looks for: PostgreSQL takes 32,767 parameters


def _batches(values: Iterable[str] | Iterable[int]) -> Iterator[Sequence[str | int]]:
    ordered: list[str | int] = sorted(set(values))
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


async def add(tx: Transaction, firm_id: int, made: Sequence[Call]) -> None:
    """Record calls."""
    rows = [
        {
            "firm_id": firm_id,
            "number": call.number,
            "case_id": call.case_id,
            "called_at": call.at,
            "conversation": call.conversation,
        }
        for call in made
    ]
    if rows:
        await tx.execute(calls.insert(), rows)


async def concerning(
    tx: Transaction, firm_id: int, numbers: Iterable[str], case_ids: Iterable[int], now: datetime
) -> set[Call]:
    """Return the calls of these numbers and of these cases that any limit may still count."""
    found: set[Call] = set()
    lately = sa.and_(calls.c.firm_id == firm_id, calls.c.called_at > now - LOOK_BACK)
    for some, few in zip_longest(_batches(numbers), _batches(case_ids), fillvalue=()):
        either = calls.select().where(lately, calls.c.number.in_(some))
        rows = await tx.execute(either.union_all(calls.select().where(lately, calls.c.case_id.in_(few))))
        found |= {Call(row.number, row.case_id, row.called_at, row.conversation) for row in rows}
    return found


async def sharers(tx: Transaction, firm_id: int, numbers: Iterable[str]) -> list[tuple[str, int]]:
    """Return which cases have these numbers, as pairs of a number and a CaseID."""
    there = phone_numbers.c
    found: list[tuple[str, int]] = []
    for some in _batches(numbers):
        query = sa.select(there.number, there.case_id).where(there.firm_id == firm_id, there.number.in_(some))
        found += [(row.number, row.case_id) for row in await tx.execute(query)]
    return found


async def idle(tx: Transaction, firm_id: int, case_ids: Iterable[int], lock: bool) -> set[int]:
    """Return which of these cases are not In the Dialer.

    With ``lock`` they stay so until the end of the transaction, and a case that somebody else works on is left out:
    it may be on its way into the dialer. Nobody is waited for.
    """
    found: set[int] = set()
    for some in _batches(case_ids):
        query = sa.select(cases.c.case_id, cases.c.dialer_role).where(
            cases.c.firm_id == firm_id, cases.c.case_id.in_(some)
        )
        rows = await tx.execute(query.with_for_update(read=True, skip_locked=True) if lock else query)
        found |= {row.case_id for row in rows if row.dialer_role != Role.IN_THE_DIALER}
    return found


async def forget(tx: Transaction, now: datetime, limit: int) -> int:
    """Delete calls that no limit counts any more, at most ``limit``; return how many."""
    old = sa.select(calls.c.id).where(calls.c.called_at <= now - LOOK_BACK).order_by(calls.c.called_at).limit(limit)
    return int((await tx.execute(calls.delete().where(calls.c.id.in_(old)))).rowcount)
