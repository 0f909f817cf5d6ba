"""Figures of the whole database for who watches the server. No actor: a server counts by itself."""

from __future__ import annotations

from datetime import datetime

from casedial.database.engine import Store
from casedial.service.webhooks import Listed as Listed
from casedial.service.webhooks import listed
from casedial.storage import health
from casedial.storage.health import DialList as DialList


async def count_answered(store: Store) -> dict[int, int]:
    """Return by firm how many cases were answered and never reported."""
    async with store.read() as tx:
        return {stuck.firm_id: stuck.count for stuck in await health.answered(tx)}


async def count_webhooks(store: Store) -> list[Listed]:
    """Return the endpoints of webhooks, and how they stand."""
    async with store.read() as tx:
        return (await listed(tx)).webhooks


async def count_lists(store: Store) -> tuple[list[DialList], datetime]:
    """Return the due cases of every campaign, and when they were counted: it looks at all of them."""
    async with store.read() as tx:
        now = tx.now()
        return await health.dial_lists(tx, now), now
