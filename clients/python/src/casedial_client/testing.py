"""A pytest plugin: the fixture ``casedial_sandbox`` is a casedial server whose clock and faults a test commands.

It needs the command ``casedial``, which the server's distribution brings. Each process of pytest starts one sandbox,
and each test gets it as new. The dialer under test may be in any language: give it ``environment``, or address and key.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec
import pytest
from msgspec import Struct

_MISSING = (
    "casedial_sandbox needs the command casedial, which is not installed here. Install the server's distribution "
    "(pip install casedial), in this environment or in one of its own, and say where the command is: "
    "CASEDIAL_COMMAND=/path/to/bin/casedial"
)


class SandboxCall(Struct, frozen=True):
    """A call that the sandbox answered, whether the answer arrived or not.

    ``cases`` were returned or changed, ``failed`` has the code of each that was not. ``repeated``: it had the
    Idempotency-Key of an earlier call, and got that one's reply. ``fault`` is what was done to it.
    """

    number: int
    at: datetime
    verb: str
    method: str
    status: int
    code: str | None
    cases: tuple[int, ...]
    failed: dict[str, str]
    claim_id: str | None
    request_id: str | None
    idempotency_key: str | None
    repeated: bool
    fault: str | None


class StatusChange(Struct, frozen=True):
    """A line of a case's history. ``type`` is such as "Last Dialer Disposition"; ``by`` is a vendor, or casedial."""

    at: datetime
    type: str
    status: str | None
    by: str
    reason: str | None


class Note(Struct, frozen=True):
    """A note on a case."""

    at: datetime
    author: str
    note: str


class SandboxCase(Struct, frozen=True):
    """A case as the firm sees it: what dialers made of it. ``statuses`` are by their types."""

    case_id: int
    statuses: dict[str, str]
    dial_at: datetime | None
    claim_id: str | None
    history: tuple[StatusChange, ...]
    notes: tuple[Note, ...]

    def results(self) -> list[str]:
        """Return the dispositions that were reported, the oldest first: of each report that arrived one."""
        return [row.status or "" for row in self.history if row.type == "Last Dialer Disposition"]


class SandboxClock:
    """The server's clock. Whoever moves it gets the reply when all that is due by then was done."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @property
    def now(self) -> datetime:
        """Return what it shows."""
        return self._told("GET")

    def move(self, span: timedelta) -> datetime:
        """Set it on by a span of time; return what it shows then."""
        return self._told("POST", {"move_by": span.total_seconds()})

    def set(self, moment: datetime) -> datetime:
        """Set it to a time, which needs a zone."""
        return self._told("POST", {"set_to": moment.isoformat()})

    def freeze(self) -> datetime:
        """Stop it."""
        return self._told("POST", {"frozen": True})

    def run(self) -> datetime:
        """Have it run on."""
        return self._told("POST", {"frozen": False})

    def _told(self, verb: str, asked: dict[str, Any] | None = None) -> datetime:
        return msgspec.convert(self._sandbox.ask(verb, "/clock", asked)["now"], datetime)


class SandboxFaults:
    """What goes wrong with the next ``calls``, of one ``method`` or of any. Each call meets one fault at most."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def delay(self, seconds: float, calls: int = 1, method: str | None = None) -> None:
        """Begin calls so many seconds late."""
        self._add("delay", calls, method, seconds=seconds)

    def cut(self, bytes: int = 0, calls: int = 1, method: str | None = None) -> None:
        """Do the calls; of each reply only so many bytes arrive, its head included."""
        self._add("cut", calls, method, bytes=bytes)

    def reset_before(self, calls: int = 1, method: str | None = None) -> None:
        """Reset the connection; the calls are not done."""
        self._add("reset before", calls, method)

    def reset_after(self, calls: int = 1, method: str | None = None) -> None:
        """Do the calls, and reset the connection instead of a reply."""
        self._add("reset after", calls, method)

    def limit(self, retry_after: int = 1, calls: int = 1, method: str | None = None) -> None:
        """Refuse calls with 429, RateLimited."""
        self._add("429", calls, method, retry_after=retry_after)

    def be_away(self, calls: int = 1, method: str | None = None) -> None:
        """Refuse calls with 503, StorageUnavailable."""
        self._add("503", calls, method)

    def clear(self) -> None:
        """Have nothing go wrong any more."""
        self._sandbox.ask("DELETE", "/faults")

    def waiting(self) -> list[dict[str, Any]]:
        """Return the faults that no call has met yet."""
        found: list[dict[str, Any]] = self._sandbox.ask("GET", "/faults")["faults"]
        return found

    def _add(self, fault: str, calls: int, method: str | None, **more: float) -> None:
        asked = {"fault": fault, "calls": calls, **more}
        self._sandbox.ask("POST", "/faults", asked | ({"method": method} if method else {}))


class Sandbox:
    """A casedial server for tests. ``address`` and ``key`` are what a dialer needs.

    ``keys`` has others by their names: of another vendor, one that has expired, and so on.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.url: str = about["url"]
        self.address: str = about["base"]
        self.key: str = about["key"]
        self.keys: dict[str, str] = about["keys"]
        self.firm: str = about["firm"]
        self.clock, self.faults = SandboxClock(self), SandboxFaults(self)
        self._sandbox_key: str = about["sandbox_key"]
        own = {"X-Sandbox-Key": self._sandbox_key}
        self._http = httpx.Client(base_url=about["sandbox"], headers=own, timeout=60, trust_env=False)

    def __repr__(self) -> str:
        return f"<casedial sandbox at {self.address}>"

    @property
    def environment(self) -> dict[str, str]:
        """Return this process's environment with what a dialer needs: CASEDIAL_URL and CASEDIAL_KEY.

        CASEDIAL_SANDBOX and CASEDIAL_SANDBOX_KEY are for one that commands the sandbox itself.
        """
        own = {"CASEDIAL_SANDBOX": f"{self.url}/sandbox", "CASEDIAL_SANDBOX_KEY": self._sandbox_key}
        return {**os.environ, "CASEDIAL_URL": self.address, "CASEDIAL_KEY": self.key, **own}

    def reset(self, scenario: str = "wire") -> None:
        """Begin anew with a scenario: its cases, no calls, no faults, the present time if it has none of its own."""
        self.ask("POST", "/reset", {"scenario": scenario})

    def calls(self, method: str | None = None) -> list[SandboxCall]:
        """Return the calls since the beginning, in order, of one method or of all."""
        found = self.ask("GET", f"/calls?method={method}" if method else "/calls")["calls"]
        return msgspec.convert(found, list[SandboxCall])

    def case(self, case_id: int) -> SandboxCase:
        """Return a case as the firm sees it."""
        return msgspec.convert(self.ask("GET", f"/cases/{case_id}"), SandboxCase)

    def ask(self, verb: str, path: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something at /sandbox. Raises RuntimeError with what the sandbox says is wrong."""
        reply = self._http.request(verb, path, content=json.dumps(asked) if asked is not None else None)
        document: dict[str, Any] = reply.json()
        if reply.is_error:
            raise RuntimeError(f"The sandbox refused {verb} {path}: {document['detail']}")
        return document

    def close(self) -> None:
        """Close the connection to it."""
        self._http.close()


def find_command() -> list[str] | None:
    """Return the command ``casedial``: the one CASEDIAL_COMMAND names, one beside this Python, or on the path."""
    named = os.environ.get("CASEDIAL_COMMAND")
    if named:
        return shlex.split(named)
    beside = Path(sys.executable).parent / "casedial"
    found = str(beside) if beside.exists() else shutil.which("casedial")
    return [found] if found else None


@pytest.fixture(scope="session")
def casedial_sandbox_server() -> Iterator[Sandbox]:
    """Run the sandbox that the tests of this process share, one after the other."""
    command = find_command()
    if command is None:
        pytest.fail(_MISSING, pytrace=False)
    with tempfile.TemporaryFile("w+") as errors:
        process = _start(command, errors)
        try:
            sandbox = Sandbox(_about(process, command, errors))
            yield sandbox
            sandbox.close()
        finally:
            process.terminate()
            process.communicate()


def _start(command: list[str], errors: IO[str]) -> subprocess.Popen[str]:
    arguments = [*command, "sandbox", "--json", "--with-parent"]
    try:
        return subprocess.Popen(  # noqa: S603
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    except OSError as error:
        pytest.fail(f"{shlex.join(command)} cannot be run: {error.strerror}. {_MISSING}", pytrace=False)


def _about(process: subprocess.Popen[str], command: list[str], errors: IO[str]) -> dict[str, Any]:
    """Return what the sandbox says of itself when it has started."""
    line = process.stdout.readline() if process.stdout else ""
    try:
        about: dict[str, Any] = json.loads(line)
        about["sandbox"]
    except (ValueError, KeyError):
        process.kill()
        process.wait()
        errors.seek(0)
        said = errors.read().strip() or line.strip() or "it said nothing"
        pytest.fail(f"{shlex.join(command)} sandbox did not start: {said}", pytrace=False)
    return about


@pytest.fixture
def casedial_sandbox(casedial_sandbox_server: Sandbox) -> Sandbox:
    """Return a casedial server for one test, with the scenario "wire"; ``reset`` brings another."""
    casedial_sandbox_server.reset()
    return casedial_sandbox_server
