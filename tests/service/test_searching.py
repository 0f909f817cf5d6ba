"""Cases are found by CaseID, by any way of writing a number, by the beginning of any word of a name; page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database import tables
from casedial.database.engine import Store
from casedial.database.tables import case_names, cases
from casedial.domain.cases import Phone
from casedial.domain.dialing import CaseFilter
from casedial.domain.searching import Capped, Order, Place, Search
from casedial.service.operations import names, searching
from casedial.service.operations.forgetting import ReplyForm, forget
from casedial.service.operations.searching import Result
from casedial.storage import duties, listing
from tests.conftest import ME, NOW, Office
from tests.service.test_imports import bring
from tests.statements import explaining


async def find(office: Office, text: str = "", order: Order = Order.CASE, **which: Any) -> list[int]:
    """All that is found, by pages of two; no page repeats or leaves out anything."""
    found: list[int] = []
    after: Place | None = None
    while True:
        page = await one_page(office, text, order, after, **which)
        found += [row.case.case_id for row in page.rows]
        after = page.more
        if after is None:
            return found


async def one_page(
    office: Office, text: str = "", order: Order = Order.CASE, after: Place | None = None, **which: Any
) -> Result:
    return await searching.find(office.store, ME, office.name, Search(text, CaseFilter(**which), order), after, 2)


@pytest.fixture
async def people(office: Office, other_office: Office) -> Office:
    named = {
        1: "Änne Smith",
        2: "Bob O'Brien-Smythe",
        3: "Smithers, Cy",
        4: "María Peña",
        5: "smith smithson",
        6: "Łucja Ärger",
        7: "",
    }
    for case_id, name in named.items():
        at = NOW - timedelta(days=case_id % 3, hours=case_id)
        await office.add(case_id, plaintiff=name, dial_at=at, phones=(Phone("Cell", "402555{:04}"),))
    await other_office.add(1, plaintiff="Ann Smith", phones=(Phone("Cell", "4025550001"),))
    return office


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("4", [4]),
        ("99", []),
        ("(402) 555-0003", [3]),
        ("+1 402.555.0003 x12", [3]),
        ("smith", [1, 5, 3]),  # by the word, and each case once
        ("SMITH AN", [1]),
        ("obrien", [2]),
        ("o'br", [2]),
        ("smythe", [2]),
        ("pena", [4]),
        ("PEÑ", [4]),
        ("łuc arg", [6]),
        ("mith", []),
        ("--", []),
        ("%", []),
        ("", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
async def test_found_by(people: Office, text: str, wanted: list[int]) -> None:
    assert await find(people, text) == wanted


async def test_orders_and_filters(people: Office) -> None:
    assert await find(people, order=Order.NEWEST) == [7, 6, 5, 4, 3, 2, 1]
    assert await find(people, order=Order.DIALING) == [5, 2, 7, 4, 1, 6, 3]
    due = NOW - timedelta(days=1)
    assert await find(people, order=Order.DIALING, due_at=due) == [5, 2, 7, 4, 1]
    await people.add(8, dialer="In the Dialer", plaintiff="Zed Smith")
    assert await find(people, dialer_status="In the Dialer") == [8]
    assert await find(people, "smith", dialer_status="In the Dialer") == [8]
    assert await find(people, campaign="Notification campaign") == []
    assert await find(people, priority=4) == []
    assert await find(people, answered=True) == []
    assert await find(people, order=Order.DIALING, dialer_status="Do not Dial") == []
    assert await find(people, order=Order.DIALING, dialer_status="to dial") == [5, 2, 7, 4, 1, 6, 3]
    assert await find(people, "4", order=Order.DIALING) == [4]  # an order that is not for all


async def test_the_case_before_and_behind(people: Office) -> None:
    async def beside(case_id: int, text: str = "", order: Order = Order.CASE) -> tuple[int | None, int | None]:
        search = Search(text, CaseFilter(), order)
        found = await searching.neighbours(people.store, ME, people.name, search, case_id)
        return found.before, found.behind

    assert await beside(1) == (None, 2)
    assert await beside(4) == (3, 5)
    assert await beside(4, order=Order.NEWEST) == (5, 3)
    assert await beside(5, "smith") == (1, 3)
    assert await beside(7, order=Order.DIALING) == (2, 4)
    assert await beside(3, order=Order.DIALING) == (6, None)
    assert await beside(99) == (None, None)


async def test_counts_go_no_further_than_they_have_to(people: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def count(text: str = "", **which: Any) -> Capped | None:
        return (await one_page(people, text, **which)).count

    assert await count() == Capped(7)
    assert await count("smith") == Capped(3)
    assert await count("402-555-0003") == Capped(1)
    monkeypatch.setattr(listing, "MOST_COUNTED", 2)
    assert await count() == Capped(2, True)
    assert await count("smith") == Capped(2, True)


async def test_a_list_that_finds_nothing_says_how_far_it_looked(
    people: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_STEPS", (1, 2))
    page = await one_page(people, priority=1)
    assert (page.rows, page.more) == ([], (3,))
    assert page.count == Capped(0, True)
    assert await find(people, priority=1) == []
    assert await find(people, campaign="Intake follow-up") == [1, 2, 3, 4, 5, 6, 7]
    assert await find(people, order=Order.NEWEST, campaign="Intake follow-up") == [7, 6, 5, 4, 3, 2, 1]


async def words(store: Store) -> list[tuple[str, int]]:
    async with store.read() as tx:
        return sorted((row.word, row.case_id) for row in await tx.execute(sa.select(case_names)))


async def test_who_writes_a_name_writes_its_words(office: Office) -> None:
    await bring(office, "CaseID,Plaintiff\n1,Ann Lee\n2,Bo\n")
    assert await words(office.store) == [("ann", 1), ("bo", 2), ("lee", 1)]
    await bring(office, "CaseID,Plaintiff\n1,Ann Fox\n2,Bo\n3,Cy\n")
    assert await words(office.store) == [("ann", 1), ("bo", 2), ("cy", 3), ("fox", 1)]
    form = ReplyForm(lambda case_id: [b"no such mark"], lambda body, case_ids: body)
    await forget(office.store, ME, office.name, CaseFilter((1,)), False, form, do=True)
    assert await words(office.store) == [("bo", 2), ("cy", 3)]


async def test_what_an_older_casedial_leaves_is_mended(office: Office) -> None:
    """It writes no words of a case that it adds or renames, and removes none."""
    for case_id, name in ((1, "Ann Lee"), (2, "Bo Fox"), (3, "Cy Day")):
        await office.add(case_id, plaintiff=name)
    async with office.store.write() as tx:
        await tx.execute(cases.update().where(cases.c.case_id == 1).values(plaintiff="Ann Roe"))
        await tx.execute(sa.text("DELETE FROM phone_numbers WHERE case_id = 2"))
        await tx.execute(cases.delete().where(cases.c.case_id == 2))
        await tx.execute(case_names.delete().where(case_names.c.case_id == 3))
    assert await find(office, "lee") == []  # a word that is left finds nobody
    walk = names.Walk()
    while not walk.is_done:
        await names.page(office.store, walk)
    assert await words(office.store) == [("ann", 1), ("cy", 3), ("day", 3), ("roe", 1)]


async def leave_no_words(office: Office) -> None:
    async with office.store.write() as tx:
        await tx.execute(case_names.delete())


async def be_through(office: Office, namer: names.Namer) -> None:
    for _ in range(5):
        await namer.on_duty(office.store)


async def test_one_server_goes_through_the_names_and_the_others_and_a_restart_rest(office: Office) -> None:
    await office.add(1, plaintiff="Ann")
    one, other = names.Namer(), names.Namer()
    await leave_no_words(office)
    await one.on_duty(office.store)
    await leave_no_words(office)
    await be_through(office, other)
    assert await words(office.store) == [], "the other is at it"
    await be_through(office, one)
    await leave_no_words(office)
    for namer in (one, other, names.Namer()):
        await be_through(office, namer)
    assert await words(office.store) == [], "it is not time yet"


@pytest.mark.parametrize(("mended", "hours"), [(True, 1), (False, 24)])
async def test_what_had_to_be_mended_is_looked_at_again_within_the_hour(
    office: Office, mended: bool, hours: int
) -> None:
    await office.add(1, plaintiff="Ann")
    if mended:
        await leave_no_words(office)
    else:
        await bring(office, "CaseID,Plaintiff\n1,Ann\n")
    await be_through(office, names.Namer())
    async with office.store.write() as tx:
        rest = await duties.of(tx, "names: rest")
        assert rest
        assert timedelta(hours=hours - 0.1) < rest.left <= timedelta(hours=hours)
        await tx.execute(tables.duties.delete())
    await leave_no_words(office)
    await be_through(office, names.Namer())
    assert await words(office.store) == [("ann", 1)]


@pytest.fixture
async def many(office: Office) -> Office:
    rows = "\n".join(
        f"{n},Person{n % 97} Name{n},To Dial,2026-01-05T09:00:00,Intake follow-up,402555{n:04}" for n in range(1, 4001)
    )
    await bring(office, f"CaseID,Plaintiff,DialerStatus,DialDateTime,Campaign,Phone1\n{rows}\n")
    async with office.store.write() as tx:
        await tx.execute(sa.text("ANALYZE"))
    return office


@pytest.mark.parametrize(
    ("search", "index"),
    [
        (Search("name12"), "ix_case_names_word"),
        (Search("402-555-0012"), "phone_numbers"),
        (Search("", CaseFilter(dialer_status="In the Dialer")), "ix_cases_dialing"),
        (Search("", CaseFilter(held_back=True, campaign="Intake follow-up")), "ix_cases_kept_back"),
        (Search("", CaseFilter(answered=True)), "ix_cases_answered"),
        (Search("", CaseFilter(campaign="Intake follow-up"), Order.DIALING), "ix_cases_queue"),
        (Search("", CaseFilter(), Order.DIALING), "ix_cases_queue"),
        (Search("", CaseFilter(disposition="Busy")), ""),
    ],
)
async def test_no_list_reads_all_cases(
    many: Office, search: Search, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_STEPS", (100, 500))  # of cases that are many more
    with explaining() as plans:
        found = await searching.find(many.store, ME, many.name, search, None, 50)
    whole = "\n".join(plans)
    assert index in whole
    of_cases = [line for plan in plans for line in plan.splitlines() if "case" in line or "phone_numbers" in line]
    assert not [line for line in of_cases if "SCAN cases" in line or "SCAN case_names" in line], whole
    assert not [line for line in of_cases if "Seq Scan on case_names" in line or "Seq Scan on phone_numbers" in line]
    assert len(found.rows) <= 50
