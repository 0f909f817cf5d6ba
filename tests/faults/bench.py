"""A server on a SQLite file whose disk fails when told to, and what the test knows of that file by itself."""

from __future__ import annotations

import shutil
import sys
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.cases import Phone
from casedial.service.keys import add_key
from tests.conftest import NOW, Office, make_office
from tests.faults.disk import Disk
from tests.servers import Server

try:  # as the server does, for the same reason
    import pysqlite3.dbapi2 as sqlite
except ImportError:
    import sqlite3 as sqlite

AFFECTED = str(Path(__file__).with_name("affected"))
# casedial, but that a duty stays with whoever has it, though the machine may stall meanwhile.
LASTING = """
import datetime, casedial.cli, casedial.service.operations.duty as duty
duty._SPAN = datetime.timedelta(days=1)
casedial.cli.main()
"""
FAR_FUTURE = "2099-01-01 00:00:00.000000"

Dump = dict[str, list[tuple[Any, ...]]]


async def fill(file: Path, fresh_keys: int = 0) -> tuple[str, list[str]]:
    """Make a database with a firm and 8 due cases; return its key, and as many more that were never used."""
    store = Store(f"sqlite:///{file}")
    await schema.migrate(store)
    office: Office = await make_office(store)
    for case_id in range(1, 9):
        await office.add(case_id, phones=(Phone("Cell", f"402555{case_id:04}", True, True),))
    firm = await office.firm()
    async with store.write() as tx:
        fresh = [(await add_key(tx, firm, f"Vendor {n}", NOW)).key for n in range(fresh_keys)]
    await store.close()
    return office.key, fresh


class Look:
    """A connection of the test's own: what is in the file, and the way back to how it was."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.connection = sqlite.connect(str(file), isolation_level=None, timeout=60)
        for pragma in ("wal_autocheckpoint=0", "synchronous=OFF"):  # the server alone is to do that
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        # Noted as used for good, so that the server writes nothing behind the requests that are looked at.
        self.connection.execute("UPDATE keys SET last_used_at = ? WHERE vendor = 'Acme Dialer'", [FAR_FUTURE])
        self.connection.execute("CREATE TABLE scratch (id INTEGER PRIMARY KEY, filling BLOB)")
        self.connection.execute("INSERT INTO scratch SELECT value, zeroblob(3000) FROM json_each('[1,2,3,4,5,6,7,8]')")
        self.take_duty()
        self.baseline = self.dump()

    def take_duty(self) -> None:
        """Have somebody else count the history, and go through names: not the server, behind what is tried."""
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        for duty in ("figures", "names: rest"):
            self.connection.execute("INSERT OR REPLACE INTO duties VALUES (?, ?, ?)", [duty, uuid4().hex, until])

    def dump(self) -> Dump:
        return _dump(self.connection)

    def _files(self) -> dict[str, bytes]:
        """Return what the file, its log and its journal have; none of those that are not there."""
        found: dict[str, bytes] = {}
        for ending in ("", "-wal", "-journal"):
            with suppress(FileNotFoundError):
                part = self.file.with_name(self.file.name + ending)
                found[part.name] = part.read_bytes()
        return found

    def after_a_crash(self, room: Path) -> Dump:
        """What SQLite would find if the server and the machine's memory of it were gone at this moment."""
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        before, files = None, self._files()
        while files != before:  # all of one moment: a reply does not wait for what is rolled back
            before, files = files, self._files()
        for name, content in files.items():
            (room / name).write_bytes(content)
        copy = sqlite.connect(str(room / self.file.name), isolation_level=None)
        copy.execute("PRAGMA synchronous=OFF")
        try:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return _dump(copy)
        finally:
            copy.close()

    def check(self) -> None:
        assert self.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def reset(self) -> None:
        """Bring every table back to the baseline."""
        now = self.dump()
        self.connection.execute("BEGIN IMMEDIATE")
        # They would keep the end of the history that goes, and give rows that come back other ids.
        triggers = self.connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            self.connection.execute(f"DROP TRIGGER {name}")
        for table, rows in self.baseline.items():
            if now[table] != rows:
                self.connection.execute(f"DELETE FROM {table}")
                if rows:
                    marks = ",".join("?" * len(rows[0]))
                    self.connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        for _, text in triggers:
            self.connection.execute(text)
        self.connection.execute("COMMIT")
        self.take_duty()

    def fill_log(self) -> None:
        """Leave more pages in the write-ahead log than the server lets stand: its next commit is a checkpoint, too."""
        for _ in range(130):
            self.connection.execute("UPDATE scratch SET filling = randomblob(3000)")

    def renew_log(self) -> None:
        """Leave a log that was checkpointed whole: the server's next write begins it anew."""
        self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _dump(connection: Any) -> Dump:
    connection.execute("BEGIN")
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = [name for (name,) in sorted(names) if name not in ("scratch", "duties")]
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    connection.execute("COMMIT")
    return found


class Bench:
    """A running server on a database in this journal mode, a disk under it, and a look at the file."""

    def __init__(self, journal: str, key: str, database: Path, room: Path) -> None:
        self.journal = journal
        self.disk = Disk(database, room)
        settings = {"CASEDIAL_POOL_SIZE": "2", **self.disk.environment}
        if journal == "DELETE":
            settings["PYTHONPATH"] = AFFECTED
        command = (sys.executable, "-c", LASTING, "serve")
        self.server = Server(f"sqlite:///{database}", command=command, **settings)
        self.key = key
        self.http = httpx.Client(timeout=60, verify=False)
        self.crashed = room / "crashed"

    def __enter__(self) -> Bench:
        self.server.__enter__()
        self.workers = self.server.workers()
        self.look = Look(self.disk.database)
        journal = self.look.connection.execute("PRAGMA journal_mode").fetchall()[0][0]
        assert journal.upper() == self.journal
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look.connection.close()
        self.http.close()
        self.server.__exit__(kind, error, trace)

    def same_process(self) -> bool:
        """Tell whether the server is still the very process that was started."""
        return self.server.process.poll() is None and self.server.workers() == self.workers

    def post(self, method: str, body: dict[str, Any], again: httpx.Response | None = None) -> httpx.Response:
        """Send a write under an Idempotency-Key of its own, or under that of the reply ``again``."""
        once = again.request.headers["Idempotency-Key"] if again else str(uuid.uuid4())
        headers = {"X-ApiKey": self.key, "Idempotency-Key": once}
        return self.http.post(f"{self.server.base}/{method}", json=body, headers=headers)

    def info(self, case_id: int, key: str | None = None) -> httpx.Response:
        headers = {"X-ApiKey": key or self.key}
        return self.http.get(f"{self.server.base}/GetCaseInfo", params={"CaseID": case_id}, headers=headers)
