"""The lines of the README that a reader pastes, pasted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.postgres import free_port
from tests.servers import CASEDIAL, Server

ROOT = Path(__file__).parents[2]


def test_the_first_integration_works_when_pasted(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## A first integration")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    port = str(free_port())
    script = "\n".join(blocks).replace("8080", port)
    assert "8000" not in script  # where the demo listens
    script += '\ncasedial cases show 7 --firm "Lex & Partners"\nkill $SERVER; wait $SERVER\n'
    environment = {**os.environ, "PATH": f"{CASEDIAL.parent}:{os.environ['PATH']}"}
    environment.pop("CASEDIAL_DATABASE_URL", None)
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    replies = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))]
    ready, claimed, info, updated, noted, noted_by_phone = replies
    assert ready["status"] == "ready"
    assert [case["CaseID"] for case in claimed] == [6, 7]
    assert info["DialerStatus"] == "In the Dialer"
    for written, count in ((updated, 2), (noted, 1), (noted_by_phone, 1)):
        assert (written["Succeeded"], written["Failed"]) == (count, 0)
    for expected in ("2030-12-02T09:00:00", "No Answer", "Left a message.", "Acme Dialer"):
        assert expected in done.stdout


def test_the_transcript_is_what_a_terminal_shows() -> None:
    """Apart from the key, the password, the port and the time at which the case is due."""
    demo, dialer = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    command, _, printed = demo.partition("\n")
    assert command == "$ casedial demo"
    with Server("", command=(str(CASEDIAL), "demo")) as server:
        said = server.output()
        key, password = re.search(r"cdk_\w+", said), re.search(r"password [\w-]+", said)
        assert key
        assert password
        for line in filter(None, printed.splitlines()):
            line = line.replace("8000", str(server.port)).replace("cdk_…", key[0])
            assert line.replace("password …", password[0]) in said.splitlines()
        set_key, claim, shown = dialer.splitlines()
        assert (set_key, claim[:7]) == ("$ KEY=cdk_…", "$ curl ")
        pasted = f"KEY={key[0]}; {claim[2:].replace('8000', str(server.port))}"
        done = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, timeout=60, check=True)
        [case], [expected] = json.loads(done.stdout), json.loads(shown)
        assert case | {"DialDateTime": ""} == expected | {"DialDateTime": ""}
        assert list(case) == list(expected)
