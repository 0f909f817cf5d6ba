"""Kill servers under working dialers, on both databases, and have the checker judge: ``make chaos N=100``.

Prints one table and exits 1 on any fault. The same seed makes the same choices, not the same run: what happens
between processes is never the same twice.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.runner import Plan, Round, Runner
from tests.chaos.verdict import PROMISES, Verdict
from tests.postgres import PostgresServer

DATABASES = ("sqlite", "postgresql")
SHOWN = 12  # faults in full, for each promise


@dataclass
class Result:
    """What came of all rounds on one database."""

    verdict: Verdict = field(default_factory=Verdict)
    done: Counter[str] = field(default_factory=Counter)
    rounds: int = 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs in total, over the databases (default 100)")
    parser.add_argument("--claims", type=int, default=100_000, help="cases to claim in the race, in total")
    parser.add_argument("--repeats", type=int, default=2000, help="repeats with an Idempotency-Key, in total")
    parser.add_argument("--late", type=int, default=2000, help="late changes, in total")
    parser.add_argument("--round", type=int, default=50, help="most kills on one database before it is judged")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only this one")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--results", type=Path, help="append the results here, a line of JSON for each database")
    parser.add_argument("--keep", type=Path, help="keep journals and tables of each round in this folder")
    return parser.parse_args()


class Ground:
    """Where rounds take place: a new database and a new folder for each, removed afterwards."""

    def __init__(self, database: str, keep: Path | None) -> None:
        self._database = database
        self._keep = keep
        self._postgres = PostgresServer() if database == "postgresql" else None

    def round(self, number: int, seed: str, plan: Plan) -> Round:
        with tempfile.TemporaryDirectory(prefix="casedial-chaos-") as folder:
            room = Path(folder)
            if self._keep:
                room = self._keep / f"{self._database}-{number}"
                room.mkdir(parents=True)
            if self._postgres is None:
                return Runner(f"sqlite:///{room}/casedial.db", room, seed, plan).run()
            name = f"chaos_{number}"
            self._postgres.execute(f"CREATE DATABASE {name}")
            try:
                return Runner(self._postgres.url(name), room, seed, plan).run()
            finally:
                self._postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        if self._postgres:
            self._postgres.stop()


def run(database: str, share: Plan, options: argparse.Namespace) -> Result:
    """Do one database's share of everything, in rounds of equal size."""
    rounds = max(1, math.ceil(share.kills / options.round))
    result = Result()
    ground = Ground(database, options.keep)
    try:
        for number in range(rounds):
            began = time.monotonic()
            plan = Plan(
                *(_part(amount, rounds, number) for amount in (share.kills, share.claims, share.repeats, share.late))
            )
            found = ground.round(number, f"{options.seed}-{database}-{number}", plan)
            result.verdict.add([found.verdict])
            result.done.update(found.done + found.verdict.seen)
            result.rounds += 1
            spent = ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in found.seconds.items())
            state = "good" if found.verdict.is_good else "FAULTS"
            took = time.monotonic() - began
            print(f"  {database} {number + 1}/{rounds}: {state}, {took:.0f} s ({spent})", flush=True)
    finally:
        ground.close()
    return result


def _part(amount: int, parts: int, number: int) -> int:
    """Return the part of this number when an amount is divided as evenly as whole numbers allow."""
    return amount * (number + 1) // parts - amount * number // parts


def show(results: Mapping[str, Result]) -> None:
    """Print the table: what was done, what was promised, and each fault."""
    wide = max(map(len, PROMISES)) + 2
    print("\n" + " " * wide + "".join(f"{database:>20}" for database in results))
    for name in dict.fromkeys(name for result in results.values() for name in result.done):
        print(f"{name:<{wide}}" + "".join(f"{result.done[name]:>20,}" for result in results.values()))
    for name in dict.fromkeys(name for result in results.values() for name in result.verdict.figures):
        print(
            f"{name:<{wide}}" + "".join(f"{result.verdict.figures.get(name, 0):>20.1f}" for result in results.values())
        )
    print("\n" + f"{'promise':<{wide}}" + f"{'counted':>12}{'faults':>8}" * len(results))
    for promise in PROMISES:
        columns = (
            f"{result.verdict.counted[promise]:>12,}{len(result.verdict.faults[promise]):>8,}"
            for result in results.values()
        )
        print(f"{promise:<{wide}}" + "".join(columns))
    for database, result in results.items():
        for promise, faults in result.verdict.faults.items():
            for fault in faults[:SHOWN]:
                print(f"FAULT ({database}) {promise}: {fault}")
            if len(faults) > SHOWN:
                print(f"FAULT ({database}) {promise}: and {len(faults) - SHOWN} more")


def document(database: str, result: Result, seed: int) -> dict[str, object]:
    """Return what is kept of a run."""
    verdict = result.verdict
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "database": database,
        "rounds": result.rounds,
        "done": dict(result.done),
        "figures": verdict.figures,
        "promises": {
            promise: {"counted": verdict.counted[promise], "faults": verdict.faults[promise]} for promise in PROMISES
        },
    }


def main() -> int:
    options = arguments()
    databases = options.database or list(DATABASES)
    print(f"chaos: {options.kills} kills on {' and '.join(databases)}, seed {options.seed}", flush=True)
    amounts = (options.kills, options.claims, options.repeats, options.late)
    results: dict[str, Result] = {}
    for number, database in enumerate(databases):
        share = Plan(*(_part(amount, len(databases), number) for amount in amounts))
        results[database] = run(database, share, options)
        if options.results:
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(document(database, results[database], options.seed)) + "\n")
    show(results)
    return 0 if all(result.verdict.is_good for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
