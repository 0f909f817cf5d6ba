"""Cases that may not be called now: held back at the head of a list, and let go when they may."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from casedial.database.engine import Store, Transaction
from casedial.domain.calling import Rules
from casedial.domain.damage import Damage
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusesStale
from casedial.service import holding_back
from casedial.storage import firms, held_back

_PAGE = 2000
_AT_ONCE, _SHARE = 250, 1.0  # held back in one transaction; for as long as it took others go on
_READ_AGAIN = timedelta(minutes=10)  # after which a case that cannot be read is looked at again


async def release_held_back(store: Store, firm_id: int | None = None, campaign_id: int | None = None) -> None:
    """Let go what was held back, of one campaign, of one firm, or all: something was decided that may let it through.

    Whatever is not let go, should this be cut off, is looked at again at its own time.
    """

    async def let_go_page_by_page(store: Store) -> None:
        after: tuple[int, int] | None = (0, 0)
        while after is not None:
            behind = partial(held_back.let_go_behind, firm_id=firm_id, campaign_id=campaign_id)
            after = await store.transact(partial(behind, after=after, limit=_PAGE))

    await store.afterwards(let_go_page_by_page)


async def let_go(store: Store, now: datetime) -> int:
    """Let claims look again at cases whose time has come; return how many, at most a page of them."""
    async with store.read() as tx:
        next_at = await held_back.next_let_go(tx)
    if next_at is None or next_at > now:
        return 0
    return await store.transact(lambda tx: held_back.let_go(tx, now, _PAGE))


async def hold_back_met(store: Store, now: datetime) -> int:
    """Hold back what claims met that may not be called; return how many cases it was about.

    Where it fails, or the server ends before, the next claims meet them again.
    """
    met, count = store.met.take(), 0
    try:
        for firm, noted in met.cases.values():
            case_ids = list(noted)
            count += len(case_ids)
            for start in range(0, len(case_ids), _AT_ONCE):
                some = case_ids[start : start + _AT_ONCE]
                began = time.monotonic()
                with suppress(StatusesStale):  # the firm was changed meanwhile
                    await store.transact(partial(holding_back.hold_back, firm=firm, case_ids=some, now=now))
                await asyncio.sleep(_SHARE * (time.monotonic() - began))
    finally:
        store.met.done()
    return count


async def set_aside(store: Store, firm: Firm, case_ids: Sequence[int], now: datetime) -> list[Damage]:
    """Hold back due cases that cannot be read, and those like them at the head of the list; return which.

    None where the firm has changed since it was read: what it is now may make sense of them.
    """

    async def work(tx: Transaction) -> set[int]:
        if not await firms.is_current(tx, firm):
            return set()
        these = {*case_ids, *await held_back.unreadable(tx, firm, now)}
        await held_back.hold_back(tx, firm, dict.fromkeys(these, now + _READ_AGAIN))
        return these

    return [Damage("case", firm.id, str(case_id)) for case_id in sorted(await store.transact(work))]


async def hold_back_head(
    store: Store, firm: Firm, campaign_id: int | None, size: int, now: datetime, rules: Rules
) -> int:
    """Hold back those of so many cases at the head of a list that may not be called; return how many.

    Raises CasesUnreadable.
    """
    async with store.read() as tx:
        others = await holding_back.closed_at_head(tx, firm, campaign_id, size, now, rules)
    hold_back = partial(holding_back.hold_back, firm=firm, case_ids=others, now=now)
    return await store.transact(hold_back) if others else 0
