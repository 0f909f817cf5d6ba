"""Claims after their opening: who made one, whose leases may be over, cases without a claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import UNCLAIMED, cases, claims
from casedial.domain.actors import Actor
from casedial.domain.claims import Claim
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role
from casedial.storage.actors import ACTOR_COLUMNS, actor_from

_IN_THE_DIALER = cases.c.dialer_role == int(Role.IN_THE_DIALER)
_NEXT = sa.select(claims.c.check_at).where(claims.c.check_at.is_not(None)).order_by(claims.c.check_at).limit(1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_CHECK_AGAIN = (
    claims.update().where(claims.c.id == sa.bindparam("this_claim")).values(check_at=sa.bindparam("check_at"))
)

_LOOK_BY = (
    claims.update()
    .where(
        claims.c.id == sa.bindparam("this_claim"),
        sa.or_(claims.c.check_at.is_(None), claims.c.check_at > sa.bindparam("at", type_=claims.c.check_at.type)),
    )
    .values(check_at=sa.bindparam("at", type_=claims.c.check_at.type))
)

# Evidence may be large, and nobody asks for it here.
_CLAIM = sa.select(*(column for column in claims.c if column.name != "evidence"))
# Whose it is can be read of every claim.
_WHOSE = sa.select(*(claims.c[name] for name in ("id", "firm_id", "vendor", "key_id", "created_at", *ACTOR_COLUMNS)))


def _opener(row: Any) -> Actor:
    id = row.key_id if row.actor_kind is None else row.actor_id
    return actor_from(row.actor_kind, id, row.vendor)


@cache
def _to_check(dialect: Dialect) -> sa.Select[Any]:
    return (
        sa.select(claims.c.id, dialect.length_of(claims.c.case_ids).label("cases"))
        .where(claims.c.check_at <= sa.bindparam("clock", type_=claims.c.check_at.type))
        .order_by(claims.c.check_at)
        .limit(sa.bindparam("limit", type_=sa.Integer))
        .with_for_update(skip_locked=True)
    )


def _claim_from(row: Any) -> Claim:
    case_ids = tuple(row.case_ids)
    if not all(type(case_id) is int for case_id in case_ids):
        raise ValueError("A claim lists something that is not a CaseID.")
    return Claim(row.id, _opener(row), case_ids, row.created_at, row.expires_at, seconds=row.seconds)


async def find(tx: Transaction, firm: Firm, claim_ids: Iterable[UUID]) -> dict[UUID, Claim]:
    """Return those of these claims that are the firm's; one whose list of cases cannot be read has none."""
    wanted = sorted(set(claim_ids))
    if not wanted:
        return {}
    # SQLite would rather go through all claims of the firm, by their index, than look a few up by id.
    these = claims.c.firm_id + 0 == firm.id, tx.among(claims.c.id, wanted)
    found, unreadable = await tx.apart(_CLAIM.where(*these), None, _claim_from)
    if unreadable:
        rows = await tx.execute(_WHOSE.where(*these))
        known = {claim.id for claim in found}
        found += [Claim(row.id, _opener(row), (), row.created_at, None) for row in rows if row.id not in known]
    return {claim.id: claim for claim in found}


async def handed_out(tx: Transaction, held: Mapping[int, UUID]) -> dict[int, list[tuple[int, str]]]:
    """Return which phones a claim handed out for a case, by CaseID, where calling rules were applied.

    Each phone is its place among those a person may answer, and its name. ``held`` has the claim of each case that is
    asked for. One that cannot be read is left out.
    """
    if not held:
        return {}
    wanted: sa.ColumnElement[Any] = claims.c.evidence
    if len(held) == 1:  # of one case only that case's is fetched: the evidence of a large claim is large
        [case_id] = held
        wanted = sa.type_coerce(claims.c.evidence[str(case_id)], sa.JSON)
    query = sa.select(claims.c.id, wanted.label("kept")).where(tx.among(claims.c.id, set(held.values())))
    by_claim = dict((await tx.apart(query, None, lambda row: (row.id, row.kept)))[0])
    found: dict[int, list[tuple[int, str]]] = {}
    for case_id, claim_id in held.items():
        kept = by_claim.get(claim_id) or {}
        with suppress(TypeError, ValueError, AttributeError, KeyError):  # kept by a hand that does not know how
            phones = (kept if len(held) == 1 else kept.get(str(case_id))) or []
            found[case_id] = [(int(phone["order"]), phone["phone"]) for phone in phones if "order" in phone]
    return found


async def next_check(tx: Transaction) -> datetime | None:
    """Return when the next lease may end, by the database's clock; None when none will.

    A time that nobody can read has come: whoever looks at that claim writes it anew.
    """
    try:
        found = (await tx.execute(_NEXT)).scalars().all()
    except (TypeError, ValueError, OverflowError):
        return _LONG_AGO
    if not found:
        return None
    return found[0] if found[0] and found[0].tzinfo else _LONG_AGO  # of an empty text, or -infinity


async def to_check(
    tx: Transaction, clock: datetime, limit: int, only: UUID | None = None
) -> tuple[list[tuple[int, Claim]], list[tuple[int | None, object]]]:
    """Return claims one of whose leases may be over, each with its firm's id, passing over those another server has.

    They have at most ``limit`` cases together, but for a single one that has more. Those that cannot be read come
    apart, by what stands for an id: it may be none. With ``only`` no other claim is looked at.
    """
    query = _to_check(tx.dialect) if only is None else _to_check(tx.dialect).where(claims.c.id == only)
    chosen: list[UUID] = []
    total = 0
    due, strange = await tx.apart(query, {"clock": clock, "limit": limit}, lambda row: (row.id, row.cases))
    nameless: list[tuple[int | None, object]] = [(None, id_) for id_ in strange]
    for claim_id, number in due:
        total += number
        if chosen and total > limit:
            break
        chosen.append(claim_id)
    if not chosen:
        return [], nameless
    these = tx.among(claims.c.id, chosen)
    found, bad = await tx.apart(_CLAIM.where(these), None, lambda row: (row.firm_id, _claim_from(row)))
    if not bad:
        return found, nameless
    known = {claim.id for _, claim in found}
    rows = await tx.execute(_WHOSE.where(these))
    return found, nameless + [(row.firm_id, row.id) for row in rows if row.id not in known]


async def put_off_nameless(tx: Transaction, clock: datetime, until: datetime) -> None:
    """Look later at claims that are due and have no id that is one."""
    these = tx.dialect.is_no_uuid(claims.c.id), claims.c.check_at <= clock
    await tx.execute(claims.update().where(*these).values(check_at=until))


async def check_again(tx: Transaction, times: Mapping[UUID, datetime | None]) -> None:
    """Say when each of these claims is to be looked at next; None for never."""
    rows = [{"this_claim": claim_id, "check_at": at} for claim_id, at in times.items()]
    if rows:
        await tx.execute(_CHECK_AGAIN, rows)


async def check_by(tx: Transaction, times: Mapping[UUID, datetime]) -> None:
    """See to it that each of these claims is looked at no later than then.

    In one order, so that two who hold cases of the same claims do not wait for each other.
    """
    rows = [{"this_claim": claim_id, "at": at} for claim_id, at in sorted(times.items())]
    if rows:
        await tx.execute(_LOOK_BY, rows)


async def ends(
    tx: Transaction, firm: Firm, case_ids: Iterable[int]
) -> tuple[list[tuple[int, UUID, datetime]], list[int]]:
    """Return which of these cases have a lease that runs out: the case, its claim, its end. Nothing is held.

    The CaseIDs of those of which that cannot be read come apart.
    """
    these = sa.and_(cases.c.firm_id == firm.id, tx.among(cases.c.case_id, sorted(case_ids)))
    query = sa.select(cases.c.case_id, cases.c.claim_id, cases.c.held_until)
    query = query.where(these, _IN_THE_DIALER, cases.c.held_until.is_not(None))
    return await tx.apart(query, None, lambda row: (row.case_id, row.claim_id, row.held_until))


async def over(tx: Transaction, clock: datetime, limit: int) -> list[tuple[UUID, int]]:
    """Return claims one of whose leases may be over, each with its firm's id; nothing is held."""
    query = sa.select(claims.c.id, claims.c.firm_id).where(claims.c.check_at <= clock).order_by(claims.c.check_at)
    return (await tx.apart(query.limit(limit), None, lambda row: (row.id, row.firm_id)))[0]


async def unclaimed(tx: Transaction, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
    """Return the firm's id and the CaseID of cases that are In the Dialer without a claim, behind one, in order."""
    this = sa.tuple_(cases.c.firm_id, cases.c.case_id)
    query = sa.select(cases.c.firm_id, cases.c.case_id).where(UNCLAIMED, this > sa.tuple_(*map(sa.literal, after)))
    rows = await tx.execute(query.order_by(cases.c.firm_id, cases.c.case_id).limit(limit))
    return [(row.firm_id, row.case_id) for row in rows]
