"""An operator's change of many cases: preview it, run it, undo it; and those that were made.

A change is a row with its set of cases, both written before any case is changed. Whoever runs or undoes it works on it
page by page, and when he dies a server goes on (``working.py``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.cases import Case
from casedial.domain.changes import (
    KEPT,
    REASON_LIMIT,
    Before,
    Change,
    ChangeState,
    Counts,
    Outcome,
)
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import (
    ChangeNotFound,
    ChangeNotPossible,
    EndedHalfway,
    FirmNotFound,
    InvalidSetting,
    RetiredStatus,
)
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind, Wanted, kind_of, read_order, written_order
from casedial.service.audit import note, prove
from casedial.service.cases import PAGE, unknown_cases
from casedial.service.changes import would_change
from casedial.service.firms import open_firm
from casedial.service.operations import working
from casedial.service.operations.opening import read_firm, transact_fresh
from casedial.storage import cases, changes, finding
from casedial.storage.cases import Found

Meant = Callable[[Firm], Wanted]  # returns what was asked for in terms of the firm as it is then
Sink = Callable[[Change], None]  # gets a change as it is after each page

_LOOK_ON_SECONDS = 0.5  # between two looks at what somebody else does
MOST_NAMED = 1000  # cases of each reason
TYPED_ABOVE = 1000  # cases, of which the number has to be typed where servers are to do the work
EXAMPLES = 10


@dataclass(slots=True)
class Rehearsed:
    """What would become of the cases that are meant; which of them cannot be read, or were named and are not there."""

    counts: Counts = field(default_factory=Counts)
    unreadable: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


async def rehearse(store: Store, actor: Actor, firm_name: str, which: CaseFilter, meant: Meant) -> Rehearsed:
    """Count what a change would do; nothing is written. Raises FirmNotFound, and what ``meant`` does."""
    found = Rehearsed(unknown=await _unknown(store, firm_name, which))
    async for _, page, counts in _pages(store, actor, firm_name, which, meant):
        found.counts.add(counts)
        found.unreadable += sorted(page.unreadable)
    return found


async def _unknown(store: Store, firm_name: str, which: CaseFilter) -> list[int]:
    return await read_firm(store, firm_name, lambda tx, firm: unknown_cases(tx, firm, which.case_ids or ()))


async def _pages(
    store: Store, actor: Actor, firm_name: str, which: CaseFilter, meant: Meant
) -> AsyncIterator[tuple[Firm, Found, Counts]]:
    """Yield the cases that are meant page by page, with what would become of them."""
    after = 0
    while True:
        async with store.read() as tx:
            firm = await open_firm(tx, firm_name)
            page = await finding.matching(tx, firm, which, after, PAGE)
            counts = await would_change(tx, firm, page.values(), meant(firm), actor, tx.now())
        if page.last is None:
            return
        counts.unreadable = len(page.unreadable)
        yield firm, page, counts
        after = page.last


@dataclass(frozen=True, slots=True)
class Previewed:
    """A change that may be run; ``unknown`` are cases that were named and are not there."""

    change: Change
    unknown: list[int]


async def preview(
    store: Store, actor: Actor, firm_name: str, which: CaseFilter, meant: Meant, reason: str = ""
) -> Previewed:
    """Settle which cases a change is about, and count what it would do; it may be run for a day.

    Raises FirmNotFound, InvalidSetting for the reason, and what ``meant`` does.
    """
    unknown = await _unknown(store, firm_name, which)
    change_id = await begin(store, actor, firm_name, which, meant, reason)
    return Previewed(await settle(store, actor, firm_name, change_id, which, meant), unknown)


async def begin(store: Store, actor: Actor, firm_name: str, which: CaseFilter, meant: Meant, reason: str = "") -> int:
    """Begin a preview, which ``settle`` goes on with; return the id of the change.

    Raises FirmNotFound, InvalidSetting for the reason, and what ``meant`` does.
    """
    reason = _checked_reason(reason)

    async def work(tx: Transaction) -> int:
        firm = await open_firm(tx, firm_name)
        wanted = meant(firm)
        order = written_order(firm, wanted, which)
        await prove(tx, actor, firm.id, "case.change")
        return await changes.add(tx, firm, actor, kind_of(wanted), order, reason, tx.now(), KEPT)

    return await store.transact(work)


async def settle(store: Store, actor: Actor, firm_name: str, change_id: int, which: CaseFilter, meant: Meant) -> Change:
    """Find the cases of a preview, page by page, and count what would become of them. Raises FirmNotFound."""
    expected, total = Counts(), 0
    standing: Counter[tuple[int | None, int | None]] = Counter()
    async for firm, page, counts in _pages(store, actor, firm_name, which, meant):
        these = sorted({*page, *page.unreadable})
        expected.add(counts)
        standing.update(Before.of(case).standing for case in page.values())
        total += len(these)
        keep = partial(changes.add_cases, firm=firm, change_id=change_id, case_ids=these)
        await store.transact(partial(keep, total=total, expected=expected, standing=standing))
        await store.give_way()
    await store.transact(partial(changes.update, change_id=change_id, state=int(ChangeState.PREVIEWED)))
    return await read_firm(store, firm_name, partial(_find, change_id=change_id))


def _checked_reason(reason: str) -> str:
    reason = reason.strip()
    if len(reason) > REASON_LIMIT or (reason and not reason.isprintable()):
        raise InvalidSetting(f"A reason is one line of at most {REASON_LIMIT} characters.")
    return reason


async def _find(tx: Transaction, firm: Firm, change_id: int, lock: bool = False) -> Change:
    found = await changes.find(tx, firm, change_id, lock)
    if found is None:
        raise ChangeNotFound(f"{firm.name} has no change {change_id}; one that was not run is kept for a day.")
    return found


async def run(
    store: Store, actor: Actor, firm_name: str, change_id: int, progress: Sink = lambda change: None
) -> Change:
    """Run a change that was previewed, or go on with one that runs, until it is done; one that is done stays so.

    Raises FirmNotFound, ChangeNotFound, ChangeNotPossible, RetiredStatus for a campaign that was retired since, and
    EndedHalfway.
    """
    worker = uuid4()
    await _begin_run(store, actor, firm_name, change_id, worker)
    return await _finish(store, firm_name, change_id, worker, progress)


async def start(store: Store, actor: Actor, firm_name: str, change_id: int, typed: int | None) -> None:
    """Have servers run a change that was previewed; above so many cases their number has to be ``typed``.

    Raises what ``run`` does, and InvalidSetting for the number.
    """
    await _begin_run(store, actor, firm_name, change_id, None, typed)


async def _begin_run(
    store: Store, actor: Actor, firm_name: str, change_id: int, worker: UUID | None, typed: int | None = None
) -> None:
    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        change = await _find(tx, firm, change_id, lock=True)
        if change.state in (ChangeState.RUNNING, ChangeState.DONE):
            return
        if change.kind is ChangeKind.EXPORT:
            raise ChangeNotPossible(f"Change {change_id} is an export, which changes nothing: take its file along.")
        if worker is None and change.total > TYPED_ABOVE and typed != change.total:
            raise InvalidSetting(f"Type the number of cases, {change.total}, to go on.")
        if change.state is not ChangeState.PREVIEWED:
            raise ChangeNotPossible(f"Change {change_id} {_NOT_TO_RUN[change.state]}: begin a new one.")
        if change.is_over(await tx.clock()):
            raise ChangeNotPossible(f"Change {change_id} was previewed more than 24 hours ago: begin a new one.")
        _refuse_retired(firm, change)
        begun = {"state": int(ChangeState.RUNNING), "actor": actor, "begun_at": tx.now()}
        await _give_to(tx, change_id, worker, **begun)
        await note(tx, actor, firm.id, "case.change", f"change {change_id}", None, _noted(change))

    await transact_fresh(store, work)


_NOT_TO_RUN = {
    ChangeState.PREPARING: "was interrupted before its cases were settled, or that goes on",
    ChangeState.UNDOING: "is being undone",
    ChangeState.UNDONE: "was undone",
}


def _refuse_retired(firm: Firm, change: Change) -> None:
    wanted, _ = read_order(firm, change.order)
    if wanted.campaign and wanted.campaign.retired:
        raise RetiredStatus(f"The campaign {wanted.campaign.name!r} is retired and can no longer be set.")


def _noted(change: Change) -> dict[str, Any]:
    """Return what is written down of a change: what was asked for, and of how many cases; of a note not the text."""
    order = {name: value for name, value in change.order.items() if name != "note"}
    what = {} if change.kind is ChangeKind.SET else {"what": change.kind.name.lower()}
    return {**what, **order, "cases": change.total}


async def _give_to(tx: Transaction, change_id: int, worker: UUID | None, **values: Any) -> None:
    """Begin work on a change; without a worker any server takes it."""
    until = await tx.clock() + (working.SPAN if worker else timedelta(0))
    await changes.update(tx, change_id, worker=worker, worked_until=until, last=0, keep_until=None, **values)


async def undo(
    store: Store, actor: Actor, firm_name: str, change_id: int, progress: Sink = lambda change: None
) -> Change:
    """Put every case back that a change has changed and nobody since; one that still runs ends with it.

    Raises FirmNotFound, ChangeNotFound, EndedHalfway, and ChangeNotPossible: an undo itself is not undone, say.
    """
    worker = uuid4()
    await _begin_undo(store, actor, firm_name, change_id, worker)
    return await _finish(store, firm_name, change_id, worker, progress)


async def start_undo(store: Store, actor: Actor, firm_name: str, change_id: int) -> None:
    """Have servers undo a change. Raises what ``undo`` does."""
    await _begin_undo(store, actor, firm_name, change_id, None)


async def _begin_undo(store: Store, actor: Actor, firm_name: str, change_id: int, worker: UUID | None) -> None:
    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        change = await _find(tx, firm, change_id, lock=True)
        if change.state is ChangeState.UNDOING:
            return
        if not change.can_be_undone(await tx.clock()):
            raise ChangeNotPossible(f"Change {change_id} {_not_to_undo(change)}")
        await _give_to(tx, change_id, worker, state=int(ChangeState.UNDOING), undone_by=actor)
        await note(tx, actor, firm.id, "case.change.undo", f"change {change_id}")

    await transact_fresh(store, work)


def _not_to_undo(change: Change) -> str:
    if change.state is ChangeState.UNDONE:
        return "was undone already. An undo is not undone: make the change again."
    if change.state is ChangeState.DONE:
        return "was done more than 24 hours ago, and can no longer be undone: set the cases again."
    return "was never run: there is nothing to undo."


async def resume(
    store: Store, actor: Actor, firm_name: str, change_id: int, progress: Sink = lambda change: None
) -> Change:
    """Go on with a change, or its undo, that was interrupted, until it is done.

    Raises FirmNotFound, ChangeNotFound or EndedHalfway.
    """
    return await _finish(store, firm_name, change_id, uuid4(), progress)


def how_to_go_on(change_id: int) -> str:
    """Say what becomes of a change that was interrupted."""
    return (
        f"Change {change_id} is not done yet. A running server goes on with it within seconds, and so does casedial "
        f"cases resume {change_id}; casedial cases undo {change_id} ends it, and puts back what was changed."
    )


async def _finish(store: Store, firm_name: str, change_id: int, worker: UUID, progress: Sink) -> Change:
    """Work on a change until it is done; while somebody else does, look on. Raises EndedHalfway where that fails."""
    while True:
        try:
            is_mine = await working.step(store, change_id, worker, PAGE)
            change = await read_firm(store, firm_name, partial(_find, change_id=change_id))
        except (FirmNotFound, ChangeNotFound):  # there is nothing to go on with
            raise
        except Exception as error:
            raise EndedHalfway(how_to_go_on(change_id)) from error
        progress(change)
        if not change.state.is_at_work:
            return change
        if is_mine:
            await store.give_way()
        else:
            await asyncio.sleep(_LOOK_ON_SECONDS)


@dataclass(frozen=True, slots=True)
class Listed:
    """Changes of a firm, the newest first, at a time of the database; ``more`` tells whether there are older ones."""

    firm: Firm
    clock: datetime
    changes: list[Change]
    more: bool


async def every(store: Store, actor: Actor, firm_name: str, before: int | None = None, limit: int = 50) -> Listed:
    """Return the changes of a firm, from the one before an id. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Listed:
        found = await changes.of_firm(tx, firm, before, limit + 1)
        return Listed(firm, await tx.clock(), found[:limit], len(found) > limit)

    return await read_firm(store, firm_name, work)


@dataclass(frozen=True, slots=True)
class Shown:
    """A change at a time of the database; the first of those of its cases that were left, by why; and of all of them.

    ``left`` are those that its run left, ``left_by_undo`` those that were changed and not put back.
    """

    firm: Firm
    clock: datetime
    change: Change
    left: dict[Outcome, list[int]]
    left_by_undo: dict[Outcome, list[int]]
    examples: list[int]
    cases: list[Case]  # the examples that are there still, as they are now


_LEFT = (Outcome.IN_THE_DIALER, Outcome.NOT_MEANT, Outcome.GONE, Outcome.UNREADABLE)
_LEFT_BY_UNDO = (Outcome.CHANGED_SINCE, Outcome.IN_THE_DIALER, Outcome.GONE, Outcome.UNREADABLE)


async def show(store: Store, actor: Actor, firm_name: str, change_id: int) -> Shown:
    """Return a change, and which of its cases were left. Raises FirmNotFound or ChangeNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Shown:
        change = await _find(tx, firm, change_id)
        left = await changes.left(tx, change, _LEFT, MOST_NAMED)
        by_undo = await changes.left_by_undo(tx, change, _LEFT_BY_UNDO, MOST_NAMED)
        examples = await changes.set_behind(tx, change, 0, EXAMPLES)
        there = await cases.these(tx, firm, examples)
        return Shown(firm, await tx.clock(), change, left, by_undo, examples, list(there.values()))

    return await read_firm(store, firm_name, work)
