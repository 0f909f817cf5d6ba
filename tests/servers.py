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

import httpx

from tests.postgres import free_port

CASEDIAL = Path(sys.executable).parent / "casedial"
# httpx.get reads every certificate of the machine for each request, which takes longer than the request.
plain = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0))


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
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=self._log if self._stdout is None else self._stdout,
            stderr=self._log,
            start_new_session=True,  # so that workers can be ended with it, whatever happens
        )
        deadline = time.monotonic() + 30
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
            self.process.wait(30)
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
        self._log.seek(0)
        return self._log.read().decode()

    def until_said(self, text: str) -> str:
        """Wait until it has written this, for the log comes behind the replies; return all it wrote until then."""
        deadline = time.monotonic() + 10
        while text not in (said := self.output()):
            assert time.monotonic() < deadline, f"{text!r} is not in {said}"
            time.sleep(0.05)
        return said

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()
