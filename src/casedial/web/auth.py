"""X-ApiKey to caller. The key alone selects the firm, and may be limited [specification: Header]."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from litestar.types import HTTPScope

from casedial.domain.cases import Caller, CasesUnreadable, Firm, StatusesStale
from casedial.domain.errors import (
    FirmNotFound,
    KeyMistyped,
    KeyRevoked,
    KeyUnknown,
    RateLimited,
    ScopeNotAllowed,
    StorageUnavailable,
)
from casedial.domain.keys import Scope
from casedial.service import calling
from casedial.service.keys import digest
from casedial.storage import firms, keys, rates
from casedial.storage.engine import Store
from casedial.storage.joining import Batch, Joined
from casedial.web.exchange import KeyStale, sent
from casedial.web.observe import note_damage

_TOGETHER = 500  # keys in one look-up
_TRIES = 5  # of a request that meets a status which was added after its firm was read

T = TypeVar("T")


class Authenticator:
    """Finds who calls.

    The key is looked up for every request, so that a revoked one is refused at once by every worker. The
    same look-up brings the firm's version, and a firm is read again only when that has moved: a renamed
    status is seen by the next request.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: Joined[bytes, keys.KeyRecord | None] = Joined(self._find, _TOGETHER, at_once=3)
        self._firms: dict[int, tuple[int, Firm]] = {}
        self._rates = Rates(store)
        self._noted: dict[int, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def identify(self, scope: HTTPScope, now: datetime, again: bool = False) -> Caller:
        """Return the caller; ``again`` for the second time within one request, which counts once.

        Raises KeyMissing, KeyMistyped, KeyUnknown, KeyRevoked, KeyExpired, AddressNotAllowed or RateLimited.
        """
        given = set(sent(scope, b"x-apikey"))
        if len(given) > 1:
            raise KeyMistyped("X-ApiKey was sent more than once, with different values.")
        wanted = digest(next(iter(given), ""))
        self._rates.check(wanted)
        key = await self._found.ask(wanted)
        if key is None:
            raise _unknown()
        if key.revoked_at:
            raise KeyRevoked("This key was revoked; ask the firm for a new one.")
        client = scope["client"]
        key.limits.admit(client[0] if client else None, now)
        firm = await self._firm(key.firm_id, key.firm_version)
        if key.limits.rate_limit and not again:
            await self._rates.count(wanted, key.id, key.limits.rate_limit)
        self._note_use(key, now)
        return Caller(firm, key.vendor, key.id, key.limits)

    async def _find(self, batch: Batch[bytes, keys.KeyRecord | None]) -> list[keys.KeyRecord | BaseException | None]:
        """Look up the keys of all requests that wait: there may be many, and few keys. One that is bad is alone so."""
        asked = batch.all()
        async with self._store.look() as tx:
            found = await keys.find(tx, set(asked))
        unreadable = {wanted for wanted, key in found.items() if key is None}
        return [_unreadable() if wanted in unreadable else found.get(wanted) for wanted in asked]

    async def while_fresh(self, scope: HTTPScope, caller: Caller, work: Callable[[Caller], Awaitable[T]]) -> T:
        """Do ``work`` for a caller, again with key and firm read anew where it raises StatusesStale or KeyStale.

        So a status that is added between the reading of the firm and of a case is no fault, and a key that is revoked
        while its request waits is refused. Due cases that cannot be read are set aside first. Raises StorageUnavailable
        when that goes on.
        """
        for _ in range(_TRIES):
            try:
                return await work(caller)
            except (StatusesStale, KeyStale):
                caller = await self.identify(scope, datetime.now(UTC), again=True)
            except CasesUnreadable as found:
                for damage in await calling.set_aside(self._store, caller.firm, found.case_ids, datetime.now(UTC)):
                    note_damage(damage)
        raise StorageUnavailable("The firm or the key is being changed; try again.")

    def _note_use(self, key: keys.KeyRecord, now: datetime) -> None:
        """Note the use of a key about once a minute, behind the request: no reader waits for this write."""
        last = self._noted.get(key.id) or key.last_used_at
        if last is None or now - last >= keys.LAST_USE_PRECISION:
            self._noted[key.id] = now
            note = asyncio.create_task(self._touch(key.id, now))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def _touch(self, key_id: int, now: datetime) -> None:
        with suppress(StorageUnavailable):  # the next use will be noted
            await self._store.transact(lambda tx: keys.touch(tx, key_id, now), cases=1)

    async def close(self) -> None:
        """Wait for what is still to be noted."""
        await asyncio.gather(*self._notes)

    async def _firm(self, firm_id: int, version: int) -> Firm:
        """Return a firm as it is at this version, or as it is later."""
        cached = self._firms.get(firm_id)
        if cached is None or cached[0] != version:
            try:
                async with self._store.read() as tx:
                    cached = self._firms[firm_id] = await firms.load(tx, firm_id)
            except FirmNotFound:  # its keys went with it, in one transaction
                raise _unknown() from None
        return cached[1]


def _unreadable() -> RuntimeError:
    return RuntimeError("The row of a key cannot be read.")


def _unknown() -> KeyUnknown:
    return KeyUnknown("No firm of this server knows this key.")


def require(caller: Caller, *scopes: Scope) -> None:
    """Raise ScopeNotAllowed for a caller who has none of these."""
    if caller.scopes.isdisjoint(scopes):
        raise ScopeNotAllowed(f"This needs a key with the scope {' or '.join(scopes)}; ask the firm for it.")


class Rates:
    """Counts the requests of keys that have a rate limit, over all servers of the database.

    A minute that is used up is remembered here: what comes within it is refused without asking the database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used_up: dict[bytes, float] = {}  # the digest of a key, until when by the monotonic clock

    def check(self, key: bytes) -> None:
        """Raise RateLimited for a key whose minute is known to be used up."""
        until = self._used_up.get(key)
        if until is None:
            return
        left = until - time.monotonic()
        if left > 0:
            raise _limited(left)
        del self._used_up[key]

    async def count(self, key: bytes, key_id: int, limit: int) -> None:
        """Count a request. Raises RateLimited for one more than the limit of this minute."""
        requests, left = await self._store.transact(lambda tx: rates.count(tx, key_id), cases=1)
        if requests > limit:
            self._used_up[key] = time.monotonic() + left
            raise _limited(left)


def _limited(seconds: float) -> RateLimited:
    wait = max(1, math.ceil(seconds))
    return RateLimited(f"This key has used up its requests of this minute; try again in {wait} s.", wait)
