"""Who changed the priority of a case, and the last such change."""

from __future__ import annotations

from collections.abc import Sequence

from casedial.database import bulk
from casedial.database.engine import Transaction
from casedial.database.tables import priority_changes
from casedial.domain.cases import PriorityChange
from casedial.domain.firms import Firm
from casedial.storage.actors import ACTOR_COLUMNS, actor_from, actor_values

_COLUMNS = ("firm_id", "case_id", "changed_at", "changed_by", "before", "after", *ACTOR_COLUMNS)


async def add(tx: Transaction, firm: Firm, made: Sequence[PriorityChange]) -> None:
    """Record changes of the priorities of cases that this transaction holds."""
    rows = [
        (firm.id, one.case_id, one.changed_at, one.changed_by, one.before, one.after, *actor_values(one.actor))
        for one in made
    ]
    await bulk.insert(tx, priority_changes, _COLUMNS, rows)


async def of_cases(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> list[PriorityChange]:
    """Return the changes of these cases, the oldest first."""
    c = priority_changes.c
    query = priority_changes.select().where(c.firm_id == firm.id, tx.among(c.case_id, case_ids)).order_by(c.id)
    return [
        PriorityChange(
            row.case_id,
            row.before,
            row.after,
            row.changed_at,
            actor_from(row.actor_kind, row.actor_id, row.changed_by),
        )
        for row in await tx.execute(query)
    ]
