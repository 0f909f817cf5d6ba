"""Whether a case may be called, in one sentence."""

from __future__ import annotations

from datetime import datetime, timedelta

from casedial.domain.calling import PhoneVerdict, Verdict
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role, StatusType

_SOON = timedelta(days=6)  # within which a day of the week names a day


def sentence(firm: Firm, case: Case, verdict: Verdict, now: datetime, vendor: str | None = None) -> str:
    """Say whether a case may be called now, and else when and why; ``vendor`` holds it, where one does."""
    if case.role is Role.IN_THE_DIALER:
        return _in_the_dialer(firm, case, now, vendor)
    if case.role is not Role.TO_DIAL:
        status = case.name_of(StatusType.DIALER)
        return f"Not to be called: its Dialer Status is {status}." if status else "Not to be called: it has no status."
    if verdict.callable:
        return "May be called now."
    why = _why(firm, case, verdict, now)
    if verdict.next_at is None:
        return f"May not be called: {why}."
    return f"Not before {moment(firm, verdict.next_at, now)} ({why})."


def moment(firm: Firm, at: datetime, now: datetime) -> str:
    """Say when something is by the firm's clock, as briefly as is clear: 09:15, Mon 08:00, Jan 5 08:00."""
    local, today = at.astimezone(firm.zone), now.astimezone(firm.zone).date()
    if local.date() == today:
        return f"{local:%H:%M}"
    if timedelta(0) < local.date() - today <= _SOON:
        return f"{local:%a %H:%M}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{local:%b} {local.day}{year} {local:%H:%M}"


def _in_the_dialer(firm: Firm, case: Case, now: datetime, vendor: str | None) -> str:
    hold = case.hold
    who = f" of {vendor}" if vendor else ""
    if hold is None:
        return "In the dialer; a server gives it a claim within ten seconds."
    if hold.answered_at:
        at = moment(firm, hold.answered_at, now)
        return f"In the dialer{who}: dialed at {at}, and nobody has said what comes next."
    until = f" until {moment(firm, hold.until, now)} at the latest" if hold.until else ", without a time limit"
    return f"In the dialer{who}{until}."


def _why(firm: Firm, case: Case, verdict: Verdict, now: datetime) -> str:
    failed = {check.name for check in verdict.checks if not check.passed}
    if "campaign" in failed:
        return f"the campaign {case.name_of(StatusType.CAMPAIGN)} is paused"
    if "phones" in failed or "abroad" in failed:
        return "it has no number that may be dialed"
    if "do not call" in failed:
        return "on the do-not-call list"
    if case.dial_at and case.dial_at > now and verdict.next_at == case.dial_at:
        return "its time to be dialed"
    first = _first(verdict)
    if first is None:
        used = next((phone.used_by for phone in verdict.phones if phone.used_by is not None), None)
        return f"case {used} with the same number is being dialed" if used is not None else "no rule allows a call"
    if first.deferred:
        return f"called often enough: {first.deferred[0].limit}"
    where = f"{first.place}, " if first.place.is_known else ""
    return f"{where}calling hours"


def _first(verdict: Verdict) -> PhoneVerdict | None:
    """Return the phone that may be called first."""
    phones = [phone for phone in verdict.phones if phone.next_at]
    return min(phones, key=lambda phone: phone.next_at or datetime.max, default=None)
