"""A firm's statuses: each of these returns the firm as it is then, and raises FirmNotFound and what its step raises."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.firms import Firm
from casedial.domain.statuses import Flag, StatusType
from casedial.service import statuses as steps
from casedial.service.audit import note
from casedial.service.operations.opening import change_firm, see_unchanged


async def add(store: Store, actor: Actor, firm_name: str, kind: StatusType, name: str) -> Firm:
    """Add a status at the end of its list."""

    async def work(tx: Transaction, firm: Firm) -> Firm:
        changed = await steps.add_statuses(tx, firm, [(kind, name)])
        await note(tx, actor, firm.id, "status.add", f"{kind.label} {name.strip()}", None, None)
        return changed

    return await change_firm(store, firm_name, work)


async def rename(
    store: Store, actor: Actor, firm_name: str, kind: StatusType, old: str, new: str, seen: int | None = None
) -> Firm:
    """Rename a status; its cases, history and role stay.

    Raises ChangedMeanwhile where another status than the one that was ``seen``, by its id, has the old name.
    """

    async def work(tx: Transaction, firm: Firm) -> Firm:
        if seen is not None:
            see_unchanged(_id_of(firm, kind, old), seen)
        changed = await steps.rename_status(tx, firm, kind, old, new)
        await note(tx, actor, firm.id, "status.rename", f"{kind.label} {old}", {"name": old}, {"name": new})
        return changed

    return await change_firm(store, firm_name, work)


async def reorder(
    store: Store,
    actor: Actor,
    firm_name: str,
    kind: StatusType,
    names: Sequence[str],
    seen: Sequence[int] | None = None,
) -> Firm:
    """Put the named statuses first, in this order; the others follow as they were.

    Raises ChangedMeanwhile where the list is not, by its ids, the one that was ``seen``.
    """

    async def work(tx: Transaction, firm: Firm) -> Firm:
        if seen is not None:
            see_unchanged([status.id for status in firm.statuses.of(kind)], list(seen))
        changed = await steps.reorder_statuses(tx, firm, kind, names)
        await note(tx, actor, firm.id, "status.reorder", kind.label, None, {"first": list(names)})
        return changed

    return await change_firm(store, firm_name, work)


async def flag(
    store: Store,
    actor: Actor,
    firm_name: str,
    name: str,
    flags: Collection[Flag],
    seen: tuple[int, Collection[Flag]] | None = None,
) -> Firm:
    """Say what a disposition means.

    Raises ChangedMeanwhile where it is not, by its id and its flags, the one that was ``seen``.
    """

    async def work(tx: Transaction, firm: Firm) -> Firm:
        if seen is not None:
            status = firm.statuses.find(StatusType.DISPOSITION, name)
            see_unchanged(status and (status.id, set(status.flags)), (seen[0], set(seen[1])))
        changed = await steps.flag_status(tx, firm, name, flags)
        await note(tx, actor, firm.id, "status.flag", f"disposition {name}", None, {"flags": sorted(flags)})
        return changed

    return await change_firm(store, firm_name, work)


def _id_of(firm: Firm, kind: StatusType, name: str) -> int | None:
    status = firm.statuses.find(kind, name)
    return status.id if status else None


async def retire(store: Store, actor: Actor, firm_name: str, kind: StatusType, name: str, retired: bool = True) -> Firm:
    """Retire a status, or take it back into use."""

    async def work(tx: Transaction, firm: Firm) -> Firm:
        changed = await steps.retire_status(tx, firm, kind, name, retired)
        await note(tx, actor, firm.id, "status.retire", f"{kind.label} {name}", None, {"retired": retired})
        return changed

    return await change_firm(store, firm_name, work)
