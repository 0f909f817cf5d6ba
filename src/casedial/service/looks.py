"""Looks at a person's page: noted in the audit once per user, case and hour."""

from __future__ import annotations

from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.users import LOOK_LASTS
from casedial.service.audit import note
from casedial.storage import users


async def note_look(tx: Transaction, actor: Actor, firm_id: int, case_id: int, now: datetime) -> None:
    """Note that a user looks at a case, in a transaction that writes. Of the command line nothing is noted."""
    if actor.kind is not ActorKind.USER or actor.id is None:
        return
    if await users.note_look(tx, firm_id, case_id, actor.id, now, now - LOOK_LASTS):
        await note(tx, actor, firm_id, "case.view", f"case {case_id}")
