"""What a server of the first released version (revision 0001) does to PostgreSQL, statement for statement."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from tests.waiting import until

_KEY = (
    "SELECT keys.id, firms.name, firms.version FROM keys JOIN firms ON firms.id = keys.firm_id WHERE keys.digest = $1"
)
_USED = "UPDATE keys SET last_used_at = $2 WHERE keys.digest = $1"
_CASE = """firm_id, case_id, case_status, case_group, case_group_folded, closed, closed_on, zip_code, plaintiff, phones,
    dialer_status_id, dialer_role, dial_at, campaign_id, disposition_id, attempts_id, changed_at"""
_CLAIM = f"""
WITH picked AS MATERIALIZED (
    SELECT {_CASE} FROM cases WHERE firm_id = $1 AND dialer_role = 1 AND dial_at <= $2
     ORDER BY dial_at, case_id LIMIT $3 FOR UPDATE SKIP LOCKED),
moved AS (
    UPDATE cases SET dialer_status_id = $1::bigint * 100 + 2, dialer_role = 2, dial_at = $2,
           changed_at = greatest($2, picked.changed_at)
      FROM picked WHERE cases.firm_id = picked.firm_id AND cases.case_id = picked.case_id),
recorded AS (
    INSERT INTO status_history (firm_id, case_id, type, status_id, dial_at, changed_at, changed_by)
    SELECT firm_id, case_id, 1, $1::bigint * 100 + 2, $2, $2, 'Acme Dialer' FROM picked)
SELECT {_CASE} FROM picked ORDER BY dial_at, case_id"""
_HELD = f"SELECT {_CASE} FROM cases WHERE firm_id = $1 AND case_id = ANY($2) ORDER BY case_id FOR UPDATE"
_SAVE = """UPDATE cases SET dialer_status_id = $1::bigint * 100 + 1, dialer_role = 1, dial_at = $3, changed_at = $3
            WHERE firm_id = $1 AND case_id = $2"""
_RECORD = """INSERT INTO status_history (firm_id, case_id, type, status_id, dial_at, changed_at, changed_by)
             VALUES ($1::bigint, $2, 1, $1::bigint * 100 + 1, $3, $3, 'Acme Dialer')"""
_HISTORY = """SELECT id, firm_id, case_id, type, status_id, dial_at, changed_at, changed_by FROM status_history
               WHERE firm_id = $1 AND case_id = 1 ORDER BY id LIMIT 100"""
_NOTE = "INSERT INTO notes (firm_id, case_id, text, author, created_at) VALUES ($1, $2, 'A note', 'Acme Dialer', $3)"
_ADD = """INSERT INTO cases (firm_id, case_id, case_status, case_group, case_group_folded, closed, zip_code, plaintiff,
                             phones) VALUES ($1, $2, '', '', '', false, '', '', '[]')"""
_STATUS = """INSERT INTO statuses (firm_id, type, name, name_folded, position, retired)
             VALUES ($1, 3, $2::text, $2::text, 99, false)"""

_new_case_ids = itertools.count(10_000_000)
_names = (f"Campaign {number}" for number in itertools.count())


async def authenticate(db: asyncpg.Connection, digest: bytes) -> None:
    await db.fetch(_KEY, digest)
    await db.execute(_USED, digest, datetime.now(UTC))


async def claim_and_report(db: asyncpg.Connection, firm_id: int, digest: bytes) -> None:
    """GetCasesToDial with Auto-change, and UpdateCaseStatus back to To Dial."""
    await authenticate(db, digest)
    taken = await db.fetch(_CLAIM, firm_id, datetime.now(UTC), 5)
    async with db.transaction():
        held = await db.fetch(_HELD, firm_id, [row["case_id"] for row in taken])
        now = datetime.now(UTC)
        await db.executemany(_SAVE, [(firm_id, row["case_id"], now) for row in held])
        await db.executemany(_RECORD, [(firm_id, row["case_id"], now) for row in held])


async def read_and_note(db: asyncpg.Connection, firm_id: int, digest: bytes) -> None:
    """GetCaseInfo in one snapshot, and AddCaseNote, whose foreign key looks at the case."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        await db.fetch(_KEY, digest)
        await asyncio.sleep(0.02)
        await db.fetch(f"SELECT {_CASE} FROM cases WHERE firm_id = $1 AND case_id = 1", firm_id)
        await db.fetch(_HISTORY, firm_id)
    await db.execute(_NOTE, firm_id, 1, datetime.now(UTC))


async def import_cases(db: asyncpg.Connection, firm_id: int, digest: bytes) -> None:
    """An import: it has cases and then wants their firm, which a foreign key looks at, and more."""
    async with db.transaction():
        await db.execute(_ADD, firm_id, next(_new_case_ids))
        await asyncio.sleep(0.05)
        await db.execute(_RECORD, firm_id, 1, datetime.now(UTC))
        await db.execute("SELECT 1 FROM firms WHERE id = $1 FOR UPDATE", firm_id)
        await db.execute(_USED, digest, datetime.now(UTC))


async def add_status(db: asyncpg.Connection, firm_id: int, _: bytes) -> None:
    """An operator adds a campaign: statuses first, the firm's version last."""
    async with db.transaction():
        await db.execute(_STATUS, firm_id, next(_names))
        await asyncio.sleep(0.05)
        await db.execute("UPDATE firms SET version = version + 1 WHERE id = $1", firm_id)


WORK = (claim_and_report, claim_and_report, read_and_note, import_cases, add_status)


@dataclass
class Load:
    """Every kind of work, in connections of its own, again and again until the block ends; and how long each took."""

    url: str
    firm_id: int
    digest: bytes
    done: list[tuple[float, float, str]] = field(default_factory=list)  # when it began, seconds, what
    failed: list[BaseException] = field(default_factory=list)

    async def __aenter__(self) -> Load:
        self._stack = AsyncExitStack()
        self._tasks = []
        for work in WORK:
            db = await asyncpg.connect(self.url)
            self._stack.push_async_callback(db.close)
            self._tasks.append(asyncio.create_task(self._repeat(work, db)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _repeat(self, work: Callable[..., Awaitable[None]], db: asyncpg.Connection) -> None:
        while True:
            began = time.monotonic()
            try:
                await work(db, self.firm_id, self.digest)
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.failed.append(error)
            self.done.append((began, time.monotonic() - began, work.__name__))
            await asyncio.sleep(0.01)

    async def more(self, times: int) -> None:
        """Wait until each kind of work was begun and done so many times more."""
        since = time.monotonic()

        def are_done() -> bool:
            done = Counter(name for began, _, name in self.done if began >= since)
            return all(done[work.__name__] >= times for work in WORK)

        await until(are_done)

    def longest(self) -> dict[str, float]:
        """The longest that each kind of work took, waits and all."""
        return {work.__name__: max(s for _, s, name in self.done if name == work.__name__) for work in WORK}
