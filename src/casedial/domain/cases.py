"""Cases, phones, notes, and a firm's four status types with the statuses it chose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from casedial.domain.campaigns import UNDECIDED, Campaign
from casedial.domain.errors import FieldError, RetiredStatus, StatusNotFound, UnknownStatus
from casedial.domain.keys import UNLIMITED, KeyLimits, Scope
from casedial.domain.phones import SHORTEST_TWO, is_fax, split

PRIORITIES = range(1, 10)  # of a case: 1 is dialed first
PRIORITY = 5  # of a case that nobody gave one
NAME_LIMIT = 255  # characters in a name of any kind: firm, vendor, status, group, plaintiff, phone name


def fold(name: str) -> str:
    """Return the form in which names are compared: trimmed and case-folded."""
    return name.strip().casefold()


_NOT_LETTER_OR_DIGIT = re.compile(r"[\W_]+")


def is_count(name: str) -> bool:
    """Tell whether a name can be that of an Attempts status: ASCII digits, which dialers send as a number."""
    return name.isascii() and name.isdigit()


class StatusType(IntEnum):
    """The four status types of the specification, in its order. Values are stored."""

    DIALER = 1
    DISPOSITION = 2
    CAMPAIGN = 3
    ATTEMPTS = 4

    __hash__ = int.__hash__  # that of an Enum is Python code, and statuses are looked up by type everywhere

    @property
    def label(self) -> str:
        """Return the name the specification gives this type."""
        return _LABELS[self]


_LABELS = {
    StatusType.DIALER: "Dialer Status",
    StatusType.DISPOSITION: "Last Dialer Disposition",
    StatusType.CAMPAIGN: "Campaign Status",
    StatusType.ATTEMPTS: "Attempts Status",
}


class Role(IntEnum):
    """What a Dialer Status means, whatever a firm calls it. Values are stored and indexed."""

    TO_DIAL = 1
    IN_THE_DIALER = 2
    DO_NOT_DIAL = 3


class Flag(StrEnum):
    """What a Last Dialer Disposition means, whatever a firm calls it. Values are stored.

    ATTEMPT: somebody was rung. CONVERSATION: and spoken with. OPT_OUT: who must not be called any more. FINAL: nothing
    is left to dial for.
    """

    ATTEMPT = "attempt"
    CONVERSATION = "conversation"
    OPT_OUT = "opt-out"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Status:
    """One status of one firm; ``role`` is set on exactly three Dialer Statuses of each firm, flags on dispositions."""

    id: int
    type: StatusType
    name: str
    role: Role | None = None
    retired: bool = False
    flags: frozenset[Flag] = frozenset()


def first_flags(kind: StatusType, name: str) -> frozenset[Flag]:
    """Return the flags that a new status has: what a dialer reports says that somebody was rung, by most names."""
    if kind is not StatusType.DISPOSITION or fold(name) == fold("Never Dialed"):
        return frozenset()
    return frozenset({Flag.ATTEMPT, Flag.CONVERSATION} if fold(name) == fold("Successful") else {Flag.ATTEMPT})


# What a new firm starts with: the typical statuses of the specification. Campaign Status has none.
STANDARD_STATUSES: tuple[tuple[StatusType, str, Role | None], ...] = (
    (StatusType.DIALER, "To Dial", Role.TO_DIAL),
    (StatusType.DIALER, "In the Dialer", Role.IN_THE_DIALER),
    (StatusType.DIALER, "Do not Dial", Role.DO_NOT_DIAL),
    *(
        (StatusType.DISPOSITION, name, None)
        for name in ("Never Dialed", "Busy", "No Answer", "Answering Machine", "Successful")
    ),
    *((StatusType.ATTEMPTS, str(count), None) for count in range(21)),
)


class StatusesStale(Exception):
    """A case has a status that was added after the firm was read: read the firm anew and start over."""


class CasesUnreadable(Exception):
    """Rows of due cases cannot be read, whatever the firm: set them aside, and start over."""

    def __init__(self, case_ids: Sequence[int]) -> None:
        super().__init__(case_ids)
        self.case_ids = case_ids


_HELD = 10_000  # sets of statuses that are remembered
_LISTED = 200  # characters of names that an error lists: a batch may have a thousand such items


class Statuses:
    """A firm's statuses, found by id, by name (trimmed, case-folded) or by role."""

    def __init__(self, statuses: Iterable[Status]) -> None:
        self.all = tuple(statuses)
        self._by_id = {status.id: status for status in self.all}
        self._by_name = {(status.type, fold(status.name)): status for status in self.all}
        self._by_role = {status.role: status for status in self.all if status.role}
        self.ids = frozenset(self._by_id)
        self._held: dict[tuple[int | None, ...], Mapping[StatusType, Status]] = {}

    def of(self, status_type: StatusType) -> list[Status]:
        """Return the statuses of one type, retired ones too, in the firm's order."""
        return [status for status in self.all if status.type == status_type]

    def by_id(self, status_id: int | None) -> Status | None:
        """Return the status with this id; None stays None. Raises StatusesStale for an id they do not have."""
        if status_id is None:
            return None
        try:
            return self._by_id[status_id]
        except KeyError:
            raise StatusesStale from None

    def known(self, status_id: int, kind: StatusType) -> Status:
        """Return the status with this id, or what stands for one that the firm has no more: nobody can set it."""
        return self._by_id.get(status_id) or Status(status_id, kind, "", retired=True)

    def held(
        self, dialer: int | None, campaign: int | None, attempts: int | None, disposition: int | None
    ) -> Mapping[StatusType, Status]:
        """Return what a case has that has the statuses with these ids. Raises StatusesStale.

        Most cases of a list have the same, and so the same mapping.
        """
        ids = dialer, campaign, attempts, disposition
        held = self._held.get(ids)
        if held is None:
            if len(self._held) >= _HELD:
                self._held.clear()
            kinds = StatusType.DIALER, StatusType.CAMPAIGN, StatusType.ATTEMPTS, StatusType.DISPOSITION
            found = zip(kinds, map(self.by_id, ids), strict=True)
            held = self._held[ids] = {kind: status for kind, status in found if status}
        return held

    def with_role(self, role: Role) -> Status:
        """Return the one Dialer Status that has this role."""
        return self._by_role[role]

    def find(self, status_type: StatusType, name: str) -> Status | None:
        """Return the status of this name, retired or not, or None."""
        return self._by_name.get((status_type, fold(name)))

    def spelled_like(self, status_type: StatusType, name: str) -> Status | None:
        """Return the status that differs from ``name`` only in case, blanks and punctuation, if there is one."""

        def bare(text: str) -> str:
            return _NOT_LETTER_OR_DIGIT.sub("", fold(text)) or fold(text)

        return next((status for status in self.of(status_type) if bare(status.name) == bare(name)), None)

    def named(self, status_type: StatusType, name: str) -> Status:
        """Return the status of this name, retired or not. Raises StatusNotFound."""
        status = self.find(status_type, name)
        if status is None:
            raise StatusNotFound(f"The firm has no {status_type.label} named {name[:80]!r}.")
        return status

    def to_set(self, status_type: StatusType, name: str, pointer: str) -> Status:
        """Return the status a caller may set by this name.

        Raises UnknownStatus or RetiredStatus, naming the field at ``pointer``.
        """
        status = self.find(status_type, name)
        if status is None:
            detail = f"{name[:80]!r} is not one of the firm's {status_type.label} names{self._listed(status_type)}."
            raise UnknownStatus(detail, [FieldError(pointer, detail, name)])
        if status.retired:
            detail = f"The {status_type.label} {status.name!r} is retired; it can no longer be set."
            raise RetiredStatus(detail, [FieldError(pointer, detail, name)])
        return status

    def _listed(self, status_type: StatusType) -> str:
        """Return the names that may be set, as the end of a sentence; of a long list only the first."""
        names = [status.name for status in self.of(status_type) if not status.retired]
        room = accumulate(len(name) + 2 for name in names)
        shown = [name for name, length in zip(names, room, strict=True) if length <= _LISTED]
        more = [f"{len(names) - len(shown)} more"] if len(shown) < len(names) else []
        return f": {', '.join(shown + more)}" if names else ", which has none"

    @cached_property
    def highest_count(self) -> Status | None:
        """Return the Attempts status of the highest count that may be set, None where no name is a count."""
        counts = (status for status in self.of(StatusType.ATTEMPTS) if not status.retired and is_count(status.name))
        return max(counts, key=lambda status: int(status.name), default=None)


CASEDIAL = "casedial"  # who made a change that nobody asked for
CLAIM_TIMEOUT = 24 * 60 * 60  # seconds, of a firm that decided nothing
MIN_GAP = 15 * 60  # seconds, likewise


@dataclass(frozen=True)
class Firm:
    """A law firm: its time zone, its statuses, and what it decided about claims and keeping.

    ``default_records`` is how many cases a caller gets who does not say. ``claim_timeout`` is in seconds, 0 for
    never; ``campaigns`` is what differs in one, by its id. ``retention_days`` None keeps for ever. ``min_gap`` is how
    many seconds lie between two calls of one number, where calling rules are applied.
    """

    id: int
    name: str
    time_zone: str
    default_records: int
    statuses: Statuses
    claim_timeout: int = CLAIM_TIMEOUT
    campaigns: Mapping[int, Campaign] = field(default_factory=dict)
    retention_days: int | None = None
    has_do_not_call: bool = False  # whether anything stands on its do-not-call list
    min_gap: int = MIN_GAP
    priorities: tuple[int, ...] = (PRIORITY,)  # all that its cases ever had, in order
    version: int = 0  # grows with every change of the firm

    @cached_property
    def zone(self) -> ZoneInfo:
        """Return the firm's time zone, in which every time on the wire is written."""
        return ZoneInfo(self.time_zone)

    def clock_time(self, moment: datetime) -> str:
        """Write when something is by the firm's clock, as the wire does."""
        return moment.astimezone(self.zone).replace(tzinfo=None).isoformat(timespec="seconds")

    def local(self, moment: datetime) -> str:
        """Say when something is by the firm's clock, with the name of the time zone."""
        return f"{self.clock_time(moment)} ({self.time_zone})"

    def claim_timeout_of(self, campaign: Status | None) -> int:
        """Return after how many seconds the claim of a case of this campaign runs out, 0 for never."""
        own = self.campaign(campaign.id if campaign else None).claim_timeout
        return self.claim_timeout if own is None else own

    def campaign(self, campaign_id: int | None) -> Campaign:
        """Return what the firm decided for a campaign; None is that of a case that is in none."""
        return self.campaigns.get(campaign_id, UNDECIDED) if campaign_id is not None else UNDECIDED


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: one vendor's key, which alone selects the firm.

    ``limits`` are those of the key.
    """

    firm: Firm
    vendor: str
    key_id: int
    limits: KeyLimits = UNLIMITED

    @property
    def scopes(self) -> frozenset[Scope]:
        """Return what the key may do."""
        return self.limits.scopes

    @property
    def campaigns(self) -> frozenset[int] | None:
        """Return the ids of the campaigns that it is limited to; None does not limit."""
        return self.limits.campaigns

    def may_dial(self, campaign_id: int | None) -> bool:
        """Tell whether the caller may work in this campaign; None is that of a case that is in none."""
        return self.campaigns is None or campaign_id in self.campaigns


class Phone(NamedTuple):
    """One of the plaintiff's phones; ``number`` is kept as it was entered, and blank in a gap between phones."""

    name: str = ""
    number: str = ""
    primary: bool = False
    text: bool = False


NO_PHONE = Phone()


@dataclass(frozen=True, slots=True)
class Hold:
    """A claim's hold of a case that is In the Dialer.

    ``until`` is the end of the lease, None when it does not run out. ``redial_at`` is the dial time to which the
    case goes back To Dial, None when it was not To Dial: it goes back to the status that it had. ``answered_at``
    says that somebody was dialed: such a case never goes back by itself.
    """

    claim_id: UUID
    until: datetime | None
    redial_at: datetime | None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A case as the dial list sees it.

    ``dial_at`` is the date/time of the Dialer Status: for "To Dial", when to dial. ``changed_at`` is
    the instant of the last recorded change, before which no further change may be recorded. ``hold`` is there
    while the case is In the Dialer; only a case that an older casedial put there has none until it is found.
    """

    case_id: int
    case_status: str = ""
    case_group: str = ""
    closed: bool = False
    closed_on: date | None = None
    zip_code: str = ""
    plaintiff: str = ""
    phones: tuple[Phone, ...] = ()
    statuses: Mapping[StatusType, Status] = field(default_factory=dict)
    dial_at: datetime | None = None
    changed_at: datetime | None = None
    hold: Hold | None = None
    priority: int = PRIORITY

    @property
    def role(self) -> Role | None:
        """Return the role of the Dialer Status, None when it has none or there is no status."""
        status = self.statuses.get(StatusType.DIALER)
        return status.role if status else None

    @property
    def campaign_id(self) -> int | None:
        """Return the id of the campaign, None when the case is in none."""
        campaign = self.statuses.get(StatusType.CAMPAIGN)
        return campaign.id if campaign else None

    def each_phone(self) -> Iterator[Phone]:
        """Yield the phones in the order of entry, without gaps.

        A cell that holds several numbers is as many phones, of which the first may be primary.
        """
        for entered in self.phones:
            if len(entered.number) >= SHORTEST_TWO:
                first, *others = split(entered.number)
                yield entered._replace(number=first)
                yield from (entered._replace(number=number, primary=False) for number in others)
            elif entered.number:
                yield entered

    @property
    def voice_phones(self) -> list[Phone]:
        """Return the phones a person may answer, primary first, then as entered: no gap, no fax."""
        return sorted((p for p in self.each_phone() if not is_fax(p.name)), key=lambda p: not p.primary)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One change of one status type of one case; ``status`` None means that it was cleared.

    The status lasts from ``changed_at`` until the next change of the same type. ``claim_id`` is the claim that the
    change opened or that held the case before it; ``reason`` is there where nobody asked for the change.
    """

    case_id: int
    type: StatusType
    status: Status | None
    dial_at: datetime | None
    changed_at: datetime
    changed_by: str
    claim_id: UUID | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a case: plain text, the vendor or person who left it, and when."""

    case_id: int
    text: str
    author: str
    created_at: datetime
