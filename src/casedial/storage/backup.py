"""A consistent copy of the database while servers write to it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.storage import postgresql
from casedial.storage.engine import Database, Store
from casedial.storage.files import written_whole


async def write(store: Store, target: Path) -> int:
    """Write a copy to ``target`` and return its size in bytes; nothing is left of one that failed.

    Raises InvalidSetting where the file exists or cannot be made, StorageUnavailable where the copy failed.
    """
    if target.exists():
        raise InvalidSetting(f"{target} exists; a backup overwrites nothing.")
    try:
        with written_whole(target) as partial:
            copy = _copy_sqlite if store.database is Database.SQLITE else _dump_postgresql
            await copy(store, partial)
    except OSError as error:
        raise InvalidSetting(f"Cannot write {target}: {error.strerror or error}.") from error
    return target.stat().st_size


async def _copy_sqlite(store: Store, target: Path) -> None:
    if not store.path or not store.path.exists():
        raise InvalidSetting(f"There is no database {store.path}.")
    async with store.outside() as connection:
        await connection.execute("VACUUM INTO ?", (str(target),))


async def _dump_postgresql(store: Store, target: Path) -> None:
    program = _pg_dump()
    shown, password = postgresql.without_password(store.url)
    environment = {**os.environ, "PGPASSWORD": password} if password else dict(os.environ)
    process = await asyncio.create_subprocess_exec(
        program,
        "--format=custom",
        "--no-password",
        f"--file={target}",
        f"--dbname={shown}",
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise StorageUnavailable(f"pg_dump failed: {said.decode(errors='replace').strip()}")


def _pg_dump() -> str:
    """Find the newest pg_dump, on the path and where Debian keeps them: it must not be older than the server."""
    on_path = shutil.which("pg_dump")
    found = {*map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_dump")), *([on_path] if on_path else [])}
    if not found:
        raise InvalidSetting("pg_dump is not installed; it comes with PostgreSQL's client programs.")
    return max(found, key=_version)


def _version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0
