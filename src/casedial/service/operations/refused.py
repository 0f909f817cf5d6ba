"""Refused reports: kept behind the requests, and shown to the firm's people."""

from __future__ import annotations

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.firms import Firm
from casedial.domain.refused import KeptRefusal
from casedial.service.operations.opening import read_firm
from casedial.storage import refused
from casedial.storage.refused import Refused as Refused


async def keep(store: Store, found: Refused) -> None:
    """Keep what was refused, of each firm the last and how many. No actor asks for it: a server does it by itself."""
    await store.transact(lambda tx: refused.keep(tx, refused=found, now=tx.now()))


async def last(store: Store, actor: Actor, firm_name: str) -> tuple[Firm, list[KeptRefusal]]:
    """Return the last reports to a firm that were refused, the latest first. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> tuple[Firm, list[KeptRefusal]]:
        return firm, await refused.last(tx, firm.id)

    return await read_firm(store, firm_name, work)
