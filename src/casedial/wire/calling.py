"""Explanations and counts as JSON; times are RFC 3339 in UTC, and local where a place is meant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.calling import PhoneVerdict, Verdict
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.spots import words
from casedial.domain.standing import Standing
from casedial.domain.statuses import Role
from casedial.wire.values import instant, show_instant

_TOLD = (ActorKind.CASEDIAL, ActorKind.POLICY, ActorKind.IMPORT)  # to every vendor


def explain_reply(
    firm: Firm, case: Case, verdict: Verdict, found: Standing, now: datetime, asker: Actor | None = None
) -> dict[str, Any]:
    """Show every check of a case, its outcome and evidence, when it becomes callable next, and who has it until then.

    An ``asker`` is told no name but its vendor's own and casedial's; None is the firm's operator.
    """
    return {
        "CaseID": case.case_id,
        "At": show_instant(now),
        "Callable": verdict.callable,
        "NextCallableAt": instant(verdict.next_at),
        "Purpose": verdict.purpose.value,
        "Rules": verdict.version,
        "Checks": [{"Name": check.name, "Passed": check.passed, "Found": check.found} for check in verdict.checks],
        "Phones": [_phone(firm, phone, case.zip_code) for phone in verdict.phones],
        "TimeZone": firm.time_zone,
        "Held": _held(found, asker),
        "DoNotDial": _set(found, asker) if found.role is Role.DO_NOT_DIAL else None,
    }


def _held(found: Standing, asker: Actor | None) -> dict[str, Any] | None:
    hold, by = found.hold, _set(found, asker)
    if found.role is not Role.IN_THE_DIALER or hold is None:
        return None
    return {
        **by,
        "Until": instant(hold.until),
        "AnsweredAt": instant(hold.answered_at),
        "ClaimID": str(hold.claim_id) if by["By"] or asker is None else None,
    }


def _set(found: Standing, asker: Actor | None) -> dict[str, Any]:
    by = found.actor
    told = by is not None and (asker is None or by.kind in _TOLD or by.is_same_vendor(asker))
    return {"By": found.by if told else None, "Since": instant(found.since), "Reason": found.reason}


def _phone(firm: Firm, found: PhoneVerdict, zip_code: str) -> dict[str, Any]:
    return {
        "PhoneName": found.phone.name,
        "Callable": found.callable,
        "ZipCode": zip_code,
        "Place": str(found.place) if found.hours else "",
        "States": sorted(found.place.states),
        "Zones": sorted(found.place.zones),
        "Because": because(firm, found),
        "NextCallableAt": instant(found.next_at),
    }


def because(firm: Firm, found: PhoneVerdict) -> list[str]:
    """Say why a phone may be called or not. Another case that uses the number is not named: keys may not see it."""
    if found.not_dialed:
        return [found.not_dialed]
    if found.listing:
        return [str(found.listing)]
    used = ["the number is in another open claim"] if found.used_by is not None else []
    return [
        *used,
        *(deferral.words(firm.local) for deferral in found.deferred),
        *found.limits,
        *(words(found.hours) if found.hours else []),
    ]


def preflight_reply(
    due: int,
    callable_now: int,
    without_rules: int,
    held_back: dict[str, int],
    by_hour: dict[datetime, int],
    now: datetime,
) -> dict[str, Any]:
    """Show how many cases are due, how many may be called now, what holds back the others, and until which hour."""
    return {
        "At": show_instant(now),
        "Due": due,
        "Callable": callable_now,
        "WithoutRules": without_rules,
        "HeldBack": held_back,
        "ByHour": [{"From": show_instant(hour), "Cases": cases} for hour, cases in by_hour.items()],
    }
