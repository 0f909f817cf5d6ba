"""One case, as a page shows it: whether it may be called, what became of it page by page; and changes of it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.calling import DoNotCall, Verdict
from casedial.domain.cases import Case
from casedial.domain.changes import Outcome
from casedial.domain.dialing import OperatorChange
from casedial.domain.errors import CaseNotFound, ChangeNotPossible
from casedial.domain.firms import Firm
from casedial.domain.sentences import sentence
from casedial.domain.timeline import Place, Timeline, merge
from casedial.service import changes, do_not_call, judging
from casedial.service.audit import note
from casedial.service.firms import open_firm
from casedial.service.operations.opening import read_firm, transact_fresh
from casedial.storage import cases, held_back, leases, looks, timeline

EVENTS = 50  # of a page
_FETCHED = 4 * EVENTS  # rows of each source: a report writes up to three at once


@dataclass(frozen=True, slots=True)
class Look:
    """A case: whether it may be called, in a sentence and by every check; who holds it; its newest events."""

    firm: Firm
    at: datetime
    case: Case
    sentence: str
    verdict: Verdict
    vendor: str | None
    held_back_until: datetime | None
    do_not_call: DoNotCall
    timeline: Timeline


async def look(
    store: Store, actor: Actor, firm_name: str, case_id: int, now: datetime, after: Place | None = None
) -> Look:
    """Return a case, with its events behind a place. Raises FirmNotFound, CaseNotFound or CaseUnreadable."""
    place = after or {}

    async def work(tx: Transaction, firm: Firm) -> Look:
        case = await cases.fetch(tx, firm, case_id)
        if case is None:
            raise CaseNotFound(f"{firm.name} has no case {case_id}.")
        verdict = await judging.explain(tx, firm, case, now)
        claims = await leases.find(tx, firm, [case.hold.claim_id] if case.hold else [])
        vendor = next((claim.vendor for claim in claims.values()), None)
        until = (await held_back.until(tx, firm, [case_id])).get(case_id)
        listed = await do_not_call.concerning(tx, firm, [case])
        events = merge(await timeline.newest(tx, firm, case_id, place, _FETCHED), place, EVENTS, _FETCHED)
        told = sentence(firm, case, verdict, now, vendor)
        return Look(firm, now, case, told, verdict, vendor, until, listed, events)

    found = await read_firm(store, firm_name, work)
    await _note_look(store, actor, found.firm.id, case_id, now)
    return found


async def _note_look(store: Store, actor: Actor, firm_id: int, case_id: int, now: datetime) -> None:
    """Write down that a user looked at a case, once within an hour."""
    if actor.kind is not ActorKind.USER or actor.id is None:
        return
    user_id = actor.id
    async with store.read() as tx:
        if await looks.is_noted(tx, firm_id, case_id, user_id, now):
            return

    async def work(tx: Transaction) -> None:
        await looks.note(tx, firm_id, case_id, user_id, now)
        await note(tx, actor, firm_id, "case.view", f"case {case_id}")

    await store.transact(work)


async def change(
    store: Store, actor: Actor, firm_name: str, case_id: int, meant: Callable[[Firm], OperatorChange]
) -> Outcome:
    """Change one case as an operator wants; return what became of it.

    Raises FirmNotFound, CaseNotFound, ChangeNotPossible where it has to be taken back first, and what ``meant`` does.
    """

    async def work(tx: Transaction) -> Outcome:
        firm = await open_firm(tx, firm_name)
        wanted = meant(firm)
        done = await changes.change_cases(tx, firm, [case_id], wanted, actor, tx.now())
        outcome = done.outcomes[case_id]
        if outcome is Outcome.UNREADABLE:
            raise cases.unreadable_case(case_id)
        if outcome is Outcome.GONE:
            raise CaseNotFound(f"{firm.name} has no case {case_id}.")
        if outcome is Outcome.IN_THE_DIALER:
            raise ChangeNotPossible(f"Case {case_id} is In the Dialer: take it back from there first.")
        if outcome is Outcome.CHANGED:
            told = {
                "move": wanted.move.name if wanted.move else None,
                "dial_at": wanted.dial_at.isoformat() if wanted.dial_at else None,
                "campaign": wanted.campaign.name if wanted.campaign else None,
                "priority": wanted.priority,
            }
            after = {name: value for name, value in told.items() if value is not None}
            await note(tx, actor, firm.id, "case.set", f"case {case_id}", None, after)
        return outcome

    return await transact_fresh(store, work)
