"""wrk and pgbench: one timed run, and what it measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import KEYS
from benchmarks.machine import Postgres
from benchmarks.own import Script
from casedial.database.postgresql import KEPT_PLANS

LUA = Path(__file__).parent / "lua" / "load.lua"
THREADS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """What a run measured: calls that were answered, in how many seconds, and percentiles in milliseconds."""

    calls: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Return the calls a second."""
        return self.calls / self.seconds


def http(
    base: str, mode: str, records: int, clients: int, seconds: float, cases: int, limit: int = 0, first: int = 0
) -> Run:
    """Send requests for so many seconds, or ``limit`` for each thread; ``cases`` are those of one firm.

    Raises RuntimeError when a request was refused or broken.
    """
    threads = min(THREADS, clients)
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", LUA, base]
    command += ["--", mode, records, cases, limit, first, *KEYS, threads]
    said = _run_wrk(list(map(str, command)), threads if limit else 0)
    found = [line for line in said.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RuntimeError(f"wrk failed: {said}")
    result = json.loads(found[0].removeprefix("RESULT "))
    if result["refused"] or result["broken"] or not result["requests"]:
        raise RuntimeError(f"{mode} x {records}: {result}")
    return Run(result["requests"], result["seconds"], result["p50"], result["p99"])


def _run_wrk(command: list[str], threads: int) -> str:
    """Run wrk until its time is over or so many of its threads have reached their limit; return what it said."""
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, stdout=said, stderr=subprocess.PIPE, text=True) as wrk:
            assert wrk.stderr
            reached = 0
            for line in wrk.stderr:
                reached += line == "LIMIT\n"
                if reached == threads:
                    wrk.send_signal(signal.SIGINT)  # it then shows its figures, as at the end of its time
        said.seek(0)
        return said.read()


def pgbench(
    postgres: Postgres, database: str, scripts: list[Script], clients: int, seconds: float, calls: int = 0
) -> Run:
    """Run scripts, each transaction one of them at random, with prepared statements.

    For so many seconds, or ``calls`` for each client. Plans are kept, as in the sessions of a server of casedial.
    Raises RuntimeError.
    """
    with tempfile.TemporaryDirectory(prefix="casedial-bench-") as folder:
        command: list[object] = [postgres.bin / "pgbench", "-n", "-M", "prepared", "-c", clients, "-j"]
        command += [
            min(THREADS, clients),
            *(("-t", calls) if calls else ("-T", f"{seconds:.0f}")),
            "-l",
            "--log-prefix",
            f"{folder}/log",
        ]
        for number, script in enumerate(scripts):
            path = Path(folder) / f"{number}.sql"
            path.write_text(script.text)
            command += ["-f", path, *(f"-D{name}={value}" for name, value in script.variables.items())]
        command.append(postgres.url(database))
        session = {**os.environ, "PGOPTIONS": f"-c plan_cache_mode={KEPT_PLANS}"}
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=session)
        if done.returncode or "tps = " not in done.stdout:  # it has no rate when its time was over before a call was
            raise RuntimeError(f"pgbench failed: {done.stdout}{done.stderr}")
        lines = [line for path in Path(folder).glob("log*") for line in path.read_text().splitlines()]
        took = sorted(int(line.split()[2]) for line in lines)
    rate = float(done.stdout.partition("tps = ")[2].split()[0])
    return Run(len(took), len(took) / rate, took[len(took) // 2] / 1000, took[len(took) * 99 // 100] / 1000)
