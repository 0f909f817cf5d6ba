"""Kill dialers and their server while results are on their way, and count what arrived: ``make chaos-client N=200``.

Eight dialers work through a proxy that cuts connections. After every so many reports one of them is killed, or, at
times, the server. At the end each outbox is opened once more, and the server is asked what it has. Exits 1 where a
result was lost, or arrived twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from clients.python.tests.conftest import fill
from clients.python.tests.dialer import work
from clients.python.tests.evidence import Evidence
from tests.conftest import Office, make_office, migrate
from tests.postgres import free_port
from tests.servers import Server

from casedial.database.engine import Store
from casedial_client import CasedialError, Outbox

DIALERS = 8
RECORDS = 20
REPORTS_A_KILL = 50
SERVER_SHARE = 0.1  # of the kills


class Storm:
    """Eight dialers, their server, and the proxy between them."""

    def __init__(self, room: Path, office: Office, server: Server, seed: str) -> None:
        self.room = room
        self.journal = room / "journal"
        self.journal.touch()
        self.kills: Counter[str] = Counter()
        self._office = office
        self._server = server
        self._chance = random.Random(seed)
        self._port = free_port()
        command = [sys.executable, "-m", "tests.chaos.proxy", str(self._port), str(server.port), seed]
        self._proxy = subprocess.Popen([*command, str(room / "cuts")])
        self._dialers = {number: self._start(number) for number in range(DIALERS)}

    def reports(self) -> int:
        return self.journal.read_bytes().count(b"reported ")

    def kill(self) -> None:
        """Kill one dialer or the server, and start it again."""
        if self._chance.random() < SERVER_SHARE:
            os.killpg(self._server.process.pid, signal.SIGKILL)
            self._server.process.wait()
            self._server.__enter__()
            self.kills["server"] += 1
            return
        number = self._chance.randrange(DIALERS)
        self._end(number)
        self._dialers[number] = self._start(number)
        self.kills["dialer"] += 1

    def end(self) -> None:
        """Kill the dialers and the proxy."""
        self._proxy.kill()
        self._proxy.wait()
        for number in list(self._dialers):
            self._end(number)

    def settle(self) -> None:
        """End all, and have what is left in the outboxes delivered."""
        self.end()
        for number in range(DIALERS):
            with Outbox(self._outbox(number)) as left:
                left.readdress()  # no longer through the proxy
            if os.waitpid(self._start(number, once=True), 0)[1]:
                raise SystemExit(f"a dialer failed at the end: {(self.room / 'errors').read_text()[-2000:]}")
            with Outbox(self._outbox(number)) as left:
                kept = (left.waiting(), left.refused(), left.to_give_back(), left.begun(None))
                if any(kept):
                    raise SystemExit(f"left in an outbox: {kept}")

    def _outbox(self, number: int) -> Path:
        return self.room / f"outbox-{number}.db"

    def _end(self, number: int) -> None:
        dialer = self._dialers.pop(number)
        os.kill(dialer, signal.SIGKILL)
        os.waitpid(dialer, 0)

    def _start(self, number: int, once: bool = False) -> int:
        child = os.fork()
        if child:
            return child
        errors = os.open(self.room / "errors", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(errors, 2)
        journal = os.open(self.journal, os.O_WRONLY | os.O_APPEND)
        url = self._server.base if once else f"http://127.0.0.1:{self._port}/PredictiveDialer"
        while True:
            try:
                work(url, self._office.key, str(self._outbox(number)), journal, RECORDS)
            except CasedialError as error:  # the server is away for longer than a claim waits
                os.write(errors, f"{error}\n".encode())
                os._exit(1) if once else time.sleep(0.2)
            if once:
                os._exit(0)


async def opened(url: str, cases: int) -> Office:
    office = await make_office(Store(url))
    await fill(office, cases)
    await office.store.close()
    return office


async def judged(url: str, office: Office, cases: int, journal: Path) -> int:
    office.store = Store(url)
    try:
        return (await Evidence.of(office, cases)).judge(journal)
    finally:
        await office.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m clients.python.tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    options = parser.parse_args()
    wanted = options.kills * REPORTS_A_KILL
    cases = wanted + options.kills * 3 + 1000
    print(f"chaos-client: {wanted:,} reports under {options.kills} kills, seed {options.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="casedial-chaos-client-") as folder:
        url = f"sqlite:///{folder}/casedial.db"
        migrate(url)
        office = asyncio.run(opened(url, cases))
        with Server(url, CASEDIAL_LOG_LEVEL="error", TMPDIR=folder) as server:
            storm = Storm(Path(folder), office, server, str(options.seed))
            try:
                for number in range(1, options.kills + 1):
                    while storm.reports() < number * REPORTS_A_KILL:
                        time.sleep(0.02)
                    storm.kill()
                storm.settle()
            finally:
                storm.end()
        results = asyncio.run(judged(url, office, cases, storm.journal))
        cuts = (storm.room / "cuts").read_text().count("\n")
    kills = ", ".join(f"{count} of the {what}" for what, count in sorted(storm.kills.items()))
    print(f"{results:,} reports and notes, each once at the server; kills: {kills}; {cuts} connections cut", end="; ")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
