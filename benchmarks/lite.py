"""SQLite: claims over HTTP by 64 clients, beside a loop over sqlite3 in one process, both with synchronous=FULL.

The loop runs the recorded statements of own.py: BEGIN IMMEDIATE, the claim, COMMIT; without HTTP, key, or reply.
"""

from __future__ import annotations

import asyncio
import csv
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from benchmarks import data, load, own
from benchmarks.book import Book
from benchmarks.check import Wrong, settled
from benchmarks.goals import LEAN_LOOP, LOOP, US
from benchmarks.machine import HOME, Postgres, casedial
from casedial.database import schema, sqlite
from casedial.database.engine import Store
from casedial.database.tables import Instant, metadata
from casedial.domain.reasons import ReasonCode

ROOM = HOME / "sqlite"
WORK = ROOM / "work.db"
CLIENTS = 64
# The last two, or the server has to write the words of all names, and to count the history, while it is measured.
TABLES = ("firms", "keys", "statuses", "cases", "phone_numbers", "status_history", "case_names", "figures_place")


def ensure(postgres: Postgres, wanted: data.DataSet) -> Path:
    """Copy a data set from PostgreSQL into a SQLite file, unless that is there; return the file."""
    template = data.ensure(postgres, wanted)
    mark = postgres.sql("postgres", f"SELECT oid FROM pg_database WHERE datname = '{template}'")[0][0]
    path = ROOM / f"{template}-{mark}-{len(TABLES)}.db"
    if not path.exists():
        print(f"  makes {path.name}", flush=True)
        ROOM.mkdir(parents=True, exist_ok=True)
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        asyncio.run(_make_schema(making))
        with sqlite.dbapi.connect(making) as connection:
            for table in TABLES:
                _carry_over(postgres, template, metadata.tables[table], connection)
            connection.commit()
            connection.execute("ANALYZE")
        connection.close()
        making.rename(path)
    return path


async def _make_schema(path: Path) -> None:
    store = Store(f"sqlite:///{path}")
    store.make_file()
    await schema.migrate(store)
    await store.close()


def _carry_over(postgres: Postgres, database: str, table: sa.Table, connection: Any) -> None:
    columns = ", ".join(map(_selected, table.columns))
    copy = f"COPY (SELECT {columns} FROM {table.name}) TO STDOUT (FORMAT csv, NULL '\\N')"
    command = [str(postgres.bin / "psql"), "-qX", "-d", postgres.url(database), "-c", copy]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        readers = [_reader(column) for column in table.columns]
        rows = (
            [None if cell == "\\N" else read(cell) for cell, read in zip(row, readers, strict=True)]
            for row in csv.reader(process.stdout)
        )
        connection.executemany(f"INSERT OR REPLACE INTO {table.name} VALUES ({', '.join('?' * len(readers))})", rows)


def _selected(column: sa.Column[Any]) -> str:
    if isinstance(column.type, Instant):
        return f"to_char({column.name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    if isinstance(column.type, sa.Boolean):
        return f"{column.name}::integer"
    return f"encode({column.name}, 'hex')" if isinstance(column.type, sa.LargeBinary) else column.name


def _reader(column: sa.Column[Any]) -> Callable[[str], object]:
    if isinstance(column.type, sa.LargeBinary):
        return bytes.fromhex
    return int if isinstance(column.type, sa.Integer | sa.Boolean) else str


def measure(book: Book, postgres: Postgres, size: int, rounds: int, seconds: float) -> None:
    """Measure claims of 1, 25 and 100 cases."""
    template = ensure(postgres, data.DataSet(size))
    jobs = [(records, way) for records in (1, 25, 100) for way in (US, LOOP, LEAN_LOOP)]
    for number in range(1, rounds + 1):
        for records, way in random.sample(jobs, len(jobs)):
            copy(template)
            run = _http(records, seconds, size) if way == US else _loop(records, seconds, way == LEAN_LOOP)
            row = f"SQLite claim {records} x {CLIENTS}"
            book.note(row, way, number, rate=run.rate * records, p50=run.p50, p99=run.p99)


def copy(template: Path) -> None:
    """Make the file that is worked on the same as a template, and bring it into memory."""
    for path in ROOM.glob(f"{WORK.name}*"):
        path.unlink()
    shutil.copyfile(template, WORK)
    with WORK.open("rb") as made:
        while made.read(1 << 24):
            pass


def _http(records: int, seconds: float, size: int) -> load.Run:
    with casedial(f"sqlite:///{WORK}", workers=1) as (base, _):
        load.http(base, "campaign", records, CLIENTS, 1, size // 2)
        before = settled(lambda: _judged(records))
        run = load.http(base, "campaign", records, CLIENTS, seconds, size // 2)
        done = settled(lambda: _judged(records)) - before
    if not 0 <= done - run.calls <= CLIENTS:
        raise Wrong(f"SQLite: {run.calls} calls were answered, {done} were done")
    return run


def _judged(records: int) -> int:
    """Return how many claims there are but those given back, when all is right with them. Raises Wrong."""
    connection = sqlite.dbapi.connect(WORK)
    query = f"""WITH listed AS (SELECT c.id, c.firm_id, x.value AS case_id,
        c.id IN (SELECT claim_id FROM cases WHERE dialer_role = 2) AS kept FROM claims c, json_each(c.case_ids) x),
      back AS (SELECT * FROM listed WHERE NOT kept)
      SELECT (SELECT count(DISTINCT id) FROM listed WHERE kept), (SELECT count(*) FROM cases WHERE dialer_role = 2),
        (SELECT count(DISTINCT firm_id || ' ' || case_id) FROM listed WHERE kept),
        (SELECT count(*) FROM listed l JOIN cases ON cases.firm_id = l.firm_id AND cases.case_id = l.case_id
          AND cases.claim_id = l.id),
        (SELECT count(*) FROM status_history WHERE claim_id IS NOT NULL) - 2 * (SELECT count(*) FROM back),
        (SELECT count(*) FROM listed WHERE kept) + (SELECT count(*) FROM back) - (SELECT count(*) FROM status_history
          WHERE reason_code = {int(ReasonCode.RELEASED)})"""
    count, *cases = connection.execute(query).fetchone()
    connection.close()
    if set(cases) != {count * records}:
        raise Wrong(f"SQLite: {count} claims of {records} left {cases}")
    return int(count)


def _loop(records: int, seconds: float, lean: bool) -> load.Run:
    claims = [_Replay(records, firm, lean) for firm in (0, 1)]
    connection = sqlite.dbapi.connect(WORK, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    took: list[float] = []
    began = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        random.choice(claims).run(connection)
        took.append((time.monotonic() - now) * 1000)
    whole = time.monotonic() - began
    connection.close()
    if _judged(records) != len(took):
        raise Wrong("the loop over sqlite3 lost a claim")
    took.sort()
    return load.Run(len(took), whole, took[len(took) // 2], took[len(took) * 99 // 100])


class _Replay:
    """A recorded claim, run again on other cases; ``lean``: what it is run with is put together once a claim."""

    def __init__(self, records: int, firm: int, lean: bool) -> None:
        self._statements = own.recorded("sqlite claim", records, firm)
        self._campaign = data.FIRST_CAMPAIGN_ID + firm * len(data.CAMPAIGNS)
        self._lean = lean

    def run(self, connection: Any) -> None:
        """Claim once, from a campaign that chance decides."""
        claim, campaign = uuid4().hex, self._campaign + random.randrange(len(data.CAMPAIGNS))
        found: list[int] = []
        known: dict[object, object] = {own.CLAIM: claim, own.CAMPAIGN: campaign}
        cases: dict[object, int] = {}

        def put(value: object) -> object:
            """Return a parameter as the loop always did: so the reference does not move, nor what it costs itself."""
            if value in cases:
                return cases[value]
            made: dict[object, object] = {own.CLAIM: claim, own.CAMPAIGN: campaign, own.CASES: json.dumps(found)}
            return made.get(value, value)

        def put_lean(value: object) -> object:
            return known.get(value, value)

        connection.execute("BEGIN IMMEDIATE")
        for statement in self._statements:
            each = put_lean if self._lean else put
            sets = [[each(value) for value in parameters] for parameters in statement.sets]
            if len(sets) > 1:
                connection.executemany(statement.text, sets)
                continue
            rows = connection.execute(statement.text, sets[0]).fetchall()
            if not found:  # the first rows are the cases: case_id, …
                found = [row[0] for row in rows]
                cases = {f"<case {n}>": case_id for n, case_id in enumerate(found)}
                known |= {own.CASES: json.dumps(found), **cases}
        connection.execute("COMMIT")
