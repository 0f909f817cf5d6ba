"""What the live picture of a firm counts: each query answered by an index, and none counts further than it shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK, IN_THE_DIALER, RAN_OUT, TO_DIAL, cases, claims, status_history
from casedial.domain.actors import ActorKind
from casedial.domain.firms import Firm
from casedial.domain.searching import Capped
from casedial.domain.today import LastClaim, Waiting
from casedial.storage.cases import WHOLE, Found, whole

CAP = 10_000  # that is counted of anything
_CLAIMS = 200  # that are looked through for the last one of each campaign
_CLAIMED, _ALL_CLAIMED = 20, 400  # cases of each, and of all of them: where there are many, each says less


def _of(campaign_id: int | None) -> sa.ColumnElement[bool]:
    return cases.c.campaign_id.is_(None) if campaign_id is None else cases.c.campaign_id == campaign_id


def _count(query: sa.Select[Any], cap: int) -> sa.ScalarSelect[int]:
    """Count the rows of a query, as far as is shown."""
    return sa.select(sa.func.count()).select_from(query.limit(cap + 1).subquery()).scalar_subquery()


def _capped(number: int) -> Capped:
    return Capped(min(number, CAP), number > CAP)


async def waiting(tx: Transaction, firm: Firm, campaign_id: int | None, now: datetime, day_ends: datetime) -> Waiting:
    """Count what waits of a campaign, None: of the cases that are in none; all numbers are of one query."""
    query = _waiting(campaign_id is None, tuple(firm.priorities), CAP)
    given = {"the_firm": firm.id, "the_campaign": campaign_id, "now": now, "day_ends": day_ends}
    return Waiting(*map(_capped, (await tx.execute(query, given)).one()))


@cache
def _waiting(in_none: bool, priorities: tuple[int, ...], cap: int) -> Any:
    """Build the query once: it is asked for each campaign, again and again while somebody looks on."""
    c, some = cases.c, sa.select(sa.literal(1))
    now, day_ends = (sa.bindparam(name, type_=c.dial_at.type) for name in ("now", "day_ends"))
    of = c.campaign_id.is_(None) if in_none else c.campaign_id == sa.bindparam("the_campaign", type_=sa.BigInteger)
    mine: list[Any] = [c.firm_id == sa.bindparam("the_firm", type_=sa.BigInteger), of]
    to_dial = [*mine, TO_DIAL, c.priority.in_(priorities)]
    return sa.select(
        _count(some.where(*to_dial, c.dial_at <= now), cap),
        _count(some.where(*mine, HELD_BACK), cap),
        _count(some.where(*to_dial, c.dial_at > now, c.dial_at < day_ends), cap),
        _count(some.where(*mine, IN_THE_DIALER), cap),
    )


async def sample(
    tx: Transaction, firm: Firm, campaign_id: int | None, now: datetime, limit: int
) -> tuple[Found, Found]:
    """Return the first cases that claims would look at, and of those that are held back those let go first."""
    c, mine = cases.c, [cases.c.firm_id == firm.id, _of(campaign_id)]
    first: dict[int, Any] = {}
    unreadable: set[int] = set()
    for priority in firm.priorities:
        head = sa.select(*WHOLE).where(*mine, TO_DIAL, c.priority == priority, c.dial_at <= now)
        found = await whole(tx, firm, head.order_by(c.dial_at, c.case_id).limit(limit - len(first)))
        first |= found
        unreadable |= found.unreadable
        if len(first) == limit:
            break
    kept = sa.select(*WHOLE).where(*mine, HELD_BACK).order_by(c.held_back_until, c.case_id).limit(limit)
    return Found(first.values(), unreadable), await whole(tx, firm, kept)


async def hours(
    tx: Transaction, firm: Firm, campaign_ids: Sequence[int | None], begins: Sequence[datetime]
) -> list[Capped]:
    """Count the cases that come to be due, or are let go, in each of these hours; the first is the one that goes on."""
    c, until = cases.c, begins[-1] + timedelta(hours=1)
    mine = c.firm_id == firm.id
    looks = [
        sa.select(c.dial_at.label("at"))
        .where(mine, TO_DIAL, c.priority == priority, c.dial_at > begins[0], c.dial_at < until)
        .order_by(c.dial_at)
        for priority in firm.priorities
    ]
    looks += [
        sa.select(c.held_back_until.label("at"))
        .where(mine, HELD_BACK, _of(campaign_id), c.held_back_until > begins[0], c.held_back_until < until)
        .order_by(c.held_back_until)
        for campaign_id in campaign_ids
    ]
    numbers, last = [0] * len(begins), len(begins)
    for look in looks:
        there = look.limit(CAP + 1).subquery()
        in_each = [
            sa.func.count().filter(there.c.at >= hour, there.c.at < hour + timedelta(hours=1)) for hour in begins
        ]
        counted: list[int]
        *counted, total = (await tx.execute(sa.select(*in_each, sa.func.count()).select_from(there))).one()
        numbers = [one + more for one, more in zip(numbers, counted, strict=True)]
        if total > CAP:  # of the last hour that was reached, and of those behind it, there are more
            reached = max(place for place, number in enumerate(counted) if number)
            last = min(last, reached)
    return [Capped(min(number, CAP), place >= last or number > CAP) for place, number in enumerate(numbers)]


async def last_claims(
    tx: Transaction, firm: Firm, since: datetime | None
) -> tuple[dict[int | None, LastClaim], datetime | None]:
    """Return the last claim of cases of each campaign, among the newest since then; and when the newest was."""
    c = claims.c
    query = sa.select(c.vendor, c.created_at, c.case_ids).where(
        c.firm_id == firm.id, c.actor_kind == int(ActorKind.KEY)
    )
    if since is not None:
        query = query.where(c.created_at >= since)
    rows = (await tx.execute(query.order_by(c.created_at.desc()).limit(_CLAIMS))).all()
    most = min(_CLAIMED, _ALL_CLAIMED // max(1, len(rows)))
    of_each = [list(row.case_ids)[:most] for row in rows]
    these = sorted({int(case_id) for some in of_each for case_id in some})
    where = sa.select(cases.c.case_id, cases.c.campaign_id).where(
        cases.c.firm_id == firm.id, tx.among(cases.c.case_id, these)
    )
    campaigns = {row.case_id: row.campaign_id for row in await tx.execute(where)} if these else {}
    found: dict[int | None, LastClaim] = {}
    for row, some in zip(rows, of_each, strict=True):
        for case_id in some:
            if case_id in campaigns:
                found.setdefault(campaigns[case_id], LastClaim(row.created_at, row.vendor))
    return found, rows[0].created_at if rows else since


async def ran_out(tx: Transaction, firm: Firm, since: datetime) -> int:
    """Count the claims of cases that ran out since then."""
    h = status_history.c
    query = sa.select(sa.literal(1)).where(h.firm_id == firm.id, RAN_OUT, h.changed_at >= since)
    return int((await tx.execute(sa.select(_count(query, CAP)))).scalar_one())


async def answered(tx: Transaction, firm: Firm, before: datetime) -> tuple[int, datetime | None]:
    """Count the cases that were answered before then and that nobody has finished; return since when the oldest is."""
    c = cases.c
    open_ = sa.select(c.answered_at).where(c.firm_id == firm.id, c.answered_at.is_not(None), c.answered_at < before)
    some = open_.limit(CAP + 1).subquery()
    row = (
        await tx.execute(
            sa.select(sa.func.count().label("number"), sa.func.min(some.c.answered_at).label("since")).select_from(some)
        )
    ).one()
    return row.number, row.since
