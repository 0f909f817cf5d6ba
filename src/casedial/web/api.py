"""The five methods over HTTP: read with wire, open a transaction, ask service, render, commit, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from litestar import HttpMethod, Request, Response, route
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import HTTPRouteHandler

from casedial.domain.cases import Caller, StatusesStale
from casedial.domain.errors import CasedialError, MalformedDocument, MethodNotAllowed, PathNotFound
from casedial.service import dialing
from casedial.storage.engine import Store, Transaction
from casedial.web.auth import Authenticator
from casedial.web.observe import PARTIAL, RequestRecord
from casedial.web.problems import ignored_names, problem
from casedial.wire import requests
from casedial.wire.documents import Document, read_document
from casedial.wire.replies import WriteReply, case_reply, encode, write_reply

T = TypeVar("T")

READ = ("GET", "POST")
WRITE = ("POST", "PUT")


@dataclass(slots=True)
class Reply:
    """An answer rendered inside its transaction; ``failure`` is the first error of a write that wholly failed."""

    body: bytes
    cases: int
    claimed: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    partial: bool = False
    failure: CasedialError | None = None
    write: WriteReply | None = None


Work = Callable[[Transaction], Awaitable[Reply]]
Perform = Callable[[Caller, Document, datetime], tuple[bool, Work]]


def _get_cases_to_dial(caller: Caller, document: Document, now: datetime) -> tuple[bool, Work]:
    query, cut = requests.dial_query(document, caller.firm)

    async def work(tx: Transaction) -> Reply:
        cases = await dialing.get_cases_to_dial(tx, caller, query, now)
        body = encode([case_reply(case, caller.firm.zone) for case in cases])
        headers = {"X-Records-Limit": str(query.records)} if cut else {}
        return Reply(body, len(cases), len(cases) if query.auto_change else 0, headers)

    return query.auto_change, work


def _get_case_info(caller: Caller, document: Document, now: datetime) -> tuple[bool, Work]:
    case_id = requests.case_info(document)

    async def work(tx: Transaction) -> Reply:
        case = await dialing.get_case_info(tx, caller, case_id)
        return Reply(encode(case_reply(case, caller.firm.zone)), 1)

    return False, work


def _update_case_status(caller: Caller, document: Document, now: datetime) -> tuple[bool, Work]:
    batch = requests.case_updates(document, caller.firm.zone)

    async def work(tx: Transaction) -> Reply:
        outcomes = await dialing.update_case_status(tx, caller, batch.items, now)
        return _write(batch.echoes, outcomes)

    return True, work


def _add_case_note(caller: Caller, document: Document, now: datetime) -> tuple[bool, Work]:
    batch = requests.case_notes(document)

    async def work(tx: Transaction) -> Reply:
        outcomes = await dialing.add_case_note(tx, caller, batch.items, now)
        return _write(batch.echoes, outcomes)

    return True, work


def _add_case_note_by_phone(caller: Caller, document: Document, now: datetime) -> tuple[bool, Work]:
    number, text = requests.note_by_phone(document)

    async def work(tx: Transaction) -> Reply:
        case_ids = await dialing.add_case_note_by_phone(tx, caller, number, text, now)
        return _write(case_ids, [None] * len(case_ids))

    return True, work


def _write(echoes: Sequence[object], outcomes: dialing.Outcomes) -> Reply:
    write = write_reply(echoes, outcomes)
    reply = Reply(encode(write), write.Succeeded, partial=write.Failed > 0)
    if write.Succeeded == 0:
        failures = [error for error in outcomes if error]
        first = failures[0]
        detail = first.detail if len(failures) == 1 else f"All {len(failures)} items failed, the first: {first.detail}"
        reply.failure = type(first)(detail, [bad for error in failures for bad in error.fields])
        reply.write = write
    return reply


# Each method of the specification: its verbs, and how it is performed.
METHODS: dict[str, tuple[tuple[str, ...], Perform]] = {
    "GetCasesToDial": (READ, _get_cases_to_dial),
    "GetCaseInfo": (READ, _get_case_info),
    "UpdateCaseStatus": (WRITE, _update_case_status),
    "AddCaseNote": (WRITE, _add_case_note),
    "AddCaseNoteByPhone": (WRITE, _add_case_note_by_phone),
}


class Api:
    """Answers the five methods from one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._authenticator = Authenticator(store)

    async def close(self) -> None:
        """Finish what goes on behind requests, and close the database."""
        await self._authenticator.close()
        await self._store.close()

    def routes(self, base: str) -> list[HTTPRouteHandler]:
        """Return a route for each method. Every verb leads here, so that the wrong ones are told what is right."""
        return [self._route(base, name, perform) for name, (_, perform) in METHODS.items()]

    def _route(self, base: str, name: str, perform: Perform) -> HTTPRouteHandler:
        async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
            record: RequestRecord = request.scope["casedial"]  # type: ignore[typeddict-item]
            if record.method != name:  # the framework is more generous with slashes than we are
                raise PathNotFound("There is nothing at this path; /docs lists what there is.")
            if request.method not in record.verbs:
                await _drain(request)
                raise MethodNotAllowed(f"{name} takes {' or '.join(record.verbs)}, not {request.method}.")
            return self._respond(record, await self._perform(request, record, perform))

        return route(f"{base}/{name}", http_method=list(HttpMethod))(answer)

    async def _perform(self, request: Request[Any, Any, Any], record: RequestRecord, perform: Perform) -> Reply:
        now = datetime.now(UTC)
        try:
            caller = await self._authenticator.identify(request, now)
        except CasedialError:
            await _drain(request)
            raise
        record.firm, record.key = caller.firm.id, caller.key_id
        document = await _read(request)
        record.ignored = document.ignored
        writes, work = perform(caller, document, now)
        try:
            return await self._run(writes, work)
        except StatusesStale:  # a status was added between reading the firm and reading the case
            _, work = perform(await self._authenticator.identify(request, now), document, now)
            return await self._run(writes, work)

    async def _run(self, writes: bool, work: Work) -> Reply:
        if writes:
            return await self._store.transact(work)
        async with self._store.read() as tx:
            return await work(tx)

    def _respond(self, record: RequestRecord, reply: Reply) -> Response[bytes]:
        record.cases, record.claimed = reply.cases, reply.claimed
        if reply.partial:
            record.outcome = PARTIAL
        if reply.failure:
            return problem(record, reply.failure, reply.headers, reply.write)
        headers = {**reply.headers, **ignored_names(record)}
        return Response(reply.body, status_code=200, headers=headers, media_type="application/json")


async def _drain(request: Request[Any, Any, Any]) -> None:
    """Read a body that does not matter any more: left unread, it would end the client's connection."""
    with suppress(HTTPException):
        await request.body()


async def _read(request: Request[Any, Any, Any]) -> Document:
    """Read a request. Raises MalformedDocument, also for a body that ends before its time."""
    try:
        body = await request.body()
    except InternalServerException:  # so the framework calls a client that went away
        raise MalformedDocument("The body ended before it was whole, or its chunks are garbled.") from None
    return read_document(request.scope["query_string"], body, request.headers.get("content-type", ""))
