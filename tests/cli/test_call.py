"""casedial call, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from casedial.cli import app
from casedial.cli.call import METHODS
from casedial.web import api
from tests.conftest import Office
from tests.servers import CASEDIAL, Server
from tests.waiting import PATIENCE


class Shell:
    """Runs the command with the key in the environment; in this process, where a test is not about a shell's."""

    def __init__(self, server: Server, key: str) -> None:
        self.environment = {"CASEDIAL_URL": server.base, "CASEDIAL_KEY": key, "COLUMNS": "200"}

    def call(self, *arguments: str, status: int = 0, stdin: str = "", **environment: str) -> tuple[str, str]:
        done = CliRunner().invoke(app, ["call", *arguments], env=self.environment | environment, input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, done.stdout + done.stderr
        return done.stdout, done.stderr

    def json(self, *arguments: str, **how: Any) -> Any:
        return json.loads(self.call(*arguments, "--json", **how)[0])


def in_a_shell(shell: Shell, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Run the command in a process of its own; return its exit status, and what it says on standard error."""
    command, environment = [CASEDIAL, "call", *arguments], os.environ | shell.environment
    done = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    return done.returncode, done.stderr


@pytest.fixture
def database() -> str:
    """It makes no difference to this command."""
    return "sqlite"


async def test_every_method(database_url: str, office: Office, tmp_path: Path) -> None:
    assert {*api.METHODS, "Firm", "Explain", "Preflight"} == set(METHODS.values())
    for case_id in (6, 7, 8):
        await office.add(case_id)
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        shell = Shell(server, office.key)
        table, told = shell.call("getcasestodial", "campaign=Intake follow-up", "records=2", "Auto-change=true")
        assert [line.split()[:2] for line in table.splitlines()] == [
            ["CaseID", "Phones"],
            ["6", "4025550006"],
            ["7", "4025550007"],
        ]
        [claim] = [line.split()[1] for line in told.splitlines() if line.startswith("X-Claim-Id:")]
        assert told.splitlines()[-1].startswith("Request: ")

        assert "X-Claim-Expires" in shell.json("ExtendClaim", f"ClaimID={claim}", "seconds=600")["headers"]
        report = ("CaseID=6", "Disposition=No Answer", "Status=To Dial", "NextCall=2031-05-06T09:00:00", "Attempts=1")
        done = shell.json("UpdateCaseStatus", *report, "--claim", claim)
        assert done["reply"] == {"Succeeded": 1, "Failed": 0, "Results": [{"CaseID": "6", "Success": True}]}
        assert done["request_id"]
        assert shell.json("ReleaseClaim", f"ClaimID={claim}")["reply"]["Succeeded"] == 1
        assert shell.json("AddCaseNote", "CaseID=6", "CaseID=7", "Note=Busy.")["reply"]["Succeeded"] == 2
        assert shell.json("AddCaseNoteByPhone", "Phone=(402) 555-0008", "Note=Called.")["reply"]["Succeeded"] == 1
        assert "2031-05-06T09:00:00" in shell.call("GetCaseInfo", "CaseID=6")[0]
        assert "dialer status" in shell.call("Explain", "CaseID=6")[0]
        assert shell.json("Preflight", "Campaign=Intake follow-up")["reply"]["Due"] == 2
        assert "America/Chicago" in shell.call("Firm")[0]
        assert shell.call("GetCasesToDial", "Campaign=Nowhere")[1].startswith("Nothing.")

        items = json.dumps([{"CaseID": 7, "Attempts": 3}, {"CaseID": 99, "Attempts": 3}])
        table, _ = shell.call("UpdateCaseStatus", "--body", "-", stdin=items, status=1)  # one of them failed
        assert "CaseNotFound" in table
        once = [shell.json("AddCaseNote", "CaseID=8", "Note=Once.", "--repeat", "k-1")["reply"] for _ in range(2)]
        assert once[0] == once[1]
        assert [note.text for note in await office.notes(8)] == ["Called.", "Once."]


async def test_the_key_comes_from_a_file_or_standard_input_and_never_from_an_argument(
    database_url: str, office: Office, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(office.key + "\n")
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        shell = Shell(server, "")
        assert in_a_shell(shell, "Firm", "--key-from", str(file))[0] == 0
        assert in_a_shell(shell, "Firm", "--key-from", "-", stdin=office.key)[0] == 0
        for wrong, words in (((), "CASEDIAL_KEY"), (("--key", office.key), "No such option")):
            status, said = in_a_shell(shell, "Firm", *wrong)
            assert (status, words in said) == (2, True), said


async def test_errors_say_what_to_do(database_url: str, office: Office) -> None:
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        shell = Shell(server, office.key)
        _, told = shell.call("GetCaseInfo", "CaseID=9", status=1)
        assert told.splitlines()[:2] == ["CaseNotFound: There is no case 9.", "The firm has no case with this CaseID."]
        assert told.splitlines()[2].startswith("Request: ")
        error = shell.json("GetCaseInfo", "CaseID=9", status=1)["error"]
        assert (error["code"], bool(error["request_id"])) == ("CaseNotFound", True)
        assert shell.json("GetCaseInfo", "Case=9", status=1)["error"]["code"] == "UnknownParameter"
        assert shell.json("Firm", status=1, CASEDIAL_KEY="cdk_wrong-key-wrong-key")["error"]["code"] == "KeyMistyped"
        wrong = {
            ("Foo",): "is not one of GetCasesToDial",
            ("GetCaseInfo", "7"): "is not NAME=VALUE",
            ("GetCaseInfo", "CaseID=7", "--url", "127.0.0.1"): "is not an address",
            ("GetCasesToDial", "Records=1", "Records=2"): "is given twice",
            ("Explain",): "needs CaseID",
            ("UpdateCaseStatus", "--body", "/nowhere"): "cannot be read",
        }
        for arguments, words in wrong.items():
            assert words in " ".join(shell.call(*arguments, status=2)[1].replace("│", " ").split()), arguments
    _, told = shell.call("Firm", "--patience", "0", status=1)
    assert "the server is away" in told
