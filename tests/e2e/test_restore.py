"""The restore of run-in-production.md, rehearsed with the page's own files and commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.domain.actors import CASEDIAL as BY_ITSELF
from casedial.domain.reasons import RAN_OUT
from casedial.domain.statuses import Role
from tests.postgres import PostgresServer
from tests.production import HOW_TO, PAGE, blocks, files, section, started_by
from tests.servers import CASEDIAL, Server, connected, plain
from tests.waiting import PATIENCE, wait_until

FIRM = "Lex & Partners"
CASES = 400
HELD = 6
CLAIM = {"Auto-change": True, "Records": HELD}


class Machine:
    """A folder in which everything stands as the page says, and a database server."""

    def __init__(self, root: Path, postgres: PostgresServer, database: str) -> None:
        self.root, self.postgres, self.database = root, postgres, database
        self.port = 0
        self.backups = root / "var/backups/casedial"
        for folder in ("var/lib", "var/backups", "etc", "bin"):
            (root / folder).mkdir(parents=True)
        self.paste("\n".join(re.findall(r"^install -d .*$", section(PAGE, "## Install"), re.MULTILINE)))
        self._write("/etc/casedial/env", 0o640)
        self._write("/usr/local/bin/casedial", 0o755)
        if database == "sqlite":
            env = root / "etc/casedial/env"
            [url] = re.findall(r"`(sqlite:////var/lib/[^`]+)`", section(PAGE, "## The database"))
            env.write_text(re.sub("(?<=_URL=).*", f"'{self.local(url)}'", env.read_text()))
        else:
            for page in ((HOW_TO / "postgresql.md").read_text(), PAGE):
                for statement in ";".join(blocks(page, "sql")).split(";"):
                    if statement.strip():
                        postgres.execute(statement)
        self.url = re.findall(r"_URL='(.*)'", (root / "etc/casedial/env").read_text())[0]

    def local(self, text: str) -> str:
        """What the page says, with this machine's paths, users and addresses."""
        for named, here in (
            ("/opt/casedial/bin/casedial", str(CASEDIAL)),
            ("/var/lib/casedial", f"{self.root}/var/lib/casedial"),
            ("/var/backups/casedial", f"{self.root}/var/backups/casedial"),
            ("/etc/casedial", f"{self.root}/etc/casedial"),
            ("runuser -u casedial -- ", ""),
            ("127.0.0.1:8000", f"127.0.0.1:{self.port}"),
            ("db.example", f"127.0.0.1:{self.postgres.port}"),
        ):
            text = text.replace(named, here)
        return re.sub(r"-o \w+ -g casedial", "-o $(id -un) -g $(id -gn)", text)

    def _write(self, path: str, mode: int) -> None:
        target = self.root / ("bin/casedial" if path.startswith("/usr") else path[1:])
        target.write_text(self.local(files()[path]))
        target.chmod(mode)

    def paste(self, script: str, **more: str) -> str:
        """Run lines of the page; return what they print."""
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}", **more}
        environment.pop("CASEDIAL_DATABASE_URL", None)
        script = self.local(script)
        done = subprocess.run(
            ["bash", "-eu", "-c", script], env=environment, cwd="/", capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def casedial(self, *words: str) -> Any:
        """Run a command as the page has it run; return its document."""
        quoted = " ".join(f"'{word}'" for word in words)
        return json.loads(self.paste(f"runuser -u casedial -- casedial {quoted} --json"))

    def serve(self) -> Server:
        """What systemctl start does."""
        server = Server(self.url, "--workers", "2", command=(f"{self.root}/bin/casedial", "serve"))
        self.port = server.port
        return server

    def back_up(self) -> Path:
        """What the timer does; copies that are too old go."""
        old, young = self.backups / "casedial-20200101T021500Z", self.backups / "casedial-20200102T021500Z"
        old.touch()
        young.touch()
        os.utime(old, (time.time() - 31.5 * 86400,) * 2)
        for command in started_by("casedial-backup.service"):
            environment = {**os.environ, "CASEDIAL_DATABASE_URL": self.url}
            subprocess.run([self.local(word) for word in command], env=environment, check=True, timeout=300)
        assert not old.exists()
        young.unlink()
        [copy] = self.backups.iterdir()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        return copy

    def lose(self, how: str) -> None:
        """The data is gone, or there and of no use."""
        home = self.root / "var/lib/casedial"
        if self.database == "sqlite":
            assert (home / "casedial.db-wal").exists()  # what was written last, and what must not meet the copy
            if how == "gone":
                self.paste("rm -r /var/lib/casedial/* ")
            else:
                with (home / "casedial.db").open("r+b") as file:
                    file.write(b"\0" * 5000)
            return
        still_there, admin = "SELECT 1 FROM pg_stat_activity WHERE usename = 'casedial'", self.postgres.url("postgres")
        wait_until(lambda: not self.read(still_there, admin))
        if how == "gone":
            self.postgres.execute("DROP DATABASE casedial")
        else:
            self.read("DROP TABLE cases, notes, phone_numbers CASCADE")

    def restore(self, copy: Path, how: str) -> Iterator[str]:
        """Run the page's restore; yield "start" where it has the service started, before what comes after."""
        database = "### SQLite" if self.database == "sqlite" else "### PostgreSQL"
        [naming] = blocks(section(PAGE, "## Restore").partition("###")[0])
        pasted = blocks(section(PAGE, database))
        if self.database == "postgresql" and how == "gone":
            pasted = pasted[1:]  # the first puts aside what is still there
        before, started, after = "".join(pasted).partition("systemctl start casedial\n")
        assert started
        assert "systemctl" not in before.replace("systemctl stop casedial\n", "")
        self.paste(re.sub(r"(?<=/)casedial-\d\S+", copy.name, naming) + before.replace("systemctl stop casedial\n", ""))
        yield "start"
        self.paste(after)

    def read(self, query: str, url: str | None = None) -> list[Any]:
        """Ask the database itself, past casedial."""

        async def work() -> list[Any]:
            store = Store(url or self.url)
            async with store.write() as tx:
                result = await tx.execute(sa.text(query))
                rows = list(result.all())
            await store.close()
            await asyncio.sleep(0.05)  # a thread of the driver's has yet to end
            return rows

        return asyncio.run(work())


@dataclass
class Written:
    """A note that was answered: by what request, and when."""

    number: int
    began: float
    ended: float

    def request(self) -> dict[str, Any]:
        """How to send it, also again."""
        body = {"CaseID": 1 + self.number % CASES, "Note": f"note {self.number}"}
        return {"json": body, "headers": {"Idempotency-Key": f"note-{self.number}"}}


class Dialer(threading.Thread):
    """Claims, reports and writes notes until the server is gone."""

    def __init__(self, base: str, key: str) -> None:
        super().__init__(daemon=True)
        self.http = connected(base_url=f"{base}/", headers={"X-ApiKey": key})
        self.written: list[Written] = []
        self.reported = 0

    def run(self) -> None:
        with self.http:
            for number in range(1, 100_000):
                note = Written(number, time.monotonic(), 0)
                try:
                    self._work(note)
                except httpx.TransportError:
                    return
                note.ended = time.monotonic()
                self.written.append(note)

    def write_more(self) -> None:
        """Wait until it has written some more notes."""
        wanted = len(self.written) + 10
        wait_until(lambda: len(self.written) >= wanted)

    def _work(self, note: Written) -> None:
        assert self.http.post("AddCaseNote", **note.request()).status_code == 200
        if note.number % 5 == 0:
            claimed = self.http.post(
                "GetCasesToDial", json={"Auto-change": True, "Records": 1, "CaseGroup": "Rest"}
            ).json()
            for case in claimed:
                report = {"CaseID": case["CaseID"], "Status": "Do not Dial", "Attempts": 1, "Disposition": "Successful"}
                assert self.http.post("UpdateCaseStatus", json=report).status_code == 200
                self.reported += 1


@pytest.fixture(params=("gone", "damaged"))
def loss(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machine(tmp_path: Path, postgres: PostgresServer, database: str) -> Iterator[Machine]:
    yield Machine(tmp_path, postgres, database)
    if database == "postgresql":
        for name in ("casedial", "casedial_aside"):
            postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        postgres.execute("DROP ROLE casedial")


def fill(machine: Machine) -> str:
    """A firm with cases that are due; return a key."""
    machine.paste("runuser -u casedial -- casedial migrate")
    machine.casedial("firm", "add", FIRM, "--time-zone", "America/Chicago")
    rows = [
        f"{n},{'Held' if n <= HELD else 'Rest'},To Dial,2020-01-01T{n // 60:02}:{n % 60:02}:00"
        for n in range(1, CASES + 1)
    ]
    (machine.root / "cases.csv").write_text("\n".join(["CaseID,CaseGroup,DialerStatus,DialDateTime", *rows]))
    machine.casedial("cases", "import", str(machine.root / "cases.csv"), "--firm", FIRM)
    return str(machine.casedial("key", "add", "--firm", FIRM, "--vendor", "Acme Dialer")["key"])


def roles(machine: Machine) -> dict[int, tuple[Any, ...]]:
    rows = machine.read(
        "SELECT case_id, dialer_role, claim_id IS NOT NULL, answered_at IS NOT NULL FROM cases WHERE case_id <= 6"
    )
    return {row[0]: (Role(row[1]), bool(row[2]), bool(row[3])) for row in rows}


def check_whole(machine: Machine) -> None:
    """The database itself finds nothing wrong, and all of it is casedial's."""
    if machine.database == "sqlite":
        assert machine.read("PRAGMA integrity_check") == [("ok",)]
        assert machine.read("PRAGMA foreign_key_check") == []
        assert stat.S_IMODE(Path(machine.url.removeprefix("sqlite:///")).stat().st_mode) == 0o600
    else:
        ours = "WHERE schemaname = 'public'"
        assert machine.read(f"SELECT DISTINCT tableowner FROM pg_tables {ours}") == [("casedial",)]
        assert machine.read("SELECT 1 FROM pg_constraint WHERE NOT convalidated") == []
        assert machine.read("SELECT 1 FROM pg_index WHERE NOT indisvalid") == []
        assert machine.read("SHOW idle_in_transaction_session_timeout") == [("1min",)]
    assert machine.read("SELECT count(*) FROM cases") == [(CASES,)]
    assert machine.read("SELECT 1 FROM cases WHERE (dialer_role = 2) <> (claim_id IS NOT NULL)") == []


def notes(machine: Machine) -> list[str]:
    return [text for (text,) in machine.read("SELECT text FROM notes")]


def test_a_restore_as_the_page_has_it(machine: Machine, loss: str) -> None:
    key = fill(machine)
    revoked = machine.casedial("key", "add", "--firm", FIRM, "--vendor", "Beta Dialer")
    headers = {"X-ApiKey": key}

    with machine.serve() as server:
        dialer = Dialer(server.base, key)
        dialer.start()
        dialer.write_more()
        claim = plain.post(f"{server.base}/GetCasesToDial", json={**CLAIM, "CaseGroup": "Held"}, headers=headers)
        assert [case["CaseID"] for case in claim.json()] == list(range(1, HELD + 1))
        answered = plain.post(
            f"{server.base}/UpdateCaseStatus", json={"CaseID": 1, "Disposition": "No Answer"}, headers=headers
        )
        assert answered.status_code == 200
        began = time.monotonic()
        copy = machine.back_up()
        ended = time.monotonic()
        dialer.write_more()
        machine.casedial("key", "revoke", str(revoked["id"]))
        later = machine.casedial("key", "add", "--firm", FIRM, "--vendor", "Gamma Dialer")
        late = plain.post(f"{server.base}/GetCasesToDial", json={**CLAIM, "CaseGroup": "Rest"}, headers=headers)
        assert dialer.is_alive()
        os.killpg(server.process.pid, signal.SIGKILL)
        dialer.join(PATIENCE)
        assert not dialer.is_alive()
    before = [note for note in dialer.written if note.ended <= began]
    after = [note for note in dialer.written if note.began >= ended]
    assert len(before) > 5
    assert len(after) > 5
    assert dialer.reported > 1

    machine.lose(loss)
    steps = machine.restore(copy, loss)
    next(steps)
    assert roles(machine) == {n: (Role.IN_THE_DIALER, True, n == 1) for n in range(1, HELD + 1)}
    with machine.serve() as server:
        assert list(steps) == []
        check_whole(machine)
        kept = notes(machine)
        assert {f"note {note.number}" for note in before} <= set(kept)
        assert {f"note {note.number}" for note in after}.isdisjoint(kept)
        check_claims_run_out(machine, server, key)

        def status(key: str, method: str, **request: Any) -> tuple[int, str | None]:
            request.setdefault("headers", {})["X-ApiKey"] = key
            reply = plain.post(f"{server.base}/{method}", **request)
            return reply.status_code, reply.json().get("code")

        assert status(key, "GetCaseInfo", json={"CaseID": 2}) == (200, None)
        assert status(later["key"], "GetCaseInfo", json={"CaseID": 2}) == (401, "KeyUnknown")
        assert status(revoked["key"], "GetCaseInfo", json={"CaseID": 2}) == (200, None)  # as backup.md warns
        for lost in (claim, late):
            report = {"CaseID": lost.json()[-1]["CaseID"], "Status": "Do not Dial"}
            named = {"X-Claim-Id": lost.headers["X-Claim-Id"]}
            assert status(key, "UpdateCaseStatus", json=report, headers=named) == (409, "ClaimLost")
        for note in (before[0], after[-1]):  # applied once, whether the restore brought the first reply back or not
            assert status(key, "AddCaseNote", **note.request()) == (200, None)
            assert notes(machine).count(f"note {note.number}") == 1
    if loss == "damaged":
        check_put_aside(machine)


def check_claims_run_out(machine: Machine, server: Server, key: str) -> None:
    """What was claimed at the time of the backup goes back by itself, at its old time; the answered case stays."""
    machine.read("UPDATE cases SET held_until = changed_at WHERE held_until IS NOT NULL")  # its time has passed
    machine.read("UPDATE claims SET check_at = created_at")
    wait_until(lambda: [role for role, _, _ in roles(machine).values()].count(Role.IN_THE_DIALER) == 1)
    to_dial = dict.fromkeys(range(2, HELD + 1), (Role.TO_DIAL, False, False))
    assert roles(machine) == {1: (Role.IN_THE_DIALER, True, True), **to_dial}
    due = plain.post(f"{server.base}/GetCasesToDial", json={"CaseGroup": "Held"}, headers={"X-ApiKey": key}).json()
    assert [(case["CaseID"], case["DialDateTime"]) for case in due] == [
        (n, f"2020-01-01T00:{n:02}:00") for n in range(2, HELD + 1)
    ]
    by = machine.read(
        "SELECT case_id, changed_by, reason FROM status_history WHERE case_id <= 6 AND reason IS NOT NULL"
    )
    assert sorted(by) == [(n, BY_ITSELF.name, RAN_OUT.text) for n in range(2, HELD + 1)]


def check_put_aside(machine: Machine) -> None:
    """Nothing that was there is overwritten."""
    if Store(machine.url).dialect.name == "sqlite":
        [aside] = (machine.root / "var/lib/casedial").glob("aside-*")
        assert {"casedial.db", "casedial.db-wal"} <= {file.name for file in aside.iterdir()}
    else:
        machine.postgres.execute("DROP DATABASE casedial_aside")  # fails where there is none
