"""The words of names, by the beginnings of which cases are found."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.engine import Transaction
from casedial.database.tables import case_names, cases
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.names import words_of

COLUMNS = ("firm_id", "word", "case_id")
_AFTER_EVERY_LETTER = "\U0010ffff"

Place = tuple[int, int]  # a firm's id, and a CaseID
Row = tuple[int, str, int]


def rows(firm_id: int, named: Iterable[Case]) -> bulk.Rows:
    """Return the rows that these cases want, each as ``COLUMNS``."""
    return [(firm_id, word, case.case_id) for case in named for word in words_of(case.plaintiff)]


async def add(tx: Transaction, firm: Firm, named: Iterable[Case]) -> None:
    """Write the words of cases that have none."""
    await bulk.insert(tx, case_names, COLUMNS, rows(firm.id, named))


async def remove(tx: Transaction, firm: Firm, named: Iterable[Case]) -> None:
    """Remove the words of cases as they are named here."""
    await _remove(tx, rows(firm.id, named))


_THIS_ROW = sa.and_(*(case_names.c[name] == sa.bindparam(f"this_{name}") for name in COLUMNS))


async def _remove(tx: Transaction, gone: bulk.Rows) -> None:
    given = [{f"this_{name}": value for name, value in zip(COLUMNS, row, strict=True)} for row in gone]
    if given:
        await tx.execute(case_names.delete().where(_THIS_ROW), given)


def begins(beginning: str) -> sa.ColumnElement[bool]:
    """Return the condition that a word begins so: a range of its index."""
    c = case_names.c.word
    return sa.and_(c >= beginning, c < beginning + _AFTER_EVERY_LETTER)


def with_word(firm: Firm, beginning: str) -> sa.Select[tuple[int]]:
    """Return the query for the CaseIDs of a firm that have a word which begins so."""
    return sa.select(case_names.c.case_id).where(case_names.c.firm_id == firm.id, begins(beginning))


async def remove_of(tx: Transaction, firm_id: int, case_id: int) -> None:
    """Remove the words of a case that this transaction holds, as it is stored."""
    this = sa.select(cases.c.plaintiff).where(cases.c.firm_id == firm_id, cases.c.case_id == case_id)
    for plaintiff in (await tx.execute(this)).scalars():
        await _remove(tx, rows(firm_id, [Case(case_id, plaintiff=plaintiff)]))


# What a casedial did that knows nothing of words


async def missing(tx: Transaction, after: Place, limit: int, lock: bool = False) -> tuple[list[Row], Place | None]:
    """Return the rows that a page of cases wants and that are not there, and where it ends; None at the end.

    With ``lock`` nobody changes these cases before the end of the transaction.
    """
    c, place = cases.c, sa.tuple_(cases.c.firm_id, cases.c.case_id)
    query = sa.select(c.firm_id, c.case_id, c.plaintiff).where(place > sa.tuple_(*map(sa.literal, after)))
    query = query.order_by(c.firm_id, c.case_id).limit(limit)
    found = (await tx.execute(query.with_for_update(read=True) if lock else query)).all()
    if not found:
        return [], None
    wanted = {(row.firm_id, word, row.case_id) for row in found for word in words_of(row.plaintiff)}
    there: set[Row] = set()
    for firm_id in {row.firm_id for row in found}:
        case_ids = [row.case_id for row in found if row.firm_id == firm_id]
        words = sorted({word for firm, word, _ in wanted if firm == firm_id})
        its = tx.among(case_names.c.word, words), case_names.c.case_id.between(case_ids[0], case_ids[-1])
        rows_there = await tx.execute(case_names.select().where(case_names.c.firm_id == firm_id, *its))
        there |= {(row.firm_id, row.word, row.case_id) for row in rows_there}
    return sorted(wanted - there), (found[-1].firm_id, found[-1].case_id)


async def left_over(tx: Transaction, after: int, limit: int) -> tuple[list[int], int | None]:
    """Return the ids of those of a page of rows that no case has as its name, and where it ends; None at the end."""
    page = case_names.select().where(case_names.c.id > after).order_by(case_names.c.id).limit(limit).subquery()
    whose = sa.and_(cases.c.firm_id == page.c.firm_id, cases.c.case_id == page.c.case_id)
    named = sa.select(page.c.id, page.c.word, cases.c.plaintiff).select_from(page.outerjoin(cases, whose))
    found = (await tx.execute(named)).all()
    over = [row.id for row in found if row.plaintiff is None or row.word not in words_of(row.plaintiff)]
    return over, max((row.id for row in found), default=None)


async def write(tx: Transaction, new: bulk.Rows) -> None:
    """Add rows that are missing, of cases that this transaction holds."""
    await bulk.insert(tx, case_names, COLUMNS, new)


async def drop(tx: Transaction, ids: list[int]) -> None:
    """Remove rows."""
    await tx.execute(case_names.delete().where(tx.among(case_names.c.id, ids)))
