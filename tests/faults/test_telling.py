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
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for sent in range(0, number, 100):
            last = b"Connection: close\r\n" if sent + 100 >= number else b""
            asked = [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"] * 99
            connection.sendall(b"".join([*asked, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n"]))
            answered = 0
            while answered < 100:
                received = connection.recv(1 << 20)
                assert received
                answered += received.count(b"HTTP/1.1 200")


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
        deadline = time.monotonic() + 15
        while await office.role(1) is not Role.TO_DIAL:
            assert time.monotonic() < deadline, "the lease never runs out"
            time.sleep(0.2)
        assert dropped(server) >= 100
        server.process.terminate()
        assert server.process.wait(20) == 0


def test_a_reader_that_stalls_delays_nothing_and_is_told_what_it_missed(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with Server(f"sqlite:///{tmp_path}/x.db", stdout=writing) as server:
        os.close(writing)
        ask_often(server, REQUESTS)
        lost = dropped(server)
        assert lost > 0
        assert plain.get(f"{server.url}/readyz", timeout=5).status_code == 200
        lines = list(read_lines(reading, until=b"were dropped"))
        ask_often(server, 100)
        lines += read_lines(reading, until=b"/metrics", seconds=2)
        server.process.terminate()
    assert sum(line["lines"] for line in lines if line["event"] == "log lines were dropped") >= lost
    assert sum(line["event"] == "request" for line in lines) > 1000
    assert len({line["request_id"] for line in lines if line["event"] == "request"}) > 1000


def read_lines(reading: int, until: bytes, seconds: float = 20) -> list[dict[str, object]]:
    """Read whole lines, each a JSON document, until one of them holds this and for as long as it lasts."""
    os.set_blocking(reading, False)
    read, deadline = b"", time.monotonic() + seconds
    while (until not in read or not read.endswith(b"\n")) and time.monotonic() < deadline:
        try:
            read += os.read(reading, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
    return [json.loads(line) for line in read.splitlines()]


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
        started = time.monotonic()
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert time.monotonic() - started < 12
    os.close(reading)


def answers_again(server: Server, *dead: int) -> None:
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        assert server.process.poll() is None, "the server ended"
        with contextlib.suppress(httpx.TransportError):
            if plain.get(f"{server.url}/healthz").status_code == 200 and not {*dead} & {*server.workers()}:
                return
        time.sleep(0.1)
    raise AssertionError("nobody answers")


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "2>/dev/full >/dev/full"])
def test_standard_streams_that_are_closed_or_full(tmp_path: Path, closed: str) -> None:
    command = ("sh", "-c", f'exec {CASEDIAL} serve "$@" {closed}', "sh")
    with Server(f"sqlite:///{tmp_path}/x.db", command=command) as server:
        ask_often(server, 100)
        assert plain.get(f"{server.url}/readyz").status_code == 200
    assert (tmp_path / "x.db").read_bytes().startswith(b"SQLite format 3\0")


def test_metrics_need_no_files(tmp_path: Path) -> None:
    """Not in the folder for temporary files, which may be full or tidied away, and nothing is left of a kill -9."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with Server(f"sqlite:///{tmp_path}/x.db", "--workers", "2", TMPDIR=str(folder)) as server:
        while len(server.workers()) < 2:
            time.sleep(0.1)
        ask_often(server, 200)
        time.sleep(1)
        assert counted(server) >= 200
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
    started = time.monotonic()
    with pytest.raises(RuntimeError) as failed, Server(f"sqlite:///{tmp_path}/x.db", command=command):
        pass
    assert time.monotonic() - started < 25
    assert '"error": "ValueError"' in str(failed.value)
    assert "no worker can be started" in str(failed.value)
    assert "Jane" not in str(failed.value)
