"""A firm's statuses: each of these returns the firm as it is then, and raises FirmNotFound and what its step raises."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

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
    return await change(store, actor, firm_name, kind, old, StatusChange(name=new), seen)


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
    return await change(
        store, actor, firm_name, StatusType.DISPOSITION, name, StatusChange(flags=flags), *(seen or (None, None))
    )


async def retire(store: Store, actor: Actor, firm_name: str, kind: StatusType, name: str, retired: bool = True) -> Firm:
    """Retire a status, or take it back into use."""
    return await change(store, actor, firm_name, kind, name, StatusChange(retired=retired))


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What an operator wants of a status: None leaves it as it is. Flags are for dispositions."""

    name: str | None = None
    flags: Collection[Flag] | None = None
    retired: bool | None = None


async def change(
    store: Store,
    actor: Actor,
    firm_name: str,
    kind: StatusType,
    name: str,
    wanted: StatusChange,
    seen: int | None = None,
    seen_flags: Collection[Flag] | None = None,
) -> Firm:
    """Change a status, all of it or nothing.

    Raises ChangedMeanwhile where it is not, by its id or its flags, the one that was ``seen``.
    """

    async def work(tx: Transaction, firm: Firm) -> Firm:
        status = firm.statuses.find(kind, name)
        if seen is not None:
            see_unchanged(status and status.id, seen)
        if seen_flags is not None:
            see_unchanged(status and set(status.flags), set(seen_flags))
        now, label = name, kind.label
        if wanted.name is not None:
            firm = await steps.rename_status(tx, firm, kind, name, wanted.name)
            was, now = {"name": name}, wanted.name
            await note(tx, actor, firm.id, "status.rename", f"{label} {name}", was, {"name": now})
        if wanted.flags is not None:
            firm = await steps.flag_status(tx, firm, now, wanted.flags)
            await note(tx, actor, firm.id, "status.flag", f"disposition {now}", None, {"flags": sorted(wanted.flags)})
        if wanted.retired is not None:
            firm = await steps.retire_status(tx, firm, kind, now, wanted.retired)
            await note(tx, actor, firm.id, "status.retire", f"{label} {now}", None, {"retired": wanted.retired})
        return firm

    return await change_firm(store, firm_name, work)
