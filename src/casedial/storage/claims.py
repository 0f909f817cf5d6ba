"""The cases due to be dialed, listed or claimed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

import sqlalchemy as sa

from casedial.domain.cases import Case, Firm, Role, Status, StatusType, fold
from casedial.storage.cases import case_from
from casedial.storage.engine import Database, Transaction
from casedial.storage.tables import cases, status_history

# A constant, for the partial indexes hold the to-dial role only.
_IS_TO_DIAL = cases.c.dialer_role == sa.literal_column(str(int(Role.TO_DIAL)))
_NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=cases.c.dial_at.type)
_VENDOR: sa.BindParameter[str] = sa.bindparam("vendor", type_=sa.Text)
_STATUS_ID: sa.BindParameter[int] = sa.bindparam("the_status", type_=sa.BigInteger)


@cache
def _due(by_campaign: bool, by_group: bool) -> sa.Select[tuple[object, ...]]:
    """Build the query for due cases: one for each set of filters, each with an index of its own."""
    query = cases.select().where(cases.c.firm_id == sa.bindparam("the_firm"), _IS_TO_DIAL, cases.c.dial_at <= _NOW)
    if by_campaign:
        query = query.where(cases.c.campaign_id == sa.bindparam("the_campaign"))
    if by_group:
        query = query.where(cases.c.case_group_folded == sa.bindparam("the_group"))
    return query.order_by(cases.c.dial_at, cases.c.case_id).limit(sa.bindparam("records", type_=sa.Integer))


def _parameters(firm: Firm, campaign: Status | None, case_group: str | None, records: int) -> dict[str, object]:
    parameters: dict[str, object] = {"the_firm": firm.id, "records": records}
    if campaign:
        parameters["the_campaign"] = campaign.id
    if case_group:
        parameters["the_group"] = fold(case_group)
    return parameters


async def due(
    tx: Transaction, firm: Firm, campaign: Status | None, case_group: str | None, records: int, now: datetime
) -> list[Case]:
    """Return at most ``records`` due cases, oldest dial time first, then by CaseID."""
    query = _due(campaign is not None, case_group is not None)
    rows = await tx.execute(query, {**_parameters(firm, campaign, case_group, records), "now": now})
    return [case_from(row, firm.statuses) for row in rows]


async def claim(
    tx: Transaction,
    firm: Firm,
    campaign: Status | None,
    case_group: str | None,
    records: int,
    now: datetime,
    vendor: str,
) -> list[Case]:
    """Move at most ``records`` due cases to In the Dialer, recorded as ``vendor``'s doing.

    Return them as they were, in due order. No case is ever given to two callers, however many servers run.
    """
    parameters = {
        **_parameters(firm, campaign, case_group, records),
        "now": now,
        "vendor": vendor,
        "the_status": firm.statuses.with_role(Role.IN_THE_DIALER).id,
    }
    shape = (campaign is not None, case_group is not None)
    if tx.database is Database.POSTGRESQL:
        rows: Sequence[sa.Row[tuple[object, ...]]] = (await tx.execute(_claim(*shape), parameters)).all()
    else:
        rows = await _claim_in_sqlite(tx, _due(*shape), parameters)
    return [case_from(row, firm.statuses) for row in rows]


def _lock(query: sa.Select[tuple[object, ...]]) -> sa.Select[tuple[object, ...]]:
    """Hold the rows a query finds and pass over those that another claim holds."""
    return query.with_for_update(skip_locked=True)


def _move(at: sa.ColumnElement[datetime]) -> sa.Update:
    """Move cases to In the Dialer, recorded as done ``at``."""
    return cases.update().values(
        dialer_status_id=_STATUS_ID, dialer_role=int(Role.IN_THE_DIALER), dial_at=_NOW, changed_at=at
    )


def _record(claimed: sa.FromClause, at: sa.ColumnElement[datetime]) -> sa.Insert:
    """Append the move of each claimed case to its history."""
    dialer_type: sa.ColumnClause[int] = sa.literal_column(str(int(StatusType.DIALER)))
    columns = ["firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by"]
    changes = sa.select(claimed.c.firm_id, claimed.c.case_id, dialer_type, _STATUS_ID, _NOW, at, _VENDOR)
    return status_history.insert().from_select(columns, changes, include_defaults=False)


@cache
def _claim(by_campaign: bool, by_group: bool) -> sa.Select[tuple[object, ...]]:
    """Build PostgreSQL's claim, one statement: pick and lock, move, record, return what was picked.

    MATERIALIZED, or the planner may run the picking again and claim more than the limit.
    """
    picked = _lock(_due(by_campaign, by_group)).cte("picked").prefix_with("MATERIALIZED")
    at = sa.func.greatest(_NOW, picked.c.changed_at)  # history never runs backwards; null is passed over
    this_case = sa.and_(cases.c.firm_id == picked.c.firm_id, cases.c.case_id == picked.c.case_id)
    moved, recorded = _move(at).where(this_case).cte("moved"), _record(picked, at).cte("recorded")
    return sa.select(picked).order_by(picked.c.dial_at, picked.c.case_id).add_cte(moved, recorded)


async def _claim_in_sqlite(
    tx: Transaction, query: sa.Select[tuple[object, ...]], parameters: dict[str, object]
) -> Sequence[sa.Row[tuple[object, ...]]]:
    """Claim in SQLite, which has no data-modifying CTE: the transaction took the only write lock when it began."""
    rows = (await tx.execute(query, parameters)).all()
    if not rows:
        return rows
    picked = sa.and_(cases.c.firm_id == parameters["the_firm"], cases.c.case_id.in_([row.case_id for row in rows]))
    at = sa.func.max(_NOW, sa.func.coalesce(cases.c.changed_at, sa.literal_column("''")))
    moved = {name: parameters[name] for name in ("now", "the_status")}
    await tx.execute(_move(at).where(picked), moved)
    after = cases.select().where(picked).subquery()
    await tx.execute(_record(after, after.c.changed_at), {**moved, "vendor": parameters["vendor"]})
    return rows
