"""Says what is wrong with a reply. What is not said here, docs/reference/api.md does not promise."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass

from casedial.domain.errors import every_error
from casedial.web.problems import PROBLEM, status_of
from tests.fuzz.grammar import Hostile

STATUSES = {error.__name__: status_of(error) for error in every_error()}
# What the HTTP layer itself says to what is no HTTP, before casedial sees it: empty, without casedial's headers.
HTTP_LAYER = (400, 414, 431)

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [ -~]*")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NotHttp(Exception):
    """A server sent what is no reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def by_http_layer(self) -> bool:
        return "x-request-id" not in self.headers and self.status in HTTP_LAYER and not self.body


class Reader:
    """Reads replies from a socket, strictly. Raises NotHttp, or what the socket raises."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._had = b""

    def _more(self) -> bool:
        received = self._connection.recv(262_144)
        self._had += received
        return bool(received)

    def at_end(self) -> bool:
        """Wait until there is something to read, or the other side has closed."""
        return not self._had and not self._more()

    def reply(self, headless: bool = False, perhaps_headless: bool = False) -> Reply:
        """Return the next reply that is not an interim one. Only call it when ``at_end`` says no."""
        while True:
            while b"\r\n\r\n" not in self._had:
                if not self._more():
                    raise NotHttp(f"a head without an end: {self._had[:200]!r}")
            head, _, self._had = self._had.partition(b"\r\n\r\n")
            status, headers = _read_head(head)
            if status != 100:
                break
        length = int(headers.get("content-length", "0"))
        if perhaps_headless and length and (self.at_end() or self._had.startswith(b"HTTP/1.")):
            headless = True
        return Reply(status, headers, b"" if headless or status in (204, 304) else self._body(length))

    def _body(self, length: int) -> bytes:
        while len(self._had) < length:
            if not self._more():
                raise NotHttp(f"a body that ends after {len(self._had)} of {length} bytes")
        body, self._had = self._had[:length], self._had[length:]
        return body


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    line, *rest = head.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(line)
    if not status:
        raise NotHttp(f"a status line {line[:200]!r}")
    headers: dict[str, str] = {}
    for field in rest:
        header = _HEADER.fullmatch(field)
        if not header:
            raise NotHttp(f"a header {field[:200]!r}")
        name = header[1].decode().lower()
        if name in headers:
            raise NotHttp(f"two headers {name}")
        headers[name] = header[2].decode("latin-1")
    if "transfer-encoding" in headers or not headers.get("content-length", "0").isdigit():
        raise NotHttp(f"a body without a length: {headers}")
    return int(status[1]), headers


def find_fault(sent: Hostile, reply: Reply) -> str | None:
    """Return what is wrong with a reply, or None."""
    status, headers = reply.status, reply.headers
    if not 200 <= status < 500:
        return f"status {status}"
    if sent.refused and status < 400:
        return f"a request that nobody may grant was answered {status}"
    if reply.by_http_layer:
        return None
    if not _UUID.fullmatch(headers.get("x-request-id", "")):
        return f"status {status} without X-Request-Id"
    if (headers.get("cache-control"), headers.get("x-content-type-options")) != ("no-store", "nosniff"):
        return f"status {status} without Cache-Control or X-Content-Type-Options"
    if status < 400:
        return _find_fault_in_success(reply)
    # The reply to a repeat is the first one's, with the first one's id in its body.
    return _find_fault_in_problem(reply, perhaps_repeated=b"idempotency-key" in sent.raw.lower())


def _find_fault_in_success(reply: Reply) -> str | None:
    if reply.status == 200 and reply.headers.get("content-type") == "application/json":
        try:
            json.loads(reply.body)
        except ValueError as error:
            return f"a body that is not JSON: {error}"
    return None


def _find_fault_in_problem(reply: Reply, perhaps_repeated: bool) -> str | None:
    status, headers = reply.status, reply.headers
    if headers.get("content-type") != PROBLEM:
        return f"status {status} with Content-Type {headers.get('content-type')}"
    if (status == 405 and "allow" not in headers) or (status == 401 and "www-authenticate" not in headers):
        return f"status {status} without the header that belongs to it"
    if not reply.body:  # HEAD
        return None
    try:
        problem = json.loads(reply.body)
        named = perhaps_repeated or problem["request_id"] == headers["x-request-id"]
        told = problem["status"], STATUSES[problem["code"]]
    except (ValueError, KeyError, TypeError) as error:
        return f"status {status} with a problem document that is none: {error!r}"
    return None if named and told == (status, status) else f"status {status} that contradicts its body"
