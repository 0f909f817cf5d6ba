"""The cases due to be dialed, listed or claimed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from uuid import uuid4

import sqlalchemy as sa

from casedial.domain.cases import Case, Firm, Role, StatusType, fold
from casedial.domain.claims import Claim, lease_end
from casedial.storage.cases import case_from
from casedial.storage.engine import Database, Transaction
from casedial.storage.tables import campaigns, cases, claims, status_history

# A constant, for the partial indexes hold the to-dial role only.
_IS_TO_DIAL = cases.c.dialer_role == sa.literal_column(str(int(Role.TO_DIAL)))
_FIRM: sa.BindParameter[int] = sa.bindparam("the_firm", type_=sa.BigInteger)
_PRIORITY: sa.BindParameter[int] = sa.bindparam("the_priority", type_=sa.SmallInteger)
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=cases.c.dial_at.type)
_VENDOR: sa.BindParameter[str] = sa.bindparam("vendor", type_=sa.Text)
_STATUS_ID: sa.BindParameter[int] = sa.bindparam("the_status", type_=sa.BigInteger)
_CLAIM_ID = sa.bindparam("the_claim", type_=sa.Uuid)
_TIMEOUT: sa.BindParameter[int] = sa.bindparam("timeout", type_=sa.Integer)

_Rows = Sequence[sa.Row[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class DueFilter:
    """Which due cases: of these campaigns (None: of any or none) and this group, at most ``records``."""

    campaign_ids: tuple[int, ...] | None
    case_group: str | None
    records: int

    after: Case | None = None  # only what comes behind this one

    @property
    def shape(self) -> tuple[int | None, bool, bool]:
        """Return what decides the text of the query: no campaign, one or several (2); a group; a case before it."""
        campaigns = None if self.campaign_ids is None else min(len(self.campaign_ids), 2)
        return campaigns, self.case_group is not None, self.after is not None

    def fits(self, case: Case) -> bool:
        """Tell whether a case is of these campaigns and this group."""
        in_campaign = self.campaign_ids is None or case.campaign_id in self.campaign_ids
        return in_campaign and (self.case_group is None or fold(case.case_group) == fold(self.case_group))

    def parameters(self, firm: Firm, now: datetime, priority: int) -> dict[str, object]:
        """Return the query's parameters, for the cases of one priority."""
        found: dict[str, object] = {
            "the_firm": firm.id,
            "records": self.records,
            "now": now,
            "the_priority": priority,
        }
        if self.campaign_ids is not None:
            found["the_campaign"] = self.campaign_ids[0] if len(self.campaign_ids) == 1 else self.campaign_ids
        if self.case_group is not None:
            found["the_group"] = fold(self.case_group)
        if self.after is not None:
            found |= {"after_time": self.after.dial_at, "after_case": self.after.case_id}
        return found


@cache
def _due(campaigns: int | None, by_group: bool, goes_on: bool) -> sa.Select[tuple[object, ...]]:
    """Build the query for due cases: one for each set of filters, each with an index of its own."""
    queue = cases.c.firm_id == _FIRM, _IS_TO_DIAL, cases.c.priority == _PRIORITY
    query = cases.select().where(*queue, cases.c.dial_at <= _NOW)
    if campaigns == 1:
        query = query.where(cases.c.campaign_id == sa.bindparam("the_campaign"))
    elif campaigns is not None:
        query = query.where(cases.c.campaign_id.in_(sa.bindparam("the_campaign", expanding=True)))
    if by_group:
        query = query.where(cases.c.case_group_folded == sa.bindparam("the_group"))
    if goes_on:
        behind = sa.bindparam("after_time", type_=cases.c.dial_at.type), sa.bindparam("after_case", type_=sa.BigInteger)
        query = query.where(sa.tuple_(cases.c.dial_at, cases.c.case_id) > sa.tuple_(*behind))
    return query.order_by(cases.c.dial_at, cases.c.case_id).limit(sa.bindparam("records", type_=sa.Integer))


async def due(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases: by priority, then the oldest dial time first, then by CaseID."""
    found: list[Case] = []
    for priority in firm.priorities:  # most firms have one
        if wanted.after and priority < wanted.after.priority:
            continue
        some = replace(wanted, records=wanted.records - len(found))
        if wanted.after and priority > wanted.after.priority:
            some = replace(some, after=None)
        rows = await tx.execute(_due(*some.shape), some.parameters(firm, now, priority))
        found += [case_from(row, firm.statuses) for row in rows]
        if len(found) == wanted.records:
            break
    return found


async def claim(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, vendor: str, key_id: int | None
) -> tuple[list[Case], Claim | None]:
    """Move due cases to In the Dialer by a new claim of ``vendor``; return them as they were, in due order.

    No case is ever given to two callers, however many servers run. The claim is None when nothing was due. It is for
    firms whose cases all have one priority.
    """
    [priority] = firm.priorities
    if tx.database is Database.SQLITE:  # which has no data-modifying CTE; its only write lock is taken already
        found = await due(tx, firm, wanted, now)
        return found, await take(tx, firm, found, now, vendor, key_id)
    claim_id = uuid4()
    parameters = {
        **wanted.parameters(firm, now, priority),
        "vendor": vendor,
        "the_status": firm.statuses.with_role(Role.IN_THE_DIALER).id,
        "the_claim": claim_id,
        "timeout": firm.claim_timeout,
        "the_key": key_id,
    }
    own_timeouts = any(campaign.claim_timeout is not None for campaign in firm.campaigns.values())
    rows: _Rows = (await tx.execute(_claim(*wanted.shape, own_timeouts), parameters)).all()
    if not rows:
        return [], None
    found = [case_from(row, firm.statuses) for row in rows]
    end = min((row.lease_end for row in rows if row.lease_end), default=None)
    return found, Claim(claim_id, vendor, key_id, tuple(case.case_id for case in found), now, end)


async def take(
    tx: Transaction,
    firm: Firm,
    found: Sequence[Case],
    now: datetime,
    vendor: str,
    key_id: int | None,
    evidence: Mapping[str, object] | None = None,
) -> Claim | None:
    """Move cases that this transaction holds to In the Dialer by a new claim; None when there are none."""
    if not found:
        return None
    claim_id, clock = uuid4(), await tx.clock()
    by_end: dict[datetime | None, list[int]] = {}
    for case in found:
        by_end.setdefault(lease_end(firm, case, clock), []).append(case.case_id)
    status_id = firm.statuses.with_role(Role.IN_THE_DIALER).id
    moved = {"now": now, "the_status": status_id, "the_claim": claim_id}
    until = sa.bindparam("until", type_=cases.c.held_until.type)
    for end, case_ids in by_end.items():
        picked = sa.and_(cases.c.firm_id == firm.id, cases.c.case_id.in_(case_ids))
        await tx.execute(_move(_LATER[tx.database], until).where(picked), {**moved, "until": end})
        after = cases.select().where(picked).subquery()
        await tx.execute(_record(after, after.c.changed_at), {**moved, "vendor": vendor})
    ends = [end for end in by_end if end]
    claimed = tuple(case.case_id for case in found)
    opened = Claim(claim_id, vendor, key_id, claimed, now, min(ends, default=None), evidence)
    await add(tx, firm, [opened])
    return opened


async def add(tx: Transaction, firm: Firm, opened: Sequence[Claim]) -> None:
    """Record claims of a firm whose cases hold them already."""
    rows = [
        {
            "id": claim.id,
            "firm_id": firm.id,
            "vendor": claim.vendor,
            "key_id": claim.key_id,
            "case_ids": claim.case_ids,
            "created_at": claim.created_at,
            "expires_at": claim.expires_at,
            "check_at": claim.expires_at,
            "evidence": claim.evidence,
        }
        for claim in opened
    ]
    if rows:
        await tx.execute(claims.insert(), rows)


def _lock(query: sa.Select[tuple[object, ...]]) -> sa.Select[tuple[object, ...]]:
    """Hold the rows a query finds and pass over those that another claim holds."""
    return query.with_for_update(skip_locked=True)


def _move(at: sa.ColumnElement[datetime], until: sa.ColumnElement[datetime]) -> sa.Update:
    """Move cases to In the Dialer, recorded as done ``at`` and held ``until``."""
    return cases.update().values(
        dialer_status_id=_STATUS_ID,
        dialer_role=int(Role.IN_THE_DIALER),
        dial_at=_NOW,
        changed_at=at,
        claim_id=_CLAIM_ID,
        held_until=until,
        redial_at=cases.c.dial_at,
        answered_at=None,
    )


def _record(claimed: sa.FromClause, at: sa.ColumnElement[datetime]) -> sa.Insert:
    """Append the move of each claimed case to its history."""
    dialer_type: sa.ColumnClause[int] = sa.literal_column(str(int(StatusType.DIALER)))
    columns = ["firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by", "claim_id"]
    changes = sa.select(claimed.c.firm_id, claimed.c.case_id, dialer_type, _STATUS_ID, _NOW, at, _VENDOR, _CLAIM_ID)
    return status_history.insert().from_select(columns, changes, include_defaults=False)


@cache
def _claim(campaigns: int | None, by_group: bool, goes_on: bool, own_timeouts: bool) -> sa.Select[tuple[object, ...]]:
    """Build PostgreSQL's claim, one statement: pick and lock, move, record, open the claim, return what was picked.

    MATERIALIZED, or the planner may run the picking again and claim more than the limit.
    """
    picked = _lock(_due(campaigns, by_group, goes_on)).cte("picked").prefix_with("MATERIALIZED")
    leased = sa.select(picked, _lease_end(picked, own_timeouts).label("lease_end")).cte("leased")
    at = sa.func.greatest(_NOW, leased.c.changed_at)  # history never runs backwards; null is passed over
    this_case = sa.and_(cases.c.firm_id == leased.c.firm_id, cases.c.case_id == leased.c.case_id)
    moved = _move(at, leased.c.lease_end).where(this_case).cte("moved")
    recorded, opened = _record(leased, at).cte("recorded"), _open(leased).cte("opened")
    return sa.select(leased).order_by(leased.c.dial_at, leased.c.case_id).add_cte(moved, recorded, opened)


def _lease_end(picked: sa.FromClause, own_timeouts: bool) -> sa.ColumnElement[datetime]:
    """Return the end of a lease by the database's clock; null for a timeout of 0."""
    timeout: sa.ColumnElement[int] = _TIMEOUT
    if own_timeouts:
        own = sa.select(campaigns.c.claim_timeout).where(campaigns.c.status_id == picked.c.campaign_id)
        timeout = sa.func.coalesce(own.scalar_subquery(), _TIMEOUT)
    end = sa.func.statement_timestamp() + sa.func.nullif(timeout, 0) * sa.literal_column("interval '1 second'")
    return sa.type_coerce(end, cases.c.held_until.type)


def _open(leased: sa.FromClause) -> sa.Insert:
    """Record the claim, unless nothing was due."""
    end = sa.func.min(leased.c.lease_end)
    key_id: sa.BindParameter[int] = sa.bindparam("the_key", type_=sa.BigInteger)
    opened = sa.select(_CLAIM_ID, _FIRM, _VENDOR, key_id, sa.func.json_agg(leased.c.case_id), _NOW, end, end)
    columns = ["id", "firm_id", "vendor", "key_id", "case_ids", "created_at", "expires_at", "check_at"]
    return claims.insert().from_select(columns, opened.having(sa.func.count() > 0), include_defaults=False)


# History never runs backwards; a case that was never changed has no time of a change.
_LATER = {
    Database.SQLITE: sa.func.max(_NOW, sa.func.coalesce(cases.c.changed_at, sa.literal_column("''"))),
    Database.POSTGRESQL: sa.func.greatest(_NOW, cases.c.changed_at),
}
