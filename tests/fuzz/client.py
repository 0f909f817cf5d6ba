"""Sends hostile requests over plain sockets: several connections, and on each as many requests as HTTP allows."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from tests.fuzz import words
from tests.fuzz.grammar import Ending, Hostile, Maker
from tests.fuzz.judge import NotHttp, Reader, Reply, find_fault

HANG_SECONDS = 20.0  # longer than a machine stalls, and less than a server waits for the rest of a request
IDLE_SECONDS = 0.25  # after which a server that still waits is told that nothing more comes
CONNECTIONS = 8
AT_ONCE = 12  # requests sent on one connection before the first reply is read
MANY_FAULTS = 20  # after which it is no use to go on

_CLAIM = "x-claim-id"
# Behind what stands alone. Where a server saw the request end, this is no HTTP: it answers and closes at once.
_NO_HTTP = b"!" * 400 + b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Fault:
    what: str
    sent: Hostile
    reply: Reply | None = None


@dataclass
class Tally:
    """What became of the requests; written by all threads, under ``lock``."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)  # by kind and class of status
    faults: list[Fault] = field(default_factory=list)
    claim: str = words.LIVE_CLAIM  # the newest that was seen
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, sent: Hostile, replies: list[Reply], fault: str | None = None) -> None:
        """Count a request and judge what it got."""
        first = replies[0] if replies else None
        found = fault or next((what for reply in replies if (what := find_fault(sent, reply))), None)
        with self.lock:
            self.answers[sent.kind, _class_of(first)] += 1
            self.claim = next((reply.headers[_CLAIM] for reply in replies if _CLAIM in reply.headers), self.claim)
            if found:
                self.faults.append(Fault(found, sent, first))


def _class_of(reply: Reply | None) -> str:
    if reply is None:
        return "none"
    return "layer" if reply.by_http_layer else f"{reply.status // 100}xx"


class Client:
    """One thread's way to a server."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._port = port
        self._tally = tally
        self._kept: tuple[socket.socket, Reader] | None = None  # the connection that whole requests share

    def close(self) -> None:
        if self._kept:
            self._kept[0].close()
            self._kept = None

    def _bytes(self, request: Hostile) -> bytes:
        return request.raw.replace(words.LIVE_CLAIM.encode(), self._tally.claim.encode())

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=HANG_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, requests: Iterable[Hostile]) -> None:
        """Send all; note what each got."""
        whole = []
        for request in requests:
            if request.whole:
                whole.append(request)
            else:
                self.send_alone(request)
        while whole:
            answered = self._send_together(whole)
            if not answered:  # the connection may have been closed by what went before
                self.send_alone(whole[0])
                answered = 1
            whole = whole[answered:]

    def _send_together(self, requests: list[Hostile]) -> int:
        """Send requests one behind the other; return how many were answered before the server closed."""
        answered = 0
        try:
            if self._kept is None:
                connection = self._connect()
                self._kept = connection, Reader(connection)
            connection, reader = self._kept
            connection.sendall(b"".join(map(self._bytes, requests)))
            for request in requests:
                if reader.at_end():
                    break
                reply = reader.reply(request.headless)
                self._tally.note(request, [reply])
                answered += 1
                if reply.headers.get("connection") == "close":
                    break
            else:
                return answered
        except (NotHttp, OSError):  # which of them it was shows when each stands alone
            pass
        self.close()
        return answered

    def send_alone(self, request: Hostile) -> list[Reply]:
        """Send a request on a connection of its own; return what came back."""
        replies: list[Reply] = []
        fault = None
        try:
            with self._connect() as connection:
                self._exchange(connection, request, replies)
        except NotHttp as error:
            fault = f"not HTTP: {error}"
        except TimeoutError:
            fault = f"nothing for {HANG_SECONDS:.0f} s"
        except ConnectionRefusedError:
            fault = "nobody listens"
        except OSError:  # a server that closes with something unread resets the connection
            pass
        if request.whole and not replies and not fault:
            fault = "a whole request without a reply"
        self._tally.note(request, replies, fault)
        return replies

    def _exchange(self, connection: socket.socket, request: Hostile, replies: list[Reply]) -> None:
        with suppress(ConnectionError):  # it may have answered before it had heard all
            connection.sendall(self._bytes(request) + (_NO_HTTP if request.ending is Ending.WAIT else b""))
        if request.ending is Ending.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if request.ending is Ending.SHUT:
            connection.shutdown(socket.SHUT_WR)
        reader = Reader(connection)
        while not _at_end(connection, reader):
            replies.append(reader.reply(perhaps_headless=b"HEAD" in request.raw))


def _at_end(connection: socket.socket, reader: Reader) -> bool:
    """Wait for a reply or the close; a server that waits as well is told that nothing more comes."""
    connection.settimeout(IDLE_SECONDS)
    try:
        return reader.at_end()
    except TimeoutError:
        connection.settimeout(HANG_SECONDS)
        connection.shutdown(socket.SHUT_WR)
        return reader.at_end()
    finally:
        connection.settimeout(HANG_SECONDS)


def run(port: int, maker: Maker, numbers: range, tally: Tally, seconds: float) -> None:
    """Make and send the requests of these numbers, until done, out of time or hopeless."""
    deadline = time.monotonic() + seconds
    starts = iter(range(numbers.start, numbers.stop, AT_ONCE))
    lock = threading.Lock()

    def work() -> None:
        client = Client(port, tally)
        while time.monotonic() < deadline and len(tally.faults) < MANY_FAULTS:
            with lock:
                start = next(starts, None)
            if start is None:
                break
            client.send(map(maker.make, range(start, min(start + AT_ONCE, numbers.stop))))
        client.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for working in [pool.submit(work) for _ in range(CONNECTIONS)]:
            working.result()
