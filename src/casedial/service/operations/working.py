"""Work on changes of many cases, page by page, whoever does it: who began it, or a server after that one died.

Each page is a transaction that holds the change and moves its place on: no page is done twice, and none is left out.
Who works on a change keeps others from it for a few seconds with each page, so that one works and the others look on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from casedial.database.engine import Store, Transaction
from casedial.domain.audit import plain
from casedial.domain.changes import KEPT, Change, ChangeState, Counts, UndoCounts
from casedial.domain.damage import Damage
from casedial.domain.errors import StorageUnavailable
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind
from casedial.service.audit import note
from casedial.service.changes import run_page, undo_page
from casedial.service.operations.holding_back import release_held_back
from casedial.service.operations.opening import transact_fresh
from casedial.storage import changes, firms

SPAN = timedelta(seconds=5)  # after which somebody else goes on, where who worked died
_PAGE_OF_A_SERVER = 200  # cases: dialers wait meanwhile
_FORGOTTEN_AT_ONCE = 5000


async def step(store: Store, change_id: int, worker: UUID, size: int) -> bool:
    """Do the next page of a change, or of its undo; return False where somebody else works on it, or it is done."""

    async def work(tx: Transaction) -> tuple[bool, int | None]:
        change = await changes.take(tx, change_id, worker, SPAN)
        if change is None:
            return False, None
        firm = (await firms.load(tx, change.firm_id))[1]
        if change.state is ChangeState.UNDOING:
            is_over, shortens_list = await _undo(tx, firm, change, size), change.kind is ChangeKind.LIST
        else:
            is_over, shortens_list = await _run(tx, firm, change, size), change.kind is ChangeKind.UNLIST
        return True, firm.id if is_over and shortens_list else None

    is_mine, freed = await transact_fresh(store, work)
    if freed is not None:  # what was held back may be called by now
        await release_held_back(store, freed)
    return is_mine


async def _run(tx: Transaction, firm: Firm, change: Change, size: int) -> bool:
    """Do a page; return whether there was none left."""
    now = tx.now()
    done, counts = await run_page(tx, firm, change, size, now), change.counts
    if done:
        counts.add(done[0])
        await changes.update(tx, change.id, counts=counts, last=done[1])
        return False
    counts.gone += max(0, change.total - counts.of_all(change.has_move))  # those that were forgotten
    await _end(tx, change, ChangeState.DONE, counts=counts, finished_at=now)
    await note(tx, change.actor, firm.id, "case.change.done", f"change {change.id}", None, plain(counts))
    return True


async def _undo(tx: Transaction, firm: Firm, change: Change, size: int) -> bool:
    """Undo a page; return whether there was none left."""
    now = tx.now()
    done, counts = await undo_page(tx, firm, change, size, now), change.undo_counts
    if done:
        counts.add(done[0])
        await changes.update(tx, change.id, undo_counts=counts, last=done[1])
        return False
    counts.gone += max(0, change.counts.changed(change.has_move) - counts.of_all())
    await _end(tx, change, ChangeState.UNDONE, undo_counts=counts, undone_at=now)
    by = change.undone_by or change.actor
    await note(tx, by, firm.id, "case.change.undone", f"change {change.id}", None, plain(counts))
    return True


async def _end(tx: Transaction, change: Change, state: ChangeState, **values: Counts | UndoCounts | datetime) -> None:
    keep_until = await tx.clock() + KEPT
    values["keep_until"] = keep_until
    await changes.update(tx, change.id, state=int(state), worker=None, worked_until=None, **values)


async def go_on(store: Store, worker: UUID) -> tuple[bool, Damage | None]:
    """Do a page of a change whose worker died, or of one that this server goes on with already.

    Return whether there may be more, and what says of a change that nothing can be done with it now: it is put off.
    """
    async with store.read() as tx:
        found = await changes.waiting(tx, worker)
    if found is None:
        return False, None
    firm_id, change_id = found
    try:
        return await step(store, change_id, worker, _PAGE_OF_A_SERVER), None
    except StorageUnavailable:
        raise
    except Exception as error:
        await store.transact(partial(changes.put_off, change_id=change_id))
        return True, Damage.of("change", firm_id, change_id, error)


async def forget_cases(store: Store, now: datetime) -> int:
    """Let go of cases of changes whose time is over; return how many went, of which there may be more."""
    return await store.transact(lambda tx: changes.forget(tx, _FORGOTTEN_AT_ONCE))
