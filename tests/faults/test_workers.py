"""What ends a server, or makes it useless: dying workers, no descriptors, no memory, half-closed clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.conftest import Office
from tests.faults.test_telling import answers_again
from tests.servers import CASEDIAL, Server, plain
from tests.waiting import PATIENCE, cpu_seconds, wait_until

MEGABYTE = 1024 * 1024
FEW = 120  # descriptors


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_that_dies_again_and_again_does_not_end_the_server(tmp_path: Path, workers: str) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", "--workers", workers) as server:
        for _ in range(3):
            victim = server.workers()[0]
            os.kill(victim, signal.SIGKILL)
            answers_again(server, victim)
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        deaths = [json.loads(line) for line in server.output().splitlines() if '"a worker died"' in line]
        assert [death["exit"] for death in deaths] == [-signal.SIGKILL] * 3
        if workers == "1":
            assert [death["started_anew_in_seconds"] for death in deaths] == [0, 1, 2]


def limited(**limits: int) -> tuple[str, ...]:
    """A casedial with limits of open files: soft and hard."""
    steps = "; ".join(f"ulimit -{name} {number}" for name, number in limits.items())
    return ("sh", "-c", f'{steps}; exec {CASEDIAL} serve "$@"', "sh")


def test_the_soft_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", command=limited(Sn=128)) as server:
        for process in (server.process.pid, *server.workers()):
            soft, hard = re.findall(r"open files\s+(\S+)\s+(\S+)", Path(f"/proc/{process}/limits").read_text())[0]
            assert soft == hard


def test_no_descriptors_are_left(tmp_path: Path) -> None:
    """More clients than there are descriptors: those who are in are served, the others wait, nothing spins."""
    command = limited(n=FEW)
    with Server(f"sqlite:///{tmp_path}/x.db", command=command) as server, contextlib.ExitStack() as stack:
        (worker,) = server.workers()
        clients = [stack.enter_context(connect(server)) for _ in range(2 * FEW)]
        time.sleep(1)
        assert any(load(worker) < 0.1 for _ in range(5))  # at first it may have some to do yet
        clients[0].sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert clients[0].recv(1000).startswith(b"HTTP/1.1 200")
        server.until_said("connections are used up")
        for client in clients:
            client.close()
        wait_until(lambda: plain.get(f"{server.url}/readyz").status_code == 200)


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def load(process: int) -> float:
    """Return what part of a processor a process takes for a while."""
    spent, began = cpu_seconds(process), time.monotonic()
    time.sleep(1)
    return (cpu_seconds(process) - spent) / (time.monotonic() - began)


def resident(server: Server) -> int:
    """Return the memory of a server's workers."""
    pages = (int(Path(f"/proc/{worker}/statm").read_text().split()[1]) for worker in server.workers())
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Server]:
    with Server(f"sqlite:///{tmp_path}/x.db") as server:
        for _ in range(20):
            plain.post(f"{server.base}/AddCaseNote", content=b"{}")
        yield server


def test_names_of_parameters_are_not_kept(office: Office, database_url: str) -> None:
    with (
        Server(database_url) as server,
        httpx.Client(verify=False, timeout=PATIENCE, headers={"X-ApiKey": office.key}) as client,
    ):
        text = "\U0001f4de" + "x" * (MEGABYTE - 100)  # one wide character, and each takes four bytes

        def post(number: int) -> httpx.Response:
            return client.post(f"{server.base}/UpdateCaseStatus", json={f"{number:06}{text}": 1, "CaseID": 1})

        for number in range(5):
            assert post(number).status_code == 404
        before = resident(server)
        for number in range(5, 30):
            post(number)
        assert resident(server) - before < 40 * MEGABYTE


def test_bodies_of_strangers_are_not_kept(strangers: Server) -> None:
    """150 of them at the same time, all but for the last byte, and each is told that it has no key."""
    before = resident(strangers)
    head = b"POST /PredictiveDialer/AddCaseNote HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MEGABYTE
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(strangers)) for _ in range(150)]
        for client in clients:
            client.sendall(head)
            client.sendall(b"x" * (MEGABYTE - 1))
        time.sleep(1)
        assert resident(strangers) - before < 100 * MEGABYTE  # what the server library reads ahead of each
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            assert client.recv(1000).startswith(b"HTTP/1.1 401")
        clients[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")  # the connection is still good
        received = b""
        while b"HTTP/1.1 200" not in received:
            part = clients[0].recv(10_000)
            assert part
            received += part


def test_paths_of_strangers_are_not_kept(strangers: Server) -> None:
    with httpx.Client(verify=False, timeout=PATIENCE) as client:
        client.get(f"{strangers.url}/docs/assets/{'y' * 60_000}")
        before = resident(strangers)
        for number in range(400):
            assert client.get(f"{strangers.url}/docs/assets/{number:06}{'x' * 60_000}").status_code == 404
    assert resident(strangers) - before < 15 * MEGABYTE


@pytest.mark.parametrize("records", [1, 200], ids=["together", "alone"])
async def test_a_client_that_closes_its_sending_side_claims_nothing(
    office: Office, database_url: str, records: int
) -> None:
    """The server library closes such a connection, so it is seen; between the last look and the reply it is not."""
    for case_id in range(1, 4):
        await office.add(case_id)
    body = json.dumps({"Records": records, "Auto-change": True}).encode()
    with Server(database_url) as server:
        async with office.store.write() as tx:  # which holds SQLite's write lock
            if tx.dialect.name == "postgresql":
                await tx.execute(sa.text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
            told = await asyncio.gather(*(asyncio.to_thread(half_closed, server, office.key, body) for _ in range(3)))
            assert told == [b"", b"", b""]
            for _ in range(5):  # who is answered comes behind them: it has begun what they asked, and knows they left
                assert (await asyncio.to_thread(plain.get, f"{server.url}/healthz")).status_code == 200
        server.process.terminate()  # which ends what it has begun
        assert server.process.wait(PATIENCE) == 0
    async with office.store.read() as tx:
        query = sa.text("SELECT count(*) FROM cases WHERE dialer_role = 2")
        assert (await tx.execute(query)).scalar_one() == 0


def half_closed(server: Server, key: str, body: bytes) -> bytes:
    """Ask for cases, close the sending side, and return what comes until the connection ends."""
    head = f"X-ApiKey: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with connect(server) as connection:
        start = "POST /PredictiveDialer/GetCasesToDial HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(f"{start}{head}".encode() + body)
        time.sleep(0.1)  # mostly it is read by then, and waits for the database
        connection.shutdown(socket.SHUT_WR)
        reply = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1 << 16):
                reply += part
        return reply
