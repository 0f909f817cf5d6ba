"""What the client is tested against: real servers, with the fixtures of the server's own tests, on SQLite.

The client sees no difference between the databases; ``test_claim.py`` looks at both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.conftest import Office, clock, database_url, office, other_office, postgres, store, templates  # noqa: F401
from tests.servers import Server
from tests.waiting import PATIENCE

from casedial.domain.cases import Phone
from casedial.domain.importing import CaseRow
from casedial.domain.statuses import StatusType
from casedial.service.imports import ImportOptions, import_rows
from casedial_client import Client


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture
def server(database_url: str) -> Iterator[Server]:  # noqa: F811
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as running:
        yield running


@pytest.fixture
async def client(server: Server, office: Office) -> AsyncIterator[Client]:  # noqa: F811
    with Client(server.base, key=office.key) as opened:
        yield opened


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block waits at its end for deliveries for as long as a machine may stall."""
    monkeypatch.setattr("casedial_client.claim.CLOSE_SECONDS", PATIENCE)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims are extended a second after they were made, however long they are."""
    monkeypatch.setattr("casedial_client.courier._EXTEND_AFTER", 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The outbox."""
    return tmp_path / "results.db"


async def fill(office: Office, count: int) -> None:  # noqa: F811
    """Put so many cases on the list that are due."""

    def row(case_id: int) -> CaseRow:
        statuses = {StatusType.DIALER: "To Dial", StatusType.CAMPAIGN: "Intake follow-up", StatusType.ATTEMPTS: "0"}
        phones = (Phone("Cell", f"402{5550000 + case_id:07}", primary=True),)
        due = datetime(2020, 1, 1, tzinfo=UTC)
        return CaseRow(case_id=case_id, statuses=statuses, brings_dial_at=True, dial_at=due, phones=phones)

    for start in range(1, count + 1, 500):
        rows = [row(case_id) for case_id in range(start, min(start + 500, count + 1))]
        async with office.store.write() as tx:
            await import_rows(tx, office.name, rows, ImportOptions(), datetime.now(UTC))
