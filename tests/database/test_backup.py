"""A backup is consistent, private, and overwrites nothing; both databases are restored and read."""

from __future__ import annotations

import asyncio
import stat
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from casedial.database import backup, hosts, schema
from casedial.database.dialects.postgresql import pg_dump
from casedial.database.engine import Store
from casedial.database.tables import cases as cases_table
from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.storage import cases
from tests.conftest import NOW, Office
from tests.postgres import PostgresServer, free_port
from tests.waiting import until

BACKUPS = 20  # CI's share; all are restored


async def restore(store: Store, copy: Path, postgres: PostgresServer) -> Store:
    if store.dialect.name == "sqlite":
        return Store(f"sqlite:///{copy}")
    postgres.execute("DROP DATABASE IF EXISTS restored")
    postgres.execute("CREATE DATABASE restored")
    program = Path(pg_dump()).with_name("pg_restore")
    command = [program, "--no-owner", "-d", postgres.url("restored"), copy]
    await asyncio.to_thread(subprocess.run, command, check=True)
    return Store(postgres.url("restored"))


async def test_backups_made_while_cases_are_added_are_each_of_one_moment(
    store: Store, office: Office, postgres: PostgresServer, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    written = 0

    async def write() -> None:
        """Add cases in pairs, each pair in one transaction: a consistent copy never has half of one."""
        nonlocal written
        firm = await office.firm()
        while not stop.is_set():
            async with store.write() as tx:
                pair = [cases.Case(case_id=written + n, changed_at=NOW) for n in (1, 2)]
                await cases.add(tx, firm, pair)
            written += 2

    writing = asyncio.create_task(write())
    there: list[int] = []
    for number in range(BACKUPS // 2):  # half of them on each database
        target = tmp_path / f"copy-{number}"
        await until(lambda: written > max(there, default=0))  # cases are added all the while
        before = written
        size = await backup.write(store, target)
        assert size == target.stat().st_size > 0
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        copy = await restore(store, target, postgres)
        found = await case_ids(copy)
        assert found == list(range(1, len(found) + 1))
        assert len(found) % 2 == 0
        assert before <= len(found) <= written + 2
        there.append(len(found))
    stop.set()
    await writing


async def case_ids(store: Store) -> list[int]:
    """The cases of a restored database, which is closed."""
    async with store.read() as tx:
        found = list((await tx.execute(sa.select(cases_table.c.case_id).order_by(cases_table.c.case_id))).scalars())
    await store.close()
    return found


async def test_a_backup_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.write_text("precious")
    with pytest.raises(InvalidSetting, match="exists"):
        await backup.write(store, target)
    assert target.read_text() == "precious"
    with pytest.raises(InvalidSetting, match="Cannot write"):
        await backup.write(store, tmp_path / "no" / "folder" / "copy")


async def test_a_backup_that_fails_leaves_nothing(database: str, postgres: PostgresServer, tmp_path: Path) -> None:
    if database == "sqlite":
        source = tmp_path / "broken.db"
        source.write_bytes(b"no database at all, and longer than the header of one would be " * 4)
        store = Store(f"sqlite:///{source}")
    else:
        store = Store(postgres.url("no_such_database"))
    with pytest.raises(StorageUnavailable):
        await backup.write(store, tmp_path / "copy")
    await store.close()
    assert [file.name for file in tmp_path.iterdir()] == (["broken.db"] if database == "sqlite" else [])


async def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    """SQLite opens it, and finds out only when it copies."""
    source = tmp_path / "damaged.db"
    store = Store(f"sqlite:///{source}")
    await schema.migrate(store)
    await store.close()
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 3] + b"\xff" * (len(whole) * 2 // 3))
    with pytest.raises(StorageUnavailable):
        await backup.write(store, tmp_path / "copy")
    await store.close()
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_url_of_several_hosts(
    store: Store, office: Office, postgres: PostgresServer, database_url: str, tmp_path: Path
) -> None:
    """The first of them is away."""
    await office.add(1)
    there = f"127.0.0.1:{postgres.port}"
    several = Store(database_url.replace("postgres@" + there, f"postgres:a%20b@127.0.0.1:{free_port()},{there}"))
    await backup.write(several, tmp_path / "copy")
    assert await case_ids(await restore(store, tmp_path / "copy", postgres)) == [1]
    assert await case_ids(several) == [1]


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("postgresql://u:p%40w@h1:5,h2:6/d?sslmode=require", "postgresql://u@h1:5,h2:6/d?sslmode=require", "p@w"),
        ("postgres://h/d", "postgresql://h/d", None),
        ("postgresql+asyncpg://u@[::1]:5/d", "postgresql://u@[::1]:5/d", None),
        ("postgresql:///d?host=/tmp&password=a%26b&user=u", "postgresql:///d?host=%2Ftmp&user=u", "a&b"),
        ("postgresql://h?user=u", "postgresql://h?user=u", None),
    ],
)
def test_no_password_is_on_a_command_line(url: str, shown: str, password: str | None) -> None:
    assert hosts.without_password(url) == (shown, password)
