"""How long the console's pages take on a million cases: ``python -m benchmarks.pages``.

Each page is asked for several times in a session that is signed in, one at a time; its median and its size are printed,
and what is over the goals ends it with 1. Beside it stands what processors did for it, in the server and in PostgreSQL:
this depends less on what else the machine does. Most of the time goes into making the database, once.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from tests.servers import Server

from benchmarks import million
from benchmarks.machine import HOME, Postgres
from casedial.console.routes import TABLE
from casedial.console.routing import Door
from casedial.service.operations import sample

MOST_MS, MOST_BYTES = 300, 200_000
FIRM = "demo-law-firm"
_SETTLED_FOR = 20.0  # seconds for which a change of all cases is settled when its page is asked for
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')
_FILES = ("/file", "/rejects", ".svg", "/static/{hash}/{name}", "/reports/{file}")  # to keep, not to look at
# Lists of cases, by what is asked for.
_LISTS = (
    "",
    "q=ja+bo",
    "q=ja+bo&disposition=Wrong+person",
    "q=smith&order=name",
    "q=j",
    "q=j&disposition=Wrong+person",
    "q=zzz",
    "q=777777",
    "q=212-240-0142",
    "disposition=Wrong+person",
    "disposition=Wrong+person&campaign=Intake+follow-up&order=newest",
    "disposition=Wrong+person&priority=1",
    "priority=1",
    "campaign=Questionnaire+campaign&status=To+Dial",
    "campaign=Intake+follow-up&due=yes&order=dialing",
    "status=In+the+Dialer",
    "status=In+the+Dialer&vendor=Demo+Dialer",
    "held=yes",
    "answered=yes",
    "listed=yes",
    "group=Mass+Tort&attempts=7&order=newest",
    "group=nobody",
)


@dataclass
class Measured:
    """A page: how long it took each time, and the size of its last answer."""

    path: str
    status: int = 0
    size: int = 0
    times: list[float] | None = None
    processor: float = 0  # milliseconds, each time

    @property
    def median(self) -> float:
        """Return the median in milliseconds."""
        return statistics.median(self.times or [0])

    @property
    def is_over(self) -> bool:
        """Tell whether a goal is missed."""
        return self.median > MOST_MS or self.size > MOST_BYTES or self.status != 200


def sign_in(http: httpx.Client) -> None:
    """Sign in as the sample's user."""
    token = _token(http, "/sign-in")
    form = {"token": token, "name": sample.USER, "password": million.PASSWORD}
    reply = http.post("/console/sign-in", data=form)
    assert reply.status_code == 303, reply.text


def _token(http: httpx.Client, path: str) -> str:
    found = _TOKEN.search(http.get(f"/console{path}").text)
    assert found
    return found[1]


def begin_change(http: httpx.Client) -> tuple[float, str]:
    """Begin a change of all cases; return how long that took in milliseconds, and its page."""
    form = {
        "token": _token(http, f"/{FIRM}/cases"),
        "which": "all",
        "list": "",
        "move": "do-not-dial",
        "to_priority": "4",
    }
    began = time.perf_counter()
    reply = http.post(f"/console/{FIRM}/cases/change", data=form, timeout=300)
    took = 1000 * (time.perf_counter() - began)
    assert reply.status_code == 303, reply.text[:2000]
    return took, reply.headers["location"].removeprefix("/console")


def known_by(http: httpx.Client) -> dict[str, str]:
    """Return ids of what has a page."""
    return {
        "campaign_id": _first(http, f"/{FIRM}/campaigns", rf"/{FIRM}/campaigns/(\d+)"),
        "key_id": _first(http, f"/{FIRM}/keys", rf"/{FIRM}/keys/(\d+)"),
        "user_id": _first(http, "/users", r"/users/(\d+)"),
    }


def paths(known: Mapping[str, str], count: int) -> Iterator[str]:
    """Yield the pages of the route table, and lists of cases as they are asked for; ``known`` are ids."""
    known = {"firm": FIRM, "case_id": str(count // 2 + 1), **known}
    for route in TABLE.routes:
        path = re.sub(r"{(\w+)}", lambda found: known.get(found[1], found[0]), route.path)
        is_page = "{" not in path and not route.path.endswith(_FILES) and route.least is not Door.OPEN
        if route.verb == "GET" and is_page:
            yield path
    for asked in _LISTS:
        yield f"/{FIRM}/cases?{asked}"
    yield f"/{FIRM}/cases?after={count // 2}"
    yield f"/{FIRM}/cases/{count // 3}?q=ja+bo"


def reports(campaign: str) -> Iterator[str]:
    """Yield reports of many days."""
    today = datetime.now(UTC).date()
    for days, which in ((90, ""), (365, ""), (90, f"&campaign={campaign}")):
        yield f"/{FIRM}/reports?since={today - timedelta(days=days - 1)}&until={today}{which}"


def _first(http: httpx.Client, page: str, pattern: str) -> str:
    shown = http.get(f"/console{page}").text
    found = re.search(pattern, shown)
    assert found, f"{page}: {shown[:500]}"
    return found[1]


def _used(parents: Iterable[int]) -> float:
    """Return the processor's time of processes and of those that they started, in milliseconds."""
    ticks = 0
    for parent in parents:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True).stdout
        for pid in (parent, *map(int, listed.split())):
            with suppress(OSError):
                parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(parts[11]) + int(parts[12])
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def measure(url: str, count: int, times: int, only: str, postgres: Postgres | None = None) -> list[Measured]:
    """Ask a server on a database for each page whose path has ``only`` in it, a pattern."""
    with (
        Server(url, CASEDIAL_WORKERS="1", CASEDIAL_LOG_LEVEL="warning") as server,
        httpx.Client(base_url=server.url, timeout=120, verify=False) as http,
    ):
        sign_in(http)
        known = known_by(http)
        at_work = [server.process.pid, *([postgres.pid] if postgres else [])]
        first = _asked(http, f"/{FIRM}/", 1, at_work)
        print(f"  the first look at Today after a start took {first.median:.0f} ms, processor {first.processor:.0f}")
        every = (*paths(known, count), *reports(known["campaign_id"]))
        found = [_asked(http, path, times, at_work) for path in every if re.search(only, path)]
        if not re.search(only, f"/{FIRM}/changes/1"):
            return found
        took, change = begin_change(http)  # whose cases the server settles meanwhile
        print(f"  a change of all cases was begun in {took:.0f} ms")
        time.sleep(_SETTLED_FOR)
        return [*found, _asked(http, change, times, at_work)]


def _asked(http: httpx.Client, path: str, times: int, at_work: Sequence[int]) -> Measured:
    one = Measured(path, times=[])
    before = _used(at_work)
    for _ in range(times):
        began = time.perf_counter()
        reply = http.get(f"/console{path}")
        assert one.times is not None
        one.times.append(1000 * (time.perf_counter() - began))
        one.status, one.size = reply.status_code, len(reply.content)
        time.sleep(0.05)  # what a page leaves to be done is not the next one's
    one.processor = (_used(at_work) - before) / times
    return one


def report(name: str, pages: list[Measured]) -> int:
    """Print what was measured; return how many pages are over a goal."""
    over = [page for page in pages if page.is_over]
    print(f"{name}: {len(pages)} pages, {len(over)} over {MOST_MS} ms or {MOST_BYTES // 1000} KB")
    for page in sorted(pages, key=lambda one: -one.median):
        mark = "OVER" if page.is_over else ""
        worst = max(page.times or [0])
        told = f"{page.median:5.0f} ms, at most {worst:5.0f}, processor {page.processor:4.0f}"
        print(f"  {told}; {page.size // 1000:3} KB {page.path} {mark}")
    return len(over)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="benchmarks.pages", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--databases", default="postgresql,sqlite")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="", help="a pattern of the paths of pages")
    asked = parser.parse_args()
    over = 0
    for name in asked.databases.split(","):
        began = time.monotonic()
        postgres = Postgres(HOME / "postgres-pages") if name == "postgresql" else None
        try:
            url = million.postgresql(postgres, asked.cases) if postgres else million.sqlite(asked.cases)
            print(f"{name}: {asked.cases:,} cases are there after {time.monotonic() - began:.0f} s", flush=True)
            over += report(name, measure(url, asked.cases, asked.times, asked.only, postgres))
        finally:
            if postgres:
                postgres.stop()
    sys.exit(over > 0)


if __name__ == "__main__":
    main()
