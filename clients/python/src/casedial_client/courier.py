"""The courier: a thread that delivers what is in an outbox, holds the claim, and gives back what was not worked."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from casedial_client import calls
from casedial_client.errors import CasedialError, InternalError, OutboxUnusable, OutcomeUnknown
from casedial_client.models import CaseNote, CaseUpdate, Lease, Results
from casedial_client.outbox import BegunClaim, Entry, GivenBack, Outbox
from casedial_client.sending import Call, Server, backoff

if TYPE_CHECKING:
    from casedial_client.client import Client

log = logging.getLogger("casedial_client")

_KEPT_SECONDS = 23 * 3600  # a server knows a repeat for 24 hours
_FAULT_SECONDS = 5.0  # after a fault of ours
_CASE_SECONDS = 30.0  # after a fault of the server's with one case
_BARRED_SECONDS = 30.0  # where somebody has to do something: the key was revoked, say
_IDLE_SECONDS = 60.0
_LEAST_SECONDS = 1.0  # between two extensions
_EXTEND_AFTER = 0.5  # of a lease


class Courier:
    """Works until it is stopped. What it does with cases and results is written down in the outbox before and after."""

    def __init__(self, client: Client, outbox: Outbox) -> None:
        self._client = client
        self._outbox = outbox
        self._signature = hashlib.sha256(client.session.key.encode()).hexdigest()[:16]
        self._bell = threading.Condition()
        self._is_rung = self._is_stopping = False
        self._quiet_until = 0.0  # on the monotonic clock, as all times here
        self._failures = 0
        self._put_off: dict[int, float] = {}  # cases with which the server has a trouble of its own
        self.claim: int | None = None  # the number of the one that is being asked for, or held
        self._lease: Lease | None = None
        self._extend_at = float("inf")
        self.lost: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="casedial-courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being done."""
        self._is_stopping = True
        self.ring()
        if self._thread.is_alive():
            self._thread.join()

    def ring(self) -> None:
        """Tell that there is something to do."""
        with self._bell:
            self._is_rung = True
            self._bell.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is delivered and given back, for so long at most; tell whether it is."""
        self.ring()
        with self._bell:
            return self._bell.wait_for(self._is_done, seconds)

    def hold(self, lease: Lease) -> None:
        """Extend the claim from now on, whenever half of its lease is over."""
        self._lease = lease
        left = lease.deadline - time.monotonic()
        self._extend_at = time.monotonic() + max(_LEAST_SECONDS, left * _EXTEND_AFTER)
        self.ring()

    def holds(self, case_id: int) -> bool:
        """Tell whether a case is still ours, as far as anybody here can know."""
        if self._lease and time.monotonic() >= self._lease.deadline:
            self._lose([case_id])
        return case_id not in self.lost

    def _is_done(self) -> bool:
        return (
            not self._outbox.waiting()
            and self._outbox.to_give_back() is None
            and self._outbox.begun(self.claim) is None
        )

    def _run(self) -> None:
        while not self._is_stopping:
            pause = self._turn()
            with self._bell:
                self._bell.notify_all()
                if not self._is_rung:
                    self._bell.wait(pause)
                self._is_rung = False

    def _turn(self) -> float:
        """Do one thing, if there is one to do; return how many seconds to wait then."""
        now = time.monotonic()
        if now < self._quiet_until:
            return self._quiet_until - now
        try:
            if not self._step():
                return min(_IDLE_SECONDS, *(until - now for until in (self._extend_at, *self._put_off.values())))
        except CasedialError as error:
            return self._put_all_off(error)
        except Exception:
            log.exception("The courier of %s has a fault; it goes on.", self._outbox.path)
            return _FAULT_SECONDS
        if self._failures:
            log.warning("%s is delivered again.", self._outbox.path)
            self._failures = 0
        return 0.0

    def _step(self) -> bool:
        now = time.monotonic()
        self._put_off = {case_id: until for case_id, until in self._put_off.items() if until > now}
        if now >= self._extend_at:
            self._extend()
        elif entry := self._outbox.next_entry(list(self._put_off)):
            self._deliver(entry)
        elif given := self._outbox.to_give_back():
            self._give_back(given)
        elif begun := self._outbox.begun(self.claim):
            self._settle(begun)
        else:
            return False
        return True

    def _deliver(self, entry: Entry) -> None:
        server = self._server()
        if trouble := self._why_not_again(entry, server):
            self._refuse(entry, OutcomeUnknown(trouble))
            return
        if entry.sent is None:
            self._outbox.note_sent(entry, self._signature)
        try:
            self._client.perform(_call(entry), 0)
        except CasedialError as error:
            self._not_delivered(entry, error, server)
        else:
            self._outbox.delivered(entry)

    def _not_delivered(self, entry: Entry, error: CasedialError, server: Server) -> None:
        is_unknown = isinstance(error, OutcomeUnknown)
        if error.is_final or (is_unknown and not server.is_casedial):
            self._refuse(entry, error)
            return
        if entry.sent is None and not is_unknown and not error.may_be_done:
            self._outbox.note_sent(entry, None)
        cause = _cause(error)
        if not isinstance(cause, InternalError):
            raise cause
        self._put_off[entry.content.case_id] = time.monotonic() + _CASE_SECONDS
        log.error("The server has a fault with case %d (request %s).", entry.content.case_id, cause.request_id)

    def _why_not_again(self, entry: Entry, server: Server) -> str | None:
        """Say why an entry that was sent before must not be sent once more; None where it may.

        A report is fenced by its claim: the server takes it for done where this claim did the same before.
        """
        if entry.sent is None:
            return None
        if not server.is_casedial:
            return "It was perhaps done, and this server does not know a repeat when it sees one."
        is_known = entry.sent_by == self._signature and time.time() - entry.sent < _KEPT_SECONDS
        if is_known or (isinstance(entry.content, CaseUpdate) and entry.claim_id):
            return None
        return (
            "It was perhaps done, but more than 23 hours ago or with another key, so that a repeat might be a second."
        )

    def _refuse(self, entry: Entry, error: CasedialError) -> None:
        self._outbox.refuse(entry, error)
        what = "note" if isinstance(entry.content, CaseNote) else "report"
        told = "A %s for case %d was refused for good: %s (request %s). It is kept in %s; Outbox.refused() returns it."
        log.error(told, what, entry.content.case_id, error.code, error.request_id, self._outbox.path)

    def _put_all_off(self, error: CasedialError) -> float:
        if not self._failures:
            told = "Results wait in %s: %s (request %s). %s"
            log.warning(told, self._outbox.path, error.code, error.request_id, error.advice)
        pause = error.retry_after if error.retry_after is not None else backoff(self._failures)
        pause = pause if error.is_transient or isinstance(error, OutboxUnusable) else max(pause, _BARRED_SECONDS)
        self._failures += 1
        self._quiet_until = time.monotonic() + pause
        return pause

    def _give_back(self, given: GivenBack) -> None:
        try:
            if self._server().is_casedial:
                self._client.perform(calls.release_claim(given.claim_id, given.case_ids), 0)
            else:  # which knows no claims: as the cases were before
                self._client.perform(calls.update_case_status(*given.before), 0)
        except OutcomeUnknown as error:
            if self._server().is_casedial:
                raise _cause(error) from error
            log.warning("Cases %s were perhaps given back, perhaps not.", given.case_ids)
        except CasedialError as error:
            if not error.is_final:  # else they are somebody else's by now
                raise
        self._outbox.given_back(given)

    def _settle(self, begun: BegunClaim) -> None:
        """Ask again for a claim whose reply was never seen, to know what it holds, and have all of it given back."""
        if not self._server().is_casedial or time.time() - begun.begun > _KEPT_SECONDS:
            self._outbox.abandon(begun.claim)
            return
        wanted = calls.get_cases_to_dial(**begun.wanted, auto_change=True, idempotency_key=begun.key)
        try:
            cases = self._client.perform(wanted, 0)
        except OutcomeUnknown as error:
            raise _cause(error) from error
        except CasedialError as error:
            if not error.is_final:
                raise
            cases = None
        if cases and cases.lease:
            self._outbox.claimed(begun.claim, cases.lease.claim_id, cases, "back")
        else:
            self._outbox.abandon(begun.claim)

    def _extend(self) -> None:
        held = [case_id for case_id in self._outbox.held(self.claim or 0) if case_id not in self.lost]
        if not held or self._lease is None:
            self._extend_at = float("inf")
            return
        self._extend_at = time.monotonic() + _LEAST_SECONDS  # where it fails; meanwhile there is other work
        try:
            results = self._client.perform(calls.extend_claim(self._lease.claim_id, held), 0)
        except OutcomeUnknown as error:
            raise _cause(error) from error
        except CasedialError as error:
            if not error.is_final:
                raise
            self._lose(held)
        else:
            self._lose([case_id for case_id, result in zip(held, results, strict=False) if not result.success])
            lease = results.lease or Lease("", None, float("inf"))
            self.hold(Lease(self._lease.claim_id, lease.expires_at, lease.deadline))

    def _lose(self, case_ids: Sequence[int]) -> None:
        if case_ids:
            log.warning("The claim holds cases %s no longer: do not dial them.", list(case_ids))
            self.lost.update(case_ids)

    def _server(self) -> Server:
        return self._client.drive(self._client.session.server(0))


def _call(entry: Entry) -> Call[Results]:
    if isinstance(entry.content, CaseNote):
        return calls.add_case_note(entry.content.case_id, entry.content.note, idempotency_key=entry.key)
    return calls.update_case_status(entry.content, claim_id=entry.claim_id, idempotency_key=entry.key)


def _cause(error: CasedialError) -> CasedialError:
    """Return why nobody knows the outcome, where nobody does; else the error itself."""
    return error.__cause__ if isinstance(error.__cause__, CasedialError) else error
