"""What only tells stops nothing: a log that nobody reads, a full disk, a folder for temporary files that is gone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from casedial.domain.statuses import Role
from tests.conftest import Office
from tests.servers import CASEDIAL, Server, plain
from tests.waiting import PATIENCE, until, wait_until

REQUESTS = 6000  # each has a line: more than wait in memory and in a pipe


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds a page."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def ask_often(server: Server, number: int) -> None:
    """Have many requests answered, one after the other, on one connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        for sent in range(0, number, 100):
            last = b"Connection: close\r\n" if sent + 100 >= number else b""
            asked = [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"] * 99
            connection.sendall(b"".join([*asked, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n"]))
            answered = b""
            while answered.count(b"HTTP/1.1 200") < 100:
                received = connection.recv(1 << 20)
                assert received
                answered += received


def dropped(server: Server) -> float:
    found = re.search(r"^casedial_log_lines_dropped_total (\S+)$", plain.get(f"{server.url}/metrics").text, re.M)
    assert found
    return float(found[1])


async def test_leases_end_and_requests_are_answered_when_whoever_read_the_log_is_gone(
    office: Office, database_url: str, pipe: tuple[int, int]
) -> None:
    await office.add(1)
    await office.set(claim_timeout=1)
    reading, writing = pipe
    with Server(database_url, stdout=writing) as server:
        os.close(reading)
        os.close(writing)
        ask_often(server, 100)
        body = {"Records": 1, "Auto-change": True}
        claimed = plain.post(f"{server.base}/GetCasesToDial", json=body, headers={"X-ApiKey": office.key})
        assert len(claimed.json()) == 1

        async def is_back() -> bool:
            return await office.role(1) is Role.TO_DIAL

        await until(is_back)
        await until(lambda: dropped(server) >= 100)
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0


def test_a_reader_that_stalls_delays_nothing_and_is_told_what_it_missed(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with Server(f"sqlite:///{tmp_path}/x.db", stdout=writing) as server:
        os.close(writing)
        ask_often(server, REQUESTS)
        lost = dropped(server)
        assert lost > 0
        wait_until(lambda: plain.get(f"{server.url}/readyz").status_code == 200)
        lines = Lines(reading)
        wait_until(lambda: lines.told_to_be_lost() >= lost and len(lines.requests) > 1000)
        before = len(lines.requests)
        ask_often(server, 100)  # whose lines come as ever
        wait_until(lambda: lines.told_to_be_lost() >= lost and len(lines.requests) >= before + 100)
        server.process.terminate()
    assert len(set(lines.requests)) == len(lines.requests)


class Lines:
    """The whole lines of a log, each a JSON document, as far as somebody has read it."""

    def __init__(self, reading: int) -> None:
        os.set_blocking(reading, False)
        self._reading, self._rest = reading, b""
        self.requests: list[str] = []  # their ids
        self._lost = 0

    def told_to_be_lost(self) -> int:
        """Read what there is; return how many lines were dropped, as it says."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._reading, 1 << 16):
                self._rest += part
        *whole, self._rest = self._rest.split(b"\n")
        for line in map(json.loads, whole):
            if line["event"] == "request":
                self.requests.append(line["request_id"])
            elif line["event"] == "log lines were dropped":
                self._lost += line["lines"]
        return self._lost


def test_a_stalled_reader_does_not_keep_a_dead_worker_from_being_replaced(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    """The process above tells of the death, too, and to the same reader."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    with Server(f"sqlite:///{tmp_path}/x.db", stdout=writing) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        answers_again(server, worker)
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0  # which nobody who waits for the reader would ever be
    os.close(reading)


def answers_again(server: Server, *dead: int) -> None:
    """Wait until a server whose workers are dead has others."""

    def does() -> bool:
        assert server.process.poll() is None, "the server ended"
        with contextlib.suppress(httpx.TransportError):
            return plain.get(f"{server.url}/healthz").status_code == 200 and not {*dead} & {*server.workers()}
        return False

    wait_until(does)


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "2>/dev/full >/dev/full"])
def test_standard_streams_that_are_closed_or_full(tmp_path: Path, closed: str) -> None:
    command = ("sh", "-c", f'exec {CASEDIAL} serve "$@" {closed}', "sh")
    with Server(f"sqlite:///{tmp_path}/x.db", command=command) as server:
        ask_often(server, 100)
        wait_until(lambda: plain.get(f"{server.url}/readyz").status_code == 200)
    assert (tmp_path / "x.db").read_bytes().startswith(b"SQLite format 3\0")


def test_metrics_need_no_files(tmp_path: Path) -> None:
    """Not in the folder for temporary files, which may be full or tidied away, and nothing is left of a kill -9."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with Server(f"sqlite:///{tmp_path}/x.db", "--workers", "2", TMPDIR=str(folder)) as server:
        wait_until(lambda: len(server.workers()) == 2)
        ask_often(server, 200)
        time.sleep(1)  # each shows its counts twice a second; then it has, once it has answered somebody
        assert min(counted(server) for _ in range(20)) >= 200
        assert list(folder.iterdir()) == []
        shutil.rmtree(folder)
        before = server.workers()
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        answers_again(server, *before)
        assert counted(server) >= 200  # counters never fall: that would look as if they began anew
        server.process.send_signal(signal.SIGKILL)
    assert not folder.exists()


def counted(server: Server) -> float:
    text = plain.get(f"{server.url}/metrics").text
    found = re.search(r'^casedial_requests_total\{method="other",outcome="Success"\} (\S+)$', text, re.M)
    return float(found[1]) if found else 0.0


def test_a_worker_that_cannot_start_is_told_and_ends_the_server(tmp_path: Path) -> None:
    broken = "import casedial.web.app as app\ndef fail(): raise ValueError('Jane Doe')\napp.create_app = fail\n"
    command = (sys.executable, "-c", f"{broken}from casedial.cli import main\nmain()", "serve")
    server = Server(f"sqlite:///{tmp_path}/x.db", command=command)
    with pytest.raises(RuntimeError) as failed, server:
        pass
    assert server.process.returncode == 1  # by itself
    assert '"error": "ValueError"' in str(failed.value)
    assert "no worker can be started" in str(failed.value)
    assert "Jane" not in str(failed.value)
