"""SQLite: claims over HTTP by 64 clients, beside a loop over sqlite3 in one process, both with synchronous=FULL.

The loop runs casedial's own statements, recorded: BEGIN IMMEDIATE, the claim, COMMIT; without HTTP, key, or reply.
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
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from benchmarks import data, load, own
from benchmarks.book import Book
from benchmarks.check import Wrong, settled
from benchmarks.goals import US
from benchmarks.machine import HOME, Postgres, casedial
from casedial.storage import schema, sqlite
from casedial.storage.engine import Store
from casedial.storage.tables import Instant, metadata

ROOM = HOME / "sqlite"
WORK = ROOM / "work.db"
CLIENTS = 64
TABLES = ("firms", "keys", "statuses", "cases", "phone_numbers", "status_history")


def ensure(postgres: Postgres, wanted: data.DataSet) -> Path:
    """Copy a data set from PostgreSQL into a SQLite file, unless that is there; return the file."""
    template = data.ensure(postgres, wanted)
    mark = postgres.sql("postgres", f"SELECT oid FROM pg_database WHERE datname = '{template}'")[0][0]
    path = ROOM / f"{template}-{mark}.db"
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
        connection.executemany(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(readers))})", rows)


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
    jobs = [(records, way) for records in (1, 25, 100) for way in (US, "sqlite3 loop")]
    for number in range(1, rounds + 1):
        for records, way in random.sample(jobs, len(jobs)):
            copy(template)
            run = _http(records, seconds, size) if way == US else _loop(records, seconds)
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
    """Return how many claims there are, when all is right with them. Raises Wrong."""
    connection = sqlite.dbapi.connect(WORK)
    query = """SELECT (SELECT count(*) FROM claims), (SELECT count(*) FROM cases WHERE dialer_role = 2),
      (SELECT count(DISTINCT c.firm_id || ' ' || x.value) FROM claims c, json_each(c.case_ids) x),
      (SELECT count(*) FROM claims c, json_each(c.case_ids) x JOIN cases ON cases.firm_id = c.firm_id
        AND cases.case_id = x.value AND cases.claim_id = c.id),
      (SELECT count(*) FROM status_history WHERE claim_id IS NOT NULL)"""
    count, *cases = connection.execute(query).fetchone()
    connection.close()
    if set(cases) != {count * records}:
        raise Wrong(f"SQLite: {count} claims of {records} left {cases}")
    return int(count)


def _loop(records: int, seconds: float) -> load.Run:
    claims = [asyncio.run(_Replay.of(f"sqlite:///{WORK}", records, firm)) for firm in (0, 1)]
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
    """A recorded claim, to be run again on other cases.

    Two recordings of different cases show where CaseIDs stand among the parameters: where the two differ in them.
    """

    def __init__(self, statements: list[own.Statement], slots: list[list[list[object]]], campaign: int) -> None:
        self._statements, self._slots, self._campaign = statements, slots, campaign

    @classmethod
    async def of(cls, url: str, records: int, firm: int) -> _Replay:
        """Record a claim of one of the firm's campaigns."""
        first = await own.claim_statements(url, records, firm)
        second = await own.claim_statements(url, records, firm, campaign=1)
        ids = [_case_ids(statements) for statements in (first, second)]
        slots = []
        for one, other in zip(first, second, strict=True):
            pairs = [zip(a, b, strict=True) for a, b in zip(one.sets, other.sets, strict=True)]
            slots.append([[_slot(a, b, ids) for a, b in pair] for pair in pairs])
        return cls(first, slots, data.FIRST_CAMPAIGN_ID + firm * len(data.CAMPAIGNS))

    def run(self, connection: Any) -> None:
        """Claim once, from a campaign that chance decides."""
        claim = uuid4().hex
        found: list[int] = []
        campaign = self._campaign + random.randrange(len(data.CAMPAIGNS))
        connection.execute("BEGIN IMMEDIATE")
        for statement, sets in zip(self._statements, self._slots, strict=True):
            puts = [
                [self._put(slot, value, claim, campaign, found) for slot, value in zip(slots, parameters, strict=True)]
                for slots, parameters in zip(sets, statement.sets, strict=True)
            ]
            if len(puts) > 1:
                connection.executemany(statement.text, puts)
            else:
                rows = connection.execute(statement.text, puts[0]).fetchall()
                found = found or [row[0] for row in rows]  # the first rows are the cases: case_id, …
        connection.execute("COMMIT")

    @staticmethod
    def _put(slot: object, value: object, claim: str, campaign: int, found: list[int]) -> object:
        if isinstance(slot, int):
            return found[slot]
        made = {"claim": claim, "campaign": campaign, "list": json.dumps(found)}
        return made[slot] if isinstance(slot, str) else str(value) if isinstance(value, datetime) else value


def _case_ids(statements: list[own.Statement]) -> list[int]:
    """Return the CaseIDs of a recorded claim: the only list in it."""
    lists = [v for s in statements for one in s.sets for v in one if isinstance(v, str) and v.startswith("[")]
    found: list[int] = json.loads(lists[0])
    return found


def _slot(one: object, other: object, ids: list[list[int]]) -> object:
    """Return what a parameter is that two recordings show: a CaseID by its place, or something with a name, or None."""
    if one == other:
        return None
    if isinstance(one, str) and one.startswith("["):
        return "list"
    if isinstance(one, str) and len(one) == 32:
        return "claim"
    if isinstance(one, int) and one in ids[0] and isinstance(other, int) and other in ids[1]:
        return ids[0].index(one)
    return "campaign" if isinstance(one, int) else None
