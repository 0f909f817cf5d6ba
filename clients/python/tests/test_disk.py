"""Each write, sync and truncate of the outbox fails once, under a dialer that goes on; and a disk that stays full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

from clients.python.tests.odd import DONE, Asked, Odd, Says
from tests.faults.disk import Disk, Fault, Mode
from tests.waiting import PATIENCE

from casedial_client import Client

FAULTS = (Fault(errno.EIO, Mode.ONCE), Fault(errno.ENOSPC, Mode.ONCE), Fault(errno.ENOSPC, Mode.TORN))
TRIES = 16  # spread over all calls
DIALER = """
import sys
from casedial_client import Client, errors
with Client(sys.argv[1], key="a-key-of-16-chars", patience=0) as client:
    with client.claim(outbox=sys.argv[2]) as claim:
        for case in claim:
            for number in range(3):
                try:
                    claim.note(case, f"note {number}")
                except errors.OutboxUnusable:
                    print("refused", number)
                else:
                    print("kept", number)
            claim.flush(3)
"""


def answer(asked: Asked) -> Says:
    if "GetCasesToDial" in asked.path:
        return Says(body=[{"CaseID": 7}], headers={"X-Claim-Id": "c-1"})
    return Says(body=DONE)


class Bench:
    """A dialer whose outbox is on a disk that fails, and a server that knows a repeat."""

    def __init__(self, room: Path) -> None:
        self.file = room / "results.db"
        self.disk = Disk(self.file, room)

    def run(self, call: int, fault: Fault) -> tuple[set[str], list[str]]:
        """Let a dialer work while a call to its disk fails; return the notes it believes kept, and those delivered."""
        with Odd(answer) as odd:
            self.disk.arm(call, fault)
            said = self._dial(odd)
            self.disk.disarm()
            self._deliver_the_rest(odd)
            delivered = {
                asked.headers["Idempotency-Key"]: asked.body["Note"] for asked in odd.asked if "Note" in asked.path
            }
        kept = {f"note {line.split()[1]}" for line in said.splitlines() if line.startswith("kept")}
        return kept, sorted(delivered.values())

    def _dial(self, odd: Odd) -> str:
        command = [sys.executable, "-c", DIALER, odd.base, str(self.file)]
        environment = {**os.environ, **self.disk.environment}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=5 * PATIENCE, check=False
        ).stdout

    def _deliver_the_rest(self, odd: Odd) -> None:
        with Client(odd.base, key="a-key-of-16-chars", patience=0) as client, client.claim(outbox=self.file) as claim:
            assert claim.flush(PATIENCE)
            assert claim.refused() == []


def test_what_the_outbox_took_is_delivered_once_whatever_call_fails(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(0, FAULTS[0])
    calls = sum(bench.disk.calls().values())
    assert calls > 20
    failed: list[str] = []
    for number in range(1, calls + 1, max(1, calls // TRIES)):
        fault = FAULTS[number % len(FAULTS)]
        for file in tmp_path.glob("results.db*"):
            file.unlink()
        kept, delivered = bench.run(number, fault)
        if not (kept <= set(delivered) and len(delivered) == len(set(delivered))):
            failed.append(f"call {number}, {fault}: kept {kept}, delivered {delivered}")
    assert failed == []
    print(f"{calls} calls of the outbox to its disk")


def test_a_disk_that_stays_full(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(0, FAULTS[0])
    calls = sum(bench.disk.calls().values())
    for file in tmp_path.glob("results.db*"):
        file.unlink()
    kept, delivered = bench.run(calls // 2, Fault(errno.ENOSPC, Mode.FROM_NOW_ON))
    assert kept <= set(delivered)
    assert len(delivered) == len(set(delivered))
