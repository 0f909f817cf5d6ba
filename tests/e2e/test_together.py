"""Claims that a server does together: nobody waits for the largest, and who has left gets nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from typing import Any, BinaryIO

import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import cases, claims, status_history
from tests.conftest import Office
from tests.e2e.test_claims import fill
from tests.servers import Server, unread
from tests.waiting import PATIENCE, until, wait_until

AGENTS = 64
LARGE, LARGE_CLAIMS = 1000, 8


class Agent(threading.Thread):
    """Claims so many cases at a time until ``over``, at least once; keeps what it got."""

    def __init__(self, server: Server, key: str, records: int, over: threading.Event, claims: int = 1_000_000) -> None:
        super().__init__()
        self._server, self._key, self._records = server, key, records
        self._over, self._claims = over, claims
        self.got: list[list[int]] = []

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._server.port), timeout=2 * PATIENCE) as connection:
            file = connection.makefile("rb")
            while not self._over.is_set() and len(self.got) < self._claims:
                connection.sendall(request(self._key, self._records))
                self.got.append([case["CaseID"] for case in json.loads(read_body(file))])


def request(key: str, records: int) -> bytes:
    body = json.dumps({"Records": records, "Auto-change": True}).encode()
    head = f"POST /PredictiveDialer/GetCasesToDial HTTP/1.1\r\nHost: x\r\nX-ApiKey: {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def read_body(file: BinaryIO) -> bytes:
    status = file.readline()
    assert status.startswith(b"HTTP/1.1 200"), status
    length = 0
    while line := file.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return file.read(length)


async def test_64_callers_of_one_beside_a_caller_of_1000(office: Office, database_url: str) -> None:
    """While the large claims are made, each agent gets one case after the other; no case goes to two."""
    await fill(office, 20_000)
    with Server(database_url) as server:
        over = threading.Event()
        agents = [Agent(server, office.key, 1, over) for _ in range(AGENTS)]
        large = Agent(server, office.key, LARGE, threading.Event(), LARGE_CLAIMS)
        for agent in agents:
            agent.start()
        wait_until(lambda: all(agent.got for agent in agents))
        before = [len(agent.got) for agent in agents]
        large.start()
        large.join(5 * PATIENCE)
        served = sorted(len(agent.got) - was for agent, was in zip(agents, before, strict=True))
        over.set()
        for agent in agents:
            agent.join(2 * PATIENCE)
    assert [len(batch) for batch in large.got] == [LARGE] * LARGE_CLAIMS
    assert served[0] >= LARGE_CLAIMS / 2, served  # the least lucky waits for two large claims at most
    taken = Counter(case_id for caller in [*agents, large] for batch in caller.got for case_id in batch)
    assert max(taken.values()) == 1
    assert all(len(batch) == 1 for agent in agents for batch in agent.got)


async def test_who_left_meanwhile_gives_back_what_it_got(office: Office, store: Store, database_url: str) -> None:
    await fill(office, 100)
    with Server(database_url) as server:
        callers = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(4)]
        ports = [caller.getsockname()[1] for caller in callers]
        async with store.write() as tx:
            if store.dialect.name == "postgresql":  # SQLite's write lock holds them up
                await tx.execute(sa.text("LOCK TABLE claims IN EXCLUSIVE MODE"))
            for records, caller in enumerate(callers, 1):  # the first is begun, the others wait for its end
                caller.sendall(request(office.key, records))
                time.sleep(0.2)
            await until(lambda: [unread(server.port, port) for port in ports] == [0] * 4)
            callers[0].close()
            callers[2].close()
            await until(lambda: [unread(server.port, port) for port in ports] == [None, 0, None, 0])
            time.sleep(0.5)  # for what the server's network knows to reach the rest of it
        answers = []
        for caller in (callers[1], callers[3]):
            file = caller.makefile("rb")
            answers.append(len(json.loads(read_body(file))))
            caller.close()
        assert answers == [2, 4]

        async def are_back() -> bool:
            return sorted((await held(store)).values()) == [2, 4]

        await until(are_back)
    async with store.read() as tx:
        made = {row.id: len(row.case_ids) for row in await tx.execute(claims.select())}
        back = (
            await tx.execute(sa.select(status_history.c.claim_id).where(status_history.c.reason.is_not(None)))
        ).all()
    assert made.items() >= (await held(store)).items()
    assert sorted(Counter(row.claim_id for row in back).values()) in ([1, 3], [1], [3], [])  # or none


async def held(store: Store) -> Counter[Any]:
    """Return how many cases each claim holds."""
    async with store.read() as tx:
        found = await tx.execute(sa.select(cases.c.claim_id).where(cases.c.claim_id.is_not(None)))
        return Counter(row.claim_id for row in found)
