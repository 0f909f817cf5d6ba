"""Whether a case may be called now: every check in order, its outcome and its evidence.

A claim and an explanation ask this one function, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol

from casedial.domain.campaigns import Campaign
from casedial.domain.cases import Case, Phone
from casedial.domain.damage import Damage
from casedial.domain.firms import Firm
from casedial.domain.limits import Calls, Deferral, counted, deferrals
from casedial.domain.phones import Kind, key_of, read
from casedial.domain.places import UNKNOWN, Place
from casedial.domain.rules import Ban, Hours, Purpose, RuleBook
from casedial.domain.spots import Memory, PlaceOf, Spots
from casedial.domain.statuses import Role, StatusType


@dataclass(frozen=True, slots=True)
class Listing:
    """An entry of a firm's do-not-call list, by number (as ``key_of`` gives it) or by case."""

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
        if not self.cases and not self.numbers:
            return None
        return self.cases.get(case.case_id) or self.numbers.get(key_of(phone.number) or "")

    def forbids(self, case: Case) -> bool:
        """Tell whether a case must not be called at all: it is listed, or all that could be dialed of it."""
        if not self.cases and not self.numbers:
            return False
        numbers = {number for phone in case.voice_phones if (number := key_of(phone.number))}
        return case.case_id in self.cases or (bool(numbers) and numbers <= self.numbers.keys())


class Waiting(Protocol):
    """What a glance needs to know of a due case."""

    @property
    def campaign_id(self) -> int | None:
        """Return the id of its campaign."""

    @property
    def zip_code(self) -> str:
        """Return its ZIP code."""

    @property
    def voice_phones(self) -> list[Phone]:
        """Return the phones that a person may answer."""


NOBODY = DoNotCall()
NO_CALLS = Calls()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a case is judged by, besides what its firm decided.

    The rules, places, bans in force, the do-not-call list, earlier calls, and numbers that are in an open claim or
    handed out in this very reply, each with the case it was handed out for.
    """

    book: RuleBook
    place_of: PlaceOf
    bans: Sequence[Ban] = ()
    do_not_call: DoNotCall = NOBODY
    calls: Calls = NO_CALLS
    in_use: Mapping[str, int] = field(default_factory=dict)
    unreadable: tuple[Damage, ...] = ()  # what operators decided and nobody can read, for who tells of it
    memory: Memory = field(default_factory=Memory)  # of spots, whoever asks

    def spots(self, firm: Firm, campaign: Campaign, now: datetime) -> Spots:
        """Return what the rules say of where people are, for a campaign."""
        return self.memory.spots(self.book, self.place_of, self.bans, firm, campaign, now)


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked, and what was found."""

    name: str
    passed: bool
    found: str


class PhoneVerdict(NamedTuple):
    """Whether one phone may be called, where its person may be, and the hours there (None: no rules are applied).

    Else why not: it is ``not_dialed`` at all, it is listed, ``used_by`` another case, or ``deferred`` by limits that
    are reached.
    """

    phone: Phone
    callable: bool
    kind: Kind = Kind.US
    number: str = ""  # by which it is compared with others
    not_dialed: str = ""
    place: Place = UNKNOWN
    hours: Hours | None = None
    next_at: datetime | None = None
    listing: Listing | None = None
    used_by: int | None = None
    deferred: tuple[Deferral, ...] = ()
    limits: tuple[str, ...] = ()  # of one that may be called: each, and how many calls count against it
    told: str = ""  # of one that may be called: the hours there


class Verdict(NamedTuple):
    """Whether a case may be called; ``next_at`` is the next instant at which it may, None when nobody knows one."""

    callable: bool
    checks: tuple[Check, ...]  # none, where nobody asked for them
    phones: tuple[PhoneVerdict, ...] = ()
    next_at: datetime | None = None
    purpose: Purpose = Purpose.NONE
    version: str = ""  # of the rules

    @property
    def allowed(self) -> tuple[Phone, ...]:
        """Return the phones that may be called; where rules are applied, no number twice."""
        may = [found for found in self.phones if found.callable]
        if not self.rules_apply or len(may) < 2:
            return tuple([found.phone for found in may])
        first = {found.number: found for found in reversed(may)}
        return tuple([found.phone for found in may if first[found.number] is found])

    @property
    def numbers(self) -> set[str]:
        """Return the numbers that may be called, in the form in which numbers are compared."""
        return {found.number for found in self.phones if found.callable}

    @property
    def rules_apply(self) -> bool:
        """Tell whether the campaign has a purpose."""
        return self.purpose is not Purpose.NONE


def judge(firm: Firm, case: Case, now: datetime, rules: Rules) -> Verdict:
    """Judge a case at an instant: its status, its time, its campaign, its phones, and whether each may be called."""
    verdict = decide(firm, case, now, rules)
    campaign, phones = firm.campaign(case.campaign_id), verdict.phones
    checks = [_check_status(case), _check_due(firm, case, now), _check_campaign(campaign)]
    if verdict.rules_apply:
        checks += _check_phones(phones, campaign)
    if verdict.rules_apply or rules.do_not_call.forbids(case):
        checks.append(_check_list(case, phones, rules.do_not_call))
    if verdict.rules_apply:
        checks += _check_calls(phones)
    return verdict._replace(checks=tuple(checks))


def decide(firm: Firm, case: Case, now: datetime, rules: Rules) -> Verdict:
    """Return what ``judge`` does, but for the checks: a case may be called when it would pass all of them.

    It is a third of the work, and all that a claim goes by.
    """
    campaign = firm.campaign(case.campaign_id)
    spots = rules.spots(firm, campaign, now) if campaign.rules_apply else None
    start = max(now, case.dial_at) if case.dial_at else now
    phones = tuple([_decide_phone(case, phone, campaign, now, start, rules, spots) for phone in case.voice_phones])
    waits = case.role is Role.TO_DIAL and not campaign.paused and not rules.do_not_call.forbids(case)
    is_due = case.dial_at is not None and case.dial_at <= now
    may = waits and is_due and (spots is None or any(found.callable for found in phones))
    next_at = now if may else _next_at(campaign, phones, start) if waits else None
    return Verdict(may, (), phones, next_at, campaign.purpose, rules.book.version)


def outside_hours(firm: Firm, case: Waiting, now: datetime, rules: Rules) -> Verdict | None:
    """Return the verdict on a due case of which no phone is within its hours, or None where ``judge`` has to look.

    It has no checks, and comes at a tenth of the cost: in the evening a claim meets hundreds of such cases.
    """
    campaign = firm.campaign(case.campaign_id)
    if not campaign.rules_apply or campaign.paused or rules.do_not_call.numbers or rules.do_not_call.cases:
        return None
    spots = rules.spots(firm, campaign, now)
    opens: list[datetime] = []
    for phone in case.voice_phones:
        number = read(phone.number)
        if _not_dialed(number.kind, campaign):
            continue
        if number.kind is Kind.ABROAD:
            return None
        spot = spots.of(case.zip_code, number)
        if spot.hours.open:
            return None
        if spot.next_at:
            opens.append(spot.next_at)
    return Verdict(False, (), (), min(opens, default=None), campaign.purpose, rules.book.version)


def are_closed(firm: Firm, found: Sequence[Waiting], now: datetime, rules: Rules) -> list[bool]:
    """Tell of each due case whether it is closed at a glance: paused, or out of its hours, whatever else there is."""
    spots: dict[int | None, Spots | None] = {}
    paused: set[int | None] = set()
    for campaign_id in {case.campaign_id for case in found}:
        campaign = firm.campaign(campaign_id)
        spots[campaign_id] = rules.spots(firm, campaign, now) if campaign.rules_apply else None
        if campaign.paused:
            paused.add(campaign_id)

    def is_closed(case: Waiting) -> bool:
        there = spots[case.campaign_id]
        if case.campaign_id in paused or there is None:
            return case.campaign_id in paused
        return there.is_closed(case.zip_code) or outside_hours(firm, case, now, rules) is not None

    return [is_closed(case) for case in found]


def _next_at(campaign: Campaign, phones: Sequence[PhoneVerdict], start: datetime) -> datetime | None:
    if campaign.purpose is Purpose.NONE:
        return start
    return min((found.next_at for found in phones if found.next_at), default=None)


def _check_status(case: Case) -> Check:
    status = case.statuses.get(StatusType.DIALER)
    return Check("dialer status", case.role is Role.TO_DIAL, status.name if status else "none")


def _check_due(firm: Firm, case: Case, now: datetime) -> Check:
    if case.dial_at is None:
        return Check("due", False, "no date/time")
    said = "claimed at" if case.role is Role.IN_THE_DIALER else "to be dialed from"
    return Check("due", case.dial_at <= now, f"{said} {firm.local(case.dial_at)}")


def _check_campaign(campaign: Campaign) -> Check:
    state = "paused" if campaign.paused else f"runs, purpose {campaign.purpose}"
    if campaign.unreadable:
        state = "its settings cannot be read"
    return Check("campaign", not campaign.paused, state)


def _decide_phone(
    case: Case, phone: Phone, campaign: Campaign, now: datetime, start: datetime, rules: Rules, spots: Spots | None
) -> PhoneVerdict:
    entered = read(phone.number)
    kind, number, why = entered
    never = _not_dialed(kind, campaign)
    if never:
        return PhoneVerdict(phone, False, kind, number, f"{never}{', for it ' if why else ''}{why}")
    listing = rules.do_not_call.listing_of(case, phone)
    if listing:
        return PhoneVerdict(phone, False, kind, number, listing=listing)
    if spots is None:
        return PhoneVerdict(phone, True, kind, number, next_at=start)
    place, hours, next_at, limits, uncalled, told = spots.of(case.zip_code, entered)
    was_called = rules.calls.concern(number, case.case_id)
    deferred = deferrals(limits, rules.calls, number, case.case_id, now) if was_called else ()
    used_by = rules.in_use.get(number, case.case_id)
    is_used = used_by != case.case_id
    may = hours.open and not deferred and not is_used
    if hours.open:
        next_at = now
    if deferred or start != now:
        start = max((start, *(found.until for found in deferred)))
        next_at = rules.book.next_open(place, campaign.purpose, start, rules.bans, campaign.hours_at(place))
    if was_called and may:
        uncalled = counted(limits, rules.calls, number, case.case_id, now)
    return PhoneVerdict(
        phone,
        may,
        kind,
        number,
        "",
        place,
        hours,
        None if is_used else next_at,  # nobody knows how long a call takes
        None,
        used_by if is_used else None,
        deferred,
        uncalled if may else (),
        told if may else "",
    )


def _not_dialed(kind: Kind, campaign: Campaign) -> str:
    """Say why no number of a kind is dialed for a campaign, "" where it may be."""
    if kind is Kind.DOUBTFUL:
        return "the number is doubtful"
    if kind is Kind.ABROAD and campaign.rules_apply and not campaign.abroad:
        return "the number is abroad, and the campaign calls only the US"
    return ""


def _check_phones(phones: Sequence[PhoneVerdict], campaign: Campaign) -> list[Check]:
    """Ask whether there is a number that can be dialed, and whether one of them may be that is not of the US."""
    sound = [phone for phone in phones if phone.kind is not Kind.DOUBTFUL]
    doubtful = f", {len(phones) - len(sound)} doubtful" if len(sound) < len(phones) else ""
    checks = [Check("phones", bool(sound), f"{len(sound)} that a person may answer{doubtful}")]
    beyond = sum(phone.kind is Kind.ABROAD for phone in sound)
    if beyond:
        calls = "abroad too" if campaign.abroad else "only the US"
        found = f"{_part(beyond, len(sound))} abroad; the campaign calls {calls}"
        checks.append(Check("abroad", campaign.abroad or beyond < len(sound), found))
    return checks


def _check_list(case: Case, phones: Sequence[PhoneVerdict], list_: DoNotCall) -> Check:
    if case.case_id in list_.cases:
        return Check("do not call", False, f"the case has been {list_.cases[case.case_id]}")
    left = [phone for phone in phones if not phone.not_dialed]
    listed = sum(phone.listing is not None for phone in left)
    return Check("do not call", not left or listed < len(left), f"{_part(listed, len(left))} listed")


def _part(count: int, of: int) -> str:
    """Begin a sentence about some of so many phones."""
    return f"{count} of {of} phone{'' if of == 1 else 's'} {'is' if 1 in (count, of) else 'are'}"


def _check_calls(phones: Sequence[PhoneVerdict]) -> list[Check]:
    """Ask of the phones that each question has left: is the number in use, was it called too often, is it open."""
    left = [phone for phone in phones if not phone.listing and not phone.not_dialed]
    checks = []
    for name, may, words in (
        ("in use", lambda phone: phone.used_by is None, "in no other open claim"),
        ("how often", lambda phone: not phone.deferred, "below the limits on calls"),
        ("hours", lambda phone: phone.hours is not None and phone.hours.open, "within calling hours"),
    ):
        passed = [phone for phone in left if may(phone)]
        checks.append(Check(name, bool(passed) or not left, f"{_part(len(passed), len(left))} {words}"))
        left = passed
    return checks


def evidence(verdict: Verdict) -> list[dict[str, str]] | None:
    """Return what let a case through, to be kept: of each phone its place, the hours there, and the calls before.

    Phones are named, never given as numbers: the number stands on the case. None where no rules were applied.
    """
    if not verdict.rules_apply:
        return None
    return [
        {
            "order": str(order),
            "phone": found.phone.name,
            "place": found.place.key(),
            **({"placed": found.place.placed} if found.place.placed else {}),  # by an operator, and why
            "purpose": verdict.purpose.value,
            "rules": verdict.version,
            "hours": found.told,
            "calls": "; ".join(found.limits),
        }
        for order, found in enumerate(verdict.phones)
        if found.callable
    ]
