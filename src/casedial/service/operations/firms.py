"""Firms: add, change, rename, list, and look at one."""

from __future__ import annotations

from dataclasses import dataclass

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.firms import Firm
from casedial.service import firms as steps
from casedial.service.audit import note, note_change
from casedial.service.firms import DEFAULT_RECORDS, FirmChange
from casedial.service.operations.holding_back import release_held_back
from casedial.service.operations.opening import change_firm, read_firm, see_unchanged
from casedial.storage import firms


async def add(store: Store, actor: Actor, name: str, time_zone: str, default_records: int = DEFAULT_RECORDS) -> Firm:
    """Add a firm with the specification's typical statuses. Raises FirmExists or InvalidSetting."""

    async def work(tx: Transaction) -> Firm:
        firm = await steps.add_firm(tx, name, time_zone, tx.now(), default_records)
        await note(tx, actor, firm.id, "firm.add", f"firm {firm.name}", None, _settings(firm))
        return firm

    return await store.transact(work)


async def change(store: Store, actor: Actor, name: str, wanted: FirmChange, seen: Firm | None = None) -> Firm:
    """Change a firm's settings, from the next request on; return the firm.

    Raises FirmNotFound or InvalidSetting; and ChangedMeanwhile where its settings are not those that were ``seen``.
    """

    async def work(tx: Transaction, firm: Firm) -> Firm:
        if seen is not None:
            see_unchanged(_settings(firm), _settings(seen))
        changed = await steps.set_firm(tx, firm, wanted)
        await note_change(tx, actor, firm.id, "firm.set", f"firm {firm.name}", _settings(firm), _settings(changed))
        return changed

    firm = await change_firm(store, name, work)
    if wanted.lets_through:
        await release_held_back(store, firm.id)
    return firm


async def rename(store: Store, actor: Actor, old: str, new: str) -> Firm:
    """Rename a firm; its keys, cases and all else stay. Raises FirmNotFound, FirmExists or InvalidSetting."""

    async def work(tx: Transaction, firm: Firm) -> Firm:
        renamed = await steps.rename_firm(tx, firm, new)
        await note_change(tx, actor, firm.id, "firm.rename", f"firm {firm.name}", _settings(firm), _settings(renamed))
        return renamed

    return await change_firm(store, old, work)


def _settings(firm: Firm) -> dict[str, object]:
    names = ("name", "time_zone", "default_records", "claim_timeout", "retention_days", "min_gap", "second_factor")
    return {name: getattr(firm, name) for name in names}


async def show(store: Store, actor: Actor, name: str) -> Firm:
    """Return a firm whole, with its statuses and campaigns. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Firm:
        return firm

    return await read_firm(store, name, work)


@dataclass(frozen=True, slots=True)
class Firms:
    """All firms, each with how many cases it has; ``unreadable`` are the ids of those whose rows make no sense."""

    firms: list[tuple[Firm, int]]
    unreadable: list[int]


async def every(store: Store, actor: Actor) -> Firms:
    """Return all firms."""
    async with store.read() as tx:
        return Firms(*await firms.every(tx))
