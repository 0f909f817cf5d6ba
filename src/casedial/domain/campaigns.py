"""What a firm decides for one campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from casedial.domain.limits import Limit
from casedial.domain.rules import Override, Purpose


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again after a disposition: ``after`` that time, ``at_most`` so often, then Do not Dial."""

    after: timedelta
    at_most: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign's settings. ``claim_timeout`` is in seconds, 0 for never, None for the firm's own.

    ``hours`` are the campaign's own, within those of the rules or, with a reason, wider; ``limits`` count besides those
    of the rules; ``retries`` are by the id of a disposition.
    """

    claim_timeout: int | None = None
    purpose: Purpose = Purpose.NONE
    paused: bool = False
    hours: tuple[Override, ...] = ()
    limits: tuple[Limit, ...] = ()
    retries: Mapping[int, Retry] = field(default_factory=dict)

    @property
    def is_judged(self) -> bool:
        """Tell whether a case of it may be due and yet not callable."""
        return self.paused or self.purpose is not Purpose.NONE


UNDECIDED = Campaign()
