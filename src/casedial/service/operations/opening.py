"""How an operation opens its firm: to read, or held against other operators; and begins anew where that is due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from casedial.database.engine import Store, Transaction
from casedial.domain.errors import ChangedMeanwhile, StorageUnavailable
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusesStale
from casedial.service.firms import open_firm

T = TypeVar("T")

_TRIES = 5  # of a transaction that met a status which was added after its firm was read


async def read_firm(store: Store, name: str, work: Callable[[Transaction, Firm], Awaitable[T]]) -> T:
    """Do what only reads, with the firm of this name. Raises FirmNotFound."""
    async with store.read() as tx:
        return await work(tx, await open_firm(tx, name))


async def change_firm(store: Store, name: str, work: Callable[[Transaction, Firm], Awaitable[T]]) -> T:
    """Do what changes a firm, in one transaction, which holds it against other operators. Raises FirmNotFound."""

    async def held(tx: Transaction) -> T:
        return await work(tx, await open_firm(tx, name, lock=True))

    return await store.transact(held)


def see_unchanged(now: object, seen: object) -> None:
    """Raise ChangedMeanwhile where something is not as somebody saw it who wants to change it."""
    if now != seen:
        raise ChangedMeanwhile("Somebody else has changed it since it was shown. Nothing was saved.")


async def transact_fresh(store: Store, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Run work that opens its firm itself in a transaction, again where a status was added since it did.

    Raises StorageUnavailable when that goes on, or a case has a status that the firm does not have at all.
    """
    for _ in range(_TRIES):
        with suppress(StatusesStale):
            return await store.transact(work)
    raise StorageUnavailable(
        "A case has a status that its firm does not have, or the statuses are being changed; try again."
    )


def stale() -> StorageUnavailable:
    """Return StatusesStale as an error that can be shown."""
    return StorageUnavailable("A case has a status that its firm does not have, or that was just added.")
