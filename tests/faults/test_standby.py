"""Reports and exports read a standby, while there is one that is near; nothing else does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from io import BytesIO
from types import SimpleNamespace

import asyncpg
import pytest
import sqlalchemy as sa

from casedial.cli.common import run
from casedial.database import standby
from casedial.database.engine import Store
from casedial.database.standby import standing_by
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.service.operations import exports, figures
from casedial.settings import settings_from
from casedial.wire.exporting import CaseSheets
from casedial.wire.sheets import Form
from tests.conftest import ME, NOW
from tests.faults.pair import Pair
from tests.faults.service import CASES
from tests.waiting import PATIENCE, until

FIRM = "Lex & Partners"
SOON = 0.8 * standby.PATIENCE  # seconds: before anything is given up because it takes too long
_THERE = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM cases)"


@pytest.fixture
async def store(pair: Pair) -> AsyncIterator[Store]:
    """The database, with its standby; both are named in the URL, as an administrator would."""
    opened = standing_by(Store(pair.url("primary")), pair.url("primary", "standby"))
    yield opened
    await opened.close()


async def is_standby_read(store: Store) -> bool:
    async with store.behind.read() as tx:
        return bool((await tx.execute(sa.text("SELECT pg_is_in_recovery()"))).scalar_one())


async def zip_code_there(store: Store) -> str:
    async with store.behind.read() as tx:
        return str((await tx.execute(sa.text("SELECT zip_code FROM cases WHERE case_id = 1"))).scalar_one())


async def exported(store: Store) -> int:
    with BytesIO() as raw, CaseSheets(raw, Form.CSV, {}, True) as sheets:
        return (await exports.export_cases(store, ME, FIRM, CaseFilter(), sheets)).cases


async def add_case(store: Store) -> None:
    async with store.write() as tx:
        row = "INSERT INTO cases SELECT (jsonb_populate_record(cases, '{\"case_id\": 99999}')).* FROM cases LIMIT 1"
        await tx.execute(sa.text(row))


async def until_caught_up(store: Store) -> None:
    """Wait until the standby is read, and has all cases."""

    async def has_all() -> bool:
        async with store.behind.read() as tx:
            return tuple((await tx.execute(sa.text(_THERE))).one()) == (True, CASES)

    await until(has_all)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standby is waited for, and may be behind, for as long as a machine may stall."""
    monkeypatch.setattr(standby, "LAG_SECONDS", 3600)
    monkeypatch.setattr(standby, "WAIT_SECONDS", PATIENCE)


async def hold_still(pair: Pair) -> None:
    """Have the standby take in nothing more; it is so a moment after it was asked for."""
    connection = await asyncpg.connect(pair.url("standby"), user="postgres")

    async def is_still() -> bool:
        return await connection.fetchval("SELECT pg_get_wal_replay_pause_state()") == "paused"

    await connection.execute("SELECT pg_wal_replay_pause()")
    await until(is_still)
    await connection.close()


@pytest.mark.usefixtures("patient")
async def test_what_reads_a_standby(store: Store, pair: Pair) -> None:
    """Exports and reports do: a standby that is held still does not show them what is new."""
    await until_caught_up(store)
    async with store.write() as tx:
        await tx.execute(sa.text("UPDATE cases SET zip_code = 'new' WHERE case_id = 1"))
    while await zip_code_there(store) != "new":
        await asyncio.sleep(0.05)
    assert await is_standby_read(store)
    await hold_still(pair)
    await add_case(store)
    assert await exported(store) == CASES
    day = NOW.date()
    assert (await figures.look(store, ME, FIRM, day - timedelta(days=7), day)).firm.name == FIRM
    assert await is_standby_read(store)
    async with store.read() as tx:
        assert not (await tx.execute(sa.text("SELECT pg_is_in_recovery()"))).scalar_one()
    with pytest.raises(RuntimeError):
        store.behind.write()


async def test_one_that_is_far_behind_is_not_read(store: Store, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "LAG_SECONDS", 0.3)
    monkeypatch.setattr(standby, "REST_SECONDS", 0.2)
    monkeypatch.setattr(standby, "WAIT_SECONDS", PATIENCE)
    await until_caught_up(store)
    await asyncio.sleep(0.5)
    await until(partial(is_standby_read, store))  # nothing was written, so it is not behind
    await hold_still(pair)
    await add_case(store)

    async def is_left() -> bool:
        return not await is_standby_read(store)

    await until(is_left)
    assert await exported(store) == CASES + 1
    pair.standby.execute("SELECT pg_wal_replay_resume()")
    await until(partial(is_standby_read, store))


async def test_one_that_is_away_or_was_promoted_is_not_read(
    store: Store, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until_caught_up(store)
    pair.standby.freeze()
    now = time.monotonic()
    monkeypatch.setattr(standby, "time", SimpleNamespace(monotonic=lambda: now))
    async with asyncio.timeout(SOON):
        assert not await is_standby_read(store)
    monkeypatch.setattr(standby, "WAIT_SECONDS", 2 * PATIENCE)
    async with asyncio.timeout(PATIENCE):
        assert not await is_standby_read(store)  # it is left alone for a while
    pair.standby.thaw()
    now += standby.REST_SECONDS
    await until(partial(is_standby_read, store))
    pair.standby.execute("SELECT pg_promote()")
    async with store.behind.read() as tx:
        port = (await tx.execute(sa.text("SELECT current_setting('port')"))).scalar_one()
    assert int(port) == pair.primary.port


@pytest.mark.usefixtures("patient")
async def test_what_it_reads_was_cleared_away_by_the_primary(store: Store, pair: Pair) -> None:
    """A standby ends such a query, for it cannot both follow and keep old rows: that is no fault."""
    pair.standby.execute("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    pair.standby.execute("SELECT pg_reload_conf()")
    await until_caught_up(store)
    count = sa.text("SELECT count(*) FROM cases")

    async def read_on() -> None:
        async with store.behind.read() as tx:
            assert tuple((await tx.execute(sa.text(_THERE))).one()) == (True, CASES)
            async with store.write() as writing:
                await writing.execute(sa.text("DELETE FROM cases WHERE case_id > 10"))
            async with asyncio.timeout(SOON):
                while True:
                    async with store.session(isolation_level="AUTOCOMMIT") as vacuuming:
                        await vacuuming.execute(sa.text("VACUUM cases"))
                    await tx.execute(count)
                    await asyncio.sleep(0.1)

    with pytest.raises(StorageUnavailable):
        await read_on()


@pytest.mark.parametrize(
    ("url", "of"),
    [
        ("postgresql://h/d", "sqlite:////tmp/x.db"),
        ("sqlite:////tmp/x.db", "postgresql://h/d"),
        ("postgresql://h1,h2/d?target_session_attrs=read-write", "postgresql://h/d"),
    ],
)
def test_a_standby_that_cannot_be_one(url: str, of: str) -> None:
    with pytest.raises(InvalidSetting):
        standing_by(Store(of), url)


def test_whose_standby_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that names another database does not read the standby of the usual one."""

    async def has_standby(store: Store) -> bool:
        return store.behind.is_standby

    monkeypatch.setenv("CASEDIAL_DATABASE_URL", "postgresql://h1/d")
    monkeypatch.setenv("CASEDIAL_STANDBY_URL", "postgresql://h2/d")
    assert run(has_standby, None, prepare=None)
    assert not run(has_standby, "postgresql://h3/d", prepare=None)
    assert settings_from(database_url="postgresql://h3/d").standby_url == ""
    assert settings_from().standby_url == "postgresql://h2/d"
