"""Real casedial servers for the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import httpx

from tests.postgres import free_port

CASEDIAL = Path(sys.executable).parent / "casedial"


class Server:
    """``casedial serve`` (or another command that takes --port) in a process of its own, until the block ends."""

    def __init__(self, database_url: str, *arguments: str, command: tuple[str, ...] = (), **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.url}{settings.get('CASEDIAL_BASE_PATH', '/PredictiveDialer')}"
        self._command = [*(command or (str(CASEDIAL), "serve")), "--port", str(self.port), *arguments]
        self._environment = {**os.environ, "CASEDIAL_DATABASE_URL": database_url, **settings}
        self.output = ""

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that workers can be ended with it, whatever happens
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the server did not start: {self.output}")

    def stop(self) -> str:
        """End the server; return all it wrote."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.output += self.process.communicate(timeout=30)[0] or ""
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.output += self.process.communicate(timeout=10)[0] or ""
            raise
        return self.output

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.stdout and not self.process.stdout.closed:
            self.stop()
