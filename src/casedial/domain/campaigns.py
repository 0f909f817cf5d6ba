"""What a firm decides for one campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from casedial.domain.hours import DAY_MINUTES, Window
from casedial.domain.limits import Limit
from casedial.domain.places import Place
from casedial.domain.rules import FEDERAL, Override, Purpose

_ANY_TIME = (Window(0, DAY_MINUTES),) * 7


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again after a disposition: ``after`` that time, ``at_most`` so often, then Do not Dial."""

    after: timedelta
    at_most: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign's settings. ``claim_timeout`` is in seconds, 0 for never, None for the firm's own.

    ``hours`` are the campaign's own, within those of the rules or, with a reason, wider; ``limits`` count besides those
    of the rules; ``retries`` are by the id of a disposition. ``abroad`` lets numbers of other countries be called.
    One that is ``unreadable`` is taken for paused: its settings cannot be read, so nobody is called for it
    until somebody mends it.
    """

    claim_timeout: int | None = None
    purpose: Purpose = Purpose.NONE
    paused: bool = False
    hours: tuple[Override, ...] = ()
    limits: tuple[Limit, ...] = ()
    retries: Mapping[int, Retry] = field(default_factory=dict)
    abroad: bool = False
    unreadable: bool = False

    @property
    def rules_apply(self) -> bool:
        """Tell whether it has a purpose."""
        return self.purpose is not Purpose.NONE

    @property
    def is_judged(self) -> bool:
        """Tell whether a case of it may be due and yet not callable."""
        return self.paused or self.rules_apply

    def hours_at(self, place: Place) -> tuple[Override, ...]:
        """Return its own hours at a place; abroad, where no rules hold, they stand alone."""
        if not place.is_abroad:
            return self.hours
        own = [override.windows for override in self.hours if override.state == FEDERAL]
        return tuple(Override(week, wider=True, reason="no rules apply abroad") for week in own or [_ANY_TIME])


UNDECIDED = Campaign()
