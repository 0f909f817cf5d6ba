"""What may be over: read page by page, which holds nothing, and removed by its ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from casedial.domain.cases import Role
from casedial.domain.retention import HistoryRow
from casedial.storage.engine import Database, Transaction
from casedial.storage.tables import cases, claims, notes, refused_reports, status_history

PAGE = 2000


class Kind(StrEnum):
    """What grows."""

    CLAIMS = "claims"
    HISTORY = "history"
    NOTES = "notes"
    REFUSED = "refused"


_TABLES = {Kind.CLAIMS: claims, Kind.HISTORY: status_history, Kind.NOTES: notes, Kind.REFUSED: refused_reports}


@dataclass(frozen=True, slots=True)
class OldClaim:
    """A claim that was opened long ago, and whether it holds a case still, or was worked under lately."""

    id: UUID
    in_use: bool


@dataclass(frozen=True, slots=True)
class OldNote:
    """A note, as far as it matters for how long it stays."""

    id: int
    case_id: int
    created_at: datetime


def listed_cases(database: Database) -> sa.TableValuedAlias:
    """Return the CaseIDs of a claim as rows, to be used in a query that has the claim."""
    unfold = sa.func.json_each if database is Database.SQLITE else sa.func.json_array_elements_text
    return unfold(claims.c.case_ids).table_valued("value")


def _has(database: Database, table: sa.Table, *more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Tell whether there is a row of one of a claim's cases that names the claim."""
    listed = listed_cases(database)
    named = sa.and_(
        table.c.firm_id == claims.c.firm_id,
        table.c.case_id == sa.cast(listed.c.value, sa.BigInteger),
        table.c.claim_id == claims.c.id,
        *more,
    )
    return sa.select(sa.literal(1)).select_from(listed.join(table, named)).correlate(claims).exists()


async def old_claims(tx: Transaction, firm_id: int, cutoff: datetime, after: UUID | None) -> list[OldClaim]:
    """Return a page of the claims that a firm's dialers opened until ``cutoff``, by id."""
    at_work = _has(tx.database, status_history, status_history.c.changed_at > cutoff)
    in_use = sa.or_(_has(tx.database, cases), at_work)
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


async def notes_after(tx: Transaction, firm_id: int, after: OldNote | None) -> list[OldNote]:
    """Return a page of a firm's notes, case by case."""
    query = sa.select(notes.c.id, notes.c.case_id, notes.c.created_at).where(notes.c.firm_id == firm_id)
    if after:
        query = query.where(
            sa.tuple_(notes.c.case_id, notes.c.id) > sa.tuple_(sa.literal(after.case_id), sa.literal(after.id))
        )
    rows = await tx.execute(query.order_by(notes.c.case_id, notes.c.id).limit(PAGE))
    return [OldNote(row.id, row.case_id, row.created_at) for row in rows]


async def remove(tx: Transaction, kind: Kind, ids: Sequence[int | UUID]) -> int:
    """Delete rows; return how many there were."""
    table = _TABLES[kind]
    return int((await tx.execute(table.delete().where(tx.among(table.c.id, ids)))).rowcount)
