"""What it costs claims and reports that somebody listens: a reader of the feed, and three webhooks beside it.

Firm 1 is listened to, firm 2 is not; both are claimed from, and reported to. The listeners share the cores, and take
what they can get.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx

from benchmarks import data, load
from benchmarks.book import Book
from benchmarks.cells import UPDATED, WORK
from benchmarks.goals import US
from benchmarks.machine import Postgres, casedial
from casedial.database.engine import Store
from casedial.domain.actors import operator
from casedial.domain.keys import Scope
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key
from casedial.service.operations import webhooks
from casedial.service.operations.feed import Feed

NOBODY, FEED, ALL = WAYS = ("nobody listens", "a feed", "a feed and three webhooks")
LOADS = {"claim 25 x 8": ("campaign", 25, 8), "update 100 x 8": ("update", UPDATED, 8)}
HOOKS = 3
SECONDS, WARM = 5, 1
_KEY = "benchmark-key-of-the-listener"


def measure(book: Book, postgres: Postgres, size: int, rounds: int) -> None:
    """Measure claims and reports, in an order that chance decides, each on fresh data."""
    template = data.ensure(postgres, data.DataSet(size))
    jobs = [(name, way) for name in LOADS for way in WAYS]
    with _endpoint() as endpoint:
        for number in range(1, rounds + 1):
            for name, way in random.sample(jobs, len(jobs)):
                postgres.copy(template, WORK)
                asyncio.run(_prepare(postgres.url(WORK), endpoint if way == ALL else None))
                mode, records, clients = LOADS[name]
                server = casedial(postgres.url(WORK), CASEDIAL_WEBHOOK_NETWORKS="127.0.0.0/8")
                with server as (base, _), contextlib.nullcontext() if way == NOBODY else _reader(base):
                    load.http(base, "info", 1, clients, WARM, size // 2)
                    found = load.http(base, mode, records, clients, SECONDS, size // 2)
                book.note(f"{name}, {way}", US, number, rate=found.rate * records, p50=found.p50, p99=found.p99)


async def _prepare(url: str, endpoint: str | None) -> None:
    """Give firm 1 a key that may read the feed, and three webhooks where there is an endpoint."""
    store = Store(url)
    try:
        async with store.write() as tx:
            firm = await open_firm(tx, data.FIRMS[0])
            only = LimitChange(scopes=frozenset({Scope.FEED}))
            await add_key(tx, firm, "Listener", datetime.now(UTC), _KEY, only)
        for number in range(HOOKS if endpoint else 0):
            me = operator("benchmark")
            await webhooks.add(store, me, Feed(store), data.FIRMS[0], f"{endpoint}/{number}")
    finally:
        await store.close()


@contextlib.contextmanager
def _reader(base: str) -> Iterator[None]:
    """Read the feed from its end on, for as long as the block goes on."""
    over, faults = threading.Event(), []
    address = base.replace("/PredictiveDialer", "/v1/changes")

    def read() -> None:
        after = "end"
        with httpx.Client(headers={"X-ApiKey": _KEY}, timeout=30) as client:
            while not over.is_set():
                page = client.get(address, params={"After": after, "Limit": 1000, "Wait": 1})
                if page.status_code != 200:
                    faults.append(page.text)
                    return
                after = page.json()["Cursor"]

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    yield
    over.set()
    reader.join()
    if faults:
        raise RuntimeError(f"the feed answered {faults[0]}")


class _Taken(http.server.BaseHTTPRequestHandler):
    """Takes every message."""

    def do_POST(self) -> None:  # as the library calls it
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _endpoint() -> Iterator[str]:
    """Serve an endpoint; yield its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Taken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
