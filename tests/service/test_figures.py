"""Figures are those of a slow count, whatever was counted before, whoever counts, and whatever has gone since."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import IMPORT, Actor, operator
from casedial.domain.cases import StatusChange
from casedial.domain.dialing import CaseFilter
from casedial.domain.figures import By, Kind, Span, monday_of
from casedial.domain.statuses import Flag, Status, StatusType
from casedial.service.operations import cases as case_operations
from casedial.service.operations import counting, figures, forgetting, removal, retention
from casedial.service.operations.figures import Figures
from casedial.service.operations.forgetting import ReplyForm
from casedial.storage import cases
from casedial.storage import figures as storage
from tests.conftest import ME, Api, Office, make_office, vendor
from tests.service import test_import_jobs
from tests.waiting import until

ACTORS = (vendor(), vendor(), vendor("Other"), IMPORT, operator("me"))
NAMES = ("Busy", "No Answer", "Successful", "Never Dialed")
SINCE, UNTIL = date(2026, 10, 26), date(2026, 11, 8)  # the clocks go back on the first of November
REPORTS = ("hours", "weeks", "vendors")
FORM = ReplyForm(lambda case_id: [b"nothing like it"], lambda body, case_ids: body)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "PAGE", 13)
    monkeypatch.setattr(counting, "ROWS", 31)
    monkeypatch.setattr(figures, "_MOST_PAGES", None)


@dataclass
class Book:
    """What really happened to a firm's cases, kept by the test."""

    office: Office
    chance: random.Random
    there: list[int] = field(default_factory=lambda: list(range(1, 21)))
    campaigns: dict[int, list[tuple[datetime, Status | None]]] = field(default_factory=dict)
    reports: list[tuple[datetime, int, Status, Actor]] = field(default_factory=list)

    async def write(self, since: datetime, until: datetime) -> None:
        """Let some time pass in which dialers report, cases move, and others set dispositions, too."""
        firm, at = await self.office.firm(), since
        campaigns = [None, *firm.statuses.of(StatusType.CAMPAIGN)]
        rows = []
        while at < until:
            case_id, by = self.chance.choice(self.there), self.chance.choice(ACTORS)
            if self.chance.random() < 0.2:
                to = self.chance.choice(campaigns)
                self.campaigns.setdefault(case_id, []).append((at, to))
                rows.append(StatusChange(case_id, StatusType.CAMPAIGN, to, None, at, operator("me")))
            status = firm.statuses.named(StatusType.DISPOSITION, self.chance.choice(NAMES))
            rows.append(StatusChange(case_id, StatusType.DISPOSITION, status, None, at, by))
            rows.append(StatusChange(case_id, StatusType.DIALER, None, None, at, by))
            self.reports.append((at, case_id, status, by))
            at += timedelta(minutes=self.chance.choice((0, 7, 23, 190)), microseconds=1)
        async with self.office.store.write() as tx:
            await cases.record(tx, firm, rows)
            as_older = sa.text("UPDATE status_history SET actor_kind = NULL, actor_id = NULL WHERE id % 3 = 0")
            await tx.execute(as_older)  # as a casedial from before actors writes them

    def _stays(self) -> list[tuple[int, datetime, datetime, Status | None]]:
        """Case, from when, until when, campaign."""
        first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
        found = []
        for case_id in range(1, 21):
            moves: list[tuple[datetime, Status | None]] = [(first, None)]
            for move in self.campaigns.get(case_id, ()):
                if move[1] != moves[-1][1]:
                    moves.append(move)
            ends = [*(at for at, _ in moves[1:]), last]
            found += [(case_id, at, end, to) for (at, to), end in zip(moves, ends, strict=True)]
        return found

    def slow(self, zone: ZoneInfo, since: date, until: date) -> dict[str, Counter[tuple[object, ...]]]:
        """Count everything anew, as plainly as can be."""

        def told(at: datetime) -> bool:
            return since <= at.astimezone(zone).date() <= until

        def monday(at: datetime) -> date:
            day = at.astimezone(zone).date()
            return day - timedelta(days=day.weekday())

        found: dict[str, Counter[tuple[object, ...]]] = {
            name: Counter() for name in ("hours", "weeks", "vendors", "stays", "tries")
        }
        for case_id, start, end, campaign in self._stays():
            name = campaign.name if campaign else ""
            mine = [one for one in self.reports if one[1] == case_id and start <= one[0] < end and one[3].kind == 1]
            for at, _, status, by in mine:
                if told(at):
                    local = at.astimezone(zone)
                    found["hours"][local.weekday(), local.hour, status.name] += 1
                    found["weeks"][monday(at), name, status.name] += 1
                    found["vendors"][by.name, status.name] += 1
            calls = [one for one in mine if Flag.ATTEMPT in one[2].flags]
            reached = [n for n, one in enumerate(calls, 1) if Flag.CONVERSATION in one[2].flags]
            if reached and told(calls[reached[0] - 1][0]):
                found["tries"][name, reached[0]] += 1
            if campaign and told(start):
                for what, is_so in ((Kind.ENTERED, True), (Kind.CALLED, bool(calls)), (Kind.REACHED, bool(reached))):
                    found["stays"][what, monday(start), name] += is_so
        return {name: +counts for name, counts in found.items()}


def shown(found: Figures) -> dict[str, Counter[tuple[object, ...]]]:
    tally, told, campaign = found.tally, found.disposition, found.campaign
    return {
        "hours": Counter({(hour // 24, hour % 24, told(id)): n for (hour, id), n in tally.hours.items()}),
        "weeks": Counter({(monday_of(week), campaign(to), told(id)): n for (week, to, id), n in tally.weeks.items()}),
        "vendors": Counter({(name, told(id)): n for (name, id), n in tally.vendors.items()}),
        "stays": Counter({(kind, monday_of(week), campaign(to)): n for (kind, week, to), n in tally.stays.items()}),
        "tries": Counter({(campaign(to), tries): n for (to, tries), n in tally.tries.items()}),
    }


async def look(book: Book, since: date = SINCE, until: date = UNTIL) -> dict[str, Counter[tuple[object, ...]]]:
    found = await figures.look(book.office.store, ME, book.office.name, since, until)
    assert found.behind == 0
    return shown(found)


async def until_counted(office: Office, *counters: counting.Counter) -> None:
    """Have all history counted, however long somebody writes in this cluster, vacuum too."""

    async def is_counted() -> bool:
        await asyncio.gather(*(counter.catch_up(office.store) for counter in counters))
        async with office.store.read() as tx:
            return (await storage.place(tx)).history_id == await storage.last_id(tx)

    await until(is_counted)


async def both(book: Book, since: date = SINCE, until: date = UNTIL) -> None:
    firm = await book.office.firm()
    assert await look(book, since, until) == book.slow(firm.zone, since, until)


@pytest.mark.parametrize("seed", range(4))
async def test_figures_are_those_of_a_slow_count(office: Office, other_office: Office, seed: int) -> None:
    chance = random.Random(seed)
    books = [Book(one, chance) for one in (office, other_office)]
    for one in (office, other_office):
        for case_id in range(1, 21):
            await one.add(case_id)
    counters = [counting.Counter(), counting.Counter()]  # two servers
    at = datetime(2026, 10, 24, tzinfo=UTC)
    while at < datetime(2026, 11, 11, tzinfo=UTC):
        for book in books:
            await book.write(at, at + timedelta(hours=30))
        at += timedelta(hours=30)
        for _ in range(chance.randrange(6)):
            await chance.choice(counters).page(office.store)
        if chance.random() < 0.4:
            await both(chance.choice(books))
    for book in books:
        await both(book)
        await both(book, date(2026, 11, 1), date(2026, 11, 1))
    await until_counted(office, *counters)
    for zone in ("Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "America/New_York"):
        await office.set(time_zone=zone)
        await both(books[0])
    assert sum(sum(counts.values()) for counts in books[0].slow(ZoneInfo("UTC"), SINCE, UNTIL).values()) > 300


async def forget(office: Office, *case_ids: int) -> None:
    which = CaseFilter(case_ids=case_ids)
    await forgetting.forget(office.store, ME, office.name, which, True, FORM, do=True)


async def test_what_goes_was_counted(office: Office) -> None:
    """Cases are deleted before they were counted, among them the last that was reported; history is purged."""
    book = Book(office, random.Random(5))
    for case_id in book.there:
        await office.add(case_id)
    start = datetime(2026, 10, 26, 12, tzinfo=UTC)
    counter = counting.Counter()
    for day in range(9):
        await book.write(start + timedelta(days=day), start + timedelta(days=day + 1))
        if day % 3 == 0:
            await counter.page(office.store)
        if day % 3 != 2:
            last = book.reports[-1][1]
            await forget(office, last, book.there[0])
            book.there = [case_id for case_id in book.there if case_id not in (last, book.there[0])]
        await both(book)
    await retention.purge(office.store, ME, office.name, timedelta(days=1), do=True)
    await both(book)
    async with office.store.read() as tx:
        left = len(await storage.history(tx, (await office.firm()).id, range(1, 21), await storage.last_id(tx)))
    assert left < len(book.reports) / 3
    await book.write(start + timedelta(days=9), start + timedelta(days=10))
    found, slow = await look(book), book.slow((await office.firm()).zone, SINCE, UNTIL)
    assert [found[name] for name in REPORTS] == [slow[name] for name in REPORTS]


async def test_no_page_is_counted_twice(office: Office) -> None:
    """Many count at once, and one dies between reading a page and keeping it."""
    book = Book(office, random.Random(6))
    for case_id in book.there:
        await office.add(case_id)
    await book.write(datetime(2026, 10, 27, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC))

    async def count(dies: bool) -> None:
        counter = counting.Counter()
        for _ in range(30):
            if dies:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.004):
                        await counter.page(office.store)
            else:
                await counter.page(office.store)

    await asyncio.gather(*(count(dies) for dies in (False, True, False, True)))
    await both(book)
    await counting.Counter().catch_up(office.store)
    await both(book)


async def test_a_row_that_comes_to_light_late_is_counted(office: Office, database: str) -> None:
    """A transaction writes a row, and ends after others that began, wrote and were counted meanwhile."""
    if database == "sqlite":
        pytest.skip("SQLite has one writer: no row comes to light behind later ones")
    firm = await office.firm()
    busy = firm.statuses.named(StatusType.DISPOSITION, "Busy")
    counter = counting.Counter()

    async def report(tx: Transaction, case_id: int) -> None:
        await tx.execute(sa.select(sa.func.pg_current_xact_id()))  # as the lock of a case does
        at = datetime(2026, 11, 2, tzinfo=UTC)
        await cases.record(tx, firm, [StatusChange(case_id, StatusType.DISPOSITION, busy, None, at, vendor())])

    async def total() -> int:
        return (await figures.look(office.store, ME, firm.name, SINCE, UNTIL)).total.reports

    async with office.store.write() as slow:
        await report(slow, 1)
        async with office.store.write() as tx:
            await report(tx, 2)
        for _ in range(5):
            await counter.page(office.store)
        assert await total() == 1  # by looking at what is not counted
        async with office.store.read() as tx:
            assert (await storage.place(tx)).history_id == 0
    await until_counted(office, counter)
    assert await total() == 2


async def test_refused_and_repeated_reports(office: Office, api: Api) -> None:
    """What was refused is no report; what was sent again with its Idempotency-Key is one."""
    for case_id in (1, 2):
        await office.add(case_id)
    body = {"Cases": [{"CaseID": 1, "Disposition": "Busy"}, {"CaseID": 2, "Disposition": "Nonsense"}]}
    for _ in range(3):
        reply = await api.post("UpdateCaseStatus", json=body, headers={"Idempotency-Key": "once"})
        assert reply.status_code in (200, 207), reply.text
    today = datetime.now(UTC).date()
    for _ in range(2):
        found = await figures.look(office.store, ME, office.name, today - timedelta(2), today + timedelta(2))
        assert (found.total.reports, [*found.by(By.VENDOR)]) == (1, ["Acme Dialer"])
        await counting.Counter().catch_up(office.store)


@pytest.mark.parametrize("is_counted", [False, True])
async def test_an_import_that_is_undone_was_never_there(office: Office, is_counted: bool) -> None:
    """What it moved into a campaign counts no more, but for a case that somebody has touched since."""
    rows = "".join(f"{n},Ann,Intake follow-up,To Dial,402555{n:04}\n" for n in range(1, 10))
    job = await test_import_jobs.receive(office, test_import_jobs.HEADER + rows)
    await test_import_jobs.check(office, job)
    await test_import_jobs.run(office, job)
    await case_operations.add_note(office.store, ME, office.name, 3, "a note")

    async def entered() -> int:
        today = datetime.now(UTC).date()
        found = await figures.look(office.store, ME, office.name, today - timedelta(2), today + timedelta(2))
        return sum(found.tally.stays.values())

    if is_counted:
        await counting.Counter().catch_up(office.store)
    assert await entered() == 9
    await test_import_jobs.undo(office, job)
    assert await entered() == 1
    await office.add(20)
    firm = await office.firm()
    campaign = firm.statuses.named(StatusType.CAMPAIGN, "Intake follow-up")
    async with office.store.write() as tx:  # SQLite gives it the id of a row that has gone
        row = StatusChange(20, StatusType.CAMPAIGN, campaign, None, datetime.now(UTC), ME)
        await cases.record(tx, firm, [row])
    assert await entered() == 2
    await counting.Counter().catch_up(office.store)
    assert await entered() == 2


async def test_a_firm_takes_its_figures_with_it(office: Office, other_office: Office) -> None:
    books = [Book(one, random.Random(8)) for one in (office, other_office)]
    for book in books:
        await book.write(datetime(2026, 10, 27, tzinfo=UTC), datetime(2026, 10, 29, tzinfo=UTC))
    await counting.Counter().catch_up(office.store)
    await removal.remove_firm(office.store, ME, other_office.name)
    again = Book(await make_office(office.store, "Third"), random.Random(9))  # SQLite: it has the same id
    await both(again)
    await again.write(datetime(2026, 10, 27, tzinfo=UTC), datetime(2026, 10, 29, tzinfo=UTC))
    await counting.Counter().catch_up(office.store)
    await both(again)
    await both(books[0])


async def test_a_long_way_behind_is_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_MOST_PAGES", 2)
    book = Book(office, random.Random(10))
    await book.write(datetime(2026, 10, 27, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC))
    found = await figures.look(office.store, ME, office.name, SINCE, UNTIL)
    assert found.behind > 0
    whole = await figures.count_reports(office.store, ME, office.name, SINCE, UNTIL)
    assert (whole.behind, shown(whole)) == (0, book.slow((await office.firm()).zone, SINCE, UNTIL))


@pytest.mark.parametrize("campaign", [None, 7])
async def test_no_more_is_read_than_the_days(office: Office, store: Store, campaign: int | None) -> None:
    """A report goes by the key, from one end of the days to the other; what is not counted, by the key of history."""
    span = Span(1000, 2000, -300)
    async with store.read() as tx:
        if store.dialect.name == "postgresql":
            await tx.execute(sa.text("SET LOCAL enable_seqscan = off"))  # of so few rows it would read all
            await tx.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
        plan = await plan_of(tx, storage.sums(1, [Kind.REPORTS], span, [storage.figures.c.vendor], campaign))
        assert "pk_figures" in plan or "SEARCH figures USING PRIMARY KEY" in plan
        assert "slot>? AND slot<?" in plan or "slot >= 1000" in plan
        given = {"after": 5, "until": 10, "this_firm": 1, "these_cases": [1, 2]}
        plan = await plan_of(tx, storage.between(of_firm=False).params(**{n: given[n] for n in ("after", "until")}))
        assert "rowid>? AND rowid<?" in plan or "id > 5" in plan
        plan = await plan_of(tx, storage.histories(tx.dialect).params({n: given[n] for n in given if n != "after"}))
        assert "ix_status_history_case" in plan


async def plan_of(tx: Transaction, query: sa.Select[Any]) -> str:
    compiled = query.compile(dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    return str((await tx.execute(sa.text(explain + str(compiled).replace(":", r"\:")))).all())
