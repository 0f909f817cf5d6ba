"""Fixtures: every test that touches the database runs on SQLite and on PostgreSQL, never on one only.

``database_url`` is a migrated, empty database of the test's own; ``store`` opens it; ``office`` is a firm in
it with a key and easy ways to put cases in; ``api`` answers HTTP requests for that firm, in process.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest

from casedial.clock import MovableClock
from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.actors import Actor, ActorKind, operator
from casedial.domain.cases import Case, Note, Phone, StatusChange
from casedial.domain.claims import Claim, Taker, enter, opened
from casedial.domain.firms import Firm
from casedial.domain.rules import Override
from casedial.domain.statuses import Role, StatusType
from casedial.domain.weeks import week
from casedial.service.firms import FirmChange, add_firm, open_firm, set_firm
from casedial.service.keys import add_key
from casedial.service.statuses import add_statuses
from casedial.settings import Settings
from casedial.storage import cases, claims, leases, notes
from casedial.web.app import create_app
from tests.postgres import PostgresServer
from tests.sampling import DAY

ME = operator("somebody")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
DATABASES = ("sqlite", "postgresql")
ZONES = ("UTC", "America/New_York", "America/Chicago")
ALWAYS = Override(week({"daily": "00:00-24:00"}), wider=True, reason="a test")  # with same_day
_numbers = itertools.count()


def pytest_report_header() -> str:
    """Say what repeats a run."""
    return f"what is tried by chance: CASEDIAL_TESTS={DAY}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    os.environ["PATH"] = f"{server.bin}:{os.environ['PATH']}"  # a pg_dump as new as the server
    yield server
    server.stop()


def migrate(url: str) -> None:
    async def work() -> None:
        store = Store(url)
        await schema.migrate(store)
        await store.close()

    asyncio.run(work())


@pytest.fixture(scope="session")
def templates(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A migrated empty database of each kind, to be copied: quicker than to migrate for each test."""
    file = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{file}")
    postgres.execute("CREATE DATABASE template_casedial")
    migrate(postgres.url("template_casedial"))
    return {"sqlite": file, "postgresql": "template_casedial"}


@pytest.fixture
def empty_url(database: str, postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it, not even a schema."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    name = f"empty_{next(_numbers)}"
    postgres.copy("template0", name)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def same_day() -> None:
    """Let midnight pass where it is near, so that the test ends on the day on which it began.

    That is the day of UTC, and of the places of these tests. Who may be called at any hour may not in its last minute.
    """
    now, day = datetime.now(UTC), timedelta(days=1)
    here = [now.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for zone in ZONES]
    left = min(datetime.combine(at.date(), datetime.min.time()) + day - at for at in here)
    if left < timedelta(seconds=90):
        time.sleep(left.total_seconds() + 1)  # for who sleeps goes by another clock


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database_url(database: str, templates: dict[str, Any], postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    if database == "sqlite":
        file = tmp_path / "casedial.db"
        shutil.copy(templates["sqlite"], file)
        yield f"sqlite:///{file}"
        return
    name = f"test_{next(_numbers)}"
    postgres.copy(templates["postgresql"], name)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def clock() -> MovableClock:
    """The clock of ``store`` and of ``http``, which a test may move; left alone it is the machine's."""
    return MovableClock()


@pytest.fixture
async def store(database_url: str, clock: MovableClock) -> AsyncIterator[Store]:
    opened = Store(database_url, clock=clock)
    yield opened
    await opened.close()


def vendor(name: str = "Acme Dialer", key_id: int | None = None) -> Actor:
    """A key of a dialer's vendor, as who does something."""
    return Actor(ActorKind.KEY, name, key_id)


@dataclass
class Office:
    """A firm with one vendor's key, and shortcuts for tests."""

    store: Store
    name: str
    key: str

    async def firm(self) -> Firm:
        """The firm as it is now."""
        async with self.store.read() as tx:
            return await open_firm(tx, self.name)

    async def add(self, case_id: int, **facts: Any) -> Case:
        """Add a case. ``dialer``, ``campaign``, ``attempts`` and ``disposition`` are names of statuses.

        ``{:04}`` in a number stands for the CaseID, so that no two cases share it.
        """
        firm = await self.firm()
        named = {
            StatusType.DIALER: facts.pop("dialer", "To Dial"),
            StatusType.CAMPAIGN: facts.pop("campaign", "Intake follow-up"),
            StatusType.ATTEMPTS: facts.pop("attempts", None),
            StatusType.DISPOSITION: facts.pop("disposition", None),
        }
        facts.setdefault("dial_at", NOW - timedelta(days=365))
        phones = facts.pop("phones", (Phone("Cell", "402555{:04}", True, True),))
        facts["phones"] = tuple(phone._replace(number=phone.number.format(case_id % 10000)) for phone in phones)
        statuses = {kind: firm.statuses.named(kind, name) for kind, name in named.items() if name}
        case = Case(case_id=case_id, statuses=statuses, **facts)
        if case.role is Role.IN_THE_DIALER:
            assert case.dial_at
            case = replace(case, hold=enter(firm, case, Taker(uuid4(), datetime.now(UTC)), case.dial_at))
        async with self.store.write() as tx:
            await cases.add(tx, firm, [case])
            held_by = opened(None, case, vendor(), NOW)
            await claims.add(tx, firm, [held_by] if held_by else [])
        return case

    async def claim(self, claim_id: UUID) -> Claim:
        """A claim as it was recorded."""
        firm = await self.firm()
        async with self.store.read() as tx:
            return (await leases.find(tx, firm, [claim_id]))[claim_id]

    async def set(self, **settings: Any) -> None:
        """Change the firm's settings."""
        async with self.store.write() as tx:
            await set_firm(tx, await open_firm(tx, self.name, lock=True), FirmChange(**settings))

    async def case(self, case_id: int) -> Case:
        """A case as it is now."""
        firm = await self.firm()
        async with self.store.read() as tx:
            case = await cases.fetch(tx, firm, case_id)
        assert case is not None
        return case

    async def role(self, case_id: int) -> Role | None:
        return (await self.case(case_id)).role

    async def changes(self, case_id: int) -> list[StatusChange]:
        """A case's history, oldest first."""
        firm = await self.firm()
        async with self.store.read() as tx:
            return (await cases.history(tx, firm, [case_id]))[case_id]

    async def history(self, case_id: int) -> list[tuple[str, str | None, str]]:
        """A case's history as (type, status, by), oldest first."""
        recorded = await self.changes(case_id)
        return [(c.type.label, c.status.name if c.status else None, c.changed_by) for c in recorded]

    async def notes(self, case_id: int) -> list[Note]:
        firm = await self.firm()
        async with self.store.read() as tx:
            return await notes.of_cases(tx, firm, [case_id])


async def make_office(store: Store, name: str = "Lex & Partners", zone: str = "America/Chicago") -> Office:
    async with store.write() as tx:
        firm = await add_firm(tx, name, zone, NOW)
        await add_statuses(tx, firm, [(StatusType.CAMPAIGN, c) for c in ("Intake follow-up", "Notification campaign")])
        key = await add_key(tx, firm, "Acme Dialer", NOW)
    return Office(store, name, key.key)


@pytest.fixture
async def office(store: Store) -> Office:
    return await make_office(store)


@pytest.fixture
async def other_office(store: Store) -> Office:
    """Another firm in the same database."""
    return await make_office(store, "Other & Sons", "America/Los_Angeles")


@dataclass
class Api:
    """Calls the methods with a key."""

    http: httpx.AsyncClient
    key: str
    base: str = "/PredictiveDialer"

    async def get(self, method: str, headers: dict[str, str] | None = None, **parameters: Any) -> httpx.Response:
        headers = {"X-ApiKey": self.key, **(headers or {})}
        return await self.http.get(f"{self.base}/{method}", params=parameters, headers=headers)

    async def post(
        self, method: str, json: Any = None, headers: dict[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        headers = {"X-ApiKey": self.key, **(headers or {})}
        if json is not None:
            rest["json"] = json
        return await self.http.post(f"{self.base}/{method}", headers=headers, **rest)


@pytest.fixture
async def http(database_url: str, clock: MovableClock) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(database_url=database_url, log_level="error"), clock)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://casedial.test") as client:
        yield client
    await app.close()


@pytest.fixture
def api(http: httpx.AsyncClient, office: Office) -> Api:
    return Api(http, office.key)


def assert_problem(reply: httpx.Response, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """Check that a reply is a whole problem document with this status and code, naming this field."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["request_id"] == reply.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= set(body)
    if pointer:
        assert pointer in [bad["pointer"] for bad in body["errors"]], body
    return body
