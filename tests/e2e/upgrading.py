"""An upgrade as an administrator does it: an old casedial from this repository's history, a proxy, and dialers."""

from __future__ import annotations

import http.client
import json
import subprocess
import tarfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
SECONDS = PATIENCE  # that anybody waits for an answer


def source_of(commit: str, folder: Path) -> Path:
    """Write the code of a commit to a folder; skip where the history does not go back so far."""
    archived = subprocess.run(["git", "-C", ROOT, "archive", commit, "src"], capture_output=True)
    if archived.returncode:
        pytest.skip(f"the history of this repository has no {commit}: a shallow clone, perhaps")
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


class Proxy:
    """Gives each request to one of the servers in use, over a connection of its own, and never repeats one."""

    def __init__(self, *ports: int) -> None:
        self._used = list(ports)
        self._at_work: Counter[int] = Counter()
        self.served: Counter[int] = Counter()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take_out(self, port: int) -> None:
        """Give a server no more requests, and wait until it has answered those that it has."""
        with self._changed:
            self._used.remove(port)
            assert self._changed.wait_for(lambda: not self._at_work[port], SECONDS)

    def put_in(self, port: int) -> None:
        with self._changed:
            self._used.append(port)

    def forward(self, verb: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        with self._changed:
            port = min(self._used, key=lambda port: (self._at_work[port], self.served[port]))
            self._at_work[port] += 1
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            connection.request(verb, path, body, {**headers, "Connection": "close"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()
            with self._changed:
                self._at_work[port] -= 1
                self.served[port] += 1
                self._changed.notify_all()

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                passed = {name: self.headers[name] for name in ("X-ApiKey", "Content-Type", "Idempotency-Key")}
                try:
                    status, text = proxy.forward("POST", self.path, body, {k: v for k, v in passed.items() if v})
                except (OSError, http.client.HTTPException) as error:
                    status, text = 502, repr(error).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@dataclass
class Dialers:
    """Some dialers side by side, for as long as the block lasts: each claims two cases, notes, and gives them back."""

    port: int
    key: str
    size: int = 4
    pause: float = 0.02
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def __enter__(self) -> Dialers:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._dial, args=(number,)) for number in range(self.size)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * SECONDS)

    def more(self, count: int) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.done.total() + count
        wait_until(lambda: self.done.total() >= wanted, 2 * PATIENCE)

    def _dial(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2 * SECONDS)
        for turn in range(1_000_000):
            if self._stop.is_set():
                break
            claimed = self._ask(connection, "GetCasesToDial", {"Records": 2, "Auto-change": True}) or []
            for case in claimed:
                self._ask(connection, "GetCaseInfo", {"CaseID": case["CaseID"]})
                self._ask(connection, "AddCaseNote", {"CaseID": case["CaseID"], "Note": f"{number}, {turn}"})
            back = [
                {"CaseID": case["CaseID"], "Status": "To Dial", "NextCall": "2001-01-01T00:00:00"} for case in claimed
            ]
            if back:
                self._ask(connection, "UpdateCaseStatus", {"Cases": back})
            self._stop.wait(self.pause)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, method: str, body: object) -> Any:
        began = time.monotonic()
        headers = {"X-ApiKey": self.key, "Content-Type": "application/json"}
        try:
            connection.request("POST", f"/PredictiveDialer/{method}", json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.failed.append(f"{method}: {error!r}")
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.done[method] += 1
        if reply.status != 200 or '"Success":false' in text.replace(" ", ""):
            self.failed.append(f"{method}: {reply.status} {text[:300]}")
            return None
        return json.loads(text)
