"""Delete a firm with everything of it, in short transactions: killed half-way, it is made whole by asking again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.audit import NO_FIRM
from casedial.domain.firms import Firm
from casedial.service.audit import note
from casedial.service.firms import open_firm
from casedial.storage import forgetting, removal


@dataclass(slots=True)
class Removed:
    """A firm, and how many rows of it there were, by table."""

    firm: Firm
    rows: Counter[str] = field(default_factory=Counter)
    wiped: bool | None = None  # whether no byte is left in the files; None where nothing was done


async def count_firm(store: Store, actor: Actor, name: str) -> Removed:
    """Count what ``remove_firm`` would delete. Raises FirmNotFound and StorageUnavailable."""
    async with store.read() as tx:
        firm = await open_firm(tx, name)
        return Removed(firm, Counter(await removal.count(tx, firm.id)))


async def remove_firm(store: Store, actor: Actor, name: str) -> Removed:
    """Delete a firm: its keys are refused first, by every server at once, the firm itself goes last.

    Raises FirmNotFound and StorageUnavailable.
    """
    async with store.read() as tx:
        removed = Removed(await open_firm(tx, name))
    firm_id = removed.firm.id

    async def work(tx: Transaction) -> None:
        await removal.refuse_keys(tx, firm_id)
        await note(tx, actor, NO_FIRM, "firm.delete", f"firm {removed.firm.name}")

    await store.transact(work)
    gone = False
    while not gone:  # again, where a command put something in meanwhile
        await _remove_rows(store, removed)
        gone = await store.transact(lambda tx: removal.remove_rest(tx, firm_id))
    removed.wiped = await forgetting.wipe(store)
    return removed


async def _remove_rows(store: Store, removed: Removed) -> None:
    for table in removal.GROWING:
        after: removal.Place | None = None
        while True:
            started = time.monotonic()
            page = partial(removal.remove_page, table=table, firm_id=removed.firm.id, after=after)
            rows, after = await store.transact(page)
            removed.rows[table.name] += rows
            if after is None:
                break
            await asyncio.sleep(min(time.monotonic() - started, 1.0))  # others write for as long as they have waited
