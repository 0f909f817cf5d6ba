"""Kill servers that deliver webhooks, again and again, and judge what came: nothing lost, in order per case.

``python -m tests.e2e.webhook_kills 100`` does it with 100 kills, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.errors import StorageUnavailable
from casedial.service.operations import cases, webhooks
from casedial.service.operations.feed import Feed
from tests.conftest import ME, Office, make_office
from tests.endpoints import Endpoint, Received, status
from tests.postgres import PostgresServer
from tests.servers import Server
from tests.waiting import PATIENCE

CASES = 20
WRITE_SECONDS = 0.02  # between two notes
MOST_BEHIND = 200  # notes that were not delivered
FLOWING = 5  # messages that come between two kills
# Takes over from a killed server sooner than one does, or a hundred kills would take half an hour.
_COMMAND = (
    "from datetime import timedelta; from casedial.service.operations import duty; "
    "duty._SPAN = timedelta(seconds=1.5); from casedial.cli import main; main()"
)


@dataclass
class Trial:
    """What was written, in order, and what became of it."""

    endpoint: Endpoint
    kills: int = 0
    written: dict[int | None, list[str]] = field(default_factory=dict)
    is_over: bool = False

    @property
    def count(self) -> int:
        return sum(map(len, self.written.values()))

    def came(self) -> dict[int | None, list[str]]:
        """The notes of each case in the order in which they came first."""
        found: dict[int | None, dict[str, str]] = {}
        for one in self.endpoint.received:
            found.setdefault(one.case_id, {}).setdefault(one.id, one.document["data"]["Note"])
        return {case_id: list(notes.values()) for case_id, notes in found.items()}

    def repeats(self) -> int:
        """How many messages came more than once."""
        return sum(1 for number in Counter(one.id for one in self.endpoint.received).values() if number > 1)


async def unreliable(endpoint: Endpoint, received: Received, writer: asyncio.StreamWriter) -> None:
    """Take each message; lose one reply in fifty, and refuse one in fifty: each holds its case up for seconds."""
    chance = random.random()
    if chance > 0.02:
        await status(500 if chance < 0.04 else 200)(endpoint, received, writer)


async def run(database_url: str, kills: int, seed: int) -> Trial:
    """Write notes while servers deliver them and are killed; return when all has come, or time is over."""
    chance = random.Random(seed)
    store = Store(database_url)
    office = await make_office(store, "Lex & Partners")
    for case_id in range(1, CASES + 1):
        await office.add(case_id)
    async with Endpoint(unreliable) as endpoint:
        trial = Trial(endpoint)
        await webhooks.add(store, ME, Feed(store), office.name, endpoint.url)
        writing = asyncio.create_task(_write(office, trial, chance))
        starting = [_start(database_url) for _ in range(2)]
        try:
            while trial.kills < kills:
                await _flow(store, endpoint)
                await asyncio.sleep(chance.uniform(0, 0.3))
                up = [number for number, task in enumerate(starting) if task.done()]
                if not up:
                    continue
                victim = chance.choice(up)
                server = starting[victim].result()
                os.killpg(server.process.pid, signal.SIGKILL)
                trial.kills += 1
                await asyncio.to_thread(server.__exit__, None, None, None)
                starting[victim] = _start(database_url)
            trial.is_over = True
            await writing
            await _all_of_it(store, trial)
        finally:
            for server in await asyncio.gather(*starting):
                await asyncio.to_thread(server.__exit__, None, None, None)
            await store.close()
    return trial


def _start(database_url: str) -> asyncio.Task[Server]:
    """Start a server; the task is done when it answers."""
    settings = {"CASEDIAL_WEBHOOK_NETWORKS": "127.0.0.0/8", "CASEDIAL_LOG_LEVEL": "error"}
    server = Server(database_url, command=(sys.executable, "-c", _COMMAND, "serve"), **settings)
    return asyncio.create_task(asyncio.to_thread(server.__enter__))


async def _write(office: Office, trial: Trial, chance: random.Random) -> None:
    while not trial.is_over:
        if trial.count - len({one.id for one in trial.endpoint.received}) > MOST_BEHIND:
            await asyncio.sleep(WRITE_SECONDS)
            continue
        case_id, text = chance.randint(1, CASES), f"note {trial.count}"
        try:
            await cases.add_note(office.store, ME, office.name, case_id, text)
        except StorageUnavailable:  # a killed server's lock, say: it was not written
            continue
        trial.written.setdefault(case_id, []).append(text)
        await asyncio.sleep(WRITE_SECONDS)


async def _flow(store: Store, endpoint: Endpoint) -> None:
    """Wait until messages come again; where what failed holds all of them up, have it tried again."""
    before, until = len(endpoint.received), time.monotonic() + 5
    async with asyncio.timeout(5 * PATIENCE):
        while len(endpoint.received) < before + FLOWING:
            await asyncio.sleep(0.01)
            if time.monotonic() > until:
                await webhooks.replay(store, ME, 1)
                until = time.monotonic() + 5


async def _all_of_it(store: Store, trial: Trial) -> None:
    """Wait until all has come, or nothing comes any more; what waits for its next try need not."""
    came, until = 0, time.monotonic() + PATIENCE
    while came < trial.count and time.monotonic() < until:
        await webhooks.replay(store, ME, 1)
        await asyncio.sleep(2)
        if (now := sum(map(len, trial.came().values()))) > came:
            came, until = now, time.monotonic() + PATIENCE


def judge(trial: Trial) -> None:
    """Raise AssertionError where something was lost, or came before what was before it."""
    came = trial.came()
    for case_id, notes in trial.written.items():
        assert came.get(case_id) == notes, f"case {case_id}: {notes[-5:]} became {came.get(case_id, [])[-5:]}"


def main(kills: int) -> None:
    """Do it on both databases."""
    seed = random.randrange(10**6)
    with tempfile.TemporaryDirectory() as folder:
        postgres = PostgresServer()
        try:
            postgres.execute("CREATE DATABASE webhook_kills")
            for url in (f"sqlite:///{Path(folder) / 'kills.db'}", postgres.url("webhook_kills")):
                began = time.monotonic()
                trial = asyncio.run(_prepared(url, kills, seed))
                judge(trial)
                print(
                    f"{url.partition(':')[0]}: {trial.kills} kills, {trial.count} messages, none lost, in order per "
                    f"case; {trial.repeats()} came more than once; {time.monotonic() - began:.0f} s (seed {seed})",
                    flush=True,
                )
        finally:
            postgres.stop()


async def _prepared(url: str, kills: int, seed: int) -> Trial:
    store = Store(url)
    store.make_file()
    await schema.migrate(store)
    await store.close()
    return await run(url, kills, seed)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100)
