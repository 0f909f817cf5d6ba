"""What a firm decided for one campaign. Whoever changes it also calls ``firms.change``."""

from __future__ import annotations

import sqlalchemy as sa

from casedial.storage.engine import Transaction
from casedial.storage.tables import campaigns, statuses


async def timeouts(tx: Transaction, firm_id: int) -> dict[int, int]:
    """Return the claim timeouts of a firm's campaigns that have one of their own, by the campaign's id."""
    query = (
        sa.select(campaigns.c.status_id, campaigns.c.claim_timeout)
        .join_from(campaigns, statuses)
        .where(statuses.c.firm_id == firm_id, campaigns.c.claim_timeout.is_not(None))
    )
    return {row.status_id: row.claim_timeout for row in await tx.execute(query)}


async def change(tx: Transaction, campaign_id: int, **values: int | None) -> None:
    """Change columns of a campaign, which has no row until something was decided for it."""
    changed = await tx.execute(campaigns.update().where(campaigns.c.status_id == campaign_id).values(**values))
    if not changed.rowcount:
        await tx.execute(campaigns.insert().values(status_id=campaign_id, **values))
