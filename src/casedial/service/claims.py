"""Claims after their opening: extend, release, and return what ran out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from casedial.database.engine import Transaction
from casedial.domain.actors import CASEDIAL, Actor
from casedial.domain.cases import Case, Hold, StatusChange
from casedial.domain.claims import (
    Claim,
    ClaimRequest,
    Taker,
    answer,
    enter,
    has_run_out,
    lease_seconds,
    renew,
)
from casedial.domain.claims import opened as claim_opened
from casedial.domain.damage import Damage
from casedial.domain.dialing import answered_since, came_from, give_back, last_dialer
from casedial.domain.errors import CasedialError, CaseNotFound, CaseUnreadable, ClaimLost
from casedial.domain.firms import Caller, Firm
from casedial.domain.moves import Moves
from casedial.domain.reasons import RAN_OUT, RELEASED, Why
from casedial.domain.retries import is_policys
from casedial.domain.statuses import Role, StatusType
from casedial.service import storing
from casedial.storage import cases, firms, leases

_CASES_AT_ONCE = 1000  # that one transaction looks at
_BUSY_SECONDS = 1  # after which a case is looked at again that somebody else worked on
_PUT_OFF = timedelta(minutes=5)  # what cannot be done

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
    return ClaimLost("This claim no longer holds the case: the claim ran out or was released, or the case was moved.")


async def claims_of(tx: Transaction, caller: Caller, claim_ids: Iterable[UUID]) -> dict[UUID, Claim]:
    """Return those of these claims that are of the caller's vendor, whichever of its keys made them.

    What casedial opened itself is nobody's, though there may be a key of a vendor with such a name from before.
    """
    found = await leases.find(tx, caller.firm, claim_ids)
    return {claim_id: claim for claim_id, claim in found.items() if claim.actor.is_same_vendor(caller.actor)}


async def extend_claim(tx: Transaction, caller: Caller, request: ClaimRequest, now: datetime) -> ClaimOutcome:
    """Begin the leases of a claim's cases anew, to end after ``seconds``; none gets shorter.

    Raises ClaimLost when all were meant, the claim holds none, and the vendor has not brought every one of them out of
    the dialer by it: what is done is not lost.
    """
    claim, held = await _asked(tx, caller, request)
    if request.case_ids is None:
        gone = [case_id for case_id, case in held if case_id and isinstance(case, ClaimLost)]
        held = [(case_id, case) for case_id, case in held if isinstance(case, Case)]
        if not held and not all(await _ended_by(tx, caller, request.claim_id, gone) or [False]):
            raise lost()
    clock = await tx.clock()
    asked = claim.seconds if claim else None
    moves = Moves()
    for _, case in held:
        if isinstance(case, Case) and case.hold:
            moves.move(case, replace(case, hold=_longer(caller.firm, case, clock, request.seconds, asked)))
    await storing.store(tx, caller.firm, moves, now)
    ends = [case.hold.until for case in moves.cases.values() if case.hold and case.hold.until]
    return ClaimOutcome(held, min(ends, default=None))


def _longer(firm: Firm, case: Case, clock: datetime, seconds: int | None, asked: int | None) -> Hold | None:
    """Return the hold of a case for so many seconds more, by default for what its claim asked for."""
    return renew(case.hold, clock, seconds or lease_seconds(firm, case, asked)) if case.hold else None


async def release_claim(tx: Transaction, caller: Caller, request: ClaimRequest, now: datetime) -> ClaimOutcome:
    """Give cases of a claim back, To Dial at their old time; when all are meant, those that nobody answered.

    What this claim released already counts as done. Raises ClaimLost when all were meant, the claim holds none, and
    the vendor has not brought any of them out of the dialer by it.
    """
    _, asked = await _asked(tx, caller, request)
    lost_ids = [case_id for case_id, case in asked if case_id and isinstance(case, ClaimLost)]
    earlier = await cases.history(tx, caller.firm, lost_ids) if lost_ids else {}
    done = {case_id for case_id in lost_ids if _was_released(earlier[case_id], request.claim_id, caller.actor)}
    found: list[Found] = [(case_id, None if case_id in done else case) for case_id, case in asked]
    if request.case_ids is None:
        held = [(case_id, case) for case_id, case in asked if isinstance(case, Case)]
        if not held and not any(_was_ended(rows, request.claim_id, caller.actor) for rows in earlier.values()):
            raise lost()
        found = [(case_id, case) for case_id, case in held if not _is_answered(case)]
    given = [case for _, case in found if isinstance(case, Case)]
    damages = await _give_back(tx, caller.firm, given, caller.actor, now, RELEASED)
    stay = {int(damage.id) for damage in damages}
    return ClaimOutcome([(id, cases.unreadable_case(id) if id in stay else case) for id, case in found])


async def take_back(tx: Transaction, caller: Caller, claim_id: UUID, now: datetime) -> None:
    """Give all cases of a claim back that nobody was told of, those that cannot be read, too."""
    _, asked = await _asked(tx, caller, ClaimRequest(claim_id, None))
    held = [case for _, case in asked if isinstance(case, Case) and not _is_answered(case)]
    damages = await _give_back(tx, caller.firm, held, caller.actor, now, RELEASED)
    unreadable = [case_id for case_id, why in asked if isinstance(why, CaseUnreadable) and case_id]
    unreadable += [int(damage.id) for damage in damages]
    await storing.put_back(tx, caller, unreadable, claim_id, now)


def _is_answered(case: Case) -> bool:
    return case.hold is not None and case.hold.answered_at is not None


def _was_released(history: Sequence[StatusChange], claim_id: UUID, by: Actor) -> bool:
    released = (row for row in history if row.claim_id == claim_id and row.reason_code is RELEASED.code)
    return any(row.actor.is_same_vendor(by) for row in released)


async def _ended_by(tx: Transaction, caller: Caller, claim_id: UUID, case_ids: Sequence[int]) -> list[bool]:
    """Tell of each of these cases whether the caller's vendor has brought it out of the dialer by this claim."""
    earlier = await cases.history(tx, caller.firm, case_ids) if case_ids else {}
    return [_was_ended(rows, claim_id, caller.actor) for rows in earlier.values()]


def _was_ended(history: Sequence[StatusChange], claim_id: UUID, by: Actor) -> bool:
    dialer = (row for row in history if row.type is StatusType.DIALER and row.claim_id == claim_id)
    left = (row for row in dialer if row.status and row.status.role is not Role.IN_THE_DIALER)
    return any(row.actor.is_same_vendor(by) or is_policys(row) for row in left)


async def _asked(tx: Transaction, caller: Caller, request: ClaimRequest) -> tuple[Claim | None, list[Found]]:
    """Return the claim, where it is the vendor's, and the cases asked for (all that were ever the claim's).

    They are locked, and each comes with why not where it is not held.
    """
    claim = (await claims_of(tx, caller, [request.claim_id])).get(request.claim_id)
    wanted: Sequence[int | CasedialError] = claim.case_ids if claim else ()
    if request.case_ids is not None:
        wanted = request.case_ids
    there = await cases.lock(tx, caller.firm, [case_id for case_id in wanted if isinstance(case_id, int)])

    def judge(case_id: int | CasedialError) -> Found:
        if isinstance(case_id, CasedialError):
            return None, case_id
        case = there.get(case_id)
        if case_id in there.unreadable:
            return case_id, cases.unreadable_case(case_id)
        if case is None:
            return case_id, CaseNotFound(f"There is no case {case_id}.")
        holds = claim is not None and case.hold is not None and case.hold.claim_id == claim.id
        return case_id, case if holds else lost()

    return claim, [judge(case_id) for case_id in wanted]


@dataclass(slots=True)
class Returned:
    """What one look at the leases did: cases returned to To Dial by firm, how many claims it looked at, bad rows."""

    cases: dict[int, int]
    looked_at: int
    damages: list[Damage] = field(default_factory=list)


async def put_off(tx: Transaction, claim_id: UUID) -> None:
    """Look later at a claim that cannot be returned."""
    await leases.check_again(tx, {claim_id: await tx.clock() + _PUT_OFF})


async def return_lapsed(tx: Transaction, now: datetime, only: UUID | None = None) -> Returned:
    """Return cases whose leases are over to To Dial, at their old time; an answered case has no lease.

    Each is returned once, by whichever server looks first: claims that another one looks at are passed over. What
    cannot be returned, a claim, a case, or all of a firm, is put off: it holds up no other.
    """
    clock = await tx.clock()
    checked, unreadable = await leases.to_check(tx, clock, _CASES_AT_ONCE, only)
    returned = Returned({}, len(checked) + len(unreadable))
    again: dict[UUID, datetime | None] = {id_: clock + _PUT_OFF for _, id_ in unreadable if isinstance(id_, UUID)}
    if len(again) < len(unreadable):
        await leases.put_off_nameless(tx, clock, clock + _PUT_OFF)
    returned.damages += [Damage("claim", firm_id, str(claim_id)) for firm_id, claim_id in unreadable]
    by_firm: dict[int, list[Claim]] = {}
    for firm_id, claim in checked:
        by_firm.setdefault(firm_id, []).append(claim)
    for firm_id, looked_at in sorted(by_firm.items()):
        firm = await firms.load_or_damage(tx, firm_id)
        if isinstance(firm, Damage):
            returned.damages.append(firm)
            again |= {claim.id: clock + _PUT_OFF for claim in looked_at}
            continue
        work = _Return(firm, clock, now, looked_at, {claim.id: None for claim in looked_at})
        returned.cases[firm_id] = await work.give_back(tx)
        returned.damages += work.damages
        again |= work.again
    await leases.check_again(tx, again)
    return returned


@dataclass(slots=True)
class _Return:
    """One look at claims of one firm: ``again`` says when to look at each of them next, None for never."""

    firm: Firm
    clock: datetime
    now: datetime
    claims: Sequence[Claim]
    again: dict[UUID, datetime | None]
    damages: list[Damage] = field(default_factory=list)

    def check_again(self, claim_id: UUID, at: datetime) -> None:
        """Look at a claim at this time, too."""
        self.again[claim_id] = min(self.again[claim_id] or at, at)

    async def give_back(self, tx: Transaction) -> int:
        """Return the cases that the claims hold no longer, and say when to look at the rest."""
        over: dict[int, UUID] = {}
        ends, unreadable = await leases.ends(tx, self.firm, {id for claim in self.claims for id in claim.case_ids})
        for case_id, claim_id, end in ends:
            if claim_id in self.again and end <= self.clock:
                over[case_id] = claim_id
            elif claim_id in self.again:
                self.check_again(claim_id, end)
        # Nobody's work on one case holds up the others.
        there = await cases.lock(tx, self.firm, over, pass_over_locked=True)
        for case_id in over.keys() - there.keys() - there.unreadable:
            self.check_again(over[case_id], self.clock + timedelta(seconds=_BUSY_SECONDS))
        for case_id in sorted(there.unreadable.union(unreadable)):
            self._put_off(Damage("case", self.firm.id, str(case_id)))
        return await self._give_back(tx, list(there.values()))

    async def _give_back(self, tx: Transaction, locked: Sequence[Case]) -> int:
        over: list[Case] = []
        for case in locked:
            if case.hold and case.hold.claim_id in self.again and has_run_out(case.hold, self.clock):
                over.append(case)
            elif case.hold and case.hold.claim_id in self.again and case.hold.until:  # extended meanwhile
                self.check_again(case.hold.claim_id, case.hold.until)
        damages = await _give_back(tx, self.firm, over, CASEDIAL, self.now, RAN_OUT)
        for damage in damages:
            self._put_off(damage)
        return len(over) - len(damages)

    def _put_off(self, damage: Damage) -> None:
        self.damages.append(damage)
        for claim in self.claims:
            if int(damage.id) in claim.case_ids:
                self.check_again(claim.id, self.clock + _PUT_OFF)


async def _give_back(
    tx: Transaction, firm: Firm, held: Sequence[Case], by: Actor, now: datetime, why: Why
) -> list[Damage]:
    """Move cases back from the dialer; return those with which that cannot be done, which stay as they are."""
    were_not_to_dial = [case.case_id for case in held if case.hold and case.hold.redial_at is None]
    earlier = await cases.history(tx, firm, were_not_to_dial) if were_not_to_dial else {}
    moves, damages = Moves(), []
    for case in held:
        try:
            moves.move(case, *give_back(firm, case, earlier.get(case.case_id, ()), by, now, why))
        except Exception as error:  # of what is stored: the firm has no status to go back to, say
            damages.append(Damage.of("case", firm.id, case.case_id, error))
    await storing.store(tx, firm, moves, now)
    return damages


@dataclass(slots=True)
class Adopting:
    """How far the search for cases without a claim has come, and what it met that cannot be read."""

    after: tuple[int, int] = (0, 0)
    damages: list[Damage] = field(default_factory=list)

    @property
    def is_halfway(self) -> bool:
        """Tell whether there may be more."""
        return self.after != (0, 0)


async def adopt(tx: Transaction, now: datetime, so_far: Adopting | None = None) -> int:
    """Open claims for cases that an older casedial, or somebody by hand, put In the Dialer; return how many.

    They belong to whoever put them there, so that the holder can go on, and run out like all others. What cannot be
    given a claim is gone past: ``so_far`` goes on behind it.
    """
    so_far = so_far or Adopting()
    found = await leases.unclaimed(tx, so_far.after, _CASES_AT_ONCE)
    so_far.after = found[-1] if len(found) == _CASES_AT_ONCE else (0, 0)
    adopted = 0
    for firm_id, some in groupby(found, key=lambda one: one[0]):
        firm = await firms.load_or_damage(tx, firm_id)
        if isinstance(firm, Damage):
            so_far.damages.append(firm)
            continue
        lone = await cases.lock(tx, firm, [case_id for _, case_id in some], pass_over_locked=True)
        so_far.damages += [Damage("case", firm_id, str(case_id)) for case_id in sorted(lone.unreadable)]
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
    moves = Moves()
    for case in lone:
        history = earlier[case.case_id]
        before = came_from(history)
        was_to_dial = before is None or (before.status is not None and before.status.role is Role.TO_DIAL)
        redial_at = (before.dial_at if before else now) if was_to_dial else None
        hold = enter(firm, case, Taker(None, clock), redial_at)
        answered_at = answered_since(history)
        adopted = replace(case, hold=answer(hold, answered_at) if answered_at else hold)
        entered = last_dialer(history)
        by = entered.actor if entered else CASEDIAL
        moves.move(case, adopted)
        moves.claims += [claim for claim in [claim_opened(None, adopted, by, now)] if claim]
    await storing.store(tx, firm, moves, now)
    return {**held, **moves.cases}
