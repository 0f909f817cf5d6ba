"""Due cases that calling rules hold back, and those that they look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK, HELD_BACK_ROLE, TO_DIAL, cases
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role
from casedial.storage.cases import STATUS_COLUMNS, WHOLE, whole

_HEAD = 20_000  # cases, of each priority
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


# One without, left by hand, could not be To Dial: it would keep all others held back.
_HAS_TIME = cases.c.dial_at.is_not(None)
_THIS_ROW = sa.tuple_(cases.c.firm_id, cases.c.case_id)


async def next_let_go(tx: Transaction) -> datetime | None:
    """Return the first instant until which a case is held back, None when none is."""
    found: datetime | None = (
        await tx.execute(sa.select(sa.func.min(cases.c.held_back_until)).where(HELD_BACK, _HAS_TIME))
    ).scalar()
    return found


async def let_go(tx: Transaction, now: datetime, limit: int) -> int:
    """Let claims look again at cases that were held back until ``now``, those first that are due for longest.

    At most ``limit``; return how many. Those that somebody else works on are passed over.
    """
    query = sa.select(cases.c.firm_id, cases.c.case_id).where(HELD_BACK, _HAS_TIME, cases.c.held_back_until <= now)
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
    query = query.where(_HAS_TIME).order_by(cases.c.firm_id, cases.c.case_id).limit(limit)
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
    return list((await whole(tx, firm, query.order_by(cases.c.case_id).limit(limit))).values())


async def until(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> dict[int, datetime]:
    """Return until when each of these cases is held back, of those that are."""
    query = sa.select(cases.c.case_id, cases.c.held_back_until).where(
        cases.c.firm_id == firm.id, tx.among(cases.c.case_id, case_ids), cases.c.held_back_until.is_not(None)
    )
    return {row.case_id: row.held_back_until for row in await tx.execute(query)}


async def unreadable(tx: Transaction, firm: Firm, now: datetime) -> list[int]:
    """Return cases at the head of a firm's list, of some thousands, that have a status which the firm has not."""
    found: list[int] = []
    for priority in firm.priorities:
        head = sa.select(cases.c.case_id, *(cases.c[column] for _, column in STATUS_COLUMNS)).where(
            cases.c.firm_id == firm.id, TO_DIAL, cases.c.priority == priority, cases.c.dial_at <= now
        )
        some = head.order_by(cases.c.dial_at, cases.c.case_id).limit(_HEAD).subquery()
        known = {kind: [status.id for status in firm.statuses.of(kind)] for kind, _ in STATUS_COLUMNS}
        strange = sa.or_(*(some.c[column].not_in(known[kind] or [0]) for kind, column in STATUS_COLUMNS))
        found += (await tx.execute(sa.select(some.c.case_id).where(strange))).scalars()
    return found
