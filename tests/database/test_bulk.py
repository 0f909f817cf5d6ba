"""Rows that are added many at once are the very rows that a plain INSERT makes."""

from __future__ import annotations

import asyncio
import threading
import time
from io import StringIO
from statistics import median
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database import bulk, sqlite
from casedial.database.engine import TURN_SECONDS, Store, Transaction
from casedial.domain.cases import Case, Phone
from casedial.domain.errors import StorageUnavailable
from casedial.domain.importing import CaseRow
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, Draft, ImportOptions, import_rows
from casedial.service.operations.imports import draft
from casedial.service.statuses import add_statuses
from casedial.storage import cases
from casedial.wire import files
from tests.conftest import NOW, Office

HEADER = (
    "CaseID,CaseStatus,CaseGroup,Closed,ZipCode,Plaintiff,Campaign,DialerStatus,DialDateTime,Attempts,Disposition,"
    "Phone1Name,Phone1,Phone1Primary,Phone1Text,Phone2Name,Phone2\n"
)
ROWS = [
    "LIT 03,Auto,2026-05-06,07030,Ann \u00e9 Lee,intake FOLLOW-UP,To Dial,2026-12-01T09:00:00,01,no answer,"
    "Cell,4025550123,1,1,,",
    ",,,,,,,,,,,,,,,",
    "LIT,Stra\u00dfe,yes,68046,Bob,,Do not Dial,,,,Home,(402) 555-0123,,,Cell,4025550123",
    "LIT,Auto,no,68046,Cy,,,2026-12-01T09:00:00.25,3,,,,,,Fax,402-555-0199",
    "LIT,Auto,no,68046,Di,Intake follow-up,to dial,,20,Busy,,555-0123,true,,Work,+44 20 7946 0958",
]


def some_rows(office_zone: Any, number: int = 300) -> list[CaseRow]:
    text = HEADER + "".join(f"{n},{ROWS[n % len(ROWS)]}\n" for n in range(1, number + 1))
    rows = [entry.row for entry in files.read_csv(StringIO(text), files.Dates(office_zone)).rows]
    assert all(isinstance(row, CaseRow) for row in rows)
    return rows  # type: ignore[return-value]


async def taken(store: Store) -> dict[str, list[Any]]:
    """All that is stored of cases, as the database has it; then it is gone."""
    found = {}
    async with store.write() as tx:
        for table in ("phone_numbers", "status_history", "cases"):
            result = await tx.execute(sa.text(f"SELECT * FROM {table} WHERE firm_id > 0"))  # no end of SQLite's history
            rows = [{**row._mapping, "id": None} for row in result]  # the number of a row of history is its own
            found[table] = sorted(map(repr, rows))
            await tx.execute(sa.text(f"DELETE FROM {table}"))
    return found


async def bring(office: Office, rows: list[CaseRow], drafted: Draft | None = None) -> BatchReport:
    return await office.store.transact(lambda tx: import_rows(tx, office.name, rows, ImportOptions(), NOW, drafted))


async def test_all_ways_write_the_same(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = await office.firm()
    rows = some_rows(firm.zone)
    with monkeypatch.context() as patched:
        patched.setattr(bulk, "_FEW", 10_000)
        patched.setattr("casedial.service.imports.NewCases.make", lambda *_: None)
        assert (await bring(office, rows)).added == 300
        general = await taken(office.store)
    assert (await bring(office, rows)).added == 300
    assert await taken(office.store) == general
    drafted = draft(office.store, firm, rows, NOW)
    assert drafted
    assert (await bring(office, rows, drafted)).added == 300
    assert await taken(office.store) == general
    assert len(general["cases"]) == 300
    assert len(general["status_history"]) > 300


async def test_history_is_in_the_order_of_rows_and_of_status_types(office: Office) -> None:
    firm = await office.firm()
    rows = some_rows(firm.zone)[::-1]
    await bring(office, rows, draft(office.store, firm, rows, NOW))
    async with office.store.read() as tx:
        result = await tx.execute(sa.text("SELECT case_id, type FROM status_history ORDER BY id"))
        found = [tuple(row) for row in result]
        assert await cases.history(tx, firm, [3]) != {3: []}
    assert found == sorted(found, key=lambda pair: (-pair[0], pair[1]))


async def test_a_draft_is_dropped_where_it_does_not_hold(office: Office) -> None:
    firm = await office.firm()
    rows = some_rows(firm.zone)
    drafted = draft(office.store, firm, rows, NOW)
    await office.add(7)
    report = await bring(office, rows, drafted)
    assert (report.added, report.updated) == (299, 1)
    await taken(office.store)
    async with office.store.write() as tx:
        changed = await open_firm(tx, office.name, lock=True)
        await add_statuses(tx, changed, [(StatusType.CAMPAIGN, "Spring")])
    assert drafted
    assert not drafted.holds_for(await office.firm())
    assert (await bring(office, rows, drafted)).added == 300


async def test_no_draft_is_made_where_a_row_wants_a_closer_look(office: Office) -> None:
    firm = await office.firm()
    rows = some_rows(firm.zone)
    assert draft(office.store, firm, [*rows, rows[0]], NOW) is None
    for name in ("In the Dialer", "Nowhere"):
        odd = CaseRow(9999, statuses={StatusType.DIALER: name})
        assert draft(office.store, firm, [*rows, odd], NOW) is None


async def test_what_is_added_first_in_a_transaction_is_rolled_back_with_it(office: Office) -> None:
    firm = await office.firm()
    added = [Case(n, phones=(Phone("Cell", "4025550123"),)) for n in range(1, 101)]

    async def work(tx: Transaction) -> None:
        await cases.add(tx, firm, added)
        raise KeyError

    with pytest.raises(KeyError):
        await office.store.transact(work)
    async with office.store.read() as tx:
        assert await cases.fetch(tx, firm, 1) is None


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_connection_that_is_lost_meanwhile(office: Office) -> None:
    firm = await office.firm()

    async def work(tx: Transaction) -> None:
        ours = (await tx.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
        async with office.store.write() as other:
            await other.execute(sa.text(f"SELECT pg_terminate_backend({ours})"))
        await cases.add(tx, firm, [Case(n) for n in range(1, 101)])

    with pytest.raises(StorageUnavailable):
        await office.store.transact(work)
    async with office.store.read() as tx:
        assert await cases.fetch(tx, firm, 1) is None


@pytest.mark.parametrize("database", ["sqlite"])
async def test_sqlite_gets_its_turn_between_large_writes(office: Office) -> None:
    path = office.store.path
    assert path
    end = threading.Event()

    def hog() -> None:
        connection = sqlite._connect(path)
        while not end.is_set():
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(0.3)
            connection.execute("COMMIT")
            time.sleep(TURN_SECONDS * 1.5)
        connection.close()

    working, took = asyncio.create_task(asyncio.to_thread(hog)), []
    try:
        for n in range(1, 6):
            await asyncio.sleep(0.05)
            start = time.monotonic()
            await office.add(n)
            took.append(time.monotonic() - start)
    finally:
        end.set()
        await working
    assert median(took) < 2  # of the ten seconds after which who waits gives up
