"""casedial doctor: what it finds, what it advises, how it exits."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from casedial.cli import app
from casedial.database.dialects import Snapshot
from casedial.database.engine import Store, Transaction
from casedial.database.tables import cases
from casedial.domain.cases import Phone
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from casedial.service.operations import doctor
from tests.conftest import ALWAYS, Api, Office

CAMPAIGNS = ("Intake follow-up", "Notification campaign")


async def examine(database_url: str, exit_code: int) -> dict[str, list[dict[str, str]]]:
    """Run the command; return its findings by what was checked."""
    done = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--database-url", database_url, "--json"])
    assert done.exit_code == exit_code, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["level"] == ("ok", "warning", "failure")[exit_code]
    found: dict[str, list[dict[str, str]]] = {}
    for finding in document["findings"]:
        assert (finding["level"] == "ok") or finding["advice"], finding
        found.setdefault(finding["check"], []).append(finding)
    return found


async def hold(store: Store, **columns: datetime | None) -> None:
    async with store.write() as tx:
        await tx.execute(cases.update().where(cases.c.dialer_role == int(Role.IN_THE_DIALER)).values(**columns))


async def decide(office: Office, *campaigns: str) -> None:
    """Give campaigns a purpose, at any hour but the last minute of a day, which is closed."""
    for campaign in campaigns:
        async with office.store.write() as tx:
            firm = await open_firm(tx, office.name, lock=True)
            await set_campaign(tx, firm, campaign, CampaignChange(purpose=Purpose.CLIENT, hours=[ALWAYS]))


NEW_YORK = {"zip_code": "10001", "phones": (Phone("Cell", "212555{:04}", True),)}


@pytest.fixture
def private(database_url: str) -> str:
    if database_url.startswith("sqlite"):
        Path(database_url.removeprefix("sqlite:///")).chmod(0o600)
    return database_url


@pytest.fixture(autouse=True)
def _places_of_today(monkeypatch: pytest.MonkeyPatch, same_day: None) -> None:
    """However late these tests are run."""
    monkeypatch.setattr(doctor, "BUILT", datetime.now(UTC).date())


async def test_how_old_the_table_of_places_is(private: str, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await decide(office, *CAMPAIGNS)
    assert "0 days old" in (await examine(private, 0))["places"][0]["found"]
    built = datetime.now(UTC).date() - timedelta(days=181)
    monkeypatch.setattr(doctor, "BUILT", built)
    [finding] = (await examine(private, 1))["places"]
    assert f"{built} and is 181 days old" in finding["found"]
    assert "newer casedial" in finding["advice"]


async def test_all_is_well(private: str, office: Office) -> None:
    await decide(office, *CAMPAIGNS)
    await office.add(1, dial_at=datetime.now(UTC))
    found = await examine(private, 0)
    assert {"database", "schema", "clock", "overdue claims", "answered cases", "snapshots"} <= set(found)
    shown = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--database-url", private])
    assert shown.exit_code == 0
    assert "schema" in shown.stdout


async def test_stuck_and_answered_cases(private: str, office: Office, api: Api, store: Store) -> None:
    now = datetime.now(UTC)
    await decide(office, *CAMPAIGNS)
    for number in (11, 12):
        await office.add(number, **NEW_YORK)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("UpdateCaseStatus", {"CaseID": 11, "Disposition": "No Answer"})
    assert (await examine(private, 0))["answered cases"][0]["found"].endswith("(CaseID 11).")  # the call may go on
    assert 'casedial_cases_answered{firm="' in (await api.http.get("/metrics")).text
    await hold(store, answered_at=now - timedelta(hours=2))
    assert (
        "Lex & Partners: cases that were dialed, and nobody has said what comes next: 2"
        in (await examine(private, 1))["answered cases"][0]["found"]
    )
    await hold(store, answered_at=None, held_until=now - timedelta(minutes=1))
    found = await examine(private, 2)
    assert "(CaseID 11, 12)" in found["overdue claims"][0]["found"]
    assert found["answered cases"][0]["level"] == "ok"
    await hold(store, held_until=None)
    endless = (await examine(private, 0))["endless claims"][0]
    assert endless["level"] == "ok"  # that is what the firm wants
    assert "(CaseID 11, 12)" in endless["found"]
    await hold(store, dial_at=now - timedelta(days=2))
    assert (await examine(private, 1))["endless claims"][0]["level"] == "warning"
    async with store.write() as tx:
        await tx.execute(cases.update().values(claim_id=None))
    assert (await examine(private, 1))["unclaimed cases"][0]["level"] == "warning"


async def test_callable_cases_that_nobody_claims(private: str, office: Office, api: Api) -> None:
    """Only where calling hours tell when somebody should be at work."""
    an_hour_ago = datetime.now(ZoneInfo("America/New_York")) - timedelta(hours=1)
    if (an_hour_ago.hour, an_hour_ago.minute) >= (23, 58):  # in the last minute of that day nobody could be called
        await asyncio.sleep(60 * (60 - an_hour_ago.minute))
    await office.add(1, **NEW_YORK)
    found = await examine(private, 1)
    assert "no calling rules apply in Intake follow-up, Notification campaign" in found["calling rules"][0]["found"]
    await decide(office, *CAMPAIGNS)
    [finding] = (await examine(private, 1))["campaigns"]
    assert "for an hour Intake follow-up has had cases that may be called" in finding["found"]
    await api.post("GetCasesToDial", {"Auto-change": True})
    assert "campaigns" not in await examine(private, 0)


async def test_a_case_that_cannot_be_read_is_not_one_that_nobody_claims(private: str, office: Office) -> None:
    """It is told among the unreadable rows: whether its campaign is neglected is not known."""
    await office.add(1, **NEW_YORK)
    await decide(office, *CAMPAIGNS)
    async with office.store.write() as tx:
        await tx.execute(cases.update().values(attempts_id=999_999))
    found = await examine(private, 2)
    assert "campaigns" not in found
    assert "CaseID 1" in found["unreadable rows"][0]["found"]


async def test_a_schema_that_is_not_at_head(private: str, store: Store) -> None:
    async with store.write() as tx:
        await tx.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    found = await examine(private, 2)
    assert "casedial migrate" in found["schema"][0]["advice"]
    assert "clock" not in found  # what comes after needs the schema


async def test_a_clock_that_differs(private: str, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Transaction.clock

    async def ahead(tx: Transaction) -> datetime:
        return await original(tx) + timedelta(seconds=10)

    monkeypatch.setattr(Transaction, "clock", ahead)
    finding = (await examine(private, 1))["clock"][0]
    assert "differ by" in finding["found"]


@pytest.mark.parametrize("database", ["postgresql"])  # in SQLite the size of the WAL tells, see below
async def test_an_old_snapshot_held_open(private: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_SNAPSHOT_AGE", timedelta(seconds=0.2))
    async with store.read() as tx:
        await tx.execute(sa.text("SELECT count(*) FROM cases"))
        await asyncio.sleep(0.5)
        assert "has a transaction open" in (await examine(private, 1))["snapshots"][0]["found"]


def test_a_snapshot_of_which_only_the_transactions_are_known() -> None:
    said = doctor._held(Snapshot("process 7 of pg_dump", None, 12_345))
    assert "12,345 transactions old" in said
    assert "pg_read_all_stats" in said


@pytest.mark.parametrize("database", ["sqlite"])
async def test_files(private: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.path
    store.path.chmod(0o644)
    assert "chmod 600" in (await examine(private, 1))["files"][0]["advice"]
    store.path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    monkeypatch.setattr(doctor, "_WAL_BYTES", -1)
    async with store.write() as tx:
        await tx.execute(sa.text("DELETE FROM notes"))
        await tx.execute(sa.text("UPDATE firms SET version = 2"))
    monkeypatch.setattr(doctor, "_FREE_BYTES", 2**62)
    assert "Free some space" in (await examine(private, 1))["files"][0]["advice"]


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/nothing", "sqlite:////tmp/no-such-casedial-folder/x.db"]
)
async def test_a_database_that_is_away(url: str) -> None:
    done = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--database-url", url])
    assert done.exit_code == 2
    assert "failure" in done.output
