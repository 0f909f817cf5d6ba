"""A migration that is killed after each of its changes, every time on a fresh copy of an old database, and resumed.

``python -m tests.database.dying OLD_URL COPY_URL`` prints the statements after which it was killed, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import Any

import asyncpg
import sqlalchemy as sa

from casedial.database import schema, sqlite
from casedial.database.engine import Store
from tests.database import released

REVISION = released.RELEASED[0]
_CHANGES = ("ALTER", "CREATE", "DELETE", "DROP", "INSERT", "UPDATE")


async def copy(old_url: str, copy_url: str) -> None:
    """Make the copy anew."""
    if old_url.startswith("sqlite"):
        shutil.copyfile(sqlite.file_of(old_url), sqlite.file_of(copy_url))
        for ending in ("-wal", "-shm", "-journal"):
            sqlite.file_of(copy_url + ending).unlink(missing_ok=True)
        return
    old, name = (url.rpartition("/")[2] for url in (old_url, copy_url))
    db = await asyncpg.connect(f"{old_url.rpartition('/')[0]}/postgres")
    await db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await db.execute(f"CREATE DATABASE {name} TEMPLATE {old}")
    await db.close()


async def migrate(url: str) -> None:
    store = Store(url)
    await schema.migrate(store)
    await store.close()


async def look(url: str) -> tuple[bool, Any]:
    """Tell whether a database is at head, and what the old revision's columns hold."""
    store = Store(url)
    async with store.read() as tx:
        found = (await schema.state(tx)).at_head, await released.stored(tx, REVISION)
    await store.close()
    return found


def migrate_until(change: int, url: str) -> str | None:
    """Migrate in a process that is killed after so many changes; return the last one, or None if there were fewer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        made: list[str] = []

        def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if statement.split()[0].upper() in _CHANGES:
                made.append(statement)
                if len(made) == change:
                    os.write(writing, " ".join(statement.split()[:6]).encode())
                    os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(sa.Engine, "after_cursor_execute", listen)
        asyncio.run(migrate(url))
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        last = pipe.read()
    assert status == (signal.SIGKILL if last else 0)
    return last or None


def kill_after_each(old_url: str, copy_url: str) -> Iterator[str]:
    before = asyncio.run(look(old_url))
    assert not before[0]
    for change in range(1, 1000):
        asyncio.run(copy(old_url, copy_url))
        last = migrate_until(change, copy_url)
        asyncio.run(migrate(copy_url))
        assert asyncio.run(look(copy_url)) == (True, before[1]), last
        if last is None:
            return
        yield last


if __name__ == "__main__":
    print(json.dumps(list(kill_after_each(*sys.argv[1:]))))
