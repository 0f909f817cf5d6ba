"""Clients that are slow, idle or too much: they stop nobody else, and do not stay for ever."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Office, assert_problem
from tests.e2e.hasty import PATIENCE
from tests.servers import Server, plain
from tests.waiting import wait_until

HASTY = (sys.executable, "-m", "tests.e2e.hasty")
SOON = 25  # seconds: longer than a machine stalls, and less than the 30 for which the server as it is would wait
HEAD = b"POST /PredictiveDialer/AddCaseNote HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path}/x.db", command=(*HASTY, "heads")) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SOON)


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes; what it does not close ends in a time-out."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(65536):
            received += chunk
    return received


def are_open(connections: list[socket.socket]) -> bool:
    """Tell whether nothing has come from any of them, not even its end."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return not poll.poll(0)


def assert_answers(server: Server) -> None:
    assert plain.get(f"{server.url}/healthz").status_code == 200


def crowd(server: Server) -> bool:
    """Have 200 connections that say nothing closed; tell whether all were there while somebody else was answered."""
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(200)]
        for connection in idle[::2]:  # half of them begin, and go no further
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert_answers(server)
        were_there = are_open(idle)
        assert [read_all(connection) for connection in idle] == [b""] * 200
    return were_there


def test_200_idle_connections_stop_nobody_and_are_closed(hasty: Server) -> None:
    wait_until(
        lambda: crowd(hasty)
    )  # again, where the machine stalled so long that the first were closed before the last


def dribble(connection: socket.socket, server: Server) -> None:
    """Send a head byte by byte, while others are answered, until it is cut off. Raises ConnectionError then."""
    started = time.monotonic()
    connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
    while time.monotonic() - started < SOON:
        connection.sendall(b"x")
        assert_answers(server)
        time.sleep(0.1)


def test_a_head_that_dribbles_is_cut_off(hasty: Server) -> None:
    started = time.monotonic()
    with connect(hasty) as connection, pytest.raises(ConnectionError):
        dribble(connection, hasty)
    assert time.monotonic() - started >= PATIENCE


def test_a_kept_connection_that_idles_is_closed(hasty: Server) -> None:
    def reply() -> bytes:
        with connect(hasty) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return read_all(connection)
        return b""

    assert wait_until(reply).startswith(b"HTTP/1.1 200")  # the first may have been closed before it was heard


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
async def test_a_body_that_dribbles_is_told_and_cut_off(office: Office, database_url: str, framing: bytes) -> None:
    with Server(database_url, command=(*HASTY, "bodies")) as server:
        started = time.monotonic()
        with connect(server) as connection:
            connection.sendall(HEAD + f"X-ApiKey: {office.key}\r\n".encode() + framing)
            reply = read_all(connection)
        assert PATIENCE <= time.monotonic() - started < SOON
        head, _, body = reply.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert headers["connection"] == "close"
        assert_problem(httpx.Response(408, headers=headers, content=body), 408, "BodyTooSlow")
        assert "BodyTooSlow" in server.stop()


def test_a_body_that_dribbles_without_a_key_is_cut_off_too(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", command=(*HASTY, "bodies")) as server, connect(server) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        assert read_all(connection).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(
    "flood",
    [b"X-Flood: " + b"x" * 2**20 + b"\r\n", b"".join(b"X-%d: x\r\n" % number for number in range(10_000))],
    ids=["one", "many"],
)
def test_a_megabyte_of_headers_is_refused(tmp_path: Path, flood: bytes) -> None:
    """By the server as it is: nothing has to be waited for."""
    with Server(f"sqlite:///{tmp_path}/x.db") as server:
        with connect(server) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n")
            reply = read_all(connection)
        assert reply == b"" or reply.split()[1] in (b"400", b"431")  # empty: closed while we were still sending
        assert_answers(server)
        assert server.output().count('"method": "other"') < 10  # it never got to the application
