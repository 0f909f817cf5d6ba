"""Whether a case may be called now: every check in order, its outcome and its evidence.

A claim and an explanation ask this one function, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from casedial.domain.campaigns import Campaign
from casedial.domain.cases import Case, Firm, Phone, Role, StatusType
from casedial.domain.phones import us_key
from casedial.domain.places import UNKNOWN, Place
from casedial.domain.rules import Ban, Hours, Purpose, RuleBook

PlaceOf = Callable[[str, str], Place]  # of a ZIP code and a number


@dataclass(frozen=True, slots=True)
class Listing:
    """An entry of a firm's do-not-call list, by number (ten digits) or by case."""

    listed_on: date
    source: str
    number: str | None = None
    case_id: int | None = None

    def __str__(self) -> str:
        """Say since when and why."""
        return f"on the do-not-call list since {self.listed_on}" + (f" ({self.source})" if self.source else "")


@dataclass(frozen=True, slots=True)
class DoNotCall:
    """Those entries of a firm's do-not-call list that concern the cases at hand."""

    numbers: Mapping[str, Listing] = field(default_factory=dict)
    cases: Mapping[int, Listing] = field(default_factory=dict)

    def listing_of(self, case: Case, phone: Phone) -> Listing | None:
        """Return why a phone of a case must not be called, None when it may."""
        return self.cases.get(case.case_id) or self.numbers.get(us_key(phone.number) or "")

    def forbids(self, case: Case) -> bool:
        """Tell whether a case must not be called at all."""
        phones = case.voice_phones
        return case.case_id in self.cases or (bool(phones) and all(self.listing_of(case, phone) for phone in phones))


NOBODY = DoNotCall()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a case is judged by, besides what its firm decided: rules, places, bans in force, the do-not-call list."""

    book: RuleBook
    place_of: PlaceOf
    bans: Sequence[Ban] = ()
    do_not_call: DoNotCall = NOBODY
    # Of places at one instant, for many cases are at the same.
    known: dict[object, tuple[Hours, datetime | None]] = field(default_factory=dict)

    def hours(self, place: Place, campaign: Campaign, now: datetime) -> tuple[Hours, datetime | None]:
        """Return whether a place may be called now by a campaign, and when it may next."""
        name = (place, campaign.purpose, campaign.hours, now)
        if name not in self.known:
            asked = (place, campaign.purpose, now, self.bans, campaign.hours)
            hours = self.book.judge(*asked)
            self.known[name] = hours, now if hours.open else self.book.next_open(*asked)
        return self.known[name]


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked, and what was found."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True, slots=True)
class PhoneVerdict:
    """Whether one phone may be called, where its person may be, and the hours there (None: no rules are applied)."""

    phone: Phone
    callable: bool
    place: Place = UNKNOWN
    hours: Hours | None = None
    next_at: datetime | None = None
    listing: Listing | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a case may be called; ``next_at`` is the next instant at which it may, None when nobody knows one."""

    callable: bool
    checks: tuple[Check, ...]
    phones: tuple[PhoneVerdict, ...] = ()
    next_at: datetime | None = None
    purpose: Purpose = Purpose.NONE
    version: str = ""  # of the rules

    @property
    def allowed(self) -> tuple[Phone, ...]:
        """Return the phones that may be called."""
        return tuple(found.phone for found in self.phones if found.callable)


def judge(firm: Firm, case: Case, now: datetime, rules: Rules) -> Verdict:
    """Judge a case at an instant: its status, its time, its campaign, its phones, and for each the hours there."""
    campaign = firm.campaign(case.campaign_id)
    checks = [_check_status(case), _check_due(case, now), _check_campaign(campaign)]
    start = max(now, case.dial_at) if case.dial_at else now
    phones = tuple(_judge_phone(case, phone, campaign, now, start, rules) for phone in case.voice_phones)
    forbidden = rules.do_not_call.forbids(case)
    if campaign.purpose is not Purpose.NONE:
        checks.append(_check_phones(phones))
    if campaign.purpose is not Purpose.NONE or forbidden:
        checks.append(_check_list(case, phones, rules.do_not_call))
    if campaign.purpose is not Purpose.NONE:
        checks.append(_check_hours(phones))
    passed = all(check.passed for check in checks)
    may_be = case.role is Role.TO_DIAL and not campaign.paused and not forbidden
    next_at = now if passed else _next_at(campaign, phones, start) if may_be else None
    return Verdict(passed, tuple(checks), phones, next_at, campaign.purpose, rules.book.version)


def _next_at(campaign: Campaign, phones: Sequence[PhoneVerdict], start: datetime) -> datetime | None:
    if campaign.purpose is Purpose.NONE and not phones:
        return start
    return min((found.next_at for found in phones if found.next_at), default=None)


def _check_status(case: Case) -> Check:
    status = case.statuses.get(StatusType.DIALER)
    return Check("dialer status", case.role is Role.TO_DIAL, status.name if status else "none")


def _check_due(case: Case, now: datetime) -> Check:
    if case.dial_at is None:
        return Check("due", False, "no date/time")
    return Check("due", case.dial_at <= now, f"to be dialed from {case.dial_at.isoformat(timespec='seconds')} on")


def _check_campaign(campaign: Campaign) -> Check:
    state = "paused" if campaign.paused else f"runs, purpose {campaign.purpose}"
    return Check("campaign", not campaign.paused, state)


def _judge_phone(
    case: Case, phone: Phone, campaign: Campaign, now: datetime, start: datetime, rules: Rules
) -> PhoneVerdict:
    listing = rules.do_not_call.listing_of(case, phone)
    if listing:
        return PhoneVerdict(phone, False, listing=listing)
    if campaign.purpose is Purpose.NONE:
        return PhoneVerdict(phone, True, next_at=start)
    place = rules.place_of(case.zip_code, phone.number)
    hours, next_at = rules.hours(place, campaign, now)
    if start != now:
        next_at = rules.book.next_open(place, campaign.purpose, start, rules.bans, campaign.hours)
    return PhoneVerdict(phone, hours.open, place, hours, next_at)


def _check_phones(phones: Sequence[PhoneVerdict]) -> Check:
    return Check("phones", bool(phones), f"{len(phones)} that a person may answer")


def _check_list(case: Case, phones: Sequence[PhoneVerdict], list_: DoNotCall) -> Check:
    if case.case_id in list_.cases:
        return Check("do not call", False, f"the case is {list_.cases[case.case_id]}")
    listed = sum(phone.listing is not None for phone in phones)
    return Check("do not call", not list_.forbids(case), f"{listed} of {len(phones)} phones are listed")


def _check_hours(phones: Sequence[PhoneVerdict]) -> Check:
    unlisted = [phone for phone in phones if not phone.listing]
    found = sum(phone.callable for phone in unlisted)
    return Check("hours", found > 0 or not unlisted, f"{found} of {len(unlisted)} phones may be called now")


def evidence(verdict: Verdict) -> list[dict[str, str]] | None:
    """Return what let a case through, to be kept: for each phone handed out its place and the hours that allowed it.

    Phones are named, never given as numbers: the number stands on the case. None where no rules were applied.
    """
    if verdict.purpose is Purpose.NONE:
        return None
    return [
        {
            "phone": found.phone.name,
            "place": found.place.key(),
            "purpose": verdict.purpose.value,
            "rules": verdict.version,
            "hours": "; ".join(words(found.hours)) if found.hours and found.place.is_known else _ANYWHERE,
        }
        for found in verdict.phones
        if found.callable
    ]


_ANYWHERE = "within the hours of every state"


def words(hours: Hours) -> list[str]:
    """Say each reason: the state and zone, the time there, the hours of the day, and where they come from."""
    return [
        " ".join(
            part
            for part in (
                f"{reason.state or 'federal'},",
                f"{reason.zone}:",
                f"{reason.local:%a %H:%M}",
                f"in {reason.window}" if hours.open and reason.window else f"hours {reason.window or 'none'}",
                f"({reason.source})" if reason.source else "",
                reason.why,
            )
            if part
        )
        for reason in hours.because
    ]
