"""Every statement that any database is asked."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.postgresql import PostgresqlSession
from casedial.database.sessions import Prepared, Result
from casedial.database.sqlite import SqliteSession


@contextmanager
def listening() -> Iterator[list[str]]:
    """Write down the texts of all statements meanwhile, but for what begins and ends a transaction, and for COPY."""
    asked: list[str] = []

    def noted(send: Any) -> Any:
        async def send_noted(session: Any, prepared: Prepared, text: str, several: list[list[Any]]) -> Result:
            asked.append(text)
            rows: Result = await send(session, prepared, text, several)
            return rows

        return send_noted

    with pytest.MonkeyPatch.context() as patch:
        for kind in (PostgresqlSession, SqliteSession):
            patch.setattr(kind, "_send", noted(kind._send))
        yield asked


@contextmanager
def explaining() -> Iterator[list[str]]:
    """Write down how the database goes about each statement meanwhile, as it says before it runs."""
    plans: list[str] = []
    sqlite, postgresql = SqliteSession._send, PostgresqlSession._send

    async def send_to_sqlite(session: Any, prepared: Prepared, text: str, several: list[list[Any]]) -> Result:
        rows = await session.driver.execute_fetchall(f"EXPLAIN QUERY PLAN {text}", several[0])
        plans.append("\n".join(str(row[3]) for row in rows))
        return await sqlite(session, prepared, text, several)

    async def send_to_postgresql(session: Any, prepared: Prepared, text: str, several: list[list[Any]]) -> Result:
        rows = await session.driver.fetch(f"EXPLAIN {text}", *several[0])
        plans.append("\n".join(row[0] for row in rows))
        return await postgresql(session, prepared, text, several)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteSession, "_send", send_to_sqlite)
        patch.setattr(PostgresqlSession, "_send", send_to_postgresql)
        yield plans


@contextmanager
def reading() -> Iterator[list[tuple[int, str]]]:
    """Write down how much each statement reads meanwhile: rows, of tables and indexes; in SQLite tens of its steps."""
    read: list[tuple[int, str]] = []
    sqlite, postgresql = SqliteSession._send, PostgresqlSession._send

    async def send_to_sqlite(session: Any, prepared: Prepared, text: str, several: list[list[Any]]) -> Result:
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        await session.driver.set_progress_handler(step, 10)
        try:
            return await sqlite(session, prepared, text, several)
        finally:
            await session.driver.set_progress_handler(None, 10)
            read.append((steps, text))

    async def send_to_postgresql(session: Any, prepared: Prepared, text: str, several: list[list[Any]]) -> Result:
        if re.match(r"\s*(SELECT|WITH)\b", text) and not re.search(r"\b(INSERT|UPDATE|DELETE)\b", text):
            [[told]] = await session.driver.fetch(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}", *several[0])
            read.append((_rows_of((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]), text))
        return await postgresql(session, prepared, text, several)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteSession, "_send", send_to_sqlite)
        patch.setattr(PostgresqlSession, "_send", send_to_postgresql)
        yield read


def _rows_of(plan: dict[str, Any]) -> int:
    """Return how many rows a plan and what is below it took from tables and indexes."""
    here = 0
    if "Scan" in plan["Node Type"]:
        seen = sum(plan.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck"))
        here = round((plan["Actual Rows"] + seen) * plan["Actual Loops"])
    return here + sum(_rows_of(part) for part in plan.get("Plans", ()))


@contextmanager
def failing(command: str, error: BaseException, after: int = 0) -> Iterator[None]:
    """Have a command of SQLite fail instead of being done, such as COMMIT, from the one after so many on."""
    done = 0
    run = SqliteSession.run

    async def run_or_fail(session: SqliteSession, asked: str, *more: Any) -> str:
        nonlocal done
        done += asked == command
        if asked == command and done > after:
            raise error
        return await run(session, asked, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteSession, "run", run_or_fail)
        yield


@asynccontextmanager
async def plain_ids(tx: Transaction) -> AsyncIterator[None]:
    """Rows that are put back keep their ids: SQLite's triggers would give them later places in the feed's line."""
    triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    found = list(await tx.execute(sa.text(triggers))) if tx.dialect.name == "sqlite" else []
    for trigger in found:
        await tx.execute(sa.text(f"DROP TRIGGER {trigger.name}"))
    yield
    for trigger in found:
        await tx.execute(sa.text(trigger.sql.replace(":", r"\:")))
