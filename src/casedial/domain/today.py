"""The live picture of a firm's lists: what each campaign has, what became of it today, what needs a person's eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from casedial.domain.firms import Firm
from casedial.domain.searching import Capped
from casedial.domain.statuses import Status


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many cases of a campaign wait, by what they wait for: of one moment, and counted by one query."""

    due: Capped  # and looked at by claims
    held_back: Capped
    later: Capped  # due before the day ends
    dialing: Capped

    @property
    def total(self) -> int:
        """Return how many these are."""
        return sum(one.number for one in (self.due, self.held_back, self.later, self.dialing))


@dataclass(frozen=True, slots=True)
class Reason:
    """What holds cases back, by the first check that they do not pass: how many, where most are and until when."""

    name: str
    cases: int
    place: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """What cases were found to be held back by that are due: of so many that were looked at."""

    reasons: Sequence[Reason] = ()
    looked_at: int = 0
    not_callable: int = 0  # of those that claims look at
    idle: bool = False  # some may be called, and might have been for ten minutes


@dataclass(slots=True)
class Reports:
    """What dialers reported of a campaign today: attempts, those who were reached, and how often each disposition."""

    calls: int = 0
    reached: int = 0
    dispositions: dict[int, int] = field(default_factory=dict)  # by the id of the status


@dataclass(frozen=True, slots=True)
class LastClaim:
    """When cases of a campaign were last claimed, and by whom."""

    at: datetime
    vendor: str


@dataclass(frozen=True, slots=True)
class Band:
    """A campaign today; None stands for the cases that are in none."""

    campaign: Status | None
    waiting: Waiting
    why: Why
    reports: Reports
    last_claim: LastClaim | None

    @property
    def callable(self) -> Capped:
        """Return how many may be called now, for all that is known."""
        return Capped(max(0, self.waiting.due.number - self.why.not_callable), self.waiting.due.is_more)

    @property
    def held_back(self) -> Capped:
        """Return how many are due and may not be called: with those that may, all that are due."""
        kept = self.waiting.held_back
        return Capped(kept.number + self.waiting.due.number - self.callable.number, kept.is_more)


class AlertKind(StrEnum):
    """What needs a person's eye, the most urgent first."""

    IDLE = "idle"  # nothing is claimed, though cases may be called
    ANSWERED = "answered"  # and nobody finished them
    RAN_OUT = "ran out"
    REFUSED = "refused"  # reports
    KEY_ENDS = "key ends"
    SERVER = "server"  # what doctor warns of
    RULES = "rules"  # are old


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that needs a person's eye: how many, since or until when, and of what."""

    kind: AlertKind
    number: int = 0
    at: datetime | None = None
    subject: str = ""  # a campaign, a vendor, a check of doctor
    id: int | None = None


MOST_ALERTS = 5
NEXT_HOURS = 12


@dataclass(frozen=True, slots=True)
class Hour:
    """How many cases become callable in an hour, for all that is known."""

    begins: datetime
    cases: Capped


@dataclass(frozen=True, slots=True)
class Board:
    """The live picture of a firm at one moment.

    ``is_counting``: reports of today are still being gone through; ``is_looking``: it is not known yet which of the due
    cases may be called, what needs an eye, and what the next hours bring.
    """

    firm: Firm
    at: datetime
    bands: Sequence[Band]
    alerts: Sequence[Alert]
    hours: Sequence[Hour]
    is_counting: bool
    is_looking: bool
    names: Mapping[int, str] = field(default_factory=dict)  # of dispositions
