"""A SQLite file that is moved, removed or replaced under a server: nothing is answered that is kept nowhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import assert_problem
from tests.faults.bench import AFFECTED, fill, sqlite
from tests.faults.traffic import Traffic
from tests.servers import CASEDIAL, Server, plain
from tests.waiting import PATIENCE, wait_until

BESIDE = ("", "-wal", "-shm")


@pytest.fixture(params=["WAL", "DELETE"])
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"PYTHONPATH": AFFECTED} if request.param == "DELETE" else {}


class Service:
    """A server on a file, and what is in that file wherever it went."""

    def __init__(self, server: Server, key: str, file: Path) -> None:
        self.server, self.key, self.file = server, key, file

    def note(self, text: str = "A note.") -> httpx.Response:
        body = {"CaseID": 1, "Note": text}
        return plain.post(
            f"{self.server.base}/AddCaseNote", json=body, headers={"X-ApiKey": self.key}, timeout=PATIENCE
        )

    def read(self) -> httpx.Response:
        parameters, headers = {"CaseID": 1}, {"X-ApiKey": self.key}
        return plain.get(f"{self.server.base}/GetCaseInfo", params=parameters, headers=headers, timeout=PATIENCE)

    def assert_away(self) -> None:
        """Everybody is told why, and the log has the file."""
        for ask in (self.note, self.read, lambda: plain.get(f"{self.server.url}/readyz", timeout=PATIENCE)):
            problem = assert_problem(ask(), 503, "StorageUnavailable")
            assert "removed or replaced" in problem["detail"]
            assert "restart the server" in problem["detail"]
        assert plain.get(f"{self.server.url}/healthz").status_code == 200
        said = self.server.until_said('"StorageUnavailable"')
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        causes = {line["cause"] for line in lines if line.get("outcome") == "StorageUnavailable"}
        assert causes
        assert all(cause.startswith(str(self.file)) and "not the file" in cause for cause in causes)


def notes_in(file: Path) -> Counter[str]:
    connection = sqlite.connect(str(file))
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return Counter(text for (text,) in connection.execute("SELECT text FROM notes"))
    finally:
        connection.close()


def move(file: Path, to: Path) -> None:
    for ending in reversed(BESIDE):
        part = file.with_name(file.name + ending)
        if part.exists():
            part.rename(to.with_name(to.name + ending))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    room = tmp_path / "room"
    room.mkdir()
    return room / "casedial.db"


def remove(file: Path) -> None:
    for ending in BESIDE:
        file.with_name(file.name + ending).unlink(missing_ok=True)


def remove_one(file: Path) -> None:
    file.unlink()


def put_another_in_its_place(file: Path) -> None:
    copy = file.with_name("copy")
    shutil.copy(file, copy)
    copy.rename(file)


def take_its_folder_away(file: Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))
    file.parent.mkdir()


@pytest.mark.parametrize("harm", [remove, remove_one, put_another_in_its_place, take_its_folder_away])
async def test_a_file_that_is_gone(file: Path, settings: dict[str, str], harm: Callable[[Path], None]) -> None:
    key, _ = await fill(file)
    with Server(f"sqlite:///{file}", **settings) as server:
        service = Service(server, key, file)
        assert service.note().status_code == 200
        harm(file)
        service.assert_away()
        time.sleep(1)
        service.assert_away()


async def test_a_log_that_is_gone(file: Path) -> None:
    """What was answered is still in the server's hands: told to stop, it puts it into the file."""
    key, _ = await fill(file)
    with Server(f"sqlite:///{file}") as server:
        service = Service(server, key, file)
        kept = {f"Note {number}": service.note(f"Note {number}").status_code for number in range(5)}
        file.with_name(f"{file.name}-wal").unlink()
        service.assert_away()
        server.stop()
    assert set(kept.values()) == {200}
    assert notes_in(file).keys() == kept.keys()


async def test_a_file_that_comes_back(file: Path, settings: dict[str, str]) -> None:
    key, _ = await fill(file)
    away = file.with_name("away.db")
    with Server(f"sqlite:///{file}", **settings) as server:
        service = Service(server, key, file)
        with Traffic(server.base, key) as traffic:
            await traffic.more(20)
            move(file, away)
            moved = time.monotonic()
            await traffic.more(20)
            back = time.monotonic()
            move(away, file)
            wait_until(lambda: service.note().status_code == 200)
            returned = time.monotonic()
            await traffic.more(20)
        assert {call.status for call in traffic.calls if moved < call.at and call.at + call.seconds < back} == {503}
        assert {call.status for call in traffic.calls if call.at > returned} == {200}
        assert service.note().status_code == 200
    found = notes_in(file)
    traffic.judge(found, claimed_in(file))


def claimed_in(file: Path) -> set[int]:
    connection = sqlite.connect(str(file))
    rows = connection.execute("SELECT case_id FROM cases WHERE dialer_role = 2").fetchall()
    connection.close()
    return {case_id for (case_id,) in rows}


async def test_another_file_is_served_after_a_restart(file: Path, settings: dict[str, str]) -> None:
    key, _ = await fill(file)
    copy = file.with_name("copy")
    with Server(f"sqlite:///{file}", **settings) as server:
        assert Service(server, key, file).note("Before.").status_code == 200
        backup = [CASEDIAL, "backup", str(copy), "--database-url", f"sqlite:///{file}"]
        await asyncio.to_thread(subprocess.run, backup, check=True, capture_output=True)
        assert Service(server, key, file).note("After.").status_code == 200
    remove(file)
    copy.rename(file)
    with Server(f"sqlite:///{file}", **settings) as server:
        assert Service(server, key, file).note("Anew.").status_code == 200
    assert notes_in(file).keys() == {"Before.", "Anew."}


async def test_the_log_of_the_file_before_destroys_no_copy(file: Path) -> None:
    """A copy is put in the place of a file whose log stays: told to stop or killed, the server leaves it there."""
    key, _ = await fill(file)
    copy = file.with_name("copy")
    with Server(f"sqlite:///{file}") as server:
        service = Service(server, key, file)
        assert service.note("Before.").status_code == 200
        await asyncio.to_thread(casedial, file, "backup", str(copy), check=True)
        assert {service.note(f"After {number}.").status_code for number in range(50)} == {200}
        copy.rename(file)
        server.stop()
    log, index = (file.with_name(file.name + ending) for ending in BESIDE[1:])
    assert log.stat().st_size
    for command in ("doctor", "serve"):
        told = await asyncio.to_thread(casedial, file, command)
        assert told.returncode
        assert "belongs to another database file" in " ".join((told.stdout + told.stderr).split())
    log.unlink()
    index.unlink()
    with Server(f"sqlite:///{file}") as server:
        assert Service(server, key, file).note("Anew.").status_code == 200
    assert notes_in(file).keys() == {"Before.", "Anew."}


def casedial(file: Path, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    command = [CASEDIAL, *arguments, "--database-url", f"sqlite:///{file}"]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB, in memory, where this machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_a_disk_that_is_full_for_a_while(small_disk: Path) -> None:
    file, filling = small_disk / "casedial.db", small_disk / "filling"
    key, _ = await fill(file)
    with Server(f"sqlite:///{file}") as server:
        service = Service(server, key, file)
        assert service.note().status_code == 200
        with contextlib.suppress(OSError), filling.open("wb", buffering=0) as opened:
            while opened.write(bytes(4096)):
                pass
        statuses = [200]
        while statuses[-1] == 200 and len(statuses) < 200:
            statuses.append(service.note("A long note. " * 4000).status_code)
        assert statuses[-1] == 503
        assert_problem(plain.get(f"{server.url}/readyz"), 503, "StorageUnavailable")
        assert service.read().status_code == 200
        filling.unlink()
        assert plain.get(f"{server.url}/readyz").status_code == 200
        assert {service.note().status_code for _ in range(6)} == {200}
        server.until_said("SQLITE_FULL")
    assert sum(notes_in(file).values()) == 6 + statuses.count(200)


async def test_a_disk_that_is_read_only(small_disk: Path) -> None:
    file = small_disk / "casedial.db"
    await fill(file)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    command = [CASEDIAL, "serve", "--port", "0", "--database-url", f"sqlite:///{file}"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"StorageUnavailable: The database cannot be used: {file}: SQLITE_CANTOPEN" in done.stderr
    assert "and its folder must be writable" in done.stderr
    assert "Traceback" not in done.stderr
