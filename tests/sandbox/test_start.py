"""``casedial sandbox`` as a command: what it prints, how it ends, and how long it takes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers import CASEDIAL, plain
from tests.waiting import PATIENCE, cpu_seconds, wait_until


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [CASEDIAL, "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_one_line_for_programs_and_the_first_reply(tmp_path: Path) -> None:
    """In 1.1 to 1.6 s on two cores with nothing else to do."""
    with start("--json", "--port", "0", TMPDIR=str(tmp_path)) as process:
        assert process.stdout
        about = json.loads(process.stdout.readline())
        reply = plain.get(f"{about['base']}/GetCaseInfo?CaseID=1", headers={"X-ApiKey": about["key"]})
        assert reply.json()["CaseID"] == 1
        assert cpu_seconds(process.pid) < 8
        assert {"url", "base", "sandbox", "key", "keys", "sandbox_key", "firm", "scenarios", "clock"} <= about.keys()
        [folder] = tmp_path.iterdir()
        own = {"X-Sandbox-Key": about["sandbox_key"]}
        for _ in range(5):
            assert plain.post(f"{about['sandbox']}/reset", headers=own, content="{}").status_code == 200
        assert len({file.name.partition(".")[0] for file in folder.iterdir()}) == 2  # the one in use, and an empty one
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said, errors) == (0, "", "")
    assert list(tmp_path.iterdir()) == []  # nothing is kept


def test_what_a_person_reads_works_when_pasted() -> None:
    with start("--scenario", "hours") as process:
        assert process.stdout
        lines = []
        while not lines or not lines[-1].startswith("curl"):
            lines.append(process.stdout.readline())
        told = subprocess.run(["bash", "-c", lines[-1] + " -s"], capture_output=True, text=True, timeout=PATIENCE)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert json.loads(told.stdout) == {"now": "2027-03-02T08:00:00Z", "frozen": True}
    assert "scenario 'hours'" in "".join(lines)
    assert errors.strip() == "Nothing is kept. Stop with Ctrl-C."
    assert process.returncode == 0


def test_it_ends_with_the_program_that_started_it() -> None:
    """However that ends: it is killed here."""
    text = f"""
import subprocess, time
process = subprocess.Popen([{str(CASEDIAL)!r}, "sandbox", "--json", "--with-parent"], stdout=subprocess.PIPE)
print(process.pid, process.stdout.readline().decode(), flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid, _, about = parent.stdout.readline().partition(" ")
        url = json.loads(about)["url"]
        assert plain.get(f"{url}/readyz").status_code == 200
        parent.kill()
    wait_until(lambda: not runs(int(pid)))
    with pytest.raises(httpx.ConnectError):
        plain.get(f"{url}/readyz")


def runs(pid: int) -> bool:
    """Tell whether a process goes on; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = start("--json", "--port", str(taken.getsockname()[1]))
        said, errors = done.communicate(timeout=PATIENCE)
    assert done.returncode == 1
    assert json.loads(said)["error"]["code"] == "InvalidSetting"
    assert "in use. Give another --port, or 0." in errors
    assert "Traceback" not in errors


def test_a_scenario_that_there_is_not() -> None:
    done = start("--scenario", "storm")
    _, errors = done.communicate(timeout=PATIENCE)
    assert done.returncode == 2
    assert "'storm' is not one of 'wire'" in " ".join(errors.replace("│", "").split())
