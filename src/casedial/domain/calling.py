"""Whether a case may be called now: every check in order, its outcome and its evidence.

A claim and an explanation ask this one function, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from casedial.domain.campaigns import Campaign
from casedial.domain.cases import Case, Firm, Phone, Role, StatusType
from casedial.domain.damage import Damage
from casedial.domain.limits import Calls, Deferral, Limit, counted, deferrals, of_firm, of_rules
from casedial.domain.phones import Kind, key_of, read
from casedial.domain.places import UNKNOWN, Place, abroad
from casedial.domain.rules import Ban, Hours, Purpose, RuleBook

PlaceOf = Callable[[str, str], Place]  # of a ZIP code and a number


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
        return self.cases.get(case.case_id) or self.numbers.get(key_of(phone.number) or "")

    def forbids(self, case: Case) -> bool:
        """Tell whether a case must not be called at all: it is listed, or all that could be dialed of it."""
        numbers = {number for phone in case.voice_phones if (number := key_of(phone.number))}
        return case.case_id in self.cases or (bool(numbers) and numbers <= self.numbers.keys())


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
    # Of places at one instant, for many cases are at the same.
    known: dict[object, tuple[Hours, datetime | None]] = field(default_factory=dict)
    limits_known: dict[object, tuple[Limit, ...]] = field(default_factory=dict)
    # The same, by what can be read of a case at a glance: its ZIP code, an area code, its campaign.
    glances: dict[object, tuple[bool, datetime | None]] = field(default_factory=dict)

    def hours(self, place: Place, campaign: Campaign, now: datetime) -> tuple[Hours, datetime | None]:
        """Return whether a place may be called now by a campaign, and when it may next."""
        name = (place, campaign.purpose, campaign.hours, now)
        if name not in self.known:
            asked = (place, campaign.purpose, now, self.bans, campaign.hours_at(place))
            hours = self.book.judge(*asked)
            self.known[name] = hours, now if hours.open else self.book.next_open(*asked)
        return self.known[name]

    def glance(self, case: Case, number: str, campaign: Campaign, now: datetime) -> tuple[bool, datetime | None]:
        """Return what ``hours`` says of the place of a case and a number: of most cases it is known already."""
        name = (case.zip_code, number[:3], case.campaign_id, now)
        found = self.glances.get(name)
        if found is None:
            hours, next_at = self.hours(self.place_of(case.zip_code, number), campaign, now)
            found = self.glances[name] = hours.open, next_at
        return found

    def limits(self, place: Place, firm: Firm, campaign: Campaign) -> tuple[Limit, ...]:
        """Return how often somebody at a place may be called by a campaign."""
        name = (place, campaign.purpose, campaign.limits, firm.min_gap)
        if name not in self.limits_known:
            of_book = of_rules(self.book.caps(place, campaign.purpose))
            self.limits_known[name] = (*of_book, *campaign.limits, *of_firm(firm.min_gap))
        return self.limits_known[name]


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked, and what was found."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True, slots=True)
class PhoneVerdict:
    """Whether one phone may be called, where its person may be, and the hours there (None: no rules are applied).

    Else why not: it is ``not_dialed`` at all, it is listed, ``used_by`` another case, or ``deferred`` by limits that
    are reached.
    """

    phone: Phone
    callable: bool
    kind: Kind = Kind.US
    not_dialed: str = ""
    place: Place = UNKNOWN
    hours: Hours | None = None
    next_at: datetime | None = None
    listing: Listing | None = None
    used_by: int | None = None
    deferred: tuple[Deferral, ...] = ()
    limits: tuple[str, ...] = ()  # of one that may be called: each, and how many calls count against it


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
        """Return the phones that may be called; where rules are applied, no number twice."""
        may = [found.phone for found in self.phones if found.callable]
        if not self.rules_apply:
            return tuple(may)
        first = {key_of(phone.number): phone for phone in reversed(may)}
        return tuple(phone for phone in may if first[key_of(phone.number)] is phone)

    @property
    def rules_apply(self) -> bool:
        """Tell whether the campaign has a purpose."""
        return self.purpose is not Purpose.NONE


def judge(firm: Firm, case: Case, now: datetime, rules: Rules) -> Verdict:
    """Judge a case at an instant: its status, its time, its campaign, its phones, and whether each may be called."""
    campaign = firm.campaign(case.campaign_id)
    checks = [_check_status(case), _check_due(firm, case, now), _check_campaign(campaign)]
    start = max(now, case.dial_at) if case.dial_at else now
    phones = tuple(_judge_phone(firm, case, phone, campaign, now, start, rules) for phone in case.voice_phones)
    forbidden = rules.do_not_call.forbids(case)
    if campaign.purpose is not Purpose.NONE:
        checks += _check_phones(phones, campaign)
    if campaign.purpose is not Purpose.NONE or forbidden:
        checks.append(_check_list(case, phones, rules.do_not_call))
    if campaign.purpose is not Purpose.NONE:
        checks += _check_calls(phones)
    passed = all(check.passed for check in checks)
    may_be = case.role is Role.TO_DIAL and not campaign.paused and not forbidden
    next_at = now if passed else _next_at(campaign, phones, start) if may_be else None
    return Verdict(passed, tuple(checks), phones, next_at, campaign.purpose, rules.book.version)


def closed(firm: Firm, case: Case, now: datetime, rules: Rules) -> Verdict | None:
    """Return the verdict on a due case of which no phone is within its hours, or None where ``judge`` has to look.

    It has no checks, and comes at a twentieth of the cost: in the evening a claim meets hundreds of such cases.
    """
    campaign = firm.campaign(case.campaign_id)
    if campaign.purpose is Purpose.NONE or campaign.paused or rules.do_not_call.numbers or rules.do_not_call.cases:
        return None
    opens: list[datetime] = []
    for phone in case.voice_phones:
        number = read(phone.number)
        if _not_dialed(number.kind, campaign):
            continue
        if number.kind is Kind.ABROAD:
            return None
        is_open, next_at = rules.glance(case, number.key, campaign, now)
        if is_open:
            return None
        if next_at:
            opens.append(next_at)
    return Verdict(False, (), (), min(opens, default=None), campaign.purpose, rules.book.version)


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
    return Check("due", case.dial_at <= now, f"to be dialed from {firm.local(case.dial_at)} on")


def _check_campaign(campaign: Campaign) -> Check:
    state = "paused" if campaign.paused else f"runs, purpose {campaign.purpose}"
    if campaign.unreadable:
        state = "what was decided for it cannot be read"
    return Check("campaign", not campaign.paused, state)


def _judge_phone(
    firm: Firm, case: Case, phone: Phone, campaign: Campaign, now: datetime, start: datetime, rules: Rules
) -> PhoneVerdict:
    kind, number, why = read(phone.number)
    never = _not_dialed(kind, campaign)
    if never:
        return PhoneVerdict(phone, False, kind, f"{never}{', for it ' if why else ''}{why}")
    listing = rules.do_not_call.listing_of(case, phone)
    if listing:
        return PhoneVerdict(phone, False, kind, listing=listing)
    if campaign.purpose is Purpose.NONE:
        return PhoneVerdict(phone, True, kind, next_at=start)
    place = _place(firm, case, phone, kind, rules)
    limits = rules.limits(place, firm, campaign)
    deferred = deferrals(limits, rules.calls, number, case.case_id, now)
    used_by = rules.in_use.get(number, case.case_id)
    hours, next_at = rules.hours(place, campaign, now)
    start = max((start, *(found.until for found in deferred)))
    if start != now:
        next_at = rules.book.next_open(place, campaign.purpose, start, rules.bans, campaign.hours_at(place))
    is_used = used_by != case.case_id
    may = hours.open and not deferred and not is_used
    return PhoneVerdict(
        phone,
        may,
        kind,
        place=place,
        hours=hours,
        next_at=None if is_used else next_at,  # nobody knows how long a call takes
        used_by=used_by if is_used else None,
        deferred=deferred,
        limits=counted(limits, rules.calls, number, case.case_id, now) if may else (),
    )


def _place(firm: Firm, case: Case, phone: Phone, kind: Kind, rules: Rules) -> Place:
    """Return where a phone's person may be; a foreign number's is not told by a ZIP code of the states."""
    place = rules.place_of(case.zip_code, phone.number)
    return abroad(firm.time_zone) if kind is Kind.ABROAD and not (place.mail_abroad or place.placed) else place


def _not_dialed(kind: Kind, campaign: Campaign) -> str:
    """Say why no number of a kind is dialed for a campaign, "" where it may be."""
    if kind is Kind.DOUBTFUL:
        return "the number is doubtful"
    if kind is Kind.ABROAD and campaign.purpose is not Purpose.NONE and not campaign.abroad:
        return "the number is abroad, and the campaign calls the US only"
    return ""


def _check_phones(phones: Sequence[PhoneVerdict], campaign: Campaign) -> list[Check]:
    """Ask whether there is a number that can be dialed, and whether one of them may be that is not of the US."""
    sound = [phone for phone in phones if phone.kind is not Kind.DOUBTFUL]
    doubtful = f", {len(phones) - len(sound)} doubtful" if len(sound) < len(phones) else ""
    checks = [Check("phones", bool(sound), f"{len(sound)} that a person may answer{doubtful}")]
    beyond = sum(phone.kind is Kind.ABROAD for phone in sound)
    if beyond:
        calls = "abroad, too" if campaign.abroad else "the US only"
        found = f"{beyond} of {len(sound)} phones are abroad; the campaign calls {calls}"
        checks.append(Check("abroad", campaign.abroad or beyond < len(sound), found))
    return checks


def _check_list(case: Case, phones: Sequence[PhoneVerdict], list_: DoNotCall) -> Check:
    if case.case_id in list_.cases:
        return Check("do not call", False, f"the case is {list_.cases[case.case_id]}")
    left = [phone for phone in phones if not phone.not_dialed]
    listed = sum(phone.listing is not None for phone in left)
    return Check("do not call", not left or listed < len(left), f"{listed} of {len(left)} phones are listed")


def _check_calls(phones: Sequence[PhoneVerdict]) -> list[Check]:
    """Ask of the phones that each question has left: is the number in use, was it called too often, is it open."""
    left = [phone for phone in phones if not phone.listing and not phone.not_dialed]
    checks = []
    for name, may, words in (
        ("in use", lambda phone: phone.used_by is None, "are in no other open claim"),
        ("how often", lambda phone: not phone.deferred, "were not called too often"),
        ("hours", lambda phone: phone.hours is not None and phone.hours.open, "are within their hours"),
    ):
        passed = [phone for phone in left if may(phone)]
        checks.append(Check(name, bool(passed) or not left, f"{len(passed)} of {len(left)} phones {words}"))
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
            "hours": _hours_of(found),
            "calls": "; ".join(found.limits),
        }
        for order, found in enumerate(verdict.phones)
        if found.callable
    ]


_ANYWHERE = "within the hours of every state"


def _hours_of(found: PhoneVerdict) -> str:
    """Say the hours at a place; of one that may be anywhere, those of the states that were named."""
    if not found.place.may_be_anywhere:
        return "; ".join(words(found.hours)) if found.hours else ""
    hours = found.hours or Hours(True, ())
    named = Hours(hours.open, tuple(reason for reason in hours.because if reason.state in found.place.states))
    return "; ".join([*words(named), _ANYWHERE])


def words(hours: Hours) -> list[str]:
    """Say each reason: the state and zone, the time there, the hours of the day, and where they come from."""
    return [
        reason.why
        if not reason.zone  # of a place without a clock
        else " ".join(
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
