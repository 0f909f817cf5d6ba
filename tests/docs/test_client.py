"""The client's reference is what its docstrings say, and the loop in its README runs as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools import client_reference

from casedial.domain.statuses import Role, StatusType
from tests.conftest import Office
from tests.docs.test_reference import ROOT, anchors
from tests.servers import Server
from tests.waiting import PATIENCE, until

README = ROOT / "clients" / "python" / "README.md"
CASES = range(1, 7)


@pytest.fixture
def database() -> str:
    """It makes no difference to a dialer."""
    return "sqlite"


def loop() -> str:
    return str(re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0])


def test_the_reference_is_whole_and_new() -> None:
    assert client_reference.PAGE.read_text(encoding="utf-8") == client_reference.page(), (
        "run python -m tools.client_reference"
    )
    assert {name.replace("_", "_") for name in client_reference.described()} <= anchors(client_reference.PAGE)


def test_links_of_the_readme_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / link).resolve().is_file(), link


def test_the_loop_has_thirty_lines() -> None:
    lines = [line for line in loop().splitlines() if line.strip()]
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 120


async def test_the_loop_runs(database_url: str, office: Office, tmp_path: Path) -> None:
    for number in CASES:
        await office.add(number, attempts="1")
    file = tmp_path / "dialer.py"
    file.write_text(loop())
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        environment = {
            **os.environ,
            "CASEDIAL_URL": server.base,
            "CASEDIAL_KEY": office.key,
            "CAMPAIGN": "Intake follow-up",
        }
        dialer = subprocess.Popen(
            [sys.executable, file], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

        async def are_noted() -> bool:
            return all([len(await office.notes(number)) == 1 for number in CASES])

        await until(are_noted)
        dialer.terminate()
        said, _ = await asyncio.to_thread(dialer.communicate, timeout=PATIENCE)
    assert (dialer.returncode, said) == (0, b"")
    for number in CASES:
        case = await office.case(number)
        assert (case.role, case.statuses[StatusType.ATTEMPTS].name) == (Role.TO_DIAL, "2")
        assert case.statuses[StatusType.DISPOSITION].name == "No Answer"
