"""A migration that is killed after each of its changes, every time on a fresh copy of an old database, and resumed.

Each revision is migrated by itself, from the database that the one before it left: what follows it is the same for all
its kills. The newest are killed after each change; of older ones, which never change, each day after some others. More,
by chance, are on the whole way from the oldest to the newest.

``python -m tests.database.dying OLD_URL COPY_URL`` prints the statements after which it was killed, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa

from casedial.database import migrating, schema, sqlite
from casedial.database.engine import Store
from tests.database import released
from tests.database.test_schema import described
from tests.sampling import dice, some

REVISION = released.RELEASED[0]
NEWEST = 3  # revisions, killed after each of their changes
OF_OLDER_ONES = 2  # of their changes
ON_THE_WHOLE_WAY = 2
_CHANGES = ("ALTER", "CREATE", "DELETE", "DROP", "INSERT", "UPDATE")


@contextmanager
def knowing(revisions: list[Path]) -> Iterator[None]:
    """Have casedial know these migrations only, as the release did of which the last of them is the head."""
    every = schema.MIGRATIONS
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "versions").mkdir()
        for file in (every / "env.py", *revisions):
            shutil.copy(file, folder / file.relative_to(every))
        _have(Path(folder))
        yield
        _have(every)


def _have(migrations: Path) -> None:
    schema.MIGRATIONS = migrating.MIGRATIONS = migrations
    schema._known.cache_clear()


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
    how = " STRATEGY FILE_COPY" * (db.get_server_version().major >= 15)
    await db.execute(f"CREATE DATABASE {name} TEMPLATE {old}{how}")
    await db.close()


async def migrate(url: str) -> None:
    store = Store(url)
    await schema.migrate(store)
    await store.close()


async def look(url: str) -> tuple[bool, dict[str, str], Any]:
    """Tell whether a database is at head, what its schema is, and what the old revision's columns hold."""
    store = Store(url)
    async with store.read() as tx:
        found = (await schema.state(tx)).at_head, await described(tx), await released.stored(tx, REVISION)
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


def resumed(old_url: str, copy_url: str, change: int) -> tuple[str | None, Any]:
    """Kill a migration of a copy after so many changes and let another finish; return the last change and the end."""
    asyncio.run(copy(old_url, copy_url))
    last = migrate_until(change, copy_url)
    asyncio.run(migrate(copy_url))
    return last, asyncio.run(look(copy_url))


def undisturbed(old_url: str, copy_url: str) -> tuple[int, Any]:
    """Return how many changes a migration makes that nobody kills, and what it leaves."""
    made = 0

    def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        nonlocal made
        made += statement.split()[0].upper() in _CHANGES

    asyncio.run(copy(old_url, copy_url))
    sa.event.listen(sa.Engine, "after_cursor_execute", listen)
    asyncio.run(migrate(copy_url))
    sa.event.remove(sa.Engine, "after_cursor_execute", listen)
    return made, asyncio.run(look(copy_url))


def kill_after_each(old_url: str, copy_url: str) -> Iterator[str]:
    """Yield the changes after each of which the migration was killed."""
    files = sorted(schema.MIGRATIONS.glob("versions/[0-9]*.py"))
    stored, base_url = asyncio.run(look(old_url))[2], f"{copy_url}_base"
    asyncio.run(copy(old_url, base_url))
    for count in range(2, len(files) + 1):
        with knowing(files[:count]):
            made, expected = undisturbed(base_url, copy_url)
            assert expected[0]
            assert expected[2] == stored
            at = range(1, made + 1)
            for change in at if count > len(files) - NEWEST else some(files[count - 1].name, at, OF_OLDER_ONES):
                last, end = resumed(base_url, copy_url, change)
                assert last
                assert end == expected, last
                yield last
        asyncio.run(copy(copy_url, base_url))
    made, expected = undisturbed(old_url, copy_url)
    for change in dice("the whole way").sample(range(1, made + 1), ON_THE_WHOLE_WAY):
        last, end = resumed(old_url, copy_url, change)
        assert end == expected, last
        yield str(last)


if __name__ == "__main__":
    print(json.dumps(list(kill_after_each(*sys.argv[1:]))))
