"""The methods over HTTP: read with wire, open a transaction, ask service, render, commit, answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.exceptions import HTTPException, InternalServerException
from litestar.handlers import HTTPRouteHandler

from casedial.domain.cases import Caller, Case
from casedial.domain.claims import Claim
from casedial.domain.errors import (
    BodyTooSlow,
    CasedialError,
    MalformedDocument,
    MethodNotAllowed,
    PathNotFound,
    RequestStillRunning,
)
from casedial.domain.keys import Scope
from casedial.service import claims, dialing
from casedial.storage import idempotency
from casedial.storage.engine import Store, Transaction
from casedial.storage.idempotency import Once
from casedial.web.auth import Authenticator, require
from casedial.web.exchange import Call, Reply
from casedial.web.joint import SLOW_SECONDS, ClaimCall, JointClaims, check_fresh
from casedial.web.observe import PARTIAL, SUCCESS, RequestRecord
from casedial.web.problems import problem, respond
from casedial.web.replay import Replays
from casedial.wire import requests, values
from casedial.wire.documents import Document, read_document
from casedial.wire.replies import case_reply, encode, write_reply

READ = ("GET", "POST")
WRITE = ("POST", "PUT")

BODY_SECONDS = 30  # in which a body must have arrived
Work = Callable[[Transaction], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Job:
    """What a call asks for: whether it writes, how it is done, and what it claims that may be done with others."""

    writes: bool
    work: Work
    claims: ClaimCall | None = None


def _get_cases_to_dial(call: Call) -> Job:
    query, cut = requests.dial_query(call.document, call.caller.firm)
    if query.auto_change:
        require(call.caller, Scope.DIAL)

    def render(cases: list[Case], claim: Claim | None) -> Reply:
        body = encode([case_reply(case, call.caller.firm.zone) for case in cases])
        headers = {"X-Records-Limit": str(query.records)} if cut else {}
        if claim is None:
            return Reply(body, headers=headers, cases=len(cases))
        headers |= _claim_headers(claim)
        campaigns = frozenset(case.campaign_id for case in cases)
        return Reply(body, headers=headers, cases=len(cases), claimed=len(cases), claimed_in=campaigns)

    async def work(tx: Transaction) -> Reply:
        return render(*await dialing.get_cases_to_dial(tx, call.caller, query, call.now))

    claimant = dialing.claimant_of(call.caller, query) if query.auto_change else None
    return Job(query.auto_change, work, ClaimCall(call, claimant, render) if claimant else None)


def _claim_headers(claim: Claim) -> dict[str, str]:
    return {"X-Claim-Id": str(claim.id), **_expires(claim.expires_at)}


def _expires(at: datetime | None) -> dict[str, str]:
    return {"X-Claim-Expires": values.show_instant(at)} if at else {}


def _get_case_info(call: Call) -> Job:
    case_id = requests.case_info(call.document)

    async def work(tx: Transaction) -> Reply:
        case = await dialing.get_case_info(tx, call.caller, case_id)
        return Reply(encode(case_reply(case, call.caller.firm.zone)), cases=1)

    return Job(False, work)


def _update_case_status(call: Call) -> Job:
    fence = call.claim_id
    batch = requests.case_updates(call.document, call.caller.firm.zone)

    async def work(tx: Transaction) -> Reply:
        outcomes, opened = await dialing.update_case_status(tx, call.caller, batch.items, call.now, fence)
        headers = _claim_headers(opened[0]) if len(opened) == 1 else {}
        reply = _results(call, batch.echoes, outcomes, headers)
        return replace(reply, claimed_in=frozenset().union(*(claim.campaign_ids for claim in opened)))

    return Job(True, work)


def _add_case_note(call: Call) -> Job:
    batch = requests.case_notes(call.document)

    async def work(tx: Transaction) -> Reply:
        outcomes = await dialing.add_case_note(tx, call.caller, batch.items, call.now)
        return _results(call, batch.echoes, outcomes)

    return Job(True, work)


def _add_case_note_by_phone(call: Call) -> Job:
    number, text = requests.note_by_phone(call.document)

    async def work(tx: Transaction) -> Reply:
        case_ids = await dialing.add_case_note_by_phone(tx, call.caller, number, text, call.now)
        return _results(call, case_ids, [None] * len(case_ids))

    return Job(True, work)


def _extend_claim(call: Call) -> Job:
    request, echoes = requests.claim_request(call.document, call.claim_id, extends=True)

    async def work(tx: Transaction) -> Reply:
        outcome = await claims.extend_claim(tx, call.caller, request)
        return _results(call, echoes or outcome.case_ids, outcome.outcomes, _expires(outcome.expires_at))

    return Job(True, work)


def _release_claim(call: Call) -> Job:
    request, echoes = requests.claim_request(call.document, call.claim_id, extends=False)

    async def work(tx: Transaction) -> Reply:
        outcome = await claims.release_claim(tx, call.caller, request, call.now)
        return _results(call, echoes or outcome.case_ids, outcome.outcomes)

    return Job(True, work)


def _results(
    call: Call, echoes: Sequence[object], outcomes: dialing.Outcomes, headers: dict[str, str] | None = None
) -> Reply:
    """Render what became of each item of a write; when every item failed, as a problem document."""
    write = write_reply(echoes, outcomes)
    failures = [error for error in outcomes if error]
    if write.Succeeded or not failures:
        outcome = PARTIAL if failures else SUCCESS
        return Reply(encode(write), headers=headers or {}, cases=write.Succeeded, outcome=outcome)
    first = failures[0]
    detail = first.detail if len(failures) == 1 else f"All {len(failures)} items failed, the first: {first.detail}"
    whole = type(first)(detail, [bad for error in failures for bad in error.fields])
    return problem(whole, call.request_id, write=write)


@dataclass(frozen=True, slots=True)
class Method:
    """Its verbs, the scopes of which a caller needs one, and how it is performed."""

    verbs: tuple[str, ...]
    scopes: tuple[Scope, ...]
    perform: Callable[[Call], Job]


# Each method of the specification, and the two that we added.
METHODS: dict[str, Method] = {
    "GetCasesToDial": Method(READ, (Scope.DIAL, Scope.READ), _get_cases_to_dial),
    "GetCaseInfo": Method(READ, (Scope.READ,), _get_case_info),
    "UpdateCaseStatus": Method(WRITE, (Scope.UPDATE,), _update_case_status),
    "AddCaseNote": Method(WRITE, (Scope.NOTE,), _add_case_note),
    "AddCaseNoteByPhone": Method(WRITE, (Scope.NOTE,), _add_case_note_by_phone),
    "ExtendClaim": Method(WRITE, (Scope.DIAL, Scope.UPDATE), _extend_claim),
    "ReleaseClaim": Method(WRITE, (Scope.DIAL, Scope.UPDATE), _release_claim),
}


class Api:
    """Answers the methods from one store."""

    def __init__(self, store: Store, authenticator: Authenticator) -> None:
        self._store = store
        self._authenticator = authenticator
        self._replays = Replays(store)
        self._claims = JointClaims(store)

    async def close(self) -> None:
        """Finish what goes on behind requests, and close the database."""
        await self._authenticator.close()
        await self._store.close()

    def routes(self, base: str) -> list[HTTPRouteHandler]:
        """Return a route for each method. Every verb leads here, so that the wrong ones are told what is right."""
        return [self._route(base, name, method) for name, method in METHODS.items()]

    def _route(self, base: str, name: str, method: Method) -> HTTPRouteHandler:
        async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
            record: RequestRecord = request.scope["casedial"]  # type: ignore[typeddict-item]
            if record.method != name:  # the framework is more generous with slashes than we are
                raise PathNotFound("There is nothing at this path; /docs lists what there is.")
            if request.method not in record.verbs:
                await _drain(request)
                raise MethodNotAllowed(f"{name} takes {' or '.join(record.verbs)}, not {request.method}.")
            return respond(record, await self._perform(request, record, method))

        return route(f"{base}/{name}", http_method=list(HttpMethod))(answer)

    async def _perform(self, request: Request[Any, Any, Any], record: RequestRecord, method: Method) -> Reply:
        started, now = time.monotonic(), datetime.now(UTC)
        try:
            caller = await self._authenticator.identify(request, now)
            record.firm, record.key = caller.firm.id, caller.key_id
            require(caller, *method.scopes)
        except CasedialError:
            await _drain(request)
            raise
        document = await _read(request)
        record.ignored = document.ignored
        if time.monotonic() - started > SLOW_SECONDS:  # the key may have been revoked while the body came
            now = datetime.now(UTC)
            caller = await self._authenticator.identify(request, now, again=True)
            require(caller, *method.scopes)

        async def work(caller: Caller) -> Reply:
            call = Call(caller, document, now, record.request_id, _sent(request, b"x-claim-id"))
            return await self._run(request, record, call, method.perform(call))

        return await self._authenticator.while_fresh(request, now, caller, work)

    async def _run(self, request: Request[Any, Any, Any], record: RequestRecord, call: Call, job: Job) -> Reply:
        async def work(tx: Transaction) -> Reply:
            await check_fresh(tx, call)
            return await job.work(tx)

        if not job.writes:
            async with self._store.read() as tx:
                return await work(tx)
        once = _once(request, record, call)
        together = None
        if job.claims and job.claims.is_small:
            together = partial(self._claims.claim, replace(job.claims, once=once), request.receive)
        if once:
            return await self._replays.once(call, once, work, together)
        if together:
            with suppress(RequestStillRunning):
                return await together()
        return await self._store.transact(work)


def _once(request: Request[Any, Any, Any], record: RequestRecord, call: Call) -> Once | None:
    """Return what makes a repeat of this request known, where it has an Idempotency-Key."""
    key = requests.header("Idempotency-Key", _sent(request, b"idempotency-key"), values.idempotency_key)
    if key is None:
        return None
    # A key that was limited since then is not given what it would not get now.
    campaigns = sorted(call.caller.campaigns) if call.caller.campaigns is not None else ()
    claim = (text.strip().lower() for text in call.claim_header)
    fingerprint = call.document.fingerprint(record.method, *claim, *map(str, campaigns))
    return Once(call.caller.key_id, idempotency.digest(key), fingerprint)


def _sent(request: Request[Any, Any, Any], name: bytes) -> tuple[str, ...]:
    """Return the values of a header, as often as it was sent."""
    return tuple(value.decode("latin-1") for sent, value in request.scope["headers"] if sent.lower() == name)


async def _drain(request: Request[Any, Any, Any]) -> None:
    """Read a body that does not matter any more: left unread, it would end the client's connection."""
    with suppress(HTTPException, TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            await request.body()


async def _read(request: Request[Any, Any, Any]) -> Document:
    """Read a request. Raises MalformedDocument, also for a body that ends before its time, and BodyTooSlow."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.body()
    except TimeoutError:
        raise BodyTooSlow(f"The body must arrive within {BODY_SECONDS} seconds.") from None
    except InternalServerException:  # so the framework calls a client that went away
        raise MalformedDocument("The body ended before it was whole, or its chunks are garbled.") from None
    return read_document(request.scope["query_string"], body, request.headers.get("content-type", ""))
