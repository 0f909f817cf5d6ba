"""The five methods of the Predictive Dialer API."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.domain import dialing
from casedial.domain.cases import Case, Note, ShownCase, StatusChange
from casedial.domain.claims import Claim, Taker, opened
from casedial.domain.dialing import CaseNote, CaseUpdate, DialQuery
from casedial.domain.errors import CampaignNotAllowed, CasedialError, CaseNotFound, NotesTooLarge, PhoneNotFound
from casedial.domain.firms import Caller, CallerStale
from casedial.domain.moves import Moves
from casedial.domain.names import fold
from casedial.domain.retries import is_policys, moved_by_policy
from casedial.domain.statuses import Role, StatusType
from casedial.service import claiming, storing
from casedial.service.claims import adopt_cases, claims_of, lost
from casedial.service.dispositions import Reports, decides, open_reports
from casedial.storage import cases, claims, keys, queues
from casedial.storage.claimants import Claimant as Claimant
from casedial.storage.claimants import Claimed as Claimed
from casedial.storage.claimants import Queue
from casedial.storage.queues import DueFilter, Shape

Outcomes = list[CasedialError | None]


async def get_cases_to_dial(
    tx: Transaction, caller: Caller, query: DialQuery, now: datetime
) -> tuple[list[ShownCase], Claim | None]:
    """Return the cases due now, oldest first; with ``auto_change`` they are claimed in the same step.

    They are returned as they were found ("To Dial", the original time) [specification: GetCasesToDial]. Where a
    campaign has calling rules, only cases and phones that may be called now. The claim is None where nothing was
    claimed. Raises CampaignNotAllowed, and CallerStale. A server claims for several at once: see ``claim``.
    """
    claimant = claimant_of(caller, query)
    if claimant is None:
        return [], None
    if query.auto_change:
        [claimed] = await claim(tx, [claimant], now)
        if claimed is None:
            raise CallerStale
        return claimed
    find = claiming.list_callable if claimant.queue.looks_closely else queues.due
    return [case.shown for case in await find(tx, caller.firm, claimant.wanted, now)], None


_CLAIMANTS: dict[tuple[int, DialQuery], Claimant | None] = {}  # by key, as their callers asked last
_KEPT = 4096


def claimant_of(caller: Caller, query: DialQuery) -> Claimant | None:
    """Return which due cases a caller asks for; None: of a campaign that there is not. Raises CampaignNotAllowed.

    A dialer asks for the same again and again.
    """
    known = _CLAIMANTS.get((caller.key_id, query))
    if known and known.caller is caller:
        return known
    if len(_CLAIMANTS) >= _KEPT:
        _CLAIMANTS.clear()
    found = _CLAIMANTS[caller.key_id, query] = _claimant_of(caller, query)
    return found


def _claimant_of(caller: Caller, query: DialQuery) -> Claimant | None:
    campaign_ids = tuple(sorted(caller.campaigns)) if caller.campaigns is not None else None
    if query.campaign:
        campaign = caller.firm.statuses.find(StatusType.CAMPAIGN, query.campaign)
        if campaign is None:
            return None
        if not caller.may_dial(campaign.id):
            raise CampaignNotAllowed("This key may not be used for this campaign.")
        campaign_ids = (campaign.id,)
    return Claimant(caller, DueFilter(campaign_ids, query.case_group, query.records), query.seconds)


def claims_beside(claimant: Claimant) -> Shape | Queue:
    """Return what those claimants have in common for whom ``claim`` can do it together.

    Where calling rules are applied, that is one queue: going through it may take long. Elsewhere they are queues of
    the same shape that have no case in common.
    """
    queue = claimant.queue
    one_queue = queue.looks_closely or queue.shape.is_merged
    return queue if one_queue else queue.shape


def is_one_statement(dialect: Dialect, claimants: Sequence[Claimant]) -> bool:
    """Tell whether ``claim`` is one statement for these, which the database does whole or not at all."""
    return not dialect.has_one_writer and not claimants[0].queue.looks_closely


async def claim(tx: Transaction, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim due cases for each claimant, as if one came after the other [specification: GetCasesToDial, Auto-change].

    They are returned as they were found ("To Dial", the original time), or None for a claimant whose caller is not
    what it was. Those of ``claims_beside`` only, and ``MAX_RECORDS`` cases.
    """
    if not claimants[0].queue.looks_closely:
        return await claims.claim(tx, claimants, now)
    proven = await keys.proven(tx, [claimant.caller for claimant in claimants], now)
    going = {place: claimant for place, claimant in enumerate(claimants) if proven[place]}
    claimed: list[Claimed] = [None] * len(claimants)
    if going:
        found = await claiming.claim_callable(tx, claimants[0].caller.firm, list(going.values()), now)
        for place, (cases, opened) in zip(going, found, strict=True):
            claimed[place] = [case.shown for case in cases], opened
    return claimed


async def get_case_info(tx: Transaction, caller: Caller, case_id: int) -> Case:
    """Return one case [specification: GetCaseInfo]. Raises CaseNotFound or CampaignNotAllowed.

    Campaigns limit it as they limit update_case_status.
    """
    case = await cases.fetch(tx, caller.firm, case_id)
    if case is None:
        raise _not_found(case_id)
    if await _outside_of(tx, caller, {case_id: (case.campaign_id, case.hold.claim_id if case.hold else None)}):
        raise _outside(case_id)
    return case


async def update_case_status(
    tx: Transaction,
    caller: Caller,
    items: Sequence[CaseUpdate | CasedialError],
    now: datetime,
    fence: UUID | None = None,
    seconds: int | None = None,
) -> tuple[Outcomes, list[Claim]]:
    """Apply updates in request order, each whole or not at all [specification: UpdateCaseStatus].

    With ``fence``, the id of a claim, an item fails with ClaimLost whose case that claim does not hold, unless it
    already made the very change; with CampaignNotAllowed one whose case is outside of the caller's campaigns, unless
    the vendor holds it: an operator may have moved it meanwhile. ``seconds`` is the lease that is asked for, where an
    item claims its case or holds it longer. Return the outcome of each item and the claims that were opened. An item
    that is an error already keeps it.
    """
    desk = await _open_desk(tx, caller, [item for item in items if isinstance(item, CaseUpdate)], now, fence)
    desk.seconds = seconds
    outcomes: Outcomes = []
    for item in items:
        if isinstance(item, CasedialError):
            outcomes.append(item)
            continue
        try:
            desk.update(item)
        except CasedialError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
    await storing.store(tx, await desk.reports.store(tx), desk.moves, now)
    return outcomes, desk.moves.claims


async def _open_desk(
    tx: Transaction, caller: Caller, items: Sequence[CaseUpdate], now: datetime, fence: UUID | None
) -> _Desk:
    """Lock the cases, and read what only some updates need: who holds them, the clock, what a lost claim did."""
    there = await cases.lock(tx, caller.firm, [item.case_id for item in items])
    held = await adopt_cases(tx, caller.firm, there, now)
    desk = _Desk(caller, now, held, there.unreadable, fence, Reports(caller, now))
    in_the_dialer = caller.firm.statuses.with_role(Role.IN_THE_DIALER)
    enters = any(fold(name) == fold(in_the_dialer.name) for name in {item.status for item in items} if name)
    is_limited = caller.campaigns is not None
    outside = [case for case in held.values() if is_limited and not caller.may_dial(case.campaign_id)]
    told_of = {item.case_id for item in items if item.disposition} & held.keys()
    decided = bool(told_of) and decides(caller.firm)
    if fence or outside or enters or decided:
        claim_ids = {case.hold.claim_id for case in held.values() if case.hold} | ({fence} if fence else set())
        desk.own = {claim.id: claim.seconds for claim in (await claims_of(tx, caller, claim_ids)).values()}
        desk.clock = await tx.clock()
    desk.outside = {case.case_id for case in outside if not desk.holds(case, None)}
    read = {case.case_id for case in held.values() if fence and not desk.holds(case, fence)}
    read |= told_of if decided else set()
    desk.earlier = await cases.history(tx, caller.firm, sorted(read)) if read else {}
    if told_of:
        desk.reports = await open_reports(tx, caller, now, [held[case_id] for case_id in told_of], desk.last_claim)
    return desk


@dataclass(slots=True)
class _Desk:
    """What the items of one UpdateCaseStatus work on: the locked cases, who holds them, and what became of them."""

    caller: Caller
    now: datetime
    held: dict[int, Case]
    unreadable: Collection[int]
    fence: UUID | None
    reports: Reports
    clock: datetime | None = None
    own: dict[UUID, int | None] = field(default_factory=dict)  # the vendor's claims, with the lease each asked for
    outside: set[int] = field(default_factory=set)  # not in the caller's campaigns, nor held by the vendor
    earlier: Mapping[int, Sequence[StatusChange]] = field(default_factory=dict)
    moves: Moves = field(default_factory=Moves)
    seconds: int | None = None  # of a lease, as this request asks for it

    def holds(self, case: Case, claim_id: UUID | None) -> bool:
        """Tell whether the caller's vendor holds the case, by this claim or, for None, by any."""
        held_by = case.hold.claim_id if case.hold else None
        return held_by in self.own and claim_id in (None, held_by)

    def last_claim(self, case: Case) -> UUID | None:
        """Return the claim by which a case is held, or was until a policy ended it; None where that is not known."""
        if case.hold:
            return case.hold.claim_id
        ended = dialing.last_dialer(self._earlier(case))
        return ended.claim_id if ended and is_policys(ended) else self.fence if self.fence in self.own else None

    def update(self, item: CaseUpdate) -> None:
        """Apply one item; what was already done by the same claim is a success without effect."""
        case = self.held.get(item.case_id)
        if item.case_id in self.unreadable:
            raise cases.unreadable_case(item.case_id)
        if case is None:
            raise _not_found(item.case_id)
        fence = None if self.fence and self.holds(case, self.fence) else self.fence
        if fence and self._did_already(item, fence):
            return
        if item.case_id in self.outside:
            raise _outside(item.case_id)
        if fence and not self._was_ended_by_policy(case, fence):
            raise lost()
        taker = self._taker(case)
        after, recorded = dialing.update(self.caller.firm, case, item, self.caller.actor, self.now, taker)
        if not recorded and after == case:
            return
        if fence:  # over what a policy did, and still under the claim that it ended
            recorded = [row._replace(claim_id=row.claim_id or fence) for row in recorded]
        if item.disposition:
            after, recorded = self._report(item, case, after, recorded, taker.holds)
        self.held[item.case_id] = after
        self.moves.move(case, after, recorded)
        claim = opened(case, after, self.caller.actor, self.now, self.seconds)
        if claim:
            self.moves.claims.append(claim)
            self.own[claim.id] = claim.seconds

    def _report(
        self, item: CaseUpdate, case: Case, after: Case, recorded: list[StatusChange], holds: bool
    ) -> tuple[Case, list[StatusChange]]:
        """Note the disposition of an item; return the case and its new history after what follows from it."""
        earlier = self._earlier(item)
        self.reports.note(case, item, after.statuses[StatusType.DISPOSITION], earlier)
        decided = self.reports.next(after, item, [*earlier, *recorded], holds)
        return (decided[0], recorded + decided[1]) if decided else (after, recorded)

    def _taker(self, case: Case) -> Taker:
        """Return who would hold the case; a claim that goes on keeps to the lease that it asked for."""
        holds = self.holds(case, None)
        earlier = self.own[case.hold.claim_id] if holds and case.hold else None
        return Taker(None, self.clock or self.now, holds, self.seconds or earlier)

    def _did_already(self, item: CaseUpdate, fence: UUID) -> bool:
        return dialing.did_already(self.caller.firm, item, self._earlier(item), fence, self.caller.actor)

    def _was_ended_by_policy(self, case: Case, fence: UUID) -> bool:
        """Tell whether it was a policy that ended the vendor's claim of a case: what the dialer says goes over it."""
        return fence in self.own and moved_by_policy(self._earlier(case), fence)

    def _earlier(self, of: CaseUpdate | Case) -> list[StatusChange]:
        """Return the history of a case, what this very request did included, where it was read."""
        return [*self.earlier.get(of.case_id, ()), *self.moves.history.get(of.case_id, ())]


async def add_case_note(
    tx: Transaction, caller: Caller, items: Sequence[CaseNote | CasedialError], now: datetime
) -> Outcomes:
    """Add a note to each case; return the outcome of each item [specification: AddCaseNote].

    Campaigns limit it as they limit update_case_status. Raises NotesTooLarge.
    """
    wanted = [item.case_id for item in items if isinstance(item, CaseNote)]
    found = await cases.whereabouts(tx, caller.firm, wanted)
    outside = await _outside_of(tx, caller, found)
    outcomes: Outcomes = []
    added: list[Note] = []
    for item in items:
        if isinstance(item, CasedialError):
            outcomes.append(item)
        elif item.case_id not in found:
            outcomes.append(_not_found(item.case_id))
        elif item.case_id in outside:
            outcomes.append(_outside(item.case_id))
        else:
            added.append(Note(item.case_id, item.text, caller.actor, now))
            outcomes.append(None)
    dialing.check_size([note.text for note in added])
    await storing.store(tx, caller.firm, Moves(notes=added), now)
    return outcomes


async def add_case_note_by_phone(
    tx: Transaction, caller: Caller, number: str, text: str, now: datetime, most: int
) -> list[int]:
    """Add a note to all open cases with this number, or to all closed ones if none is open.

    Campaigns limit it as they limit update_case_status. Return their CaseIDs [specification: AddCaseNoteByPhone].
    Raises PhoneNotFound, NotesTooLarge, and AboutMany where more than ``most`` cases have it and a note may go to more.
    """
    found = await cases.with_number(tx, caller.firm, number, min(most, dialing.MOST_NOTES))
    if found is None and most < dialing.MOST_NOTES:
        raise dialing.AboutMany
    if found is None:
        raise NotesTooLarge(
            f"More than {dialing.MOST_NOTES:,} cases have this number; a note goes to at most that many."
        )
    outside = await _outside_of(tx, caller, {case.case_id: (case.campaign_id, case.claim_id) for case in found})
    recipients = dialing.note_recipients([case for case in found if case.case_id not in outside])
    if not recipients:
        whose = "of this firm" if caller.campaigns is None else "in the campaigns of this key"
        raise PhoneNotFound(f"No case {whose} has a phone with this number.")
    dialing.check_size([text] * len(recipients))
    added = [Note(case_id, text, caller.actor, now) for case_id in recipients]
    await storing.store(tx, caller.firm, Moves(notes=added), now)
    return recipients


def _not_found(case_id: int) -> CaseNotFound:
    return CaseNotFound(f"There is no case {case_id}.")


def _outside(case_id: int) -> CampaignNotAllowed:
    return CampaignNotAllowed(f"Case {case_id} is not in a campaign that this key may be used for.")


async def _outside_of(tx: Transaction, caller: Caller, found: Mapping[int, tuple[int | None, UUID | None]]) -> set[int]:
    """Return which of these cases are neither in the caller's campaigns nor held by its vendor.

    Each comes with the ids of its campaign and of the claim that holds it.
    """
    outside = {case_id: claim_id for case_id, (campaign, claim_id) in found.items() if not caller.may_dial(campaign)}
    own = await claims_of(tx, caller, [claim_id for claim_id in outside.values() if claim_id])
    return {case_id for case_id, claim_id in outside.items() if claim_id not in own}
