"""One case whole, cases page by page, and an operator's change of many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from casedial.domain.cases import Case, Firm, Note
from casedial.domain.dialing import (
    CaseFilter,
    OperatorChange,
    StatusPeriod,
    concerns,
    operate,
    periods,
)
from casedial.domain.errors import CaseNotFound
from casedial.service.claims import adopt_cases
from casedial.service.do_not_call import Moves, keep_off
from casedial.service.firms import open_firm
from casedial.storage import cases, firms, notes
from casedial.storage.engine import Transaction

PAGE = 1000


@dataclass(frozen=True, slots=True)
class CaseFile:
    """All there is of a case."""

    case: Case
    history: list[StatusPeriod]
    notes: list[Note]


async def show_case(tx: Transaction, firm: Firm, case_id: int) -> CaseFile:
    """Return all there is of a case. Raises CaseNotFound."""
    case = await cases.fetch(tx, firm, case_id)
    if case is None:
        raise CaseNotFound(f"{firm.name} has no case {case_id}.")
    history = (await cases.history(tx, firm, [case_id]))[case_id]
    return CaseFile(case, periods(history), await notes.of_case(tx, firm, case_id))


async def every_case(tx: Transaction, firm: Firm, wanted: CaseFilter) -> AsyncIterator[Case]:
    """Yield the cases that match in CaseID order, a page in memory at a time. Raises StatusNotFound."""
    after = 0
    while page := await cases.matching(tx, firm, wanted, after, PAGE):
        for case in page:
            yield case
        after = page[-1].case_id


async def change_cases(
    tx: Transaction, firm: Firm, case_ids: Sequence[int], wanted: OperatorChange, by: str, now: datetime
) -> int:
    """Do an operator's change to those of these cases that it concerns; return how many."""
    if wanted.priority is not None and wanted.priority not in firm.priorities:
        await firms.add_priorities(tx, await open_firm(tx, firm.name, lock=True), [wanted.priority])
    held = await adopt_cases(tx, firm, await cases.lock(tx, firm, case_ids), now)
    moves = Moves([], [])
    for case in held.values():
        if not concerns(wanted, case):
            continue
        after, recorded = operate(firm, case, wanted, by, now)
        moves.cases.append(after)
        moves.history.extend(recorded)
    await keep_off(tx, firm, moves, now)
    await cases.save_statuses(tx, firm, moves.cases)
    await cases.record(tx, firm, moves.history)
    return len(moves.cases)
