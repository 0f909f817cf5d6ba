"""Notes on cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.engine import Transaction
from casedial.database.tables import notes
from casedial.domain.cases import Note
from casedial.domain.firms import Firm
from casedial.storage.actors import ACTOR_COLUMNS, actor_from, actor_values

_COLUMNS = ("firm_id", "case_id", "text", "author", "created_at", *ACTOR_COLUMNS)
_AT_ONCE = 250  # between which others go on


async def add(tx: Transaction, firm: Firm, added: Sequence[Note]) -> None:
    """Add notes to cases of the firm that exist."""
    for start in range(0, len(added), _AT_ONCE):
        part = added[start : start + _AT_ONCE]
        rows = [
            (firm.id, note.case_id, note.text, note.author, note.created_at, *actor_values(note.actor)) for note in part
        ]
        await bulk.insert(tx, notes, _COLUMNS, rows)


async def of_cases(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> list[Note]:
    """Return the notes of these cases, the oldest first."""
    query = notes.select().where(notes.c.firm_id == firm.id, tx.among(notes.c.case_id, case_ids)).order_by(notes.c.id)
    return [
        Note(row.case_id, row.text, actor_from(row.actor_kind, row.actor_id, row.author), row.created_at)
        for row in await tx.execute(query)
    ]


async def written(
    tx: Transaction, firm: Firm, case_ids: Collection[int], text: str, created_at: datetime
) -> dict[int, int]:
    """Return the id of the note of this text and time that each of these cases has, if it has one."""
    c = notes.c
    query = sa.select(c.case_id, sa.func.max(c.id).label("last")).where(
        c.firm_id == firm.id, tx.among(c.case_id, sorted(case_ids)), c.created_at == created_at, c.text == text
    )
    return {row.case_id: row.last for row in await tx.execute(query.group_by(c.case_id))}


async def there(tx: Transaction, firm: Firm, ids: Mapping[int, int]) -> set[int]:
    """Return those of these notes, ids by case, that there are still."""
    c = notes.c
    these = c.firm_id == firm.id, tx.among(c.case_id, sorted(ids)), tx.among(c.id, sorted(ids.values()))
    return set((await tx.execute(sa.select(c.id).where(*these))).scalars())


async def remove(tx: Transaction, firm: Firm, ids: Mapping[int, int]) -> None:
    """Take notes away, ids by case."""
    c = notes.c
    these = c.firm_id == firm.id, tx.among(c.case_id, sorted(ids)), tx.among(c.id, sorted(ids.values()))
    await tx.execute(notes.delete().where(*these))
