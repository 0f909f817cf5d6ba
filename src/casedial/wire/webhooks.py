"""The bodies of webhooks: an event as the feed has it, with its type and its time around it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from casedial.domain.feed import FeedEvent
from casedial.domain.firms import Firm
from casedial.domain.webhooks import TEST, Webhook
from casedial.wire.v1.feed import feed_event
from casedial.wire.values import instant


def event_body(event: FeedEvent, firm: Firm) -> str:
    """Return the body of a message of an event, as JSON."""
    return _body(event.kind, event.at, feed_event(event, firm.zone))


def trial_body(webhook: Webhook, now: datetime) -> str:
    """Return the body of a message that tells of nothing."""
    return _body(TEST, now, {"webhook": webhook.id})


def _body(kind: str, at: datetime | None, data: object) -> str:
    return msgspec.json.encode({"type": kind, "timestamp": instant(at), "data": data}).decode()
