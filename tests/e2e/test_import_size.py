"""100,000 rows go in with a progress bar, and memory does not grow with the file."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
from pathlib import Path

from casedial.storage import cases
from tests.conftest import Office
from tests.servers import CASEDIAL

HEADER = (
    "CaseID,CaseStatus,CaseGroup,Closed,ZipCode,Plaintiff,Campaign,DialerStatus,DialDateTime,Attempts,Disposition,"
    "Phone1Name,Phone1,Phone1Primary,Phone1Text,Phone2Name,Phone2"
)
MIB = 1024  # of the KiB in which ru_maxrss is counted


def write(file: Path, rows: int) -> None:
    with file.open("w") as stream:
        print(HEADER, file=stream)
        for n in range(1, rows + 1):
            print(
                f"{n},LIT {n % 9},Group {n % 7},false,68046,Person {n},Intake follow-up,To Dial,2026-12-01T09:00:00,"
                f"{n % 21},No Answer,Cell,402555{n % 10000:04},true,true,Home,(402) 555-{n // 10 % 10000:04}",
                file=stream,
            )


def import_file(file: Path, office: Office, database_url: str) -> int:
    """Import in a process of its own; return its peak memory in KiB."""
    process = subprocess.Popen(
        [CASEDIAL, "cases", "import", file, "--firm", office.name, "--database-url", database_url],
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


async def test_memory_does_not_grow_with_the_file(office: Office, database_url: str, tmp_path: Path) -> None:
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    write(small, 10_000)
    write(large, 100_000)
    peak_small = await asyncio.to_thread(import_file, small, office, database_url)
    peak_large = await asyncio.to_thread(import_file, large, office, database_url)
    assert peak_large - peak_small <= 50 * MIB, (peak_small, peak_large)
    firm = await office.firm()
    async with office.store.read() as tx:
        found = await cases.with_number(tx, firm, "4025550042", 100_000)
        assert found
        assert len(found) >= 10
        assert (await cases.fetch(tx, firm, 100_000)) is not None


async def test_a_progress_bar_is_shown_on_a_terminal(office: Office, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    write(file, 3000)
    ours, theirs = pty.openpty()
    command = [CASEDIAL, "cases", "import", file, "--firm", office.name, "--database-url", database_url]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = await asyncio.to_thread(os.read, ours, 65536)
        except OSError:  # the other side was closed
            break
        if not part:
            break
        shown += part
    assert await process.wait() == 0
    os.close(ours)
    assert b"Importing some.csv" in shown
    assert b"100%" in shown
    assert b"3000 added" in shown
