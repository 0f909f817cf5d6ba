"""The first five minutes: the demo, and each line it prints, pasted; from a clone and from a wheel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casedial.database.engine import Store
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import open_firm
from casedial.service.operations import sample, signing_in
from casedial.storage import calls, cases
from tests.conftest import ME
from tests.servers import CASEDIAL, Server, connected, plain

ROOT = Path(__file__).parents[2]
SHIPPED = (".py", ".mako", ".json", ".txt", ".html", ".css", ".js", ".svg")


def paste(output: str) -> dict[str, Any]:
    """Run every curl line of the output in a shell; return the replies by method."""
    lines = [line for line in output.splitlines() if line.startswith("curl ")]
    replies = {}
    for line in lines:
        done = subprocess.run(["bash", "-c", f"{line} -sS --fail-with-body"], capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        method = re.search(r"(?:PredictiveDialer|v1)/(\w+)", line)
        assert method
        replies[method[1]] = json.loads(done.stdout)
    return replies


def check_demo(server: Server) -> None:
    for _ in range(2):  # a line pasted twice works, too
        replies = paste(server.output())
        assert set(replies) == {
            "GetCasesToDial",
            "GetCaseInfo",
            "UpdateCaseStatus",
            "AddCaseNote",
            "AddCaseNoteByPhone",
            "preflight",
        }
        counted = replies["preflight"]
        assert counted["Due"] == counted["Callable"] + sum(counted["HeldBack"].values()) > 0
        assert len(replies["GetCasesToDial"]) == 5
        assert replies["GetCaseInfo"]["CaseID"] == 1
        for method in ("UpdateCaseStatus", "AddCaseNote", "AddCaseNoteByPhone"):
            assert replies[method]["Succeeded"] >= 1
            assert replies[method]["Failed"] == 0
    assert plain.get(f"{server.url}/docs").status_code == 200
    told = re.search(r"^console    (\S+)  \(name (\S+), password (\S+)\)$", server.output(), re.MULTILINE)
    assert told
    check_console(*told.groups())


def check_console(address: str, name: str, password: str) -> None:
    """Sign in as the demo says, and see the firm."""
    with connected() as browser:
        token = re.search(r'name="token" value="(\w+)"', browser.get(f"{address}/sign-in").text)
        assert token
        form = {"token": token[1], "name": name, "password": password}
        shown = browser.post(f"{address}/sign-in", data=form, follow_redirects=True)
        assert shown.status_code == 200
        assert sample.FIRM in shown.text


def run_demo(*command: str, **environment: str) -> None:
    with Server("", command=(*command, "demo"), **environment) as server:
        check_demo(server)
        database = re.search(r"sqlite:///(/\S+)", server.output())
        assert database
        assert Path(database[1]).exists()
    assert not Path(database[1]).exists()  # the sample goes with the demo


def test_demo_from_the_clone() -> None:
    run_demo(str(CASEDIAL))


def test_demo_for_machines() -> None:
    with Server("", "--json", command=(str(CASEDIAL), "demo")) as server:
        said = json.loads(server.output().rpartition("}")[0] + "}")
        assert plain.get(f"{server.base}/GetCaseInfo?CaseID=1", headers={"X-ApiKey": said["key"]}).status_code == 200
        paste("\n".join(said["curl"].values()))
        check_console(said["console"]["url"], said["console"]["user"], said["console"]["password"])


def test_demo_from_a_wheel(tmp_path: Path) -> None:
    """Everything needed is in the wheel: a copy of it, away from the clone, serves the demo."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = tmp_path.glob("casedial-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "installed")
    source = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if path.suffix in SHIPPED}
    assert source <= names
    metadata = next(tmp_path.glob("installed/*.dist-info/METADATA")).read_text()
    assert "Apache-2.0" in metadata
    entry = next(tmp_path.glob("installed/*.dist-info/entry_points.txt")).read_text()
    assert "casedial = casedial.cli:main" in entry
    run_demo(sys.executable, "-m", "casedial", PYTHONPATH=str(tmp_path / "installed"))


def test_the_sample_is_what_the_demo_promises() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    rows = list(sample.rows(2000, now))
    assert [row.case_id for row in rows] == list(range(1, 2001))
    numbers = Counter(phone.number for row in rows for phone in row.phones or ())
    assert all(re.fullmatch(r"[2-9]\d\d55501\d\d", number) for number in numbers)
    assert sum(count > 1 for count in numbers.values()) > 100  # phones shared by cases
    assert len({row.facts["case_group"] for row in rows}) >= 4
    assert len({row.statuses[StatusType.CAMPAIGN] for row in rows}) == 3
    assert {row.statuses[StatusType.DIALER] for row in rows} == {"To Dial", "In the Dialer", "Do not Dial"}
    assert len({row.statuses[StatusType.DISPOSITION] for row in rows}) == 5
    assert {True, False} == {row.closed[0] for row in rows if row.closed}
    to_dial = [row.dial_at for row in rows if row.statuses[StatusType.DIALER] == "To Dial" and row.dial_at]
    assert sum(at <= now for at in to_dial) > 500
    assert sum(at > now + timedelta(hours=1) for at in to_dial) > 200
    assert rows == list(sample.rows(2000, now))


@pytest.mark.usefixtures("same_day")
async def test_the_sample_has_a_past(store: Store) -> None:
    """Thirty days of calls, in the order of time, that end where the cases stand."""
    made = await sample.make(store, ME, 300)
    now = store.now()
    async with store.read() as tx:
        firm = await open_firm(tx, sample.FIRM)
        listed = await cases.these(tx, firm, range(1, 301))
        history = await cases.history(tx, firm, list(listed))
        rung = await calls.of_cases(tx, firm.id, list(listed))
    wanted = {row.case_id: row for row in sample.rows(300, now)}
    for case_id, case in listed.items():
        for kind in (StatusType.DIALER, StatusType.ATTEMPTS, StatusType.DISPOSITION):
            if kind is not StatusType.ATTEMPTS or case.hold is None:
                assert case.name_of(kind) == wanted[case_id].statuses[kind], case_id
        changes = history[case_id]
        assert [one.changed_at for one in changes] == sorted(one.changed_at for one in changes)
        assert changes[-1].changed_at == case.changed_at
        assert changes[-1].changed_at <= now
        assert (case.hold is not None) == (case.role is Role.IN_THE_DIALER)
    assert len({call.at.date() for call in rung}) > 20
    assert {True, False} == {call.conversation for call in rung}
    assert await signing_in.sign_in(store, made.user, made.password, signing_in.Browser("127.0.0.1"))


def test_every_zip_code_of_the_sample_is_five_digits_and_stands_once() -> None:
    zip_codes = [zip_code for zip_code, _ in sample.PLACES]
    assert len(zip_codes) == len(set(zip_codes)) >= 50
    assert all(re.fullmatch(r"\d{5}", zip_code) for zip_code in zip_codes)


@pytest.mark.parametrize("arguments", [("--cases", "1"), ("--port", "99999999")])
def test_a_demo_that_cannot_be(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([CASEDIAL, "demo", *arguments], capture_output=True, text=True, env={**os.environ})
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
