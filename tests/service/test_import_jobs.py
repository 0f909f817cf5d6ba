"""Imports as jobs: checked before anything is written, done once whoever works on them, and taken back exactly."""

from __future__ import annotations

import io
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import case_names, import_cases, import_jobs, import_pieces, phone_numbers, status_history
from casedial.database.tables import cases as cases_table
from casedial.domain.actors import operator
from casedial.domain.changes import Outcome
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import ImportNotFound, ImportNotPossible, InvalidSetting
from casedial.domain.import_jobs import Job, JobState, Plan
from casedial.domain.phone_changes import PhoneEdit, with_changed
from casedial.service.operations import cases as case_operations
from casedial.service.operations import forgetting, import_work
from casedial.service.operations import import_jobs as operations
from casedial.service.operations.forgetting import ReplyForm
from casedial.service.operations.import_work import Worker
from casedial.wire import uploads
from casedial.wire.uploads import Reading, opened_upload, probable
from tests.conftest import ME, Office
from tests.service.test_imports import bring

OTHER = operator("somebody else")
HEADER = "Case Number,Client,Campaign,DialerStatus,Phone\n"
ROWS = [
    "1,Ann,Intake follow-up,To Dial,4025550101",  # there already
    "2,Bob,Intake follow-up,To Dial,4025550102",
    "x3,Cy,,,",  # bad
    "4,Di,No such campaign,To Dial,4025550104",  # bad
    "5,Eve,Intake follow-up,To Dial,402-55",
    "2,Bobby,Intake follow-up,To Dial,4025550102",  # again
    "6,Flo,Intake follow-up,To Dial,4025550106",
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PIECE", 2)
    monkeypatch.setattr(operations, "_PATIENCE", 60.0)  # however slow the machine is
    monkeypatch.setattr(import_work, "_UNDONE_AT_ONCE", 2)
    monkeypatch.setattr(import_work, "SPAN", timedelta(minutes=4))


async def receive(office: Office, text: str, name: str = "cases.csv") -> Job:
    remembered = await operations.meanings(office.store, ME, office.name)
    with opened_upload(io.BytesIO(text.encode()), name, remembered) as upload:
        job_id = await operations.receive(office.store, ME, office.name, upload)
    return (await show(office, job_id)).job


async def show(office: Office, job_id: int) -> operations.Shown:
    return await operations.show(office.store, ME, office.name, job_id)


async def check(office: Office, job: Job, **how: Any) -> operations.Shown:
    remembered = await operations.meanings(office.store, ME, office.name)
    plan = Plan(tuple(probable(job.columns, remembered)), **how)
    key = uploads.header_key(job.columns)
    await operations.check(office.store, ME, office.name, job.id, plan, key, Reading())
    return await finished(office, job)


async def run(office: Office, job: Job) -> Job:
    await operations.run(office.store, ME, office.name, job.id, Reading())
    return (await finished(office, job)).job


async def undo(office: Office, job: Job) -> operations.Shown:
    await operations.undo(office.store, OTHER, office.name, job.id, Reading())
    return await finished(office, job)


async def finished(office: Office, job: Job) -> operations.Shown:
    """Do what is left to the servers, where it took longer than somebody waits; return the import."""
    worker = Worker(Reading())
    while await import_work.step(office.store, job.id, worker):
        pass
    return await show(office, job.id)


async def count(store: Store, table: sa.Table) -> int:
    async with store.read() as tx:
        return int((await tx.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


async def test_every_error_is_known_before_anything_is_written(office: Office) -> None:
    await office.add(1)
    job = await receive(office, HEADER + "\n".join(ROWS))
    assert (job.state, job.rows, job.pieces) == (JobState.RECEIVED, 7, 4)
    assert probable(job.columns, {}) == ["CaseID", "Plaintiff", "Campaign", "DialerStatus", "Phone1"]
    found = await check(office, job)
    assert found.job.state is JobState.CHECKED
    assert await count(office.store, cases_table) == 1
    expected = found.job.expected
    assert (expected.added, expected.updated, expected.rejected, expected.again) == (3, 2, 2, 1)
    assert (expected.phones, expected.doubtful) == (5, 1)
    told = [(one.line.line, one.column) for one in found.faults]
    assert told == [(4, "CaseID"), (5, "Campaign")]
    done = await run(office, job)
    counts = done.counts
    assert done.state is JobState.DONE
    assert (counts.added, counts.updated, counts.unchanged, counts.rejected) == (3, 2, 0, 2)
    assert [(one.line.line, one.column) for one in (await show(office, job.id)).faults] == told
    assert (await office.case(2)).plaintiff == "Bobby"
    await run(office, job)  # once more: it stays done
    assert await count(office.store, cases_table) == 4


async def test_the_next_file_with_this_header_is_matched_as_the_last_one_was(office: Office) -> None:
    job = await receive(office, "Nr;Wer\n7;Ann\n")
    plan = Plan(("CaseID", "Plaintiff"))
    await operations.check(office.store, ME, office.name, job.id, plan, uploads.header_key(job.columns), Reading())
    remembered = await operations.meanings(office.store, ME, office.name)
    again = await receive(office, "A title\n\nNR;wer\n8;Bob\n")
    assert probable(again.columns, remembered) == ["CaseID", "Plaintiff"]
    assert again.rows == 1


async def test_the_order_of_dates_is_seen_or_asked_for(office: Office) -> None:
    text = "CaseID,Closed\n1,5/6/2026\n2,\n3,6/5/2026\n"
    job = await receive(office, text)
    with pytest.raises(InvalidSetting, match="Line 2 has the date '5/6/2026'"):
        await check(office, job)
    assert (await show(office, job.id)).job.state is JobState.RECEIVED
    assert (await check(office, job, order="day-first")).job.plan.order == "day-first"
    seen = await check(office, await receive(office, text + "4,\n5,28/7/2026\n"))
    assert seen.job.plan.order == "day-first"
    await run(office, seen.job)
    assert str((await office.case(1)).closed_on) == "2026-06-05"


async def test_an_undo_removes_what_nobody_has_touched_and_names_the_rest(office: Office) -> None:
    await office.add(1)
    rows = "".join(f"{n},Ann,Intake follow-up,To Dial,402555{n:04}\n" for n in range(1, 10))
    job = await receive(office, HEADER + rows)
    await check(office, job)
    await run(office, job)
    await case_operations.add_note(office.store, OTHER, office.name, 3, "a note")
    await bring(office, "CaseID,Plaintiff\n4,Zoe\n")  # no row of history tells of it
    for was, number in (("4025550005", "4025550199"), ("4025550199", "4025550005")):  # and back
        edit = partial(with_changed, which=was, edit=PhoneEdit(number=number))
        await case_operations.change_phones(office.store, OTHER, office.name, 5, edit)
    await forget(office, 6)
    found = await undo(office, job)
    counts = found.job.undo_counts
    assert found.job.state is JobState.UNDONE
    assert (counts.removed, counts.changed_since, counts.gone) == (4, 3, 0)  # a forgotten case has left the set
    assert found.left_by_undo[Outcome.CHANGED_SINCE] == [3, 4, 5]
    async with office.store.read() as tx:
        left = sorted((await tx.execute(sa.select(cases_table.c.case_id))).scalars())
        of_others = sa.select(status_history.c.case_id).where(status_history.c.case_id.in_([2, 7, 8, 9]))
        assert not (await tx.execute(of_others)).all()
        for table in (phone_numbers, case_names):
            of_them = sa.select(table.c.case_id).where(table.c.case_id.in_([2, 7, 8, 9]))
            assert not (await tx.execute(of_them)).all()
    assert left == [1, 3, 4, 5]
    with pytest.raises(ImportNotPossible, match="was undone"):
        await undo(office, job)


async def forget(office: Office, case_id: int) -> None:
    form = ReplyForm(lambda case_id: [b'"CaseID":%d' % case_id], lambda body, case_ids: body)
    which = CaseFilter((case_id,))
    await forgetting.forget(office.store, OTHER, office.name, which, False, form, True)


async def test_who_is_forgotten_is_taken_out_of_files_that_were_sent(office: Office) -> None:
    await office.add(7)
    matched = await receive(office, "Client,CaseID,Phone1\nAnn,8,7\nBob,7,4025550107\n")
    await check(office, matched)
    other = await receive(office, "Nr;Wer\n7;Bob\n17;Cy\n")
    lines = await receive(office, '{"CaseID": 7, "Plaintiff": "Bob"}\n{"CaseID": 70, "Plaintiff": "Di"}\n', "c.jsonl")
    await forget(office, 7)
    async with office.store.read() as tx:
        kept = " ".join((await tx.execute(sa.select(import_pieces.c.lines))).scalars())
    assert "Bob" not in kept
    assert all(name in kept for name in ("Ann", "Cy", "Di"))
    for job, faults in ((matched, 1), (lines, 1)):
        found = await check(office, job)
        assert [one.reason for one in found.faults] == ["was taken out, because the case was deleted"] * faults
    assert (await show(office, other.id)).job.rows == 2


async def test_whoever_takes_a_check_over_begins_it_anew(office: Office) -> None:
    job = await receive(office, HEADER + "\n".join(ROWS))
    plan = Plan(tuple(probable(job.columns, {})), "month-first")
    await office.store.transact(
        lambda tx: operations._begin(tx, job.id, state=int(JobState.CHECKING), plan=plan, worker=None)
    )
    first, second = Worker(Reading()), Worker(Reading())
    assert await import_work.step(office.store, job.id, first)
    assert await import_work.step(office.store, job.id, first)
    assert not await import_work.step(office.store, job.id, second)  # somebody is at it
    await office.store.transact(lambda tx: import_work.leave(tx, job.id, first))
    while (await import_work.go_on(office.store, second))[0]:
        pass
    found = (await show(office, job.id)).job
    assert (found.state, found.expected.added, found.expected.rejected) == (JobState.CHECKED, 4, 2)


async def test_two_who_work_on_one_import_do_each_row_once(office: Office) -> None:
    job = await receive(office, HEADER + "".join(f"{n},Ann,Intake follow-up,To Dial,\n" for n in range(1, 20)))
    await check(office, job)
    await office.store.transact(lambda tx: operations._begin(tx, job.id, state=int(JobState.RUNNING), worker=None))
    workers = [Worker(Reading()), Worker(Reading())]
    for turn in range(30):
        worker = workers[turn % 2]
        await import_work.go_on(office.store, worker)
        if turn % 3 == 0:
            await office.store.transact(lambda tx, worker=worker: import_work.leave(tx, job.id, worker))
    done = (await show(office, job.id)).job
    assert (done.state, done.counts.added, done.counts.unchanged) == (JobState.DONE, 19, 0)


async def test_a_file_is_let_go_of_when_its_time_is_over(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    never_run = await receive(office, HEADER + "\n".join(ROWS))
    job = await receive(office, HEADER + "\n".join(ROWS))
    await check(office, job)
    await run(office, job)
    assert not await import_work.forget(office.store, job.made_at)
    async with office.store.write() as tx:
        await tx.execute(import_jobs.update().values(keep_until=job.made_at - timedelta(days=1)))
    while await import_work.forget(office.store, job.made_at):
        pass
    assert (await count(office.store, import_pieces), await count(office.store, import_cases)) == (0, 0)
    with pytest.raises(ImportNotFound):
        await show(office, never_run.id)
    assert (await show(office, job.id)).job.counts.added == 4
    with pytest.raises(ImportNotPossible, match="24 hours are over"):
        await undo(office, job)


async def test_what_was_not_checked_is_not_run_and_what_is_not_wanted_goes(office: Office) -> None:
    job = await receive(office, HEADER + "\n".join(ROWS))
    with pytest.raises(ImportNotPossible, match="check it first"):
        await run(office, job)
    await operations.discard(office.store, ME, office.name, job.id)
    assert (await operations.every(office.store, ME, office.name)).jobs == []
    with pytest.raises(ImportNotFound):
        await operations.show(office.store, ME, office.name, 99)


MESSY = {
    "utf-8 with a mark": "\ufeffCaseID,Plaintiff\n7,Zoë\n".encode(),
    "utf-16": "CaseID\tPlaintiff\n7\tZoë\n".encode("utf-16"),
    "semicolons": "CaseID;Plaintiff\n7;Zoë\n".encode(),
    "quotes": '"CaseID","Plaintiff"\n"7","Zoë"\n'.encode(),
    "a title": "Our cases,,\n,,\nCaseID,Plaintiff,\n7,Zoë,\n".encode(),
    "another alphabet": "CaseID,Plaintiff\n7,Zoë\n".encode("cp1252"),
}


@pytest.mark.parametrize("name", MESSY)
async def test_a_messy_file(office: Office, name: str) -> None:
    with opened_upload(io.BytesIO(MESSY[name]), "C:\\files\\cases.csv", {}) as upload:
        job_id = await operations.receive(office.store, ME, office.name, upload)
    job = (await show(office, job_id)).job
    assert job.file_name == "cases.csv"
    await check(office, job)
    assert (await run(office, job)).counts.added == 1
    assert (await office.case(7)).plaintiff == "Zoë"


async def test_a_quote_that_never_ends_and_bytes_that_are_no_text_are_bad_rows(office: Office) -> None:
    raw = b'CaseID,Plaintiff\n7,Ann\n8,Zo\xeb \xc3\xab\n9,A\0b\n10,"open\n11,Bob\n'
    with opened_upload(io.BytesIO(raw), "x.csv", {}) as upload:
        job_id = await operations.receive(office.store, ME, office.name, upload)
    found = await check(office, (await show(office, job_id)).job)
    assert [one.line.line for one in found.faults] == [3, 5]
    assert "never closed" in found.faults[1].reason
