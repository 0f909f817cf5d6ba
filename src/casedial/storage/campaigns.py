"""The settings of one campaign. Whoever changes it also calls ``firms.change``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import campaigns, statuses
from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.hours import Week, Window
from casedial.domain.limits import own_limit
from casedial.domain.rules import Override, Purpose


async def of_firm(tx: Transaction, firm_id: int) -> dict[int, Campaign]:
    """Return the campaigns of a firm for which something was decided, by their ids; unreadable ones are paused."""
    query = sa.select(campaigns).join_from(campaigns, statuses).where(statuses.c.firm_id == firm_id)
    found, unreadable = await tx.apart(query, None, lambda row: (row.status_id, _campaign_from(row)))
    return dict(found) | dict.fromkeys(unreadable, _UNREADABLE)


_UNREADABLE = Campaign(paused=True, unreadable=True)


def _campaign_from(row: Any) -> Campaign:
    hours = tuple(Override(_week(own["week"]), own["wider"], own["reason"], own["state"]) for own in row.hours or ())
    limits = tuple(
        own_limit(count, timedelta(seconds=seconds), conversations)
        for count, seconds, conversations in row.limits or ()
    )
    retries = {
        int(disposition): Retry(timedelta(seconds=seconds), at_most)
        for disposition, (seconds, at_most) in (row.retries or {}).items()
    }
    timeout = None if row.claim_timeout is None else int(row.claim_timeout)
    return Campaign(timeout, Purpose(row.purpose), row.paused, hours, limits, retries, row.abroad)


def _week(stored: list[list[int] | None]) -> Week:
    return tuple(Window(*day) if day else None for day in stored)


async def judged(tx: Transaction) -> list[tuple[int, int]]:
    """Return the campaigns whose due cases may not be callable, each with its firm's id first."""
    query = (
        sa.select(statuses.c.firm_id, campaigns.c.status_id)
        .join_from(campaigns, statuses)
        .where(sa.or_(campaigns.c.purpose != Purpose.NONE.value, campaigns.c.paused))
        .order_by(statuses.c.firm_id, campaigns.c.status_id)
    )
    return [(row.firm_id, row.status_id) for row in await tx.execute(query)]


async def change(tx: Transaction, campaign_id: int, campaign: Campaign) -> None:
    """Store what was decided for a campaign, which has no row until then."""
    hours = [
        {
            "week": [[day.opens, day.closes] if day else None for day in own.windows],
            "wider": own.wider,
            "reason": own.reason,
            "state": own.state,
        }
        for own in campaign.hours
    ]
    values = {
        "claim_timeout": campaign.claim_timeout,
        "purpose": campaign.purpose.value,
        "paused": campaign.paused,
        "hours": hours or None,
        "limits": [(own.count, own.span.total_seconds(), own.conversations) for own in campaign.limits] or None,
        "retries": {str(id): (retry.after.total_seconds(), retry.at_most) for id, retry in campaign.retries.items()}
        or None,
        "abroad": campaign.abroad,
    }
    changed = await tx.execute(campaigns.update().where(campaigns.c.status_id == campaign_id).values(values))
    if not changed.rowcount:
        await tx.execute(campaigns.insert().values(status_id=campaign_id, **values))
