"""X-ApiKey to caller. The key alone selects the firm, and may be limited [specification: Header]."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from litestar.types import HTTPScope

from casedial.database.engine import Store
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.cases import CasesUnreadable
from casedial.domain.errors import (
    FirmNotFound,
    KeyMistyped,
    KeyRevoked,
    KeyUnknown,
    NotAllowed,
    NotAuthenticated,
    RateLimited,
    ScopeNotAllowed,
    StorageUnavailable,
)
from casedial.domain.firms import Caller, CallerStale, Firm
from casedial.domain.keys import KeyRecord, Scope
from casedial.domain.statuses import StatusesStale
from casedial.joining import Batch, Joined
from casedial.service.keys import digest
from casedial.service.operations import callers, holding_back
from casedial.service.operations.callers import MINUTE
from casedial.web.exchange import sent
from casedial.web.observe import note_damage

_TOGETHER = 500  # keys in one look-up
_TRIES = 5  # of a request that meets a status which was added after its firm was read

T = TypeVar("T")
Scopes = Collection[Scope]  # of which a caller needs one


class Authenticator:
    """Finds who calls.

    What was found of a key is remembered, and proven by the transaction of each request that goes by it: a revoked key
    is refused at once by every worker, a renamed status is seen by the next request. What is not remembered is looked
    up, and so is what would be refused by what is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: Joined[bytes, KeyRecord | None] = Joined(self._find, _TOGETHER, at_once=3)
        self._firms: dict[int, tuple[int, Firm]] = {}
        self._known: dict[bytes, tuple[KeyRecord, Caller]] = {}  # no more than there are keys
        self._rates = Rates(store)
        self._noted: dict[int, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def recall(self, scope: HTTPScope, now: datetime, scopes: Scopes) -> Caller:
        """Return the caller as it is known, who is to be proven before anything is done or told.

        Raises what ``identify`` does, and ScopeNotAllowed for one who has none of these scopes.
        """
        known = self._known.get(sha256(_key_in(scope).encode("latin-1")).digest())
        if known is None or not _is_admitted(*known, _address(scope), now, scopes):
            caller = await self.identify(scope, now)
            require(caller, scopes)
            return caller
        key, caller = known
        await self._count(key, now)
        return caller

    async def identify(self, scope: HTTPScope, now: datetime, again: bool = False) -> Caller:
        """Look up the caller; ``again`` for the second time within one request, which counts once.

        Raises KeyMissing, KeyMistyped, KeyUnknown, KeyRevoked, KeyExpired, AddressNotAllowed or RateLimited.
        """
        wanted = digest(_key_in(scope))
        self._known.pop(wanted, None)
        key = await self._found.ask(wanted)
        if key is None:
            raise _unknown()
        if key.revoked_at:
            raise KeyRevoked("This key was revoked; ask the firm for a new one.")
        key.limits.admit(_address(scope), now)
        firm = await self._firm(key.firm_id, key.firm_version)
        if not again:
            await self._count(key, now)
        caller = Caller(firm, Actor(ActorKind.KEY, key.vendor, key.id), key.limits, key.state)
        self._known[wanted] = key, caller
        return caller

    async def confirm(self, scope: HTTPScope, caller: Caller) -> None:
        """Look up a caller who was recalled. Raises what ``identify`` does, and CallerStale for one who has changed."""
        found = await self.identify(scope, self._store.now(), again=True)
        if (found.key_state, found.firm) != (caller.key_state, caller.firm):
            raise CallerStale

    async def _count(self, key: KeyRecord, now: datetime) -> None:
        """Count a request, and note the use of its key. Raises RateLimited."""
        if key.limits.rate_limit:
            await self._rates.count(key.id, key.limits.rate_limit)
        self._note_use(key, now)

    async def _find(self, batch: Batch[bytes, KeyRecord | None]) -> list[KeyRecord | BaseException | None]:
        """Look up the keys of all requests that wait: there may be many, and few keys. One that is bad is alone so."""
        asked = batch.all()
        found = await callers.find_keys(self._store, set(asked))
        unreadable = {wanted for wanted, key in found.items() if key is None}
        return [_unreadable() if wanted in unreadable else found.get(wanted) for wanted in asked]

    async def while_fresh(self, scope: HTTPScope, caller: Caller, work: Callable[[Caller], Awaitable[T]]) -> T:
        """Do ``work`` for a caller, again with key and firm read anew where it raises StatusesStale or CallerStale.

        So a status that is added between the reading of the firm and of a case is no fault, and a key that is revoked
        while its request waits is refused. Due cases that cannot be read are set aside first. Raises StorageUnavailable
        when that goes on.
        """
        for _ in range(_TRIES):
            try:
                return await work(caller)
            except (StatusesStale, CallerStale):
                caller = await self.identify(scope, self._store.now(), again=True)
            except CasesUnreadable as found:
                for damage in await holding_back.set_aside(self._store, caller.firm, found.case_ids, self._store.now()):
                    note_damage(damage)
        raise StorageUnavailable("The firm or the key is being changed; try again in a moment.")

    def _note_use(self, key: KeyRecord, now: datetime) -> None:
        """Note the use of a key about once a minute, behind the request: no reader waits for this write."""
        last = self._noted.get(key.id) or key.last_used_at
        if not callers.is_use_noted(last, now):
            self._noted[key.id] = now
            note = asyncio.create_task(self._touch(key.id, now))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def _touch(self, key_id: int, now: datetime) -> None:
        with suppress(StorageUnavailable):  # the next use will be noted
            await callers.note_use(self._store, key_id, now)

    async def close(self) -> None:
        """Wait for what is still to be noted."""
        await asyncio.gather(*self._notes)

    async def _firm(self, firm_id: int, version: int) -> Firm:
        """Return a firm as it is at this version, or as it is later."""
        cached = self._firms.get(firm_id)
        if cached is None or cached[0] != version:
            try:
                cached = self._firms[firm_id] = await callers.load_firm(self._store, firm_id)
            except FirmNotFound:  # its keys went with it, in one transaction
                raise _unknown() from None
        return cached[1]


def _unreadable() -> RuntimeError:
    return RuntimeError("The row of a key cannot be read.")


def _unknown() -> KeyUnknown:
    return KeyUnknown("No firm of this server knows this key.")


def _key_in(scope: HTTPScope) -> str:
    """Return the key that a request brings, "" without one. Raises KeyMistyped."""
    first, *others = sent(scope, b"x-apikey") or ("",)
    if any(other != first for other in others):
        raise KeyMistyped("X-ApiKey was sent more than once, with different values.")
    return first


def _address(scope: HTTPScope) -> str | None:
    client = scope["client"]
    return client[0] if client else None


def _is_admitted(key: KeyRecord, caller: Caller, address: str | None, now: datetime, scopes: Scopes) -> bool:
    """Tell whether a caller who is known would be let in."""
    try:
        key.limits.admit(address, now)
        require(caller, scopes)
    except (NotAuthenticated, NotAllowed):
        return False
    return True


def require(caller: Caller, scopes: Scopes) -> None:
    """Raise ScopeNotAllowed for a caller who has none of these."""
    if caller.scopes.isdisjoint(scopes):
        raise ScopeNotAllowed(f"This method needs a key with the scope {' or '.join(scopes)}; ask the firm for one.")


class Rates:
    """Counts the requests of keys that have a rate limit, over all servers of the database.

    A minute that is used up is remembered here: what comes within it is refused without asking the database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._used_up: dict[int, datetime] = {}  # by the id of a key, until when

    async def count(self, key_id: int, limit: int) -> None:
        """Count a request. Raises RateLimited for one more than the limit of this minute."""
        until = self._used_up.get(key_id)
        if until is not None:
            left = (until - self._store.now()).total_seconds()
            if 0 < left <= MINUTE:
                raise _limited(left)
            del self._used_up[key_id]
        requests, left = await callers.count_request(self._store, key_id)
        if requests > limit:
            self._used_up[key_id] = self._store.now() + timedelta(seconds=left)
            raise _limited(left)


def _limited(seconds: float) -> RateLimited:
    wait = max(1, math.ceil(seconds))
    return RateLimited(f"This key has used up its requests for this minute; try again in {wait} s.", wait)
