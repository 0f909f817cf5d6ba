"""No page reads more where a list has more cases: each is asked for twice, and the list has grown in between.

Where a page reads up to a bound, the bound is lowered here, so that even the shorter list is above it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks import million, pages
from casedial.database.engine import Store
from casedial.database.tables import metadata
from casedial.domain.dialing import Move, OperatorChange
from casedial.service import effects
from casedial.service import today as sampling
from casedial.service.cases import EVERY_CASE
from casedial.service.operations import changes, sample
from casedial.service.operations import today as looking
from casedial.settings import Settings
from casedial.storage import held_back, listing, samples, today
from casedial.web.app import create_app
from tests.conftest import ME
from tests.console.conftest import Doors, Tab
from tests.statements import reading

SHORT, LONG = 600, 3000  # cases
MORE = 1.5  # times as much, and
SLACK = 300  # more: what a page may read of the longer list, that shows what the shorter one has not
BOUNDS: list[tuple[Any, str, Any]] = [
    (listing, "MOST_COUNTED", 5),
    (listing, "_STEPS", (30, 60)),
    (listing, "_WORDS", (10, 20)),
    (listing, "_NAMES_COUNTED", 10),
    (samples, "CAP", 10),
    (today, "CAP", 10),
    (held_back, "_HEAD", 10),
    (sampling, "_SAMPLE", 10),
    (effects, "_MOST", 10),
    (changes, "MOST_NAMED", 5),
    *((looking, name, 0.0) for name in ("_KEPT", "_LOOKED_INTO", "_GLANCED", "_REST")),
    (looking, "_PATIENCE", 60.0),
]


async def grow(store: Store) -> None:
    columns = {table.name: [column.name for column in table.columns] for table in metadata.sorted_tables}
    async with store.write() as tx:
        for statement in million.script(columns, SHORT, LONG, store.dialect.name == "sqlite"):
            await tx.run_sync(lambda connection, text=statement: connection.exec_driver_sql(text))
        if store.dialect.name == "postgresql":
            await tx.execute(sa.text("ANALYZE"))


async def known(store: Store) -> dict[str, str]:
    """Ids of what has a page."""
    asked = {
        "campaign_id": "SELECT max(id) FROM statuses WHERE type = 3",
        "key_id": "SELECT max(id) FROM keys",
        "user_id": "SELECT max(id) FROM users",
    }
    async with store.read() as tx:
        return {name: str((await tx.execute(sa.text(text))).scalar_one()) for name, text in asked.items()}


Read = dict[str, tuple[int, str]]


async def read(tab: Tab, paths: Iterable[str]) -> Read:
    """How much each page reads, and its statement that reads the most."""
    found = {}
    for path in paths:
        await tab.get(path)  # what it looks up once
        with reading() as asked:
            reply = await tab.get(path)
        assert reply.status_code == 200, path
        found[path] = sum(rows for rows, _ in asked), " ".join(max(asked, default=(0, ""))[1].split())
    return found


@pytest.fixture
async def tab(database_url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A browser that is signed in to the short list."""
    for module, name, bound in BOUNDS:
        monkeypatch.setattr(module, name, bound)
    await million.begin(store, SHORT)
    if store.dialect.name == "postgresql":  # of a few rows it would rather read all
        async with store.write() as tx:
            name = database_url.rpartition("/")[2]
            for way in ("seqscan", "hashjoin", "mergejoin"):
                await tx.execute(sa.text(f"ALTER DATABASE {name} SET enable_{way} = off"))
            await tx.execute(sa.text("ANALYZE"))
    app = create_app(Settings(database_url=database_url, log_level="error"))
    doors = Doors(store, app, None)  # type: ignore[arg-type]
    found = doors.tab()
    found.http.timeout = 60
    await doors.sign_in(found, sample.USER, million.PASSWORD)
    yield found
    await found.http.aclose()
    await app.close()


async def test_no_page_reads_more_of_a_longer_list(tab: Tab, store: Store) -> None:
    paths = [*pages.paths(await known(store), SHORT)]
    short = await read(tab, paths)
    await grow(store)
    assert_alike(short, await read(tab, paths))


async def test_no_page_reads_more_of_a_longer_change(tab: Tab, store: Store) -> None:
    short = await read_change(tab, store)
    await grow(store)
    assert_alike(short, await read_change(tab, store))


async def read_change(tab: Tab, store: Store) -> Read:
    """How much the page of a change of all cases reads: before it is run, when it was, and when it was undone."""

    def meant(firm: object) -> OperatorChange:
        return OperatorChange(Move.TO_DIAL, None, None, 4)

    found: Read = {}
    change = (await changes.preview(store, ME, sample.FIRM, EVERY_CASE, meant)).change
    for step in (None, changes.run, changes.undo):
        change = await step(store, ME, sample.FIRM, change.id) if step else change
        for part in ("", "/live"):
            [told] = (await read(tab, [f"/{pages.FIRM}/changes/{change.id}{part}"])).values()
            found[f"{change.state.name}{part}"] = told
    assert change.counts.in_the_dialer  # some were left
    return found


def assert_alike(short: Read, long: Read) -> None:
    """No page read more than a few times as much of the longer list."""
    most = max(short.values())
    print(f"{len(short)} pages read at most {most[0]} of {SHORT} cases, {max(long.values())[0]} of {LONG}")
    worse = [
        f"{path}: {short[path][0]}, then {rows}: {statement[:300]}"
        for path, (rows, statement) in long.items()
        if rows > MORE * short[path][0] + SLACK
    ]
    assert not worse, "\n".join(worse)
