"""``python -m tests.fuzz --raw N --schema M``: hostile input against servers of its own, on SQLite and PostgreSQL.

Prints what was sent and what was answered. Ends with 1 when there was a fault: a reply of 500 or more, one that is
no HTTP, one without what every reply has, a connection that hangs, a server that died, logged a fault, grew by 100 MiB
or changed what no granted request named.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tests.fuzz import client, schema
from tests.fuzz.client import Fault, Tally
from tests.fuzz.grammar import KINDS, Hostile, Maker
from tests.fuzz.target import DATABASES, Target, database_urls

CLASSES = ("2xx", "3xx", "4xx", "5xx", "layer", "none")
SAVED = Path("fuzz-faults")
SHOWN = 2_000  # bytes of a request
SLOWEST = 10  # requests a second; who is slower by far hangs


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    kind: str
    database: str
    requests: int
    answers: dict[str, int]
    faults: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one server."""

    rows: list[Row]
    faults: list[str]
    growth: str  # of the server's memory


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if options.replay:
        return replay(options.replay)
    seed = random.randrange(10**9) if options.seed is None else options.seed
    print(f"seed {seed}: {options.raw} raw requests, at least {options.schema} schema-driven cases", flush=True)
    started = time.monotonic()
    with ExitStack() as stack:
        urls = stack.enter_context(database_urls())
        targets = [stack.enter_context(Target(database, url)) for database, url in urls.items()]
        with ThreadPoolExecutor(len(targets)) as pool:
            shares = [_share(options.raw, len(targets), place) for place in range(len(targets))]
            works = [pool.submit(attack, *each, options.schema, seed) for each in zip(targets, shares, strict=True)]
            results = [work.result() for work in works]
    return show(results, seed, time.monotonic() - started, options.results)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition(". ")[0])
    parser.add_argument("--raw", type=int, default=10_000, help="how many requests over raw sockets")
    parser.add_argument("--schema", type=int, default=1_000, help="how many cases of Schemathesis, at least")
    parser.add_argument("--seed", type=int, help="to make the requests of an earlier run; by default another each time")
    parser.add_argument("--results", type=Path, help="a file for the table, as JSON")
    parser.add_argument("--replay", type=Path, help="send only this saved request, and show what is answered")
    return parser.parse_args(arguments)


def _share(requests: int, servers: int, place: int) -> range:
    return range(requests * place // servers, requests * (place + 1) // servers)


def attack(target: Target, numbers: range, cases: int, seed: int) -> Result:
    """Send one server its part, and look what became of it."""
    outcome = schema.run(target, -(-cases // len(DATABASES)), seed) if cases else schema.Outcome()
    tally = Tally()
    client.run(target.server.port, Maker(seed), numbers, tally, 60 + len(numbers) / SLOWEST)
    rows = [Row("schema", target.database, outcome.cases, dict(outcome.answers), len(outcome.faults))]
    for kind in KINDS:
        answers = {status: count for (of, status), count in tally.answers.items() if of == kind}
        rows.append(Row(kind, target.database, sum(answers.values()), answers, _count(tally.faults, kind)))
    harm = target.faults()
    growth = f"{target.database} {target.growth:.0f} MiB"
    if not tally.faults and tally.answers.total() < len(numbers):
        harm.append(f"in {60 + len(numbers) / SLOWEST:.0f} s only {tally.answers.total()} requests were answered")
    said = [_describe(target.database, seed, fault) for fault in tally.faults]
    return Result(rows, [*outcome.faults, *said, *(f"{target.database}: {what}" for what in harm)], growth)


def _count(faults: list[Fault], kind: str) -> int:
    return sum(fault.sent.kind == kind for fault in faults)


def _describe(database: str, seed: int, fault: Fault) -> str:
    """Save a request, and say what was wrong with its reply."""
    SAVED.mkdir(exist_ok=True)
    file = SAVED / f"{database}-{seed}-{fault.sent.number}.request"
    file.write_bytes(fault.sent.raw)
    lines = [
        f"{database}, seed {seed}, request {fault.sent.number} ({fault.sent.kind}, then {fault.sent.ending.value}): "
        f"{fault.what}",
        f"  saved as {file}",
        f"  sent {fault.sent.raw[:SHOWN]!r}{'…' * (len(fault.sent.raw) > SHOWN)}",
    ]
    if fault.reply:
        lines.append(f"  got {fault.reply.status} {fault.reply.headers} {fault.reply.body[:SHOWN]!r}")
    return "\n".join(lines)


def show(results: list[Result], seed: int, seconds: float, file: Path | None) -> int:
    """Print the table and the faults; return the exit status."""
    rows = [row for result in results for row in result.rows]
    faults = [fault for result in results for fault in result.faults]
    table = Table("kind", "database", *(_right(name) for name in ("requests", *CLASSES, "faults")))
    for row in rows:
        counts = (row.requests, *(row.answers.get(status, 0) for status in CLASSES), row.faults)
        table.add_row(row.kind, row.database, *map(str, counts))
    Console(width=100).print(table)
    print("layer: refused by the HTTP layer before casedial saw it; none: closed without a reply")
    print("memory grew by", *(result.growth for result in results), *faults, sep="\n  ")
    raw = sum(row.requests for row in rows if row.kind != "schema")
    driven = sum(row.requests for row in rows if row.kind == "schema")
    refused = sum(row.answers.get("5xx", 0) for row in rows)
    print(
        f"{raw} raw requests and {driven} schema-driven cases in {seconds:.0f} s, seed {seed}: "
        f"{refused} replies of 500 or more, {len(faults)} faults"
    )
    if file:
        ran = {"seed": seed, "seconds": round(seconds), "raw": raw, "schema": driven}
        file.write_text(json.dumps({**ran, "faults": faults, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    return bool(faults)


def replay(file: Path) -> int:
    """Send one request again, to fresh servers."""
    sent = Hostile(0, "replay", file.read_bytes(), whole=False)
    faults = []
    with database_urls() as urls:
        for database, url in urls.items():
            with Target(database, url) as target:
                tally = Tally()
                replies = client.Client(target.server.port, tally).send_alone(sent)
                for reply in replies:
                    print(f"{database}: {reply.status} {reply.headers} {reply.body[:SHOWN]!r}")
                faults += [
                    f"{database}: {what}" for what in (*(fault.what for fault in tally.faults), *target.faults())
                ]
    print(*faults, sep="\n")
    return bool(faults)


def _right(name: str) -> Column:
    return Column(name, justify="right")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
