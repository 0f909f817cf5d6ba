"""What an operation writes down of what it changed, in its own transaction."""

from __future__ import annotations

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.audit import NO_FIRM, Entry, Plain, changed
from casedial.domain.errors import RoleNotAllowed
from casedial.domain.users import least_for
from casedial.storage import audit, users


async def note(
    tx: Transaction,
    actor: Actor,
    firm_id: int,
    action: str,
    subject: str,
    before: Plain | None = None,
    after: Plain | None = None,
) -> None:
    """Write an entry into the chain of a firm, or of NO_FIRM. It must hold nothing of a person.

    Raises RoleNotAllowed for a user who may not do this, so that nothing of it is kept: whatever a page let through,
    who writes is proven here.
    """
    await prove(tx, actor, firm_id, action)
    entry = Entry(tx.now(), actor, action, subject, before, after)
    await audit.add(tx, firm_id, entry)


async def prove(tx: Transaction, actor: Actor, firm_id: int, action: str) -> None:
    """See that a user has the role in the firm that an action takes; in every firm, where it concerns them all.

    Raises RoleNotAllowed.
    """
    if actor.kind is not ActorKind.USER:
        return
    least = least_for(action)
    if least is None:
        return
    everywhere = firm_id == NO_FIRM
    user_id = actor.id or 0
    role = await (users.role_everywhere(tx, user_id) if everywhere else users.role_in(tx, user_id, firm_id))
    if role is None or role < least:
        where = "every firm of this server: it concerns them all" if everywhere else "the firm"
        raise RoleNotAllowed(f"This takes the role of {least.label} in {where}.")


async def note_change(
    tx: Transaction, actor: Actor, firm_id: int, action: str, subject: str, before: object, after: object
) -> None:
    """Write down which fields of a dataclass changed; nothing where none did. Raises RoleNotAllowed, either way."""
    await prove(tx, actor, firm_id, action)
    was, now = changed(before, after)
    if now:
        await note(tx, actor, firm_id, action, subject, was, now)
