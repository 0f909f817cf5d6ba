"""Where the time of a claim goes: ``python -m benchmarks.profile`` prints it, and keeps it in results/profile.json.

py-spy samples the interpreter of one server process, pg_stat_statements counts what PostgreSQL does, /proc tells who
used the cores.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks import check, data, load
from benchmarks.machine import GUEST_PYTHON, ROOT, Postgres, casedial

WORK = "bench_profile"
SECONDS, RATE = 6, 200  # of sampling, and samples a second
RESULT = ROOT / "benchmarks" / "results" / "profile.json"
# The first that a frame's path contains says whose time it is.
WHOSE = ("sqlalchemy", "asyncpg", "litestar", "msgspec", "prometheus_client", "structlog", "granian", "casedial/web",
         "casedial/wire", "casedial/service", "casedial/storage", "casedial/domain", "asyncio", "uvloop")  # fmt: skip
_STATEMENTS = """SELECT calls, round(mean_exec_time::numeric, 3), rows,
  left(regexp_replace(query, '\\s+', ' ', 'g'), 90)
FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC LIMIT 8"""


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def cpu(pids: list[int]) -> float:
    """Return how many seconds of a core these processes have used."""
    fields = (Path(f"/proc/{pid}/stat") for pid in pids)
    used = (path.read_text().rpartition(")")[2].split()[11:13] for path in fields if path.exists())
    return sum(int(user) + int(system) for user, system in used) / 100


def profile(postgres: Postgres, records: int, clients: int) -> dict[str, object]:
    """Claim for a while; return milliseconds of a core a call, shares of the samples, and PostgreSQL's statements."""
    template = data.ensure(postgres, data.DataSet(1_000_000))
    postgres.copy(template, WORK)
    postgres.sql(WORK, f"CREATE EXTENSION pg_stat_statements; ALTER DATABASE {WORK} SET pg_stat_statements.track = top")
    with casedial(postgres.url(WORK)) as (base, pid):
        load.http(base, "campaign", records, clients, 1, 500_000)
        check.counted(postgres, WORK)
        workers = children(pid)
        backends = children(postgres.pid)
        used = [cpu(workers), cpu(backends)]
        unwatched = load.http(base, "campaign", records, clients, 4, 500_000)
        used = [now - before for now, before in zip((cpu(workers), cpu(backends)), used, strict=True)]
        check.counted(postgres, WORK)
        postgres.sql(WORK, "SELECT pg_stat_statements_reset()")
        watched, shares, top = _sampled(workers[-1], base, records, clients)
        statements = postgres.sql(WORK, _STATEMENTS)
    postgres.drop(WORK)
    return {
        "row": f"claim {records} x {clients}",
        "calls_a_second": round(unwatched.rate),
        "while_watched": round(watched.rate),
        "server_ms_a_call": round(1000 * used[0] / unwatched.calls, 3),
        "postgresql_ms_a_call": round(1000 * used[1] / unwatched.calls, 3),
        "shares_of_the_server": shares,
        "functions": top,
        "statements": statements,
    }


def _sampled(
    pid: int, base: str, records: int, clients: int
) -> tuple[load.Run, dict[str, float], list[tuple[str, float]]]:
    """Claim while py-spy looks on; return the run, whose code ran in which share of the samples, and the functions."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stacks"
        # --gil: threads that wait for work, or hold no interpreter, do not count
        options = f"-p {pid} -d {SECONDS - 1} -r {RATE} -f raw --gil -o {out}"
        spy = [str(GUEST_PYTHON.parent / "py-spy"), "record", *options.split()]
        with subprocess.Popen(spy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            run = load.http(base, "campaign", records, clients, SECONDS, 500_000)
        lines = [line.rpartition(" ") for line in out.read_text().splitlines()]
        lines = [line for line in lines if line[0].strip()]
    whose: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for stack, _, count in lines:
        frames = stack.split(";")
        whose[_whose(frames)] += int(count)
        functions[re.sub(r":\d+\)$", ")", frames[-1])] += int(count)
    total = sum(whose.values())
    shares = {name: round(count / total, 3) for name, count in whose.most_common()}
    return run, shares, [(name, round(count / total, 3)) for name, count in functions.most_common(12)]


def _whose(frames: list[str]) -> str:
    for frame in reversed(frames):
        for name in WHOSE:
            if name in frame:
                return name
    return "other"


def main() -> None:
    """Profile the cell of many cases and the one of many agents."""
    postgres = Postgres()
    try:
        found = [profile(postgres, 25, 8), profile(postgres, 1, 64)]
    finally:
        postgres.stop()
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
