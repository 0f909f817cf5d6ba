"""A command whose transaction PostgreSQL ends, to break a deadlock, is done all the same."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.cli.test_commands import Casedial
from tests.conftest import Office

# Ends each transaction that writes to a table for the first time, as a deadlock does: a sequence is not rolled back.
_FAIL_ONCE = """
CREATE SEQUENCE writes;
CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('writes') = 1 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
    RETURN NULL;
END $$;
"""
_TABLES = ("firms", "statuses", "keys", "campaigns", "bans", "do_not_call", "cases")

COMMANDS: dict[str, tuple[object, ...]] = {
    "firm add": ("New & Co", "--time-zone", "UTC"),
    "firm set": ("{firm}", "--min-gap", 60),
    "status add": ("Voicemail", "--firm", "{firm}", "--type", "disposition"),
    "campaign set": ("Intake follow-up", "--firm", "{firm}", "--purpose", "client"),
    "key add": ("--firm", "{firm}", "--vendor", "New Dialer"),
    "key import": ("--firm", "{firm}", "--vendor", "New Dialer", "--key", "0d4852a98cbf4c8csb0cdee1b6f31e95f"),
    "key set": (1, "--rate-limit", 5),
    "key roll": (1, "--overlap", "1h"),
    "key revoke": (1,),
    "rules ban": ("LA", "--until", "2078-12-01", "--reason", "a storm"),
    "rules lift": (1,),
    "dnc add": ("402-555-0123", "--firm", "{firm}"),
    "dnc remove": ("402-555-0199", "--firm", "{firm}"),
    "dnc import": ("{file}", "--firm", "{firm}"),
    "cases set": (7, "--firm", "{firm}", "--do-not-dial", "--yes"),
    "cases delete": (7, "--firm", "{firm}", "--yes"),
}


@pytest.fixture
def database() -> str:
    return "postgresql"


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of somebody else."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("command", COMMANDS)
async def test_what_was_ended_once_is_done(
    casedial: Casedial, office: Office, other: asyncpg.Connection, tmp_path: Path, command: str
) -> None:
    await office.add(7)
    file = tmp_path / "list.csv"
    with file.open("w") as lines:
        csv.writer(lines).writerows([("Number",), ("402-555-0177",)])
    for before in (
        ("rules", "ban", "ME", "--until", "2078-12-01", "--reason", "a storm"),
        ("dnc", "add", "402-555-0199", "--firm", office.name),
    ):
        await asyncio.to_thread(casedial.run, *before)
    await other.execute(_FAIL_ONCE)
    for table in _TABLES:
        await other.execute(
            f"CREATE TRIGGER fail_once AFTER INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION fail_once()"
        )
    given = [str(part).format(firm=office.name, file=file) for part in COMMANDS[command]]
    await asyncio.to_thread(casedial.run, *command.split(), *given)
    assert await other.fetchval("SELECT last_value FROM writes") > 1


async def test_a_real_deadlock(casedial: Casedial, office: Office, other: asyncpg.Connection) -> None:
    firm = await office.firm()
    await other.execute("SET deadlock_timeout = '60s'")  # so that it is the command whose transaction is ended
    async with other.transaction():
        await other.execute(
            "INSERT INTO do_not_call (firm_id, number, listed_on, source) VALUES ($1, '4025550123', now(), 'other')",
            firm.id,
        )
        add = asyncio.create_task(asyncio.to_thread(casedial.json, "dnc", "add", "4025550123", "--firm", office.name))
        while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # it waits for our number
            await asyncio.sleep(0.02)
        await other.execute("UPDATE firms SET version = version + 1 WHERE id = $1", firm.id)  # and we for its firm
    assert await add == {"added": 0, "known": 1}
