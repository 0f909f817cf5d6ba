"""The dialer of the guide, run as it stands against a server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from casedial.domain.cases import Role, StatusType
from tests.conftest import Office
from tests.docs.test_reference import ROOT
from tests.servers import Server

GUIDE = ROOT / "docs" / "how-to" / "integrate-a-dialer.md"
CASES = range(1, 7)
PATIENCE = 60.0


def script() -> str:
    [found] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def test_it_is_sixty_lines_of_the_standard_library() -> None:
    text = script()
    assert len(text.splitlines()) <= 60
    names = {name.partition(".")[0] for name in re.findall(r"^(?:from|import) (.+?)(?: import|$)", text, re.MULTILINE)}
    imported = {part.strip().partition(".")[0] for name in names for part in name.split(",")}
    assert imported <= sys.stdlib_module_names


async def reported(office: Office) -> set[int]:
    found = [await office.case(number) for number in CASES]
    return {case.case_id for case in found if case.statuses.get(StatusType.DISPOSITION)}


async def until(office: Office, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(await reported(office)) < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_it_dials_reports_and_gives_back(database_url: str, office: Office, tmp_path: Path) -> None:
    for number in CASES:
        await office.add(number, attempts="1")
    file = tmp_path / "dialer.py"
    with Server(database_url) as server:
        environment = {
            **os.environ,
            "CASEDIAL_ROOT": server.url,
            "CASEDIAL_KEY": office.key,
            "CAMPAIGN": "intake follow-up",
        }

        def start(text: str) -> subprocess.Popen[str]:
            file.write_text(text)
            return subprocess.Popen([sys.executable, file], env=environment, stdout=subprocess.PIPE, text=True)

        slow = script().replace('    return "No Answer"', '    stop.wait(1); return "No Answer"')
        assert slow != script()
        dialer = start(slow)
        await until(office, 1)
        dialer.terminate()
        await asyncio.to_thread(dialer.communicate, timeout=PATIENCE)
        assert dialer.returncode == 0
        assert await reported(office) < set(CASES)  # those it had not dialed yet went back
        assert {await office.role(number) for number in CASES} == {Role.TO_DIAL}
        reasons = {change.reason for number in CASES for change in await office.changes(number)}
        assert "released by the dialer" in reasons

        dialer = start(script())
        await until(office, len(CASES))
        dialer.terminate()
        said, _ = await asyncio.to_thread(dialer.communicate, timeout=PATIENCE)
    assert dialer.returncode == 0
    assert set(re.findall(r"No Answer (\w+)", said)) == {"reported"}
    for number in CASES:
        case = await office.case(number)
        assert (case.role, case.statuses[StatusType.ATTEMPTS].name) == (Role.TO_DIAL, "2")
        assert len({change.changed_at for change in await office.changes(number)}) >= 2
    ends = [max(change.changed_at for change in await office.changes(number)) for number in CASES]
    assert len(set(ends)) == len(CASES)  # each as its call ended
