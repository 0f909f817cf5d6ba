"""Calls that were made, and numbers that are in an open claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import calls, cases, phone_numbers
from casedial.domain.limits import LOOK_BACK, Call
from casedial.domain.statuses import Role

_AT_ONCE = 5000  # that one query looks for: SQLite takes 32,766 parameters
_NUMBERS = 1_850_307_913  # stands for phone numbers among what is reserved


def _batches(values: Iterable[str] | Iterable[int]) -> Iterator[Sequence[str | int]]:
    ordered: list[str | int] = sorted(set(values))
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


async def add(tx: Transaction, firm_id: int, made: Sequence[Call]) -> None:
    """Record calls."""
    rows = [(firm_id, call.number, call.case_id, call.at, call.conversation) for call in made]
    await bulk.insert(tx, calls, ("firm_id", "number", "case_id", "called_at", "conversation"), rows)


async def of_cases(tx: Transaction, firm_id: int, case_ids: Sequence[int]) -> list[Call]:
    """Return the calls of these cases that are kept, the oldest first."""
    query = calls.select().where(calls.c.firm_id == firm_id, tx.among(calls.c.case_id, case_ids))
    rows = await tx.execute(query.order_by(calls.c.called_at, calls.c.id))
    return [Call(row.number, row.case_id, row.called_at, row.conversation) for row in rows]


async def concerning(
    tx: Transaction, firm_id: int, numbers: Iterable[str], case_ids: Iterable[int], now: datetime
) -> tuple[set[Call], dict[str, int]]:
    """Return the calls of these numbers and of these cases that any limit may still count, and the numbers in use.

    Those are what a case In the Dialer has, each with such a case's CaseID. Both are of one moment: a call that is
    reported, and ends the use of its number, is there as the one or as the other.
    """
    made: set[Call] = set()
    in_use: dict[str, int] = {}
    for some, few in zip_longest(_batches(numbers), _batches(case_ids), fillvalue=()):
        given = {"the_firm": firm_id, "since": now - LOOK_BACK, "numbers": some, "case_ids": few}
        for row in await tx.execute(_concerning(tx.dialect), given):
            if row.called_at is None:
                in_use[row.number] = row.case_id
            else:
                made.add(Call(row.number, row.case_id, row.called_at, row.conversation))
    return made, in_use


@cache
def _concerning(dialect: Dialect) -> sa.CompoundSelect[Any]:
    firm = sa.bindparam("the_firm", type_=sa.BigInteger)
    lately = sa.and_(calls.c.firm_id == firm, calls.c.called_at > sa.bindparam("since", type_=calls.c.called_at.type))
    of_call = sa.select(calls.c.number, calls.c.case_id, calls.c.called_at, calls.c.conversation).where(lately)
    there = phone_numbers.c
    has = sa.and_(cases.c.firm_id == there.firm_id, cases.c.case_id == there.case_id)
    never = (sa.cast(sa.null(), of.type) for of in (calls.c.called_at, calls.c.conversation))
    of_case = sa.select(there.number, there.case_id, *never).select_from(phone_numbers.join(cases, has))
    # + 0, or a planner that last saw nobody In the Dialer begins with all who are by now, by their index: with 1,500 of
    # them a claim under calling rules took twice as long.
    is_held = sa.and_(there.firm_id == firm, cases.c.dialer_role + 0 == int(Role.IN_THE_DIALER))
    return sa.union_all(
        of_call.where(dialect.among_given(calls.c.number, "numbers")),
        of_call.where(dialect.among_given(calls.c.case_id, "case_ids")),
        of_case.where(is_held, dialect.among_given(there.number, "numbers")),
    )


async def reserve(tx: Transaction, firm_id: int, numbers: Iterable[str]) -> set[str]:
    """Keep numbers for this transaction; return those that no other claim is about to hand out. Nobody waits long."""
    return await tx.dialect.reserve(tx, _NUMBERS, firm_id, sorted(set(numbers)))


async def forget(tx: Transaction, now: datetime, limit: int) -> int:
    """Delete calls that no limit counts any more, at most ``limit``; return how many.

    Calls are recorded as they are made, so the oldest are the first: their time needs no index.
    """
    first = sa.select(calls.c.id, calls.c.called_at).order_by(calls.c.id).limit(limit).subquery()
    old = (await tx.execute(sa.select(first.c.id).where(first.c.called_at <= now - LOOK_BACK))).scalars().all()
    if not old:
        return 0
    return int((await tx.execute(calls.delete().where(tx.among(calls.c.id, old)))).rowcount)
