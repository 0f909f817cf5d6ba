"""Priority: due order is priority, then time, then CaseID."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.tables import cases
from casedial.domain.actors import operator
from casedial.domain.cases import Case
from casedial.domain.dialing import DialQuery, OperatorChange
from casedial.domain.rules import Purpose
from casedial.service import claiming, dialing
from casedial.service.changes import change_cases
from casedial.storage import queues
from casedial.storage.queues import Sight
from tests.conftest import NOW, Api, Office
from tests.service.test_calling import CAMPAIGN, LOS_ANGELES, MORNING, NEW_YORK, caller, decide, ids
from tests.service.test_imports import bring
from tests.statements import listening


async def give(office: Office, priority: int, *case_ids: int) -> None:
    firm = await office.firm()
    async with office.store.write() as tx:
        wanted = OperatorChange(priority=priority)
        assert (await change_cases(tx, firm, case_ids, wanted, operator("somebody"), NOW)).counts.cases == len(case_ids)


async def claim(office: Office, records: int, auto_change: bool = True, **query: Any) -> list[Case]:
    async with office.store.write() as tx:
        asked = DialQuery(query.get("campaign"), query.get("case_group"), records, auto_change)
        return (await dialing.get_cases_to_dial(tx, await caller(office), asked, MORNING))[0]


async def test_the_first_priority_comes_first(office: Office) -> None:
    for case_id in range(1, 9):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id), case_group="Auto")
    assert (await office.firm()).priorities == (5,)
    await give(office, 9, 8, 7)
    await give(office, 1, 1, 2)
    assert (await office.firm()).priorities == (1, 5, 9)
    expected = [2, 1, 6, 5, 4, 3, 8, 7]
    assert ids(await claim(office, 100, auto_change=False)) == expected
    assert ids(await claim(office, 3, auto_change=False, case_group="auto")) == expected[:3]
    assert ids(await claim(office, 5, campaign=CAMPAIGN)) == expected[:5]
    assert ids(await claim(office, 5)) == expected[5:]
    assert await office.history(1) == [("Dialer Status", "In the Dialer", "Acme Dialer")]  # a priority is no status


async def test_equal_priorities_leave_the_order_of_the_specification(office: Office, api: Api) -> None:
    for case_id in (3, 1, 2):
        await office.add(case_id, dial_at=NOW - timedelta(days=1 if case_id == 1 else 2))
    await give(office, 2, 1, 2, 3)
    assert [case["CaseID"] for case in (await api.post("GetCasesToDial", {})).json()] == [2, 3, 1]


async def test_behind_many_closed_cases_of_several_priorities(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_AT_ONCE", 3)
    await decide(office, purpose=Purpose.CLIENT)
    for case_id in range(1, 31):
        await office.add(case_id, **(NEW_YORK if case_id % 10 == 0 else LOS_ANGELES))
    await give(office, 1, *range(11, 21))
    await give(office, 7, *range(1, 11))
    assert ids(await claim(office, 3, auto_change=False)) == [20, 30, 10]
    assert ids(await claim(office, 2)) == [20, 30]
    assert ids(await claim(office, 2)) == [10]


async def test_an_import_brings_priorities(office: Office) -> None:
    report = await bring(office, "CaseID,Priority\n1,1\n2,\n3,9\n4,0\n5,10\n6,high\n")
    assert report.added == 3
    assert [(index, bad.column) for index, bad in report.bad] == [(3, "Priority"), (4, "Priority"), (5, "Priority")]
    assert report.bad[0][1].reason == "must be 1 (first) to 9 (last)"
    assert [(await office.case(n)).priority for n in (1, 2, 3)] == [1, 5, 9]
    assert (await office.firm()).priorities == (1, 5, 9)
    await bring(office, "CaseID,Plaintiff\n1,Ann\n")
    assert (await office.case(1)).priority == 1
    await bring(office, "CaseID,Priority\n1,\n")
    assert (await office.case(1)).priority == 5


async def test_it_stays_whatever_happens_to_the_case(office: Office, api: Api) -> None:
    await office.add(1)
    await give(office, 3, 1)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "To Dial", "Disposition": "Busy"})
    case = await office.case(1)
    assert case.priority == 3


@pytest.mark.parametrize("database", ["postgresql"])  # SQLite has one writer
@pytest.mark.parametrize("is_done", [False, True])
async def test_a_bulk_change_is_passed_over_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    """Whether it still has the cases, or was done between the look and the lock: not one round trip for each."""
    for case_id in range(1, 61):
        await office.add(case_id)
    await give(office, 9, 60)  # so that cases are looked at one by one
    moved = sa.update(cases).where(cases.c.case_id <= 45).values(dialer_role=3, priority=8)
    look = queues.look

    async def look_before(*asked: Any) -> list[Sight]:
        found = await look(*asked)
        monkeypatch.setattr(queues, "look", look)
        async with office.store.write() as other:
            await other.execute(moved)
        return found

    async with office.store.write() as bulk:
        if is_done:
            monkeypatch.setattr(queues, "look", look_before)
        else:
            await bulk.execute(moved)
        with listening() as asked:
            assert ids(await claim(office, 1)) == [46]
    assert len(asked) < 30
