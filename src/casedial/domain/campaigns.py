"""What a firm decides for one campaign."""

from __future__ import annotations

from dataclasses import dataclass

from casedial.domain.rules import Override, Purpose


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign's settings. ``claim_timeout`` is in seconds, 0 for never, None for the firm's own.

    ``hours`` are the campaign's own, within those of the rules or, with a reason, wider.
    """

    claim_timeout: int | None = None
    purpose: Purpose = Purpose.NONE
    paused: bool = False
    hours: tuple[Override, ...] = ()

    @property
    def is_judged(self) -> bool:
        """Tell whether a case of it may be due and yet not callable."""
        return self.paused or self.purpose is not Purpose.NONE


UNDECIDED = Campaign()
