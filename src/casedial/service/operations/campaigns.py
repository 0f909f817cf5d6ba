"""Campaigns: what a firm decides for one."""

from __future__ import annotations

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.campaigns import Campaign
from casedial.domain.firms import Firm
from casedial.domain.statuses import Status, StatusType
from casedial.service.audit import note_change
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.operations.holding_back import release_held_back
from casedial.service.operations.opening import change_firm, see_unchanged


async def change(
    store: Store, actor: Actor, firm_name: str, name: str, wanted: CampaignChange, seen: Campaign | None = None
) -> tuple[Firm, Status]:
    """Change a campaign, from the next claim on; return the firm after it, and the campaign.

    Raises FirmNotFound, StatusNotFound or InvalidSetting; and ChangedMeanwhile where its settings are not those that
    were ``seen`` any more.
    """

    async def work(tx: Transaction, firm: Firm) -> tuple[Firm, Status]:
        if seen is not None:
            see_unchanged(firm.campaign(firm.statuses.named(StatusType.CAMPAIGN, name).id), seen)
        changed, campaign = await set_campaign(tx, firm, name, wanted)
        was, now = firm.campaign(campaign.id), changed.campaign(campaign.id)
        await note_change(tx, actor, firm.id, "campaign.set", f"campaign {campaign.name}", was, now)
        return changed, campaign

    firm, campaign = await change_firm(store, firm_name, work)
    if wanted.lets_through:
        await release_held_back(store, firm.id, campaign.id)
    return firm, campaign
