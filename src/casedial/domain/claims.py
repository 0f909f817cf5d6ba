"""Claims and leases: who holds a case that is In the Dialer, until when, and what ends that.

A lease runs by the database's clock, ``clock`` here, so that servers whose clocks differ agree on its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.cases import Case, Hold
from casedial.domain.errors import CasedialError
from casedial.domain.firms import Firm
from casedial.domain.statuses import Flag, Role, Status, StatusType

MAX_EXTENSION = 7 * 24 * 60 * 60  # seconds that one ExtendClaim may ask for, and a claim
MIN_LEASE = 10  # seconds that a claim may ask for


@dataclass(frozen=True, slots=True)
class Claim:
    """The opening of a claim: which cases, by whom, when, and until when as it was first promised (None: for ever).

    ``evidence`` is what let each case through, by its CaseID,
    where calling rules were applied. ``seconds`` is the lease that was asked for; None: the claim timeout.
    """

    id: UUID
    actor: Actor
    case_ids: tuple[int, ...]
    created_at: datetime
    expires_at: datetime | None
    evidence: Mapping[str, object] | None = None
    campaign_ids: frozenset[int | None] = field(default=frozenset(), compare=False)  # known when it is opened
    seconds: int | None = None

    @property
    def vendor(self) -> str:
        """Return the name of who opened it."""
        return self.actor.name

    @property
    def key_id(self) -> int | None:
        """Return the id of the key that opened it; None where that is not known, or it was none."""
        return self.actor.id if self.actor.kind is ActorKind.KEY else None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """ExtendClaim or ReleaseClaim: a claim, and which of its cases (errors stand for CaseIDs that cannot be read).

    ``case_ids`` None means all that it holds. ``seconds`` None means what the claim asked for, or the claim timeout.
    """

    claim_id: UUID
    case_ids: Sequence[int | CasedialError] | None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Taker:
    """Who would hold a case that a change moves into the dialer: by a new claim, unless they hold it already.

    ``claim_id`` is that of the claim; None: one that is made up then, for most changes open none. ``seconds`` is the
    lease that is asked for; None: the claim timeout.
    """

    claim_id: UUID | None
    clock: datetime
    holds: bool = False
    seconds: int | None = None


def lease_seconds(firm: Firm, case: Case, asked: int | None) -> int:
    """Return how long a lease is: what was asked for, at most the claim timeout, by default that; 0 for ever."""
    return shortest(asked, firm.claim_timeout_of(case.statuses.get(StatusType.CAMPAIGN)))


def shortest(asked: int | None, allowed: int) -> int:
    """Return how long a lease is of so many seconds that were asked for, and so many that are allowed; 0 for ever."""
    return min(asked, allowed) if asked and allowed else asked or allowed


def lease_end(clock: datetime, seconds: int) -> datetime | None:
    """Return when a lease that starts now ends; None for never."""
    return clock + timedelta(seconds=seconds) if seconds else None


def renew(hold: Hold, clock: datetime, seconds: int) -> Hold:
    """Return the hold with its lease begun anew; it never gets shorter, and that of an answered case never ends.

    One without an end gets one where the firm, or the dialer, has given claims an end since.
    """
    end = lease_end(clock, seconds)
    if hold.answered_at or end is None:
        return replace(hold, until=None)
    return replace(hold, until=max(hold.until or end, end))


def enter(firm: Firm, case: Case, taker: Taker, redial_at: datetime | None = None) -> Hold:
    """Return the hold of a case that moves into the dialer, or is set there again by who holds it: a heartbeat.

    ``redial_at`` is the dial time to which a case without a Dialer Status goes back.
    """
    seconds = lease_seconds(firm, case, taker.seconds)
    if case.hold and taker.holds:
        return renew(case.hold, taker.clock, seconds)
    if case.hold:
        redial_at = case.hold.redial_at
    elif case.role is Role.TO_DIAL:
        redial_at = case.dial_at
    return Hold(taker.claim_id or uuid4(), lease_end(taker.clock, seconds), redial_at)


def sooner(renewed: Iterable[tuple[Case, Case]]) -> dict[UUID, datetime]:
    """Return the first end of each claim that got one where there was none; each case comes as it was and as it is.

    No other lease gets shorter, so no other claim has to be looked at before the time that was set for it.
    """
    ends: dict[UUID, datetime] = {}
    for before, after in renewed:
        hold = after.hold
        if hold is None or hold.until is None or before.hold is None or before.hold.claim_id != hold.claim_id:
            continue
        if before.hold.until is None or hold.until < before.hold.until:
            ends[hold.claim_id] = min(hold.until, ends.get(hold.claim_id, hold.until))
    return ends


def says_dialed(disposition: Status | None) -> bool:
    """Tell whether a disposition says that somebody was rung."""
    return disposition is not None and Flag.ATTEMPT in disposition.flags


def answer(hold: Hold, at: datetime) -> Hold:
    """Return the hold of a case whose person was dialed: its lease does not run out any more."""
    return replace(hold, until=None, answered_at=hold.answered_at or at)


def has_run_out(hold: Hold, clock: datetime) -> bool:
    """Tell whether a lease is over."""
    return hold.until is not None and hold.until <= clock


def opened(before: Case | None, after: Case, by: Actor, now: datetime, seconds: int | None = None) -> Claim | None:
    """Return the claim that a change of a case opened, or None; ``seconds`` is the lease that it asked for."""
    had = before.hold if before else None
    if after.hold is None or (had and had.claim_id == after.hold.claim_id):
        return None
    campaigns = frozenset({after.campaign_id})
    id, end = after.hold.claim_id, after.hold.until
    return Claim(id, by, (after.case_id,), now, end, campaign_ids=campaigns, seconds=seconds)
