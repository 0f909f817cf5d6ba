"""Changes of many cases: the set is settled first, each case is done once whoever works on it, and undo is exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import cases as cases_table
from casedial.database.tables import change_cases, changes, phone_numbers, priority_changes
from casedial.domain.actors import operator
from casedial.domain.calling import Listing
from casedial.domain.cases import Case
from casedial.domain.changes import Change, ChangeState, Outcome
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import ChangeNotFound, ChangeNotPossible, InvalidSetting, RetiredStatus
from casedial.domain.firms import Firm
from casedial.domain.phone_changes import PhoneEdit, with_phone
from casedial.domain.reasons import ReasonCode
from casedial.domain.statuses import Role, StatusType
from casedial.service import changes as steps
from casedial.service.operations import cases, do_not_call, forgetting, statuses, upkeep, working
from casedial.service.operations import changes as operations
from casedial.service.operations.forgetting import ReplyForm
from casedial.storage import changes as stored
from tests.conftest import ME, NOW, Api, Office
from tests.service.test_imports import bring

LONG_AGO = NOW - timedelta(days=400)  # whatever the time is
OTHER = operator("somebody else")
EVERY = CaseFilter()
CAMPAIGN = StatusType.CAMPAIGN


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PAGE", 2)
    monkeypatch.setattr(working, "_PAGE_OF_A_SERVER", 2)
    monkeypatch.setattr(operations, "_LOOK_ON_SECONDS", 0.02)
    monkeypatch.setattr(working, "SPAN", timedelta(minutes=4))  # nobody dies because the machine stalls


def off(firm: Firm) -> OperatorChange:
    return OperatorChange(Move.DO_NOT_DIAL)


def to_dial(firm: Firm) -> OperatorChange:
    return OperatorChange(Move.TO_DIAL, LONG_AGO)


def all_at_once(firm: Firm) -> OperatorChange:
    return OperatorChange(Move.DO_NOT_DIAL, None, firm.statuses.named(CAMPAIGN, "Notification campaign"), 2)


async def preview(office: Office, meant: operations.Meant = off, which: CaseFilter = EVERY, reason: str = "") -> Change:
    return (await operations.preview(office.store, ME, office.name, which, meant, reason)).change


async def run(office: Office, change: Change) -> Change:
    return await operations.run(office.store, ME, office.name, change.id)


async def done(office: Office, meant: operations.Meant = off, which: CaseFilter = EVERY, reason: str = "") -> Change:
    return await run(office, await preview(office, meant, which, reason))


async def undo(office: Office, change: Change) -> operations.Shown:
    await operations.undo(office.store, OTHER, office.name, change.id)
    return await show(office, change)


async def show(office: Office, change: Change) -> operations.Shown:
    return await operations.show(office.store, ME, office.name, change.id)


async def every(office: Office, count: int) -> list[Case]:
    return [await office.case(case_id) for case_id in range(1, count + 1)]


async def roles(office: Office, *case_ids: int) -> list[Role | None]:
    return [await office.role(case_id) for case_id in case_ids]


async def write(office: Office, statement: Any) -> None:
    async with office.store.write() as tx:
        await tx.execute(statement)


async def delete_by_hand(office: Office, case_id: int) -> None:
    """Delete a case as an older casedial does."""
    for table in (phone_numbers, cases_table):
        await write(office, table.delete().where(table.c.case_id == case_id))


async def pass_time(office: Office, column: str) -> None:
    """Let the time of all changes be over."""
    await write(office, changes.update().where(changes.c[column].is_not(None)).values({column: LONG_AGO}))


async def test_the_set_is_settled_at_the_preview(office: Office) -> None:
    for case_id in range(1, 6):
        await office.add(case_id)
    which = CaseFilter(dialer_status="To Dial", campaign="Intake follow-up")
    change = await preview(office, off, which)
    assert (change.state, change.total, change.expected.cases) == (ChangeState.PREVIEWED, 5, 5)
    assert (await show(office, change)).examples == [1, 2, 3, 4, 5]
    await office.add(6)  # matches, too late
    await delete_by_hand(office, 2)
    form = ReplyForm(lambda case_id: [b"no such mark"], lambda body, case_ids: body)
    await forgetting.forget(office.store, ME, office.name, CaseFilter(case_ids=(3,)), False, form, do=True)
    await done(office, to_dial, CaseFilter(case_ids=(4,)))
    await done(office, off, CaseFilter(case_ids=(5,)))  # no longer To Dial
    after = await run(office, change)
    assert (after.state, after.counts.cases, after.counts.gone, after.counts.not_meant) == (ChangeState.DONE, 2, 2, 1)
    left = (await show(office, change)).left
    assert (left[Outcome.GONE], left[Outcome.NOT_MEANT]) == ([2], [5])  # nobody knows of 3 any more
    assert await roles(office, 1, 4, 6) == [Role.DO_NOT_DIAL, Role.DO_NOT_DIAL, Role.TO_DIAL]
    async with office.store.read() as tx:
        assert 3 not in (await tx.execute(sa.select(change_cases.c.case_id))).scalars().all()


async def test_what_a_dialer_claims_meanwhile_is_left_with_it(office: Office, api: Api) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    first, second = await preview(office, to_dial), await preview(office, off, CaseFilter(dialer_status="to dial"))
    claimed = (await api.post("GetCasesToDial", {"Records": 1, "Auto-change": True})).json()
    assert [case["CaseID"] for case in claimed] == [1]
    after = await run(office, first)
    assert (after.counts.cases, after.counts.in_the_dialer) == (2, 1)
    after = await run(office, second)
    assert (after.counts.cases, after.counts.not_meant) == (2, 1)
    assert (await show(office, first)).left[Outcome.IN_THE_DIALER] == [1]
    assert (await show(office, second)).left[Outcome.NOT_MEANT] == [1]
    assert await office.role(1) is Role.IN_THE_DIALER


async def test_undo_brings_back_all_that_was_changed(office: Office) -> None:
    await office.add(1)
    await office.add(2, campaign=None, dialer="Do not Dial")
    await office.add(3, dialer=None, dial_at=None, priority=7)
    await office.add(4, campaign="Notification campaign", dialer="Do not Dial", priority=2)  # as wanted already
    before = await every(office, 4)
    change = await done(office, all_at_once, reason="the wrong list")
    assert (change.counts.cases, change.counts.unchanged) == (3, 1)
    assert [case.priority for case in await every(office, 4)] == [2, 2, 2, 2]
    assert {row.reason for row in await office.changes(1)} == {f"change {change.id}: the wrong list"}
    assert await office.changes(4) == []
    await done(office, to_dial, CaseFilter(case_ids=(9,)))
    # Neither is touched by these:
    await cases.add_note(office.store, ME, office.name, 1, "Called back.")
    edit = partial(with_phone, edit=PhoneEdit("4025550199", "Home"))
    await cases.change_phones(office.store, ME, office.name, 1, edit)
    undone = await undo(office, change)
    assert (undone.change.state, undone.change.undo_counts.cases) == (ChangeState.UNDONE, 3)
    assert not any(undone.left_by_undo.values())
    after = await every(office, 4)
    facts = [(case.statuses, case.dial_at, case.priority, case.hold) for case in after]
    assert facts == [(case.statuses, case.dial_at, case.priority, case.hold) for case in before]
    last = (await office.changes(1))[-1]
    assert (last.reason_code, last.reason, last.actor.name) == (
        *(ReasonCode.UNDO, f"undo of change {change.id}"),
        OTHER.name,
    )
    assert (undone.change.undone_by, undone.change.actor) == (OTHER, ME)


async def test_undo_leaves_and_names_what_somebody_touched(office: Office, api: Api) -> None:
    for case_id in range(1, 8):
        await office.add(case_id)
    change = await done(office, to_dial)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    await done(office, lambda firm: OperatorChange(priority=1), CaseFilter(case_ids=(2,)))
    await done(office, lambda firm: OperatorChange(priority=5), CaseFilter(case_ids=(2,)))  # as it was
    await api.post("GetCasesToDial", {"Records": 1, "Auto-change": True})  # 3: of 1 and 2 others are tried first
    claimed = [case_id for case_id in range(1, 8) if await office.role(case_id) is Role.IN_THE_DIALER]
    await delete_by_hand(office, 7)
    await write(office, cases_table.update().where(cases_table.c.case_id == 6).values(disposition_id=99999))
    undone = await undo(office, change)
    left = undone.left_by_undo
    changed = sorted({1, 2} - set(claimed))
    assert left == {
        Outcome.CHANGED_SINCE: changed,
        Outcome.IN_THE_DIALER: claimed,
        Outcome.GONE: [7],
        Outcome.UNREADABLE: [6],
    }
    counts = undone.change.undo_counts
    assert (counts.changed_since, counts.in_the_dialer, counts.gone, counts.unreadable) == (
        *(len(changed), len(claimed)),
        *(1, 1),
    )
    back = {1, 2, 3, 4, 5} - {*changed, *claimed}
    assert counts.cases == len(back)
    for case_id in range(1, 6):
        case = await office.case(case_id)
        assert (case.dial_at == NOW - timedelta(days=365)) is (case_id in back), case_id


async def test_who_lost_a_case_may_go_on_after_the_undo(office: Office, api: Api) -> None:
    """The hold comes back as it was: a report under it counts, and what nobody reports goes back To Dial."""
    for case_id in (1, 2, 3):
        await office.add(case_id)
    reply = await api.post("GetCasesToDial", {"Records": 2, "Auto-change": True})
    claim = {"X-Claim-Id": reply.headers["x-claim-id"]}
    before = await every(office, 3)
    change = await done(office)
    assert change.counts.from_the_dialer == 2
    await upkeep.return_each(office.store, datetime.now(UTC))
    lost = await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"}, claim)
    assert lost.status_code == 409
    past = datetime.now(UTC) - timedelta(minutes=1)
    await write(office, sa.text("UPDATE claims SET check_at = NULL"))  # as it is once nothing of it is held
    assert (await undo(office, change)).change.undo_counts.cases == 3
    assert [case.hold for case in await every(office, 3)] == [case.hold for case in before]
    report = {"CaseID": 1, "Disposition": "Successful", "Status": "Do not Dial"}
    assert (await api.post("UpdateCaseStatus", report, claim)).status_code == 200
    async with office.store.write() as tx:
        check_at = (await tx.execute(sa.text("SELECT check_at FROM claims"))).scalar_one()
        assert check_at is not None
        await tx.execute(cases_table.update().where(cases_table.c.case_id == 2).values(held_until=past))
        await tx.execute(
            sa.text("UPDATE claims SET check_at = :at").bindparams(sa.bindparam("at", past, sa.DateTime(timezone=True)))
        )
    await upkeep.return_each(office.store, datetime.now(UTC))
    assert await roles(office, 1, 2, 3) == [Role.DO_NOT_DIAL, Role.TO_DIAL, Role.TO_DIAL]


async def test_a_case_that_never_left_the_dialer_keeps_its_lease(office: Office, api: Api) -> None:
    await office.add(1, dialer="In the Dialer")
    into = "Notification campaign"
    change = await done(office, lambda firm: OperatorChange(None, None, firm.statuses.named(CAMPAIGN, into), 1))
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    heartbeat = {"CaseID": 1, "Status": "In the Dialer"}  # moves the dial time, and adds nothing to the history
    assert (await api.post("UpdateCaseStatus", heartbeat)).status_code == 200
    await write(office, cases_table.update().values(held_until=later))  # extended meanwhile
    beaten = await office.case(1)
    assert (await undo(office, change)).change.undo_counts.cases == 1
    case = await office.case(1)
    assert (case.priority, case.name_of(CAMPAIGN), case.hold and case.hold.until) == (5, "Intake follow-up", later)
    assert (case.dial_at, [row.type for row in await office.changes(1)]) == (beaten.dial_at, [CAMPAIGN, CAMPAIGN])


async def test_who_came_on_the_do_not_call_list_is_not_put_back_to_dial(office: Office) -> None:
    await office.add(1)
    await office.add(2)
    change = await done(office)
    await do_not_call.add(office.store, ME, office.name, [Listing(NOW.date(), "", case_id=1)])
    counts = (await undo(office, change)).change.undo_counts
    assert (counts.cases, counts.do_not_call) == (2, 1)
    assert await roles(office, 1, 2) == [Role.DO_NOT_DIAL, Role.TO_DIAL]


async def test_what_can_be_run_and_undone_and_what_not(office: Office, other_office: Office) -> None:
    await office.add(1)
    change = await preview(office)
    for refused, words in ((operations.undo, "was never run"), (operations.run, None)):
        if words:
            with pytest.raises(ChangeNotPossible, match=words):
                await refused(office.store, ME, office.name, change.id)
        with pytest.raises(ChangeNotFound):
            await refused(office.store, ME, other_office.name, change.id)
    assert (await run(office, change)).state is ChangeState.DONE
    assert (await run(office, change)).counts.cases == 1  # a repeat changes nothing
    assert len(await office.changes(1)) == 1
    await undo(office, change)
    for again in (operations.undo, operations.run):
        with pytest.raises(ChangeNotPossible, match="was undone"):
            await again(office.store, ME, office.name, change.id)
    with pytest.raises(InvalidSetting, match="A reason is one line"):
        await preview(office, reason="x" * 201)
    into = await preview(office, all_at_once)
    await statuses.retire(office.store, ME, office.name, CAMPAIGN, "Notification campaign")
    with pytest.raises(RetiredStatus, match="'Notification campaign' is retired"):
        await run(office, into)
    assert [one.id for one in (await operations.every(office.store, ME, office.name)).changes] == [into.id, change.id]
    assert (await operations.every(office.store, ME, other_office.name)).changes == []


async def test_after_a_day_cases_go_and_the_header_stays(office: Office) -> None:
    for case_id in range(1, 6):
        await office.add(case_id)
    old, unused = await done(office, reason="why not"), await preview(office)
    await pass_time(office, "keep_until")
    for refused in (undo(office, old), run(office, unused)):
        with pytest.raises(ChangeNotPossible, match="more than 24 hours ago"):
            await refused
    fresh = await done(office, to_dial)
    while await working.forget_cases(office.store, datetime.now(UTC)):
        pass
    with pytest.raises(ChangeNotFound):
        await show(office, unused)
    kept = (await show(office, old)).change
    assert (kept.reason, kept.counts.cases, kept.keep_until) == ("why not", 5, None)
    with pytest.raises(ChangeNotPossible, match="more than 24 hours ago"):
        await undo(office, old)
    async with office.store.read() as tx:
        assert set((await tx.execute(sa.select(change_cases.c.change_id))).scalars()) == {fresh.id}
    assert (await undo(office, fresh)).change.undo_counts.cases == 5


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[Store]:
    """Another process, as far as the database knows."""
    opened = Store(database_url)
    yield opened
    await opened.close()


async def test_two_who_run_it_at_once_change_each_case_once(
    office: Office, second: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case_id in range(1, 12):
        await office.add(case_id)
    change = await preview(office)
    at_once = [operations.run(store, ME, office.name, change.id) for store in (office.store, second) * 2]
    assert {(one.state, one.counts.cases) for one in await asyncio.gather(*at_once)} == {(ChangeState.DONE, 11)}
    assert [len(await office.changes(case_id)) for case_id in range(1, 12)] == [1] * 11
    step, waiting, begun_by_both = working.step, asyncio.Barrier(2), False

    async def together(*arguments: Any) -> bool:  # or one may be done with it before the other begins, and is refused
        nonlocal begun_by_both
        if not begun_by_both:
            await waiting.wait()
            begun_by_both = True
        return await step(*arguments)

    monkeypatch.setattr(working, "step", together)
    both = [operations.undo(store, ME, office.name, change.id) for store in (office.store, second)]
    assert {(one.state, one.undo_counts.cases) for one in await asyncio.gather(*both)} == {(ChangeState.UNDONE, 11)}
    assert [len(await office.changes(case_id)) for case_id in range(1, 12)] == [2] * 11


async def begun(office: Office, change: Change, pages: int, work: Any = operations.run) -> None:
    """Run a change, or undo it, and die after so many pages."""

    class Died(BaseException):
        pass

    def die(_: Change) -> None:
        nonlocal pages
        pages -= 1
        if not pages:
            raise Died

    with pytest.raises(Died):
        await work(office.store, ME, office.name, change.id, die)


async def go_on(store: Store) -> int:
    """Do what a server does until there is no more; return how many pages that were."""
    me, pages = uuid4(), 0
    while (await working.go_on(store, me))[0]:
        pages += 1
    return pages


async def test_a_server_goes_on_with_what_somebody_began_who_died(office: Office, second: Store) -> None:
    for case_id in range(1, 8):
        await office.add(case_id)
    change = await preview(office)
    await begun(office, change, 2)
    assert await go_on(second) == 0  # who began it may be at work
    listed = await operations.every(office.store, ME, office.name)
    assert [one.is_interrupted(listed.clock) for one in listed.changes] == [False]
    await pass_time(office, "worked_until")
    listed = await operations.every(office.store, ME, office.name)
    assert [one.is_interrupted(listed.clock) for one in listed.changes] == [True]
    assert await go_on(second) == 3  # the other three cases, and the end
    after = (await show(office, change)).change
    assert (after.state, after.counts.cases, after.actor) == (ChangeState.DONE, 7, ME)
    assert [len(await office.changes(case_id)) for case_id in range(1, 8)] == [1] * 7
    await begun(office, change, 1, operations.undo)
    await pass_time(office, "worked_until")
    assert await go_on(second) == 4
    after = (await show(office, change)).change
    assert (after.state, after.undo_counts.cases) == (ChangeState.UNDONE, 7)
    assert await roles(office, *range(1, 8)) == [Role.TO_DIAL] * 7


async def test_undo_ends_what_still_runs(office: Office) -> None:
    for case_id in range(1, 8):
        await office.add(case_id)
    change = await preview(office)
    await begun(office, change, 2)
    undone = (await undo(office, change)).change
    assert (undone.state, undone.counts.cases, undone.undo_counts.cases) == (ChangeState.UNDONE, 4, 4)
    assert [len(await office.changes(case_id)) for case_id in range(1, 8)] == [2] * 4 + [0] * 3
    await pass_time(office, "keep_until")
    assert await go_on(office.store) == 0


async def test_a_preview_that_was_interrupted_is_not_run(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for case_id in range(1, 6):
        await office.add(case_id)
    calls = 0

    async def dying(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return await would_change(*given)

    would_change = steps.would_change
    with monkeypatch.context() as patched:
        patched.setattr(operations, "would_change", dying)
        with pytest.raises(KeyboardInterrupt):
            await preview(office)
    [change] = (await operations.every(office.store, ME, office.name)).changes
    assert (change.state, change.total) == (ChangeState.PREPARING, 2)
    with pytest.raises(ChangeNotPossible, match="begin a new one"):
        await run(office, change)


async def test_a_change_that_makes_no_sense_holds_up_no_other(office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    bad, good = await preview(office), await preview(office)
    for change in (bad, good):
        await begun(office, change, 1)
    await write(office, changes.update().where(changes.c.id == bad.id).values(wanted={"move": "NOWHERE"}))
    await pass_time(office, "worked_until")
    me, damages = uuid4(), []
    while (found := await working.go_on(office.store, me))[0]:
        damages += [found[1]] if found[1] else []
    assert [(damage.what, damage.id) for damage in damages] == [("change", str(bad.id))]
    async with office.store.read() as tx:
        state = sa.select(changes.c.state).order_by(changes.c.id)
        assert list((await tx.execute(state)).scalars()) == [int(ChangeState.RUNNING), int(ChangeState.DONE)]


async def test_work_that_a_clock_put_into_the_future_is_anybodys(office: Office) -> None:
    await office.add(1)
    change = await preview(office)
    await begun(office, change, 1)
    far = datetime.now(UTC) + timedelta(days=400)
    await write(office, changes.update().values(worked_until=far))
    assert await go_on(office.store) == 1


async def test_a_change_of_priority_is_recorded_whoever_makes_it(office: Office) -> None:
    await office.add(1)
    await done(office, lambda firm: OperatorChange(priority=1))
    await bring(office, "CaseID,Priority\n1,9\n2,3\n")
    await bring(office, "CaseID,Priority\n1,9\n")  # as it is
    [file] = [found.file for found in [await cases.show(office.store, ME, office.name, 1)]]
    told = [(one.before, one.after, one.changed_by) for one in file.priority_changes]
    assert told == [(5, 1, ME.name), (1, 9, "import")]
    assert (await cases.show(office.store, ME, office.name, 2)).file.priority_changes == []
    assert [row.type for row in await office.changes(1)] == []  # an older casedial reads nothing it does not know
    await delete_by_hand(office, 1)
    async with office.store.read() as tx:
        assert (await tx.execute(priority_changes.select())).all() == []


async def test_nothing_of_a_person_is_kept_with_a_change(office: Office) -> None:
    await office.add(1, plaintiff="Zaranew Quill")
    change = await done(office, off, CaseFilter(name="Zaranew", number="4025550001", case_ids=(1,)))
    assert change.counts.cases == 1
    async with office.store.read() as tx:
        for table in (changes, change_cases):
            kept = str((await tx.execute(table.select())).all())
            assert "Zaranew" not in kept
            assert "4025550001" not in kept


async def test_a_page_reads_no_more_than_its_cases(office: Office) -> None:
    """However far it is: pages before it are not gone through again."""
    for case_id in range(1, 10):
        await office.add(case_id)
    change = await preview(office)
    await begun(office, change, 3)
    async with office.store.read() as tx:
        now = await stored.find(tx, await office.firm(), change.id)
        assert now is not None
        assert (now.last, await stored.to_do(tx, now, 2)) == (6, [7, 8])
