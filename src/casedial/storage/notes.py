"""Notes on cases."""

from __future__ import annotations

from collections.abc import Sequence

from casedial.domain.cases import Firm, Note
from casedial.storage import bulk
from casedial.storage.engine import Transaction
from casedial.storage.tables import notes

_COLUMNS = ("firm_id", "case_id", "text", "author", "created_at")
_AT_ONCE = 250  # between which others go on


async def add(tx: Transaction, firm: Firm, added: Sequence[Note]) -> None:
    """Add notes to cases of the firm that exist."""
    for start in range(0, len(added), _AT_ONCE):
        part = added[start : start + _AT_ONCE]
        rows = [(firm.id, note.case_id, note.text, note.author, note.created_at) for note in part]
        await bulk.insert(tx, notes, _COLUMNS, rows)


async def of_case(tx: Transaction, firm: Firm, case_id: int) -> list[Note]:
    """Return a case's notes, oldest first."""
    query = notes.select().where(notes.c.firm_id == firm.id, notes.c.case_id == case_id).order_by(notes.c.id)
    return [Note(row.case_id, row.text, row.author, row.created_at) for row in await tx.execute(query)]
