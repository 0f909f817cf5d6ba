"""What vendors paste: the first integration, and the guides that test a dialer against the sandbox."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from casedial.sandbox import faults, scenarios
from tests.docs.test_reference import REFERENCE, ROOT
from tests.postgres import free_port
from tests.servers import CASEDIAL

HOW_TO = ROOT / "docs" / "how-to"
WHERE = {**os.environ, "PATH": f"{CASEDIAL.parent}:{os.environ['PATH']}"}


def blocks(page: Path, language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return found


def write_files(page: Path, folder: Path) -> None:
    """Each block of Python says in its first line what its file is called."""
    for text in blocks(page, "python"):
        (folder / text.partition("\n")[0].removeprefix("# ")).write_text(text)


def judged(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run pytest in a folder, as a vendor does who has nothing else of ours."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=WHERE | environment, capture_output=True, text=True, timeout=600, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_first_integration_works_when_pasted(tmp_path: Path) -> None:
    page = ROOT / "docs" / "first-integration.md"
    pasted = "\n".join(blocks(page, "sh"))
    port = str(free_port())
    script = pasted.replace("8800", port).replace("kill $SANDBOX\n", "kill $SANDBOX; wait $SANDBOX\n")
    assert script != pasted
    environment = {name: value for name, value in WHERE.items() if not name.startswith("CASEDIAL_")}
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    claimed, reported, noted, _, due, _, case, _, _, calls, lost = map(json.loads, done.stdout.splitlines())
    assert [found["CaseID"] for found in claimed] == [101, 102]
    assert (reported["Succeeded"], reported["Failed"], noted["Succeeded"]) == (2, 0, 1)
    assert [found["CaseID"] for found in due] == [*range(103, 121), 101]
    assert case["statuses"]["Last Dialer Disposition"] == "No Answer"
    assert len(case["notes"]) == 1
    assert sum(call["fault"] == "reset after" for call in calls["calls"]) == 10
    assert sum(call["repeated"] for call in calls["calls"]) == 10
    assert [row["status"] for row in lost["history"]].count("No Answer") == 1


def test_its_dialer_has_thirty_lines() -> None:
    [text] = re.findall(
        r"<<'EOF'\n(.*?)^EOF", (ROOT / "docs/first-integration.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(text.splitlines()) <= 30


def test_the_vendors_tests_hold(tmp_path: Path) -> None:
    write_files(HOW_TO / "test-your-dialer.md", tmp_path)
    code, said = judged(tmp_path)
    assert code == 0, said
    assert "10 passed" in said


def test_they_fail_for_a_dialer_that_doubles(tmp_path: Path) -> None:
    """As the guide says: with a new Idempotency-Key for each try."""
    page = HOW_TO / "test-your-dialer.md"
    write_files(page, tmp_path)
    text = (tmp_path / "dialer.py").read_text()
    [line] = re.findall(r"    once = .*\n", text)
    loop = "    for _ in range(10):\n"
    (tmp_path / "dialer.py").write_text(text.replace(line, "").replace(loop, f"{loop}    {line}"))
    code, said = judged(tmp_path)
    assert code == 1, said
    failed = re.findall(r"^FAILED test_dialer.py::(\w+)", said, re.MULTILINE)
    assert set(failed) == {
        "test_a_report_whose_reply_is_lost_arrives_once",
        "test_a_note_whose_reply_is_lost_is_added_once",
        "test_a_claim_whose_reply_is_lost_is_the_same_claim",
    }
    assert "the first three tests fail" in " ".join(page.read_text().split())


def test_a_result_survives_a_crash(tmp_path: Path) -> None:
    write_files(HOW_TO / "survive-a-crash.md", tmp_path)
    code, said = judged(tmp_path)
    assert code == 0, said


def test_the_reference_lists_what_there_is() -> None:
    text = (REFERENCE / "sandbox.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert set(scenarios.SCENARIOS) <= set(rows)
    assert set(scenarios.KEYS) <= set(rows)
    assert [row for row in rows if row in faults.KINDS] == list(faults.KINDS)
    for kind, takes in faults.KINDS.items():
        told = re.search(rf"^\| `{kind}` \| (.*?) ?\|", text, re.MULTILINE)
        assert told
        assert tuple(re.findall(r"`(\w+)`", told[1])) == takes
