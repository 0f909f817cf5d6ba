"""Who changed which phone of a case."""

from __future__ import annotations

from collections.abc import Sequence

from casedial.database import bulk
from casedial.database.engine import Transaction
from casedial.database.tables import phone_changes
from casedial.domain.cases import Phone
from casedial.domain.firms import Firm
from casedial.domain.phone_changes import PhoneChange
from casedial.storage.actors import ACTOR_COLUMNS, actor_from, actor_values

_COLUMNS = ("firm_id", "case_id", "changed_at", "changed_by", "before", "after", *ACTOR_COLUMNS)


async def add(tx: Transaction, firm: Firm, made: Sequence[PhoneChange]) -> None:
    """Record changes of phones of cases that this transaction holds."""
    rows = [
        (
            *(firm.id, one.case_id, one.changed_at, one.changed_by, _stored(one.before), _stored(one.after)),
            *actor_values(one.actor),
        )
        for one in made
    ]
    await bulk.insert(tx, phone_changes, _COLUMNS, rows)


def _stored(phone: Phone | None) -> list[object] | None:
    return list(phone) if phone else None


async def of_cases(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> list[PhoneChange]:
    """Return the changes of these cases, the oldest first."""
    c = phone_changes.c
    query = phone_changes.select().where(c.firm_id == firm.id, tx.among(c.case_id, case_ids)).order_by(c.id)
    return [
        PhoneChange(
            row.case_id,
            Phone(*row.before) if row.before else None,
            Phone(*row.after) if row.after else None,
            row.changed_at,
            actor_from(row.actor_kind, row.actor_id, row.changed_by),
        )
        for row in await tx.execute(query)
    ]
