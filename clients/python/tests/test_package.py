"""What a vendor installs: a wheel that needs nothing of the server, and types that hold under mypy's strictest."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import casedial_client

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients" / "python"
USER = """
from datetime import datetime, timezone
from casedial_client import AsyncClient, Case, CaseUpdate, Client, errors

def dial(client: Client) -> None:
    for case in client.get_cases_to_dial(campaign="Intake", records=25):
        reveal_type(case)
    with client.claim(campaign="Intake", records=25, outbox="results.db") as claim:
        for case in claim:
            claim.report(case, "Busy", attempts=case.attempts + 1, next_call=datetime.now(timezone.utc))
    try:
        reveal_type(client.update_case_status(CaseUpdate(7, status="To Dial"), claim_id="c"))
    except errors.ClaimLost as error:
        reveal_type(error.request_id)

async def dial_too(client: AsyncClient) -> Case:
    async with client.claim(outbox="results.db") as claim:
        async for case in claim:
            await claim.report(case, "Busy")
    return await client.get_case_info(7)
"""


def wheel(project: Path, room: Path) -> Path:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(room)]
    subprocess.run([*build, str(project)], check=True, capture_output=True, timeout=600)
    [built] = room.glob("*.whl")
    return built


def plugins(built: Path) -> list[str]:
    """What a wheel says pytest is to load."""
    file = zipfile.ZipFile(built)
    [name] = [name for name in file.namelist() if name.endswith("entry_points.txt")]
    return file.read(name).decode().partition("[pytest11]\n")[2].strip().splitlines()


def needed(name: str) -> set[str]:
    """What a distribution needs here, and what that needs."""
    found = {name}
    for line in metadata.requires(name) or ():
        requirement, _, marker = line.partition(";")
        wanted = re.match(r"[A-Za-z0-9._-]+", requirement)
        if wanted and ("extra" not in marker) and ("python_version" not in marker) and ("win32" not in marker):
            found |= needed(wanted[0])
    return found


def test_the_wheel_works_where_there_is_nothing_of_the_server(tmp_path: Path) -> None:
    built = wheel(CLIENT, tmp_path)
    names = zipfile.ZipFile(built).namelist()
    assert "casedial_client/py.typed" in names
    assert not [name for name in names if not name.startswith(("casedial_client/", "casedial_client-"))]
    assert plugins(built) == ["casedial = casedial_client.testing"]
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert needed("httpx") | needed("msgspec") >= {"httpx", "httpcore", "h11", "msgspec"}
    room = tmp_path / "venv"
    venv.create(room, with_pip=False)
    [site] = room.glob("lib/python*/site-packages")
    zipfile.ZipFile(built).extractall(site)
    for name in needed("httpx") | needed("msgspec"):  # as pip would install them, without a network
        for file in metadata.files(name) or ():
            if file.parts[0] not in ("..", "") and file.suffix != ".pyc":
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(Path(str(file.locate())).read_bytes())
    text = """
import casedial_client, importlib.util, tempfile
assert importlib.util.find_spec("casedial") is None
with casedial_client.Outbox(tempfile.mkdtemp() + "/results.db") as outbox:
    print(outbox.waiting(), casedial_client.Client("http://127.0.0.1:1/x", key="k" * 16))
"""
    done = subprocess.run(
        [room / "bin" / "python", "-I", "-c", text], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "0 Client('http://127.0.0.1:1/x')\n", done.stderr


def test_the_servers_wheel_has_the_client_in_it(tmp_path: Path) -> None:
    built = wheel(ROOT, tmp_path)
    names = zipfile.ZipFile(built).namelist()
    assert plugins(built) == ["casedial = casedial_client.testing"]
    assert {"casedial/cli/call.py", "casedial_client/client.py", "casedial_client/py.typed"} <= set(names)
    assert not [name for name in names if "tests" in name]


def test_it_needs_an_http_client_and_msgspec_only() -> None:
    text = (CLIENT / "pyproject.toml").read_text()
    [block] = re.findall(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert re.findall(r'"([a-z]+)', block) == ["httpx", "msgspec", "tzdata"]
    assert casedial_client.__version__ in (CLIENT / "CHANGELOG.md").read_text()


def test_its_types_hold_for_strict_users(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-implicit-reexport", "--config-file=", "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout
    assert re.findall(r'Revealed type is "(.*)"', done.stdout) == [
        "casedial_client.models.Case",
        "casedial_client.models.Results",
        "str | None",
    ]


@pytest.mark.parametrize("file", sorted((CLIENT / "src" / "casedial_client").glob("*.py")), ids=lambda path: path.name)
def test_a_file_is_read_in_a_few_minutes(file: Path) -> None:
    assert len(file.read_text().splitlines()) < 400
