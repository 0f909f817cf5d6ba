"""The receiver of the guide, as it stands there: it takes what is genuine, each message once, in under 40 lines."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.feed import EventKind, FeedEvent, Place, Source
from casedial.domain.webhooks import headers, message_id, read_secret, written_secret
from casedial.wire.posting import Poster
from casedial.wire.webhooks import event_body
from tests.conftest import Office
from tests.domain.firm import FIRM
from tests.postgres import free_port
from tests.service.test_webhooks import add, note, quickly, serving, settled
from tests.waiting import PATIENCE, until
from tests.wire.test_posting import HERE

__all__ = ["quickly"]  # a fixture

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "receive-webhooks.md"
[PROGRAM] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_it_is_short() -> None:
    assert len(PROGRAM.strip().splitlines()) < 40


def test_its_example_is_a_message() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    actor = Actor(ActorKind.KEY, "Acme Dialer", 1)
    at = datetime(2026, 11, 23, 15, tzinfo=UTC)
    event = FeedEvent(Source.NOTES, 12, Place(), EventKind.NOTED, at, actor, 515512, note="Called back.")
    assert json.loads(event_body(event, FIRM)) == json.loads(example)


@pytest.fixture
def port() -> int:
    return free_port()


class Running:
    """The program in a process of its own."""

    def __init__(self, folder: Path, port: int, secret: str) -> None:
        self.url = f"http://127.0.0.1:{port}/casedial"
        self._folder = folder
        environment = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
        command = [sys.executable, "-c", PROGRAM]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)

    def rows(self) -> list[tuple[str, str]]:
        """What it took; none as long as its first message has not made the table."""
        with closing(sqlite3.connect(self._folder / "inbox.db", timeout=PATIENCE)) as inbox:
            if not inbox.execute("SELECT 1 FROM sqlite_master WHERE name = 'inbox'").fetchone():
                return []
            return inbox.execute("SELECT type, data FROM inbox ORDER BY rowid").fetchall()

    async def until_up(self) -> None:
        async def answers() -> bool:
            return (await Poster(HERE, PATIENCE)(self.url, {}, b"{}")).status is not None

        await until(answers)


@pytest.fixture
def stopped() -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for one in running:
        one.process.kill()
        one.process.wait()


async def test_it_takes_what_is_genuine_once(tmp_path: Path, port: int, stopped: list[Running]) -> None:
    secret = os.urandom(32)
    receiver = Running(tmp_path, port, written_secret(secret))
    stopped.append(receiver)
    await receiver.until_up()
    post, body, now = Poster(HERE, PATIENCE), b'{"type": "case.noted", "data": {"CaseID": 1}}', datetime.now(UTC)
    message = message_id(uuid4())
    for signed_by, at, status in (
        ([secret], now, 204),
        ([os.urandom(32), secret], now, 204),
        ([os.urandom(32)], now, 401),
        ([secret], now - timedelta(hours=1), 401),
    ):
        answer = await post(receiver.url, headers(signed_by, message, at, body), body)
        assert answer.status == status, answer.told
    assert receiver.rows() == [("case.noted", '{"CaseID": 1}')]


async def test_it_takes_what_a_server_sends(office: Office, tmp_path: Path, port: int, stopped: list[Running]) -> None:
    await office.add(1)
    new = await add(office, f"http://127.0.0.1:{port}/casedial")
    assert read_secret(new.secret)
    receiver = Running(tmp_path, port, new.secret)
    stopped.append(receiver)
    await receiver.until_up()
    await note(office, 1, "Called back.")
    async with serving(office.store, PATIENCE):
        await until(receiver.rows)
        await settled(office, PATIENCE)
    [(kind, data)] = receiver.rows()
    assert kind == "case.noted"
    assert "Called back." in data
