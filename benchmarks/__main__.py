"""Run the benchmarks: ``python -m benchmarks run``, ``quick``, ``report``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import cells, data, files, growth, listeners, lite, neighbours, profile, queues, report
from benchmarks.book import Book
from benchmarks.check import Wrong
from benchmarks.goals import US
from benchmarks.machine import ROOT, Postgres, describe

RESULTS = ROOT / "benchmarks" / "results"
MILLION = 1_000_000


def _claims(book: Book, postgres: Postgres, rounds: int) -> None:
    claims = cells.Claims(postgres, data.DataSet(MILLION), 5, 1)
    cells.agree(postgres, claims.template)
    cells.run(book, lambda: iter([*claims.jobs(cells.CELLS), *queues.jobs(postgres, cells.CELLS, 4)]), rounds)


def _updates(book: Book, postgres: Postgres, rounds: int) -> None:
    cells.run(book, cells.Updates(cells.Claims(postgres, data.DataSet(MILLION), 5, 1)).jobs, rounds)


# In the order in which they are measured; each takes the book, PostgreSQL, and how many rounds.
ROWS: dict[str, Callable[[Book, Postgres, int], None]] = {
    "claim": _claims,
    "update": _updates,
    "growth": lambda book, postgres, rounds: growth.by_size(book, postgres, ["10k", "100k", "1M", "5M"], rounds),
    "others": lambda book, postgres, rounds: growth.of_another_campaign(book, postgres, MILLION, rounds),
    "rules": lambda book, postgres, rounds: growth.under_rules(book, postgres, MILLION, rounds),
    "aged": lambda book, postgres, rounds: growth.aged(book, postgres, MILLION, rounds),
    "neighbours": lambda book, postgres, rounds: neighbours.measure(book, postgres, 400_000, rounds),
    "listeners": lambda book, postgres, rounds: listeners.measure(book, postgres, 400_000, rounds),
    "sqlite": lambda book, postgres, rounds: lite.measure(book, postgres, 400_000, rounds, 4),
    "import": lambda book, postgres, rounds: files.measure(book, postgres, 100_000, rounds),
}


def _quick(book: Book, postgres: Postgres) -> None:
    """Measure a little of everything that is fast: to see that it works, not to publish."""
    claims = cells.Claims(postgres, data.DataSet(400_000), 2, 1)
    cells.agree(postgres, claims.template)
    cells.run(book, lambda: claims.jobs(((25, 8), (1, 64))), 1)
    growth.by_size(book, postgres, ["10k", "100k"], 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("what", choices=("run", "quick", "report"))
    parser.add_argument("--rows", default=",".join(ROWS), help=f"which to run, of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--into", type=Path, help="the file of results; rows that it has are kept")
    return parser.parse_args()


def main() -> None:
    """Do what the command line says."""
    asked = _arguments()
    path = asked.into or RESULTS / ("quick.json" if asked.what == "quick" else "latest.json")
    if asked.what == "report":
        report.write(Book.read(path), json.loads(profile.RESULT.read_text()))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # through what ends the servers
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell has it ignored
    postgres = Postgres()
    try:
        kept = Book.read(path) if asked.into and path.exists() else None
        book = Book(path, describe(postgres), {"rounds": asked.rounds})
        if kept:
            book.measured, book.failed = kept.measured, kept.failed
        began = time.monotonic()
        if asked.what == "quick":
            _quick(book, postgres)
        for name in asked.rows.split(",") if asked.what == "run" else ():
            print(f"{name}:", flush=True)
            try:
                ROWS[name](book, postgres, asked.rounds)
            except (Wrong, RuntimeError) as error:  # the others are worth measuring all the same
                book.fail(name, US, asked.rounds, str(error))
        book.about["seconds"] = round(time.monotonic() - began)
        book.save()
    finally:
        for database in (cells.WORK, growth.WORK):
            postgres.drop(database)
        postgres.stop()
    print(f"\n{report.as_text(book)}\n\n{book.path}")
    if book.failed:
        sys.exit(f"{len(book.failed)} rounds went wrong")


if __name__ == "__main__":
    main()
