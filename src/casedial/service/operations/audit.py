"""The audit: look at it, write it out, find where it was tampered with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from casedial.database.engine import Store
from casedial.domain.actors import Actor
from casedial.domain.audit import FIRST, NO_FIRM, AuditFilter, KeptEntry
from casedial.service.firms import open_firm
from casedial.storage import audit, firms

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries, and the names of their firms; ``more`` tells whether there may be others behind them.

    ``looked`` is, of the newest, where to go on: with fewer entries than were asked for, it is how far was looked.
    """

    entries: list[KeptEntry]
    firms: dict[int, str]
    more: bool
    looked: int | None = None


async def entries(
    store: Store, actor: Actor, firm_name: str | None, wanted: AuditFilter, after: int, limit: int
) -> Entries:
    """Return entries behind an id: of a firm, or of all. Raises FirmNotFound."""
    wanted = await _of(store, firm_name, wanted)
    async with store.read() as tx:
        found = await audit.page(tx, wanted, after, limit + 1)
        names = await firms.names(tx)
    return Entries(found[:limit], names, len(found) > limit)


async def newest(
    store: Store, actor: Actor, firm_name: str, wanted: AuditFilter, before: int | None, limit: int
) -> Entries:
    """Return entries of a firm, the newest first, from the one before an id, within bounds. Raises FirmNotFound."""
    async with store.read() as tx:
        firm_id = (await open_firm(tx, firm_name)).id
        found, looked = await audit.page_back(tx, wanted, firm_id, before, limit + 1)
    if len(found) > limit:
        return Entries(found[:limit], {}, True, found[limit - 1].id)
    return Entries(found, {}, looked is not None, looked)


async def _of(store: Store, firm_name: str | None, wanted: AuditFilter) -> AuditFilter:
    if firm_name is None:
        return wanted
    async with store.read() as tx:
        return replace(wanted, firm_id=(await open_firm(tx, firm_name)).id)


async def export(
    store: Store,
    actor: Actor,
    firm_name: str | None,
    wanted: AuditFilter,
    write: Callable[[Sequence[KeptEntry], dict[int, str]], None],
) -> int:
    """Write entries page by page, each in a transaction of its own; return how many. Raises FirmNotFound."""
    written = 0
    wanted = await _of(store, firm_name, wanted)
    async with store.read() as tx:
        names = await firms.names(tx)
    async for page in _pages(store, wanted):
        write(page, names)
        written += len(page)
    return written


async def _pages(store: Store, wanted: AuditFilter) -> AsyncIterator[list[KeptEntry]]:
    after = 0
    while True:
        async with store.read() as tx:
            page = await audit.page(tx, wanted, after, _PAGE)
        if not page:
            return
        yield page
        after = page[-1].id


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that was gone through: of which firm (None: of none), how many entries, and where it is broken, if it is.

    ``broken`` are the ids of the two entries that do not follow each other, None for the beginning and the end: the one
    before was altered, or what stood between them was removed or moved.
    """

    firm: str | None
    entries: int
    broken: tuple[int | None, int | None] | None


async def verify(store: Store, actor: Actor, firm_name: str | None) -> list[Verified]:
    """Go through the chain of a firm, or all chains. Raises FirmNotFound."""
    only = (await _of(store, firm_name, AuditFilter())).firm_id
    async with store.read() as tx:
        heads = await audit.heads(tx, only)
        names = await firms.names(tx)
        chains = [only] if only is not None else sorted({*heads, *await audit.chains(tx)})
    return [await _verify(store, firm_id, None if firm_id == NO_FIRM else names.get(firm_id)) for firm_id in chains]


async def _verify(store: Store, firm_id: int, name: str | None) -> Verified:
    last: KeptEntry | None = None
    counted = 0
    while True:
        async with store.read() as tx:  # both as they are at one time: others add to it
            page = await audit.page(tx, AuditFilter(firm_id), last.id if last else 0, _PAGE)
            end = (await audit.heads(tx, firm_id)).get(firm_id, FIRST)
        if not page:
            is_whole = end == (last.digest if last else FIRST)
            return Verified(name, counted, None if is_whole else (last.id if last else None, None))
        for kept in page:
            if kept.previous != (last.digest if last else FIRST):
                return Verified(name, counted, (last.id if last else None, kept.id))
            last, counted = kept, counted + 1
