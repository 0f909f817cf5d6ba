"""An import outlives whoever works on it: the servers go on, and each row goes in once, and is taken back once."""

from __future__ import annotations

import io

import sqlalchemy as sa

from casedial.database.tables import cases, import_cases, import_jobs, status_history
from casedial.domain.import_jobs import JobState, Plan
from casedial.service.operations import import_jobs as operations
from casedial.wire.uploads import opened_upload
from tests.conftest import ME, Office
from tests.faults.test_changes import QUIET, SERVE, killed, scalar, until
from tests.servers import Server

ROWS = 5000
COUNT = sa.select(sa.func.count())
THERE = COUNT.select_from(cases)
NOTED = COUNT.select_from(import_cases)
HISTORY = COUNT.select_from(status_history).where(status_history.c.firm_id > 0)  # but for the end of SQLite's
STATE = sa.select(sa.func.coalesce(sa.func.max(import_jobs.c.state), 0))
GONE = COUNT.select_from(import_cases).where(import_cases.c.undo_outcome.is_not(None))


async def begin(office: Office, job_id: int, state: JobState, **values: object) -> None:
    """Leave the work to the servers."""
    await office.store.transact(lambda tx: operations._begin(tx, job_id, state=int(state), worker=None, **values))


async def test_killed_again_and_again_each_row_goes_in_once_and_is_taken_back_once(
    office: Office, database_url: str
) -> None:
    rows = "".join(f"{n},Ann Lee,To Dial,402555{n % 10000:04}\n" for n in range(1, ROWS + 1))
    text = f"CaseID,Plaintiff,DialerStatus,Phone1\n{rows}x,Bad,,\n".encode()
    with opened_upload(io.BytesIO(text), "cases.csv", {}) as upload:
        job_id = await operations.receive(office.store, ME, office.name, upload)
    plan = Plan(("CaseID", "Plaintiff", "DialerStatus", "Phone1"), "month-first")
    await begin(office, job_id, JobState.CHECKING, plan=plan)
    last = sa.select(sa.func.max(import_jobs.c.last))
    assert await killed(office, last, 2, *SERVE, wait=True) == 2
    assert await scalar(office, THERE) == 0
    with Server(database_url, **QUIET):
        await until(office, STATE, JobState.CHECKED)
    shown = await operations.show(office.store, ME, office.name, job_id)
    assert (shown.job.expected.added, shown.job.expected.rejected) == (ROWS, 1)
    await begin(office, job_id, JobState.RUNNING)
    first, second = [await killed(office, THERE, 2, *SERVE) for _ in range(2)]
    assert 0 < first < second < ROWS
    with Server(database_url, **QUIET):
        await until(office, STATE, JobState.DONE)
        done = (await operations.show(office.store, ME, office.name, job_id)).job
        assert (done.counts.added, done.counts.updated, done.counts.rejected) == (ROWS, 0, 1)
        assert [await scalar(office, query) for query in (THERE, NOTED, HISTORY)] == [ROWS] * 3
    await begin(office, job_id, JobState.UNDOING, undone_by=ME)
    assert 0 < await killed(office, GONE, 2, *SERVE) < ROWS
    with Server(database_url, **QUIET) as server:
        await until(office, STATE, JobState.UNDONE)
        assert "Traceback" not in server.output()
    assert (await scalar(office, THERE), await scalar(office, HISTORY)) == (0, 0)
    assert (await operations.show(office.store, ME, office.name, job_id)).job.undo_counts.removed == ROWS
