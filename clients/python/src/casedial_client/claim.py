"""A claim, as a block of code: cases to dial go out of it, and results go into its outbox."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from casedial_client import calls
from casedial_client.courier import Courier
from casedial_client.errors import CasedialError, OutboxError, OutcomeUnknown
from casedial_client.models import Case, CaseNote, Cases, CaseUpdate
from casedial_client.outbox import Outbox, Refused
from casedial_client.sending import Steps, new_key

if TYPE_CHECKING:
    from casedial_client.client import AsyncClient, Client

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("casedial_client")
CLOSE_SECONDS = 10.0  # for which the end of a block waits for deliveries


class Claim:
    """Cases that nobody else gets while you dial them, and the way for what came of it.

    ::

        with client.claim(campaign="Intake follow-up", records=25, outbox="results.db") as claim:
            for case in claim:
                result = dial(case.phones)
                claim.report(case, result, attempts=case.attempts + 1, status="To Dial", next_call=tomorrow)

    The claim is extended for as long as the block lasts. ``report`` and ``note`` put their result into the outbox, a
    small file, and return when it is on the disk; from there a thread delivers it, each case's in order, exactly once,
    now or, after a crash, when the outbox is used again. At the end of the block, cases that were not reported are
    given back. Where it ends by an exception, or the program is killed, those that were handed out and not reported are
    left until their lease ends: nobody knows whether their phone rang.

    ``cases`` are all that were claimed; none where nothing was due. What the server refuses for good is logged as an
    error of the logger ``casedial_client``, and kept: see ``refused``. Threads may share a claim.
    """

    def __init__(self, client: Client, wanted: dict[str, Any], outbox: Path) -> None:
        self._client = client
        self._wanted = wanted
        self._path = outbox
        self._lock = threading.Lock()
        self.cases = Cases((), None, None)  # all that were claimed; none where nothing was due
        self._to_come: deque[Case] = deque()
        self._number = 0
        self._claim_id: str | None = None
        self._outbox: Outbox | None = None
        self._courier: Courier | None = None

    def __enter__(self) -> Claim:
        try:
            self._client.drive(self.opening())
        except BaseException:
            self.abandon()
            raise
        return self

    def opening(self) -> Steps[None]:
        """Open the outbox, and claim."""
        server = yield from self._client.session.server()
        self._outbox = outbox = Outbox(self._path)
        outbox.belongs_to(f"{server.firm} at {self._client.session.url}".strip())
        if out := outbox.take_over():
            log.warning("Cases %s were being worked when the last claim ended; they go back when it runs out.", out)
        self._courier = courier = Courier(self._client, outbox)
        key = new_key()
        self._number = courier.claim = outbox.begin(key, self._wanted)
        courier.start()
        self.cases = cases = yield from self._claiming(outbox, key)
        self._claim_id = cases.lease.claim_id if cases.lease else None
        if not cases:
            outbox.abandon(self._number)
            return
        outbox.claimed(self._number, self._claim_id or "", cases)
        self._to_come.extend(cases)
        if cases.lease:
            courier.hold(cases.lease)

    def _claiming(self, outbox: Outbox, key: str) -> Steps[Cases]:
        wanted = calls.get_cases_to_dial(**self._wanted, auto_change=True, idempotency_key=key)
        try:
            return (yield from self._client.session.perform(wanted))
        except OutcomeUnknown:  # the courier of the next claim finds out, and gives back
            raise
        except CasedialError:
            outbox.abandon(self._number)
            raise

    def abandon(self) -> None:
        """Let go of the outbox of a claim that was never made."""
        if self._courier:
            self._courier.stop()
        if self._outbox:
            self._outbox.close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        outbox, courier = self._open()
        try:
            waiting, out = outbox.not_reported(self._number)
            outbox.give_back(self._number, waiting if kind else waiting + out)
            if kind and out:
                log.warning(
                    "Cases %s were being worked when the block ended; they go back when the claim runs out.", out
                )
            if not courier.flush(CLOSE_SECONDS):
                log.warning("%d results wait in %s; its next claim delivers them.", outbox.waiting(), self._path)
        except OutboxError as error:
            log.error("%s What is not given back goes back when the claim runs out.", error.detail)
        finally:
            self.abandon()

    def __iter__(self) -> Iterator[Case]:
        """Hand out the cases, each once, for as long as the claim holds them."""
        while case := self.next():
            yield case

    def next(self) -> Case | None:
        """Hand out one case; None where there is none left."""
        outbox, courier = self._open()
        with self._lock:
            while self._to_come and not courier.holds(self._to_come[0].case_id):
                self._to_come.popleft()
            case = self._to_come.popleft() if self._to_come else None
        if case:
            outbox.hand_out(self._number, case.case_id)
        return case

    def report(
        self,
        case: Case | int,
        disposition: str | None = None,
        *,
        status: str | None = None,
        next_call: datetime | None = None,
        attempts: int | None = None,
    ) -> None:
        """Say what came of a call. It is on the disk when this returns. Raises OutboxUnusable where it is not.

        ``status`` is where the case goes: the firm's "To Dial", with ``next_call``, or "Do not Dial". Without it, the
        firm's policy for the disposition decides, or the case stays In the Dialer.
        """
        update = CaseUpdate(_id(case), status, next_call, attempts, disposition)
        self._add(update)

    def note(self, case: Case | int, text: str) -> None:
        """Add a note to a case. It is on the disk when this returns. Raises OutboxUnusable where it is not."""
        self._add(CaseNote(_id(case), text))

    def release(self, *cases: Case | int) -> None:
        """Give back cases that will not be dialed, before the block ends."""
        outbox, courier = self._open()
        given = [_id(case) for case in cases]
        with self._lock:
            self._to_come = deque(case for case in self._to_come if case.case_id not in given)
        outbox.give_back(self._number, given)
        courier.ring()

    def refused(self) -> list[Refused]:
        """Return what the server refused for good, of this claim and of those before; the outbox keeps it."""
        return self._open()[0].refused()

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until all is delivered that was reported, for so long at most; tell whether it is."""
        return self._open()[1].flush(seconds)

    def _add(self, content: CaseUpdate | CaseNote) -> None:
        outbox, courier = self._open()
        outbox.add(content, self._number, self._claim_id)
        courier.ring()

    def _open(self) -> tuple[Outbox, Courier]:
        if self._outbox is None or self._courier is None:
            raise RuntimeError("A claim is used within its with block.")
        return self._outbox, self._courier


def _id(case: Case | int) -> int:
    return case if isinstance(case, int) else case.case_id


def _in_a_thread(
    method: Callable[Concatenate[Claim, P], T],
) -> Callable[Concatenate[AsyncClaim, P], Coroutine[Any, Any, T]]:
    @functools.wraps(method)
    async def awaited(claim: AsyncClaim, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await _through(method, claim.claim, *args, **kwargs)

    return awaited


class AsyncClaim:
    """A ``Claim`` for ``async with`` and ``async for``; its methods are awaited."""

    def __init__(self, client: AsyncClient, worker: Client, claim: Claim) -> None:
        self._client = client
        self._worker = worker  # for the thread that delivers: a loop that is busy for a minute loses no lease
        self.claim = claim

    async def __aenter__(self) -> AsyncClaim:
        try:
            await self._client.drive(self.claim.opening())
        except BaseException:
            await _through(self.claim.abandon)
            self._worker.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            await _through(self.claim.__exit__, kind, *rest)
        finally:
            self._worker.close()

    async def __aiter__(self) -> AsyncIterator[Case]:
        while case := await self.next():
            yield case

    @property
    def cases(self) -> Cases:
        """Return all cases that were claimed; none where nothing was due."""
        return self.claim.cases

    next = _in_a_thread(Claim.next)
    report = _in_a_thread(Claim.report)
    note = _in_a_thread(Claim.note)
    release = _in_a_thread(Claim.release)
    refused = _in_a_thread(Claim.refused)
    flush = _in_a_thread(Claim.flush)


async def _through(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run something in a thread, to its end, even where the task is cancelled meanwhile: then it is cancelled after."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise
