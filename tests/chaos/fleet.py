"""Real servers, each behind a proxy that cuts, killed at random moments and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.postgres import free_port
from tests.servers import Server

WHOLE, WORKER = "whole servers", "single workers"
WORKERS = 2
STARTS = 3  # tries; a database connection that is ended while a server starts ends the server
BETWEEN = 0.6  # seconds between two kills, on average


class Member:
    """One server of the fleet: ``casedial serve`` with two workers, behind its proxy."""

    def __init__(self, name: str, database_url: str, room: Path, seed: str) -> None:
        self.name = name
        # Killed servers cannot clear away what they put in the folder for temporary files.
        self.server = Server(
            database_url, "--workers", str(WORKERS), CASEDIAL_LOG_LEVEL="warning", TMPDIR=str(room), TZ="UTC"
        )
        self.proxy_port = free_port()
        command = [sys.executable, "-m", "tests.chaos.proxy"]
        arguments = [self.proxy_port, self.server.port, f"{seed}-{name}", room / "cuts.jsonl"]
        self._proxy = subprocess.Popen([*command, *map(str, arguments)])
        self.ready = threading.Event()
        self.start_seconds = 2.0  # that its last start took
        self.whole_at = 0.0  # when all of its workers are likely to answer

    def workers(self) -> list[int]:
        """Return the process ids of the workers that run now."""
        children = Path(f"/proc/{self.server.process.pid}/task/{self.server.process.pid}/children")
        try:
            return [int(pid) for pid in children.read_text().split()]
        except OSError:
            return []

    def end(self) -> str:
        """End the proxy and the server; return what the server wrote."""
        self._proxy.terminate()
        try:
            self._proxy.wait(10)
        finally:
            self._proxy.kill()
        return self.server.stop()


class Fleet:
    """Servers on one database. ``rage`` kills; at the end of the block all are stopped."""

    def __init__(self, database_url: str, room: Path, chance: random.Random, seed: str, size: int = 2) -> None:
        self._chance = chance
        self._events = (room / "events.jsonl").open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.members = [Member(f"server-{number}", database_url, room, seed) for number in range(size)]
        self.kills: Counter[str] = Counter()
        self.failure: RuntimeError | None = None

    def __enter__(self) -> Fleet:
        for member in self.members:  # one after the other: the first one migrates
            self._start(member)
        if self.failure:
            self.stop()
            raise self.failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> list[str]:
        """Stop all; return what each server wrote."""
        written = [member.end() for member in self.members]
        self._events.close()
        return written

    @property
    def through_proxies(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", member.proxy_port) for member in self.members]

    @property
    def direct(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", member.server.port) for member in self.members]

    def rage(self, kills: int, seconds: float, between: Callable[[], None]) -> None:
        """Kill that many times, for that long at most; ``between`` is called before each kill.

        Mostly another server is left to work while a killed one starts; in the meantime single workers are killed.
        """
        until = time.monotonic() + seconds
        wanted = sum(self.kills.values()) + kills
        while sum(self.kills.values()) < wanted and time.monotonic() < until and not self.failure:
            time.sleep(self._chance.expovariate(1 / BETWEEN))
            between()
            victims = [member for member in self.members if member.ready.is_set()]
            if self._chance.random() > 0.1:  # seldom one that is about to recover
                victims = [member for member in victims if time.monotonic() > member.whole_at]
            if not victims:
                continue
            member = self._chance.choice(victims)
            if self._chance.random() < (0.7 if len(victims) == len(self.members) else 0.1):
                self._kill(member)
            else:
                self._kill_worker(member)

    def settle(self, seconds: float = 40) -> None:
        """Wait until every server answers again. Raises what kept one from starting; RuntimeError where one ended."""
        for member in self.members:
            if not member.ready.wait(seconds) or self.failure:
                raise self.failure or RuntimeError(f"{member.name} does not come back")
            if member.server.process.poll() is not None:
                raise RuntimeError(f"{member.name} ended by itself")

    def _kill(self, member: Member) -> None:
        member.ready.clear()
        os.killpg(member.server.process.pid, signal.SIGKILL)  # supervisor and workers at once
        self._note(member, "killed")
        member.server.process.wait()
        self.kills[WHOLE] += 1
        threading.Thread(target=self._start, args=(member,), daemon=True).start()

    def _kill_worker(self, member: Member) -> None:
        workers = member.workers()
        if len(workers) < WORKERS:
            return  # its supervisor is about to start the one that was killed before
        # Of one that dies again within seconds of its start, the supervisor believes that it always will, and gives up.
        os.kill(min(workers), signal.SIGKILL)  # so the one that runs for longest
        member.whole_at = time.monotonic() + member.start_seconds / 2
        self._note(member, "worker killed")
        self.kills[WORKER] += 1

    def _start(self, member: Member) -> None:
        for _ in range(STARTS):
            began = time.monotonic()
            try:
                member.server.__enter__()  # on the same port as before
            except RuntimeError as error:
                failure = error
                continue
            member.start_seconds = time.monotonic() - began
            member.whole_at = time.monotonic() + member.start_seconds / 4
            self._note(member, "ready")
            member.ready.set()
            return
        self.failure = failure

    def _note(self, member: Member, event: str) -> None:
        with self._lock:
            self._events.write(json.dumps({"at": time.time(), "server": member.name, "event": event}) + "\n")
            self._events.flush()
