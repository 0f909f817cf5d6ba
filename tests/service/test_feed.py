"""The feed tells of everything once, in order, whoever writes, whoever reads, and whatever has gone since."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.clock import MovableClock
from casedial.database.engine import Store, Transaction
from casedial.database.tables import notes as notes_table
from casedial.database.tables import status_history
from casedial.domain.calling import Listing
from casedial.domain.cases import Note, Phone, StatusChange
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import CursorGone
from casedial.domain.feed import Cursor, EventKind, FeedEvent, Place, Source
from casedial.domain.firms import Firm
from casedial.domain.phone_changes import PhoneEdit, with_phone
from casedial.domain.statuses import StatusType
from casedial.service import feed as steps
from casedial.service.operations import case, do_not_call, forgetting, removal, retention
from casedial.service.operations import cases as case_operations
from casedial.service.operations import feed as operations
from casedial.service.operations.feed import Feed
from casedial.service.settling import Settling
from casedial.storage import cases, notes
from casedial.storage import feed as storage
from tests.conftest import ME, Api, Office, vendor
from tests.service import test_import_jobs
from tests.service.test_figures import FORM, plan_of
from tests.statements import listening
from tests.waiting import PATIENCE, until


@pytest.fixture
async def feed(store: Store) -> Any:
    found = Feed(store)
    yield found
    await found.stop()


async def start(feed: Feed, office: Office) -> Cursor:
    return await feed.begin((await office.firm()).id)


async def go_on(feed: Feed, office: Office, cursor: Cursor, limit: int = 1000) -> tuple[list[FeedEvent], Cursor]:
    """All events there are behind a cursor, and the cursor behind them."""
    firm, found = await office.firm(), list[FeedEvent]()
    while True:
        page = await feed.read(firm.id, cursor, limit)
        assert len(page.events) <= limit
        found += page.events
        cursor = Cursor.read(str(page.cursor))
        if not page.more and not feed._settling.is_behind:
            return found, cursor
        await asyncio.sleep(0 if page.more else 0.01)  # whoever writes in this cluster, vacuum too, is waited for


async def every(feed: Feed, office: Office, limit: int = 1000) -> list[FeedEvent]:
    return (await go_on(feed, office, await start(feed, office), limit))[0]


async def rows(office: Office) -> set[str]:
    """The ids of all events that there have to be, by what is stored."""
    firm, found = await office.firm(), set()
    async with office.store.read() as tx:
        for source, table in storage.TABLES.items():
            query = sa.select(table.c.id).where(table.c.firm_id == firm.id)
            if source is Source.AUDIT:
                query = query.where(table.c.action.in_(storage.TOLD_ACTIONS))
            found |= {f"{source.value}{id}" for id in (await tx.execute(query)).scalars()}
    return found


def told(events: Sequence[FeedEvent]) -> list[tuple[EventKind, int | None, dict[str, object], dict[str, object]]]:
    return [(one.kind, one.case_id, dict(one.before), dict(one.after)) for one in events]


async def bring(office: Office, text: str, **how: Any) -> Any:
    """Import a file."""
    job = await test_import_jobs.receive(office, text)
    await test_import_jobs.check(office, job, **how)
    return await test_import_jobs.run(office, job)


async def forget(office: Office, *case_ids: int) -> None:
    await forgetting.forget(office.store, ME, office.name, CaseFilter(case_ids=case_ids), True, FORM, do=True)


async def change(office: Office, case_id: int, **wanted: Any) -> None:
    await case.change(office.store, ME, office.name, case_id, lambda firm: OperatorChange(**wanted))


async def test_every_kind(api: Api, office: Office, feed: Feed) -> None:
    at = datetime(2026, 1, 2, 15, tzinfo=UTC)
    await bring(
        office,
        "CaseID,Client,Campaign,DialerStatus,DialDateTime,Phone1\n"
        "1,Ann,Intake follow-up,To Dial,2026-01-02 09:00,402-555-0101\n2,Bob,,,,\n",
    )
    found, cursor = await go_on(feed, office, await start(feed, office))
    assert told(found) == [
        (EventKind.ADDED, 1, {}, {"dialer_status": "To Dial", "dial_at": at}),
        (EventKind.UPDATED, 1, {}, {"campaign": "Intake follow-up"}),
        (
            EventKind.ADDED,
            2,
            {},
            {"case_status": "", "case_group": "", "closed": False, "zip_code": "", "plaintiff": "Bob"},
        ),
    ]
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial", "Disposition": "No Answer"})
    found, cursor = await go_on(feed, office, cursor)
    assert [(one.kind, one.actor.name if one.actor else "") for one in found] == [
        (kind, "Acme Dialer") for kind in (EventKind.CLAIMED, *[EventKind.UPDATED] * 3)
    ]
    assert found[0].claim_id
    assert (found[1].before, found[1].after) == ({}, {"disposition": "Busy"})
    assert found[2].before["dialer_status"] == "In the Dialer"
    assert (found[3].before, found[3].after) == ({"disposition": "Busy"}, {"disposition": "No Answer"})

    await change(office, 1, move=Move.TO_DIAL, dial_at=at, priority=2)
    claimed = await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("ReleaseClaim", {"ClaimID": claimed.headers["x-claim-id"]})
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "n"})
    await case_operations.change_phones(
        office.store, ME, office.name, 1, partial(with_phone, edit=PhoneEdit("4025559999"))
    )
    found, cursor = await go_on(feed, office, cursor)
    phone = Phone("", "4025559999")
    assert told(found) == [
        (EventKind.MOVED, 1, *_dialed("Do not Dial", found[0].before["dial_at"], "To Dial", at)),
        (EventKind.CHANGED, 1, {"priority": 5}, {"priority": 2}),
        (EventKind.CLAIMED, 1, *_dialed("To Dial", at, "In the Dialer", found[2].after["dial_at"])),
        (EventKind.RETURNED, 1, *_dialed("In the Dialer", found[2].after["dial_at"], "To Dial", at)),
        (EventKind.NOTED, 1, {}, {}),
        (EventKind.CHANGED, 1, {}, {"phone": phone}),
    ]
    assert (found[3].why, found[4].note) == ("released by the dialer", "n")

    job = await bring(
        office, "CaseID,Client,Closed,Campaign\n2,Bobby,2026-02-03,Intake follow-up\n3,Cy,,\n", set_statuses=True
    )
    found, cursor = await go_on(feed, office, cursor)
    assert told(found) == [
        (EventKind.UPDATED, 2, {}, {"campaign": "Intake follow-up"}),
        (EventKind.CHANGED, 2, {"closed": False, "plaintiff": "Bob"}, {"closed": "2026-02-03", "plaintiff": "Bobby"}),
        (EventKind.ADDED, 3, {}, {**_facts(), "plaintiff": "Cy"}),
    ]
    await test_import_jobs.undo(office, job)
    found, cursor = await go_on(feed, office, cursor)
    assert [(one.kind, one.case_id, one.case_ids) for one in found] == [(EventKind.DELETED, None, [3])]

    today = datetime.now(UTC).date()
    listed = [Listing(today, "a letter", number="4025550101"), Listing(today, "a letter", case_id=2)]
    await do_not_call.add(office.store, ME, office.name, listed)
    await do_not_call.remove(office.store, ME, office.name, ["4025550101"], [2], "a mistake")
    await forget(office, 2)
    found, cursor = await go_on(feed, office, cursor)
    assert [(one.kind, one.case_id, one.case_ids, one.before, one.why) for one in found] == [
        (EventKind.UNLISTED, None, [2], {"numbers": 1}, "a mistake"),
        (EventKind.DELETED, 2, (), {}, ""),
    ]
    await do_not_call.add(office.store, ME, office.name, listed[:1])
    found, cursor = await go_on(feed, office, cursor)
    listing = {"number": "4025550101", "listed_on": today, "source": "a letter"}
    assert told(found) == [(EventKind.LISTED, None, {}, listing)]
    assert not (await go_on(feed, office, cursor))[0]


def _dialed(was: str, at: object, now: str, then: object) -> tuple[dict[str, object], dict[str, object]]:
    return {"dialer_status": was, "dial_at": at}, {"dialer_status": now, "dial_at": then}


def _facts() -> dict[str, object]:
    return {"case_status": "", "case_group": "", "closed": False, "zip_code": "", "plaintiff": ""}


async def test_a_policy_moves_and_a_claim_runs_out(api: Api, office: Office, feed: Feed) -> None:
    await office.add(1)
    await api.post("GetCasesToDial", {"Auto-change": True})
    listed = [Listing(datetime.now(UTC).date(), "a letter", case_id=1)]
    await do_not_call.add(office.store, ME, office.name, listed)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "To Dial", "NextCall": "2020-01-01T00:00:00"})
    kinds = [(one.kind, one.why) for one in await every(feed, office)]
    assert kinds[-2:] == [(EventKind.UPDATED, ""), (EventKind.MOVED, "on the do-not-call list")]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
async def test_every_reader_gets_the_same(
    api: Api, office: Office, other_office: Office, feed: Feed, limit: int
) -> None:
    other = Api(api.http, other_office.key)
    for case_id in (1, 2, 3):
        await office.add(case_id)
        await other_office.add(case_id)
    for one in (api, other, api):
        claimed = await one.post("GetCasesToDial", {"Auto-change": True, "Records": 2})
        for number, found in enumerate(claimed.json()):
            await one.post("AddCaseNote", {"CaseID": found["CaseID"], "Note": f"{number}"})
            body = {"CaseID": found["CaseID"], "Status": "Do not Dial", "Attempts": 2, "Disposition": "Busy"}
            await one.post("UpdateCaseStatus", body)
    whole = await every(feed, office)
    assert {one.id for one in whole} == await rows(office)
    assert len({one.id for one in whole}) == len(whole)
    assert await every(Feed(office.store), office, limit) == whole
    for place in range(0, len(whole), 3):  # and from behind any of them
        cursor = (await start(feed, office)).behind(whole[place])
        assert (await go_on(feed, office, cursor, limit))[0] == whole[place + 1 :]


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_rows_from_before_the_line_may_have_one_key(office: Office, feed: Feed, limit: int) -> None:
    firm = await office.firm()
    await office.add(1)
    shift = office.store.dialect.history_shift
    async with office.store.write() as tx:
        for _ in range(2):
            await report(tx, firm, 1)
        last = await tx.dialect.last_in_line(tx)
        for _ in range(2):
            await notes.add(tx, firm, [Note(1, "n", vendor(), datetime.now(UTC))])
        old = (await tx.execute(sa.select(notes_table.c.id).order_by(notes_table.c.id))).scalars().all()
        for id, key in zip(old, (last - 1, last), strict=True):
            await tx.execute(notes_table.update().where(notes_table.c.id == id).values(id=key))
    ids = [f"h{(last >> shift) - 1}", f"n{last - 1}", f"h{last >> shift}", f"n{last}"]
    assert [one.id for one in await every(feed, office, limit)] == ids


async def test_windows_pass_over_others(
    api: Api, office: Office, other_office: Office, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Api(api.http, other_office.key)
    for case_id in range(1, 20):
        await other_office.add(case_id)
    await office.add(1)
    monkeypatch.setattr(steps, "WINDOW", 4)
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "first"})
    for records in (7, 12):
        await other.post("GetCasesToDial", {"Auto-change": True, "Records": records})
        await other.post("AddCaseNote", {"CaseID": 1, "Note": "of others"})
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "last"})
    assert [one.note for one in await every(feed, office)] == ["first", "last"]
    firm = await office.firm()
    pages, cursor = 0, await feed.begin(firm.id)
    while (page := await feed.read(firm.id, cursor, 10)).more:
        cursor, pages = page.cursor, pages + 1
    assert pages >= 3


async def report(tx: Transaction, firm: Firm, case_id: int) -> None:
    """Write a row of history, as whoever holds a case does."""
    if tx.dialect.name == "postgresql":
        await tx.execute(sa.select(sa.func.pg_current_xact_id()))  # as the lock of a case does
    busy = firm.statuses.named(StatusType.DISPOSITION, "Busy")
    at = datetime.now(UTC)
    await cases.record(tx, firm, [StatusChange(case_id, StatusType.DISPOSITION, busy, None, at, vendor())])


async def test_an_open_transaction_delays_and_never_loses(office: Office, feed: Feed, database: str) -> None:
    """A transaction writes first and ends last: a reader that goes by ids alone never sees what it wrote."""
    if database == "sqlite":
        pytest.skip("SQLite has one writer: no row comes to light behind later ones")
    firm = await office.firm()
    for case_id in (1, 2):
        await office.add(case_id)
    cursor = await feed.newest(firm.id)
    async with office.store.write() as slow:
        await report(slow, firm, 1)
        await notes.add(slow, firm, [Note(1, "slow", vendor(), datetime.now(UTC))])
        async with office.store.write() as tx:
            await report(tx, firm, 2)
        async with office.store.write() as tx:
            await notes.add(tx, firm, [Note(2, "quick", vendor(), datetime.now(UTC))])
        for _ in range(5):
            page = await feed.read(firm.id, cursor, 10)
            assert not page.events, "the later ones are there, and wait for the earlier one"
            cursor = page.cursor
        waiting = asyncio.create_task(feed.wait(firm.id, cursor, 10, PATIENCE))
        await asyncio.sleep(0.4)
        assert not waiting.done()
    page = await waiting
    assert [(one.case_id, one.note) for one in page.events] == [(1, ""), (1, "slow"), (2, ""), (2, "quick")]


async def test_a_row_has_its_writers_number_before_its_id(office: Office, feed: Feed, database: str) -> None:
    """Where a transaction writes nothing before it, a row could get its id before anybody can know of its writer."""
    if database == "sqlite":
        pytest.skip("SQLite has one writer")
    firm = await office.firm()
    await office.add(1)
    async with office.store.write() as tx:
        await tx.execute(
            sa.text(
                "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN IF NEW.text = 'slow' THEN PERFORM pg_advisory_xact_lock(7); END IF; RETURN NEW; END$$"
            )
        )
        await tx.execute(sa.text("CREATE TRIGGER wait BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION wait()"))
        # Now and then PostgreSQL itself gives a number with an id, where it writes of its sequence to its log.
        await tx.execute(sa.text("SELECT nextval('status_history_id_seq')"))
    cursor = await feed.newest(firm.id)

    async def write(text: str) -> None:
        async with office.store.write() as tx:
            await notes.add(tx, firm, [Note(1, text, vendor(), datetime.now(UTC))])

    async def has_its_id() -> bool:  # and waits
        locks = "FROM pg_locks JOIN pg_database ON pg_database.oid = database AND datname = current_database()"
        async with office.store.read() as tx:
            query = f"SELECT count(*) {locks} WHERE locktype = 'advisory' AND NOT granted"
            return bool((await tx.execute(sa.text(query))).scalar_one())

    found = []
    async with office.store.read() as held:
        await held.execute(sa.text("SELECT pg_advisory_xact_lock(7)"))
        slow = asyncio.create_task(write("slow"))
        await until(has_its_id)
        await write("quick")
        for _ in range(10):
            page = await feed.read(firm.id, cursor, 10)
            found, cursor = [*found, *page.events], page.cursor
    await slow
    found += (await go_on(feed, office, cursor))[0]
    assert [one.note for one in found] == ["slow", "quick"]


async def test_no_id_is_given_again(office: Office, feed: Feed, api: Api) -> None:
    """SQLite would give the ids of the last rows again, to rows that a reader takes for those it had."""
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("AddCaseNote", {"CaseID": 3, "Note": "n"})
    seen, cursor = await go_on(feed, office, await start(feed, office))
    for case_id in (3, 2):
        await forget(office, case_id)
        await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy" if case_id == 3 else "No Answer"})
        await api.post("AddCaseNote", {"CaseID": 1, "Note": f"without {case_id}"})
        found, cursor = await go_on(feed, office, cursor)
        assert [one.kind for one in found] == [EventKind.DELETED, EventKind.UPDATED, EventKind.NOTED]
        assert not {one.id for one in found} & {one.id for one in seen}
        seen += found
    await removal.remove_firm(office.store, ME, office.name)
    async with office.store.read() as tx:
        assert (await tx.execute(sa.select(status_history.c.case_id))).scalars().all() in ([], [0])


async def test_another_firms_reader_loses_nothing_when_a_firm_goes(
    office: Office, other_office: Office, feed: Feed, api: Api
) -> None:
    for one in (office, other_office):
        await one.add(1)
    for number in range(3):
        await Api(api.http, other_office.key).post("AddCaseNote", {"CaseID": 1, "Note": f"{number}"})
    _, cursor = await go_on(feed, office, await start(feed, office))
    await removal.remove_firm(office.store, ME, other_office.name)
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "n"})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    found, _ = await go_on(feed, office, cursor)
    assert [one.kind for one in found] == [EventKind.NOTED, EventKind.ADDED]  # the first row of its history


async def test_who_had_not_what_was_purged_is_told(
    office: Office, other_office: Office, feed: Feed, api: Api, clock: MovableClock
) -> None:
    for one in (office, other_office):
        await one.add(1)
        user = Api(api.http, one.key)
        await user.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
        await user.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "No Answer"})
        await user.post("AddCaseNote", {"CaseID": 1, "Note": "old"})
    _, end = await go_on(feed, office, await start(feed, office))
    began = await start(feed, office)
    others = await start(feed, other_office)
    clock.move(timedelta(days=100))
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "new"})
    await retention.purge(office.store, ME, office.name, timedelta(days=10), do=True)
    assert [one.note for one in (await go_on(feed, office, end))[0]] == ["new"]  # who had it all goes on
    with pytest.raises(CursorGone) as told:
        await go_on(feed, office, began)
    found, _ = await go_on(feed, office, Cursor.read(told.value.start_over), limit=1)
    assert {one.id for one in found} == await rows(office)
    assert found[-1].note == "new"
    assert len((await go_on(feed, other_office, others))[0]) == 3


async def test_a_cursor_from_the_future_is_told(office: Office, feed: Feed) -> None:
    """The database was restored from a backup since."""
    await office.add(1)
    await feed.newest((await office.firm()).id)
    with pytest.raises(CursorGone):
        await go_on(feed, office, Cursor(Place(10**17)))


async def test_one_look_serves_all_who_wait(office: Office, other_office: Office, feed: Feed, api: Api) -> None:
    for one in (office, other_office):
        await one.add(1)
    firms = [(await one.firm()).id for one in (office, other_office)]
    ends = [await feed.newest(id) for id in firms]
    ours, others = (
        [asyncio.create_task(feed.wait(id, end, 10, PATIENCE)) for _ in range(20)]
        for id, end in zip(firms, ends, strict=True)
    )
    await asyncio.sleep(0.5)
    began = time.monotonic()
    with listening() as asked:
        await asyncio.sleep(0.6)
        await until(lambda: asked)
    assert len(asked) <= 2 * (1 + (time.monotonic() - began) / operations._LOOK_SECONDS)
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "n"})
    pages = await asyncio.gather(*ours)
    assert {len(page.events) for page in pages} == {1}
    assert not any(one.done() for one in others)
    seen = await feed.wait(firms[1], ends[1], 10, 0.1)
    assert seen.cursor.place >= pages[0].cursor.place, "what others wrote is not looked at again"
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)

    async def is_quiet() -> bool:  # for nobody waits, but a look that was begun may go on for a while
        with listening() as asked:
            await asyncio.sleep(2 * operations._LOOK_SECONDS)
        return not asked

    await until(is_quiet)


async def test_no_query_reads_more_than_it_returns(office: Office, api: Api, store: Store) -> None:
    """The plans: by the key of ids from both ends, by the index of a case for what was before."""
    async with store.read() as tx:
        if store.dialect.name == "postgresql":
            for name in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
                await tx.execute(sa.text(f"SET LOCAL {name} = off"))  # of so few rows it would read all
        for source, table in storage.TABLES.items():
            given = {"this_firm": 1, "after": 5, "until": 10, "most": 3}
            plan = await plan_of(tx, storage.between(source).params(given))
            by_id = f"SEARCH {table.name} USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
            by_firm = "USING INDEX ix_audit_firm" if source is Source.AUDIT else by_id
            assert (
                by_id in plan
                or by_firm in plan
                or f"Index Scan using pk_{table.name}" in plan
                or (source is Source.AUDIT and "Index Scan using ix_audit_firm" in plan)
            ), plan
            assert "TEMP B-TREE" not in plan
            assert "Sort" not in plan
        given = {"rows": 4} | {f"after_{source.name}": 5 for source in Source}
        plan = await plan_of(tx, storage.windows().params(given))
        assert plan.count("rowid>?") == len(Source) or plan.count("Index Only Scan using pk_") == len(Source), plan
        plan = await plan_of(tx, storage._before().where(storage._h.id == 3).params(this_firm=1))
        assert plan.count("ix_status_history_case") == 2, plan


WRITERS, READERS, STEPS = 8, 3, 25
NAMES = {Source.NOTES: "note", Source.HISTORY: "history", Source.PHONES: "phone"}


@dataclass
class Rush:
    """Writers and readers at once: a writer has cases of its own, and knows in which order it committed."""

    office: Office
    firm: Firm
    first: Cursor
    logs: dict[int | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    has_ended: bool = False

    async def write(self, number: int) -> None:
        chance, store = random.Random(number), self.office.store
        for _ in range(STEPS):
            case_id = number * 2 + 1 + chance.randrange(2)
            what = chance.choice(("note", "history", "phone"))
            if what == "phone":
                edit = partial(with_phone, edit=PhoneEdit(f"402555{case_id:02}{len(self.logs[case_id]):02}"))
                await case_operations.change_phones(store, ME, self.office.name, case_id, edit)
            else:
                async with store.write() as tx:
                    await self._put(tx, case_id, what)
                    if not store.dialect.has_one_writer:
                        await asyncio.sleep(chance.choice((0, 0, 0.002, 0.02)))
            self.logs[case_id].append(what)

    async def _put(self, tx: Transaction, case_id: int, what: str) -> None:
        if what == "note":
            await notes.add(tx, self.firm, [Note(case_id, "n", vendor(), datetime.now(UTC))])
        else:
            await report(tx, self.firm, case_id)

    async def read(self, number: int) -> list[FeedEvent]:
        """Read in pieces, each as after a kill: nothing is known but the cursor."""
        chance, found, cursor = random.Random(-number), list[FeedEvent](), self.first
        is_over = False
        while not is_over:
            had, feed = self.has_ended, Feed(self.office.store)
            with contextlib.suppress(TimeoutError):
                for _ in range(chance.randint(1, 5)):
                    async with asyncio.timeout(chance.choice((0.003, 5, 5))):
                        seconds = chance.choice((0, 0.05))
                        page = await feed.wait(self.firm.id, cursor, chance.choice((1, 2, 50)), seconds)
                    found += page.events
                    cursor = Cursor.read(str(page.cursor))
                    is_over = had and not (page.events or page.more or feed._settling.is_behind)
            await feed.stop()
        return found


async def test_writers_and_readers_at_once(office: Office, store: Store) -> None:
    """8 writers, and 3 readers that die and come again: each has every change once, in order, and all alike."""
    for case_id in range(1, WRITERS * 2 + 1):
        await office.add(case_id)
    firm = await office.firm()
    rush = Rush(office, firm, await Feed(store).newest(firm.id))
    readers = [asyncio.create_task(rush.read(number)) for number in range(READERS)]
    await asyncio.gather(*(rush.write(number) for number in range(WRITERS)))
    rush.has_ended = True
    results = await asyncio.gather(*readers)
    for found in results:
        assert Counter(one.id for one in found) == Counter(await rows(office))
        by_case: dict[int | None, list[str]] = defaultdict(list)
        for one in found:
            by_case[one.case_id].append(NAMES[one.source])
        assert by_case == rush.logs
        assert [one.id for one in found] == [one.id for one in results[0]]


async def test_settling_is_for_a_transaction_that_began_afterwards(office: Office, store: Store) -> None:
    """Two look at once: what one finds settled, the other's older transaction need not see."""
    settling = Settling(operations._last)
    firm = await office.firm()
    await office.add(1)
    async with store.read() as old:
        await old.execute(sa.text("SELECT 1 FROM firms"))
        known = settling.settled
        async with store.write() as tx:
            await notes.add(tx, firm, [Note(1, "n", vendor(), datetime.now(UTC))])
        last = 0
        async with asyncio.timeout(PATIENCE):
            while not last:  # whoever writes in this cluster, vacuum too, is waited for
                before = settling.settled
                async with store.read() as tx:
                    last = await settling.look(tx, before)
        assert await settling.look(old, known) < last or store.dialect.has_one_writer
