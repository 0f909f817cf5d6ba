"""The first of the due cases, and how many there are: neither reads more than it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK, TO_DIAL, cases
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.storage.cases import WHOLE, whole

CAP = 10_000  # that is counted


@dataclass(frozen=True, slots=True)
class Sample:
    """The first due cases: those that claims look at, and those held back; ``total`` counts all, at most to CAP + 1."""

    cases: Sequence[Case]
    total: int

    @property
    def are_all(self) -> bool:
        """Tell whether there are no others."""
        return len(self.cases) >= self.total


async def due(tx: Transaction, firm: Firm, campaign_id: int | None, now: datetime, limit: int) -> Sample:
    """Return the first due cases of a campaign, or of the firm: ``limit`` that are held back, as many that are not."""
    c = cases.c
    mine: list[Any] = [c.firm_id == firm.id, *([] if campaign_id is None else [c.campaign_id == campaign_id])]
    heads = [[*mine, TO_DIAL, c.priority == priority, c.dial_at <= now] for priority in firm.priorities]
    kept = [*mine, HELD_BACK]
    found: list[Case] = []
    for head in heads:
        if len(found) < limit:
            query = sa.select(*WHOLE).where(*head).order_by(c.dial_at, c.case_id).limit(limit - len(found))
            found += (await whole(tx, firm, query)).values()
    order = [*([c.campaign_id] if campaign_id is None else []), c.held_back_until, c.case_id]
    found += (await whole(tx, firm, sa.select(*WHOLE).where(*kept).order_by(*order).limit(limit))).values()
    counts = [_count(where) for where in (*heads, kept)]
    numbers = (await tx.execute(sa.select(*counts))).one()
    return Sample(found, min(sum(numbers), CAP + 1))


def _count(where: Sequence[sa.ColumnElement[bool]]) -> sa.ScalarSelect[int]:
    some = sa.select(sa.literal(1)).where(*where).limit(CAP + 1).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
