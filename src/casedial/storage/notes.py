"""Notes on cases."""

from __future__ import annotations

from collections.abc import Sequence

from casedial.domain.cases import Firm, Note
from casedial.storage.engine import Transaction
from casedial.storage.tables import notes


async def add(tx: Transaction, firm: Firm, added: Sequence[Note]) -> None:
    """Add notes to cases of the firm that exist."""
    if added:
        rows = [
            {
                "firm_id": firm.id,
                "case_id": note.case_id,
                "text": note.text,
                "author": note.author,
                "created_at": note.created_at,
            }
            for note in added
        ]
        await tx.execute(notes.insert(), rows)


async def of_case(tx: Transaction, firm: Firm, case_id: int) -> list[Note]:
    """Return a case's notes, oldest first."""
    query = notes.select().where(notes.c.firm_id == firm.id, notes.c.case_id == case_id).order_by(notes.c.id)
    return [Note(row.case_id, row.text, row.author, row.created_at) for row in await tx.execute(query)]
