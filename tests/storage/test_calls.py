"""Calls: each question about many of them goes by an index, and the old are forgotten first."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import calls as calls_table
from casedial.database.tables import cases as cases_table
from casedial.domain.cases import Case, Phone
from casedial.domain.limits import LOOK_BACK, Call
from casedial.domain.statuses import Role, StatusType
from casedial.storage import calls, cases
from tests.conftest import NOW, Office
from tests.statements import explaining, reading

FIRMS, MANY = (1, 2, 3), 8_000  # calls of each
BEFORE = NOW - LOOK_BACK


def of_a_firm(number: int) -> list[Call]:
    """One a minute, until now, of numbers and cases that are called again and again."""
    began = NOW - timedelta(minutes=MANY)
    return [
        Call(f"212555{n * number % 4999:04}", 1 + n % 3989, began + timedelta(minutes=n), n % 9 == 0)
        for n in range(1, MANY + 1)
    ]


@pytest.fixture
async def many_calls(store: Store) -> None:
    """Calls, with what the database knows of so many."""
    async with store.write() as tx:
        for firm_id in FIRMS:
            await calls.add(tx, firm_id, of_a_firm(firm_id))
        await tx.execute(sa.text("ANALYZE calls"))


async def test_each_question_goes_by_an_index(store: Store, many_calls: None) -> None:
    """Of a case, of cases and numbers that are about to be called, of what is to be forgotten."""
    numbers = [f"212555{n:04}" for n in range(100)]
    with explaining() as plans:
        async with store.write() as tx:
            assert len(await calls.of_cases(tx, 2, [7])) == 3
            assert await calls.concerning(tx, 2, numbers, range(1, 101), NOW)
            assert await calls.forget(tx, NOW + LOOK_BACK, 500) == 500
    of_cases, concerning, *forgotten = plans
    assert "ix_calls_case" in of_cases
    assert "ix_calls_case" in concerning
    assert "ix_calls_number" in concerning
    # Looked for among the first that there are, in the order of their ids, and then deleted by these.
    assert len(forgotten) == 2
    if store.dialect.name == "sqlite":
        assert forgotten[0].splitlines() == ["CO-ROUTINE anon_1", "SCAN calls", "SCAN anon_1"]
        assert "USING INTEGER PRIMARY KEY (rowid=?)" in forgotten[1]
    else:
        assert all("Index Scan using pk_calls" in plan for plan in forgotten)
    assert not [plan for plan in plans if "Seq Scan" in plan]


async def test_only_the_old_are_forgotten_some_at_a_time(store: Store) -> None:
    old = [Call("2125550100", 7, BEFORE - timedelta(seconds=n)) for n in range(5)]
    new = [Call("2125550100", 7, BEFORE + timedelta(seconds=n)) for n in range(1, 4)]
    async with store.write() as tx:
        await calls.add(tx, 1, [*old[:3], *new[:1], *old[3:], *new[1:]])  # of servers whose clocks differ
        assert [await calls.forget(tx, NOW, 3) for _ in range(3)] == [3, 2, 0]
        left = await tx.execute(sa.select(calls_table.c.called_at).order_by(calls_table.c.called_at))
        assert left.scalars().all() == [call.at for call in new]
        assert await calls.forget(tx, NOW, 3) == 0


async def test_numbers_in_use_are_found_however_many_cases_are_in_the_dialer(store: Store, office: Office) -> None:
    """What the database knows of its rows is often of the night, when nobody was In the Dialer."""
    firm = await office.firm()
    to_dial = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    some = [
        Case(case_id, statuses=to_dial, dial_at=NOW, phones=(Phone("Cell", f"402555{case_id:04}"),))
        for case_id in range(1, 1001)
    ]
    async with store.write() as tx:
        await cases.add(tx, firm, some)
        await tx.execute(sa.text("ANALYZE"))
    async with store.write() as tx:
        await tx.execute(cases_table.update().where(cases_table.c.case_id > 1).values(dialer_role=2))
    with reading() as read:
        async with store.read() as tx:
            _, in_use = await calls.concerning(tx, firm.id, ["4025550001", "4025550002"], [1], NOW)
    assert in_use == {"4025550002": 2}
    assert sum(rows for rows, _ in read) < 50
