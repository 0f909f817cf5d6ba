"""A backup is consistent, private, and overwrites nothing; both databases are restored and read."""

from __future__ import annotations

import asyncio
import stat
import subprocess
from pathlib import Path

import pytest

from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.storage import backup, cases, schema
from casedial.storage.engine import Database, Store
from tests.conftest import NOW, Office
from tests.postgres import PostgresServer


async def restore(store: Store, copy: Path, postgres: PostgresServer) -> Store:
    if store.database is Database.SQLITE:
        return Store(f"sqlite:///{copy}")
    postgres.execute("CREATE DATABASE restored")
    program = Path(backup._pg_dump()).with_name("pg_restore")
    command = [program, "--no-owner", "-d", postgres.url("restored"), copy]
    await asyncio.to_thread(subprocess.run, command, check=True)
    return Store(postgres.url("restored"))


async def test_a_backup_made_while_cases_are_added_is_of_one_moment(
    store: Store, office: Office, postgres: PostgresServer, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    stop = asyncio.Event()

    async def writer() -> int:
        """Add cases in pairs, each pair in one transaction: a consistent copy never has half of one."""
        firm = await office.firm()
        count = 0
        while not stop.is_set():
            async with store.write() as tx:
                pair = [cases.Case(case_id=2 * count + 1 + n, changed_at=NOW) for n in range(2)]
                await cases.add(tx, firm, pair)
            count += 1
        return count

    writing = asyncio.create_task(writer())
    await asyncio.sleep(0.2)
    size = await backup.write(store, target)
    stop.set()
    pairs = await writing
    assert size == target.stat().st_size > 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copy = await restore(store, target, postgres)
    firm = await office.firm()
    async with copy.read() as tx:
        found = await cases.whereabouts(tx, firm, range(1, 2 * pairs + 1))
    await copy.close()
    if store.database is Database.POSTGRESQL:
        postgres.execute("DROP DATABASE restored WITH (FORCE)")
    assert found
    assert set(found) == set(range(1, len(found) + 1))
    assert len(found) % 2 == 0


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
