"""PostgreSQL on three nodes under Patroni, with one etcd: real programs on loopback, as a plain user, in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.postgres import free_port, installed, quickest

NODES = 3
PASSWORD = "only-for-loopback"
DATABASE = "casedial"

# Patroni's shortest sane settings: it wants loop_wait + 2 × retry_timeout to be ttl at most. A machine that is lost is
# missed when its lock in etcd runs out, which takes ttl at most.
TTL, LOOP_WAIT, RETRY_TIMEOUT = 10, 2, 4
START_SECONDS = 60
REJOIN_SECONDS = 90


def missing() -> str | None:
    """Return what is not installed, or None."""
    wanted = {"patroni": shutil.which("patroni"), "etcd-server": shutil.which("etcd")}
    bin_ = installed()
    wanted["postgresql"] = str(bin_) if bin_ and (bin_ / "pg_rewind").exists() else None
    return ", ".join(name for name, found in wanted.items() if not found) or None


@cache
def _etcd_by() -> str:
    """Return by which of etcd's interfaces Patroni is to speak with it: before 3.3 the newer one is not safe.

    With 3.0, Debian 12's, a machine that wakes up takes the lock back from the primary that was promoted meanwhile.
    """
    said = subprocess.run(["patroni", "--version"], capture_output=True, text=True, check=True, cwd="/").stdout
    version = tuple(int(part) for part in said.split()[-1].split(".")[:2])
    return "etcd3" if version >= (3, 3) else "etcd"


def _plain_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in listed.stdout.split()]


class Program:
    """A process of ours, with a log of its own."""

    def __init__(self, room: Path, name: str, command: list[str]) -> None:
        self.name, self._room, self._command = name, room, command
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._room / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd="/",
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self._room)},
                **_plain_user(),
            )

    def log(self) -> str:
        return (self._room / f"{self.name}.log").read_text(errors="replace")


class Etcd(Program):
    """The one etcd, on which the nodes agree who is the primary."""

    def __init__(self, room: Path) -> None:
        self.port, peers = free_port(), free_port()
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peers}"
        command = ["etcd", "--name=etcd", f"--data-dir={room}/etcd", "--unsafe-no-fsync"]
        command += ["--enable-v2"] if _etcd_by() == "etcd" else []
        command += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        command += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        command += [f"--initial-cluster=etcd={peer}"]
        super().__init__(room, "etcd", [*command, "--logger=zap", "--log-level=error"])


class Node(Program):
    """A machine of the cluster: Patroni, and the PostgreSQL that it keeps."""

    def __init__(self, room: Path, name: str, etcd: Etcd, dcs: dict[str, Any]) -> None:
        self.port, self._rest = free_port(), free_port()
        self._data = room / name
        config = room / f"{name}.json"  # which YAML is, too
        config.write_text(json.dumps(self._config(room, name, etcd, dcs)))
        super().__init__(room, f"patroni-{name}", ["patroni", str(config)])
        self.host = name
        self._held: list[int] = []

    def _config(self, room: Path, name: str, etcd: Etcd, dcs: dict[str, Any]) -> dict[str, Any]:
        rest, address = f"127.0.0.1:{self._rest}", f"127.0.0.1:{self.port}"
        roles = {"superuser": "postgres", "replication": "replicator", "rewind": "rewinder"}
        return {
            "scope": "casedial",
            "name": name,
            "restapi": {"listen": rest, "connect_address": rest},
            _etcd_by(): {"host": f"127.0.0.1:{etcd.port}"},
            "bootstrap": {"dcs": dcs, "initdb": [{"encoding": "UTF8"}, "data-checksums", {"auth": "trust"}]},
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(self._data),
                "bin_dir": str(installed()),
                "pgpass": str(room / f"{name}.pgpass"),
                "authentication": {role: {"username": user, "password": PASSWORD} for role, user in roles.items()},
                "parameters": {"unix_socket_directories": "", "fsync": "off", "shared_buffers": "32MB"},
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
            },
        }

    def ask(self, path: str = "patroni") -> dict[str, Any] | None:
        """Ask Patroni's own API; None where it does not answer, or answers no."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._rest}/{path}", timeout=2) as reply:
                said: dict[str, Any] = json.load(reply)
                return said
        except (OSError, urllib.error.URLError, ValueError):
            return None

    @property
    def is_primary(self) -> bool:
        return self.ask("primary") is not None

    def _postgres(self) -> list[int]:
        """Return the processes of PostgreSQL, the one above the others first."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            command = Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError, IndexError):
            return []
        return [pid, *_children(pid)] if str(self._data) in command else []  # or another has its number by now

    def _all(self, patroni: bool = True, postgres: bool = True) -> list[int]:
        runs = patroni and self.process is not None and self.process.poll() is None
        ours = [self.process.pid, *_children(self.process.pid)] if runs and self.process else []
        return [*ours, *(self._postgres() if postgres else [])]

    def kill(self, patroni: bool = True) -> None:
        """Lose the machine, or only its PostgreSQL, at once: nothing says goodbye."""
        processes = self._all(patroni)
        for sent in (signal.SIGSTOP, signal.SIGKILL):  # none notices that another is gone
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
        if patroni and self.process:
            self.process.wait(20)

    def freeze(self, patroni: bool = True, postgres: bool = True) -> None:
        """Hold the machine still, or a part of it: connections stay, and nothing answers."""
        self._held = self._all(patroni, postgres)
        for pid in self._held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def lose_receiver(self) -> None:
        """End it, with what was under way to it: else that is still in the machine, and arrives."""
        for pid in self._held:
            os.kill(pid, signal.SIGTERM)
        self.thaw()

    def thaw(self) -> None:
        """Let it go on as if nothing had happened: it believes what it believed."""
        for pid in self._held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._held = []

    def hold_receiver(self) -> None:
        """Hold what takes the primary's log, so that this standby falls behind."""
        listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self._postgres()[0])], capture_output=True)
        lines = listed.stdout.decode().splitlines()
        self._held = [int(line.split()[0]) for line in lines if "walreceiver" in line]
        for pid in self._held:
            os.kill(pid, signal.SIGSTOP)

    def end(self) -> None:
        """End it for good. A PostgreSQL that is killed leaves shared memory behind, which only it would clear away."""
        self.thaw()
        postgres = self._postgres()
        if self.process:
            self.process.kill()
            self.process.wait(20)
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(postgres[0], signal.SIGQUIT)
        until = time.monotonic() + 5
        while self._postgres() and time.monotonic() < until:
            time.sleep(0.05)
        self.kill()


class Cluster:
    """The whole, until the block ends."""

    def __init__(self, synchronous: bool = True, room: Path | None = None) -> None:
        self.room = room or Path(tempfile.mkdtemp(prefix="casedial-ha-", dir=quickest()))
        self.room.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.room, "nobody")
        dcs = self.settings(synchronous)
        self.etcd = Etcd(self.room)
        self.nodes = [Node(self.room, f"node{number}", self.etcd, dcs) for number in range(1, NODES + 1)]
        self._synchronous = synchronous

    @staticmethod
    def settings(synchronous: bool) -> dict[str, Any]:
        """Return what all nodes go by, which how-to/high-availability.md explains."""
        return {
            "ttl": TTL,
            "loop_wait": LOOP_WAIT,
            "retry_timeout": RETRY_TIMEOUT,
            "maximum_lag_on_failover": 16 << 20,
            "primary_start_timeout": 0,  # a PostgreSQL that crashed is not waited for
            "synchronous_mode": synchronous,
            "synchronous_mode_strict": synchronous,
            "postgresql": {
                "use_pg_rewind": True,
                "use_slots": True,
                "parameters": {
                    "max_connections": 100,
                    "wal_keep_size": "256MB",
                    "synchronous_commit": "on",
                    "wal_retrieve_retry_interval": "1s",  # for which commits wait that a standby is to have
                },
            },
        }

    @property
    def url(self) -> str:
        """The URL of the database on all nodes, as an administrator would write it."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres:{PASSWORD}@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def __enter__(self) -> Cluster:
        try:
            self.etcd.start()
            for node in self.nodes:
                node.start()
            self.until_whole(START_SECONDS)
            self.execute(f"CREATE DATABASE {DATABASE}", "postgres")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def primary(self) -> Node:
        """Return the node that is the primary. Raises RuntimeError where there is none."""
        self._until(lambda: any(node.is_primary for node in self.nodes), START_SECONDS, "no primary")
        return next(node for node in self.nodes if node.is_primary)

    def standbys(self) -> list[Node]:
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    def is_whole(self) -> bool:
        """Tell whether there is one primary, which both others follow, one of them in step."""
        told = [node.ask() or {} for node in self.nodes]
        replicas = [replica for one in told for replica in one.get("replication", ())]
        streaming = [replica for replica in replicas if replica.get("state") == "streaming"]
        primaries = [one for one in told if one.get("role") == "master" and one.get("state") == "running"]
        in_step = any(replica.get("sync_state") == "sync" for replica in streaming)
        is_written = any(node.ask("synchronous") for node in self.nodes)  # in etcd: who may be promoted
        return (
            len(primaries) == 1
            and len({replica["application_name"] for replica in streaming}) == NODES - 1
            and (not self._synchronous or (in_step and is_written))
        )

    def until_whole(self, seconds: float = REJOIN_SECONDS) -> None:
        self._until(self.is_whole, seconds, "the cluster is not whole")

    def until_primary_beside(self, old: Node, seconds: float = START_SECONDS) -> Node:
        """Wait until another node is the primary; return it."""
        others = [node for node in self.nodes if node is not old]
        self._until(lambda: any(node.is_primary for node in others), seconds, "nobody was promoted")
        return next(node for node in others if node.is_primary)

    def switch(self) -> None:
        """Have another node become the primary, as an administrator does before work on a machine."""
        config = str(self.room / "node1.json")
        old = self.primary().host
        command = ["patronictl", "-c", config, "switchover", "casedial", "--master", old, "--force"]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def execute(self, sql: str, database: str = DATABASE) -> None:
        """Run one statement on the primary, outside a transaction."""
        bin_ = installed()
        assert bin_
        url = self.url.replace(f"/{DATABASE}?", f"/{database}?")
        subprocess.run([bin_ / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql], check=True)

    def _until(self, so: Callable[[], bool], seconds: float, otherwise: str) -> None:
        until = time.monotonic() + seconds
        while not so():
            if time.monotonic() > until:
                logs = "\n".join(f"--- {one.name}\n{one.log()[-3000:]}" for one in (self.etcd, *self.nodes))
                raise RuntimeError(f"{otherwise} after {seconds:.0f} s\n{logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        for node in self.nodes:
            if node.process:
                node.end()
        if self.etcd.process:
            self.etcd.process.kill()
            self.etcd.process.wait()
        shutil.rmtree(self.room, ignore_errors=True)
