"""What many cases get but a change of what they are: a note, or a place on the do-not-call list; and its undo."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from casedial.database.engine import Transaction
from casedial.domain.calling import Listing
from casedial.domain.cases import Case, Note
from casedial.domain.changes import Before, Change, Counts, Outcome
from casedial.domain.dialing import change as changed
from casedial.domain.firms import Firm
from casedial.domain.moves import Moves
from casedial.domain.names import NAME_LIMIT
from casedial.domain.orders import ChangeKind, Task, read_order
from casedial.domain.reasons import of_change
from casedial.domain.statuses import Role, Status, StatusType
from casedial.service import do_not_call as lists
from casedial.service import storing
from casedial.service.cases import still_meant
from casedial.service.firms import open_firm
from casedial.storage import cases, notes
from casedial.storage.changes import Left
from casedial.storage.do_not_call import of_cases


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did to some cases: counted, and of each; and what undo goes back to, as JSON has it."""

    counts: Counts
    outcomes: Mapping[int, Outcome]
    before: Mapping[int, Mapping[str, Any]]


async def would_do(tx: Transaction, firm: Firm, found: Collection[Case], task: Task) -> Counts:
    """Return what would become of cases that this transaction need not hold; nothing is stored."""
    if task.kind not in (ChangeKind.LIST, ChangeKind.UNLIST):
        return Counts(cases=len(found))
    listed = await of_cases(tx, firm.id, [case.case_id for case in found])
    if task.kind is ChangeKind.UNLIST:
        return Counts(cases=len(listed), unchanged=len(found) - len(listed))
    new = [case for case in found if case.case_id not in listed]
    waiting = sum(case.role is Role.TO_DIAL for case in new)
    return Counts(cases=len(new), unchanged=len(listed), do_not_call=waiting)


async def do_task(tx: Transaction, firm: Firm, change: Change, case_ids: Sequence[int], now: datetime) -> Changed:
    """Do what is wanted of these cases, where they still are as it was asked for; return what became of them all."""
    if change.kind is ChangeKind.UNLIST:  # which changes the firm: it is held before any case, as by other operators
        firm = await open_firm(tx, firm.name, lock=True)
    locked = await cases.lock(tx, firm, case_ids)
    _, which = read_order(firm, change.order)
    meant = [locked[case_id] for case_id in await still_meant(tx, firm, which, locked)]
    counts, before = Counts(), dict[int, Mapping[str, Any]]()
    if change.kind is ChangeKind.NOTE:
        before = await _note(tx, firm, change, meant, now)
    elif change.kind is ChangeKind.LIST:
        before = await _list(tx, firm, change, meant, now)
        counts.do_not_call = sum(one["was"] is not None for one in before.values())
    elif change.kind is ChangeKind.UNLIST:
        before = await _unlist(tx, firm, meant)
    outcomes = dict.fromkeys(case_ids, Outcome.GONE)
    outcomes |= dict.fromkeys(locked.unreadable, Outcome.UNREADABLE) | dict.fromkeys(locked, Outcome.NOT_MEANT)
    outcomes |= {case.case_id: Outcome.UNCHANGED for case in meant} | dict.fromkeys(before, Outcome.CHANGED)
    counts.cases, counts.unchanged = len(before), len(meant) - len(before)
    counts.unreadable, counts.not_meant = len(locked.unreadable), len(locked) - len(meant)
    counts.gone = len(outcomes) - len(locked) - len(locked.unreadable)
    return Changed(counts, outcomes, before)


async def _note(
    tx: Transaction, firm: Firm, change: Change, meant: Sequence[Case], now: datetime
) -> dict[int, Mapping[str, Any]]:
    text = change.order["note"]
    await storing.store(tx, firm, Moves(notes=[Note(one.case_id, text, change.actor, now) for one in meant]), now)
    ids = await notes.written(tx, firm, [one.case_id for one in meant], text, now)
    return {case_id: {"note": id_} for case_id, id_ in ids.items()}


async def _list(
    tx: Transaction, firm: Firm, change: Change, meant: Sequence[Case], now: datetime
) -> dict[int, Mapping[str, Any]]:
    """Put cases on the list; those To Dial are Do not Dial at once, for no claim need meet them."""
    known = await of_cases(tx, firm.id, [case.case_id for case in meant])
    new = {case.case_id: case for case in meant if case.case_id not in known}
    source = (change.reason or f"change {change.id} by {change.actor.name}")[:NAME_LIMIT]
    today = now.astimezone(firm.zone).date()
    await lists.list_at_once(tx, firm, [Listing(today, source, case_id=case_id) for case_id in new])
    off: dict[StatusType, Status | None] = {StatusType.DIALER: firm.statuses.with_role(Role.DO_NOT_DIAL)}
    moves, why = Moves(), of_change(change.id, change.reason)
    for case in new.values():
        if case.role is Role.TO_DIAL:
            moves.move(case, *changed(case, off, now, change.actor, now, why=why))
    await storing.store(tx, firm, moves, now)
    entries = await of_cases(tx, firm.id, new)
    return {
        case_id: {"entry": entries[case_id][0], "was": Before.of(case).written() if case_id in moves.cases else None}
        for case_id, case in new.items()
    }


async def _unlist(tx: Transaction, firm: Firm, meant: Sequence[Case]) -> dict[int, Mapping[str, Any]]:
    """Take cases off the list. Their numbers that are on it stay there, and their status stays as it is."""
    known = await of_cases(tx, firm.id, [case.case_id for case in meant])
    if known:
        await lists.remove(tx, firm, [], list(known))
    return {case_id: {"listed": [str(one.listed_on), one.source]} for case_id, (_, one) in known.items()}


async def judge(tx: Transaction, firm: Firm, change: Change, left: Sequence[Left]) -> set[int]:
    """Return those of these cases, which this transaction holds, of which somebody has touched what the change did."""
    if change.kind is ChangeKind.NOTE:
        ids = {one.case_id: int(one.before["note"]) for one in left}
        there = await notes.there(tx, firm, ids)
        return {case_id for case_id, id_ in ids.items() if id_ not in there}
    entries = await of_cases(tx, firm.id, [one.case_id for one in left])
    if change.kind is ChangeKind.UNLIST:
        return set(entries)  # somebody has put them on it again
    return {one.case_id for one in left if entries.get(one.case_id, (0,))[0] != one.before["entry"]}


async def take_back(tx: Transaction, firm: Firm, change: Change, left: Sequence[Left]) -> None:
    """Take back what a change gave to cases, but not what it made of their status."""
    if change.kind is ChangeKind.NOTE:
        await notes.remove(tx, firm, {one.case_id: int(one.before["note"]) for one in left})
    elif change.kind is ChangeKind.LIST:
        await lists.remove(tx, firm, [], [one.case_id for one in left])
    elif change.kind is ChangeKind.UNLIST:
        told = [(one.case_id, *one.before["listed"]) for one in left]
        again = [Listing(date.fromisoformat(day), source, case_id=case_id) for case_id, day, source in told]
        await lists.list_at_once(tx, firm, again)
