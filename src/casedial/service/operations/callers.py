"""Who calls: the look-ups of each request, before an actor is known, and what is noted of a key's use."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from casedial.database.engine import Store
from casedial.domain.firms import Firm
from casedial.domain.keys import KeyRecord
from casedial.storage import firms, keys, rates
from casedial.storage.rates import MINUTE as MINUTE


async def find_keys(store: Store, digests: Collection[bytes]) -> dict[bytes, KeyRecord | None]:
    """Return the keys with these digests, revoked or not; None for one whose row cannot be read."""
    async with store.single() as tx:
        return await keys.find(tx, digests)


async def load_firm(store: Store, firm_id: int) -> tuple[int, Firm]:
    """Return a firm, and its version. Raises FirmNotFound."""
    async with store.read() as tx:
        return await firms.load(tx, firm_id)


async def count_request(store: Store, key_id: int) -> tuple[int, float]:
    """Count a request of a key; return how many there were in this minute, and how many seconds of it are left."""
    return await store.transact(lambda tx: rates.count(tx, key_id), cases=1)


def is_use_noted(last: datetime | None, now: datetime) -> bool:
    """Tell whether the use of a key was noted just before."""
    return last is not None and now - last < keys.LAST_USE_PRECISION


async def note_use(store: Store, key_id: int, now: datetime) -> None:
    """Note that a key was used. Raises StorageUnavailable."""
    await store.transact(lambda tx: keys.touch(tx, key_id, now), cases=1)
