"""A law firm and what it decided, and who asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import cast
from zoneinfo import ZoneInfo

from casedial.domain.actors import Actor
from casedial.domain.campaigns import UNDECIDED, Campaign
from casedial.domain.cases import PRIORITY
from casedial.domain.keys import UNLIMITED, KeyLimits, Scope
from casedial.domain.statuses import Status, Statuses

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
    second_factor: bool = False  # whether its users need one to sign in
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

    def looks_closely(self, campaign_ids: Iterable[int] | None) -> bool:
        """Tell whether due cases of these campaigns, None: of any or none, have to be looked at one by one.

        They may be held back, or have priorities.
        """
        asked = self.campaigns.keys() if campaign_ids is None else campaign_ids
        return self.has_do_not_call or len(self.priorities) > 1 or any(self.campaign(id).is_judged for id in asked)

    def campaign(self, campaign_id: int | None) -> Campaign:
        """Return what the firm decided for a campaign; None is that of a case that is in none."""
        return self.campaigns.get(campaign_id, UNDECIDED) if campaign_id is not None else UNDECIDED


class CallerStale(Exception):
    """A caller's key or firm is not what it is known as: look both up anew, and start over."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an actor, one vendor's key, which alone selects the firm.

    ``limits`` are those of the key, and ``key_state`` the state of its row in which they were read. What is known of a
    caller may be over: a transaction proves it before it does anything. Without a state there is nothing to prove.
    """

    firm: Firm
    actor: Actor
    limits: KeyLimits = UNLIMITED
    key_state: str | None = None

    @property
    def key_id(self) -> int:
        """Return the id of the key, which everybody has who asks by the API."""
        return cast(int, self.actor.id)

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
