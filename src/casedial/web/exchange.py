"""One request as it was read, and its reply as it is before its transaction ends: rendered, so that it can be kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from litestar.types import HTTPScope, Receive

from casedial.domain.cases import Caller
from casedial.domain.refused import Refusal
from casedial.web.observe import SUCCESS
from casedial.wire import requests, values
from casedial.wire.documents import Document


def sent(scope: HTTPScope, name: bytes) -> tuple[str, ...]:
    """Return the values of a header, as often as it was sent."""
    return tuple(value.decode("latin-1") for given, value in scope["headers"] if given.lower() == name)


class KeyStale(Exception):
    """The key of a request that waited is not what it was when the request came; it has to be looked up again."""


class Departure:
    """Whether a client has left, whose request was read: hung up, or closed its sending side.

    What it would be told then is lost: the server library closes a connection whose other end sends no more.
    """

    def __init__(self, receive: Receive) -> None:
        self._left = asyncio.ensure_future(receive())

    def is_over(self) -> bool:
        """Tell whether it has left."""
        return self._left.done() and not self._left.cancelled() and self._left.exception() is None

    async def wait(self) -> None:
        """Return when it has left."""
        await asyncio.shield(self._left)

    def forget(self) -> None:
        """Look no more."""
        self._left.cancel()


def is_strict(scope: HTTPScope) -> bool:
    """Tell whether a client wants unknown parameters refused. Raises InvalidParameter or ConflictingParameter."""
    return requests.header("X-Strict", sent(scope, b"x-strict"), values.boolean) or False


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, for what, and when; ``claim_header`` is X-Claim-Id and ``seconds_header`` X-Claim-Seconds, as sent.

    ``identified_at`` is when the caller was looked up, by the monotonic clock.
    """

    caller: Caller
    document: Document
    now: datetime
    request_id: str
    claim_header: tuple[str, ...] = ()
    seconds_header: tuple[str, ...] = ()
    identified_at: float = field(default_factory=time.monotonic)

    @property
    def claim_id(self) -> UUID | None:
        """Return the claim under which the caller writes. Raises InvalidParameter or ConflictingParameter."""
        return requests.header("X-Claim-Id", self.claim_header, values.claim_id)

    @property
    def claim_seconds(self) -> int | None:
        """Return the lease that a claim asks for. Raises InvalidParameter or ConflictingParameter."""
        return requests.header("X-Claim-Seconds", self.seconds_header, values.lease_seconds)


@dataclass(slots=True)
class Reply:
    """What goes to the client, and what the log and the metrics say of it."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    outcome: str = SUCCESS
    cases: int = 0
    claimed: int = 0
    claimed_in: frozenset[int | None] = frozenset()  # campaigns; None is that of cases that are in none
    refused: tuple[Refusal, ...] = ()  # reports, where it answers an update
