"""What dialers reported in vain, in words for the firm's people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from casedial.database.engine import Transaction
from casedial.domain.errors import CaseNotFound, ClaimLost, NotToDial, RetiredStatus, UnknownStatus, every_error
from casedial.domain.firms import Firm
from casedial.domain.refused import KeptRefusal, Refusal
from casedial.domain.statuses import StatusType
from casedial.storage import firms, refused

# What a dialer is told when all is well with it: the case is gone, or another has it now.
_USUAL = (CaseNotFound.__name__, ClaimLost.__name__)
_WORDS = 3  # different reasons that one finding names
_TITLES = {error.__name__: error.title for error in every_error()}
_FIELD_WORDS = {
    "Status": StatusType.DIALER.label + " names",
    "Disposition": "dispositions",
    "Attempts": StatusType.ATTEMPTS.label + " names",
}


@dataclass(frozen=True, slots=True)
class RefusedVendor:
    """The reports of one vendor that were refused for one reason, today or yesterday; whether that is a matter."""

    found: str
    is_usual: bool


async def lately(tx: Transaction, now: datetime) -> list[tuple[str, RefusedVendor]]:
    """Return, firm by firm, whose reports were refused today, or yesterday where there were none today, and why."""
    found = []
    for firm_id in await refused.firms_since(tx, now.date() - timedelta(days=2)):  # whatever day it is at the firm's
        firm = await firms.load_or_damage(tx, firm_id)
        if isinstance(firm, Firm):
            found += [(firm.name, vendor) for vendor in await lately_of(tx, firm, now)]
    return found


async def lately_of(tx: Transaction, firm: Firm, now: datetime) -> list[RefusedVendor]:
    """Return whose reports to a firm were refused lately, and why."""
    today = now.astimezone(firm.zone).date()
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in await refused.days(tx, firm.id, today - timedelta(days=1)):
        by_day = counts.setdefault((row.vendor, row.code), {})
        day = "today" if row.day >= today else "yesterday"
        by_day[day] = by_day.get(day, 0) + row.reports
    kept = await refused.last(tx, firm.id) if counts else []
    return [
        RefusedVendor(_finding(vendor, code, by_day, kept), code in _USUAL)
        for (vendor, code), by_day in sorted(counts.items())
    ]


def _finding(vendor: str, code: str, by_day: dict[str, int], kept: Sequence[KeptRefusal]) -> str:
    day = "today" if "today" in by_day else "yesterday"
    mine = (row.refusal for row in kept if row.vendor == vendor and row.refusal.code == code)
    reasons = list(dict.fromkeys(map(why, mine))) or [_title(code)]
    more = ["…"] if len(reasons) > _WORDS else []
    return f"{vendor}'s reports are refused: {'; '.join(reasons[:_WORDS] + more)} ({by_day[day]} {day})"


def why(refusal: Refusal) -> str:
    """Say why a report was refused, without the end of a sentence."""
    code, value = refusal.code, refusal.value
    if code == UnknownStatus.__name__ and value:
        return f"{value!r} is not one of the firm's {_FIELD_WORDS.get(refusal.field, 'statuses')}"
    if code == RetiredStatus.__name__ and value:
        return f"{value!r} is retired"
    if code == NotToDial.__name__:
        return "NextCall came without Status for a case that is not To Dial"
    sent = f" {value!r}" if value else ""
    return f"{_title(code)} ({refusal.field}{sent})" if refusal.field else _title(code)


def _title(code: str) -> str:
    return _TITLES.get(code, code)
