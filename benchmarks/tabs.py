"""What 20 open tabs of Today take from a claim: ``python -m benchmarks.tabs``.

Rounds with and without tabs alternate on one server, in pairs whose order alternates, too; printed is the median of the
pairs. A tab asks each second for the part that changes, with the ETag of what it has, as the script of the page does.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from benchmarks import cells, data, load, machine
from benchmarks.machine import Postgres
from benchmarks.million import PASSWORD
from casedial.database.engine import Store
from casedial.domain.actors import operator
from casedial.domain.users import UserRole
from casedial.service.operations import signing_in, users

RECORDS, CLIENTS = 25, 8
USER, ADDRESS = "Benchmark manager", "firm-1"
ROUNDS_OF_A_COPY = 6  # whose cases that are due must not run out
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@dataclass
class Polled:
    """What tabs were answered, and how long they waited in milliseconds."""

    statuses: dict[int, int] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)


class Tabs:
    """Open tabs, in one thread: requests that are written once, on connections that are kept."""

    def __init__(self, port: int, cookies: str, count: int) -> None:
        self._head = f"GET /console/{ADDRESS}/live HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n"
        self._tabs = [[socket.create_connection(("127.0.0.1", port)), ""] for _ in range(count)]
        self.polled = Polled()
        self._stop = threading.Event()

    def _ask(self, tab: list[object]) -> None:
        connection, etag = tab
        assert isinstance(connection, socket.socket)
        known = f"If-None-Match: {etag}\r\n" if etag else ""
        began = time.perf_counter()
        connection.sendall(f"{self._head}{known}\r\n".encode())
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += connection.recv(65536)
        head, _, body = reply.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").lower().split("\r\n")[1:])
        left = int(headers.get("content-length", 0)) - len(body)
        while left > 0:
            left -= len(connection.recv(65536))
        self.polled.took.append(1000 * (time.perf_counter() - began))
        status = int(head.split()[1])
        self.polled.statuses[status] = self.polled.statuses.get(status, 0) + 1
        tab[1] = headers.get("etag", etag)

    def _run(self) -> None:
        while not self._stop.is_set():
            second = time.monotonic()
            for number, tab in enumerate(self._tabs):
                self._stop.wait(max(0.0, second + number / len(self._tabs) - time.monotonic()))
                self._ask(tab)
            self._stop.wait(max(0.0, second + 1 - time.monotonic()))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Poll until the block ends."""
        self._stop.clear()
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


async def _add_user(url: str) -> None:
    store, me = Store(url), operator("benchmark")
    try:
        linked = await users.add(store, me, USER, data.FIRMS[0], UserRole.MANAGER)
        await signing_in.use_link(store, linked.token, PASSWORD, signing_in.Browser("127.0.0.1"))
    finally:
        await store.close()


def sign_in(port: int) -> str:
    """Sign in; return the cookies."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/console", verify=False) as http:
        token = _TOKEN.search(http.get("/sign-in").text)
        assert token
        reply = http.post("/sign-in", data={"token": token[1], "name": USER, "password": PASSWORD})
        assert reply.status_code == 303, reply.text
        return "; ".join(f"{name}={value}" for name, value in http.cookies.items())


def pairs(claims: cells.Claims, tabs: int, until: float) -> Iterator[tuple[float, float, Polled]]:
    """Yield pairs of rates, without tabs and with them, and what these were answered."""
    half = claims.wanted.size // 2
    numbers = itertools.count(1)  # over all copies: on each, claims become slower, and either order is to be the first
    while time.monotonic() < until:
        claims.postgres.copy(claims.template, cells.WORK)
        asyncio.run(_add_user(claims.url))
        with machine.casedial(claims.url) as (base, _):
            port = int(base.split(":")[2].split("/")[0])
            looking = Tabs(port, sign_in(port), tabs)
            with looking.open():  # what each worker makes for the first look
                time.sleep(3)

            def rate(base: str = base, looking: Tabs | None = None) -> float:
                if looking is None:
                    return load.http(base, "campaign", RECORDS, CLIENTS, claims.seconds, half).rate
                with looking.open():
                    time.sleep(0.3)
                    return load.http(base, "campaign", RECORDS, CLIENTS, claims.seconds, half).rate

            load.http(base, "campaign", RECORDS, CLIENTS, claims.warm, half)
            for number in itertools.islice(numbers, ROUNDS_OF_A_COPY // 2):
                looking.polled = Polled()
                first = rate(looking=looking) if number % 2 else rate()
                second = rate() if number % 2 else rate(looking=looking)
                yield (second, first, looking.polled) if number % 2 else (first, second, looking.polled)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="benchmarks.tabs", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=4, help="of a round")
    parser.add_argument("--all", type=int, default=200, help="seconds in which no more is begun")
    parser.add_argument("--tabs", type=int, default=20)
    asked = parser.parse_args()
    postgres = Postgres()
    try:
        claims = cells.Claims(postgres, data.DataSet(asked.cases), asked.seconds, 2)
        moved = []
        for without, with_tabs, polled in pairs(claims, asked.tabs, time.monotonic() + asked.all):
            moved.append(100 * (with_tabs / without - 1))
            waited = statistics.median(polled.took)
            print(f"{without:.1f} {with_tabs:.1f} {moved[-1]:+.1f} %; {polled.statuses}, {waited:.1f} ms", flush=True)
        print(f"{len(moved)} pairs, {asked.tabs} tabs: {statistics.median(moved):+.1f} %")
    finally:
        postgres.stop()


if __name__ == "__main__":
    main()
