"""Every statement that any database is asked."""

from __future__ import annotations

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
