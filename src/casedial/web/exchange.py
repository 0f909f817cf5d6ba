"""One request as it was read, and whether the client is still there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar.types import HTTPScope, Receive

from casedial.domain.firms import Caller
from casedial.web.observe import RequestRecord
from casedial.wire import requests, values
from casedial.wire.documents import Document


def sent(scope: HTTPScope, name: bytes) -> tuple[str, ...]:
    """Return the values of a header, as often as it was sent."""
    record: RequestRecord = scope["casedial"]  # type: ignore[typeddict-item]
    return record.headers.get(name, ())


class Departure:
    """Whether a client has left, whose request was read: hung up, or closed its sending side.

    What it would be told then is lost: the server library closes a connection whose other end sends no more.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left: asyncio.Future[Any] | None = None

    def begin(self) -> Departure:
        """Begin to look, and return itself."""
        self._left = self._left or asyncio.ensure_future(self._receive())
        return self

    def is_over(self) -> bool:
        """Tell whether it has left."""
        left = self._left
        return left is not None and left.done() and not left.cancelled() and left.exception() is None

    async def wait(self) -> None:
        """Return when it has left."""
        if self._left:
            await asyncio.shield(self._left)

    def forget(self) -> None:
        """Look no more."""
        if self._left:
            self._left.cancel()


def is_strict(scope: HTTPScope) -> bool:
    """Tell whether a client wants unknown parameters refused. Raises InvalidParameter or ConflictingParameter."""
    return requests.header("X-Strict", sent(scope, b"x-strict"), values.boolean) or False


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, for what, and when; ``claim_header`` is X-Claim-Id and ``seconds_header`` X-Claim-Seconds, as sent."""

    caller: Caller
    document: Document
    now: datetime
    request_id: str
    departure: Departure
    claim_header: tuple[str, ...] = ()
    seconds_header: tuple[str, ...] = ()

    @property
    def claim_id(self) -> UUID | None:
        """Return the claim under which the caller writes. Raises InvalidParameter or ConflictingParameter."""
        return requests.header("X-Claim-Id", self.claim_header, values.claim_id)

    @property
    def claim_seconds(self) -> int | None:
        """Return the lease that a claim asks for. Raises InvalidParameter or ConflictingParameter."""
        return requests.header("X-Claim-Seconds", self.seconds_header, values.lease_seconds)
