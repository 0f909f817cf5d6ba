"""Webhooks: mint secrets, open an endpoint, put in line what it wants, and record what came of a try."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from casedial.database.engine import Transaction
from casedial.domain.destinations import read_destination
from casedial.domain.errors import InvalidSetting, WebhookNotFound
from casedial.domain.firms import Firm
from casedial.domain.webhooks import (
    MAX_OVERLAP,
    MAX_WEBHOOKS,
    SECRET_BYTES,
    TRIED_FOR,
    Answer,
    Delivery,
    Queued,
    Webhook,
    next_try,
    written_secret,
)
from casedial.storage import firms, webhooks

AT_ONCE = 200  # events of the feed that are put in line in a transaction
MOST_WAITING = 5000  # messages of an endpoint in line: what comes behind stays in the feed
_RECOVERED = timedelta(minutes=1)  # of failures, after which all that waits is tried at once
DELIVERED, FAILED, DEAD, GONE = "delivered", "failed", "dead", "gone"


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with a secret just made: the only time that it is shown.

    ``old_until`` is until when the one before it signs, too.
    """

    webhook: Webhook
    secret: str
    old_until: datetime | None = None


async def open_webhook(tx: Transaction, webhook_id: int, firm_id: int | None = None) -> Webhook:
    """Return an endpoint, held; of a firm, where one is given. Raises WebhookNotFound."""
    found = await webhooks.find(tx, webhook_id, lock=True)
    if found is None or firm_id not in (None, found.firm_id):
        raise WebhookNotFound(f"There is no webhook {webhook_id}; casedial webhook list shows all of them.")
    return found


async def roll(tx: Transaction, webhook: Webhook, overlap: timedelta, now: datetime) -> NewSecret:
    """Make a new secret; the one that was the newest signs for the overlap, too, and no older one.

    Raises InvalidSetting.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidSetting(f"An overlap is 0 to {MAX_OVERLAP.days} days.")
    secret, until = secrets.token_bytes(SECRET_BYTES), now + overlap if overlap else None
    old = webhook.secrets[0] if until else None
    await webhooks.change(tx, webhook.id, {"secret": secret, "old_secret": old, "old_until": until})
    return NewSecret(webhook, written_secret(secret), until)


async def record(
    tx: Transaction, webhook: Webhook, delivery: Delivery, answer: Answer, chance: float
) -> str:
    """Store what came of a try; return what that is called. ``chance`` is 0 to 1."""
    now, clock = tx.now(), await tx.clock()
    if answer.is_taken:
        await webhooks.delivered(tx, webhook.id, delivery.id, now)
        if webhook.failing_since and clock - webhook.failing_since > _RECOVERED:
            await webhooks.call_up(tx, webhook.id, clock)
        return DELIVERED
    next_at = next_try(delivery.attempts + 1, delivery.queued_at, clock, chance)
    await webhooks.failed(tx, delivery, answer.told, now, clock, next_at)
    if answer.is_gone:
        await webhooks.change(tx, webhook.id, {"disabled_at": now})
        return GONE
    if webhook.failing_since and clock - webhook.failing_since >= TRIED_FOR:
        await webhooks.lay_aside(tx, webhook.id, clock - TRIED_FOR, clock)
    return FAILED if next_at else DEAD
