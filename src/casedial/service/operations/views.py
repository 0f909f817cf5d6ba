"""Searches that a user gave a name: they are theirs alone."""

from __future__ import annotations

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.errors import InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.searching import View
from casedial.service.audit import note
from casedial.service.operations.opening import change_firm, read_firm
from casedial.storage import views

_NAME_LIMIT = 60
_QUERY_LIMIT = 2000
_MOST = 50  # of a user, in a firm


def _user_id(actor: Actor) -> int:
    if actor.kind is not ActorKind.USER or actor.id is None:
        raise InvalidSetting("Only a user of the pages has views.")
    return actor.id


async def every(store: Store, actor: Actor, firm_name: str) -> list[View]:
    """Return the views of a user in a firm. Raises FirmNotFound."""
    return await read_firm(store, firm_name, lambda tx, firm: views.every(tx, firm, _user_id(actor)))


async def save(store: Store, actor: Actor, firm_name: str, name: str, query: str) -> None:
    """Keep a search under a name, in the place of one that has it. Raises FirmNotFound or InvalidSetting."""
    name = " ".join(name.split())
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise InvalidSetting(f"Give the view a name of at most {_NAME_LIMIT} characters.")
    if len(query) > _QUERY_LIMIT:
        raise InvalidSetting("This search is too long to be kept.")

    async def work(tx: Transaction, firm: Firm) -> None:
        user_id = _user_id(actor)
        if len(await views.every(tx, firm, user_id)) >= _MOST:
            raise InvalidSetting(f"You have {_MOST} views: remove one first.")
        view_id = await views.save(tx, firm, user_id, name, query, tx.now())
        await note(tx, actor, firm.id, "account.view.save", f"view {view_id}")

    await change_firm(store, firm_name, work)


async def remove(store: Store, actor: Actor, firm_name: str, view_id: int) -> None:
    """Remove a view of a user; one that is gone stays so. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> None:
        if await views.remove(tx, firm, _user_id(actor), view_id):
            await note(tx, actor, firm.id, "account.view.remove", f"view {view_id}")

    await change_firm(store, firm_name, work)
