"""Never twice, none missing: 8 dialers in processes of their own claim from 2 servers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from casedial.database import tables
from casedial.domain.cases import Case, Phone
from casedial.domain.statuses import Role, StatusType
from casedial.storage import cases
from tests.conftest import NOW, Office
from tests.e2e.unlocked import MEETING
from tests.postgres import lock_waiters
from tests.servers import Server
from tests.waiting import until

CASES = 20_000
UNLOCKED = (sys.executable, "-m", "tests.e2e.unlocked")
DIALERS = (("1", "2", "3"), ("10",), ("25",), ("25", "50"), ("100",), ("100", "1"), ("7", "300"), ("1000", "40"))


async def fill(office: Office, count: int) -> None:
    firm = await office.firm()
    to_dial = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    added = [
        Case(
            case_id=number,
            phones=(Phone("Cell", f"40255501{number % 100:02}", True),),
            statuses=to_dial,
            dial_at=NOW - timedelta(days=400, seconds=number % 5000),  # many due at the same second
        )
        for number in range(1, count + 1)
    ]
    async with office.store.write() as tx:
        for start in range(0, count, 1000):
            await cases.add(tx, firm, added[start : start + 1000])


def dial(servers: list[str], key: str) -> list[Any]:
    """Run the dialers side by side, half on each server; return what each printed. They begin when all are ready."""
    claimer = Path(__file__).with_name("claimer.py")
    processes = [
        subprocess.Popen(
            [sys.executable, claimer, servers[number % len(servers)], key, *records],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number, records in enumerate(DIALERS)
    ]
    assert [process.stdout and process.stdout.readline() for process in processes] == [b"ready\n"] * len(DIALERS)
    for process in processes:
        assert process.stdin
        process.stdin.close()
        process.stdin = None  # or it is closed once more
    return [json.loads(process.communicate(timeout=300)[0]) for process in processes]


def find_faults(answers: list[Any], count: int) -> list[str]:
    """Judge what the dialers got; an empty list is a good claim."""
    faults = [f"a dialer was answered {answer}" for answer in answers if isinstance(answer, dict)]
    got = [answer for answer in answers if isinstance(answer, list)]
    taken = Counter(case_id for batches in got for batch in batches for case_id in batch)
    faults += [f"{sum(times > 1 for times in taken.values())} claimed twice"] * any(n > 1 for n in taken.values())
    faults += [f"{count - len(taken)} missing"] * (len(taken) != count)
    faults += ["fewer than 5 dialers got any"] * (sum(bool(batches) for batches in got) < 5)
    for records, batches in zip(DIALERS, answers, strict=True):
        if isinstance(batches, list) and max(map(len, batches), default=0) > max(map(int, records)):
            faults.append("a batch is larger than its Records")
    return faults


async def test_each_case_is_claimed_once(office: Office, database_url: str) -> None:
    await fill(office, CASES)
    with Server(database_url) as one, Server(database_url) as two:
        answers = dial([one.base, two.base], office.key)
    assert find_faults(answers, CASES) == []
    firm = await office.firm()
    async with office.store.read() as tx:
        some = range(1, CASES + 1, 1999)
        history = await cases.history(tx, firm, some)
    assert {case_id: len(changes) for case_id, changes in history.items()} == dict.fromkeys(some, 1)


async def test_the_test_fails_when_the_lock_is_taken_out(office: Office, database_url: str, tmp_path: Path) -> None:
    await fill(office, CASES // 4)
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    broken = partial(Server, database_url, command=UNLOCKED, **{MEETING: str(meeting)})
    with broken() as one, broken() as two:
        async with _all_held(office):
            dialing = asyncio.create_task(asyncio.to_thread(dial, [one.base, two.base], office.key))
            await until(lambda: _waiting(office))
        answers = await dialing
    faults = find_faults(answers, CASES // 4)
    assert any("claimed twice" in fault for fault in faults), faults


@asynccontextmanager
async def _all_held(office: Office) -> AsyncIterator[None]:
    """Have PostgreSQL's claims find what they have to wait for; those of SQLite wait for each other."""
    if office.store.dialect.has_one_writer:
        yield
        return
    async with office.store.write() as tx:
        await tx.execute(sa.select(tables.cases.c.case_id).with_for_update())
        yield


async def _waiting(office: Office) -> bool:
    """Tell whether two claims wait, or will."""
    if office.store.dialect.has_one_writer:
        return True
    return await lock_waiters(office.store) >= 2
