"""Users, as administrators keep them: add, list, give a role, make a link, disable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.errors import RoleNotAllowed
from casedial.domain.users import Seat, User, UserRole
from casedial.service import users as steps
from casedial.service.audit import note
from casedial.service.firms import open_firm
from casedial.storage import users


@dataclass(frozen=True, slots=True)
class Linked:
    """A user, and the token of the link by which a password is set: the only time that it is known."""

    user: User
    token: str


async def add(store: Store, actor: Actor, name: str, firm_name: str, role: UserRole) -> Linked:
    """Add a user with a role in a firm. Raises FirmNotFound, UserExists, InvalidSetting or RoleNotAllowed."""

    async def work(tx: Transaction) -> Linked:
        now = tx.now()
        firm = await open_firm(tx, firm_name)
        user = await steps.add_user(tx, name, firm.id, role, now)
        token = await steps.make_link(tx, user, now)
        await note(tx, actor, firm.id, "user.add", f"user {user.id}", None, {"name": user.name, "role": role.label})
        return Linked(user, token)

    return await store.transact(work)


@dataclass(frozen=True, slots=True)
class Listed:
    """A user with all its seats."""

    user: User
    seats: tuple[Seat, ...]


async def every(store: Store, actor: Actor, firm_names: Sequence[str] | None = None) -> list[Listed]:
    """Return the users of firms, or all, by name. Raises FirmNotFound."""
    async with store.read() as tx:
        ids = None if firm_names is None else [(await open_firm(tx, name)).id for name in firm_names]
        return [Listed(user, seats) for user, seats in await users.every(tx, ids)]


async def set_role(store: Store, actor: Actor, name: str, firm_name: str, role: UserRole | None) -> User:
    """Give a user a role in a firm, or take it. Raises FirmNotFound, UserNotFound or RoleNotAllowed."""

    async def work(tx: Transaction) -> User:
        firm = await open_firm(tx, firm_name)
        user = await steps.open_user(tx, name, lock=True)
        seats = (await users.seats_of(tx, [user.id])).get(user.id, ())
        before = next((seat.role for seat in seats if seat.firm_id == firm.id), None)
        _refuse_own(actor, user, "your own role")
        if before is not role:
            was, now = ({"role": one.label if one else None} for one in (before, role))
            await note(tx, actor, firm.id, "user.role", f"user {user.id}", was, now)  # before it: it may be the actor's
            await users.set_role(tx, user.id, firm.id, role)
        return user

    return await store.transact(work)


async def reset(store: Store, actor: Actor, name: str) -> Linked:
    """Make a link by which a user sets a new password; what was set stays until then.

    Raises UserNotFound, and RoleNotAllowed for a user whose firms are not all those of the administrator.
    """

    async def work(tx: Transaction) -> Linked:
        user = await _open_own(tx, actor, name)
        token = await steps.make_link(tx, user, tx.now())
        await steps.note_of_user(tx, actor, user, "user.reset")
        return Linked(user, token)

    return await store.transact(work)


async def remove_factor(store: Store, actor: Actor, name: str) -> User:
    """Take a second factor off a user who has lost it. Raises as ``reset`` does."""

    async def work(tx: Transaction) -> User:
        user = await _open_own(tx, actor, name)
        await users.change(tx, user.id, factor=None, factor_is_set=False, factor_step=None, recovery=None)
        await users.end_sessions(tx, user.id)
        await steps.note_of_user(tx, actor, user, "user.factor.remove")
        return user

    return await store.transact(work)


async def disable(store: Store, actor: Actor, name: str, disabled: bool = True) -> User:
    """Refuse a user from now on, in every session, or let them in again. Raises as ``reset`` does."""

    async def work(tx: Transaction) -> User:
        user = await _open_own(tx, actor, name)
        _refuse_own(actor, user, "your own account")
        await steps.note_of_user(tx, actor, user, "user.disable" if disabled else "user.enable")
        now = tx.now() if disabled else None
        await users.change(tx, user.id, disabled_at=now, link_digest=None, link_until=None)
        await users.end_sessions(tx, user.id)
        return user

    return await store.transact(work)


async def _open_own(tx: Transaction, actor: Actor, name: str) -> User:
    """Return a user whom the actor may let in and keep out: an administrator of all the user's firms, or an operator.

    What gives somebody a password gives all that they may do, in every firm.
    """
    user = await steps.open_user(tx, name, lock=True)
    if actor.kind is ActorKind.USER:
        theirs = (await users.seats_of(tx, [user.id])).get(user.id, ())
        for seat in theirs:
            if await users.role_in(tx, actor.id or 0, seat.firm_id) is not UserRole.ADMINISTRATOR:
                raise RoleNotAllowed(
                    f"{user.name} also works for a firm of which you are no administrator. Who runs the server can do "
                    "this, with casedial user."
                )
        if not theirs:
            raise RoleNotAllowed(f"{user.name} works for none of your firms.")
    return user


def _refuse_own(actor: Actor, user: User, what: str) -> None:
    """Let no administrators shut themselves out: so a firm that has one keeps one."""
    if actor.kind is ActorKind.USER and actor.id == user.id:
        raise RoleNotAllowed(f"Another administrator has to change {what}.")
