"""Rows that make no sense, as commands meet them: they are named, all others are done, and no traceback ends it."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases, firms, keys, metadata
from casedial.domain.errors import StorageUnavailable
from casedial.domain.statuses import Role
from casedial.service.operations import doctor
from tests.cli.test_commands import Casedial
from tests.conftest import ME, Office
from tests.sampling import some


async def spoil(office: Office, table: sa.Table, which: sa.ColumnElement[bool], **values: object) -> None:
    """Write what no casedial writes."""
    async with office.store.write() as tx:
        await tx.execute(table.update().where(which).values(values))


async def three_of_which_two_are_bad(office: Office) -> None:
    """Of 1 the phones are no list, of 3 the status is none: at the beginning and at the end of a page."""
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await spoil(office, cases, cases.c.case_id == 1, phones={"a": 1})
    await spoil(office, cases, cases.c.case_id == 3, campaign_id=999_999)


@pytest.mark.parametrize("name", ["cases.csv", "cases.jsonl"])
async def test_an_export_names_the_cases_that_it_leaves_out(
    casedial: Casedial, office: Office, tmp_path: Path, name: str
) -> None:
    await three_of_which_two_are_bad(office)
    file = tmp_path / name
    given = ("cases", "export", "--firm", office.name, "-o", file)
    done = await asyncio.to_thread(casedial.run, *given, status=1)
    assert "2 cases left out" in done.stderr
    assert "1, 3" in done.stderr
    assert "Wrote 1 case" in done.stdout
    written = file.read_text().splitlines()
    assert len(written) - (name == "cases.csv") == 1
    told = await asyncio.to_thread(casedial.json, *given, status=1)
    assert told == {"file": str(file), "cases": 1, "unknown": [], "unreadable": [1, 3]}


async def test_an_export_leaves_out_a_time_that_no_zone_has(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    await office.add(1)
    await office.add(2)
    first = sa.text("UPDATE cases SET dial_at = '0001-01-01 00\\:00\\:00+00\\:00' WHERE case_id = 1")
    async with office.store.write() as tx:
        await tx.execute(first)
    file = tmp_path / "cases.csv"
    done = await asyncio.to_thread(casedial.run, "cases", "export", "--firm", office.name, "-o", file, status=1)
    assert "1 case left out" in done.stderr
    assert [row["CaseID"] for row in csv.DictReader(file.read_text().splitlines())] == ["2"]


async def test_a_bulk_change_goes_on_past_cases_that_cannot_be_read(casedial: Casedial, office: Office) -> None:
    await three_of_which_two_are_bad(office)
    given = ("cases", "set", "--all", "--firm", office.name, "--do-not-dial")
    for more in ((), ("--yes",)):
        told = await asyncio.to_thread(casedial.json, *given, *more, status=1)
        assert (told["cases"], told["unreadable"], told["unknown"]) == (1, [1, 3], [])
    assert await office.role(2) is Role.DO_NOT_DIAL
    given = ("cases", "set", 1, 2, 4, "--firm", office.name, "--to-dial", "--yes")
    told = await asyncio.to_thread(casedial.json, *given, status=1)
    assert (told["cases"], told["unreadable"], told["unknown"]) == (1, [1], [4])


async def test_lists_and_purge_name_what_they_pass_over(
    casedial: Casedial, office: Office, other_office: Office
) -> None:
    bad, good = await office.firm(), await other_office.firm()
    await spoil(office, firms, firms.c.id == bad.id, priorities="5 nonsense")
    done = await asyncio.to_thread(casedial.run, "firm", "list", status=1)
    assert f"1 firm left out, because what is stored cannot be read: {bad.id}." in done.stderr
    assert [row["id"] for row in await asyncio.to_thread(casedial.json, "firm", "list", status=1)] == [good.id]
    [key] = await asyncio.to_thread(casedial.json, "key", "list", status=1)
    assert key["firm"] == other_office.name
    done = await asyncio.to_thread(casedial.run, "purge", "--older-than", "90d", status=1)
    assert "1 firm left out" in done.stderr
    await spoil(office, firms, firms.c.id == bad.id, priorities="5")
    await spoil(office, keys, keys.c.firm_id == bad.id, scopes="nonsense")
    done = await asyncio.to_thread(casedial.run, "key", "list", status=1)
    assert "1 key left out" in done.stderr
    assert other_office.name in done.stdout


# What each column is given; PostgreSQL takes no text where it wants a number.
GARBAGE = {
    "sqlite": ["'garbage'", "x'00ff'", "CAST(x'ff41' AS TEXT)"],
    "postgresql": ["'garbage'", "'infinity'", "'[1, {}]'", "-1"],
}


class _TakenBack(Exception):
    """Ends a transaction."""


class _Inside:
    """A store as one sees it from within a transaction."""

    path = None

    def __init__(self, tx: Transaction) -> None:
        self.tx, self.now = tx, tx.now

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        yield self.tx


async def test_the_doctor_ends_in_no_traceback_whatever_is_in_a_table(office: Office, other_office: Office) -> None:
    """Every column of every table, one at a time, with one kind of garbage that another day is another."""
    await office.add(1)
    await other_office.add(2, dialer="In the Dialer")
    for table in metadata.sorted_tables:
        for column in table.columns:
            for garbage in some(f"{column}", GARBAGE[office.store.dialect.name], 1):
                with suppress(_TakenBack, sa.exc.DBAPIError, StorageUnavailable):  # what the database does not take
                    async with office.store.write() as tx:
                        await tx.execute(sa.text(f"UPDATE {table.name} SET {column.name} = {garbage}"))
                        store: Any = _Inside(tx)
                        found = await doctor.examine(store, ME)
                        assert {"clock", "keys", "unreadable rows"} <= {finding.check for finding in found}
                        raise _TakenBack
