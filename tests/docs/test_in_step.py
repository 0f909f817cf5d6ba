"""The program of docs/how-to/keep-the-list-in-step.md, killed at its lines, and with a server that is killed, too."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from casedial.database.feed_tables import feed_gone
from casedial.domain.keys import Scope
from casedial.domain.statuses import Role, StatusType
from casedial.storage import cases
from tests.conftest import Office
from tests.docs.test_integrating import HOW_TO, blocks
from tests.servers import Server, plain
from tests.waiting import PATIENCE, until
from tests.web.v1.conftest import key_of

CASES = range(1, 41)
LEAST = 35  # lines that it comes to
# Ends the program, as kill -9 does, before a line of it, when it comes to that line for the nth time; and says before
# that which lines it came to.
AT_A_LINE = """
import os, sys
wanted, left = int(sys.argv[1]), int(sys.argv[2])
seen = open("lines", "a")
def trace(frame, event, _):
    global left
    if frame.f_code.co_filename == "in_step.py" and event == "line":
        print(frame.f_lineno, file=seen, flush=True)
        left -= frame.f_lineno == wanted
        if not left:
            os.kill(os.getpid(), 9)
    return trace
code = compile(open("in_step.py").read(), "in_step.py", "exec")
sys.settrace(trace)
exec(code, {"__name__": "__main__"})
"""


def program() -> str:
    [text] = blocks(HOW_TO / "keep-the-list-in-step.md", "python")
    return text


def test_it_is_below_eighty_lines_of_the_standard_library() -> None:
    text = program()
    assert len(text.splitlines()) < 80
    imported = re.findall(r"^import (.+)$", text, re.MULTILINE)
    assert {name.strip().partition(".")[0] for line in imported for name in line.split(",")} <= sys.stdlib_module_names


def kills(lines: set[int]) -> list[tuple[int, int]]:
    """Before which lines, and at which time each: those by which all goes are come to for several reasons."""
    starts = [number for number, text in enumerate(program().splitlines(), 1) if text.startswith("def ")]
    of_keep, of_call, of_send, _ = starts
    within = [line for line in sorted(lines) if line > of_keep and line not in starts]
    by_which_all_goes = [(line, 2) for line in within if line < of_call] + [
        (line, 3) for line in within if line < of_send
    ]
    return [(line, 1) for line in within] + by_which_all_goes


class Ours:
    """The firm's own system: a database, and the program beside it."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key, self.changed = folder, key, 0
        (folder / "in_step.py").write_text(program())
        (folder / "at_a_line.py").write_text(AT_A_LINE)
        with closing(self.open()) as db, db:
            db.execute("CREATE TABLE cases (case_id PRIMARY KEY, plaintiff, zip, phone, changed)")

    def open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "ours.db", timeout=PATIENCE)

    def put(self, case_id: int, plaintiff: str) -> None:
        self.changed += 1
        row = (case_id, plaintiff, "68102", f"402555{case_id:04}", self.changed)
        with closing(self.open()) as db, db:
            db.execute("INSERT OR REPLACE INTO cases VALUES (?, ?, ?, ?, ?)", row)

    def start(self, root: str, *at_a_line: str, every: float = 0.2) -> subprocess.Popen[str]:
        where = {"CASEDIAL_ROOT": root, "CASEDIAL_KEY": self.key, "EVERY": str(every), "CAMPAIGN": "Intake follow-up"}
        command = [sys.executable, *(("at_a_line.py", *at_a_line) if at_a_line else ("in_step.py",))]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self.folder, env={**os.environ, **where}, text=True, **pipes)

    def results(self) -> list[tuple[int, str]]:
        """The dispositions that came back, as they came."""
        with closing(self.open()) as db:
            try:
                found = db.execute("SELECT case_id, after FROM results ORDER BY rowid").fetchall()
            except sqlite3.OperationalError:  # the program has not made the table yet
                return []
        told = [(case_id, json.loads(after).get("Disposition")) for case_id, after in found]
        return [(case_id, disposition) for case_id, disposition in told if disposition]


@pytest.fixture
async def ours(office: Office, tmp_path: Path) -> Ours:
    return Ours(tmp_path, await key_of(office, Scope.MANAGE, vendor="Case system"))


@pytest.fixture
def server(database_url: str) -> Iterator[Server]:
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as started:
        yield started


async def plaintiffs(office: Office) -> dict[int, str]:
    firm = await office.firm()
    async with office.store.read() as tx:
        found = await cases.these(tx, firm, CASES)
    return {case_id: case.plaintiff for case_id, case in found.items()}


def report(server: Server, office: Office, case_id: int, disposition: str) -> None:
    """What a dialer does: say what came of a call, and no more."""
    body = {"CaseID": case_id, "Disposition": disposition, "Status": "To Dial"}
    reply = plain.post(f"{server.base}/UpdateCaseStatus", json=body, headers={"X-ApiKey": office.key})
    assert reply.status_code == 200, reply.text


async def stop(running: subprocess.Popen[str]) -> str:
    running.terminate()
    said, _ = await asyncio.to_thread(running.communicate, timeout=PATIENCE)
    return said


@pytest.mark.parametrize("database", ["sqlite"])  # which makes no difference to the program
async def test_it_may_be_killed_at_any_line(server: Server, office: Office, ours: Ours) -> None:
    """Before each line that it comes to, with something to send and something to take."""
    reported: list[tuple[int, str]] = []
    wanted: dict[int, str] = {}

    async def both_go_on(place: int) -> None:
        case_id = CASES[place % len(CASES)]
        wanted[case_id] = f"Plaintiff {ours.changed}"
        ours.put(case_id, wanted[case_id])
        if there := await plaintiffs(office):
            reported.append((max(there), ("Busy", "No Answer")[len(reported) % 2]))
            report(server, office, *reported[-1])

    async def in_step() -> bool:
        return await plaintiffs(office) == wanted and len(ours.results()) >= len(reported)

    async def go_on_until_in_step(*at_a_line: str) -> None:
        running = ours.start(server.url, *at_a_line)
        await until(in_step)
        assert await stop(running) == ""

    async def has_ended(place: int, running: subprocess.Popen[str]) -> bool:
        await both_go_on(place)  # so that it waits for nothing
        return running.poll() is not None

    for place in range(3):
        await both_go_on(place)
        await go_on_until_in_step("0", "1")
    plan = kills(set(map(int, (ours.folder / "lines").read_text().split())))
    assert len(plan) > LEAST
    for place, (line, time_) in enumerate(plan):
        await both_go_on(place)
        killed = ours.start(server.url, str(line), str(time_))
        await until(partial(has_ended, place, killed))
        said, _ = killed.communicate()
        assert killed.returncode == -signal.SIGKILL, said
    await go_on_until_in_step()
    assert ours.results() == reported  # each once, in order
    for case_id in wanted:
        case = await office.case(case_id)
        assert (case.role, case.name_of(StatusType.CAMPAIGN)) == (Role.TO_DIAL, "Intake follow-up")


async def test_it_goes_on_when_the_server_is_killed(server: Server, office: Office, ours: Ours) -> None:
    for case_id in CASES:
        ours.put(case_id, "Ada Example")
    running = ours.start(server.url)
    sent = dict.fromkeys(CASES, "Ada Example")
    reported = []

    async def all_there() -> bool:
        return await plaintiffs(office) == sent

    for round_, disposition in enumerate(("Busy", "No Answer")):
        await until(all_there)
        for case_id in CASES[:5]:
            report(server, office, case_id, disposition)
            reported.append((case_id, disposition))
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(PATIENCE)
        sent |= dict.fromkeys(CASES[10:20], f"Bob {round_}")
        for case_id in CASES[10:20]:
            ours.put(case_id, sent[case_id])
        server.__enter__()  # at the same address

    async def in_step() -> bool:
        return await plaintiffs(office) == sent and len(ours.results()) >= len(reported)

    await until(in_step)
    assert await stop(running) == ""
    assert ours.results() == reported
    with closing(ours.open()) as db:
        told = db.execute("SELECT by, kind, count(*) FROM results GROUP BY 1, 2").fetchall()
    assert told == [("Acme Dialer", "case.updated", 2 * len(reported))]  # the disposition and the status, no more


async def test_what_is_wrong_is_said(server: Server, office: Office, ours: Ours) -> None:
    ours.put(1, "Ada Example")
    ours.put(0, "Nobody")  # no CaseID
    running = ours.start(server.url)

    async def there() -> bool:
        return await plaintiffs(office) == {1: "Ada Example"}

    await until(there)
    state = ours.folder / "in_step.json"

    async def sent() -> bool:
        return json.loads(state.read_text())["sent"] == 2

    await until(sent)
    assert "Case 0 was refused" in await stop(running)

    ours.put(0, "Nobody")  # all that is sent
    running = ours.start(server.url)

    async def refused() -> bool:
        return json.loads(state.read_text())["sent"] == 3

    await until(refused)
    assert "Case 0 was refused" in await stop(running)

    ours.key = "cdk_wrong"
    said, _ = await asyncio.to_thread(ours.start(server.url).communicate, timeout=PATIENCE)
    assert "/v1/firm" in said
    assert "Traceback" not in said


async def test_where_what_happened_is_gone_it_starts_over(server: Server, office: Office, ours: Ours) -> None:
    ours.put(1, "Ada Example")
    state = {"sent": ours.changed, "batch": None, "cursor": "1-0-0-0"}
    async with office.store.write() as tx:
        gone = {"firm_id": (await office.firm()).id, "key": 1}
        await tx.execute(feed_gone.insert(), gone)
    (ours.folder / "in_step.json").write_text(json.dumps(state))
    running = ours.start(server.url)

    async def there() -> bool:
        return await plaintiffs(office) == {1: "Ada Example"}

    await until(there)
    report(server, office, 1, "Busy")

    async def came() -> bool:
        return ours.results() == [(1, "Busy")]

    await until(came)
    assert await stop(running) == ""
    assert json.loads((ours.folder / "in_step.json").read_text())["cursor"] != state["cursor"]
