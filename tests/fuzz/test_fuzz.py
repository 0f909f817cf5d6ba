"""A short run of the fuzzers finds nothing; with a fault planted in the server, it does."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import client
from tests.fuzz.grammar import Hostile, Maker
from tests.fuzz.judge import NotHttp, Reader, Reply, find_fault
from tests.fuzz.target import Target

SEED = 1


@pytest.fixture(autouse=True)
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where requests that found a fault are kept."""
    monkeypatch.setattr(fuzz, "SAVED", tmp_path / "saved")
    return tmp_path / "saved"


def test_a_short_run(database: str, database_url: str) -> None:
    with Target(database, database_url) as target:
        result = fuzz.attack(target, range(1000), 20, SEED)
    assert result.faults == []
    assert sum(row.requests for row in result.rows if row.kind != "schema") == 1000
    assert next(row.requests for row in result.rows if row.kind == "schema") >= 10
    granted = {row.kind: row.answers.get("2xx", 0) for row in result.rows}
    assert granted["plain"] > 0  # or nothing hostile gets anywhere, either
    assert granted["schema"] > 0
    assert granted["systems"] > 0
    assert granted["guarded"] == 0


@pytest.mark.parametrize("database", ["sqlite"])  # what is planted stands above the database
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("raises", "status 500"),
        ("forgets", "status 405 without X-Request-Id"),
        ("speaks_plainly", "status 404 with Content-Type text/plain"),
        ("hangs", "nothing for 3 s"),
        ("dies", "the server or a worker of it died"),
        ("leaks", "memory grew by"),
        ("grants", "a request that nobody may grant was answered 200"),
    ],
)
def test_a_planted_fault_is_found(
    fault: str, found: str, database: str, database_url: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HANG_SECONDS", 3.0)  # where the machine stalls, that is one fault more
    with Target(database, database_url, command=(sys.executable, "-m", "tests.fuzz.broken", fault)) as target:
        result = fuzz.attack(target, range(1000), 0, SEED)
    assert any(found in what for what in result.faults), result.faults
    files = list(saved.glob(f"{database}-{SEED}-*.request"))
    assert bool(files) == any(row.faults for row in result.rows)
    for file in files:  # it is made again from its seed and number
        assert file.read_bytes() == Maker(SEED).make(int(file.stem.rpartition("-")[2])).raw


@pytest.mark.parametrize("database", ["sqlite"])
def test_schemathesis_finds_a_planted_fault(database: str, database_url: str) -> None:
    command = (sys.executable, "-m", "tests.fuzz.broken", "speaks_plainly")
    with Target(database, database_url, command=command) as target:
        result = fuzz.attack(target, range(0), 20, SEED)
    assert any("text/plain" in what for what in result.faults), result.faults


@pytest.mark.parametrize(
    "received",
    [
        b"HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na",
        b"HTTP/1.1 200 OK\r\n",
        b"Traceback (most recent call last):",
    ],
)
def test_what_is_no_reply(received: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(received)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(NotHttp):
            Reader(ours).reply()


ID = "086d3585-3677-443b-814d-4a7f27732f8c"
GOOD = {"x-request-id": ID, "cache-control": "no-store", "x-content-type-options": "nosniff"}
PROBLEM = b'{"status": 400, "code": "InvalidParameter", "request_id": "%s"}' % ID.encode()


@pytest.mark.parametrize(
    ("status", "headers", "body", "fault"),
    [
        (200, GOOD, b"", None),
        (400, {}, b"", None),  # the HTTP layer's
        (400, {}, b"x", "X-Request-Id"),
        (404, {}, b"", "X-Request-Id"),
        (200, {**GOOD, "cache-control": "public"}, b"", "Cache-Control"),
        (200, {**GOOD, "content-type": "application/json"}, b"[", "not JSON"),
        (400, {**GOOD, "content-type": "application/problem+json"}, PROBLEM, None),
        (404, {**GOOD, "content-type": "application/problem+json"}, PROBLEM, "contradicts"),
        (400, {**GOOD, "content-type": "application/problem+json"}, PROBLEM.replace(b"086", b"087"), "contradicts"),
        (400, {**GOOD, "content-type": "application/problem+json"}, b"{}", "is none"),
        (400, {**GOOD, "content-type": "application/json"}, PROBLEM, "Content-Type"),
        (405, {**GOOD, "content-type": "application/problem+json"}, b"", "belongs to it"),
        (503, {**GOOD, "retry-after": "1"}, b"", "503"),
    ],
)
def test_a_judgement(status: int, headers: dict[str, str], body: bytes, fault: str | None) -> None:
    found = find_fault(Hostile(0, "plain", b""), Reply(status, headers, body))
    assert (found is None) == (fault is None)
    assert fault is None or fault in str(found)


def test_a_number_is_always_the_same_request() -> None:
    one, two = Maker(5), Maker(5)
    backwards = [one.make(number) for number in reversed(range(300))]
    assert [two.make(number) for number in range(300)] == backwards[::-1]
    assert len({request.kind for request in backwards}) >= 8
    assert [Maker(6).make(number) for number in range(300)] != backwards[::-1]
