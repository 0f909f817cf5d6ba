"""An operator's change of some cases: what it would do, a page of it, and a page of its undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from casedial.database.engine import Transaction
from casedial.database.slices import slices
from casedial.domain.actors import Actor
from casedial.domain.cases import Case, Hold, changes_of_priority
from casedial.domain.changes import Before, Change, Counts, Outcome, UndoCounts, put_back
from casedial.domain.dialing import CaseFilter, Move, OperatorChange, concerns, operate
from casedial.domain.firms import Firm
from casedial.domain.moves import Moves
from casedial.domain.orders import ChangeKind, Task, Wanted, read_order
from casedial.domain.reasons import Why, of_change, undo_of
from casedial.domain.statuses import Role
from casedial.service import change_tasks, storing
from casedial.service.cases import EVERY_CASE, still_meant
from casedial.service.change_tasks import Changed
from casedial.service.claims import adopt_cases
from casedial.service.do_not_call import keep_off
from casedial.service.firms import open_firm
from casedial.storage import cases, changes, firms, leases
from casedial.storage.changes import Left


async def change_cases(
    tx: Transaction,
    firm: Firm,
    case_ids: Sequence[int],
    wanted: OperatorChange,
    by: Actor,
    now: datetime,
    which: CaseFilter = EVERY_CASE,
    why: Why | None = None,
) -> Changed:
    """Do an operator's change to those of these cases that still fit ``which``; return what became of them all."""
    if wanted.priority is not None and wanted.priority not in firm.priorities:
        await firms.add_priorities(tx, await open_firm(tx, firm.name, lock=True), [wanted.priority])
    locked = await cases.lock(tx, firm, case_ids)
    held = await adopt_cases(tx, firm, locked, now)
    meant = [held[case_id] for case_id in await still_meant(tx, firm, which, held)]
    moves = await _moves(firm, meant, wanted, by, now, why)
    await storing.store(tx, firm, moves, now)
    counts = _count(wanted, meant, moves)
    outcomes = dict.fromkeys(case_ids, Outcome.GONE)
    outcomes |= dict.fromkeys(locked.unreadable, Outcome.UNREADABLE) | dict.fromkeys(held, Outcome.NOT_MEANT)
    counts.unreadable = len(locked.unreadable)
    counts.gone = len(outcomes) - len(locked.unreadable) - len(held)
    counts.not_meant = len(held) - len(meant)
    left = Outcome.IN_THE_DIALER if wanted.move is Move.TO_DIAL else Outcome.UNCHANGED
    for case in meant:
        outcomes[case.case_id] = Outcome.CHANGED if case.case_id in moves.cases else left
    before = {case.case_id: Before.of(case).written() for case in meant if case.case_id in moves.cases}
    return Changed(counts, outcomes, before)


async def would_change(
    tx: Transaction, firm: Firm, found: Collection[Case], wanted: Wanted, by: Actor, now: datetime
) -> Counts:
    """Return what would become of cases that this transaction need not hold; nothing is stored."""
    if isinstance(wanted, Task):
        return await change_tasks.would_do(tx, firm, found, wanted)
    moves = await _moves(firm, found, wanted, by, now)
    await keep_off(tx, firm, moves, now)
    return _count(wanted, found, moves)


async def _moves(
    firm: Firm, found: Collection[Case], wanted: OperatorChange, by: Actor, now: datetime, why: Why | None = None
) -> Moves:
    """Return what becomes of those cases that a change concerns."""
    moves = Moves()
    async for some in slices(tuple(found)):
        for case in some:
            if concerns(wanted, case):
                moves.move(case, *operate(firm, case, wanted, by, now, why))
    moves.priority_changes = changes_of_priority(moves.changed, by, now)
    return moves


def _count(wanted: OperatorChange, found: Iterable[Case], moves: Moves) -> Counts:
    """Return what became of all of these cases, or would."""
    done = Counts()
    for case in found:
        done.count(wanted, case, moves.cases.get(case.case_id))
    return done


async def run_page(tx: Transaction, firm: Firm, change: Change, size: int, now: datetime) -> tuple[Counts, int] | None:
    """Change the next cases of a change that this transaction holds; return what became of them, and the last of them.

    None where there are no more.
    """
    case_ids = await changes.to_do(tx, change, size)
    if not case_ids:
        return None
    if change.kind is ChangeKind.SET:
        wanted, which = read_order(firm, change.order)
        why = of_change(change.id, change.reason)
        done = await change_cases(tx, firm, case_ids, wanted, change.actor, now, which, why)
    else:
        done = await change_tasks.do_task(tx, firm, change, case_ids, now)
    await changes.note_done(tx, firm, change, done.outcomes, done.before)
    return done.counts, case_ids[-1]


async def undo_page(
    tx: Transaction, firm: Firm, change: Change, size: int, now: datetime
) -> tuple[UndoCounts, int] | None:
    """Put the next cases back that a change has changed and nobody since; return what ``run_page`` does."""
    left = await changes.to_undo(tx, change, size)
    if not left:
        return None
    by = change.undone_by or change.actor
    if change.kind is ChangeKind.LIST:  # whose undo changes the firm: it is held before any case
        firm = await open_firm(tx, firm.name, lock=True)
    locked = await cases.lock(tx, firm, [one.case_id for one in left])
    outcomes = await _judged(tx, firm, change, left, locked)
    await change_tasks.take_back(tx, firm, change, [one for one in left if outcomes[one.case_id] is Outcome.PUT_BACK])
    before = await _with_claims_that_are_there(tx, firm, _were(change, left))
    moves = Moves()
    for case_id, was in before.items():
        if outcomes[case_id] is Outcome.PUT_BACK:
            case = locked[case_id]
            moves.move(case, *put_back(firm, case, was, by, now, undo_of(change.id)))
    moves.priority_changes = changes_of_priority(moves.changed, by, now)
    await storing.store(tx, firm, moves, now)
    await leases.check_by(tx, _first_ends(case.hold for case in moves.cases.values() if case.hold))
    await changes.note_undone(tx, change, outcomes)
    return _count_undone(outcomes, moves, before), left[-1].case_id


def _were(change: Change, left: Sequence[Left]) -> dict[int, Before]:
    """Return what those of these cases were of which the change touched more than a note or an entry."""
    key = None if change.kind is ChangeKind.SET else "was"
    found = {one.case_id: one.before if key is None else one.before.get(key) for one in left}
    return {case_id: Before.read(was) for case_id, was in found.items() if was}


async def _judged(
    tx: Transaction, firm: Firm, change: Change, left: Sequence[Left], locked: cases.Found
) -> dict[int, Outcome]:
    """Return what an undo does with each of these cases, which this transaction holds."""
    were = _were(change, left)
    touched = await changes.touched_since(tx, firm, [one for one in left if one.case_id in were])
    if change.kind is not ChangeKind.SET:
        touched |= await change_tasks.judge(tx, firm, change, left)

    def judge(one: Left) -> Outcome:
        case = locked.get(one.case_id)
        if one.case_id in locked.unreadable:
            return Outcome.UNREADABLE
        if case is None:
            return Outcome.GONE
        if one.case_id in touched:
            return Outcome.IN_THE_DIALER if case.role is Role.IN_THE_DIALER else Outcome.CHANGED_SINCE
        return Outcome.PUT_BACK

    return {one.case_id: judge(one) for one in left}


async def _with_claims_that_are_there(tx: Transaction, firm: Firm, were: Mapping[int, Before]) -> dict[int, Before]:
    """Return what cases were; one whose claim was removed since gets a new one, as any that has none does."""
    claim_ids = {was.hold.claim_id for was in were.values() if was.hold}
    there = await leases.find(tx, firm, claim_ids)
    return {
        case_id: was if was.hold is None or was.hold.claim_id in there else replace(was, hold=None)
        for case_id, was in were.items()
    }


def _first_ends(held: Iterable[Hold]) -> dict[UUID, datetime]:
    """Return when the first lease of each claim ends: it has to be looked at again."""
    ends: dict[UUID, datetime] = {}
    for hold in held:
        if hold.until:
            ends[hold.claim_id] = min(hold.until, ends.get(hold.claim_id, hold.until))
    return ends


def _count_undone(there: Mapping[int, Outcome], moves: Moves, before: Mapping[int, Before]) -> UndoCounts:
    counts = Counter(there.values())
    left = {case_id: Before.of(case) for case_id, case in moves.cases.items()}
    return UndoCounts(
        cases=counts[Outcome.PUT_BACK],
        do_not_call=sum(left[case_id].dialer != before[case_id].dialer for case_id in left),
        changed_since=counts[Outcome.CHANGED_SINCE],
        in_the_dialer=counts[Outcome.IN_THE_DIALER],
        gone=counts[Outcome.GONE],
        unreadable=counts[Outcome.UNREADABLE],
    )
