"""Clients that generators of others made of our OpenAPI document, each in a dialer's loop against a real server.

Generators come from the registries into .interop, which is kept; what they make is made anew. Where one cannot be
had, its test is skipped and says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from casedial.domain.statuses import Role, StatusType
from tests.conftest import Office
from tests.servers import Server, plain

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".interop"
INSTALL, STEP = 600, 300  # seconds
CASES = range(1, 6)


@pytest.fixture
def database() -> str:
    """It makes no difference to a client."""
    return "sqlite"


def installed(name: str, pinned: Path, *commands: list[str]) -> Path:
    """Return the folder with a generator in it, which is kept for as long as what is pinned stays the same."""
    folder = KEPT / f"{name}-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]}"
    if (folder / "ready").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in filter(Path.is_file, pinned.parent.iterdir()):
        shutil.copy(file, folder)
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL, check=False)
        if done.returncode:
            pytest.skip(f"{name}'s generator cannot be had here: {done.stderr[-300:]}")
    (folder / "ready").touch()
    return folder


def step(folder: Path, *command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=STEP, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_python(server: Server, key: str, folder: Path) -> str:
    pinned = HERE / "python" / "requirements.txt"
    pip = ["venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", pinned.name]
    tools = installed("python", pinned, [sys.executable, "-m", "venv", "venv"], pip)
    (folder / "config.json").write_text('{"post_hooks": []}')
    generate = (tools / "venv/bin/openapi-python-client", "generate", "--path", "openapi.json")
    step(folder, *generate, "--output-path", "made", "--meta", "none", "--config", "config.json", "--fail-on-warning")
    shutil.copy(HERE / "python" / "loop.py", folder)
    return step(folder, tools / "venv/bin/python", "loop.py", ROOT=server.url, KEY=key)


def in_typescript(server: Server, key: str, folder: Path) -> str:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js is not here: Debian's packages nodejs and npm have it")
    tools = installed("typescript", HERE / "typescript" / "package-lock.json", ["npm", "ci", "--no-audit", "--no-fund"])
    for name in ("loop.ts", "tsconfig.json", "package.json"):
        shutil.copy(HERE / "typescript" / name, folder)
    (folder / "node_modules").symlink_to(tools / "node_modules")
    step(folder, "node_modules/.bin/openapi-typescript", "openapi.json", "-o", "made.d.ts")
    step(folder, "node_modules/.bin/tsc")
    return step(folder, "node", "built/loop.js", ROOT=server.url, KEY=key)


@pytest.mark.parametrize("client", [in_python, in_typescript])
async def test_a_generated_client_claims_reports_and_notes(
    client: Any, database_url: str, office: Office, tmp_path: Path
) -> None:
    for number in CASES:
        await office.add(number, attempts="1")
    folder = tmp_path / "client"
    folder.mkdir()
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        (folder / "openapi.json").write_bytes(plain.get(f"{server.url}/openapi.json").content)
        found = json.loads(await asyncio.to_thread(client, server, office.key, folder))
    assert found == {
        "due": 5,
        "claimed": [1, 2, 3],
        "noted_by_phone": [3],
        "released": 1,
        "refused": "CaseNotFound",
        "late": "ClaimLost",
        "due_later": 3,
    }
    for number in (1, 2):
        case = await office.case(number)
        assert (case.role, case.statuses[StatusType.ATTEMPTS].name) == (Role.TO_DIAL, "2")
        assert case.statuses[StatusType.DISPOSITION].name == "No Answer"
    assert [[note.text for note in await office.notes(number)] for number in (1, 2, 3)] == [
        ["Left a message."],
        ["Left a message."],
        ["Called in."],
    ]
