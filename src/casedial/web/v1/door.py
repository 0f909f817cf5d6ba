"""Every call below /v1: who asks, what was sent, in its turn, once for each Idempotency-Key, and the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from hashlib import sha256

from litestar.types import HTTPScope, Receive, Send

from casedial.database.engine import Store, Transaction
from casedial.database.within import Within
from casedial.domain.errors import (
    CampaignNotAllowed,
    CasedialError,
    EndedHalfway,
    FirmNotFound,
    InvalidParameter,
    InvalidSetting,
    MethodNotAllowed,
    StorageUnavailable,
    UnsupportedContentType,
)
from casedial.domain.firms import Caller, CallerStale
from casedial.service import replies
from casedial.service.operations.commands import Command
from casedial.service.operations.feed import Feed
from casedial.service.replies import REPLAYED, Once, Reply
from casedial.web.auth import require
from casedial.web.bodies import discard
from casedial.web.exchange import Departure, sent
from casedial.web.means import Means
from casedial.web.observe import RequestRecord, note_upkeep_fault
from casedial.web.problems import refusal, send_reply
from casedial.web.v1.calls import Call, Work
from casedial.web.v1.routing import Found, Route
from casedial.wire import requests, values
from casedial.wire.documents import Document, read_document

_CLOSE_SECONDS = 5.0  # that what goes on behind replies has, when the server ends


class Door:
    """Answers the calls of the firm's own systems from one store."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._behind: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """Let what goes on behind replies end, if that is soon."""
        if self._behind:
            await asyncio.wait(self._behind, timeout=_CLOSE_SECONDS)
        for task in set(self._behind):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def __call__(self, found: Found, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer a call to a path that there is, whatever its verb."""
        record: RequestRecord = scope["casedial"]  # type: ignore[typeddict-item]
        try:
            reply = await self._perform(found, record, scope, receive)
        except Exception as error:
            reply = refusal(record, error)
        await send_reply(send, record, reply)

    async def _perform(self, found: Found, record: RequestRecord, scope: HTTPScope, receive: Receive) -> Reply:
        means = self._means
        try:
            route = found.routes.get(scope["method"])
            if route is None:
                raise MethodNotAllowed(f"This path takes {' or '.join(found.verbs)}, not {scope['method']}.")
            caller = await means.authenticator.recall(scope, means.store.now(), route.scopes)
            record.firm, record.key = caller.firm.id, caller.key_id
        except CasedialError:
            await discard(scope, receive)
            raise
        body = await means.bodies.read(scope, receive)
        try:
            document = await means.turns.read(caller.key_id, len(body), partial(_document, scope, body))
            asked = _Asked(route, found, scope, record, document, len(body), means.feed, Departure(receive))
            return await means.authenticator.while_fresh(scope, caller, partial(self._answer, asked))
        finally:
            means.bodies.let_go(body)

    async def _answer(self, asked: _Asked, caller: Caller) -> Reply:
        """Read the call and do what it asks for, which proves the caller."""
        means, record = self._means, asked.record
        record.firm, record.key = caller.firm.id, caller.key_id
        try:
            work = await means.turns.read(caller.key_id, asked.size, partial(asked.work, caller, means.store.now))
            once = asked.once(caller)
        except CasedialError as error:  # of who is not proven yet
            await means.authenticator.confirm(asked.scope, caller)
            raise _meant(error) from None
        do = partial(self._do, asked.route, caller, work, once)
        try:
            reply = await means.turns.work(caller.key_id, work.cases, do)
        except FirmNotFound:  # it was renamed, or removed, since it was read
            raise CallerStale from None
        except CasedialError as error:
            raise _meant(error) from error
        if work.behind and reply.outcome != REPLAYED and reply.status < 400:
            self._go_on(work.behind)
        return reply

    async def _do(self, route: Route, caller: Caller, work: Work, once: Once | None) -> Reply:
        store, commands = self._means.store, self._means.commands
        inside: Within | None = None

        async def within(tx: Transaction) -> Reply:
            nonlocal inside
            inside = Within(store, tx)
            return await work.run(inside)

        # What it is about is told to be many cases where it may be: SQLite then lets nobody else wait with it.
        cases = max(1, work.cases) if route.changes else 0
        command = Command(caller, store.now(), within, cases, 0 if cases else work.cases, once=once)
        if route.apart:
            return await commands.execute_apart(command, partial(work.run, store))
        reply = await commands.execute(command)
        for afterwards in inside.waiting if inside else ():
            with suppress(StorageUnavailable):  # it is done, and what follows is looked at again at its own time
                await afterwards(store)
        return reply

    def _go_on(self, behind: Callable[[Store], Awaitable[object]]) -> None:
        task = asyncio.get_running_loop().create_task(_awaited(behind(self._means.store)))
        self._behind.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._behind.discard(task)
        if not task.cancelled() and (error := task.exception()):
            note_upkeep_fault("v1", error)


class _Asked:
    """A request to a route, before it is known what it means for its caller: that may have to be read again."""

    def __init__(
        self,
        route: Route,
        found: Found,
        scope: HTTPScope,
        record: RequestRecord,
        document: Document,
        size: int,
        feed: Feed,
        departure: Departure,
    ) -> None:
        self.route, self.scope, self.record, self.size = route, scope, record, size
        self._found, self._document = found, document
        self._feed, self._departure = feed, departure

    def work(self, caller: Caller, now: Callable[[], datetime]) -> Work:
        """Return what the caller asks for. Raises what is wrong with it."""
        require(caller, self.route.scopes)
        if caller.campaigns is not None:
            raise CampaignNotAllowed("This key is limited to campaigns, and what is asked for is the whole firm's.")
        client = self.scope["client"]
        address = client[0] if client else None
        asked = caller, self._document, self._found.path, now(), self.record.request_id
        call = Call(*asked, self._feed, self._departure, address)
        with self._document.read(strictly=True):
            if self.route.verb in ("GET", "DELETE"):
                call.refuse_body()
            work = self.route.read(call)
            call.finish()
        return work

    def once(self, caller: Caller) -> Once | None:
        """Return what makes a repeat of this write known, where it has an Idempotency-Key: it is the same bytes."""
        if not self.route.changes:
            return None
        key = requests.header("Idempotency-Key", sent(self.scope, b"idempotency-key"), values.idempotency_key)
        if key is None:
            return None
        whole = self.route.verb, self.scope["path"], self.scope["query_string"], self._document.text
        parts = [part.encode() if isinstance(part, str) else part for part in whole]
        fingerprint = sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).digest()
        return Once(caller.key_id, replies.digest(key), fingerprint)


async def _awaited(work: Awaitable[object]) -> object:
    return await work


def _document(scope: HTTPScope, body: bytes) -> Document:
    """Read a body, which is JSON. Raises MalformedDocument, TooManyItems or UnsupportedContentType."""
    document = read_document(scope["query_string"], body, next(iter(sent(scope, b"content-type")), ""))
    if document.form is not None:
        raise UnsupportedContentType("Send application/json; this body is of another type.")
    return document


def _meant(error: CasedialError) -> CasedialError:
    """Return what a firm's own system is told for what an operation says to people."""
    if isinstance(error, InvalidSetting):
        return InvalidParameter(error.detail, error.fields)
    if isinstance(error, EndedHalfway):
        return StorageUnavailable(f"A part of it is done; send it again for the rest. {error.detail}")
    return error
