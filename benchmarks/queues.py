"""pgqueuer and procrastinate, for orientation: their workers' fetch, in process, without HTTP and without a reply."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial

from benchmarks.cells import Job
from benchmarks.check import Wrong
from benchmarks.load import Run
from benchmarks.machine import GUEST_PYTHON, ROOT, WORKERS, Postgres

WORK = "bench_queue"
# A library, and how many of its jobs were picked, so that nothing is counted twice.
PICKED = {
    "pgqueuer": "SELECT count(*) FROM pgqueuer WHERE status = 'picked'",
    "procrastinate": "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'",
}


def _command(library: str, what: str, url: str, batch: int, tasks: int, seconds: float) -> list[str]:
    return list(map(str, (GUEST_PYTHON, "-m", "benchmarks.queue_fetch", library, what, url, batch, tasks, seconds)))


def ensure(postgres: Postgres, library: str) -> str:
    """Make a database full of jobs unless it is there; return the name of its template."""
    template = f"bench_jobs_{library}"
    if not postgres.has(template):
        print(f"  makes the jobs of {library}", flush=True)
        making = f"{template}_making"
        postgres.drop(making)
        postgres.sql("postgres", f"CREATE DATABASE {making}")
        subprocess.run(_command(library, "fill", postgres.url(making), 1, 1, 0), cwd=ROOT, check=True)
        postgres.sql(making, "VACUUM (FREEZE, ANALYZE)")
        postgres.sql("postgres", f"ALTER DATABASE {making} RENAME TO {template}")
    return template


def fetch(postgres: Postgres, library: str, batch: int, clients: int, seconds: float) -> Run:
    """Fetch batches by as many processes as the servers have, with all clients together. Raises Wrong."""
    postgres.copy(ensure(postgres, library), WORK)
    command = _command(library, "fetch", postgres.url(WORK), batch, clients // WORKERS, seconds)
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)]
    said = [process.communicate(timeout=120)[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError(f"{library} failed")
    found = [json.loads(text) for text in said]
    took = sorted(ms for one in found for ms in one["took"])
    jobs = sum(one["jobs"] for one in found)
    if postgres.number(WORK, PICKED[library]) < jobs:
        raise Wrong(f"{library} handed {jobs} jobs out, some of them twice")
    longest = max(one["seconds"] for one in found)
    return Run(jobs // batch, longest, took[len(took) // 2], took[len(took) * 99 // 100])


def jobs(postgres: Postgres, cells: tuple[tuple[int, int], ...], seconds: float) -> Iterator[Job]:
    """Yield one round of each library in every cell."""
    for records, clients in cells:
        for library in PICKED:
            yield (
                f"claim {records} x {clients}",
                library,
                partial(fetch, postgres, library, records, clients, seconds),
                records,
            )
