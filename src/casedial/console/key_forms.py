"""The limits of a key as fields of a form, what is meant by them, and as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from casedial.console.forms import FormErrors
from casedial.domain.errors import InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.keys import DIALER_SCOPES, KeyLimits, Scope
from casedial.domain.statuses import StatusType
from casedial.service.keys import MAX_RATE_LIMIT, LimitChange, checked_addresses
from casedial.wire.dates import written_time

SCOPES = {
    Scope.DIAL: "ask for cases to dial, and claim them",
    Scope.UPDATE: "report: statuses, attempts, dispositions",
    Scope.NOTE: "add notes",
    Scope.READ: "look cases up",
    Scope.MANAGE: "for the firm's own systems, never a dialer: all cases, campaigns and lists, under /v1",
    Scope.FEED: "for the firm's own systems: read all that happens to cases",
}


def fields_of(firm: Firm, limits: KeyLimits) -> dict[str, str]:
    """Return what stands in the form of a key."""
    fields = {f"scope-{scope}": "yes" if scope in limits.scopes else "" for scope in Scope}
    for status in firm.statuses.of(StatusType.CAMPAIGN):
        fields[f"campaign-{status.id}"] = "yes" if status.id in (limits.campaigns or ()) else ""
    return fields | {
        "addresses": "\n".join(map(str, limits.addresses or ())),
        "expires": written(limits.expires_at, firm.zone),
        "rate": str(limits.rate_limit or ""),
    }


def written(moment: datetime | None, zone: ZoneInfo) -> str:
    """Write an instant as a field for a date and a time has it."""
    if moment is None:
        return ""
    local = moment.astimezone(zone).replace(tzinfo=None, microsecond=0)
    return local.isoformat(timespec="seconds" if local.second else "minutes")


def meant(firm: Firm, before: Mapping[str, str], shown: Mapping[str, str], errors: FormErrors) -> LimitChange:
    """Return what a form wants of a key: what is as it was is None. What is wrong with a field is said there."""
    changed = {name for name in shown if shown[name] != before[name]}
    values: dict[str, Any] = {}
    if any(name.startswith("scope-") for name in changed):
        values["scopes"] = [scope for scope in Scope if shown[f"scope-{scope}"]]
        if not values["scopes"]:
            errors.add("scope-dial", "Tick at least one; to stop a key, revoke it.")
    if any(name.startswith("campaign-") for name in changed):
        every = firm.statuses.of(StatusType.CAMPAIGN)
        values["campaigns"] = [status.name for status in every if shown[f"campaign-{status.id}"]]
    if "addresses" in changed:
        with errors.at("addresses"):
            values["addresses"] = checked_addresses(shown["addresses"].split())
    if "expires" in changed:
        values |= expiry(firm, shown["expires"], errors)
    if "rate" in changed:
        with errors.at("rate"):
            values["rate_limit"] = _rate(shown["rate"])
    return LimitChange(**values)


def expiry(firm: Firm, text: str, errors: FormErrors) -> dict[str, Any]:
    """Return what a date means for a key, none that it does not expire."""
    if not text:
        return {"never_expires": True}
    with errors.at("expires"):
        try:
            return {"expires_at": written_time(text, firm.zone)}
        except ValueError as error:
            raise InvalidSetting(f"{text[:40]!r} {error}.") from None
    return {}


def _rate(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MAX_RATE_LIMIT):
        raise InvalidSetting(f"A rate limit is 1 to {MAX_RATE_LIMIT} requests a minute; empty: none.")
    return int(text)


def told(firm: Firm, shown: Mapping[str, str]) -> dict[str, str]:
    """Say in words what stands in the form of a key."""
    names = [status.name for status in firm.statuses.of(StatusType.CAMPAIGN) if shown[f"campaign-{status.id}"]]
    scopes = [scope.value for scope in Scope if shown[f"scope-{scope}"]]
    return {
        "May": ", ".join(scopes) if set(scopes) != DIALER_SCOPES else "do all that dialers do",
        "Campaigns": ", ".join(names) or "all",
        "From": ", ".join(shown["addresses"].split()) or "any address",
        "Expires": f"{shown['expires'].replace('T', ' ')} ({firm.time_zone})" if shown["expires"] else "never",
        "Requests a minute": shown["rate"] or "any number",
    }
