"""How a call is sent: what its request looks like, when it is sent again, and what a reply means.

Nothing here waits or opens a connection. ``Session.perform`` is a generator: it yields a Request to be sent or a Pause
to be made, is given the Answer, and returns what the call returns. Client and AsyncClient run it, each in its way.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from casedial_client.codes import class_of
from casedial_client.errors import (
    BadField,
    CasedialError,
    NoReply,
    OutcomeUnknown,
    PathNotFound,
    UnexpectedReply,
    ZoneUnknown,
)
from casedial_client.models import Firm, Lease, Result

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0  # seconds between two attempts, doubled from one to the next
_DATE_SECONDS = 1.0  # the header Date leaves out what is less


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, any number of times."""

    verb: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, Any] | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``sent`` is when its request left, on this machine's ``time.monotonic()``."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: float

    @property
    def request_id(self) -> str | None:
        """Return what names the request in the server's log."""
        return self.headers.get("X-Request-Id")

    @property
    def document(self) -> Any:
        """Return the body, read as JSON. Raises UnexpectedReply."""
        try:
            return msgspec.json.decode(self.body)
        except ValueError:
            what = self.headers.get("Content-Type", "something")
            raise UnexpectedReply(f"The server sent {what}, not JSON.", status=self.status) from None

    @property
    def lease(self) -> Lease | None:
        """Return the claim that was made or extended; None where there was none."""
        claim_id, until = self.headers.get("X-Claim-Id", ""), self.headers.get("X-Claim-Expires")
        if not claim_id and not until:
            return None
        if not until:
            return Lease(claim_id, None, float("inf"))
        expires_at = datetime.fromisoformat(until)
        return Lease(claim_id, expires_at, self.sent + (expires_at - self._server_time()).total_seconds())

    def _server_time(self) -> datetime:
        """Return the latest that the server's clock can have shown: only a span is true on both machines."""
        try:
            return parsedate_to_datetime(self.headers["Date"]) + timedelta(seconds=_DATE_SECONDS)
        except (KeyError, ValueError):
            return datetime.now(UTC)


Answer: TypeAlias = Reply | NoReply  # NoReply is the answer, too, and not raised before nobody tries again


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for so many seconds."""

    seconds: float


Steps: TypeAlias = Generator[Request | Pause, Answer | None, T]


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of the server: whether it is a casedial, the firm's time zone, and whose key ours is."""

    zone: ZoneInfo
    is_casedial: bool
    firm: str = ""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call: its method or its path, what it takes, and how its reply is read.

    A write has a ``key``, made once and sent with each attempt, by which the server knows a repeat.
    """

    method: str
    parameters: Mapping[str, Any]
    read: Callable[[Reply, Server], T]
    verb: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None

    @property
    def writes(self) -> bool:
        """Tell whether it changes anything."""
        return self.key is not None


def new_key() -> str:
    """Return an Idempotency-Key that nobody else has."""
    return str(uuid4())


@dataclass
class Session:
    """One server and one key, and what all calls to them share."""

    url: str
    key: str = field(repr=False)
    time_zone: str | None
    patience: float
    verbs: Mapping[str, str]
    extensions: bool | None
    firm_call: Call[Firm]
    known: Server | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an address that is none, and for a key that no header can hold."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is not an address such as http://127.0.0.1:8000/PredictiveDialer")
        if not self.key or not self.key.isascii() or not self.key.isprintable():
            raise ValueError("the key is empty, or has characters that no key has")
        self.url = self.url.rstrip("/")
        self.root = f"{parts.scheme}://{parts.netloc}"

    def perform(self, call: Call[T], patience: float | None = None) -> Steps[T]:
        """Send a call until it is answered for good, for ``patience`` seconds at most.

        Raises the error that came back; OutcomeUnknown for a write that was perhaps done, and that nothing settled.
        """
        server = yield from self.server(patience)
        return (yield from self._attempts(call, server, patience))

    def server(self, patience: float | None = None) -> Steps[Server]:
        """Find out, once, which server this is. Casedial alone answers /v1/firm."""
        if self.known is None:
            self.known = yield from self._find_out(patience)
        return self.known

    def _find_out(self, patience: float | None) -> Steps[Server]:
        if self.extensions is None or (self.extensions and self.time_zone is None):
            try:
                firm = yield from self._attempts(self.firm_call, Server(ZoneInfo("UTC"), False), patience)
                return Server(firm.zone, True, firm.name)
            except CasedialError as error:
                is_none_of_ours = isinstance(error, PathNotFound) or not (error.has_code or error.is_transient)
                if self.extensions or not is_none_of_ours:
                    raise
        if self.time_zone is None:
            raise ZoneUnknown("This server knows only the published methods, and does not tell its firm's time zone.")
        return Server(ZoneInfo(self.time_zone), self.extensions is True)

    def _attempts(self, call: Call[T], server: Server, patience: float | None) -> Steps[T]:
        request = self._request(call, server)
        give_up = time.monotonic() + (self.patience if patience is None else patience)
        may_be_done = False
        for attempt in itertools.count():
            answer = yield request
            if isinstance(answer, Reply) and 200 <= answer.status < 300:
                return _understood(call, answer, server)
            error = _failure(answer)
            may_be_done |= call.writes and error.may_be_done
            pause = error.retry_after if error.retry_after is not None else backoff(attempt)
            is_safe = server.is_casedial or not may_be_done
            if not (error.is_transient and is_safe) or time.monotonic() + pause > give_up:
                raise _unknown(call, error) if may_be_done and not error.is_final else error
            yield Pause(pause)
        raise AssertionError

    def _request(self, call: Call[Any], server: Server) -> Request:
        url = f"{self.root}{call.method}" if call.method.startswith("/") else f"{self.url}/{call.method}"
        agent = f"casedial-client Python/{sys.version_info.major}.{sys.version_info.minor}"
        headers = {"X-ApiKey": self.key, "X-Strict": "true", "User-Agent": agent, **call.headers}
        if call.key:
            headers["Idempotency-Key"] = call.key
        if not server.is_casedial:  # nothing may be sent twice, so none goes to a connection that may just have ended
            headers["Connection"] = "close"
        parameters = _written(call.parameters, None if server.is_casedial else server.zone)
        verb = self.verbs.get(call.method, call.verb)
        if verb == "GET":
            query = {name: _in_a_query(value) for name, value in parameters.items()}
            return Request(verb, url, headers, query=query)
        headers["Content-Type"] = "application/json"
        return Request(verb, url, headers, body=msgspec.json.encode(parameters))


def _in_a_query(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _written(value: Any, zone: tzinfo | None) -> Any:
    """Return a parameter as it is sent, without what is None. A time is in UTC; with a ``zone`` it is local to that."""
    if isinstance(value, datetime):
        local = value.astimezone(zone or UTC).replace(tzinfo=None)
        return local.isoformat(timespec="seconds") + ("" if zone else "Z")
    if isinstance(value, msgspec.Struct):
        value = {field.encode_name: getattr(value, field.name) for field in msgspec.structs.fields(value)}
    if isinstance(value, Mapping):
        return {name: _written(item, zone) for name, item in value.items() if item is not None}
    return [_written(item, zone) for item in value] if isinstance(value, list | tuple) else value


def backoff(attempt: int) -> float:
    """Return how many seconds to wait after so many attempts, less or more by chance."""
    pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt, 10))
    return random.uniform(0.5, 1) * pause  # noqa: S311  # no secret


def _understood(call: Call[T], reply: Reply, server: Server) -> T:
    try:
        return call.read(reply, server)
    except UnexpectedReply as error:  # of a hotel's network, say, or of a proxy that swallows what the server says
        if not call.writes:
            raise
        raise _unknown(call, error) from error


def _unknown(call: Call[Any], error: CasedialError) -> OutcomeUnknown:
    unknown = OutcomeUnknown(f"{call.method} was perhaps done: {error}", call.key)
    unknown.__cause__ = error
    return unknown


def _failure(answer: Answer | None) -> CasedialError:
    if not isinstance(answer, Reply):
        return answer or NoReply("Nothing was sent.", may_be_done=False)
    try:
        told = answer.document
    except UnexpectedReply:
        told = None
    told = told if isinstance(told, dict) else {}
    code = told.get("code") if isinstance(told.get("code"), str) else None
    detail = told.get("detail") or f"The server answered {answer.status}."
    after = answer.headers.get("Retry-After", "")
    error = class_of(code, answer.status)(
        str(detail),
        status=answer.status,
        code=code,
        fields=_read(told.get("errors"), tuple[BadField, ...]),
        results=_read(told.get("Results"), tuple[Result, ...]),
        request_id=answer.request_id,
        retry_after=float(after) if after.isdigit() else None,
    )
    if answer.status == 503 and not code:  # by which a proxy says that it passed nothing on
        error.may_be_done = False
    return error


def _read(told: Any, kind: type[tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return msgspec.convert(told or (), kind)
    except msgspec.ValidationError:
        return ()
