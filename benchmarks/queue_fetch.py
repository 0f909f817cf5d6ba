"""Fetch jobs from a queue as fast as it goes: run by .venv-bench's Python, prints what one process measured.

``python -m benchmarks.queue_fetch pgqueuer|procrastinate fill|fetch URL BATCH TASKS SECONDS``
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

QUEUES = 20
JOBS = 600_000
Fetch = Callable[[int], Awaitable[int]]  # from which queue; returns how many jobs came


async def _pgqueuer(url: str, batch: int, fill: bool) -> Fetch:
    """Each fetch has a connection of its own, as pgqueuer's workers have."""
    import asyncpg
    from pgqueuer.db import AsyncpgPoolDriver
    from pgqueuer.ports.repository import EntrypointExecutionParameter
    from pgqueuer.queries import Queries

    queries = Queries(AsyncpgPoolDriver(await asyncpg.create_pool(url, min_size=1, max_size=64)))
    if fill:
        await queries.install()
        for start in range(0, JOBS, 20_000):
            names = [f"campaign{number % QUEUES}" for number in range(start, start + 20_000)]
            await queries.enqueue(names, [b"{}"] * len(names), [0] * len(names))
    me = uuid4()

    async def fetch(queue: int) -> int:
        wanted: Any = {f"campaign{queue}": EntrypointExecutionParameter(0)}
        return len(await queries.dequeue(batch, wanted, me, None, timedelta(hours=1)))

    return fetch


async def _procrastinate(url: str, batch: int, fill: bool) -> Fetch:
    """Procrastinate fetches one job a time: a batch is so many fetches."""
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=64))
    await app.open_async()
    if fill:
        await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
            f"SELECT 'campaign' || i %% {QUEUES}, 'call', '{{}}' FROM generate_series(1, {JOBS}) AS i"
        )
    worker = await app.job_manager.register_worker()

    async def fetch(queue: int) -> int:
        found = 0
        for _ in range(batch):
            found += await app.job_manager.fetch_job([f"campaign{queue}"], worker) is not None
        return found

    return fetch


async def _main(library: str, what: str, url: str, batch: int, tasks: int, seconds: float) -> None:
    fetch = await {"pgqueuer": _pgqueuer, "procrastinate": _procrastinate}[library](url, batch, what == "fill")
    if what == "fill":
        return
    took: list[float] = []
    jobs = 0

    async def work(number: int, end: float) -> None:
        nonlocal jobs
        step = number
        while time.monotonic() < end:
            began, step = time.monotonic(), step + 1
            found = await fetch(step % QUEUES)
            assert found == batch, "the queue ran dry"
            jobs += found
            took.append((time.monotonic() - began) * 1000)

    await asyncio.gather(*(work(number, time.monotonic() + 1) for number in range(tasks)))  # warms up
    took.clear()
    jobs, began = 0, time.monotonic()
    await asyncio.gather(*(work(number, began + seconds) for number in range(tasks)))
    print(json.dumps({"jobs": jobs, "seconds": time.monotonic() - began, "took": took}))


if __name__ == "__main__":
    logging.getLogger("procrastinate").setLevel(logging.ERROR)  # it has advice for the authors of applications
    library, what, url, batch, tasks, seconds = sys.argv[1:]
    asyncio.run(_main(library, what, url, int(batch), int(tasks), float(seconds)))
