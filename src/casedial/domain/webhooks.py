"""Webhooks: where a firm's own systems want to be told of what happened, and how that is signed and tried again.

The form is that of Standard Webhooks (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from casedial.domain.errors import InvalidSetting

SECRET_BYTES = 32
TEST = "webhook.test"  # the type of a message that tells of nothing
TRIED_FOR = timedelta(days=1)  # before a message is laid aside
KEPT_DEAD = timedelta(days=30)  # for which it can be replayed
MAX_OVERLAP = timedelta(days=30)
MAX_WEBHOOKS = 20  # of a firm
_PREFIX = "whsec_"
_SECONDS = (5, 30, 120, 600, 1800, 3600, 7200, 14400)  # between two tries; the last one again and again
_JITTER = 0.2  # of the time between two tries, to and fro


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint of a firm.

    ``kinds`` are the types of events that it wants, None is all; ``cursor`` is the place in the feed up to which there
    are deliveries. ``secrets`` sign, the newest first; a second one does so until ``old_until``. ``failing_since`` is
    when its first try failed since the last one that did not; ``disabled_at`` when it said that it is gone.
    """

    id: int
    firm_id: int
    url: str
    kinds: frozenset[str] | None
    cursor: str
    secrets: tuple[bytes, ...] = field(repr=False)
    old_until: datetime | None
    made_at: datetime
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    error: str = ""
    error_at: datetime | None = None
    delivered_at: datetime | None = None
    delivered: int = 0  # messages since it was made

    @property
    def state(self) -> str:
        """Say how it stands: active, failing, or gone."""
        if self.disabled_at:
            return "gone"
        return "failing" if self.failing_since else "active"

    def wants(self, kind: str) -> bool:
        """Tell whether it wants events of this type."""
        return self.kinds is None or kind in self.kinds

    def signing(self, now: datetime) -> tuple[bytes, ...]:
        """Return the secrets that sign at this time."""
        return self.secrets if self.old_until and now < self.old_until else self.secrets[:1]


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that is to be delivered; ``case_id`` None is about no case. ``message`` is its id outside."""

    message: UUID
    kind: str
    case_id: int | None
    happened_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that waits, or was laid aside at ``dead_at``. ``queued_at`` begins the day in which it is tried."""

    id: int
    webhook_id: int
    queued: Queued
    queued_at: datetime
    attempts: int
    next_at: datetime
    error: str = ""
    tried_at: datetime | None = None
    dead_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint stands: messages that wait and that were laid aside, and when the oldest that waits happened."""

    waiting: int = 0
    oldest: datetime | None = None
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try: the status that an endpoint answered with, or why there was none, in words."""

    status: int | None
    error: str = ""
    seconds: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Tell whether the endpoint has the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Tell whether it wants no message any more."""
        return self.status == 410

    @property
    def told(self) -> str:
        """Say what came of it."""
        if self.status is None:
            return self.error
        if 300 <= self.status < 400:
            return f"it answered {self.status}, and redirects are not followed"
        return f"it answered {self.status}"


class Post(Protocol):
    """What brings a message to an endpoint; whatever happens to it is an answer."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Awaitable[Answer]:
        """Send a POST."""


def written_secret(secret: bytes) -> str:
    """Write a secret as its holder gets it."""
    return _PREFIX + base64.b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """Read what ``written_secret`` wrote. Raises InvalidSetting."""
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(_PREFIX) or not 24 <= len(found) <= 64:
        raise InvalidSetting("A secret is whsec_ and 24 to 64 bytes in Base64.")
    return found


def headers(secrets: Sequence[bytes], message: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of a message, which prove who sends it to each who knows one of the secrets."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((message.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(secret, signed, sha256)).decode() for secret in secrets)
    return {
        "content-type": "application/json",
        "user-agent": "casedial",
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def message_id(message: UUID) -> str:
    """Return how a message is called outside: alike at every try, so that who gets it twice knows."""
    return f"msg_{message.hex}"


def next_try(attempts: int, queued_at: datetime, now: datetime, chance: float) -> datetime | None:
    """Return when a message is tried again after so many attempts; None where the day is over.

    ``chance`` is 0 to 1: what fails together is not tried together. The last try is at the end of the day.
    """
    end = queued_at + TRIED_FOR
    if now >= end:
        return None
    seconds = _SECONDS[min(attempts, len(_SECONDS)) - 1]
    return min(now + timedelta(seconds=seconds * (1 + _JITTER * (2 * chance - 1))), end)
