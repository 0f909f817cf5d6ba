"""Real casedial servers for the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.postgres import free_port
from tests.waiting import PATIENCE

CASEDIAL = Path(sys.executable).parent / "casedial"
_START_SECONDS = 120  # a server that ends is not waited for


def connected(**how: Any) -> httpx.Client:
    """Return a client that waits for replies for as long as a machine may stall.

    It reads no certificates, which httpx.get does for each request, and which takes longer than the request.
    """
    return httpx.Client(**{"verify": False, "timeout": PATIENCE, **how})


plain = connected(limits=httpx.Limits(max_keepalive_connections=0))


def unread(server: int, client: int) -> int | None:
    """Return how many bytes a server has not read yet of what came from a client, both told by their ports.

    None where the server has closed that connection. As the kernel has it, so nothing is asked of the server.
    """
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        ports = tuple(int(end.rpartition(":")[2], 16) for end in (local, remote))
        if ports == (server, client) and state in ("01", "08"):  # open, or closed by the client alone
            return int(queues.rpartition(":")[2], 16)
    return None


class Server:
    """``casedial serve`` (or another command that takes --port) in a process of its own, until the block ends."""

    def __init__(
        self,
        database_url: str,
        *arguments: str,
        command: tuple[str, ...] = (),
        stdout: int | None = None,
        **settings: str,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.url}{settings.get('CASEDIAL_BASE_PATH', '/PredictiveDialer')}"
        self._command = [*(command or (str(CASEDIAL), "serve")), "--port", str(self.port), *arguments]
        self._environment = {**os.environ, "CASEDIAL_DATABASE_URL": database_url, **settings}
        self._stdout = stdout
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the server

    def __enter__(self) -> Server:
        if self._log.closed:  # after a start that failed
            self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=self._log if self._stdout is None else self._stdout,
            stderr=self._log,
            start_new_session=True,  # so that workers can be ended with it, whatever happens
        )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if plain.get(f"{self.url}/healthz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        output = self.stop()
        self._log.close()
        raise RuntimeError(f"the server did not start: {output}")

    def stop(self) -> str:
        """End the server; return all it wrote."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):  # workers that outlive it
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.output()

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        listed = ["ps", "-o", "pid=", "--ppid", str(self.process.pid)]
        return [int(pid) for pid in subprocess.run(listed, capture_output=True, text=True).stdout.split()]

    def output(self) -> str:
        """Return all it wrote until now."""
        # The place in the file is the server's, too: whoever moves it to read has the server write over its beginning.
        log = self._log.fileno()
        return os.pread(log, os.fstat(log).st_size, 0).decode(errors="replace")

    def until_said(self, text: str) -> str:
        """Wait until it has written this, for the log comes behind the replies; return all it wrote until then."""
        deadline = time.monotonic() + PATIENCE
        while text not in (said := self.output()):
            assert time.monotonic() < deadline, f"{text!r} is not in {said}"
            time.sleep(0.05)
        return said

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()
