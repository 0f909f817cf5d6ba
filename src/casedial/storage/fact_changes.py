"""Who changed which fields of a case."""

from __future__ import annotations

from collections.abc import Sequence

from casedial.database import bulk
from casedial.database.engine import Transaction
from casedial.database.tables import fact_changes
from casedial.domain.fact_changes import FactChange
from casedial.domain.firms import Firm
from casedial.storage.actors import ACTOR_COLUMNS, actor_from, actor_values

_COLUMNS = ("firm_id", "case_id", "changed_at", "changed_by", "before", "after", *ACTOR_COLUMNS)


async def add(tx: Transaction, firm: Firm, made: Sequence[FactChange]) -> None:
    """Record changes of fields of cases that this transaction holds."""
    rows = [
        (firm.id, one.case_id, one.changed_at, one.changed_by, one.before, one.after, *actor_values(one.actor))
        for one in made
    ]
    await bulk.insert(tx, fact_changes, _COLUMNS, rows)


async def of_cases(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> list[FactChange]:
    """Return the changes of these cases, the oldest first."""
    c = fact_changes.c
    query = fact_changes.select().where(c.firm_id == firm.id, tx.among(c.case_id, case_ids)).order_by(c.id)
    return [
        FactChange(
            *(row.case_id, row.before, row.after, row.changed_at),
            actor_from(row.actor_kind, row.actor_id, row.changed_by),
        )
        for row in await tx.execute(query)
    ]
