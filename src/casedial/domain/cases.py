"""Cases, their phones, who holds them, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from casedial.domain.actors import Actor
from casedial.domain.phones import SHORTEST_TWO, is_fax, read, split
from casedial.domain.reasons import ReasonCode, Why
from casedial.domain.statuses import Role, Status, StatusType

PRIORITIES = range(1, 10)  # of a case: 1 is dialed first
PRIORITY = 5  # of a case that nobody gave one


class CasesUnreadable(Exception):
    """Rows of due cases cannot be read, whatever the firm: set them aside, and start over."""

    def __init__(self, case_ids: Sequence[int]) -> None:
        super().__init__(case_ids)
        self.case_ids = case_ids


class Phone(NamedTuple):
    """One of the plaintiff's phones; ``number`` is kept as it was entered, and blank in a gap between phones."""

    name: str = ""
    number: str = ""
    primary: bool = False
    text: bool = False


NO_PHONE = Phone()
_IS_PRIMARY = attrgetter("primary")


def _each(phones: Iterable[Phone]) -> Iterator[Phone]:
    for entered in phones:
        if len(entered.number) >= SHORTEST_TWO:
            first, *others = split(entered.number)
            yield entered._replace(number=first)
            yield from (entered._replace(number=number, primary=False) for number in others)
        elif entered.number:
            yield entered


def voice_phones(phones: Iterable[Phone]) -> list[Phone]:
    """Return those of a case's phones that a person may answer, primary first, then as entered: no gap, no fax."""
    found = [phone for phone in _each(phones) if not is_fax(phone.name)]
    if len(found) > 1:
        found.sort(key=_IS_PRIMARY, reverse=True)  # which leaves the order among equals as it is
    return found


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


class ShownCase(NamedTuple):
    """What a dialer is shown of a case, as it is stored: its statuses by their ids, its phones as they were entered.

    A claim hands out thousands a second: to make a whole case of each would take longer than all else it does. The
    disposition is not shown, but has to make sense all the same: nobody could report on the case.
    """

    case_id: int
    case_status: str
    zip_code: str
    phones: Sequence[Sequence[Any]]  # each with the fields of a Phone
    dialer_id: int | None
    campaign_id: int | None
    attempts_id: int | None
    disposition_id: int | None
    dial_at: datetime | None


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

    def standing(
        self,
        statuses: Mapping[StatusType, Status],
        dial_at: datetime | None,
        changed_at: datetime | None,
        hold: Hold | None,
    ) -> Case:
        """Return the case with other statuses: what ``replace`` does, in half the time."""
        whose = self.case_id, self.case_status, self.case_group, self.closed, self.closed_on
        who = self.zip_code, self.plaintiff, self.phones
        return Case(*whose, *who, statuses, dial_at, changed_at, hold, self.priority)

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

    @property
    def shown(self) -> ShownCase:
        """Return what a dialer is shown of it."""
        kinds = StatusType.DIALER, StatusType.CAMPAIGN, StatusType.ATTEMPTS, StatusType.DISPOSITION
        dialer, campaign, attempts, last = (found.id if (found := self.statuses.get(kind)) else None for kind in kinds)
        told = self.case_id, self.case_status, self.zip_code, self.phones
        return ShownCase(*told, dialer, campaign, attempts, last, self.dial_at)

    def each_phone(self) -> Iterator[Phone]:
        """Yield the phones in the order of entry, without gaps.

        A cell that holds several numbers is as many phones, of which the first may be primary.
        """
        return _each(self.phones)

    def name_of(self, kind: StatusType) -> str:
        """Return the name of its status of a type, "" where it has none."""
        status = self.statuses.get(kind)
        return status.name if status else ""

    @property
    def voice_phones(self) -> list[Phone]:
        """Return the phones a person may answer, primary first, then as entered: no gap, no fax."""
        return voice_phones(self.phones)

    @property
    def numbers(self) -> list[str]:
        """Return that by which the case is found: the number of each of its phones, once, faxes aside."""
        return [key for key in dict.fromkeys(read(phone.number).key for phone in self.voice_phones) if key]


class StatusChange(NamedTuple):
    """One change of one status type of one case; ``status`` None means that it was cleared.

    The status lasts from ``changed_at`` until the next change of the same type. ``claim_id`` is the claim that the
    change opened or that held the case before it; ``why`` is there where nobody asked for the change of this very case.
    """

    case_id: int
    type: StatusType
    status: Status | None
    dial_at: datetime | None
    changed_at: datetime
    actor: Actor
    claim_id: UUID | None = None
    why: Why | None = None

    @property
    def changed_by(self) -> str:
        """Return the name of who made it."""
        return self.actor.name

    @property
    def reason(self) -> str | None:
        """Return why it was made, to be read."""
        return self.why.text if self.why else None

    @property
    def reason_code(self) -> ReasonCode | None:
        """Return why it was made, to go by."""
        return self.why.code if self.why else None


@dataclass(frozen=True, slots=True)
class PriorityChange:
    """One change of the priority of a case."""

    case_id: int
    before: int
    after: int
    changed_at: datetime
    actor: Actor

    @property
    def changed_by(self) -> str:
        """Return the name of who made it."""
        return self.actor.name


def changes_of_priority(changed: Iterable[tuple[Case, Case]], by: Actor, now: datetime) -> list[PriorityChange]:
    """Return what became of the priorities of cases, each as it was and as it is left."""
    return [
        PriorityChange(after.case_id, before.priority, after.priority, now, by)
        for before, after in changed
        if before.priority != after.priority
    ]


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a case: plain text, who left it, and when."""

    case_id: int
    text: str
    actor: Actor
    created_at: datetime

    @property
    def author(self) -> str:
        """Return the name of who left it."""
        return self.actor.name
