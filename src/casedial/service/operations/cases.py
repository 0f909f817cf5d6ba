"""Cases page by page, one whole, and changes of one: its notes and its phones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.calling import DoNotCall
from casedial.domain.case_files import CaseFile
from casedial.domain.cases import Case
from casedial.domain.dialing import CaseFilter
from casedial.domain.firms import Firm
from casedial.service import cases as steps
from casedial.service.audit import note
from casedial.service.cases import EVERY_CASE, PAGE, files_of, show_case, unknown_cases
from casedial.service.firms import open_firm
from casedial.service.operations.opening import read_firm, transact_fresh
from casedial.storage import finding, leases


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases of a firm, with the firm as it was then; ``unreadable`` are CaseIDs whose rows make no sense."""

    firm: Firm
    files: list[CaseFile]
    unreadable: list[int]


async def every_page(
    store: Store, firm_name: str, which: CaseFilter = EVERY_CASE, whole: bool = False
) -> AsyncIterator[Page]:
    """Yield those of a firm's cases that are meant page by page, in CaseID order.

    Only ``whole`` all there is of them is read. Raises FirmNotFound or StatusNotFound.
    """
    after = 0
    while True:
        async with store.read() as tx:
            firm = await open_firm(tx, firm_name)
            page = await finding.matching(tx, firm, which, after, PAGE)
            found = [CaseFile(case) for case in page.values()]
            if whole:
                found = await files_of(tx, firm, page.values())
        if page.last is None:
            return
        yield Page(firm, found, sorted(page.unreadable))
        after = page.last


async def missing(store: Store, firm_name: str, case_ids: Sequence[int]) -> list[int]:
    """Return those of these cases that the firm does not have. Raises FirmNotFound."""
    return await read_firm(store, firm_name, lambda tx, firm: unknown_cases(tx, firm, case_ids))


@dataclass(frozen=True, slots=True)
class Listed:
    """Cases as they are listed: no more than were asked for, each with the vendor that holds it, if any does.

    ``more`` tells whether others are behind them; ``unreadable`` are CaseIDs whose rows make no sense, ``unknown``
    those that were named and are not there.
    """

    firm: Firm
    cases: list[tuple[Case, str | None]]
    more: bool
    unreadable: list[int]
    unknown: list[int]


async def list_cases(store: Store, actor: Actor, firm_name: str, which: CaseFilter, after: int, limit: int) -> Listed:
    """Return the first cases behind a CaseID that are meant. Raises FirmNotFound or StatusNotFound."""
    found: list[tuple[Case, str | None]] = []
    unreadable: list[int] = []
    unknown = await missing(store, firm_name, which.case_ids or ())
    while True:
        async with store.read() as tx:
            firm = await open_firm(tx, firm_name)
            page = await finding.matching(tx, firm, which, after, min(PAGE, limit - len(found) + 1))
            held = await leases.find(tx, firm, {case.hold.claim_id for case in page.values() if case.hold})
        for case in page.values():
            claim = held.get(case.hold.claim_id) if case.hold else None
            found.append((case, claim.vendor if claim else None))
        unreadable += sorted(page.unreadable)
        if page.last is None:
            return Listed(firm, found, False, unreadable, unknown)
        if len(found) > limit:
            last, _ = found[limit - 1]
            before = [case_id for case_id in unreadable if case_id < last.case_id]
            return Listed(firm, found[:limit], True, before, unknown)
        after = page.last


@dataclass(frozen=True, slots=True)
class Shown:
    """A case whole, with its firm, and what the do-not-call list says of it."""

    firm: Firm
    file: CaseFile
    do_not_call: DoNotCall


async def show(store: Store, actor: Actor, firm_name: str, case_id: int) -> Shown:
    """Return all there is of a case. Raises FirmNotFound or CaseNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Shown:
        return Shown(firm, *await show_case(tx, firm, case_id))

    return await read_firm(store, firm_name, work)


async def add_note(store: Store, actor: Actor, firm_name: str, case_id: int, text: str) -> None:
    """Add a note to a case, signed by the actor. Raises FirmNotFound or CaseNotFound."""

    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        await steps.add_note(tx, firm, case_id, text, actor, tx.now())
        await note(tx, actor, firm.id, "case.note", f"case {case_id}")

    await store.transact(work)


async def change_phones(store: Store, actor: Actor, firm_name: str, case_id: int, edit: Callable[[Case], Case]) -> Case:
    """Change the phones of a case as ``edit`` does; return the case.

    Raises FirmNotFound or CaseNotFound, and what ``edit`` does.
    """

    async def work(tx: Transaction) -> Case:
        firm = await open_firm(tx, firm_name)
        case = await steps.change_phones(tx, firm, case_id, edit, actor, tx.now())
        await note(tx, actor, firm.id, "case.phones", f"case {case_id}")
        return case

    return await transact_fresh(store, work)
