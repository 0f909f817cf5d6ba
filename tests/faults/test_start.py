"""Start-up on a SQLite with the WAL-reset bug: no WAL, and the reason; or no start, where the file needs WAL."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from casedial.database.sqlite import dbapi
from tests.faults.bench import AFFECTED, fill
from tests.servers import CASEDIAL, Server, plain

STEADY = {**os.environ, "PYTHONPATH": AFFECTED}


def journal(file: Path) -> str:
    connection = dbapi.connect(str(file))
    mode = connection.execute("PRAGMA journal_mode").fetchall()[0][0]
    connection.close()
    return str(mode)


async def test_it_says_why_there_is_no_wal(tmp_path: Path) -> None:
    file = tmp_path / "casedial.db"
    key, _ = await fill(file)
    assert journal(file) == "wal"
    with Server(f"sqlite:///{file}", PYTHONPATH=AFFECTED) as server:
        headers = {"X-ApiKey": key}
        done = plain.post(f"{server.base}/AddCaseNote", json={"CaseID": 1, "Note": "A note."}, headers=headers)
        assert done.status_code == 200
        assert journal(file) == "delete"
        assert not file.with_name("casedial.db-wal").exists()
        said = server.output()
    [warning] = [line for line in said.splitlines() if line.startswith("Warning:")]
    for part in ("3.40.1", "WAL-reset bug", "does not use WAL", "pysqlite3", "3.51.3"):
        assert part in warning


def test_nothing_is_said_where_wal_is_safe(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path / 'casedial.db'}") as server:
        assert "Warning" not in server.output()


async def test_it_does_not_start_on_a_file_that_others_hold_in_wal_mode(tmp_path: Path) -> None:
    file = tmp_path / "casedial.db"
    await fill(file)
    other = dbapi.connect(str(file), isolation_level=None)
    assert other.execute("SELECT count(*) FROM cases").fetchall() == [(8,)]  # it has the log open now
    command = [CASEDIAL, "serve", "--port", "0", "--database-url", f"sqlite:///{file}"]
    started = time.monotonic()
    done = subprocess.run(command, env=STEADY, capture_output=True, text=True, timeout=60)
    print(time.monotonic() - started)
    assert done.returncode == 1
    for part in ("3.40.1", "WAL-reset bug", str(file), "is in WAL mode", "Stop that program"):
        assert part in done.stderr
    assert journal(file) == "wal"
    assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    other.close()
    with Server(f"sqlite:///{file}", PYTHONPATH=AFFECTED):
        assert journal(file) == "delete"
