"""Work on imports, piece by piece, whoever does it: who began it, or any server after that.

Each piece is a transaction that holds the import and moves its place on: no row is imported twice, and none is left
out, whatever is killed when. A check writes nothing, so that who takes it over begins it anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from casedial.database.engine import Store, Transaction
from casedial.domain.audit import plain
from casedial.domain.damage import Damage
from casedial.domain.errors import StorageUnavailable
from casedial.domain.firms import Firm
from casedial.domain.import_jobs import KEPT, Check, Job, JobCounts, JobState, Reading
from casedial.service.audit import note
from casedial.service.import_jobs import check_piece, run_piece, undo_page
from casedial.service.operations.opening import transact_fresh
from casedial.storage import firms, import_jobs

SPAN = timedelta(seconds=5)  # after which somebody else goes on, where who worked died
_UNDONE_AT_ONCE = 200  # cases: dialers wait meanwhile
_FORGOTTEN_AT_ONCE = 5000


@dataclass(slots=True)
class Worker:
    """Who works on imports: how it reads rows, and what it remembers of checks."""

    reading: Reading
    id: UUID = field(default_factory=uuid4)
    checks: dict[int, Check] = field(default_factory=dict)  # of the one import that is being checked

    def check(self, job: Job) -> Check | None:
        """Return what is remembered of a check, None where it has to begin anew."""
        known = self.checks.get(job.id)
        return known if known and (known.plan, known.last) == (job.plan, job.last) else None


async def step(store: Store, job_id: int, worker: Worker) -> bool:
    """Do the next piece of an import; return False where somebody else works on it, or there is no more."""
    checked: list[Callable[[], None]] = []  # what is to be remembered where the transaction is kept

    async def work(tx: Transaction) -> bool:
        checked.clear()
        job = await import_jobs.take(tx, job_id, worker.id, SPAN)
        if job is None:
            return False
        firm = (await firms.load(tx, job.firm_id))[1]
        if job.state is JobState.CHECKING:
            return await _check(tx, firm, job, worker, checked)
        return await (_undo if job.state is JobState.UNDOING else _run)(tx, firm, job, worker)

    is_more = await transact_fresh(store, work)
    for remember in checked:
        remember()
    return is_more


async def _check(tx: Transaction, firm: Firm, job: Job, worker: Worker, checked: list[Callable[[], None]]) -> bool:
    check, expected = worker.check(job), job.expected
    if check is None:
        check, expected = Check(job.plan), JobCounts()
    piece = await import_jobs.piece(tx, job.id, check.last)
    if piece is None:
        checked.append(worker.checks.clear)
        return await _end(tx, job, state=int(JobState.CHECKED))
    read = worker.reading.rows(job, firm.zone)
    found = await check_piece(tx, firm, job, piece, read, check, tx.now())
    expected.add(found.counts)
    await import_jobs.update(tx, job.id, expected=expected, last=piece.number)

    def remember() -> None:
        check.last, check.added = piece.number, found.added
        check.seen.update(found.case_ids)
        worker.checks = {job.id: check}

    checked.append(remember)
    return True


async def _run(tx: Transaction, firm: Firm, job: Job, worker: Worker) -> bool:
    piece, now = await import_jobs.piece(tx, job.id, job.last), tx.now()
    if piece is None:
        await note(tx, job.actor, firm.id, "import.done", f"import {job.id}", None, plain(job.counts))
        return await _end(tx, job, state=int(JobState.DONE), finished_at=now)
    counts = job.counts
    counts.add(await run_piece(tx, firm, job, piece, worker.reading.rows(job, firm.zone), now))
    await import_jobs.update(tx, job.id, counts=counts, last=piece.number)
    return True


async def _undo(tx: Transaction, firm: Firm, job: Job, worker: Worker) -> bool:
    done, counts = await undo_page(tx, firm, job, _UNDONE_AT_ONCE), job.undo_counts
    if done:
        counts.add(done[0])
        await import_jobs.update(tx, job.id, undo_counts=counts, last=done[1])
        return True
    by = job.undone_by or job.actor
    await note(tx, by, firm.id, "import.undone", f"import {job.id}", None, plain(counts))
    return await _end(tx, job, state=int(JobState.UNDONE), undone_at=tx.now())


async def _end(tx: Transaction, job: Job, **values: int | datetime) -> bool:
    keep_until = await tx.clock() + KEPT
    await import_jobs.update(tx, job.id, worker=None, worked_until=None, keep_until=keep_until, **values)
    return False


async def leave(tx: Transaction, job_id: int, worker: Worker) -> None:
    """Leave an import that a worker has to whoever comes next."""
    if await import_jobs.take(tx, job_id, worker.id, SPAN):
        await import_jobs.update(tx, job_id, worker=None, worked_until=await tx.clock())


async def go_on(store: Store, worker: Worker) -> tuple[bool, Damage | None]:
    """Do a piece of an import that nobody works on, or that this server goes on with already.

    Return whether there may be more, and what says of an import that nothing can be done with it now: it is put off.
    """
    async with store.read() as tx:
        found = await import_jobs.waiting(tx, worker.id)
    if found is None:
        return False, None
    firm_id, job_id = found
    try:
        await step(store, job_id, worker)
        return True, None
    except StorageUnavailable:
        raise
    except Exception as error:
        await store.transact(partial(import_jobs.put_off, job_id=job_id))
        return True, Damage.of("import", firm_id, job_id, error)


async def forget(store: Store, now: datetime) -> int:
    """Let go of rows of imports whose time is over; return how many went, of which there may be more."""
    return await store.transact(lambda tx: import_jobs.forget(tx, _FORGOTTEN_AT_ONCE))
