"""Bans of states, and the cases that calling rules hold back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from casedial.domain.cases import Case, Firm, Role
from casedial.domain.rules import Ban
from casedial.storage.cases import WHOLE, case_from
from casedial.storage.engine import Transaction
from casedial.storage.tables import HELD_BACK, HELD_BACK_ROLE, bans, cases

_AT_ONCE = 5000  # that one statement is about: SQLite takes 32,766 parameters


async def hold_back(tx: Transaction, firm: Firm, until: Mapping[int, datetime]) -> None:
    """Let no claim look at these cases before an instant.

    Cases of one zone open at one instant: it takes a statement for each instant, not for each case.
    """
    by_instant: dict[datetime, list[int]] = {}
    for case_id, at in sorted(until.items()):
        by_instant.setdefault(at, []).append(case_id)
    for at, case_ids in by_instant.items():
        for start in range(0, len(case_ids), _AT_ONCE):
            these = tx.among(cases.c.case_id, case_ids[start : start + _AT_ONCE])
            waits = sa.and_(cases.c.firm_id == firm.id, these, cases.c.dialer_role == int(Role.TO_DIAL))
            await tx.execute(cases.update().where(waits).values(dialer_role=HELD_BACK_ROLE, held_back_until=at))


_THIS_ROW = sa.tuple_(cases.c.firm_id, cases.c.case_id)


async def next_let_go(tx: Transaction) -> datetime | None:
    """Return the first instant until which a case is held back, None when none is."""
    found: datetime | None = (
        await tx.execute(sa.select(sa.func.min(cases.c.held_back_until)).where(HELD_BACK))
    ).scalar()
    return found


async def let_go(tx: Transaction, now: datetime, limit: int) -> int:
    """Let claims look again at cases that were held back until ``now``, those first that are due for longest.

    At most ``limit``; return how many. Those that somebody else works on are passed over.
    """
    query = sa.select(cases.c.firm_id, cases.c.case_id).where(HELD_BACK, cases.c.held_back_until <= now)
    query = query.order_by(cases.c.held_back_until, cases.c.dial_at, cases.c.case_id).limit(limit)
    return len(await _let_go(tx, query.with_for_update(skip_locked=True)))


async def let_go_behind(
    tx: Transaction, after: tuple[int, int], limit: int, firm_id: int | None, campaign_id: int | None
) -> tuple[int, int] | None:
    """Let claims look again at what is held back, whatever the time: of all firms, of one, or of one campaign.

    Goes on behind a firm and CaseID, so that what is held back anew is met once; return where it ends, None at the end.
    """
    query = sa.select(cases.c.firm_id, cases.c.case_id).where(HELD_BACK, sa.tuple_(*map(sa.literal, after)) < _THIS_ROW)
    if firm_id is not None:
        query = query.where(cases.c.firm_id == firm_id)
    if campaign_id is not None:
        query = query.where(cases.c.campaign_id == campaign_id)
    query = query.order_by(cases.c.firm_id, cases.c.case_id).limit(limit)
    return max(await _let_go(tx, query.with_for_update()), default=None)


async def _let_go(tx: Transaction, query: sa.Select[tuple[int, int]]) -> list[tuple[int, int]]:
    freed = cases.update().where(_THIS_ROW.in_(query)).values(dialer_role=int(Role.TO_DIAL), held_back_until=None)
    rows = await tx.execute(freed.returning(cases.c.firm_id, cases.c.case_id))
    return [(row.firm_id, row.case_id) for row in rows]


async def waiting(
    tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime, after: int, limit: int
) -> list[Case]:
    """Return a page of the cases that are due, held back or not, by CaseID; of these campaigns, None for all."""
    query = sa.select(*WHOLE).where(
        cases.c.firm_id == firm.id,
        cases.c.case_id > after,
        cases.c.dialer_role.in_((int(Role.TO_DIAL), HELD_BACK_ROLE)),
        cases.c.dial_at <= now,
    )
    if campaign_ids is not None:
        query = query.where(tx.among(cases.c.campaign_id, campaign_ids))
    rows = await tx.execute(query.order_by(cases.c.case_id).limit(limit))
    return [case_from(row, firm.statuses) for row in rows]


def _ban_from(row: Any) -> Ban:
    return Ban(row.state, row.until, row.reason, row.source)


async def bans_now(tx: Transaction, now: datetime) -> list[Ban]:
    """Return the bans that are in force."""
    return [ban for _, ban in await numbered_bans(tx, now)]


async def numbered_bans(tx: Transaction, now: datetime) -> list[tuple[int, Ban]]:
    """Return the bans that are in force, each with its id."""
    in_force = bans.select().where(bans.c.until > now, bans.c.lifted_at.is_(None))
    return [(row.id, _ban_from(row)) for row in await tx.execute(in_force.order_by(bans.c.until, bans.c.id))]


async def add_ban(tx: Transaction, ban: Ban, now: datetime) -> int:
    """Add a ban; return its id."""
    values = {"state": ban.state, "until": ban.until, "reason": ban.reason, "source": ban.source, "created_at": now}
    return int((await tx.execute(bans.insert().values(values).returning(bans.c.id))).scalar_one())


async def lift_ban(tx: Transaction, ban_id: int, now: datetime) -> bool:
    """End a ban before its time; return whether there was one in force."""
    this = sa.and_(bans.c.id == ban_id, bans.c.until > now, bans.c.lifted_at.is_(None))
    return bool((await tx.execute(bans.update().where(this).values(lifted_at=now))).rowcount)
