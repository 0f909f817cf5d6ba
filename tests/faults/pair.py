"""Two servers of PostgreSQL, one of which follows the other."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.service import DATABASE, fill
from tests.postgres import PostgresServer


def copy_of(primary: PostgresServer, room: Path) -> PostgresServer:
    """Make a standby that follows a server."""
    room.mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(room, "nobody")
    url = f"host=127.0.0.1 port={primary.port} user=postgres"
    command = [primary.bin / "pg_basebackup", "-d", url, "-D", room / "data", "-R", "-X", "stream", "-c", "fast"]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **primary.as_user)
    return PostgresServer(room, max_connections=60)


@dataclass
class Pair:
    """A server with a filled database, and its standby."""

    primary: PostgresServer
    standby: PostgresServer
    key: str

    def url(self, *names: str) -> str:
        """The URL of the database, with one host or both."""
        hosts = ",".join(f"127.0.0.1:{getattr(self, name).port}" for name in names)
        return f"postgresql://casedial@{hosts}/{DATABASE}"


@contextmanager
def made_pair() -> Iterator[Pair]:
    """Make both, and remove them at the end of the block."""
    primary = PostgresServer(wal_level="replica", max_wal_senders=4)
    room = primary.room.with_name(f"{primary.room.name}-standby")
    try:
        if not (primary.bin / "pg_basebackup").exists():
            pytest.skip("this PostgreSQL brings no pg_basebackup")
        primary.execute("CREATE ROLE casedial LOGIN")
        primary.execute(f"CREATE DATABASE {DATABASE} OWNER casedial")
        key = asyncio.run(fill(f"postgresql://casedial@127.0.0.1:{primary.port}/{DATABASE}"))
        standby = copy_of(primary, room)
        try:
            yield Pair(primary, standby, key)
        finally:
            standby.stop()
    finally:
        primary.stop()
        shutil.rmtree(room, ignore_errors=True)
