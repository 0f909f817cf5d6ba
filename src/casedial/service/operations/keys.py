"""ClientKeys: make, take over, limit, roll, revoke, list.

What a limit means depends on the firm: its campaigns, its time zone. So what is wanted comes as a function of the firm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.audit import plain
from casedial.domain.firms import Firm
from casedial.domain.keys import KeyLimits, KeyRecord
from casedial.service import keys as steps
from casedial.service.audit import note, note_change
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, NewKey
from casedial.service.operations.opening import read_firm, see_unchanged
from casedial.storage import firms, keys

Meant = Callable[[Firm], LimitChange]


async def add(
    store: Store, actor: Actor, firm_name: str, vendor: str, meant: Meant, key: str | None = None
) -> tuple[Firm, NewKey]:
    """Make a key for a vendor, or take over ``key``; return its firm, and the key.

    Raises FirmNotFound, KeyExists, StatusNotFound or InvalidSetting.
    """

    async def work(tx: Transaction) -> tuple[Firm, NewKey]:
        firm = await open_firm(tx, firm_name)
        new = await steps.add_key(tx, firm, vendor, tx.now(), key, meant(firm))
        await note(tx, actor, firm.id, "key.add", f"key {new.id} of {new.vendor}", None, plain(new.limits))
        return firm, new

    return await store.transact(work)


@dataclass(frozen=True, slots=True)
class Limited:
    """A key with its firm, and what it is limited to from now on."""

    firm: Firm
    key: KeyRecord
    limits: KeyLimits


async def limit(store: Store, actor: Actor, key_id: int, meant: Meant, seen: KeyLimits | None = None) -> Limited:
    """Change what a key is limited to.

    Raises KeyNotFound, StatusNotFound or InvalidSetting; and ChangedMeanwhile where that is not what was ``seen``.
    """

    async def work(tx: Transaction) -> Limited:
        key, firm = await steps.open_key(tx, key_id)
        if seen is not None:
            see_unchanged(key.limits, seen)
        limits = await steps.limit_key(tx, key, firm, meant(firm), tx.now())
        await note_change(tx, actor, firm.id, "key.set", f"key {key.id} of {key.vendor}", key.limits, limits)
        return Limited(firm, key, limits)

    return await store.transact(work)


@dataclass(frozen=True, slots=True)
class Rolled:
    """A key that takes the place of another, with its firm, and when the other expires."""

    firm: Firm
    new: NewKey
    old_ends: datetime


async def roll(store: Store, actor: Actor, key_id: int, overlap: timedelta, meant: Meant) -> Rolled:
    """Replace a key by a new one of the same vendor, scopes and limits; the old one works for the overlap.

    Raises KeyNotFound, KeyRevoked, KeyExpired, StatusNotFound or InvalidSetting.
    """

    async def work(tx: Transaction) -> Rolled:
        key, firm = await steps.open_key(tx, key_id)
        new, ends = await steps.roll_key(tx, key, firm, overlap, tx.now(), meant(firm))
        rolled = {"key": new.id, "old_ends": ends.isoformat(), **plain(new.limits)}
        await note(tx, actor, firm.id, "key.roll", f"key {key.id} of {key.vendor}", plain(key.limits), rolled)
        return Rolled(firm, new, ends)

    return await store.transact(work)


async def revoke(store: Store, actor: Actor, key_id: int) -> None:
    """Refuse a key from now on. Raises KeyNotFound."""

    async def work(tx: Transaction) -> None:
        firm_id, vendor = await steps.revoke_key(tx, key_id, tx.now())
        await note(tx, actor, firm_id, "key.revoke", f"key {key_id} of {vendor}")

    await store.transact(work)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys, each with its firm, oldest first; ``unreadable`` are the ids of those that make no sense, or their firm."""

    keys: list[tuple[KeyRecord, Firm]]
    unreadable: list[int]


async def every(store: Store, actor: Actor, firm_name: str | None = None) -> Keys:
    """Return all keys, or those of one firm. Raises FirmNotFound."""

    async def work(tx: Transaction, only: Firm | None) -> Keys:
        found, unreadable = await keys.every(tx, only.id if only else None)
        loaded = {id_: await firms.load_or_damage(tx, id_) for id_ in {key.firm_id for key in found}}
        theirs = {id_: firm for id_, firm in loaded.items() if isinstance(firm, Firm)}
        there = [(key, theirs[key.firm_id]) for key in found if key.firm_id in theirs]
        return Keys(there, unreadable + [key.id for key in found if key.firm_id not in theirs])

    if firm_name:
        return await read_firm(store, firm_name, work)
    async with store.read() as tx:
        return await work(tx, None)
