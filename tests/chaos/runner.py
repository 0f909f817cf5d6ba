"""One round on one database: dialers work while servers are killed, then the drills, then the checker judges."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from tests.chaos import office, snapshot
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, read_feeds, read_journals, read_tables
from tests.chaos.fleet import Fleet
from tests.chaos.office import CLAIM_TIMEOUT, LATE, PARKED, RACE, REPEATS, STORM, cases_of, phones_of
from tests.chaos.verdict import Verdict

DIALERS = 6
READERS = 3  # of the feed
RACERS = 6
PACE = 0.06  # seconds at most that a dialer rests between two requests: restarts need the processor, too
SECONDS_A_KILL = 8  # within which a kill has to succeed, on average
LONGEST_EXTENSION = 6  # seconds
SETTLED = 3  # seconds after the end of the last lease of the storm, by which its case must be back
BASE = "/PredictiveDialer"


@dataclass(frozen=True)
class Plan:
    """How much a round does."""

    kills: int
    claims: int  # cases to claim in the race
    repeats: int
    late: int
    seconds: float = 60  # for each drill at most


@dataclass
class Round:
    """What a round found, and what it did."""

    verdict: Verdict
    done: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)


class Runner:
    """Runs one round in a folder of its own."""

    def __init__(self, database_url: str, room: Path, seed: str, plan: Plan) -> None:
        self._url = database_url
        self._room = room
        self._seed = seed
        self._plan = plan
        self._chance = random.Random(seed)
        self._journals = room / "journals"
        self._journals.mkdir()
        self._feeds = room / "feeds"
        self._feeds.mkdir()
        self._readers: list[subprocess.Popen[bytes]] = []
        self.readers = READERS
        self._seconds: dict[str, float] = {}

    def run(self) -> Round:
        with self._timed("making the firm"):
            self._keys = asyncio.run(office.make(self._url, DIALERS))
        with Fleet(self._url, self._room, self._chance, self._seed) as fleet:
            self._readers = [self._read(fleet, number) for number in range(self.readers)]
            with self._timed("kills"):
                done = self._storm(fleet)
            done.update(fleet.kills)
            leases_end = time.monotonic() + CLAIM_TIMEOUT + LONGEST_EXTENSION
            for name, processes in (("race", RACERS), ("repeat", 1), ("late", 1)):
                with self._timed(name):
                    self._drill(fleet, name, processes)
            time.sleep(max(0.0, leases_end - time.monotonic()) + SETTLED)
            for reader in self._readers:
                reader.terminate()
            self._finish(self._readers, 90)
            written = fleet.stop()
        with self._timed("judging"):
            verdict = self._judge(done, written)
        return Round(verdict, done, self._seconds)

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[phase] = time.monotonic() - began

    # --- The storm ---

    def _read(self, fleet: Fleet, number: int) -> subprocess.Popen[bytes]:
        """Start a reader of the feed, which goes on where it was killed before."""
        return self._start(
            "tests.chaos.reader",
            f"reader-{number}",
            servers=fleet.through_proxies,
            key=self._keys[-1],
            journal=str(self._feeds / f"reader-{number}.jsonl"),
        )

    def _storm(self, fleet: Fleet) -> Counter[str]:
        """Let dialers work while servers are killed; return how many readers and database connections were, too."""
        limit = self._plan.kills * SECONDS_A_KILL + 60
        done: Counter[str] = Counter()

        def between() -> None:
            if self._url.startswith("postgresql") and self._chance.random() < 0.3:
                done["database connections ended"] += asyncio.run(self._end_connection())
            if self._chance.random() < 0.3 and self._readers:
                number = self._chance.randrange(self.readers)
                self._readers[number].kill()
                self._readers[number].wait()
                self._readers[number] = self._read(fleet, number)
                done["readers of the feed killed"] += 1

        with self._dialing(fleet, limit):
            fleet.rage(self._plan.kills, limit, between)
            fleet.settle()
            time.sleep(2)  # in which dialers work undisturbed but for the proxies
        return done

    @contextmanager
    def _dialing(self, fleet: Fleet, seconds: float) -> Iterator[None]:
        """Let dialers work until the block ends, for so long at most."""
        parked = cases_of(PARKED)
        dialers = [
            self._start(
                "tests.chaos.dialer",
                f"dialer-{number}",
                office={"servers": fleet.through_proxies, "base": BASE},
                key=self._keys[number],
                number=number,
                campaign=STORM,
                cases=cases_of(STORM),
                phones=phones_of(STORM),
                parked=parked[number::DIALERS],
                pace=PACE,
                until=time.time() + seconds,
            )
            for number in range(DIALERS)
        ]
        try:
            yield
        finally:
            for dialer in dialers:
                dialer.terminate()
            self._finish(dialers, 90)

    async def _end_connection(self) -> int:
        connection = await asyncpg.connect(self._url)
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
        )
        found = await connection.fetch(query)
        await connection.close()
        return len(found)

    # --- The drills ---

    def _drill(self, fleet: Fleet, name: str, processes: int) -> None:
        shares = {"race": self._plan.claims, "repeat": self._plan.repeats, "late": self._plan.late}
        campaign = {"race": RACE, "repeat": REPEATS, "late": LATE}[name]
        if shares[name]:
            drills = [
                self._start(
                    "tests.chaos.drills",
                    f"{name}-{number}",
                    name,
                    office={"servers": fleet.direct, "base": BASE},
                    key=self._keys[number],
                    keys=self._keys[number : number + 2],
                    number=100 * (1 + list(shares).index(name)) + number,
                    campaign=campaign,
                    cases=cases_of(campaign),
                    phones=phones_of(campaign),
                    share=shares[name] / processes,
                    piece=24,
                    seconds=self._plan.seconds,
                )
                for number in range(processes)
            ]
            self._finish(drills, self._plan.seconds + 90)

    # --- Processes ---

    def _start(self, module: str, name: str, *arguments: str, **config: Any) -> subprocess.Popen[bytes]:
        settings = {
            "name": name,
            "seed": f"{self._seed}-{name}",
            "journal": str(self._journals / f"{name}.jsonl"),
            "journals": str(self._journals),
            **config,
        }
        path = self._room / f"{name}.json"
        path.write_text(json.dumps(settings))
        return subprocess.Popen([sys.executable, "-m", module, *arguments, str(path)])

    def _finish(self, processes: list[subprocess.Popen[bytes]], seconds: float) -> None:
        """Wait for processes. Raises RuntimeError when one failed or would not end."""
        until = time.monotonic() + seconds
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if any(process.returncode for process in processes):
            raise RuntimeError(f"dialers ended with {[process.returncode for process in processes]}")

    # --- The judgement ---

    def _judge(self, done: Counter[str], written: list[str]) -> Verdict:
        asked = read_journals(sorted(self._journals.glob("*.jsonl")))
        tables = read_tables(snapshot.take(self._url))
        verdict = check(Evidence(asked, tables, read_feeds(sorted(self._feeds.glob("*.jsonl")))))
        cuts = _lines(self._room / "cuts.jsonl")
        done["connections cut by proxies"] = len(cuts)
        done["replies that never came"] = sum(a.status is None for one in asked for a in one.attempts)
        done["requests sent"] = sum(len(one.attempts) for one in asked)
        done["cases claimed"] = sum(len(one.granted) for one in asked)
        done["faults in servers' logs"] = sum(text.count('"event":"fault"') for text in written)
        return verdict


def _lines(path: Path) -> list[Mapping[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
