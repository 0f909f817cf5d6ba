"""What may be over: read page by page, which holds nothing, and removed by its ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import (
    cases,
    claims,
    fact_changes,
    notes,
    phone_changes,
    priority_changes,
    refused_reports,
    status_history,
)
from casedial.domain.retention import HistoryRow, Kind
from casedial.domain.statuses import Role

PAGE = 2000


_TABLES = {
    Kind.CLAIMS: claims,
    Kind.HISTORY: status_history,
    Kind.NOTES: notes,
    Kind.REFUSED: refused_reports,
    Kind.PHONE_CHANGES: phone_changes,
    Kind.PRIORITY_CHANGES: priority_changes,
    Kind.FACT_CHANGES: fact_changes,
}
# What is over as soon as it is old, with its time.
_TIMES = {
    Kind.NOTES: notes.c.created_at,
    Kind.PHONE_CHANGES: phone_changes.c.changed_at,
    Kind.PRIORITY_CHANGES: priority_changes.c.changed_at,
    Kind.FACT_CHANGES: fact_changes.c.changed_at,
}


@dataclass(frozen=True, slots=True)
class OldClaim:
    """A claim that was opened long ago, and whether it holds a case still, or was worked under lately."""

    id: UUID
    in_use: bool


@dataclass(frozen=True, slots=True)
class OldRow:
    """A note or a change of a phone or a priority, as far as it matters for how long it stays."""

    id: int
    case_id: int
    at: datetime


def _has(dialect: Dialect, table: sa.Table, *more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Tell whether there is a row of one of a claim's cases that names the claim."""
    listed = dialect.listed(claims.c.case_ids)
    named = sa.and_(
        table.c.firm_id == claims.c.firm_id,
        table.c.case_id == sa.cast(listed.c.value, sa.BigInteger),
        table.c.claim_id == claims.c.id,
        *more,
    )
    return sa.select(sa.literal(1)).select_from(listed.join(table, named)).correlate(claims).exists()


async def old_claims(tx: Transaction, firm_id: int, cutoff: datetime, after: UUID | None) -> list[OldClaim]:
    """Return a page of the claims that a firm's dialers opened until ``cutoff``, by id."""
    at_work = _has(tx.dialect, status_history, status_history.c.changed_at > cutoff)
    in_use = sa.or_(_has(tx.dialect, cases), at_work)
    query = sa.select(claims.c.id, in_use.label("in_use")).where(
        claims.c.firm_id == firm_id, claims.c.created_at <= cutoff
    )
    if after:
        query = query.where(claims.c.id > after)
    return [OldClaim(row.id, row.in_use) for row in await tx.execute(query.order_by(claims.c.id).limit(PAGE))]


async def history_before(tx: Transaction, firm_id: int, before: HistoryRow | None) -> list[HistoryRow]:
    """Return a page of a firm's history backwards, case by case."""
    c = status_history.c
    query = sa.select(c.id, c.case_id, c.type, c.changed_at, c.claim_id).where(c.firm_id == firm_id)
    if before:
        query = query.where(sa.tuple_(c.case_id, c.id) < sa.tuple_(sa.literal(before.case_id), sa.literal(before.id)))
    rows = await tx.execute(query.order_by(c.case_id.desc(), c.id.desc()).limit(PAGE))
    return [HistoryRow(row.id, row.case_id, row.type, row.changed_at, row.claim_id) for row in rows]


async def in_the_dialer(tx: Transaction, firm_id: int, case_ids: Iterable[int]) -> set[int]:
    """Return which of these cases are In the Dialer."""
    query = sa.select(cases.c.case_id).where(
        cases.c.firm_id == firm_id,
        tx.among(cases.c.case_id, sorted(set(case_ids))),
        cases.c.dialer_role == int(Role.IN_THE_DIALER),
    )
    return set((await tx.execute(query)).scalars())


async def rows_after(tx: Transaction, kind: Kind, firm_id: int, after: OldRow | None) -> list[OldRow]:
    """Return a page of a firm's notes, or changes of phones or priorities, case by case."""
    c, at = _TABLES[kind].c, _TIMES[kind]
    query = sa.select(c.id, c.case_id, at.label("at")).where(c.firm_id == firm_id)
    if kind is Kind.FACT_CHANGES:
        query = query.where(c.before.is_not(None))  # that a case was added stays as long as the case
    if after:
        query = query.where(sa.tuple_(c.case_id, c.id) > sa.tuple_(sa.literal(after.case_id), sa.literal(after.id)))
    rows = await tx.execute(query.order_by(c.case_id, c.id).limit(PAGE))
    return [OldRow(row.id, row.case_id, row.at) for row in rows]


async def remove(tx: Transaction, kind: Kind, ids: Sequence[int | UUID]) -> int:
    """Delete rows; return how many there were."""
    table = _TABLES[kind]
    return int((await tx.execute(table.delete().where(tx.among(table.c.id, ids)))).rowcount)
