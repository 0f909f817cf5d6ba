"""Explanations and counts as JSON; times are RFC 3339 in UTC, and local where a place is meant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from casedial.domain.calling import PhoneVerdict, Verdict, words
from casedial.domain.cases import Case
from casedial.wire.values import show_instant


def _instant(moment: datetime | None) -> str | None:
    return show_instant(moment) if moment else None


def explain_reply(case: Case, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Show every check of a case, its outcome and evidence, and when it becomes callable next."""
    return {
        "CaseID": case.case_id,
        "At": show_instant(now),
        "Callable": verdict.callable,
        "NextCallableAt": _instant(verdict.next_at),
        "Purpose": verdict.purpose.value,
        "Rules": verdict.version,
        "Checks": [{"Name": check.name, "Passed": check.passed, "Found": check.found} for check in verdict.checks],
        "Phones": [_phone(phone, case.zip_code) for phone in verdict.phones],
    }


def _phone(found: PhoneVerdict, zip_code: str) -> dict[str, Any]:
    return {
        "PhoneName": found.phone.name,
        "Callable": found.callable,
        "ZipCode": zip_code,
        "Place": str(found.place) if found.hours else "",
        "States": sorted(found.place.states),
        "Zones": sorted(found.place.zones),
        "Because": _because(found),
        "NextCallableAt": _instant(found.next_at),
    }


def _because(found: PhoneVerdict) -> list[str]:
    """Say why a phone may be called or not. Another case that uses the number is not named: keys may not see it."""
    if found.not_dialed:
        return [found.not_dialed]
    if found.listing:
        return [str(found.listing)]
    used = ["the number is in another open claim"] if found.used_by is not None else []
    return [*used, *map(str, found.deferred), *found.limits, *(words(found.hours) if found.hours else [])]


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
