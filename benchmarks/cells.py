"""The cells of the table: contestants side by side, each round on fresh data, in an order that chance decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property, partial

import httpx

from benchmarks import check, data, load, machine, own
from benchmarks.book import Book
from benchmarks.check import Wrong
from benchmarks.machine import Postgres

WORK = "bench_work"  # the copy that a round uses up
CELLS = ((25, 8), (100, 8), (1, 64))  # cases a claim, clients
UPDATED = 100  # cases a call of UpdateCaseStatus
RECORDED_CHANGES = 3  # rows of history of each such case in the recorded SQL: status, attempts, disposition

_UPDATED = "SELECT count(*) FROM cases WHERE dial_at > '2030-01-01'"
_CHANGES = "SELECT count(*) FROM status_history WHERE changed_by <> 'import'"

Serve = Callable[[str], AbstractContextManager[tuple[str, int]]]
Job = tuple[str, str, Callable[[], load.Run], int]  # row, contestant, its round, cases a call


class Claims:
    """Rounds of claims on copies of one data set, of so many seconds each."""

    def __init__(self, postgres: Postgres, wanted: data.DataSet, seconds: float, warm: float) -> None:
        self.postgres, self.wanted, self.seconds, self.warm = postgres, wanted, seconds, warm
        self.template = data.ensure(postgres, wanted)
        self.url = postgres.url(WORK)

    def http(self, serve: Serve, records: int, clients: int) -> load.Run:
        """Claim over HTTP."""
        self.postgres.copy(self.template, WORK)
        half = self.wanted.size // 2
        with serve(self.url) as (base, _):
            load.http(base, "campaign", records, clients, self.warm, half)
            before = check.counted(self.postgres, WORK)
            run = load.http(base, "campaign", records, clients, self._seconds_of(records), half)
            check.counted(self.postgres, WORK)
        return self._judged(run, before, records, clients)

    def pgbench(self, records: int, clients: int, plain: bool) -> load.Run:
        """Claim by pgbench, with the recorded SQL or the textbook's."""
        self.postgres.copy(self.template, WORK)
        load.pgbench(self.postgres, WORK, self._scripts(records, plain, 0), clients, self.warm)
        before = check.counted(self.postgres, WORK, plain, records)
        run = load.pgbench(
            self.postgres, WORK, self._scripts(records, plain, 10**9), clients, self._seconds_of(records)
        )
        return self._judged(run, before, records, clients, plain)

    def _seconds_of(self, records: int) -> float:
        """Return for how long is measured: plain SQL claims 90,000 of 600,000 a second, and no campaign may run dry."""
        return min(self.seconds, 300 / records)

    def _scripts(self, records: int, plain: bool, base: int) -> list[own.Script]:
        if plain:
            return [own.plain_script(records, firm) for firm in (0, 1)]
        return [own.claim_script(records, firm, base + firm * 500_000_000) for firm in (0, 1)]

    def _judged(self, run: load.Run, before: int, records: int, clients: int, plain: bool = False) -> load.Run:
        held = check.claims(self.postgres, WORK, records, plain)
        check.answered(run.calls, held // records - before, clients, f"claims of {records}")
        return run

    def jobs(self, cells: tuple[tuple[int, int], ...]) -> Iterator[Job]:
        """Yield one round of every contestant in every cell."""
        for records, clients in cells:
            row = f"claim {records} x {clients}"
            yield row, "casedial", partial(self.http, machine.casedial, records, clients), records
            yield row, "in-house", partial(self.http, machine.inhouse, records, clients), records
            yield row, "own SQL", partial(self.pgbench, records, clients, plain=False), records
            yield row, "plain SQL", partial(self.pgbench, records, clients, plain=True), records


def agree(postgres: Postgres, template: str) -> None:
    """Compare the replies of both servers to the same claim. Raises Wrong."""
    replies = []
    for serve in (machine.casedial, machine.inhouse):
        postgres.copy(template, WORK)
        with serve(postgres.url(WORK)) as (base, _):
            parameters = {"Campaign": data.CAMPAIGNS[2], "Records": "25", "Auto-change": "true"}
            sent = httpx.get(f"{base}/GetCasesToDial", params=parameters, headers={"X-ApiKey": data.KEYS[1]})
            replies.append((sent.status_code, sent.json(), len(sent.headers["X-Claim-Id"])))
            check.claims(postgres, WORK, 25)
    if replies[0] != replies[1] or len(replies[0][1]) != 25:
        raise Wrong(f"the two servers answer differently: {replies}")


class Updates:
    """Rounds of UpdateCaseStatus: each call has a block of cases that no other call has."""

    def __init__(self, claims: Claims, clients: int = 8) -> None:
        self._claims, self._clients = claims, clients

    def http(self) -> load.Run:
        """Update over HTTP."""
        postgres, half = self._claims.postgres, self._claims.wanted.size // 2
        changes = self._changes  # works on the same copy
        postgres.copy(self._claims.template, WORK)
        with machine.casedial(self._claims.url) as (base, _):
            load.http(base, "info", 1, self._clients, self._claims.warm, half)
            run = load.http(base, "update", UPDATED, self._clients, self._claims.seconds, half)
            check.settled(lambda: int(postgres.number(WORK, _UPDATED)))
        return self._judged(run, changes)

    @cached_property
    def _changes(self) -> int:
        """Return how many rows of history casedial writes for a case: what calls of one case leave. Raises Wrong."""
        self._claims.postgres.copy(self._claims.template, WORK)
        with machine.casedial(self._claims.url) as (base, _):
            load.http(base, "update", 1, 1, 5, self._claims.wanted.size // 2, limit=20)
            check.settled(lambda: int(self._claims.postgres.number(WORK, _UPDATED)))
        cases, history = self._left()
        if not cases or not history or history % cases:
            raise Wrong(f"updates of one case left {cases} changed cases and {history} rows of history")
        return history // cases

    def _left(self) -> tuple[int, int]:
        """Return how many cases were changed, and how many rows of history that left."""
        cases, history = self._claims.postgres.sql(WORK, f"{_UPDATED}; {_CHANGES}")
        return int(cases[0]), int(history[0])

    def pgbench(self) -> load.Run:
        """Update by pgbench, with the recorded SQL."""
        postgres = self._claims.postgres
        postgres.copy(self._claims.template, WORK)
        scripts = [own.update_script(UPDATED, firm, self._clients) for firm in (0, 1)]
        run = load.pgbench(postgres, WORK, scripts, self._clients, self._claims.seconds)
        return self._judged(run, RECORDED_CHANGES)

    def _judged(self, run: load.Run, changes: int) -> load.Run:
        """Compare calls with cases that were changed, and those with their history. Raises Wrong."""
        cases, history = self._left()
        if cases % UPDATED or history != cases * changes:
            raise Wrong(f"updates left {cases} changed cases and {history} rows of history")
        check.answered(run.calls, cases // UPDATED, self._clients, "updates")
        return run

    def jobs(self) -> Iterator[Job]:
        """Yield one round of both contestants."""
        yield f"update {UPDATED} x {self._clients}", "casedial", self.http, UPDATED
        yield f"update {UPDATED} x {self._clients}", "own SQL", self.pgbench, UPDATED


def run(book: Book, jobs: Callable[[], Iterator[Job]], rounds: int) -> None:
    """Run every job once a round, and note what each measured.

    Chance decides the order of the rows and, within a row, of the contestants, who follow each other: a slow minute of
    the machine meets all of them.
    """
    for number in range(1, rounds + 1):
        rows: dict[str, list[Job]] = {}
        for job in jobs():
            rows.setdefault(job[0], []).append(job)
        for name in random.sample(list(rows), len(rows)):
            for row, who, work, cases in random.sample(rows[name], len(rows[name])):
                try:
                    found = work()
                except (Wrong, RuntimeError) as error:  # the others are worth measuring all the same
                    book.fail(row, who, number, str(error))
                else:
                    book.note(row, who, number, rate=found.rate * cases, p50=found.p50, p99=found.p99)
