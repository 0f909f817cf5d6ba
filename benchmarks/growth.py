"""What more cases, other campaigns' cases, calling rules and old claims cost: p50 of a claim, one client.

One client, for a queue of several would show how busy the machine is rather than what a claim costs. ``CLAIMS`` claims
a measurement, so that even 10,000 cases last for all filters; one server process with one connection in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import time
from collections.abc import Iterator

from benchmarks import check, data, load, own
from benchmarks.book import Book
from benchmarks.goals import US
from benchmarks.machine import Postgres, casedial
from benchmarks.pictures import SIZES

WORK = "bench_growth"
CLAIMS, RECORDS = 40, 25
FILTERS = ("campaign+group", "group", "campaign", "none")  # in this order: each leaves enough for the next
READS = 400
AGED = 250_000
SWEEP_SECONDS = 30
_LOGGED = "SELECT pg_current_wal_insert_lsn() - '0/0'"


def by_size(book: Book, postgres: Postgres, sizes: list[str], rounds: int) -> None:
    """Measure claims with every set of filters, GetCaseInfo and AddCaseNoteByPhone at each size."""
    for number in range(1, rounds + 1):
        for name in random.sample(sizes, len(sizes)):
            template = data.ensure(postgres, data.DataSet(SIZES[name]))
            postgres.copy(template, WORK)
            with casedial(postgres.url(WORK), workers=1) as (base, _):
                half = SIZES[name] // 2
                load.http(base, "info", 1, 1, 10, half, limit=READS)  # warms the server
                for mode, row in (("info", "GetCaseInfo"), ("note", "AddCaseNoteByPhone")):
                    found = load.http(base, mode, 1, 1, 20, half, limit=READS)
                    book.note(f"{row}, {name} cases", US, number, p50=found.p50, p99=found.p99)
                for filters in FILTERS:
                    row = f"claim, {filters}, {name} cases"
                    _claims(book, base, filters, row, number, half, postgres)
            with _no_page_images(postgres), casedial(postgres.url(WORK), workers=1) as (base, _):
                load.http(base, "info", 1, 1, 10, half, limit=READS)
                _claims(book, base, "none", f"claim, none, {name} cases, no page images", number, half)
            check.claims(postgres, WORK, RECORDS, in_order=False)


def _claims(
    book: Book, base: str, mode: str, row: str, number: int, half: int, postgres: Postgres | None = None
) -> None:
    """Measure claims; with ``postgres`` also how many bytes of its log each case takes."""
    before = postgres.number(WORK, _LOGGED) if postgres else 0
    found = load.http(base, mode, RECORDS, 1, 60, half, limit=CLAIMS)
    figures = {"wal": (postgres.number(WORK, _LOGGED) - before) / (found.calls * RECORDS)} if postgres else {}
    book.note(row, US, number, p50=found.p50, p99=found.p99, **figures)


@contextlib.contextmanager
def _no_page_images(postgres: Postgres) -> Iterator[None]:
    """Have PostgreSQL log no page as a whole: with few cases it soon has none left to log, and with many it always has.

    Both ways the server starts anew, and the copy is read into memory again.
    """
    try:
        postgres.restart(full_page_writes="off")
        postgres.warm(WORK)
        yield
    finally:
        postgres.restart(full_page_writes="on")


def of_another_campaign(book: Book, postgres: Postgres, size: int, rounds: int) -> None:
    """Measure claims from a campaign that has 1 % of the due cases."""
    template = data.ensure(postgres, data.skewed(size))
    for number in range(1, rounds + 1):
        with _fresh(postgres, template, size) as base:
            _claims(book, base, "campaign fixed", "claim, 1 % of the due", number, size // 2)
        check.claims(postgres, WORK, RECORDS)


def under_rules(book: Book, postgres: Postgres, size: int, rounds: int) -> None:
    """Measure claims from a campaign without and with calling rules: all in hours; 95 % outside, at once and later.

    At once, the claim itself meets those that may not be called; later, upkeep has held them back.
    """
    template = data.ensure(postgres, data.ruled(size))
    for number in range(1, rounds + 1):
        for way in random.sample(("no rules", "rules, all in hours", "95 % out of hours, at once"), 3):
            closed = way.startswith("95")
            postgres.copy(template, WORK)
            if way != "no rules":
                asyncio.run(data.set_rules(postgres.url(WORK), closed))
            with casedial(postgres.url(WORK), workers=1) as (base, _):
                load.http(base, "info", 1, 1, 10, size // 2, limit=100)
                _claims(book, base, "campaign first", f"claim, {way}", number, size // 2)
                if closed:
                    time.sleep(SWEEP_SECONDS)
                    row = "claim, 95 % out of hours, later"
                    _claims(book, base, "campaign first", row, number, size // 2)
            check.claims(postgres, WORK, RECORDS, in_order=False, full=False)  # those held back are older


def aged(book: Book, postgres: Postgres, size: int, rounds: int) -> None:
    """Measure claims from a campaign of which 250,000 cases were claimed, with and without an old snapshot."""
    template = data.ensure(postgres, data.skewed(size))
    for number in range(1, rounds + 1):
        for held in random.sample((False, True), 2):
            with _fresh(postgres, template, size) as base, _snapshot(postgres) if held else contextlib.nullcontext():
                fresh = "claim, fresh"
                if not held:
                    _claims(book, base, "campaign first", fresh, number, size // 2)
                for part in (1, 2):
                    _claim_many(postgres, AGED // 2, part)
                    if held or part == 2:
                        row = f"claim, after {AGED // 2 * part:,}" + (", old snapshot" if held else "")
                        _claims(book, base, "campaign first", row, number, size // 2)


def _claim_many(postgres: Postgres, count: int, part: int) -> None:
    """Claim so many cases of the first campaign with casedial's own SQL, 100 at a time, as fast as it goes."""
    script = own.claim_script(100, 0, part * 10**9, campaigns=1)
    load.pgbench(postgres, WORK, [script], 4, 0, calls=count // 100 // 4)


@contextlib.contextmanager
def _fresh(postgres: Postgres, template: str, size: int) -> Iterator[str]:
    postgres.copy(template, WORK)
    with casedial(postgres.url(WORK), workers=1) as (base, _):
        load.http(base, "info", 1, 1, 10, size // 2, limit=READS)
        yield base


@contextlib.contextmanager
def _snapshot(postgres: Postgres) -> Iterator[None]:
    """Hold a transaction open that sees the database as it is now, as a forgotten session or a long backup does."""
    command = [str(postgres.bin / "psql"), "-qAtX", "-d", postgres.url(WORK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdin
        assert session.stdout
        session.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM firms;\n")
        session.stdin.flush()
        session.stdout.readline()
        try:
            yield
        finally:
            session.stdin.close()
            session.wait(10)
