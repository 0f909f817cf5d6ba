"""``casedial migrate`` on a database in use: nobody waits for long, and whoever kills it loses nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from hashlib import sha256

import asyncpg
import pytest

from casedial.database import schema
from casedial.database.dialects.postgresql import MIGRATION_LOCK
from casedial.database.engine import Store
from tests.database import released
from tests.e2e.old_server import Load
from tests.postgres import PostgresServer
from tests.servers import CASEDIAL
from tests.waiting import PATIENCE, Pulse, until

_numbers = itertools.count()
OLDEST = released.RELEASED[0]
MANY_CASES = 20_000
LONGEST_WAIT = 3.0  # seconds, of anybody's, while a table is held and wanted
# How many wait to have a table alone, and how many others have been connected for a while.
WANTED = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
OTHERS = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend' AND clock_timestamp() - backend_start > interval '1 second'"""


@pytest.fixture
async def old_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """A PostgreSQL database as the first released version left it."""
    name = f"old_{next(_numbers)}"
    postgres.copy("template0", name)
    store = Store(postgres.url(name))
    await released.make(store, OLDEST)
    await store.close()
    yield postgres.url(name)
    postgres.drop(name)


class Command:
    """A casedial command in a process of its own."""

    def __init__(self, *arguments: str, url: str) -> None:
        self._arguments = (*arguments, "--database-url", url)

    async def start(self) -> Command:
        self.process = await asyncio.create_subprocess_exec(
            CASEDIAL, *self._arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        return self

    async def end(self, seconds: float = 2 * PATIENCE) -> tuple[int | None, str]:
        """Wait for its end; return its exit status and what it said."""
        said, _ = await asyncio.wait_for(self.process.communicate(), seconds)
        return self.process.returncode, said.decode()


async def add_many(db: asyncpg.Connection) -> None:
    await db.execute(
        f"""INSERT INTO cases (firm_id, case_id, case_status, case_group, case_group_folded, closed, zip_code,
                               plaintiff, phones, dialer_status_id, dialer_role, dial_at)
            SELECT 1, 1000 + n, '', '', '', false, '', '', '[]', 101, 1, now() - interval '1 day'
              FROM generate_series(1, {MANY_CASES}) n"""
    )


async def assert_at_head(url: str) -> None:
    store = Store(url)
    async with store.read() as tx:
        assert (await schema.state(tx)).at_head
    await store.close()
    db = await asyncpg.connect(url)
    assert await db.fetch("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid") == []
    names = await db.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")
    await db.close()
    assert {"ix_cases_answered", "ix_cases_unclaimed"} <= {row[0] for row in names}


async def test_migrate_under_load(old_url: str) -> None:
    """Servers of the old version work on while a long transaction holds cases: nobody else waits for it."""
    db, witness = await asyncpg.connect(old_url), await asyncpg.connect(old_url)
    await add_many(db)
    digest = sha256(released.key_of(1).encode()).digest()
    async with Load(old_url, 1, digest) as load, Pulse(lambda: witness.fetch("SELECT 1")) as pulse:
        await load.more(3)
        long = db.transaction()
        await long.start()
        await db.execute("UPDATE cases SET zip_code = 'held' WHERE firm_id = 2 AND case_id = 1")
        command = await Command("migrate", url=old_url).start()
        for _ in range(3):  # it asks for the table, and lets others go on
            await until_so(db, WANTED, 1)
            await until_so(db, WANTED, 0)
            await load.more(3)
        assert command.process.returncode is None  # it waits
        await long.commit()
        held_until = time.monotonic()
        status, said = await command.end()
        took = time.monotonic() - held_until
        await load.more(3)
    await db.close()
    await witness.close()
    assert status == 0, said
    print(f"longest: {load.longest()}; done {took:.1f} s after the long transaction; {len(load.done)} works")
    assert load.failed == []
    assert max(load.longest().values()) < LONGEST_WAIT + pulse.allowance
    await assert_at_head(old_url)


async def test_killed_after_any_change_it_resumes(empty_url: str) -> None:
    store = Store(empty_url)
    await released.make(store, OLDEST)
    await store.close()
    command = [sys.executable, "-m", "tests.database.dying", empty_url, f"{empty_url}_copy"]
    done = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, errors = await asyncio.wait_for(done.communicate(), 300)
    assert done.returncode == 0, errors.decode()
    changes = json.loads(said)
    print(f"killed after {len(changes)} changes: {Counter(change.split()[0] for change in changes)}")
    assert len(changes) > 40
    assert any(change.startswith("CREATE TABLE") for change in changes)


async def test_killed_while_it_makes_an_index_it_makes_it_anew(old_url: str) -> None:
    reader, db = await asyncpg.connect(old_url), await asyncpg.connect(old_url)
    at_work = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
    snapshot = reader.transaction(isolation="repeatable_read", readonly=True)
    await snapshot.start()
    await reader.fetch("SELECT 1")  # for which the index waits
    command = await Command("migrate", url=old_url).start()
    await until_so(db, at_work, 1)
    command.process.kill()
    await command.end()
    await until_so(db, at_work, 0)  # the session ends with its client
    assert await db.fetch("SELECT 1 FROM pg_index WHERE NOT indisvalid") != []
    await snapshot.rollback()
    await reader.close()
    await db.close()
    status, said = await (await Command("migrate", url=old_url).start()).end()
    assert status == 0, said
    await assert_at_head(old_url)


async def until_so(db: asyncpg.Connection, query: str, value: int) -> None:
    """Wait until a query has this answer."""

    async def is_so() -> bool:
        return bool(await db.fetchval(query) == value)

    await until(is_so)


async def test_of_several_one_migrates_when_the_lock_is_free(old_url: str) -> None:
    db = await asyncpg.connect(old_url)
    await db.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
    commands = [await Command("migrate", url=old_url).start() for _ in range(3)]
    await until_so(db, OTHERS, 3)
    assert [command.process.returncode for command in commands] == [None] * 3
    assert await db.fetchval("SELECT version_num FROM alembic_version") == OLDEST
    await db.close()
    ends = [await command.end() for command in commands]
    assert [status for status, _ in ends] == [0] * 3, ends
    assert sorted(said.split()[0] for _, said in ends) == ["Migrated", "Nothing", "Nothing"]
    await assert_at_head(old_url)


async def test_serve_refuses_a_schema_behind_its_own(old_url: str) -> None:
    status, said = await (await Command("serve", "--port", "0", url=old_url).start()).end()
    assert status == 1
    assert "casedial migrate" in said
