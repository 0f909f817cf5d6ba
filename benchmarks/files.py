"""Imports by ``casedial cases import``, beside COPY and executemany of the same rows, tables and indexes."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers import CASEDIAL

from benchmarks import data
from benchmarks.book import Book
from benchmarks.check import Wrong
from benchmarks.goals import US
from benchmarks.lite import ROOM
from benchmarks.machine import Postgres
from casedial.database import schema, sqlite
from casedial.database.engine import Store

WORK = "bench_import"
LITE = ROOM / "import.db"
TABLES = ("cases", "phone_numbers", "status_history")


def measure(book: Book, postgres: Postgres, size: int, rounds: int) -> None:
    """Measure imports of so many new cases into an empty firm, and the raw loading of what they left."""
    path = _file(size)
    jobs: list[tuple[str, str, Callable[[], float]]] = [
        ("import, PostgreSQL", US, lambda: _import(postgres.url(WORK), path, lambda: _empty(postgres), size)),
        ("import, PostgreSQL", "COPY", lambda: _copy(postgres)),
        ("import, SQLite", US, lambda: _import(f"sqlite:///{LITE}", path, _empty_lite, size)),
        ("import, SQLite", "executemany", _executemany),
    ]
    for number in range(1, rounds + 1):
        for row, who, job in (*random.sample(jobs[0::2], 2), *random.sample(jobs[1::2], 2)):
            book.note(row, who, number, rate=size / job())
        if postgres.number(WORK, "SELECT count(*) FROM cases") != size:
            raise Wrong("the import lost cases")
    postgres.drop(WORK)


def _file(size: int) -> Path:
    """Write a file of cases, each with two phones and all statuses."""
    ROOM.mkdir(parents=True, exist_ok=True)
    path = ROOM / f"import-{size}.csv"
    names = ["Name", "", "Primary", "Text"]
    columns = ["CaseID", "Plaintiff", "CaseStatus", "CaseGroup", "ZipCode", "Campaign", "DialerStatus", "DialDateTime"]
    columns += ["Attempts", "Disposition", *(f"Phone{n}{name}" for n in (1, 2) for name in names)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for i in range(1, size + 1):
            facts = [i, f"Person {i}", "INT 01 - New Lead", f"Group {i % data.GROUPS}", "68046"]
            statuses = [data.CAMPAIGNS[i % 10], "To Dial" if i % 10 < 6 else "Do not Dial"]
            statuses += [f"2026-01-0{i % 5 + 1}T09:{i % 60:02}:00", "0", "Never Dialed"]
            phones = ["Cell", f"402{2000000 + i}", "true", "true", "Home", f"402{5000000 + i}", "false", "false"]
            writer.writerow([*facts, *statuses, *phones])
    return path


def _empty(postgres: Postgres) -> None:
    postgres.drop(WORK)
    postgres.sql("postgres", f"CREATE DATABASE {WORK}")
    asyncio.run(_set_up(postgres.url(WORK)))


def _empty_lite() -> None:
    for path in ROOM.glob(f"{LITE.name}*"):
        path.unlink()
    asyncio.run(_set_up(f"sqlite:///{LITE}"))


async def _set_up(url: str) -> None:
    store = Store(url)
    store.make_file()
    await schema.migrate(store)
    async with store.write() as tx:
        await data.set_up_firms(tx)
    await store.close()


def _import(url: str, path: Path, empty: Callable[[], None], size: int) -> float:
    """Import the file into an empty database; return how many seconds the command took, its start included."""
    empty()
    began = time.monotonic()
    command = [CASEDIAL, "cases", "import", path, "--firm", data.FIRMS[0]]
    environment = {**os.environ, "CASEDIAL_DATABASE_URL": url}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    took = time.monotonic() - began
    if done.returncode:
        raise Wrong(f"the import of {size} cases failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return took


def _copy(postgres: Postgres) -> float:
    """Load what the import left, table by table, with COPY; return the seconds that loading took."""
    files = {table: f"/tmp/casedial-bench-{os.getpid()}-{table}" for table in TABLES}
    psql = [str(postgres.bin / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", postgres.url(WORK)]
    for table, file in files.items():
        subprocess.run([*psql, "-c", f"\\copy {table} TO '{file}'"], check=True)
    postgres.sql(WORK, f"TRUNCATE {', '.join(TABLES)} CASCADE; CHECKPOINT")
    load = "\n".join(["BEGIN;", *(f"\\copy {table} FROM '{file}'" for table, file in files.items()), "COMMIT;"])
    began = time.monotonic()
    subprocess.run([*psql, "-f", "-"], input=load, text=True, check=True)
    took = time.monotonic() - began
    for file in files.values():
        Path(file).unlink()
    return took


def _executemany() -> float:
    """Insert what the import left, table by table, with executemany; return the seconds that took."""
    connection = sqlite.dbapi.connect(LITE, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL").fetchall()
    rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    for table in reversed(TABLES):
        connection.execute(f"DELETE FROM {table}")
    began = time.monotonic()
    connection.execute("BEGIN IMMEDIATE")
    for table, whole in rows.items():
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(whole[0]))})", whole)
    connection.execute("COMMIT")
    took = time.monotonic() - began
    connection.close()
    return took
