"""A change of many cases outlives whoever works on it: a server finishes it, and does each case once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from casedial.database.tables import cases as cases_table
from casedial.database.tables import change_cases, changes, import_jobs, status_history
from casedial.domain.cases import Case
from casedial.domain.changes import ChangeState
from casedial.domain.statuses import Role, StatusType
from casedial.storage import cases
from tests import waiting
from tests.conftest import NOW, Office
from tests.servers import CASEDIAL, Server

CASES = 4000
LONGEST = 120.0  # seconds for each part
QUIET = {"CASEDIAL_WORKERS": "1", "CASEDIAL_LOG_LEVEL": "warning"}
FIRM = ("--firm", "Lex & Partners")
ALL_OF_THEM = ("cases", "set", "--all", "--do-not-dial", "--yes", *FIRM)
SERVE = ("serve", "--port", "0")


async def fill(office: Office) -> None:
    firm = await office.firm()
    case = Case(1, statuses={StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}, dial_at=NOW)
    async with office.store.write() as tx:
        await cases.add(tx, firm, [replace(case, case_id=case_id) for case_id in range(1, CASES + 1)])


def begin(url: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [CASEDIAL, *arguments, "--json"]
    environment = {**os.environ, "CASEDIAL_DATABASE_URL": url}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def told(url: str, *arguments: str) -> dict[str, object]:
    said, _ = begin(url, *arguments).communicate(timeout=LONGEST)
    found: dict[str, object] = json.loads(said)
    return found


async def scalar(office: Office, query: sa.Select[tuple[int]]) -> int:
    async with office.store.read() as tx:
        return int((await tx.execute(query)).scalar_one())


async def until(office: Office, query: sa.Select[tuple[int]], least: int) -> None:
    """Wait until a query returns so many."""

    async def are_there() -> bool:
        return await scalar(office, query) >= least

    await waiting.until(are_there, LONGEST)


DONE = sa.select(sa.func.count()).select_from(change_cases).where(change_cases.c.outcome.is_not(None))
UNDONE = sa.select(sa.func.count()).select_from(change_cases).where(change_cases.c.undo_outcome.is_not(None))
STATE = sa.select(sa.func.coalesce(sa.func.max(changes.c.state), 0))
ROWS = sa.select(sa.func.count()).select_from(status_history)
WITH_ROWS = sa.select(sa.func.count(sa.func.distinct(status_history.c.case_id)))
DO_NOT_DIAL = (
    sa.select(sa.func.count()).select_from(cases_table).where(cases_table.c.dialer_role == int(Role.DO_NOT_DIAL))
)


async def killed(office: Office, query: sa.Select[tuple[int]], pages: int, *arguments: str, wait: bool = False) -> int:
    """Run a command, or a server, that is killed in the midst of its work; return how many cases are done then.

    Its work can be taken up at once, or after the seconds for which who works keeps others from it.
    """
    command = [sys.executable, "-m", "tests.faults.dying", str(pages), *arguments]
    environment = {**os.environ, **QUIET, "CASEDIAL_DATABASE_URL": office.store.url}
    silent = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True, **silent)
    try:
        async with asyncio.timeout(LONGEST):
            assert await process.wait() == -signal.SIGKILL
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    found = await scalar(office, query)
    if not wait:
        async with office.store.write() as tx:
            for table in (changes, import_jobs):
                await tx.execute(table.update().where(table.c.worked_until.is_not(None)).values(worked_until=NOW))
    return found


async def test_killed_again_and_again_each_case_is_changed_once_and_put_back_once(
    office: Office, database_url: str
) -> None:
    """The command is killed, then the server that goes on with it; the next one finishes. The same with its undo."""
    await fill(office)
    first = await killed(office, DONE, 2, *ALL_OF_THEM, wait=True)
    second = await killed(office, DONE, 2, *SERVE)
    assert 0 < first < second < CASES
    with Server(database_url, **QUIET) as server:
        await until(office, STATE, ChangeState.DONE)
        assert (await scalar(office, ROWS), await scalar(office, WITH_ROWS)) == (CASES, CASES)
        assert await scalar(office, DO_NOT_DIAL) == CASES
        assert "Traceback" not in server.output()
    assert 0 < await killed(office, UNDONE, 2, "cases", "undo", "1", *FIRM, "--json") < CASES
    with Server(database_url, **QUIET) as server:
        await until(office, STATE, ChangeState.UNDONE)
        assert "Traceback" not in server.output()
    assert (await scalar(office, ROWS), await scalar(office, DO_NOT_DIAL)) == (2 * CASES, 0)
    shown = told(database_url, "cases", "changes", "1", *FIRM)
    counts = shown["counts"], shown["undo_counts"]
    assert [dict(found)["cases"] for found in counts] == [CASES, CASES]  # type: ignore[call-overload]


async def test_without_a_server_it_is_told_and_can_be_gone_on_with(office: Office, database_url: str) -> None:
    await fill(office)
    assert 0 < await killed(office, DONE, 2, *ALL_OF_THEM, "--reason", "the wrong list", wait=True) < CASES
    look = partial(told, database_url, "cases", "changes", "1", *FIRM)

    async def if_interrupted() -> dict[str, object] | None:
        shown = await asyncio.to_thread(look)
        return shown if shown["interrupted"] else None

    shown = await waiting.until(if_interrupted, LONGEST)
    assert (shown["state"], shown["reason"], shown["total"]) == ("running", "the wrong list", CASES)
    shown = await asyncio.to_thread(told, database_url, "cases", "resume", "1", *FIRM)
    assert (shown["state"], shown["interrupted"]) == ("done", False)
    assert (await scalar(office, ROWS), await scalar(office, WITH_ROWS)) == (CASES, CASES)


async def test_a_command_and_a_server_do_not_get_into_each_others_way(office: Office, database_url: str) -> None:
    """Two commands that run one change, and a server that looks on: every case once, and all of them are told so."""
    await fill(office)
    with Server(database_url, **QUIET):
        first = begin(database_url, *ALL_OF_THEM)
        await until(office, DONE, 1)
        second = begin(database_url, "cases", "resume", "1", *FIRM)
        said = [await asyncio.to_thread(process.communicate, timeout=LONGEST) for process in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0)
    assert json.loads(said[0][0])["cases"] == json.loads(said[1][0])["counts"]["cases"] == CASES
    assert (await scalar(office, ROWS), await scalar(office, WITH_ROWS)) == (CASES, CASES)
