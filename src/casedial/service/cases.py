"""One case whole, cases page by page, and an operator's change of many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from casedial.domain.cases import Case, Firm, Note, Role
from casedial.domain.dialing import (
    CaseFilter,
    Move,
    OperatorChange,
    StatusPeriod,
    concerns,
    operate,
    periods,
)
from casedial.domain.errors import CaseNotFound, EndedHalfway
from casedial.service.claims import adopt_cases
from casedial.service.do_not_call import Moves, keep_off
from casedial.service.firms import open_firm, transact_fresh
from casedial.storage import cases, firms, notes
from casedial.storage.engine import Store, Transaction

PAGE = 1000
EVERY_CASE = CaseFilter()


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


async def every_page(store: Store, firm_name: str) -> AsyncIterator[tuple[Firm, cases.Found]]:
    """Yield a firm's cases page by page, in CaseID order, each with the firm as it was then. Raises FirmNotFound."""
    after = 0
    while True:
        async with store.read() as tx:
            firm = await open_firm(tx, firm_name)
            page = await cases.matching(tx, firm, EVERY_CASE, after, PAGE)
        if page.last is None:
            return
        yield firm, page
        after = page.last


@dataclass(slots=True)
class Changed:
    """What an operator's change did to those meant, or would do: how many cases, by what became of them."""

    cases: int = 0  # changed as asked
    from_the_dialer: int = 0  # those of them that were In the Dialer, and no longer are
    in_the_dialer: int = 0  # left there: somebody may be talking
    do_not_call: int = 0  # on the do-not-call list, so Do not Dial
    unchanged: int = 0  # as asked already
    unreadable: list[int] = field(default_factory=list)  # left as they are: their rows make no sense
    known: set[int] = field(default_factory=set)
    last: int = 0  # the CaseID up to which it is done

    def add(self, other: Changed) -> None:
        """Add what became of the cases behind these."""
        self.cases += other.cases
        self.from_the_dialer += other.from_the_dialer
        self.in_the_dialer += other.in_the_dialer
        self.do_not_call += other.do_not_call
        self.unchanged += other.unchanged
        self.unreadable += other.unreadable
        self.known |= other.known
        self.last = other.last

    def count(self, wanted: OperatorChange, before: Case, after: Case | None) -> None:
        """Count a case; None where the change does not concern it."""
        if after is None:
            left = wanted.move is Move.TO_DIAL
            self.in_the_dialer += left
            self.unchanged += not left
        elif wanted.move not in (None, Move.DO_NOT_DIAL) and after.role is Role.DO_NOT_DIAL:
            self.do_not_call += 1
        else:
            self.cases += 1
            self.from_the_dialer += before.role is Role.IN_THE_DIALER and after.role is not Role.IN_THE_DIALER


@dataclass(frozen=True, slots=True)
class BulkChange:
    """An operator's change of many cases, page by page in CaseID order, each page in a transaction of its own.

    ``meant`` returns what was asked for in terms of the firm as it is then; without ``do`` it only counts. ``changed``
    tells what is done, also while it goes on and when it failed.
    """

    store: Store
    firm_name: str
    which: CaseFilter
    meant: Callable[[Firm], OperatorChange]
    by: str
    do: bool
    changed: Changed

    async def run(self) -> None:
        """Do it. Raises EndedHalfway where something was done before it failed, else what made it fail."""
        try:
            while page := await self._page():
                self.changed.add(page)
                await self.store.give_way()
        except Exception as error:
            if not self.do or not self.changed.cases + self.changed.do_not_call:
                raise
            raise EndedHalfway(self.halfway) from error

    @property
    def halfway(self) -> str:
        """Say what is done, and how to go on."""
        return f"Until then {self.changed.cases} cases were changed. To go on give --after {self.changed.last} as well."

    async def _page(self) -> Changed | None:
        if self.do:
            return await transact_fresh(self.store, self._change_page)
        async with self.store.read() as tx:
            return await self._change_page(tx)

    async def _change_page(self, tx: Transaction) -> Changed | None:
        firm = await open_firm(tx, self.firm_name)
        wanted, now = self.meant(firm), datetime.now(UTC)
        page = await cases.matching(tx, firm, self.which, self.changed.last, PAGE)
        if page.last is None:
            return None
        if self.do:
            done = await change_cases(tx, firm, list(page), wanted, self.by, now, self.which)
        else:
            _, done = await _change(tx, firm, list(page.values()), wanted, self.by, now)
        done.unreadable, done.last = sorted(page.unreadable), page.last
        done.known = {*page, *page.unreadable} if self.which.case_ids else set()
        return done


async def change_cases(
    tx: Transaction,
    firm: Firm,
    case_ids: Sequence[int],
    wanted: OperatorChange,
    by: str,
    now: datetime,
    which: CaseFilter = EVERY_CASE,
) -> Changed:
    """Do an operator's change to those of these cases that still fit ``which``; return what became of them."""
    if wanted.priority is not None and wanted.priority not in firm.priorities:
        await firms.add_priorities(tx, await open_firm(tx, firm.name, lock=True), [wanted.priority])
    held = await adopt_cases(tx, firm, await cases.lock(tx, firm, case_ids), now)
    meant = [case for case in held.values() if which.fits(firm, case)]
    moves, done = await _change(tx, firm, meant, wanted, by, now)
    await cases.save_statuses(tx, firm, moves.cases)
    await cases.record(tx, firm, moves.history)
    return done


async def _change(
    tx: Transaction, firm: Firm, found: Sequence[Case], wanted: OperatorChange, by: str, now: datetime
) -> tuple[Moves, Changed]:
    """Return those cases that a change concerns as they are after it, and what becomes of all."""
    moves, done = Moves([], []), Changed()
    for case in found:
        if concerns(wanted, case):
            after, recorded = operate(firm, case, wanted, by, now)
            moves.cases.append(after)
            moves.history.extend(recorded)
    await keep_off(tx, firm, moves, now)
    changed = {case.case_id: case for case in moves.cases}
    for case in found:
        done.count(wanted, case, changed.get(case.case_id))
    return moves, done
