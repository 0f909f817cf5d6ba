"""The methods over HTTP: read with wire, make a command, have it executed, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from litestar.types import HTTPScope, Receive, Send

from casedial.database.engine import Transaction
from casedial.database.slices import slices
from casedial.domain.cases import CasesUnreadable, ShownCase
from casedial.domain.claims import Claim
from casedial.domain.dialing import MOST_NOTES, AboutMany, CaseUpdate, DialQuery, with_known_attempts
from casedial.domain.errors import CampaignNotAllowed, CasedialError, MethodNotAllowed
from casedial.domain.firms import Caller, Firm
from casedial.domain.keys import Scope
from casedial.service import claims, dialing, replies
from casedial.service.operations.commands import Claiming, Command
from casedial.service.replies import PARTIAL, SUCCESS, Once, Reply
from casedial.web.auth import Scopes, require
from casedial.web.bodies import discard
from casedial.web.exchange import Departure, Request, is_strict, sent
from casedial.web.means import Means
from casedial.web.observe import RequestRecord
from casedial.web.problems import problem, refusal, send_reply
from casedial.web.refused import RefusedReports, refused_items, refused_whole
from casedial.web.turns import MANY_CASES
from casedial.wire import requests, values
from casedial.wire.documents import Document, read_document
from casedial.wire.replies import encode, write_reply
from casedial.wire.shown import listed, writer_of

READ = ("GET", "POST")
WRITE = ("POST", "PUT")

_SOME = 25  # cases that a claim is taken to have: how many is known when it is read


def _get_cases_to_dial(request: Request) -> Command:
    query, cut = requests.dial_query(request.document, request.caller.firm)
    if request.seconds_header:
        query = replace(query, seconds=request.claim_seconds)
    limit = {"X-Records-Limit": str(query.records)} if cut else {}
    if query.auto_change:
        require(request.caller, (Scope.DIAL,))
        return _claim(request, query, limit)

    async def run(tx: Transaction) -> Reply:
        cases, _ = await dialing.get_cases_to_dial(tx, request.caller, query, request.now)
        return Reply(await _written(request.caller.firm, cases), headers=limit, cases=len(cases))

    return Command(request.caller, request.now, run, shows=query.records)


def _claim(request: Request, query: DialQuery, limit: dict[str, str]) -> Command:
    async def render(cases: Sequence[ShownCase], claim: Claim | None) -> Reply:
        body = await _written(request.caller.firm, cases)
        if claim is None:
            return Reply(body, headers=limit)
        campaigns = frozenset(case.campaign_id for case in cases)
        count, headers = len(cases), {**limit, **_claim_headers(claim)}
        return Reply(body, headers=headers, cases=count, claimed=count, claimed_in=campaigns, claim_id=claim.id)

    async def refuse(tx: Transaction) -> Reply:
        dialing.claimant_of(request.caller, query)  # which raises what is wrong, after it is known to be no repeat
        return await render([], None)

    try:
        claimant = dialing.claimant_of(request.caller, query)
    except CampaignNotAllowed:
        claimant = None
    if claimant is None:
        return Command(request.caller, request.now, refuse, query.records)
    claiming = Claiming(claimant, request.now, render, request.departure.begin())
    return Command(request.caller, request.now, claiming.run, query.records, claiming=claiming)


async def _written(firm: Firm, cases: Sequence[ShownCase]) -> bytes:
    """Return cases as a dialer is shown them. Raises CasesUnreadable for rows that make no sense."""
    write = writer_of(firm).write
    try:
        return listed([shown async for some in slices(cases) for shown in map(write, some)])
    except Exception:  # of one of them, at least
        raise CasesUnreadable([case.case_id for case in cases if not _can_be(write, case)]) from None


def _can_be(write: Callable[[ShownCase], bytes], case: ShownCase) -> bool:
    try:
        write(case)
    except Exception:
        return False
    return True


def _claim_headers(claim: Claim) -> dict[str, str]:
    return {"X-Claim-Id": str(claim.id), **_expires(claim.expires_at)}


def _expires(at: datetime | None) -> dict[str, str]:
    return {"X-Claim-Expires": values.show_instant(at)} if at else {}


def _get_case_info(request: Request) -> Command:
    case_id = requests.case_info(request.document)

    async def run(tx: Transaction) -> Reply:
        case = await dialing.get_case_info(tx, request.caller, case_id)
        return Reply(writer_of(request.caller.firm).write(case.shown), cases=1)

    return Command(request.caller, request.now, run, is_one_query=request.caller.campaigns is None)


def _update_case_status(request: Request) -> Command:
    fence, seconds = request.claim_id, request.claim_seconds
    batch = requests.case_updates(request.document, request.caller.firm.zone)
    items, limit = _within_attempts(request.caller.firm, batch.items)

    async def run(tx: Transaction) -> Reply:
        outcomes, opened = await dialing.update_case_status(tx, request.caller, items, request.now, fence, seconds)
        reply = _results(request, batch.echoes, outcomes, _claim_headers(opened[0]) if len(opened) == 1 else {})
        campaigns = frozenset().union(*(claim.campaign_ids for claim in opened))
        refused = refused_items(batch, outcomes)
        return replace(reply, headers=reply.headers | limit, claimed_in=campaigns, refused=refused)

    return Command(request.caller, request.now, run, max(1, len(batch.items)))


def _within_attempts(
    firm: Firm, items: Sequence[CaseUpdate | CasedialError]
) -> tuple[list[CaseUpdate | CasedialError], dict[str, str]]:
    """Return the items with no count above the firm's highest, and the header that says where there was one."""
    known = [with_known_attempts(firm, item) if isinstance(item, CaseUpdate) else item for item in items]
    cut = any(now is not sent for now, sent in zip(known, items, strict=True))
    highest = firm.statuses.highest_count
    return known, {"X-Attempts-Limit": highest.name} if cut and highest else {}


def _add_case_note(request: Request) -> Command:
    batch = requests.case_notes(request.document)

    async def run(tx: Transaction) -> Reply:
        outcomes = await dialing.add_case_note(tx, request.caller, batch.items, request.now)
        return _results(request, batch.echoes, outcomes)

    return Command(request.caller, request.now, run, max(1, len(batch.items)))


def _add_case_note_by_phone(request: Request) -> Command:
    number, text = requests.note_by_phone(request.document)

    async def run(tx: Transaction, most: int) -> Reply:
        case_ids = await dialing.add_case_note_by_phone(tx, request.caller, number, text, request.now, most)
        return _results(request, case_ids, [None] * len(case_ids))

    few, many = partial(run, most=MANY_CASES), partial(run, most=MOST_NOTES)
    return Command(request.caller, request.now, few, 1, run_for_many=many)


def _extend_claim(request: Request) -> Command:
    asked, echoes = requests.claim_request(request.document, request.claim_id, extends=True)

    async def run(tx: Transaction) -> Reply:
        outcome = await claims.extend_claim(tx, request.caller, asked, request.now)
        return _results(request, echoes or outcome.case_ids, outcome.outcomes, _expires(outcome.expires_at))

    return Command(request.caller, request.now, run, _SOME)


def _release_claim(request: Request) -> Command:
    asked, echoes = requests.claim_request(request.document, request.claim_id, extends=False)

    async def run(tx: Transaction) -> Reply:
        outcome = await claims.release_claim(tx, request.caller, asked, request.now)
        return _results(request, echoes or outcome.case_ids, outcome.outcomes)

    return Command(request.caller, request.now, run, _SOME)


def _results(
    request: Request, echoes: Sequence[object], outcomes: dialing.Outcomes, headers: dict[str, str] | None = None
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
    return problem(whole, request.request_id, write=write)


@dataclass(frozen=True, slots=True)
class Method:
    """Its verbs, the scopes of which a caller needs one, and what it makes of a request."""

    verbs: tuple[str, ...]
    scopes: Scopes
    command: Callable[[Request], Command]


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

    def __init__(self, means: Means) -> None:
        self._store, self._authenticator = means.store, means.authenticator
        self._commands, self._turns, self._bodies = means.commands, means.turns, means.bodies
        self._refused = RefusedReports(means.store)

    async def close(self) -> None:
        """Finish what goes on behind requests."""
        await self._refused.close()

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
        try:
            if scope["method"] not in record.verbs:
                raise MethodNotAllowed(f"{record.method} takes {' or '.join(record.verbs)}, not {scope['method']}.")
            caller = await self._authenticator.recall(scope, self._store.now(), METHODS[record.method].scopes)
            record.firm, record.key = caller.firm.id, caller.key_id
        except CasedialError:
            await discard(scope, receive)
            raise
        body = await self._bodies.read(scope, receive)
        departure = Departure(receive)
        try:
            read = partial(read_document, scope["query_string"], body, _type_of(scope))
            document = await self._turns.read(caller.key_id, len(body), read)
            asked = _Asked(scope, record, document, departure, len(body), self._store.now)
            return await self._authenticator.while_fresh(scope, caller, partial(self._answer, asked))
        finally:
            departure.forget()
            self._bodies.let_go(body)

    async def _answer(self, asked: _Asked, caller: Caller) -> Reply:
        """Make the command and execute it, which proves the caller."""
        try:
            command = await self._turns.read(caller.key_id, asked.size, partial(asked.command, caller))
        except CasedialError:  # of who is not proven yet
            await self._authenticator.confirm(asked.scope, caller)
            raise
        try:
            return await self._execute(command)
        except AboutMany:  # nothing was done
            return await self._execute(command.for_many())

    async def _execute(self, command: Command) -> Reply:
        execute = partial(self._commands.execute, command)
        return await self._turns.work(command.caller.key_id, command.size, execute)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request to a method, before it is known what it means for its caller: that may have to be read again."""

    scope: HTTPScope
    record: RequestRecord
    document: Document
    departure: Departure
    size: int  # bytes of its body
    now: Callable[[], datetime]

    def command(self, caller: Caller) -> Command:
        """Return what the caller asks for. Raises what is wrong with it."""
        method, scope = METHODS[self.record.method], self.scope
        require(caller, method.scopes)
        self.record.ignored = self.document.ignored
        headers = sent(scope, b"x-claim-id"), sent(scope, b"x-claim-seconds")
        request = Request(caller, self.document, self.now(), self.record.request_id, self.departure, *headers)
        with self.document.read(is_strict(scope)):
            command = method.command(request)
        if not (command.cases and sent(scope, b"idempotency-key")):
            return command
        refuse = partial(problem, request_id=self.record.request_id)
        return replace(command, once=_once(scope, self.record, request), refuse=refuse)


def _once(scope: HTTPScope, record: RequestRecord, request: Request) -> Once | None:
    """Return what makes a repeat of this write known, where it has an Idempotency-Key."""
    key = requests.header("Idempotency-Key", sent(scope, b"idempotency-key"), values.idempotency_key)
    if key is None:
        return None
    # A key that was limited since then is not given what it would not get now.
    campaigns = sorted(request.caller.campaigns) if request.caller.campaigns is not None else ()
    claim = (text.strip().lower() for text in request.claim_header)
    seconds = (f"for {text.strip()} seconds" for text in request.seconds_header if text.strip())
    fingerprint = request.document.fingerprint(record.method, *claim, *seconds, *map(str, campaigns))
    return Once(request.caller.key_id, replies.digest(key), fingerprint)


def _type_of(scope: HTTPScope) -> str:
    return next(iter(sent(scope, b"content-type")), "")
