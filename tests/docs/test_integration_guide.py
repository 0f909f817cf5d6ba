"""The dialer of the guide, run as it stands against a server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from casedial.domain.statuses import Role, StatusType
from casedial_client.testing import Sandbox
from tests.conftest import Office
from tests.docs.test_reference import ROOT
from tests.servers import Server
from tests.waiting import PATIENCE, until

GUIDE = ROOT / "docs" / "how-to" / "integrate-a-dialer.md"
CASES = range(1, 7)


def script() -> str:
    [found] = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def test_it_is_about_sixty_lines_of_the_standard_library() -> None:
    text = script()
    assert len(text.splitlines()) <= 61
    names = {name.partition(".")[0] for name in re.findall(r"^(?:from|import) (.+?)(?: import|$)", text, re.MULTILINE)}
    imported = {part.strip().partition(".")[0] for name in names for part in name.split(",")}
    assert imported <= sys.stdlib_module_names


async def reported(office: Office) -> set[int]:
    found = [await office.case(number) for number in CASES]
    return {case.case_id for case in found if case.statuses.get(StatusType.DISPOSITION)}


async def until_reported(office: Office, count: int) -> None:
    async def are_reported() -> bool:
        return len(await reported(office)) >= count

    await until(are_reported)


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

        first_alone = '    stop.wait(0 if case["CaseID"] == 1 else None); return "No Answer"'
        slow = script().replace('    return "No Answer"', first_alone)
        assert slow != script()
        dialer = start(slow)
        await until_reported(office, 1)
        dialer.terminate()
        await asyncio.to_thread(dialer.communicate, timeout=PATIENCE)
        assert dialer.returncode == 0
        assert await reported(office) == {1, 2}  # those it had not dialed yet went back
        assert {await office.role(number) for number in CASES} == {Role.TO_DIAL}
        reasons = {change.reason for number in CASES for change in await office.changes(number)}
        assert "released by the dialer" in reasons

        dialer = start(script())
        await until_reported(office, len(CASES))
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


def ended(text: str, folder: Path, **environment: str) -> str:
    """Run the dialer to its end; return what it says, which is no traceback."""
    file = folder / "dialer.py"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, file], env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


async def test_it_says_what_is_wrong_and_ends(database_url: str, office: Office, tmp_path: Path) -> None:
    with Server(database_url) as server:
        where = {"CASEDIAL_ROOT": server.url, "CASEDIAL_KEY": "cdk_wrong"}
        said = await asyncio.to_thread(ended, script(), tmp_path, **where)
        assert "key" in said
        where["CASEDIAL_KEY"] = office.key
        said = await asyncio.to_thread(ended, script(), tmp_path, **where, CAMPAIGN="Nowhere")
        assert "no campaign 'Nowhere', only: Intake follow-up" in said


async def test_it_can_be_stopped_while_the_server_is_away(database_url: str, office: Office, tmp_path: Path) -> None:
    await office.add(1)
    file = tmp_path / "dialer.py"
    slow = '    print("dialing", flush=True); stop.wait(); return "Busy"'
    file.write_text(script().replace('    return "No Answer"', slow))
    with Server(database_url) as server:
        where = {"CASEDIAL_ROOT": server.url, "CASEDIAL_KEY": office.key}
        dialer = subprocess.Popen(
            [sys.executable, file], env=os.environ | where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert dialer.stdout
        assert await asyncio.to_thread(dialer.stdout.readline) == "dialing\n"
    dialer.terminate()
    _, said = await asyncio.to_thread(dialer.communicate, timeout=PATIENCE)
    assert "the server did not answer" in said
    assert "UpdateCaseStatus" in said  # which it tried some times more

    asks = "firm, _ = call("
    file.write_text(script().replace(asks, f'print("asking", flush=True)\n{asks}'))
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, file], env=os.environ | where, **pipes) as waiting:
        assert waiting.stdout
        assert await asyncio.to_thread(waiting.stdout.readline) == "asking\n"
        waiting.terminate()
        _, said = await asyncio.to_thread(waiting.communicate, timeout=PATIENCE)
    assert "did not answer" in said


@pytest.mark.parametrize("size", [0, 30, 120, 260])
def test_a_reply_that_is_cut_is_as_good_as_none(casedial_sandbox: Sandbox, tmp_path: Path, size: int) -> None:
    """It is sent again, under the same Idempotency-Key."""
    casedial_sandbox.faults.cut(size, method="UpdateCaseStatus")
    file = tmp_path / "dialer.py"
    file.write_text(script())
    where = {"CASEDIAL_ROOT": casedial_sandbox.url, "CASEDIAL_KEY": casedial_sandbox.key, "CAMPAIGN": "Test campaign"}
    with subprocess.Popen([sys.executable, file], env=os.environ | where, stdout=subprocess.PIPE, text=True) as dialer:
        assert dialer.stdout
        assert dialer.stdout.readline() == "101 No Answer reported\n"
        dialer.terminate()
        dialer.communicate(timeout=PATIENCE)
    assert dialer.returncode == 0
    first, second = casedial_sandbox.calls("UpdateCaseStatus")[:2]
    assert (first.fault, second.repeated) == ("cut", True)
    assert casedial_sandbox.case(101).results() == ["No Answer"]
