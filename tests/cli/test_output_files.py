"""Files that commands write: whole or as they were, for their owner's eyes only, and never in anybody's way."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
import sqlalchemy as sa

from casedial.cli.exporting import export_cases
from casedial.database.engine import Store
from casedial.domain.cases import Case, Phone
from casedial.domain.dialing import CaseFilter
from casedial.service.operations import cases as service
from casedial.storage import cases, finding
from casedial.wire.sheets import Form, form_of
from tests.cli.signals import signalled
from tests.cli.test_commands import Casedial
from tests.conftest import Office
from tests.servers import CASEDIAL
from tests.waiting import until

GOOD = "what was there before"
PIPE = 65536  # bytes that a pipe has room for


@pytest.fixture
def written(casedial: Casedial, office: Office, tmp_path: Path) -> Path:
    """A file that an export wrote before."""
    path = tmp_path / "good.csv"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


async def add_many(office: Office, count: int, group: str = "") -> None:
    firm = await office.firm()
    made = [Case(n, case_group=group, phones=(Phone("Cell", "4025550123"),)) for n in range(1, count + 1)]
    async with office.store.write() as tx:
        await cases.add(tx, firm, made)


def beside(path: Path) -> list[str]:
    """What else is in the folder of a file, but for a database."""
    return sorted(p.name for p in path.parent.iterdir() if p != path and not p.name.startswith("casedial.db"))


@pytest.mark.parametrize("command", ["cases", "dnc"])
async def test_a_mistyped_firm_leaves_the_file(casedial: Casedial, written: Path, command: str) -> None:
    report = await asyncio.to_thread(casedial.json, command, "export", "--firm", "Typo", "-o", written, status=1)
    assert report["error"]["code"] == "FirmNotFound"
    assert written.read_text() == GOOD
    assert beside(written) == []


@pytest.mark.parametrize("command", ["cases", "dnc"])
async def test_an_export_is_for_its_owner_and_follows_links(
    casedial: Casedial, office: Office, written: Path, command: str
) -> None:
    link = written.with_name("link.csv")
    link.symlink_to(written)
    await asyncio.to_thread(casedial.run, command, "export", "--firm", office.name, "-o", link)
    assert link.is_symlink()
    assert written.read_text().startswith(("CaseID", "Number"))
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert beside(written) == ["link.csv"]


@pytest.mark.parametrize("command", ["cases", "dnc"])
@pytest.mark.parametrize("name", ["x.xlsm", "x.XLS", "x.ods"])
async def test_a_spreadsheet_is_refused_with_what_to_do(
    casedial: Casedial, office: Office, command: str, name: str
) -> None:
    given = (command, "export", "--firm", office.name, "-o", casedial.folder / name)
    report = await asyncio.to_thread(casedial.json, *given, status=1)
    assert "name it x.csv" in report["error"]["message"]
    assert not (casedial.folder / name).exists()


@pytest.mark.parametrize("command", ["cases", "dnc"])
async def test_standard_output(casedial: Casedial, office: Office, command: str) -> None:
    await office.add(1)
    await asyncio.to_thread(casedial.run, "dnc", "add", "4025550123", "--firm", office.name)
    for more in ((), ("-o", "-")):
        done = await asyncio.to_thread(casedial.run, command, "export", "--firm", office.name, *more)
        assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 1
    assert not Path("-").exists()
    said = await asyncio.to_thread(casedial.wrong, command, "export", "--firm", office.name, "--output", "-", "--json")
    assert "name it with --output" in said


async def test_what_is_no_file_is_written_to_and_stays(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_text))
    await asyncio.to_thread(casedial.run, "cases", "export", "--firm", office.name, "-o", pipe)
    assert (await reading).startswith("CaseID,")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    given = ("cases", "export", "--firm", office.name, "-o", tmp_path)
    report = await asyncio.to_thread(casedial.json, *given, status=1)
    assert "is a folder" in report["error"]["message"]


def start(casedial: Casedial, *arguments: object, **rest: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **casedial.environment}
    return subprocess.Popen([CASEDIAL, *map(str, arguments)], env=environment, stderr=subprocess.PIPE, **rest)


async def test_a_full_disk_leaves_the_file(casedial: Casedial, office: Office, written: Path) -> None:
    await add_many(office, 3000, group="x" * 200)

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    export = start(casedial, "cases", "export", "--firm", office.name, "-o", written, preexec_fn=small)
    _, said = await asyncio.to_thread(export.communicate)
    assert export.returncode == 1
    assert b"File too large" in said
    assert written.read_text() == GOOD
    assert beside(written) == []


async def test_a_kill_leaves_the_file(casedial: Casedial, office: Office, written: Path) -> None:
    """At the third page."""
    await add_many(office, 5000)
    given = ("cases", "export", "--firm", office.name, "-o", written)
    killed = await asyncio.to_thread(
        signalled, casedial, signal.SIGKILL, "casedial.storage.finding.matching", 3, *given
    )
    assert killed[0] == -signal.SIGKILL
    assert any(name.endswith(".partial") for name in beside(written))
    assert written.read_text() == GOOD
    await asyncio.to_thread(casedial.run, *given)
    assert len(written.read_text().splitlines()) == 5001


async def test_an_export_that_nobody_reads_holds_no_snapshot(casedial: Casedial, office: Office, store: Store) -> None:
    await add_many(office, 5000)
    export = start(casedial, "cases", "export", "--firm", office.name, stdout=subprocess.PIPE)
    assert export.stdout
    pipe = export.stdout

    async def waits_for_a_reader() -> bool:
        return unread(pipe) > PIPE / 2 and await snapshots(store) == 0

    try:
        await until(waits_for_a_reader)
        assert export.poll() is None
        rest = await asyncio.to_thread(pipe.read)
        assert len(rest.splitlines()) == 5001
        assert await asyncio.to_thread(export.wait) == 0
    finally:
        export.kill()
        await asyncio.to_thread(export.communicate)


def unread(pipe: IO[bytes]) -> int:
    """How many bytes are in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


async def snapshots(store: Store) -> int:
    """How many others hold one: in SQLite they keep the log from being emptied."""
    if store.dialect.name == "sqlite":
        async with store.outside() as connection:
            cursor = await connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row = await cursor.fetchone()
            assert row
            return int(row[0])
    held = "backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()"
    async with store.read() as tx:
        return int((await tx.execute(sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE {held}"))).scalar_one())


@pytest.mark.parametrize("name", ["cases.csv", "cases.jsonl"])
async def test_cases_that_change_while_they_are_written(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each is as it was when its page was read; one with more phones than the header has room for fits all the same."""
    monkeypatch.setattr(service, "PAGE", 2)
    for case_id in range(1, 6):
        await office.add(case_id)
    matching, pages = finding.matching, 0

    async def with_a_change(*given: Any) -> Any:
        nonlocal pages
        page = await matching(*given)
        pages += 1
        if pages == 1:
            old = await office.case(5)
            more = replace(old, phones=tuple(Phone(f"Phone {n}", f"402555012{n}") for n in range(3)))
            async with office.store.write() as tx:
                await cases.save(tx, await office.firm(), [(old, more)])
        return page

    monkeypatch.setattr(finding, "matching", with_a_change)
    path = tmp_path / name
    form = form_of(path)
    written = await export_cases(office.store, office.name, CaseFilter(), path, form, {})
    assert written.cases == 5
    if form is Form.JSONL:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [len(row["Phones"]) for row in rows] == [1, 1, 1, 1, 3]
    else:
        with path.open() as lines:
            found = list(csv.DictReader(lines))
        assert [row["CaseID"] for row in found] == ["1", "2", "3", "4", "5"]
        assert found[4]["Phone3"] == "4025550122"
        assert all(None not in row for row in found)


async def test_two_backups_at_once_do_not_meet(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    """One that was killed left something; the next is made all the same, and takes nothing of another's away."""
    left = tmp_path / "copy.partial"
    left.write_text("of one that was killed")
    both = [start(casedial, "backup", tmp_path / f"copy{n}") for n in (1, 2)]
    for one in both:
        _, said = await asyncio.to_thread(one.communicate)
        assert one.returncode == 0, said
    await asyncio.to_thread(casedial.run, "backup", tmp_path / "copy")
    assert left.exists()
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
