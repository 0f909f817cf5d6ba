"""What comes next for a case when a dialer reports a disposition and says no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from casedial.domain.actors import POLICY, Actor, ActorKind
from casedial.domain.cases import Case, StatusChange
from casedial.domain.dialing import CaseUpdate, change, last_dialer
from casedial.domain.firms import Firm
from casedial.domain.reasons import ReasonCode, given_up, over, retry
from casedial.domain.statuses import Flag, Role, Status, StatusType

# Within which a dialer that said "To Dial" speaks of the same call.
_SAME_WORD = timedelta(minutes=5)

NextOpen = Callable[[Case, datetime], datetime]  # of a case that is To Dial: when it may be called, from then on


@dataclass(frozen=True, slots=True)
class Report:
    """A disposition that a vendor has just reported: the case after it, and its history, that row being the last."""

    case: Case
    history: Sequence[StatusChange]
    actor: Actor
    holds: bool  # whether the vendor holds the case

    def leaves_open(self) -> bool:
        """Tell whether nobody said what comes next.

        A case that somebody else holds is theirs. One that is To Dial waits, where it is not due, unless it waits by a
        policy for another disposition, which this one corrects; and where this vendor itself has just put it there at
        the end of its claim, the dialer has said that it is to be dialed at once.
        """
        if self.case.role is Role.IN_THE_DIALER:
            return self.holds
        if self.case.role is not Role.TO_DIAL or self.case.dial_at is None:
            return False
        last = last_dialer(self.history)
        if last and is_policys(last) and self.case.statuses.get(StatusType.DISPOSITION) != self._tried_again():
            return True
        return self.case.dial_at <= self.history[-1].changed_at and not (last and self._said_so(last))

    def _tried_again(self) -> Status | None:
        """Return the disposition that stood when a policy last moved the case."""
        at = max(place for place, row in enumerate(self.history) if row.type is StatusType.DIALER)
        before = (row.status for row in reversed(self.history[:at]) if row.type is StatusType.DISPOSITION)
        return next(before, None)

    def _said_so(self, last: StatusChange) -> bool:
        by_dialer = last.claim_id is not None and last.actor.is_same_vendor(self.actor) and not last.reason_code
        at_once = last.dial_at is not None and last.dial_at <= last.changed_at
        return by_dialer and at_once and self.history[-1].changed_at - last.changed_at < _SAME_WORD


def what_next(
    firm: Firm, report: Report, item: CaseUpdate, now: datetime, next_open: NextOpen
) -> tuple[Case, list[StatusChange]] | None:
    """Do what the firm decided for a disposition that came without Status and NextCall; None where it did not.

    A final disposition, or one that opts out, ends the dialing; else the campaign's retry policy says when to dial
    again, within the calling hours.
    """
    disposition = report.case.statuses.get(StatusType.DISPOSITION)
    if not item.disposition or item.status or item.next_call is not None or disposition is None:
        return None
    policy = firm.campaign(report.case.campaign_id).retries.get(disposition.id)
    ends = bool(disposition.flags & {Flag.FINAL, Flag.OPT_OUT})
    if (policy is None and not ends) or not report.leaves_open():
        return None
    off: dict[StatusType, Status | None] = {StatusType.DIALER: firm.statuses.with_role(Role.DO_NOT_DIAL)}
    if ends or policy is None:
        return change(report.case, off, now, POLICY, now, why=over(disposition.name))
    times = _times(report.history, disposition)
    if times >= policy.at_most:
        return change(report.case, off, now, POLICY, now, why=given_up(times))
    on: dict[StatusType, Status | None] = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    waiting, _ = change(report.case, on, now + policy.after, POLICY, now)
    why = retry(times + 1, policy.at_most)
    return change(report.case, on, next_open(waiting, now + policy.after), POLICY, now, why=why)


def _times(history: Sequence[StatusChange], disposition: Status) -> int:
    """Return how often this disposition was tried again already, in this campaign, since the case was last given up.

    A policy's rows number themselves, so that a purge of old ones does not begin anew.
    """
    times = 0
    last: Status | None = None
    for row in history:
        if row.type is StatusType.DISPOSITION:
            last = row.status
        elif row.type is StatusType.CAMPAIGN or (row.status and row.status.role is Role.DO_NOT_DIAL):
            times = 0
        elif last == disposition and row.reason_code is ReasonCode.RETRY and row.why:
            times = row.why.number or times
    return times


def is_policys(row: StatusChange) -> bool:
    """Tell whether a policy made a change."""
    return row.actor.kind is ActorKind.POLICY


def moved_by_policy(history: Sequence[StatusChange], claim_id: UUID | None = None) -> bool:
    """Tell whether the last that happened to a case's Dialer Status is that a policy ended a claim, or this one.

    Then the dialer that had it may still say what comes next itself.
    """
    last = last_dialer(history)
    return last is not None and is_policys(last) and claim_id in (None, last.claim_id)
