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
from tests.waiting import until

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


# Holds up whoever writes to the list for as long as somebody has the lock: behind the firm's row, before any number.
_GATE = """
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1);
    RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON do_not_call EXECUTE FUNCTION gate();
"""


async def test_a_real_deadlock(
    casedial: Casedial, office: Office, other: asyncpg.Connection, database_url: str
) -> None:
    """The command is the last who waits, so it is its transaction that PostgreSQL ends."""
    firm = await office.firm()
    keeper = await asyncpg.connect(database_url)

    async def wait(many: int) -> None:
        async def do_wait() -> bool:
            return bool(await keeper.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") >= many)

        await until(do_wait)

    await keeper.execute(_GATE)
    await other.execute("SET deadlock_timeout = '10min'")
    async with other.transaction():
        await other.execute(
            "INSERT INTO do_not_call (firm_id, number, listed_on, source) VALUES ($1, '4025550123', now(), 'other')",
            firm.id,
        )
        await keeper.execute("SELECT pg_advisory_lock(1)")
        add = asyncio.create_task(asyncio.to_thread(casedial.json, "dnc", "add", "4025550123", "--firm", office.name))
        await wait(1)  # it has the firm
        wants_firm = asyncio.create_task(other.execute("UPDATE firms SET version = version + 1 WHERE id = $1", firm.id))
        await wait(2)  # and we want it
        await keeper.execute("SELECT pg_advisory_unlock(1)")  # so that it wants our number, too
        await wants_firm
    assert await add == {"added": 0, "known": 1}
    await keeper.close()
