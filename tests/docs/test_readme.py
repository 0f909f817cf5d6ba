"""The lines of the README that a reader pastes, pasted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.postgres import free_port
from tests.servers import CASEDIAL

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
        ["bash", "-eu", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
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
