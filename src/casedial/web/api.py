"""The methods over HTTP: read with wire, open a transaction, ask service, render, commit, answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from litestar.types import HTTPScope, Receive, Send

from casedial.domain.cases import Caller, Case, Firm
from casedial.domain.claims import Claim, ClaimRequest
from casedial.domain.dialing import CaseUpdate, with_known_attempts
from casedial.domain.errors import (
    CallerLeft,
    CampaignNotAllowed,
    CasedialError,
    ClaimLost,
    MethodNotAllowed,
    RequestStillRunning,
)
from casedial.domain.keys import Scope
from casedial.service import claims, dialing
from casedial.storage import idempotency
from casedial.storage.engine import Store, Transaction
from casedial.storage.idempotency import Once
from casedial.storage.slices import by_slices
from casedial.web.auth import Authenticator, require
from casedial.web.bodies import Bodies, discard
from casedial.web.exchange import Call, Departure, Reply, is_strict, sent
from casedial.web.joint import SLOW_SECONDS, ClaimCall, JointClaims, check_fresh, check_keys
from casedial.web.observe import PARTIAL, SUCCESS, RequestRecord
from casedial.web.problems import problem, refusal, send_reply
from casedial.web.refused import RefusedReports, refused_items, refused_whole
from casedial.web.replay import Replays
from casedial.web.turns import Turns
from casedial.wire import requests, values
from casedial.wire.documents import read_document
from casedial.wire.replies import CaseReply, case_reply, encode, write_reply

READ = ("GET", "POST")
WRITE = ("POST", "PUT")

_SOME = 25  # cases that a claim is taken to have: how many is known when it is read
Work = Callable[[Transaction], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Job:
    """What a call asks for: how many cases it would change (0: it reads), how, and what may be done with others.

    ``shows`` is how many cases it reads at most; what is one query needs no transaction around it.
    """

    cases: int
    work: Work
    claims: ClaimCall | None = None
    shows: int = 0
    is_one_query: bool = False

    @property
    def size(self) -> int:
        """Return how many cases it is about."""
        return max(self.cases, self.shows)

    @property
    def writes(self) -> bool:
        """Tell whether it changes anything."""
        return self.cases > 0


def _get_cases_to_dial(call: Call) -> Job:
    query, cut = requests.dial_query(call.document, call.caller.firm)
    query = replace(query, seconds=call.claim_seconds)
    if query.auto_change:
        require(call.caller, Scope.DIAL)

    def show(case: Case) -> CaseReply:
        return case_reply(case, call.caller.firm.zone)

    def render(cases: list[Case], claim: Claim | None, shown: list[CaseReply] | None = None) -> Reply:
        body = encode(shown or list(map(show, cases)))
        headers = {"X-Records-Limit": str(query.records)} if cut else {}
        if claim is None:
            return Reply(body, headers=headers, cases=len(cases))
        headers |= _claim_headers(claim)
        campaigns = frozenset(case.campaign_id for case in cases)
        return Reply(body, headers=headers, cases=len(cases), claimed=len(cases), claimed_in=campaigns)

    async def work(tx: Transaction) -> Reply:
        cases, claim = await dialing.get_cases_to_dial(tx, call.caller, query, call.now)
        return render(cases, claim, [show(case) async for case in by_slices(cases)])

    claimant = None
    if query.auto_change:
        with suppress(CampaignNotAllowed):  # which is for ``work`` to raise, where it is not a repeat
            claimant = dialing.claimant_of(call.caller, query)
    joint = ClaimCall(call, claimant, render) if claimant else None
    return Job(query.records * query.auto_change, work, joint, shows=query.records)


def _claim_headers(claim: Claim) -> dict[str, str]:
    return {"X-Claim-Id": str(claim.id), **_expires(claim.expires_at)}


def _expires(at: datetime | None) -> dict[str, str]:
    return {"X-Claim-Expires": values.show_instant(at)} if at else {}


def _get_case_info(call: Call) -> Job:
    case_id = requests.case_info(call.document)

    async def work(tx: Transaction) -> Reply:
        case = await dialing.get_case_info(tx, call.caller, case_id)
        return Reply(encode(case_reply(case, call.caller.firm.zone)), cases=1)

    return Job(0, work, is_one_query=call.caller.campaigns is None)


def _update_case_status(call: Call) -> Job:
    fence, seconds = call.claim_id, call.claim_seconds
    batch = requests.case_updates(call.document, call.caller.firm.zone)
    items, limit = _within_attempts(call.caller.firm, batch.items)

    async def work(tx: Transaction) -> Reply:
        outcomes, opened = await dialing.update_case_status(tx, call.caller, items, call.now, fence, seconds)
        reply = _results(call, batch.echoes, outcomes, _claim_headers(opened[0]) if len(opened) == 1 else {})
        campaigns = frozenset().union(*(claim.campaign_ids for claim in opened))
        refused = refused_items(batch, outcomes)
        return replace(reply, headers=reply.headers | limit, claimed_in=campaigns, refused=refused)

    return Job(max(1, len(batch.items)), work)


def _within_attempts(
    firm: Firm, items: Sequence[CaseUpdate | CasedialError]
) -> tuple[list[CaseUpdate | CasedialError], dict[str, str]]:
    """Return the items with no count above the firm's highest, and the header that says where there was one."""
    known = [with_known_attempts(firm, item) if isinstance(item, CaseUpdate) else item for item in items]
    cut = any(now is not sent for now, sent in zip(known, items, strict=True))
    highest = firm.statuses.highest_count
    return known, {"X-Attempts-Limit": highest.name} if cut and highest else {}


def _add_case_note(call: Call) -> Job:
    batch = requests.case_notes(call.document)

    async def work(tx: Transaction) -> Reply:
        outcomes = await dialing.add_case_note(tx, call.caller, batch.items, call.now)
        return _results(call, batch.echoes, outcomes)

    return Job(max(1, len(batch.items)), work)


def _add_case_note_by_phone(call: Call) -> Job:
    number, text = requests.note_by_phone(call.document)

    async def work(tx: Transaction) -> Reply:
        case_ids = await dialing.add_case_note_by_phone(tx, call.caller, number, text, call.now)
        return _results(call, case_ids, [None] * len(case_ids))

    return Job(1, work)


def _extend_claim(call: Call) -> Job:
    request, echoes = requests.claim_request(call.document, call.claim_id, extends=True)

    async def work(tx: Transaction) -> Reply:
        outcome = await claims.extend_claim(tx, call.caller, request)
        return _results(call, echoes or outcome.case_ids, outcome.outcomes, _expires(outcome.expires_at))

    return Job(_SOME, work)


def _release_claim(call: Call) -> Job:
    request, echoes = requests.claim_request(call.document, call.claim_id, extends=False)

    async def work(tx: Transaction) -> Reply:
        outcome = await claims.release_claim(tx, call.caller, request, call.now)
        return _results(call, echoes or outcome.case_ids, outcome.outcomes)

    return Job(_SOME, work)


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
        self._refused = RefusedReports(store)
        self._turns = Turns(store.pool_size)
        self._bodies = Bodies()

    async def close(self) -> None:
        """Finish what goes on behind requests, and close the database."""
        await self._authenticator.close()
        await self._refused.close()
        await self._store.close()

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer a request to one of the methods, whatever its verb: the wrong ones are told what is right.

        The framework's routing and its responses would add a fifth to what a claim of one case takes.
        """
        record: RequestRecord = scope["casedial"]  # type: ignore[typeddict-item]
        try:
            reply = await self._perform(scope, receive, record)
        except Exception as error:
            reply = replace(refusal(record, error), refused=refused_whole(record, error))
        self._refused.note(record, reply.refused)
        await send_reply(send, record, reply)

    async def _perform(self, scope: HTTPScope, receive: Receive, record: RequestRecord) -> Reply:
        method = METHODS[record.method]
        started, now = time.monotonic(), datetime.now(UTC)
        try:
            if scope["method"] not in record.verbs:
                raise MethodNotAllowed(f"{record.method} takes {' or '.join(record.verbs)}, not {scope['method']}.")
            caller = await self._authenticator.identify(scope, now)
            record.firm, record.key = caller.firm.id, caller.key_id
            require(caller, *method.scopes)
        except CasedialError:
            await discard(scope, receive)
            raise
        body = await self._bodies.read(scope, receive)
        try:
            read = partial(read_document, scope["query_string"], body, _type_of(scope))
            document = await self._turns.read(caller.key_id, len(body), read)
            record.ignored = document.ignored
            if time.monotonic() - started > SLOW_SECONDS:  # the key may have been revoked while the body came
                now = datetime.now(UTC)
                caller = await self._authenticator.identify(scope, now, again=True)

            async def work(caller: Caller) -> Reply:
                require(caller, *method.scopes)
                headers = sent(scope, b"x-claim-id"), sent(scope, b"x-claim-seconds")
                call = Call(caller, document, now, record.request_id, *headers)
                job, once = await self._turns.read(caller.key_id, len(body), partial(_asked, scope, record, call))
                async with self._turns.working(caller.key_id, job.size):
                    return await self._run(call, job, once, receive)

            return await self._authenticator.while_fresh(scope, caller, work)
        finally:
            self._bodies.let_go(body)

    async def _run(self, call: Call, job: Job, once: Once | None, receive: Receive) -> Reply:
        if not job.writes:
            async with self._store.look() if job.is_one_query else self._store.read() as tx:
                await check_fresh(tx, call)
                return await job.work(tx)
        if job.claims is None:
            return await self._write(call, job, once)
        departure = Departure(receive)
        try:
            reply = await self._write(call, job, once, departure)
            if departure.is_over() and reply.claimed and once is None:  # who has an Idempotency-Key can ask again
                await self._take_back(call, reply)
                raise CallerLeft("The caller left before it could be told; what it claimed was taken back.")
            return reply
        finally:
            departure.forget()

    async def _write(self, call: Call, job: Job, once: Once | None, departure: Departure | None = None) -> Reply:
        async def work(tx: Transaction) -> Reply:
            await check_fresh(tx, call)
            reply = await job.work(tx)
            await check_keys(tx, [call])
            if departure and departure.is_over():
                raise CallerLeft("The caller left before it was done.")
            return reply

        together = None
        if job.claims and departure and job.claims.is_small:
            together = partial(self._claims.claim, replace(job.claims, once=once), departure)
        if once:
            return await self._replays.once(call, once, work, job.cases, together)
        if together:
            with suppress(RequestStillRunning):
                return await together()
        return await self._store.transact(work, job.cases)

    async def _take_back(self, call: Call, reply: Reply) -> None:
        """Return a claim that nobody was told of."""
        claim = ClaimRequest(UUID(reply.headers["X-Claim-Id"]), None)
        with suppress(ClaimLost):
            await self._store.transact(lambda tx: claims.release_claim(tx, call.caller, claim, call.now), reply.claimed)


def _asked(scope: HTTPScope, record: RequestRecord, call: Call) -> tuple[Job, Once | None]:
    """Return what a call asks for, and what makes a repeat of it known, where it is a write."""
    with call.document.read(is_strict(scope)):
        job = METHODS[record.method].perform(call)
    return job, _once(scope, record, call) if job.writes else None


def _once(scope: HTTPScope, record: RequestRecord, call: Call) -> Once | None:
    """Return what makes a repeat of this write known, where it has an Idempotency-Key."""
    key = requests.header("Idempotency-Key", sent(scope, b"idempotency-key"), values.idempotency_key)
    if key is None:
        return None
    # A key that was limited since then is not given what it would not get now.
    campaigns = sorted(call.caller.campaigns) if call.caller.campaigns is not None else ()
    claim = (text.strip().lower() for text in call.claim_header)
    seconds = (f"for {text.strip()} seconds" for text in call.seconds_header if text.strip())
    fingerprint = call.document.fingerprint(record.method, *claim, *seconds, *map(str, campaigns))
    return Once(call.caller.key_id, idempotency.digest(key), fingerprint)


def _type_of(scope: HTTPScope) -> str:
    return next(iter(sent(scope, b"content-type")), "")
