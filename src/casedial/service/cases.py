"""One case whole, which cases are meant, and changes of one: its notes and its phones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor
from casedial.domain.calling import DoNotCall
from casedial.domain.case_files import CaseFile
from casedial.domain.cases import Case, Note
from casedial.domain.dialing import CaseFilter, periods
from casedial.domain.errors import CaseNotFound
from casedial.domain.firms import Firm
from casedial.domain.moves import Moves
from casedial.domain.phone_changes import changes_of_phones
from casedial.service import storing
from casedial.service.do_not_call import concerning
from casedial.storage import calls, cases, fact_changes, finding, notes, phone_changes, priority_changes

PAGE = 1000
EVERY_CASE = CaseFilter()


async def show_case(tx: Transaction, firm: Firm, case_id: int) -> tuple[CaseFile, DoNotCall]:
    """Return all there is of a case, and what the do-not-call list says of it. Raises CaseNotFound."""
    case = await cases.fetch(tx, firm, case_id)
    if case is None:
        raise CaseNotFound(f"{firm.name} has no case {case_id}.")
    [found] = await files_of(tx, firm, [case])
    return found, await concerning(tx, firm, [case])


async def files_of(tx: Transaction, firm: Firm, page: Collection[Case]) -> list[CaseFile]:
    """Return all there is of these cases."""
    found = {case.case_id: CaseFile(case) for case in page}
    case_ids = list(found)
    for case_id, history in (await cases.history(tx, firm, case_ids)).items():
        found[case_id].history = periods(history)
    for change in await phone_changes.of_cases(tx, firm, case_ids):
        found[change.case_id].phone_changes.append(change)
    for priority in await priority_changes.of_cases(tx, firm, case_ids):
        found[priority.case_id].priority_changes.append(priority)
    for facts in await fact_changes.of_cases(tx, firm, case_ids):
        found[facts.case_id].fact_changes.append(facts)
    for note in await notes.of_cases(tx, firm, case_ids):
        found[note.case_id].notes.append(note)
    for call in await calls.of_cases(tx, firm.id, case_ids):
        found[call.case_id].calls.append(call)
    return list(found.values())


async def unknown_cases(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> list[int]:
    """Return those of these cases that the firm does not have."""
    return sorted(set(case_ids) - await finding.there_are(tx, firm, case_ids)) if case_ids else []


async def still_meant(tx: Transaction, firm: Firm, which: CaseFilter, case_ids: Collection[int]) -> Collection[int]:
    """Return those of these cases, which this transaction holds, that are meant now that nobody else changes them."""
    if replace(which, case_ids=None) == EVERY_CASE or not case_ids:
        return case_ids
    which = replace(which, case_ids=tuple(sorted(case_ids)))
    return await finding.matching(tx, firm, which, 0, len(case_ids))


async def add_note(tx: Transaction, firm: Firm, case_id: int, text: str, by: Actor, now: datetime) -> None:
    """Add a note to a case. Raises CaseNotFound."""
    if case_id not in await cases.whereabouts(tx, firm, [case_id]):
        raise CaseNotFound(f"{firm.name} has no case {case_id}.")
    await storing.store(tx, firm, Moves(notes=[Note(case_id, text, by, now)]), now)


async def change_phones(
    tx: Transaction, firm: Firm, case_id: int, edit: Callable[[Case], Case], by: Actor, now: datetime
) -> Case:
    """Change the phones of a case as ``edit`` does; return the case. Raises CaseNotFound, and what ``edit`` does."""
    there = await cases.lock(tx, firm, [case_id])
    if case_id in there.unreadable:
        raise cases.unreadable_case(case_id)
    if case_id not in there:
        raise CaseNotFound(f"{firm.name} has no case {case_id}.")
    before = there[case_id]
    after = edit(before)
    moves = Moves(phone_changes=changes_of_phones(before, after, by, now))
    moves.move(before, after)
    await storing.store(tx, firm, moves, now)
    return moves.cases[case_id]
