"""Store what becomes of cases: one function, whatever it was that moved them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from casedial.database.engine import Transaction
from casedial.domain.cases import StatusChange
from casedial.domain.claims import sooner
from casedial.domain.firms import Caller, Firm
from casedial.domain.moves import Moves
from casedial.domain.reasons import RELEASED
from casedial.domain.statuses import Role, StatusType
from casedial.service.do_not_call import keep_off
from casedial.storage import cases, claims, fact_changes, leases, notes, phone_changes, priority_changes
from casedial.storage.additions import Addition


async def store(tx: Transaction, firm: Firm, moves: Moves, now: datetime, ready: Addition | None = None) -> None:
    """Store what becomes of cases that this transaction holds; those that must not be called are kept off first.

    What wants to know of every change begins here. Only a claim of due cases goes past, which
    ``storage/claims.py`` picks, moves and records in one statement. ``ready`` is what was made ready of moves that do
    nothing but add cases: it writes them with their history.
    """
    await keep_off(tx, firm, moves, now)
    if ready:
        await ready.write(tx)
    else:
        changed = moves.changed
        await cases.add(tx, firm, moves.added)
        await cases.save(tx, firm, changed)
        await cases.record(tx, firm, moves.recorded)
        await leases.check_by(tx, sooner(changed))
    await claims.add(tx, firm, moves.claims)
    await notes.add(tx, firm, moves.notes)
    await phone_changes.add(tx, firm, moves.phone_changes)
    await priority_changes.add(tx, firm, moves.priority_changes)
    await fact_changes.add(tx, firm, moves.fact_changes)


async def put_back(tx: Transaction, caller: Caller, case_ids: Sequence[int], claim_id: UUID, now: datetime) -> None:
    """Give cases of a claim back that cannot be read: as they are, at their old time, with a line in their history."""
    if not case_ids:
        return
    moved = await cases.put_back(tx, caller.firm, case_ids, claim_id)
    status, by = caller.firm.statuses.with_role(Role.TO_DIAL), caller.actor
    released = (
        StatusChange(id, StatusType.DIALER, status, at, now, by, claim_id, RELEASED) for id, at in moved.items()
    )
    await cases.record(tx, caller.firm, released)
