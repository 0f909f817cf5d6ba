"""Client and AsyncClient: the same calls, performed by waiting and by awaiting."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from casedial_client import calls
from casedial_client.claim import AsyncClaim, Claim
from casedial_client.errors import NoReply
from casedial_client.sending import Answer, Call, Pause, Reply, Request, Session, Steps

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 10.0
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def _waiting(describe: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(describe)
    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.perform(describe(*args, **kwargs))

    return method


def _awaiting(describe: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    @functools.wraps(describe)
    async def method(client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.perform(describe(*args, **kwargs))

    return method


class _Both:
    def __init__(
        self,
        url: str,
        *,
        key: str,
        time_zone: str | None = None,
        timeout: float = 30.0,
        patience: float = 60.0,
        verify: bool | ssl.SSLContext = True,
        verbs: Mapping[str, str] | None = None,
        extensions: bool | None = None,
    ) -> None:
        """Take the address up to the methods' names, and the firm's ClientKey.

        ``time_zone`` is the firm's, an IANA name; only a server that does not tell it needs it (casedial does). A reply
        may take ``timeout`` seconds, and a call is repeated, where that is safe, for ``patience`` seconds. ``verify``
        is a context for a certificate authority of one's own, or False. ``verbs`` names the methods for which another
        server wants another verb than ours. ``extensions`` says whether the server has those of casedial: None asks it.
        """
        session = Session(url, key, time_zone, patience, verbs or {}, extensions, calls.firm())
        if verify is True:  # made once, for it takes a while, and not for what needs none: no redirect is followed
            verify = httpx.create_ssl_context() if session.root.startswith("https:") else False
        self._open(
            session, {"timeout": httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)), "verify": verify}
        )

    def _open(self, session: Session, transport: dict[str, Any]) -> None:
        self.session = session
        self._transport = transport

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session.url!r})"


class Client(_Both):
    """Calls the API, and waits for each reply. Threads may share one."""

    def _open(self, session: Session, transport: dict[str, Any]) -> None:
        super()._open(session, transport)
        self._http = httpx.Client(**transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def perform(self, call: Call[T], patience: float | None = None) -> T:
        """Perform a call as ``casedial_client.calls`` describes it."""
        return self.drive(self.session.perform(call, patience))

    def drive(self, steps: Steps[T]) -> T:
        """Send and pause as the steps ask for, to their end."""
        answer: Answer | None = None
        with closing(steps):
            try:
                while True:
                    answer = self._do(steps.send(answer))
            except StopIteration as end:
                value: T = end.value
                return value

    def _do(self, step: Request | Pause) -> Answer | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        sent = time.monotonic()
        try:
            return _reply(self._http.request(**_arguments(step)), sent)
        except httpx.RequestError as error:
            return _no_reply(step, error)

    def claim(
        self,
        campaign: str | None = None,
        case_group: str | None = None,
        records: int | None = None,
        *,
        outbox: str | Path,
        seconds: int | None = None,
    ) -> Claim:
        """Claim cases that are due, for a block in which to dial and report them; see ``Claim``."""
        wanted = {"campaign": campaign, "case_group": case_group, "records": records, "claim_seconds": seconds}
        return Claim(self, wanted, Path(outbox))

    get_cases_to_dial = _waiting(calls.get_cases_to_dial)
    get_case_info = _waiting(calls.get_case_info)
    update_case_status = _waiting(calls.update_case_status)
    add_case_note = _waiting(calls.add_case_note)
    add_case_notes = _waiting(calls.add_case_notes)
    add_case_note_by_phone = _waiting(calls.add_case_note_by_phone)
    extend_claim = _waiting(calls.extend_claim)
    release_claim = _waiting(calls.release_claim)
    firm = _waiting(calls.firm)
    explain = _waiting(calls.explain)
    preflight = _waiting(calls.preflight)
    call = _waiting(calls.call)


class AsyncClient(_Both):
    """Calls the API from asyncio: what Client has, with await. Tasks may share one."""

    def _open(self, session: Session, transport: dict[str, Any]) -> None:
        super()._open(session, transport)
        self._http = httpx.AsyncClient(**transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def perform(self, call: Call[T], patience: float | None = None) -> T:
        """Perform a call as ``casedial_client.calls`` describes it."""
        return await self.drive(self.session.perform(call, patience))

    async def drive(self, steps: Steps[T]) -> T:
        """Send and pause as the steps ask for, to their end."""
        answer: Answer | None = None
        with closing(steps):
            try:
                while True:
                    answer = await self._do(steps.send(answer))
            except StopIteration as end:
                value: T = end.value
                return value

    async def _do(self, step: Request | Pause) -> Answer | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        sent = time.monotonic()
        try:
            return _reply(await self._http.request(**_arguments(step)), sent)
        except httpx.RequestError as error:
            return _no_reply(step, error)

    def claim(
        self,
        campaign: str | None = None,
        case_group: str | None = None,
        records: int | None = None,
        *,
        outbox: str | Path,
        seconds: int | None = None,
    ) -> AsyncClaim:
        """Claim cases that are due, for a block in which to dial and report them; see ``Claim``."""
        worker = Client.__new__(Client)
        worker._open(self.session, self._transport)
        return AsyncClaim(self, worker, worker.claim(campaign, case_group, records, outbox=outbox, seconds=seconds))

    get_cases_to_dial = _awaiting(calls.get_cases_to_dial)
    get_case_info = _awaiting(calls.get_case_info)
    update_case_status = _awaiting(calls.update_case_status)
    add_case_note = _awaiting(calls.add_case_note)
    add_case_notes = _awaiting(calls.add_case_notes)
    add_case_note_by_phone = _awaiting(calls.add_case_note_by_phone)
    extend_claim = _awaiting(calls.extend_claim)
    release_claim = _awaiting(calls.release_claim)
    firm = _awaiting(calls.firm)
    explain = _awaiting(calls.explain)
    preflight = _awaiting(calls.preflight)
    call = _awaiting(calls.call)


def _arguments(request: Request) -> dict[str, Any]:
    return {
        "method": request.verb,
        "url": request.url,
        "params": request.query,
        "content": request.body,
        "headers": request.headers,
    }


def _reply(reply: httpx.Response, sent: float) -> Reply:
    return Reply(reply.status_code, reply.headers, reply.content, sent)


def _no_reply(request: Request, error: httpx.RequestError) -> NoReply:
    what = str(error) or type(error).__name__
    return NoReply(f"No reply from {request.url}: {what}.", may_be_done=not isinstance(error, _NEVER_SENT))
