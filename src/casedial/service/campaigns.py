"""Campaigns: what a firm decides for one that differs from the firm as a whole.

A campaign is a status of the type Campaign Status; ``casedial status`` adds, renames and retires it.
"""

from __future__ import annotations

from casedial.domain.cases import Firm, StatusType
from casedial.service.firms import checked_timeout
from casedial.storage import campaigns, firms
from casedial.storage.engine import Transaction


async def set_campaign(tx: Transaction, firm: Firm, name: str, claim_timeout: int | None) -> Firm:
    """Set a campaign's claim timeout in seconds, 0 for never, None for the firm's own.

    Wants the firm opened with ``lock=True``. Raises StatusNotFound or InvalidSetting.
    """
    campaign = firm.statuses.named(StatusType.CAMPAIGN, name)
    seconds = None if claim_timeout is None else checked_timeout(claim_timeout)
    await campaigns.change(tx, campaign.id, claim_timeout=seconds)
    await firms.change(tx, firm.id)
    return (await firms.load(tx, firm.id))[1]
