"""The do-not-call list of a firm. Whoever changes it also calls ``firms.change``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import do_not_call as table
from casedial.database.tables import phone_numbers
from casedial.domain.calling import Listing


def _listing_from(row: Any) -> Listing:
    return Listing(row.listed_on, row.source, row.number, row.case_id)


_AT_ONCE = 5000  # that one query looks for: PostgreSQL takes 32,767 parameters


async def has_any(tx: Transaction, firm_id: int) -> bool:
    """Tell whether anything stands on a firm's list."""
    return bool((await tx.execute(sa.select(sa.exists().where(table.c.firm_id == firm_id)))).scalar_one())


async def firms_with_list(tx: Transaction) -> list[int]:
    """Return the ids of the firms that have a list."""
    return list((await tx.execute(sa.select(table.c.firm_id).distinct().order_by(table.c.firm_id))).scalars())


async def concerning(tx: Transaction, firm_id: int, numbers: Iterable[str], case_ids: Iterable[int]) -> list[Listing]:
    """Return the entries for any of these numbers and cases."""
    found: list[Listing] = []
    for column, values in ((table.c.number, sorted(set(numbers))), (table.c.case_id, sorted(set(case_ids)))):
        for start in range(0, len(values), _AT_ONCE):
            some = table.select().where(table.c.firm_id == firm_id, tx.among(column, values[start : start + _AT_ONCE]))
            found += [_listing_from(row) for row in await tx.execute(some)]
    return found


async def page(tx: Transaction, firm_id: int, after: int, limit: int) -> tuple[list[Listing], int]:
    """Return a page of a firm's list, and where it ends."""
    query = table.select().where(table.c.firm_id == firm_id, table.c.id > after).order_by(table.c.id).limit(limit)
    rows = (await tx.execute(query)).all()
    return [_listing_from(row) for row in rows], rows[-1].id if rows else after


async def shelf(
    tx: Transaction, firm_id: int, of_cases: bool, after: str | int | None, before: str | int | None, limit: int
) -> list[Listing]:
    """Return entries of numbers, or of cases, in the order of these: behind one, or the last ones before one."""
    column = table.c.case_id if of_cases else table.c.number
    query = table.select().where(table.c.firm_id == firm_id, column.is_not(None))
    if before is not None:
        query = query.where(column < before).order_by(column.desc())
    else:
        query = (query if after is None else query.where(column > after)).order_by(column)
    found = [_listing_from(row) for row in await tx.execute(query.limit(limit))]
    return found if before is None else found[::-1]


async def cases_with(tx: Transaction, firm_id: int, numbers: Iterable[str], limit: int) -> list[int]:
    """Return the first cases that have one of these numbers, by CaseID."""
    these = phone_numbers.c.firm_id == firm_id, tx.among(phone_numbers.c.number, sorted(set(numbers)))
    query = sa.select(phone_numbers.c.case_id).where(*these).distinct().order_by(phone_numbers.c.case_id)
    return list((await tx.execute(query.limit(limit))).scalars())


async def add(tx: Transaction, firm_id: int, listings: Sequence[Listing]) -> int:
    """Add entries; return how many were new: what is listed already stays as it is."""
    rows = [
        {
            "firm_id": firm_id,
            "number": listing.number,
            "case_id": listing.case_id,
            "listed_on": listing.listed_on,
            "source": listing.source,
        }
        for listing in listings
    ]
    if not rows:
        return 0
    new = tx.dialect.insert(table).on_conflict_do_nothing().returning(table.c.id)
    return len((await tx.execute(new, rows)).all())


async def remove(tx: Transaction, firm_id: int, numbers: Iterable[str], case_ids: Iterable[int]) -> int:
    """Take entries off; return how many there were."""
    these = sa.or_(tx.among(table.c.number, sorted(set(numbers))), tx.among(table.c.case_id, sorted(set(case_ids))))
    return int((await tx.execute(table.delete().where(table.c.firm_id == firm_id, these))).rowcount)


async def of_cases(tx: Transaction, firm_id: int, case_ids: Iterable[int]) -> dict[int, tuple[int, Listing]]:
    """Return the entries for these cases, by CaseID, each with its id."""
    these = table.c.firm_id == firm_id, tx.among(table.c.case_id, sorted(set(case_ids)))
    rows = await tx.execute(table.select().where(*these))
    return {row.case_id: (row.id, _listing_from(row)) for row in rows}
