"""The cases due to be dialed, in the order of their queues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from casedial.domain.cases import Case, Firm, Role, fold
from casedial.storage.cases import WAITING, waiting_from
from casedial.storage.engine import Transaction
from casedial.storage.tables import cases

# A constant, for the partial indexes hold the to-dial role only.
_IS_TO_DIAL = cases.c.dialer_role == sa.literal_column(str(int(Role.TO_DIAL)))
FIRM: sa.BindParameter[int] = sa.bindparam("the_firm", type_=sa.BigInteger)
NOW: sa.BindParameter[datetime] = sa.bindparam("now", type_=cases.c.dial_at.type)
_PRIORITY: sa.BindParameter[int] = sa.bindparam("the_priority", type_=sa.SmallInteger)


@dataclass(frozen=True, slots=True)
class DueFilter:
    """Which due cases: of these campaigns (None: of any or none) and this group, at most ``records``."""

    campaign_ids: tuple[int, ...] | None
    case_group: str | None
    records: int

    after: Case | None = None  # only what comes behind this one

    @property
    def shape(self) -> Shape:
        """Return what decides the text of the query."""
        return Shape(
            None if self.campaign_ids is None else min(len(self.campaign_ids), 2),
            self.case_group is not None,
            self.after is not None,
        )

    @property
    def queue(self) -> DueFilter:
        """Return what those have in common who claim from the same head."""
        return replace(self, records=0, case_group=None if self.case_group is None else fold(self.case_group))

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


@dataclass(frozen=True, slots=True)
class Shape:
    """What a query filters by: no campaign, one or several (2); a group; a case before it."""

    campaigns: int | None
    by_group: bool
    goes_on: bool = False


def due_query(
    shape: Shape, campaign_id: Any, case_group: Any, records: Any, behind: tuple[Any, Any]
) -> sa.Select[tuple[object, ...]]:
    """Build the query for due cases: one for each set of filters, each with an index of its own.

    ``behind`` is the dial time and the CaseID of the case before them, where the shape goes on behind one.
    """
    here = cases.c.firm_id == FIRM, _IS_TO_DIAL, cases.c.priority == _PRIORITY
    query = sa.select(*WAITING).where(*here, cases.c.dial_at <= NOW)
    if shape.campaigns == 1:
        query = query.where(cases.c.campaign_id == campaign_id)
    elif shape.campaigns is not None:
        query = query.where(cases.c.campaign_id.in_(sa.bindparam("the_campaign", expanding=True)))
    if shape.by_group:
        query = query.where(cases.c.case_group_folded == case_group)
    if shape.goes_on:
        query = query.where(sa.tuple_(cases.c.dial_at, cases.c.case_id) > sa.tuple_(*behind))
    return query.order_by(cases.c.dial_at, cases.c.case_id).limit(records)


@cache
def _list(shape: Shape) -> sa.Select[tuple[object, ...]]:
    """Build the query for the due cases of one queue."""
    campaign: sa.BindParameter[int] = sa.bindparam("the_campaign", type_=sa.BigInteger)
    group: sa.BindParameter[str] = sa.bindparam("the_group", type_=sa.Text)
    records: sa.BindParameter[int] = sa.bindparam("records", type_=sa.Integer)
    behind = sa.bindparam("after_time", type_=cases.c.dial_at.type), sa.bindparam("after_case", type_=sa.BigInteger)
    return due_query(shape, campaign, group, records, behind)


async def due(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases: by priority, then the oldest dial time first, then by CaseID."""
    found: list[Case] = []
    for priority in firm.priorities:  # most firms have one
        if wanted.after and priority < wanted.after.priority:
            continue
        some = replace(wanted, records=wanted.records - len(found))
        if wanted.after and priority > wanted.after.priority:
            some = replace(some, after=None)
        rows = await tx.execute(_list(some.shape), some.parameters(firm, now, priority))
        found += [waiting_from(row, firm.statuses) for row in rows]
        if len(found) == wanted.records:
            break
    return found
