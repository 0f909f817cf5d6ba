"""Notes on many cases, many cases on the do-not-call list and off it: previewed, done by whoever is there, undone."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor, ActorKind, operator
from casedial.domain.audit import AuditFilter
from casedial.domain.calling import Listing
from casedial.domain.changes import Change, ChangeState, Outcome, said
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import ChangeNotFound, ChangeNotPossible, RoleNotAllowed
from casedial.domain.orders import ChangeKind, Task
from casedial.domain.statuses import Role, StatusType
from casedial.domain.users import UserRole
from casedial.service.cases import EVERY_CASE
from casedial.service.changes import change_cases
from casedial.service.operations import audit, cases, do_not_call, exports, forgetting, users, working
from casedial.service.operations import changes as operations
from casedial.service.operations.forgetting import ReplyForm
from casedial.storage import changes as stored
from casedial.wire.exporting import CaseSheets
from casedial.wire.replies import case_marks, without_cases
from casedial.wire.sheets import Form
from tests.conftest import ME, NOW, Office

TEXT = "Ask for the police report."
NOTE, LIST, UNLIST = Task(ChangeKind.NOTE, TEXT), Task(ChangeKind.LIST), Task(ChangeKind.UNLIST)
EXPORT = Task(ChangeKind.EXPORT)
OTHER = operator("somebody else")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PAGE", 2)
    monkeypatch.setattr(exports, "PAGE", 2)


@pytest.fixture
async def five(office: Office) -> Office:
    for case_id in range(1, 5):
        await office.add(case_id, dial_at=NOW - timedelta(days=case_id))
    await office.add(5, dialer="In the Dialer")
    return office


async def preview(office: Office, task: Task, which: CaseFilter = EVERY_CASE, reason: str = "") -> Change:
    how = (office.store, ME, office.name)
    return (await operations.preview(*how, which, lambda firm: task, reason)).change


async def done(office: Office, task: Task, which: CaseFilter = EVERY_CASE, reason: str = "") -> Change:
    change = await preview(office, task, which, reason)
    return await operations.run(office.store, ME, office.name, change.id)


async def undo(office: Office, change: Change) -> operations.Shown:
    await operations.undo(office.store, OTHER, office.name, change.id)
    return await operations.show(office.store, ME, office.name, change.id)


async def notes(office: Office, case_id: int) -> list[str]:
    return [one.text for one in (await cases.show(office.store, ME, office.name, case_id)).file.notes]


async def listed(office: Office) -> dict[int | None, str]:
    found = await do_not_call.shelf(office.store, ME, office.name, of_cases=True)
    return {one.case_id: one.source for one in found.entries}


async def actions(office: Office) -> list[dict[str, Any]]:
    found = await audit.newest(office.store, ME, office.name, AuditFilter(), None, 50)
    return [{"action": one.entry.action, **(one.entry.after or {})} for one in found.entries]


async def test_a_note_on_many_and_its_undo(five: Office) -> None:
    await cases.add_note(five.store, OTHER, five.name, 2, TEXT)  # the same words by somebody else: they stay
    change = await preview(five, NOTE)
    assert change.expected.cases == change.total == 5
    assert await notes(five, 1) == []
    change = await operations.run(five.store, ME, five.name, change.id)
    assert (change.state, change.counts.cases) == (ChangeState.DONE, 5)
    assert await notes(five, 5) == [TEXT]
    assert await notes(five, 2) == [TEXT, TEXT]
    await cases.add_note(five.store, OTHER, five.name, 3, "Another.")
    shown = await undo(five, change)
    assert shown.change.undo_counts.cases == 5
    assert (await notes(five, 1), await notes(five, 2), await notes(five, 3)) == ([], [TEXT], ["Another."])


async def test_the_text_of_a_note_is_not_in_the_audit_and_goes_after_a_day(five: Office) -> None:
    change = await done(five, NOTE)
    firm = await five.firm()
    assert said(firm, change) == f"a note: {TEXT}"
    told = next(one for one in await actions(five) if one["action"] == "case.change")
    assert (told["what"], told["cases"]) == ("note", 5)
    assert TEXT not in str(await actions(five))
    async with five.store.write() as tx:
        await stored.update(tx, change.id, keep_until=NOW - timedelta(days=3000))
    while await working.forget_cases(five.store, NOW):
        pass
    [left] = (await operations.every(five.store, ME, five.name)).changes
    assert said(firm, left) == "a note"
    assert await notes(five, 1) == [TEXT]


async def test_many_onto_the_list_and_back(five: Office) -> None:
    await do_not_call.add(five.store, ME, five.name, [Listing(NOW.date(), "a letter", case_id=4)])
    before = await five.case(1)
    change = await preview(five, LIST, reason="moved away")
    assert (change.expected.cases, change.expected.unchanged, change.expected.do_not_call) == (4, 1, 3)
    change = await operations.run(five.store, ME, five.name, change.id)
    assert (change.counts.cases, change.counts.unchanged, change.counts.do_not_call) == (4, 1, 3)
    assert await listed(five) == {1: "moved away", 2: "moved away", 3: "moved away", 4: "a letter", 5: "moved away"}
    assert [await five.role(n) for n in (1, 4, 5)] == [Role.DO_NOT_DIAL, Role.TO_DIAL, Role.IN_THE_DIALER]
    # Of one the entry was taken off and put on again, of another the status was changed: they are left, and named.
    await do_not_call.remove(five.store, OTHER, five.name, [], [2])
    await do_not_call.add(five.store, OTHER, five.name, [Listing(NOW.date(), "again", case_id=2)])
    await touch(five, 3)
    shown = await undo(five, change)
    assert shown.left_by_undo[Outcome.CHANGED_SINCE] == [2, 3]
    assert shown.change.undo_counts.cases == 2
    assert await listed(five) == {2: "again", 3: "moved away", 4: "a letter"}
    assert (await five.case(1)).dial_at == before.dial_at
    assert await five.role(1) is Role.TO_DIAL


async def touch(office: Office, case_id: int) -> None:
    """Change the campaign of a case, as somebody else."""

    firm = await office.firm()
    into = firm.statuses.named(StatusType.CAMPAIGN, "Notification campaign")

    async def work(tx: Transaction) -> None:
        await change_cases(tx, firm, [case_id], OperatorChange(campaign=into), OTHER, datetime.now(UTC))

    await office.store.transact(work)


async def test_many_off_the_list_and_back(five: Office) -> None:
    entries = [Listing(NOW.date(), f"letter {case_id}", case_id=case_id) for case_id in (1, 2, 3)]
    await do_not_call.add(five.store, ME, five.name, entries)
    change = await preview(five, UNLIST)
    assert (change.expected.cases, change.expected.unchanged) == (3, 2)
    change = await operations.run(five.store, ME, five.name, change.id)
    assert (change.counts.cases, change.counts.unchanged) == (3, 2)
    assert await listed(five) == {}
    await do_not_call.add(five.store, OTHER, five.name, [Listing(NOW.date(), "again", case_id=2)])
    shown = await undo(five, change)
    assert shown.left_by_undo[Outcome.CHANGED_SINCE] == [2]
    assert await listed(five) == {1: "letter 1", 2: "again", 3: "letter 3"}


async def test_only_those_that_still_are_what_was_asked_for(five: Office) -> None:
    change = await preview(five, NOTE, CaseFilter(dialer_status="To Dial"))
    await operations.run(five.store, ME, five.name, (await preview_off(five, 2)).id)
    await delete(five, 3)
    change = await operations.run(five.store, ME, five.name, change.id)
    assert (change.counts.cases, change.counts.not_meant, change.counts.gone) == (2, 1, 1)
    assert await notes(five, 2) == []
    await delete(five, 1)
    shown = await undo(five, change)
    assert (shown.change.undo_counts.cases, shown.change.undo_counts.gone) == (1, 1)


async def preview_off(office: Office, case_id: int) -> Change:
    which = CaseFilter(case_ids=(case_id,))
    meant = OperatorChange(Move.DO_NOT_DIAL)
    return (await operations.preview(office.store, ME, office.name, which, lambda firm: meant)).change


async def delete(office: Office, case_id: int) -> None:
    form = ReplyForm(case_marks, without_cases)
    await forgetting.forget(office.store, ME, office.name, CaseFilter(case_ids=(case_id,)), True, form, do=True)


async def test_one_that_was_killed_is_finished_once(five: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    change = await preview(five, NOTE)
    await operations.start(five.store, ME, five.name, change.id, None)
    monkeypatch.setattr(working, "_PAGE_OF_A_SERVER", 2)
    first, second = uuid4(), uuid4()
    await working.go_on(five.store, first)
    async with five.store.write() as tx:
        await stored.update(tx, change.id, worked_until=NOW - timedelta(days=3000))
    while (await working.go_on(five.store, second))[0]:
        pass
    assert [await notes(five, case_id) for case_id in range(1, 6)] == [[TEXT]] * 5


async def written(office: Office, change: Change) -> str:
    raw = io.BytesIO()
    with CaseSheets(raw, Form.CSV, can_rewind=True) as sheets:
        await exports.export_chosen(office.store, ME, office.name, change.id, sheets, "cases")
    return raw.getvalue().decode("utf-8-sig")


async def test_the_chosen_are_exported(five: Office) -> None:
    change = await preview(five, EXPORT, CaseFilter(dialer_status="To Dial"))
    assert (change.total, change.expected.cases) == (4, 4)
    await delete(five, 2)
    await five.add(9)
    rows = (await written(five, change)).splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1", "3", "4"]
    assert (await actions(five))[0] == {"action": "case.export", "change": change.id, "cases": 4}
    with pytest.raises(ChangeNotPossible, match="is an export"):
        await operations.run(five.store, ME, five.name, change.id)
    with pytest.raises(ChangeNotFound):
        await written(five, await preview(five, NOTE))


async def test_a_viewer_may_none_of_it(five: Office) -> None:
    linked = await users.add(five.store, ME, "Vi", five.name, UserRole.VIEWER)
    viewer = Actor(ActorKind.USER, "Vi", linked.user.id, "192.0.2.1")
    for task in (NOTE, LIST, UNLIST, EXPORT):
        with pytest.raises(RoleNotAllowed):
            await operations.begin(five.store, viewer, five.name, EVERY_CASE, lambda firm, it=task: it)  # type: ignore[misc]
    change = await preview(five, EXPORT)
    with pytest.raises(RoleNotAllowed), CaseSheets(io.BytesIO(), Form.CSV) as sheets:
        await exports.export_chosen(five.store, viewer, five.name, change.id, sheets, "cases")
