"""Explanations and counts as JSON; times are RFC 3339 in UTC, and local where a place is meant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from casedial.domain.calling import PhoneVerdict, Verdict, words
from casedial.domain.cases import CASEDIAL, Case, Firm, Role
from casedial.domain.importing import IMPORT
from casedial.domain.standing import Standing
from casedial.wire.values import show_instant


def _instant(moment: datetime | None) -> str | None:
    return show_instant(moment) if moment else None


def explain_reply(
    firm: Firm, case: Case, verdict: Verdict, found: Standing, now: datetime, vendor: str | None = None
) -> dict[str, Any]:
    """Show every check of a case, its outcome and evidence, when it becomes callable next, and who has it until then.

    A ``vendor`` is told no name but its own and casedial's; None is the firm's operator.
    """
    return {
        "CaseID": case.case_id,
        "At": show_instant(now),
        "Callable": verdict.callable,
        "NextCallableAt": _instant(verdict.next_at),
        "Purpose": verdict.purpose.value,
        "Rules": verdict.version,
        "Checks": [{"Name": check.name, "Passed": check.passed, "Found": check.found} for check in verdict.checks],
        "Phones": [_phone(firm, phone, case.zip_code) for phone in verdict.phones],
        "TimeZone": firm.time_zone,
        "Held": _held(found, vendor),
        "DoNotDial": _set(found, vendor) if found.role is Role.DO_NOT_DIAL else None,
    }


def _held(found: Standing, vendor: str | None) -> dict[str, Any] | None:
    hold, by = found.hold, _set(found, vendor)
    if found.role is not Role.IN_THE_DIALER or hold is None:
        return None
    return {
        **by,
        "Until": _instant(hold.until),
        "AnsweredAt": _instant(hold.answered_at),
        "ClaimID": str(hold.claim_id) if by["By"] or vendor is None else None,
    }


def _set(found: Standing, vendor: str | None) -> dict[str, Any]:
    names = found.by if vendor is None or found.by in (vendor, CASEDIAL, IMPORT) else None
    return {"By": names, "Since": _instant(found.since), "Reason": found.reason}


def _phone(firm: Firm, found: PhoneVerdict, zip_code: str) -> dict[str, Any]:
    return {
        "PhoneName": found.phone.name,
        "Callable": found.callable,
        "ZipCode": zip_code,
        "Place": str(found.place) if found.hours else "",
        "States": sorted(found.place.states),
        "Zones": sorted(found.place.zones),
        "Because": _because(firm, found),
        "NextCallableAt": _instant(found.next_at),
    }


def _because(firm: Firm, found: PhoneVerdict) -> list[str]:
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
