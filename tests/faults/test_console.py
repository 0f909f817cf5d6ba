"""Those who try the doors of a real server: dialers notice nothing, memory stays where it was, and nobody gets in."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import httpx
import pytest

from casedial.console.routes import TABLE
from casedial.database.engine import Store
from casedial.domain.users import UserRole
from casedial.service.operations import signing_in, users
from casedial.service.operations.signing_in import Browser
from tests.conftest import ME, Office
from tests.servers import Server

PASSWORD = "four words that nobody expects"
MANY = 200  # who sign in at the same moment
MEGABYTES = 200  # that a server may take more, whatever it is sent
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


def memory(server: Server) -> int:
    """The megabytes that the workers have."""
    found = [Path(f"/proc/{pid}/status").read_text() for pid in server.workers()]
    return sum(int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) for text in found) // 1024  # type: ignore[index]


async def token_of(http: httpx.AsyncClient, page: str) -> str:
    found = _TOKEN.search((await http.get(page)).text)
    assert found
    return found[1]


async def user(store: Store, office: Office, name: str) -> None:
    linked = await users.add(store, ME, name, office.name, UserRole.ADMINISTRATOR)
    await signing_in.use_link(store, linked.token, PASSWORD, Browser("127.0.0.1"))


async def test_many_who_try_passwords_hold_up_no_dialer(database_url: str, store: Store, office: Office) -> None:
    """With passwords as they are hashed in production."""
    await office.add(1)
    await user(store, office, "Ana")
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        before, found = memory(server), Counter[int]()
        limits = httpx.Limits(max_connections=MANY + 10)
        async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=60, limits=limits) as http:
            token, waits = await token_of(http, "/console/sign-in"), list[float]()

            async def guess(number: int) -> None:
                form = {"token": token, "name": f"name {number % 7}", "password": f"wrong password {number}"}
                found[(await http.post("/console/sign-in", data=form)).status_code] += 1

            guesses = asyncio.gather(*map(guess, range(MANY)))
            while not guesses.done():
                began = time.monotonic()
                reply = await http.get(f"{server.base}/GetCaseInfo?CaseID=1", headers={"X-ApiKey": office.key})
                assert reply.status_code == 200
                waits.append(time.monotonic() - began)
                await asyncio.sleep(0.05)
            await guesses
        assert sum(found.values()) == MANY
        assert set(found) <= {422, 429, 503}
        assert found[422] <= signing_in.MOST_OF_ADDRESS
        assert memory(server) - before < MEGABYTES
        assert median(waits) < 2  # on a machine that does much else; alone the longest is a quarter of that
    print(f"{MANY} at once: {dict(found)}; a dialer waited {max(waits):.3f} s at most")


async def endless(head: bytes) -> AsyncIterator[bytes]:
    yield head
    for _ in range(2000):
        yield b"x" * 65536


@pytest.mark.parametrize("signed", [True, False])
async def test_uploads_without_end(database_url: str, store: Store, office: Office, signed: bool) -> None:
    """Twice what is taken, by who is signed in, and by who is not: cut off, and never in memory."""
    await user(store, office, "Ana")
    path = next(route.path for route in TABLE.routes if route.takes_files and route.path.endswith("/import"))
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        before = memory(server)
        async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=60) as http:
            form = {"token": await token_of(http, "/console/sign-in"), "name": "Ana", "password": PASSWORD}
            if signed:
                assert (await http.post("/console/sign-in", data=form)).status_code == 303
            token = await token_of(http, "/console/account" if signed else "/console/sign-in")
            head = f'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{token}\r\n--b\r\n'
            head += 'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
            address = f"/console{path.replace('{firm}', 'lex-partners')}"
            kind = {"Content-Type": "multipart/form-data; boundary=b"}
            status = 0
            try:
                status = (await http.post(address, content=endless(head.encode()), headers=kind)).status_code
            except httpx.TransportError:  # the server has hung up on somebody whom nobody knows
                assert not signed
            assert status == 413 or not signed
            assert (await http.get("/healthz")).status_code == 200
        assert memory(server) - before < MEGABYTES
