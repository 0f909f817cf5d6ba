"""Campaigns: what a firm decides for one that differs from the firm as a whole.

A campaign is a status of the type Campaign Status; ``casedial status`` adds, renames and retires it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from casedial.domain.cases import Firm, Status, StatusType
from casedial.domain.errors import InvalidSetting
from casedial.domain.rules import Override, Purpose
from casedial.service.firms import checked_timeout
from casedial.storage import campaigns, firms
from casedial.storage.engine import Transaction

FIRMS_OWN = -1  # a claim timeout that is the firm's


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """What an operator wants of a campaign: None leaves it as it is.

    ``claim_timeout`` is in seconds, 0 for never, FIRMS_OWN for the firm's own; no ``hours`` are those of the rules.
    """

    claim_timeout: int | None = None
    purpose: Purpose | None = None
    paused: bool | None = None
    hours: Sequence[Override] | None = None

    @property
    def lets_through(self) -> bool:
        """Tell whether it may let through what is held back."""
        return self.purpose is not None or self.paused is False or self.hours is not None


async def set_campaign(tx: Transaction, firm: Firm, name: str, change: CampaignChange) -> tuple[Firm, Status]:
    """Change a campaign; every server knows it from the commit on. Return the firm after it, and the campaign.

    Wants the firm opened with ``lock=True``, and ``calling.look_again`` afterwards where it ``lets_through``. Raises
    StatusNotFound or InvalidSetting.
    """
    campaign = firm.statuses.named(StatusType.CAMPAIGN, name)
    decided = firm.campaign(campaign.id)
    if change.claim_timeout is not None:
        seconds = None if change.claim_timeout == FIRMS_OWN else checked_timeout(change.claim_timeout)
        decided = replace(decided, claim_timeout=seconds)
    if change.purpose is not None:
        wider = [own for own in decided.hours if own.wider]
        if wider and change.hours is None and change.purpose != decided.purpose:
            detail = (
                f"Its hours are wider than the rules, for the purpose {decided.purpose}: say with --hours which count."
            )
            raise InvalidSetting(detail)
        decided = replace(decided, purpose=change.purpose)
    if change.paused is not None:
        decided = replace(decided, paused=change.paused)
    if change.hours is not None:
        decided = replace(decided, hours=tuple(change.hours))
    await campaigns.change(tx, campaign.id, decided)
    await firms.change(tx, firm.id)
    return (await firms.load(tx, firm.id))[1], campaign
