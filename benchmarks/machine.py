"""PostgreSQL and the servers under test, each a process that is ended with its block."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from tests.postgres import PostgresServer, free_port
from tests.servers import Server

ROOT = Path(__file__).parent.parent
# Where the data sets stay between runs: a folder that a plain user can read, for PostgreSQL refuses to run as root.
HOME = Path(os.environ.get("CASEDIAL_BENCH_HOME", "/var/tmp/casedial-bench"))
GUEST_PYTHON = ROOT / ".venv-bench" / "bin" / "python"  # which has what casedial is compared with

WORKERS, POOL = 2, 4  # of either server: processes, and database connections of each

# Durable as in production; room for the data in memory, and no checkpoint in the middle of a round.
SETTINGS: dict[str, object] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "lz4",
    "autovacuum": "on",
    "shared_buffers": "3GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "max_connections": "200",
    "jit": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",  # turned on for a profile only
    "timezone": "UTC",
}


class Postgres(PostgresServer):
    """The server of the benchmarks, whose databases stay; ``room`` None is a folder that goes with it."""

    def __init__(self, room: Path | None = HOME / "postgres", **changed: object) -> None:
        super().__init__(room, **{**SETTINGS, **changed})

    def sql(self, database: str, text: str) -> list[list[str]]:
        """Run statements; return the rows of all of them, each a list of texts. Raises RuntimeError."""
        command = [self.bin / "psql", "-qAtX", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-f", "-"]
        done = subprocess.run(list(map(str, command)), input=text, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{database}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def number(self, database: str, query: str) -> float:
        """Run a query; return its only value."""
        return float(self.sql(database, query)[0][0])

    def has(self, database: str) -> bool:
        """Tell whether there is such a database."""
        return bool(self.sql("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{database}'"))

    def restart(self, **changed: object) -> None:
        """Start anew, with other settings."""
        self.halt()
        self._options |= changed
        self.start()

    def drop(self, database: str) -> None:
        """Drop a database, whoever is in it."""
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def copy(self, template: str, database: str) -> None:
        """Make a database the same, file by file, as ``template``, and bring it into memory."""
        self.drop(database)
        self.sql("postgres", f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")
        self.warm(database)

    def warm(self, database: str) -> None:
        """Bring a database into memory."""
        self.sql(
            database,
            """CREATE EXTENSION IF NOT EXISTS pg_prewarm;
            SELECT count(pg_prewarm(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i');""",
        )


@contextlib.contextmanager
def casedial(database_url: str, workers: int = WORKERS, **settings: str) -> Iterator[tuple[str, int]]:
    """Serve a database with casedial; yield the base address and the process id."""
    with Server(
        database_url,
        CASEDIAL_WORKERS=str(workers),
        CASEDIAL_POOL_SIZE=str(POOL),
        CASEDIAL_LOG_LEVEL="warning",  # no line for each request: the in-house server writes none either
        **settings,
    ) as server:
        yield server.base, server.process.pid


@contextlib.contextmanager
def inhouse(database_url: str) -> Iterator[tuple[str, int]]:
    """Serve a database with the in-house server; yield the base address and the process id."""
    port = free_port()
    command = [GUEST_PYTHON, "-m", "uvicorn", "benchmarks.inhouse.app:app", "--host", "127.0.0.1", "--port", port]
    command += ["--workers", WORKERS, "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command += ["--log-level", "warning"]
    environment = {**os.environ, "INHOUSE_DATABASE_URL": database_url, "INHOUSE_POOL": str(POOL)}
    with subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment, start_new_session=True) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/healthz", process)
            yield f"http://127.0.0.1:{port}/PredictiveDialer", process.pid
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Wait until a server answers. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer")


def describe(postgres: Postgres | None) -> dict[str, object]:
    """Return what figures depend on: the machine, the versions, the settings."""
    packages = [GUEST_PYTHON, "-m", "pip", "freeze", "--disable-pip-version-check"]
    frozen = subprocess.run(list(map(str, packages)), capture_output=True, text=True).stdout.split()
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "postgresql": postgres.sql("postgres", "SHOW server_version")[0][0] if postgres else None,
        "wrk": _said("wrk", "-v").split(" [")[0],
        "settings": SETTINGS,
        "workers": WORKERS,
        "connections_each": POOL,
        "compared_with": [line for line in frozen if "==" in line],
    }


def load_average() -> float:
    """Return how many processes wanted to run, on the average of the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return found[0].partition(":")[2].strip() if found else platform.machine()


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return (done.stdout or done.stderr).strip()
