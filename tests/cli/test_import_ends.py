"""However an import ends, what was done is told, and the rejected rows are somewhere."""

from __future__ import annotations

import asyncio
import csv
import os
import resource
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from casedial.cli import rejects
from casedial.domain.errors import StorageUnavailable
from casedial.service.operations import imports
from casedial.storage import cases
from tests.cli.signals import signalled
from tests.cli.test_commands import Casedial
from tests.conftest import Office
from tests.servers import CASEDIAL


def written(path: Path, rows: int, bad: int = 1) -> Path:
    """A file with so many good rows, and a bad one behind each of the first."""
    lines = [f"{n},402555{n % 10000:04}\n" + ("x,\n" if n <= bad else "") for n in range(1, rows + 1)]
    path.write_text("CaseID,Phone1\n" + "".join(lines))
    return path


async def test_a_folder_that_cannot_be_written(
    casedial: Casedial, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """As of an administrator's file that the service's user imports; root could write there, so it is feigned."""
    folder, here, temporary = (tmp_path / name for name in ("theirs", "here", "temporary"))
    for made in (folder, here, temporary):
        made.mkdir()
    file = written(folder / "cases.csv", 20)
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    closed = {folder}

    def make(where: Path, *name: str) -> Path:
        if where in closed:
            raise PermissionError(13, "Permission denied")
        return empty_file(where, *name)

    empty_file = rejects.empty_file
    monkeypatch.setattr(rejects, "empty_file", make)
    given = ("cases", "import", file, "--firm", office.name)
    for also, where in ((folder, here), (here, temporary)):
        with subtests.test(where=where.name):
            closed.add(also)
            report = await asyncio.to_thread(casedial.json, *given, status=1)
            assert report["added"] + report["unchanged"] == 20
            found = Path(report["rejects_file"])
            assert found.parent == where
            assert found.stat().st_mode & 0o777 == 0o600
            with found.open() as lines:
                assert [row["RejectLine"] for row in csv.DictReader(lines)] == ["3"]
            said = (await asyncio.to_thread(casedial.run, *given, status=1)).stderr.replace("\n", "")
            assert f"All rejected rows are in {where}/cases.csv.rejects." in said
    with subtests.test("nowhere"):
        closed.add(temporary)
        there = sorted(temporary.iterdir())
        report = await asyncio.to_thread(casedial.json, *given, status=1)
        assert "Nothing was imported" in report["error"]["message"]
        assert sorted(temporary.iterdir()) == there
    with subtests.test("no bad rows, no file"):
        closed.remove(temporary)
        good = written(folder / "good.csv", 20, bad=0)
        report = await asyncio.to_thread(casedial.json, "cases", "import", good, "--firm", office.name)
        assert report["rejects_file"] is None
        assert sorted(temporary.iterdir()) == there


async def test_a_database_that_goes_away(
    casedial: Casedial, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 10)
    add, calls = cases.lock, 0

    async def failing(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StorageUnavailable("The database is away.")
        return await add(*given, **more)

    monkeypatch.setattr(cases, "lock", failing)
    file = written(tmp_path / "cases.csv", 95)
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, "--firm", office.name, status=1)
    assert (report["added"], report["rejected"]) == (19, 1)
    assert report["error"] == {"code": "StorageUnavailable", "message": "The database is away."}
    assert Path(report["rejects_file"]).read_text().count("\n") == 2
    calls = 0
    said = (await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name, status=1)).stderr
    for words in ("0 added, 0 updated, 19 unchanged, 1 rejected.", "The database is away.", "Run it again"):
        assert words in said


def start(casedial: Casedial, *arguments: object, **rest: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **casedial.environment}
    command = [CASEDIAL, "cases", "import", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **rest)


async def test_a_full_disk(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    """The rejects do not fit: the good rows went in, and that is told."""
    file = tmp_path / "cases.csv"
    file.write_text("CaseID,CaseGroup\n" + "".join(f"{n},\nx{n},{'g' * 8000}\n" for n in range(1, 3001)))

    def small() -> None:  # but large enough for SQLite
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000_000, 12_000_000))

    importing = start(casedial, file, "--firm", office.name, preexec_fn=small)
    _, said = await asyncio.to_thread(importing.communicate)
    assert importing.returncode == 1
    assert b"2500 added" in said  # of the first batch
    assert b"File too large" in said
    assert b"Traceback" not in said
    assert (await office.case(2500)).case_id == 2500


async def test_ctrl_c(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    """In the third batch."""
    given = ("cases", "import", written(tmp_path / "cases.csv", 20_000), "--firm", office.name)
    at = "casedial.service.operations.imports._import_batch"
    status, said = await asyncio.to_thread(signalled, casedial, signal.SIGINT, at, 3, *given)
    assert status == 1, said
    assert "9999 added, 0 updated" in said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert (await office.case(9999)).case_id == 9999


async def test_an_earlier_file_of_rejects_stays_until_there_is_another(
    casedial: Casedial, office: Office, tmp_path: Path
) -> None:
    file = written(tmp_path / "cases.csv", 2)
    old = tmp_path / "cases.csv.rejects.csv"
    old.write_text("of the last run")
    await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", "Typo", status=1)
    assert old.read_text() == "of the last run"
    await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name, status=1)
    assert old.read_text().startswith("RejectLine")
    assert old.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if "rejects" in p.name or "partial" in p.name) == [old.name]
