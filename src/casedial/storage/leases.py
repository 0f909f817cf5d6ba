"""Claims after their opening: who made one, whose leases may be over, cases without a claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from casedial.domain.cases import Firm, Role
from casedial.domain.claims import Claim
from casedial.storage.engine import Transaction
from casedial.storage.tables import UNCLAIMED, cases, claims

_IN_THE_DIALER = cases.c.dialer_role == int(Role.IN_THE_DIALER)
_NEXT = sa.select(sa.func.min(claims.c.check_at))
_TO_CHECK = (
    sa.select(claims.c.id, sa.func.json_array_length(claims.c.case_ids).label("cases"))
    .where(claims.c.check_at <= sa.bindparam("clock", type_=claims.c.check_at.type))
    .order_by(claims.c.check_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_CHECK_AGAIN = (
    claims.update().where(claims.c.id == sa.bindparam("this_claim")).values(check_at=sa.bindparam("check_at"))
)


# Evidence may be large, and nobody asks for it here.
_CLAIM = sa.select(*(column for column in claims.c if column.name != "evidence"))


def _claim_from(row: Any) -> Claim:
    return Claim(row.id, row.vendor, row.key_id, tuple(row.case_ids), row.created_at, row.expires_at)


async def find(tx: Transaction, firm: Firm, claim_ids: Iterable[UUID]) -> dict[UUID, Claim]:
    """Return those of these claims that are the firm's."""
    wanted = sorted(set(claim_ids))
    if not wanted:
        return {}
    rows = await tx.execute(_CLAIM.where(claims.c.firm_id == firm.id, tx.among(claims.c.id, wanted)))
    return {row.id: _claim_from(row) for row in rows}


async def handed_out(tx: Transaction, held: Mapping[int, UUID]) -> dict[int, list[tuple[int, str]]]:
    """Return which phones a claim handed out for a case, by CaseID, where calling rules were applied.

    Each phone is its place among those a person may answer, and its name. ``held`` has the claim of each case that is
    asked for.
    """
    if not held:
        return {}
    wanted: sa.ColumnElement[Any] = claims.c.evidence
    if len(held) == 1:  # of one case only that case's is fetched: the evidence of a large claim is large
        [case_id] = held
        wanted = sa.type_coerce(claims.c.evidence[str(case_id)], sa.JSON)
    query = sa.select(claims.c.id, wanted.label("kept")).where(tx.among(claims.c.id, set(held.values())))
    by_claim = {row.id: row.kept for row in await tx.execute(query)}
    found: dict[int, list[tuple[int, str]]] = {}
    for case_id, claim_id in held.items():
        kept = by_claim.get(claim_id) or {}
        phones = (kept if len(held) == 1 else kept.get(str(case_id))) or []
        found[case_id] = [(int(phone["order"]), phone["phone"]) for phone in phones if "order" in phone]
    return found


async def next_check(tx: Transaction) -> datetime | None:
    """Return when the next lease may end, by the database's clock; None when none will."""
    found: datetime | None = (await tx.execute(_NEXT)).scalar_one()
    return found


async def to_check(tx: Transaction, clock: datetime, limit: int) -> list[tuple[int, Claim]]:
    """Return claims one of whose leases may be over, each with its firm's id, passing over those another server has.

    They have at most ``limit`` cases together, but for a single one that has more.
    """
    chosen: list[UUID] = []
    total = 0
    for row in (await tx.execute(_TO_CHECK, {"clock": clock, "limit": limit})).all():
        total += row.cases
        if chosen and total > limit:
            break
        chosen.append(row.id)
    if not chosen:
        return []
    rows = await tx.execute(_CLAIM.where(tx.among(claims.c.id, chosen)))
    return [(row.firm_id, _claim_from(row)) for row in rows]


async def check_again(tx: Transaction, times: Mapping[UUID, datetime | None]) -> None:
    """Say when each of these claims is to be looked at next; None for never."""
    rows = [{"this_claim": claim_id, "check_at": at} for claim_id, at in times.items()]
    if rows:
        await tx.execute(_CHECK_AGAIN, rows)


async def ends(tx: Transaction, firm: Firm, case_ids: Iterable[int]) -> list[tuple[int, UUID, datetime]]:
    """Return which of these cases have a lease that runs out: the case, its claim, its end. Nothing is held."""
    these = sa.and_(cases.c.firm_id == firm.id, tx.among(cases.c.case_id, sorted(case_ids)))
    query = sa.select(cases.c.case_id, cases.c.claim_id, cases.c.held_until)
    query = query.where(these, _IN_THE_DIALER, cases.c.held_until.is_not(None))
    return [(row.case_id, row.claim_id, row.held_until) for row in await tx.execute(query)]


async def unclaimed(tx: Transaction, limit: int) -> dict[int, list[int]]:
    """Return cases that are In the Dialer without a claim, by the id of their firm."""
    query = sa.select(cases.c.firm_id, cases.c.case_id).where(UNCLAIMED)
    found: dict[int, list[int]] = {}
    for row in await tx.execute(query.limit(limit)):
        found.setdefault(row.firm_id, []).append(row.case_id)
    return found
