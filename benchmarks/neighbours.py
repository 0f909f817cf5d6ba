"""What a neighbour notices: p50 of a firm's GetCaseInfo, quiet, and while another firm's key does what takes much.

Both ask one server process. The two are measured one right after the other, so that a slow minute meets both.
"""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from urllib.parse import urlsplit

from benchmarks import data, lite
from benchmarks.book import Book
from benchmarks.goals import CLAIMS, NAMES, NEIGHBOURS, US
from benchmarks.machine import Postgres, casedial
from casedial.database import sqlite

WORK = "bench_neighbours"
SECONDS, WARM = 3.0, 1.0
_SHARED_PHONE = "6315550100"
_SHARED_BY = 40_000


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends again and again, and how many do."""

    clients: int
    path: str
    body: bytes | None = None


def requests(load: str) -> list[Request]:
    """Return what the clients of a load send."""
    if load == NAMES:
        names = ",".join(f'"{"n" * 25}{number:06}":1' for number in range(28_000))  # as many as are read
        return [Request(4, "/GetCaseInfo", b'{"CaseID":1,%s}' % names.encode())]
    if load == CLAIMS:
        path = "/GetCasesToDial?Auto-change=true&Records="
        return [Request(8, f"{path}1000"), Request(32, f"{path}1")]
    return [Request(1, "/AddCaseNoteByPhone", b'{"Phone":"%s","Note":"%s"}' % (_SHARED_PHONE.encode(), b"n" * 16_000))]


def measure(book: Book, postgres: Postgres, size: int, rounds: int) -> None:
    """Measure every load on both databases."""
    template = data.ensure(postgres, data.DataSet(size))
    file = lite.ensure(postgres, data.DataSet(size))
    for number in range(1, rounds + 1):
        for load in random.sample(NEIGHBOURS, len(NEIGHBOURS)):
            postgres.copy(template, WORK)
            postgres.sql(WORK, _share_a_phone())
            _pair(book, f"neighbours, {load}", postgres.url(WORK), load, number, size)
            lite.copy(file)
            with sqlite.dbapi.connect(lite.WORK) as connection:
                connection.execute(_share_a_phone())
            connection.close()
            _pair(book, f"neighbours, {load}, SQLite", f"sqlite:///{lite.WORK}", load, number, size)
    postgres.drop(WORK)


def _share_a_phone() -> str:
    return (
        "INSERT INTO phone_numbers (firm_id, number, case_id) "
        f"SELECT firm_id, '{_SHARED_PHONE}', case_id FROM cases WHERE firm_id = 1 AND case_id <= {_SHARED_BY}"
    )


def _pair(book: Book, row: str, url: str, load: str, number: int, size: int) -> None:
    with casedial(url, workers=1) as (base, _):
        quiet, loaded = pair(base, data.KEYS, requests(load), size // 2, SECONDS)
    for name, took in ((f"{row}: quiet", quiet), (row, loaded)):
        book.note(name, US, number, p50=took[len(took) // 2], p99=took[len(took) * 99 // 100])


def pair(
    base: str, keys: Sequence[str], wanted: list[Request], cases: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Return what the second key's requests take, quiet, and while the first one's clients send what is ``wanted``."""
    _asked(base, keys[1], WARM, cases)
    quiet = _asked(base, keys[1], seconds, cases)
    with crowding(base, keys[0], wanted):
        _asked(base, keys[1], WARM, cases)
        return quiet, _asked(base, keys[1], seconds, cases)


def _asked(base: str, key: str, seconds: float, cases: int) -> list[float]:
    """Ask for one case after the other; return how many milliseconds each took, in order of that."""
    took = []
    until = time.monotonic() + seconds
    with asking(base, key) as ask:
        while (began := time.monotonic()) < until or len(took) < 10:
            status = ask(f"/GetCaseInfo?CaseID={random.randint(1, cases)}", None)
            took.append((time.monotonic() - began) * 1000)
            if status != 200:
                raise RuntimeError(f"the neighbour was answered {status}")
    return sorted(took)


@contextlib.contextmanager
def asking(base: str, key: str) -> Iterator[Callable[[str, bytes | None], int]]:
    """Keep a connection; yield what sends a request over it, and returns the status of the reply."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    headers = {"X-ApiKey": key, "Content-Type": "application/json"}

    def ask(path: str, body: bytes | None) -> int:
        connection.request("POST" if body else "GET", parts.path + path, body, headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status

    with contextlib.closing(connection):
        yield ask


@contextlib.contextmanager
def crowding(base: str, key: str, wanted: list[Request]) -> Iterator[None]:
    """Have clients send what is wanted, from a process of their own; begin when they are at it. Raises RuntimeError."""
    spawning = multiprocessing.get_context("spawn")
    at_it = spawning.Event()
    crowd = spawning.Process(target=_send_on, args=(base, key, wanted, at_it), daemon=True)
    crowd.start()
    try:
        if not at_it.wait(60):
            raise RuntimeError("nobody of the crowd was answered")
        yield
    finally:
        crowd.kill()
        crowd.join()


def _send_on(base: str, key: str, wanted: list[Request], at_it: Event) -> None:
    def client(request: Request) -> None:
        while True:
            # Such as a connection that is closed behind a 413.
            with contextlib.suppress(http.client.HTTPException, OSError), asking(base, key) as ask:
                while True:
                    ask(request.path, request.body)
                    at_it.set()

    clients = [threading.Thread(target=client, args=(request,)) for request in wanted for _ in range(request.clients)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
