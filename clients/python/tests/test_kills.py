"""kill -9 before lines of the way of a result, each day others: none is lost or doubled, and the rest goes back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.python.tests.conftest import fill
from clients.python.tests.evidence import Evidence
from tests.conftest import Office
from tests.sampling import some
from tests.servers import Server

from casedial_client import Outbox

ROOT = Path(__file__).parents[3]
CASES = 2500
LEAST_LINES = 250
A_DAY = 100  # of them
SEEDS = 6
TRIES = 3


class Dialers:
    """The process of dying.py."""

    def __init__(self, process: subprocess.Popen[str], room: Path) -> None:
        self._process = process
        self.journal = room / "journal"

    def do(self, command: str, outbox: Path, *line: str) -> tuple[str, list[str]]:
        """Give a command; return how it ended, and what it said before."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(" ".join([command, str(outbox), str(self.journal), *line]) + "\n")
        self._process.stdin.flush()
        said = []
        while not (answer := self._process.stdout.readline()).startswith("ended"):
            assert answer
            said += answer.split()
        return answer.split()[1], said

    def lines(self, outbox: Path) -> list[str]:
        """Have one work; return the lines that were executed."""
        ended, lines = self.do("lines", outbox)
        assert ended == "0"
        return lines

    def die(self, outbox: Path, line: str, seed: str | None = None) -> bool:
        """Have one work until a line, after another died at the ``seed``; tell whether it came there, and was killed.

        What a thread does depends on what comes first, at times: who does not come there works once more.
        """
        for _ in range(TRIES):
            if (seed is None or self.die(outbox, seed)) and self.do("die", outbox, line)[0] == "-9":
                return True
        return False


@contextmanager
def dialers(server: Server, office: Office, room: Path) -> Iterator[Dialers]:
    command = [sys.executable, "-m", "clients.python.tests.dying", server.base, office.key]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Dialers(process, room)


async def test_killed_at_any_line(server: Server, office: Office, tmp_path: Path) -> None:
    await fill(office, CASES)
    outbox, began, killed = tmp_path / "results.db", time.monotonic(), 0
    with dialers(server, office, tmp_path) as forked:
        way = forked.lines(outbox)
        where: dict[str, str | None] = dict.fromkeys(way)  # and at which line to be killed before, to come there
        for first in range(len(way) // SEEDS, len(way), len(way) // SEEDS):
            seed = next(line for line in way[first:] if forked.die(outbox, line))
            where = dict.fromkeys(forked.lines(outbox), seed) | where
        assert len(where) >= LEAST_LINES
        tried = some("lines", list(where.items()), A_DAY)
        for line, seed in tried:
            killed += forked.die(outbox, line, seed)
        assert forked.do("work", outbox)[0] == "0"
    results = (await Evidence.of(office, CASES)).judge(tmp_path / "journal")
    print(
        f"killed at {killed} of {len(tried)} of {len(where)} lines, {results} results, {time.monotonic() - began:.0f} s"
    )
    assert killed >= len(tried) * 0.9
    assert results > killed / 2
    with Outbox(outbox) as left:
        assert (left.waiting(), left.refused(), left.to_give_back()) == (0, [], None)
