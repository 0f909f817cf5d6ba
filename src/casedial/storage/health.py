"""What a database says of its own state, and what of ours in it needs a person's eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK_ROLE, UNCLAIMED, campaigns, cases, claims, firms, phone_numbers
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role

_SHOWN = 5  # CaseIDs named of many


@dataclass(frozen=True, slots=True)
class Stuck:
    """Cases of one firm in a state that no server ends: how many, since when the oldest, and some of their CaseIDs."""

    firm_id: int
    firm: str
    count: int
    since: datetime | None
    case_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class DialList:
    """The due cases of a campaign (None: of cases in none): how many, how many may be called for all that is known.

    These are not held back, and where the campaign has a purpose they have a number that it calls; ``oldest`` is of
    them.
    """

    firm_id: int
    campaign_id: int | None
    due: int
    callable: int
    oldest: datetime | None


async def dial_lists(tx: Transaction, now: datetime) -> list[DialList]:
    """Count the due cases of each firm and campaign. It looks at all of them: ask seldom."""
    waits = cases.c.dialer_role.in_((int(Role.TO_DIAL), HELD_BACK_ROLE))
    may = cases.c.dialer_role == int(Role.TO_DIAL)
    listed: sa.FromClause = cases
    if (await tx.execute(sa.select(sa.exists().where(_HAS_PURPOSE)))).scalar_one():
        listed, has_number = _with_numbers()
        may = sa.and_(may, has_number)
    query = (
        sa.select(
            cases.c.firm_id,
            cases.c.campaign_id,
            sa.func.count().label("due"),
            sa.func.count().filter(may).label("callable"),
            sa.func.min(cases.c.dial_at).filter(may).label("oldest"),
        )
        .select_from(listed)
        .where(waits, cases.c.dial_at <= now)
        .group_by(cases.c.firm_id, cases.c.campaign_id)
    )
    rows = await tx.execute(query)
    return [DialList(row.firm_id, row.campaign_id, row.due, row.callable, row.oldest) for row in rows]


_HAS_PURPOSE = campaigns.c.purpose != Purpose.NONE.value


def _with_numbers() -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """Return cases with their numbers, and whether one has a number that its campaign calls, if that has a purpose.

    Numbers are joined whole: for a look from each case, SQLite chooses the wrong index and takes minutes.
    """
    first = sa.func.substr(phone_numbers.c.number, 1, 1)
    kinds = {"us": first.between("2", "9"), "abroad": first == "+"}
    its = [phone_numbers.c.firm_id, phone_numbers.c.case_id]
    has = [sa.func.max(sa.case((kind, 1), else_=0)).label(name) for name, kind in kinds.items()]
    numbers = sa.select(*its, *has).group_by(*its).subquery("numbers")
    of_case = sa.and_(numbers.c.firm_id == cases.c.firm_id, numbers.c.case_id == cases.c.case_id)
    decided = cases.outerjoin(campaigns, campaigns.c.status_id == cases.c.campaign_id)
    calls = sa.or_(numbers.c.us == 1, sa.and_(campaigns.c.abroad, numbers.c.abroad == 1))
    return decided.outerjoin(numbers, of_case), sa.or_(campaigns.c.purpose.is_(None), ~_HAS_PURPOSE, calls)


async def answered(tx: Transaction) -> list[Stuck]:
    """Return the answered cases of each firm: somebody was dialed, and nobody has said what comes next."""
    return await _stuck(tx, cases.c.answered_at.is_not(None), cases.c.answered_at)


async def overdue(tx: Transaction, clock: datetime) -> list[Stuck]:
    """Return cases whose lease ended before ``clock`` and that nobody has returned."""
    return await _stuck(tx, sa.and_(_IN_THE_DIALER, cases.c.held_until < clock), cases.c.held_until)


async def endless(tx: Transaction) -> list[Stuck]:
    """Return cases in the dialer whose lease has no end and that nobody answered."""
    held = sa.and_(cases.c.claim_id.is_not(None), cases.c.held_until.is_(None), cases.c.answered_at.is_(None))
    return await _stuck(tx, sa.and_(_IN_THE_DIALER, held), cases.c.dial_at)


async def unclaimed(tx: Transaction) -> list[Stuck]:
    """Return cases in the dialer without a claim."""
    return await _stuck(tx, UNCLAIMED, cases.c.dial_at)


async def last_claim(tx: Transaction, firm_id: int) -> datetime | None:
    """Return when a firm's cases were last claimed, None for never."""
    query = sa.select(sa.func.max(claims.c.created_at)).where(claims.c.firm_id == firm_id)
    found: datetime | None = (await tx.execute(query)).scalar_one()
    return found


_IN_THE_DIALER = cases.c.dialer_role == int(Role.IN_THE_DIALER)


async def _stuck(
    tx: Transaction, which: sa.ColumnElement[bool] | sa.TextClause, since: sa.ColumnElement[datetime | None]
) -> list[Stuck]:
    counted = (
        sa.select(cases.c.firm_id, firms.c.name, sa.func.count().label("count"), sa.func.min(since).label("since"))
        .join_from(cases, firms)
        .where(which)
        .group_by(cases.c.firm_id, firms.c.name)
        .order_by(cases.c.firm_id)
    )
    found = []
    for row in (await tx.execute(counted)).all():
        some = sa.select(cases.c.case_id).where(which, cases.c.firm_id == row.firm_id).order_by(since).limit(_SHOWN)
        case_ids = list((await tx.execute(some)).scalars())
        found.append(Stuck(row.firm_id, row.name, row._mapping["count"], row.since, case_ids))
    return found
