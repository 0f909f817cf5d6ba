"""Every write, sync and truncate of SQLite fails once, under a server that goes on."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import assert_problem
from tests.faults.bench import AFFECTED, FAR_FUTURE, Bench, Dump, Look, fill
from tests.faults.disk import Disk, Fault, Kind, Mode
from tests.waiting import wait_until

FAULTS = (
    Fault(errno.EIO, Mode.ONCE),
    Fault(errno.ENOSPC, Mode.ONCE),
    Fault(errno.ENOSPC, Mode.TORN),
    Fault(errno.ENOSPC, Mode.FROM_NOW_ON),
)
IN_DOUBT = "may or may not be saved"
MOST_CALLS = 1000  # of one request; none comes near


def as_it_is(look: Look) -> None:
    """Leave the file as the step before left it."""


@dataclass(frozen=True)
class Step:
    """A write, how the file is made ready for it, and how many rows it adds where."""

    method: str
    body: dict[str, Any]
    adds: dict[str, int]
    ready: Callable[[Look], None] = as_it_is


CALLED = [{"CaseID": n, "Status": "Do not Dial", "Attempts": n, "Disposition": "Successful"} for n in (1, 2, 3)]
LATER = {"CaseID": 4, "Status": "To Dial", "NextCall": "2030-12-02T09:00:00", "Attempts": 1}
NOTE = {"CaseID": [1, 2], "Note": "Wants to sign."}
STEPS = {
    "claim": Step("GetCasesToDial", {"Records": 3, "Auto-change": True}, {"status_history": 3}),
    "update": Step("UpdateCaseStatus", {"Cases": [*CALLED, LATER]}, {"status_history": 11}),
    "note": Step("AddCaseNote", NOTE, {"notes": 2}),
    "large note": Step("AddCaseNote", {"CaseID": 1, "Note": "A long note. " * 1600}, {"notes": 1}),
}
STEPS_OF_THE_LOG = {
    "note in a new log": Step("AddCaseNote", NOTE, {"notes": 2}, Look.renew_log),
    "note and checkpoint": Step("AddCaseNote", NOTE, {"notes": 2}, Look.fill_log),
}
USED = {"WAL": {Kind.WRITE, Kind.SYNC, Kind.TRUNCATE}, "DELETE": {Kind.WRITE, Kind.SYNC, Kind.OPEN, Kind.UNLINK}}


@pytest.fixture(params=["WAL", "DELETE"])
def journal(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the calls are the same, and thousands of syncs cost nothing."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="casedial-", dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


async def test_every_call_of_a_write_fails_once(journal: str, room: Path) -> None:
    key, _ = await fill(room / "casedial.db")
    points: Counter[str] = Counter()
    with Bench(journal, key, room / "casedial.db", room) as bench:
        for name, step in (STEPS | (STEPS_OF_THE_LOG if journal == "WAL" else {})).items():
            whole = do_without_fault(bench, step)
            for fault in FAULTS:
                bench.look.renew_log()  # a short one is looked at sooner
                for call in range(1, MOST_CALLS):
                    failed = let_fail(bench, step, call, fault, whole)
                    if failed is None:
                        break
                    points.update([name, f"{fault}", failed.name])
        bench.look.check()
        assert bench.same_process()
    assert {Kind[name] for name in points if name in Kind.__members__} >= USED[journal]
    print(f"\n{journal}: {dict(points)}")


def outline(dump: Dump, look: Look) -> Any:
    """What a dump has beyond ids and times: how many rows, the statuses of the cases, the notes."""
    columns = [row[1] for row in look.connection.execute("PRAGMA table_info(cases)")]
    kept = [columns.index(name) for name in ("case_id", "dialer_role", "attempts_id", "disposition_id", "campaign_id")]
    texts = sorted(row[3] for row in dump["notes"])
    return {name: len(rows) for name, rows in dump.items()}, [[row[n] for n in kept] for row in dump["cases"]], texts


def do_without_fault(bench: Bench, step: Step) -> Any:
    """Do a step once as it should be; return what is then in the database."""
    look = bench.look
    step.ready(look)
    bench.disk.arm(0, FAULTS[0])
    reply = bench.post(step.method, step.body)
    assert reply.status_code == 200, reply.text
    assert bench.disk.last is Kind.SYNC  # what was answered is on the disk, the journal's removal, too
    after = look.dump()
    assert {name: len(after[name]) - len(look.baseline[name]) for name in step.adds} == step.adds
    look.reset()
    return outline(after, look)


def let_fail(bench: Bench, step: Step, call: int, fault: Fault, whole: Any) -> Kind | None:
    """Let one call fail and judge what came of it; return what it was, or None if there are no more."""
    look, disk = bench.look, bench.disk
    step.ready(look)
    disk.arm(call, fault)
    reply = bench.post(step.method, step.body)
    disk.disarm()
    where = f"{bench.journal}, {step.method}, call {call} ({disk.failed!r}), {fault}: {reply.text}"
    crashed = look.after_a_crash(bench.crashed)
    is_there = crashed != look.baseline
    if is_there:
        assert outline(crashed, look) == whole, where
    if reply.status_code == 503:
        problem = assert_problem(reply, 503, "StorageUnavailable")
        assert disk.failed is not None
        assert reply.headers["retry-after"] == "1"
        if is_there:  # only a disk that goes on failing leaves a doubt, and then the reply says so
            assert fault.mode is Mode.FROM_NOW_ON, where
            assert IN_DOUBT in problem["detail"], where
    else:
        assert reply.status_code == 200, where
        assert is_there, where
    judge_what_follows(bench, step, reply, whole, where, read_first=call % 2 == 0)
    look.reset()
    return disk.failed


def judge_what_follows(
    bench: Bench, step: Step, reply: httpx.Response, whole: Any, where: str, read_first: bool
) -> None:
    """The very next request succeeds, a read or a write, and after a repeat the write is there once."""
    if read_first:
        assert bench.info(5).status_code == 200, where
    if bench.look.dump() == bench.look.baseline:
        assert reply.status_code == 503, where
        again = bench.post(step.method, step.body, reply)
        assert again.status_code == 200, f"{where} {again.text}"
    assert outline(bench.look.dump(), bench.look) == whole, where


async def test_a_note_of_a_keys_use_may_fail_unseen(journal: str, room: Path) -> None:
    """It is written behind the reply, and nobody is refused because of it."""
    key, fresh = await fill(room / "casedial.db", fresh_keys=200)
    keys = iter(fresh)
    failures = refused = 0
    with Bench(journal, key, room / "casedial.db", room) as bench:
        for fault in (FAULTS[0], FAULTS[3]):
            for call in range(1, MOST_CALLS):
                bench.disk.arm(call, fault)
                reply = bench.info(5, next(keys))
                wait_for_note(bench)
                bench.disk.disarm()
                if reply.status_code != 200:  # it met the fault itself, where it opened a connection
                    assert bench.disk.failed in (Kind.OPEN, Kind.MAP) or fault.mode is Mode.FROM_NOW_ON
                    refused += 1
                if bench.post("AddCaseNote", NOTE).status_code != 200:  # by a file that was opened for reading only
                    assert bench.post("AddCaseNote", NOTE).status_code == 200
                bench.look.reset()
                if bench.disk.failed is None:
                    break
                failures += 1
        bench.look.check()
        assert bench.same_process()
    assert failures >= 6
    assert refused <= failures // 3


def wait_for_note(bench: Bench) -> None:
    """Wait until a use was noted, or could not be."""
    noted = "SELECT id FROM keys WHERE last_used_at IS NOT NULL AND last_used_at <> ?"
    wait_until(lambda: bench.disk.failed is not None or bench.look.connection.execute(noted, [FAR_FUTURE]).fetchall())


async def test_every_call_of_an_opening_fails_once(journal: str, room: Path) -> None:
    """A file that could be opened for reading only is not kept so."""
    database = room / "casedial.db"
    await fill(database)
    environment = {**os.environ, **Disk(database, room).environment}
    if journal == "DELETE":
        environment["PYTHONPATH"] = os.pathsep.join([AFFECTED, str(Path.cwd())])
    command = [sys.executable, "-m", "tests.faults.opening", f"sqlite:///{database}", str(room / "control")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    failed = json.loads(done.stdout)
    assert failed["OPEN"] >= 2
    assert failed["WRITE"] >= 2
