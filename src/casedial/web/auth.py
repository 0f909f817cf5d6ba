"""X-ApiKey to caller. The key alone selects the firm [specification: Header]."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

from litestar import Request

from casedial.domain.cases import Caller, Firm
from casedial.domain.errors import KeyMistyped, KeyRevoked, KeyUnknown, StorageUnavailable
from casedial.service.keys import digest
from casedial.storage import firms, keys
from casedial.storage.engine import Store, Transaction


class Authenticator:
    """Finds who calls.

    The key is looked up for every request, so that a revoked one is refused at once by every worker. The
    same look-up brings the firm's version, and a firm is read again only when that has moved: a renamed
    status is seen by the next request.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._firms: dict[int, tuple[int, Firm]] = {}
        self._noted: dict[int, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def identify(self, request: Request[Any, Any, Any], now: datetime) -> Caller:
        """Return the caller. Raises KeyMissing, KeyMistyped, KeyUnknown or KeyRevoked."""
        sent = {value.decode("latin-1") for name, value in request.scope["headers"] if name.lower() == b"x-apikey"}
        if len(sent) > 1:
            raise KeyMistyped("X-ApiKey was sent more than once, with different values.")
        wanted = digest(next(iter(sent), ""))
        async with self._store.read() as tx:
            key = await keys.find(tx, wanted)
            if key is None:
                raise KeyUnknown("No firm of this server knows this key.")
            if key.revoked_at:
                raise KeyRevoked("This key was revoked; ask the firm for a new one.")
            firm = await self._firm(tx, key.firm_id, key.firm_version)
        self._note_use(key, now)
        return Caller(firm, key.vendor, key.id)

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
            await self._store.transact(lambda tx: keys.touch(tx, key_id, now))

    async def close(self) -> None:
        """Wait for what is still to be noted."""
        await asyncio.gather(*self._notes)

    async def _firm(self, tx: Transaction, firm_id: int, version: int) -> Firm:
        cached = self._firms.get(firm_id)
        if cached is None or cached[0] != version:
            cached = self._firms[firm_id] = await firms.load(tx, firm_id)
        return cached[1]
