"""The pytest plugin as a vendor has it: a dialer in another language, several processes, and no server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import PATIENCE

from casedial_client import Client
from casedial_client.testing import Sandbox

# A dialer in a shell: with the address and the key that it is given, and nothing else.
DIALER = """#!/bin/sh
call() { curl -s -H "X-ApiKey: $CASEDIAL_KEY" -H "Content-Type: application/json" -d "$2" "$CASEDIAL_URL/$1"; }
call GetCasesToDial '{"Records": 1, "Auto-change": true}'
call UpdateCaseStatus '{"CaseID": 1, "Status": "Do not Dial", "Disposition": "Successful"}'
"""
TESTS = """
import os, subprocess
import pytest

@pytest.mark.parametrize("number", range(6))
def test_it(casedial_sandbox, number):
    subprocess.run(["./dialer.sh"], env=casedial_sandbox.environment, check=True, timeout=300)
    assert casedial_sandbox.case(1).results() == ["Successful"]
    assert [call.method for call in casedial_sandbox.calls()] == ["GetCasesToDial", "UpdateCaseStatus"]
    print("\\nsandbox", casedial_sandbox.url)
"""


# What a vendor does not have, and what takes long to load.
NOT_THEIRS = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:asyncio")


def vendor(folder: Path, tests: str = TESTS, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a vendor's tests; return what pytest says."""
    (folder / "dialer.sh").write_text(DIALER)
    (folder / "dialer.sh").chmod(0o755)
    (folder / "test_vendor.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-rP", *NOT_THEIRS, *arguments, "test_vendor.py"]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False
    )
    return done.returncode, done.stdout + done.stderr


def sandboxes(said: str) -> set[str]:
    return {line.split()[1] for line in said.splitlines() if line.startswith("sandbox ")}


@pytest.mark.skipif(not shutil.which("curl"), reason="the dialer of this test is made of curl")
def test_a_dialer_in_any_language_and_each_test_as_new(tmp_path: Path) -> None:
    code, said = vendor(tmp_path)
    assert code == 0, said
    assert "6 passed" in said
    assert len(sandboxes(said)) == 1


@pytest.mark.skipif(not shutil.which("curl"), reason="the dialer of this test is made of curl")
def test_each_process_of_xdist_has_its_own(tmp_path: Path) -> None:
    code, said = vendor(tmp_path, TESTS, "-n", "2")
    assert code == 0, said
    assert len(sandboxes(said)) == 2


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/nowhere/casedial", "/nowhere/casedial cannot be run: No such file or directory"),
        ("false", "false sandbox did not start: it said nothing"),
        ("echo Hello", "echo Hello sandbox did not start: Hello sandbox --json --with-parent"),
        ("python3 -c 'import sys; sys.exit(\"too old\")'", "did not start: too old"),
    ],
)
def test_a_server_that_is_not_there_or_does_not_start_is_told(tmp_path: Path, command: str, told: str) -> None:
    code, said = vendor(tmp_path, TESTS, CASEDIAL_COMMAND=command)
    assert code == 1
    assert told in " ".join(said.split())
    assert "Traceback" not in said


def test_where_there_is_no_server_the_message_says_what_to_do(tmp_path: Path) -> None:
    tests = f"import casedial_client.testing as testing\ntesting.find_command = lambda: None\n{TESTS}"
    code, said = vendor(tmp_path, tests)
    assert code == 1
    assert "the command casedial, which is not installed here" in said
    assert "CASEDIAL_COMMAND=/path/to/bin/casedial" in said


def test_nothing_is_started_where_nobody_asks(tmp_path: Path) -> None:
    code, said = vendor(tmp_path, "def test_it(): pass", CASEDIAL_COMMAND="/nowhere/casedial")
    assert code == 0, said


@pytest.mark.parametrize("size", [0, 40, 150, 250])
def test_a_result_of_the_client_arrives_once_wherever_replies_are_cut(
    casedial_sandbox: Sandbox, tmp_path: Path, size: int
) -> None:
    for method in ("UpdateCaseStatus", "AddCaseNote", "GetCasesToDial"):
        casedial_sandbox.faults.cut(size, method=method)
    with (
        Client(casedial_sandbox.address, key=casedial_sandbox.key) as client,
        client.claim("Test campaign", records=1, outbox=tmp_path / "results.db", seconds=600) as claim,
    ):
        for case in claim:
            claim.report(case, "No Answer", status="Do not Dial", attempts=1)
            claim.note(case, "Left a message.")
        assert claim.flush(PATIENCE)
    found = casedial_sandbox.case(101)
    assert (found.results(), [note.note for note in found.notes]) == (["No Answer"], ["Left a message."])
    assert casedial_sandbox.case(102).claim_id is None
