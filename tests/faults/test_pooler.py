"""PgBouncer in between: with sessions of its own casedial works as ever, else it says why it does not start."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.service import DATABASE, Service
from tests.postgres import free_port, is_listening
from tests.servers import CASEDIAL, Server
from tests.waiting import PATIENCE, wait_until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed (Debian's package: pgbouncer)")

SETTINGS = """[databases]
* = host=127.0.0.1 port={upstream}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file =
pool_mode = {mode}
default_pool_size = 6
logfile = {room}/pgbouncer.log
"""
Pooled = Callable[[str], str]


@pytest.fixture
def pooled(ground: Service, tmp_path: Path) -> Iterator[Pooled]:
    """Starts PgBouncer in a mode; returns the URL of the database behind it."""
    running: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> str:
        port = free_port()
        room = Path(ground.postgres.room) / f"pgbouncer-{port}"
        room.mkdir()
        settings = SETTINGS.format(upstream=ground.postgres.port, port=port, mode=mode, room=room)
        settings = settings.replace("* = ", f"{DATABASE} = user=casedial dbname={DATABASE} ")
        (room / "pgbouncer.ini").write_text(settings)
        if os.geteuid() == 0:
            shutil.chown(room, "nobody")
        command = [str(PGBOUNCER), "-q", str(room / "pgbouncer.ini")]
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, **ground.postgres.as_user))
        wait_until(lambda: is_listening(port))
        return f"postgresql://casedial@127.0.0.1:{port}/{DATABASE}"

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("migrate",), ("firm", "list")], ids=" ".join)
def test_sessions_that_are_shared_are_refused(pooled: Pooled, command: tuple[str, ...]) -> None:
    url = pooled("transaction")
    done = subprocess.run([CASEDIAL, *command, "--database-url", url], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done.stderr
    for part in (
        "InvalidSetting",
        "pooler between casedial and PostgreSQL gives each session to another client",
        "pool_mode = session",
        "in the URL",
    ):
        assert part in done.stderr


def test_it_does_not_start_where_not_even_a_transaction_is_kept_together(pooled: Pooled) -> None:
    done = subprocess.run(
        [CASEDIAL, "serve", "--port", "0", "--database-url", pooled("statement")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "statement pooling mode" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_session_for_each_connection_is_as_good_as_none_in_between(ground: Service, pooled: Pooled) -> None:
    with Server(pooled("session")) as running:
        behind = Service(ground.postgres, ground.key, running)
        async with behind.traffic() as traffic:
            await traffic.more(120)
        assert set(traffic.answered) == {200}
        wait_until(behind.is_ready)
        assert "Traceback" not in running.output()
