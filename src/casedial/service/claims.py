"""Claims after their opening: extend, release, and return what ran out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from casedial.domain.authors import is_own
from casedial.domain.cases import CASEDIAL, Caller, Case, Firm, Role, StatusChange, StatusType
from casedial.domain.claims import RAN_OUT, RELEASED, Claim, ClaimRequest, Taker, answer, enter, has_run_out, renew
from casedial.domain.claims import opened as claim_opened
from casedial.domain.dialing import answered_since, came_from, give_back
from casedial.domain.errors import CasedialError, CaseNotFound, ClaimLost
from casedial.domain.retries import is_policys
from casedial.service.do_not_call import Moves, keep_off
from casedial.storage import cases, claims, firms, leases
from casedial.storage.engine import Transaction

_CASES_AT_ONCE = 1000  # that one transaction looks at
_BUSY_SECONDS = 1  # after which a case is looked at again that somebody else worked on

# A CaseID that was asked for, and its case if the claim holds it, why not, or None where nothing is left to do.
Found = tuple[int | None, Case | CasedialError | None]


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What became of each case, in the order asked for, and when the first of the leases ends now."""

    found: list[Found]
    expires_at: datetime | None = None

    @property
    def case_ids(self) -> list[int | None]:
        """Return the CaseIDs."""
        return [case_id for case_id, _ in self.found]

    @property
    def outcomes(self) -> list[CasedialError | None]:
        """Return the outcome of each case: None is success."""
        return [case if isinstance(case, CasedialError) else None for _, case in self.found]


def lost() -> ClaimLost:
    """Return the refusal of a claim that is not the vendor's, or holds the case no longer: nobody is told which."""
    return ClaimLost("This claim does not hold the case: it ran out, was released, or the case was moved.")


async def claims_of(tx: Transaction, caller: Caller, claim_ids: Iterable[UUID]) -> dict[UUID, Claim]:
    """Return those of these claims that are of the caller's vendor, whichever of its keys made them.

    What casedial opened itself is nobody's, though there may be a key of a vendor with such a name from before.
    """
    found = await leases.find(tx, caller.firm, claim_ids)
    return {
        claim_id: claim
        for claim_id, claim in found.items()
        if claim.vendor == caller.vendor and not (claim.key_id is None and is_own(claim.vendor))
    }


async def extend_claim(tx: Transaction, caller: Caller, request: ClaimRequest) -> ClaimOutcome:
    """Begin the leases of a claim's cases anew, to end after ``seconds``; none gets shorter.

    Raises ClaimLost when all were meant and the claim holds none.
    """
    held = await _asked(tx, caller, request)
    if request.case_ids is None:
        held = [(case_id, case) for case_id, case in held if isinstance(case, Case)]
        if not held:
            raise lost()
    clock = await tx.clock()
    renewed = [
        replace(case, hold=renew(caller.firm, case, case.hold, clock, request.seconds))
        for _, case in held
        if isinstance(case, Case) and case.hold
    ]
    await cases.save_statuses(tx, caller.firm, renewed)
    ends = [case.hold.until for case in renewed if case.hold and case.hold.until]
    return ClaimOutcome(held, min(ends, default=None))


async def release_claim(tx: Transaction, caller: Caller, request: ClaimRequest, now: datetime) -> ClaimOutcome:
    """Give cases of a claim back, To Dial at their old time; when all are meant, those that nobody answered.

    What this claim released already counts as done. Raises ClaimLost when all were meant, the claim holds none, and
    the vendor has not brought any of them out of the dialer by it.
    """
    asked = await _asked(tx, caller, request)
    lost_ids = [case_id for case_id, case in asked if case_id and isinstance(case, ClaimLost)]
    earlier = await cases.history(tx, caller.firm, lost_ids) if lost_ids else {}
    done = {case_id for case_id in lost_ids if _was_released(earlier[case_id], request.claim_id, caller.vendor)}
    found: list[Found] = [(case_id, None if case_id in done else case) for case_id, case in asked]
    if request.case_ids is None:
        held = [(case_id, case) for case_id, case in asked if isinstance(case, Case)]
        if not held and not any(_was_ended(rows, request.claim_id, caller.vendor) for rows in earlier.values()):
            raise lost()
        found = [(case_id, case) for case_id, case in held if not _is_answered(case)]
    given = [case for _, case in found if isinstance(case, Case)]
    await _give_back(tx, caller.firm, given, caller.vendor, now, RELEASED)
    return ClaimOutcome(found)


def _is_answered(case: Case) -> bool:
    return case.hold is not None and case.hold.answered_at is not None


def _was_released(history: Sequence[StatusChange], claim_id: UUID, vendor: str) -> bool:
    return any((row.claim_id, row.changed_by, row.reason) == (claim_id, vendor, RELEASED) for row in history)


def _was_ended(history: Sequence[StatusChange], claim_id: UUID, vendor: str) -> bool:
    dialer = (row for row in history if row.type is StatusType.DIALER and row.claim_id == claim_id)
    left = (row for row in dialer if row.status and row.status.role is not Role.IN_THE_DIALER)
    return any(row.changed_by == vendor or is_policys(row) for row in left)


async def _asked(tx: Transaction, caller: Caller, request: ClaimRequest) -> list[Found]:
    """Return the cases asked for (all that were ever the claim's), locked, each with why not where it is not held."""
    claim = (await claims_of(tx, caller, [request.claim_id])).get(request.claim_id)
    wanted: Sequence[int | CasedialError] = claim.case_ids if claim else ()
    if request.case_ids is not None:
        wanted = request.case_ids
    there = await cases.lock(tx, caller.firm, [case_id for case_id in wanted if isinstance(case_id, int)])

    def judge(case_id: int | CasedialError) -> Found:
        if isinstance(case_id, CasedialError):
            return None, case_id
        case = there.get(case_id)
        if case is None:
            return case_id, CaseNotFound(f"There is no case {case_id}.")
        holds = claim is not None and case.hold is not None and case.hold.claim_id == claim.id
        return case_id, case if holds else lost()

    return [judge(case_id) for case_id in wanted]


@dataclass(frozen=True, slots=True)
class Returned:
    """What one look at the leases did: cases returned to To Dial by firm, and how many claims it looked at."""

    cases: dict[int, int]
    looked_at: int


async def return_lapsed(tx: Transaction, now: datetime) -> Returned:
    """Return cases whose leases are over to To Dial, at their old time; an answered case has no lease.

    Each is returned once, by whichever server looks first: claims that another one looks at are passed over.
    """
    clock = await tx.clock()
    checked = await leases.to_check(tx, clock, _CASES_AT_ONCE)
    by_firm: dict[int, list[Claim]] = {}
    for firm_id, claim in checked:
        by_firm.setdefault(firm_id, []).append(claim)
    counts: dict[int, int] = {}
    for firm_id, looked_at in sorted(by_firm.items()):
        firm = (await firms.load(tx, firm_id))[1]
        counts[firm_id] = await _return_lapsed_of(tx, firm, looked_at, clock, now)
    return Returned(counts, len(checked))


async def _return_lapsed_of(
    tx: Transaction, firm: Firm, looked_at: Sequence[Claim], clock: datetime, now: datetime
) -> int:
    """Return what these claims of one firm hold no longer, and say when to look at the rest."""
    again: dict[UUID, datetime | None] = {claim.id: None for claim in looked_at}

    def look_again(claim_id: UUID, at: datetime) -> None:
        again[claim_id] = min(again[claim_id] or at, at)

    over: dict[int, UUID] = {}
    for case_id, claim_id, end in await leases.ends(tx, firm, {id for claim in looked_at for id in claim.case_ids}):
        if claim_id in again and end <= clock:
            over[case_id] = claim_id
        elif claim_id in again:
            look_again(claim_id, end)
    # Nobody's work on one case holds up the others.
    there = await cases.lock(tx, firm, over, pass_over_locked=True) if over else {}
    for case_id in over.keys() - there.keys():
        look_again(over[case_id], clock + timedelta(seconds=_BUSY_SECONDS))
    given = []
    for case in there.values():
        if case.hold and case.hold.claim_id in again and has_run_out(case.hold, clock):
            given.append(case)
        elif case.hold and case.hold.claim_id in again and case.hold.until:  # extended meanwhile
            look_again(case.hold.claim_id, case.hold.until)
    await _give_back(tx, firm, given, CASEDIAL, now, RAN_OUT)
    await leases.check_again(tx, again)
    return len(given)


async def _give_back(tx: Transaction, firm: Firm, held: Sequence[Case], by: str, now: datetime, reason: str) -> None:
    were_not_to_dial = [case.case_id for case in held if case.hold and case.hold.redial_at is None]
    earlier = await cases.history(tx, firm, were_not_to_dial) if were_not_to_dial else {}
    given = [give_back(firm, case, earlier.get(case.case_id, ()), by, now, reason) for case in held]
    moves = Moves([case for case, _ in given], [change for _, changes in given for change in changes])
    await keep_off(tx, firm, moves, now)
    await cases.save_statuses(tx, firm, moves.cases)
    await cases.record(tx, firm, moves.history)


async def adopt(tx: Transaction, now: datetime) -> int:
    """Open claims for cases that an older casedial, or somebody by hand, put In the Dialer; return how many.

    They belong to whoever put them there, so that the holder can go on, and run out like all others.
    """
    found = await leases.unclaimed(tx, _CASES_AT_ONCE)
    adopted = 0
    for firm_id, case_ids in sorted(found.items()):
        firm = (await firms.load(tx, firm_id))[1]
        lone = await cases.lock(tx, firm, case_ids, pass_over_locked=True)
        held = await adopt_cases(tx, firm, lone, now)
        adopted += sum(held[case_id].hold is not case.hold for case_id, case in lone.items())
    return adopted


async def adopt_cases(tx: Transaction, firm: Firm, held: Mapping[int, Case], now: datetime) -> dict[int, Case]:
    """Open a claim for each of these locked cases that is In the Dialer without one; return them all."""
    lone = [case for case in held.values() if case.role is Role.IN_THE_DIALER and case.hold is None]
    if not lone:
        return dict(held)
    clock = await tx.clock()
    earlier = await cases.history(tx, firm, [case.case_id for case in lone])
    opened: list[Claim] = []
    adopted: dict[int, Case] = {}
    for case in lone:
        history = earlier[case.case_id]
        before = came_from(history)
        was_to_dial = before is None or (before.status is not None and before.status.role is Role.TO_DIAL)
        redial_at = (before.dial_at if before else now) if was_to_dial else None
        hold = enter(firm, case, Taker(uuid4(), clock), redial_at)
        answered_at = answered_since(history)
        case = replace(case, hold=answer(hold, answered_at) if answered_at else hold)
        vendor = next((row.changed_by for row in reversed(history) if row.type is StatusType.DIALER), CASEDIAL)
        adopted[case.case_id] = case
        opened.extend(found for found in [claim_opened(None, case, vendor, None, now)] if found)
    await cases.save_statuses(tx, firm, adopted.values())
    await claims.add(tx, firm, opened)
    return {**held, **adopted}
