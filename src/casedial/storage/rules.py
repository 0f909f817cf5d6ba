"""Bans of states, and the cases that calling rules hold back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from casedial.domain.cases import Case, Firm, Role
from casedial.domain.rules import Ban
from casedial.storage.cases import case_from
from casedial.storage.engine import Transaction
from casedial.storage.tables import HELD_BACK, HELD_BACK_ROLE, bans, cases

_HOLD_BACK = (
    cases.update()
    .where(
        cases.c.firm_id == sa.bindparam("this_firm"),
        cases.c.case_id == sa.bindparam("this_case"),
        cases.c.dialer_role == int(Role.TO_DIAL),
    )
    .values(dialer_role=HELD_BACK_ROLE, held_back_until=sa.bindparam("until"))
)


async def hold_back(tx: Transaction, firm: Firm, until: Mapping[int, datetime]) -> None:
    """Let no claim look at these cases before an instant."""
    rows = [{"this_firm": firm.id, "this_case": case_id, "until": at} for case_id, at in until.items()]
    if rows:
        await tx.execute(_HOLD_BACK, rows)


async def let_go(
    tx: Transaction, now: datetime | None, limit: int, firm_id: int | None = None, campaign_id: int | None = None
) -> int:
    """Let claims look again at cases that were held back until ``now``, of all firms, of one, or of one campaign.

    ``now`` None means whatever the time. At most ``limit``; return how many. Those that another server works on are
    passed over.
    """
    query = sa.select(cases.c.firm_id, cases.c.case_id).where(HELD_BACK)
    if now is not None:
        query = query.where(cases.c.held_back_until <= now)
    if firm_id is not None:
        query = query.where(cases.c.firm_id == firm_id)
    if campaign_id is not None:
        query = query.where(cases.c.campaign_id == campaign_id)
    found = (
        await tx.execute(query.order_by(cases.c.held_back_until).limit(limit).with_for_update(skip_locked=True))
    ).all()
    if found:
        these = sa.tuple_(cases.c.firm_id, cases.c.case_id).in_([tuple(row) for row in found])
        await tx.execute(cases.update().where(these).values(dialer_role=int(Role.TO_DIAL), held_back_until=None))
    return len(found)


async def waiting(
    tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime, after: int, limit: int
) -> list[Case]:
    """Return a page of the cases that are due, held back or not, by CaseID; of these campaigns, None for all."""
    query = cases.select().where(
        cases.c.firm_id == firm.id,
        cases.c.case_id > after,
        cases.c.dialer_role.in_((int(Role.TO_DIAL), HELD_BACK_ROLE)),
        cases.c.dial_at <= now,
    )
    if campaign_ids is not None:
        query = query.where(cases.c.campaign_id.in_(campaign_ids))
    rows = await tx.execute(query.order_by(cases.c.case_id).limit(limit))
    return [case_from(row, firm.statuses) for row in rows]


def _ban_from(row: Any) -> Ban:
    return Ban(row.state, row.until, row.reason, row.source)


async def bans_now(tx: Transaction, now: datetime) -> list[Ban]:
    """Return the bans that are in force."""
    rows = await tx.execute(bans.select().where(bans.c.until > now).order_by(bans.c.until, bans.c.id))
    return [_ban_from(row) for row in rows]


async def every_ban(tx: Transaction) -> Sequence[tuple[int, Ban]]:
    """Return all bans there ever were, each with its id."""
    return [(row.id, _ban_from(row)) for row in await tx.execute(bans.select().order_by(bans.c.id))]


async def add_ban(tx: Transaction, ban: Ban, now: datetime) -> int:
    """Add a ban; return its id."""
    values = {"state": ban.state, "until": ban.until, "reason": ban.reason, "source": ban.source, "created_at": now}
    return int((await tx.execute(bans.insert().values(values).returning(bans.c.id))).scalar_one())


async def end_ban(tx: Transaction, ban_id: int, now: datetime) -> bool:
    """End a ban before its time; return whether there was one in force."""
    ended = await tx.execute(bans.update().where(bans.c.id == ban_id, bans.c.until > now).values(until=now))
    return bool(ended.rowcount)
