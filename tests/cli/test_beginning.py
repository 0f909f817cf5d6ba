"""The first minutes: which command makes a database, and what is said where there is none or it cannot be reached."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from tests.cli.test_commands import Casedial
from tests.postgres import free_port
from tests.servers import CASEDIAL, Server

READS = [
    ("firm", "list"),
    ("key", "list"),
    ("status", "list", "--firm", "Lex", "--type", "campaign"),
    ("campaign", "list", "--firm", "Lex"),
    ("cases", "show", "7", "--firm", "Lex"),
    ("rules", "list"),
    ("explain", "7", "--firm", "Lex"),
    ("preflight", "--firm", "Lex"),
    ("purge",),
    ("firm", "delete", "Lex"),
    ("key", "add", "--firm", "Lex", "--vendor", "Acme"),  # of a firm that cannot be there
]


async def tables(url: str) -> int:
    store = Store(url)
    async with store.read() as tx:
        found = len(await tx.run_sync(lambda connection: sa.inspect(connection).get_table_names()))
    await store.close()
    return found


@pytest.fixture
def beginner(empty_url: str, tmp_path: Path) -> Casedial:
    return Casedial(empty_url, tmp_path)


async def test_a_command_that_reads_makes_no_database(beginner: Casedial, database: str, empty_url: str) -> None:
    for arguments in READS:
        told = await asyncio.to_thread(beginner.json, *arguments, status=1)
        assert told["error"]["code"] == "DatabaseMissing", arguments
        assert "casedial migrate" in told["error"]["message"]
    if database == "sqlite":
        assert not Path(empty_url.removeprefix("sqlite:///")).exists()
    else:
        assert await tables(empty_url) == 0


async def test_a_command_that_begins_one_asks_first_in_postgresql(
    beginner: Casedial, database: str, empty_url: str
) -> None:
    add = ("firm", "add", "Lex", "--time-zone", "UTC")
    if database == "postgresql":
        for command in (add, ("serve",)):
            done = await asyncio.to_thread(beginner.run, *command, status=1)
            assert "DatabaseMissing" in done.stderr
            assert "--yes" in done.stderr
        assert await tables(empty_url) == 0
        add = (*add, "--yes")
    assert (await asyncio.to_thread(beginner.json, *add))["name"] == "Lex"


def test_the_demo_takes_the_next_free_port() -> None:
    """Where none was named: the first is taken, by a server of one's own, say."""
    first = free_port(2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        refused = Casedial("", Path()).run("demo", "--port", first, "--cases", 200, status=1)
        assert "Cannot listen" in refused.stderr
        server = _Demo(first)
        with server:
            said = server.output()
    assert f"Port {first} is taken by another program; the demo listens on" in said
    assert f"http://127.0.0.1:{first}/" not in said


class _Demo(Server):
    """A demo that is told its port by its setting alone."""

    def __init__(self, taken: int) -> None:
        super().__init__("", "--cases", "200", command=(str(CASEDIAL), "demo"), CASEDIAL_PORT=str(taken))
        self._command = [part for part in self._command if part not in ("--port", str(self.port))]
        self.url = f"http://127.0.0.1:{taken + 1}"


# The URL, as people write it.

UNREACHABLE = {
    "no such host": ("postgresql://u:secret@no.such.host.invalid/x", "PostgreSQL at no.such.host.invalid:"),
    "nobody there": ("postgresql://u:secret@127.0.0.1:{free}/x", "PostgreSQL at 127.0.0.1:{free}:"),
    "a # in the password": (
        "postgresql://casedial:top#secret@127.0.0.1/x",
        "its password may be cut. In a password, write",
    ),
    "a / in the password": (
        "postgresql://casedial:top/secret@127.0.0.1/x",
        "its password may be cut. In a password, write",
    ),
    "a ? in the password": (
        "postgresql://casedial:top?secret@127.0.0.1/x",
        "its password may be cut. In a password, write",
    ),
    "an @ in the password": ("postgresql://u:se@cret@127.0.0.1:{free}/x", "PostgreSQL at 127.0.0.1:{free}:"),
}


@pytest.mark.parametrize("name", UNREACHABLE)
@pytest.mark.parametrize("command", [("key", "list"), ("doctor",)], ids=" ".join)
def test_a_database_that_cannot_be_reached(name: str, command: tuple[str, ...]) -> None:
    url, said = (text.replace("{free}", port) for port in [str(free_port())] for text in UNREACHABLE[name])
    told = Casedial(url, Path()).run(*command, "--json", status=1 if command[0] == "key" else 2)
    shown = json.loads(told.stdout)
    message = shown["error"]["message"] if "error" in shown else str(shown["findings"])
    assert said in message
    assert "%40 %23 %2F" in message
    for secret in ("secret", "cret", "top", "asyncpg", "sqlalchemy", "Error", "class"):
        assert secret not in message, message


@pytest.mark.parametrize("database", ["postgresql"])
def test_a_wrong_name_of_a_database(database_url: str) -> None:
    told = Casedial(f"{database_url}_not", Path()).json("key", "list", status=1)["error"]["message"]
    assert "does not exist" in told
    assert "Error" not in told
