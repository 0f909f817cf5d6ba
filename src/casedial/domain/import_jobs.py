"""An import as a job: a file that was sent, what its columns mean, how far it is, and how it is undone.

The rows are kept as they were in the file, so that each can be read again, shown, and given back where it is bad.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from enum import IntEnum
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from casedial.domain.actors import Actor
from casedial.domain.cases import Case
from casedial.domain.counted import Counted
from casedial.domain.importing import BadRow, CaseRow

KEPT = timedelta(days=1)  # how long a file may be imported, and what it added be taken back
MOST_ROWS = 1_000_000

ReadRow = Callable[[Sequence[str]], CaseRow | BadRow]


class JobState(IntEnum):
    """How far an import is. Values are stored."""

    RECEIVING = 1
    RECEIVED = 2  # its columns are to be matched
    CHECKING = 3
    CHECKED = 4  # every error is known, and nothing written
    RUNNING = 5
    DONE = 6
    UNDOING = 7
    UNDONE = 8

    @property
    def is_at_work(self) -> bool:
        """Tell whether there is something to go on with."""
        return self in (JobState.CHECKING, JobState.RUNNING, JobState.UNDOING)


@dataclass(slots=True)
class JobCounts(Counted):
    """How many rows of an import, by what became of them, or would."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    again: int = 0  # of a check: whose CaseID an earlier row has
    statuses_kept: int = 0  # cases whose differing statuses stayed
    in_the_dialer: int = 0  # likewise, because they are dialed now
    statuses_added: int = 0
    phones: int = 0
    doubtful: int = 0  # phones that are never dialed


@dataclass(slots=True)
class JobUndoCounts(Counted):
    """How many of the cases that an import added, by what its undo made of them."""

    removed: int = 0
    changed_since: int = 0  # by somebody, and so left
    in_the_dialer: int = 0  # and so left
    gone: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows are read: what each column means ("": nothing), the order of day and month, and what is set."""

    meanings: tuple[str, ...] = ()
    order: str = ""
    set_statuses: bool = False
    add_statuses: bool = False

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "meanings": list(self.meanings)}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Plan:
        """Return what ``written`` wrote; what only a newer casedial knows is left out."""
        known = {one.name: written[one.name] for one in fields(cls) if one.name in written}
        return cls(**(known | {"meanings": tuple(known.get("meanings", ()))}))


@dataclass(frozen=True, slots=True)
class Job:
    """An import of a firm.

    ``last`` is the piece up to which the present work is done; for an undo the CaseID. ``worked_until`` is until when
    somebody is at it, ``keep_until`` when its rows are let go of, and with them the way to undo it.
    """

    id: int
    firm_id: int
    state: JobState
    made_at: datetime
    actor: Actor
    file_name: str
    form: str
    told: Sequence[str]
    columns: Sequence[str]
    rows: int
    pieces: int
    plan: Plan
    expected: JobCounts
    counts: JobCounts
    undo_counts: JobUndoCounts
    undone_by: Actor | None
    begun_at: datetime | None
    finished_at: datetime | None
    undone_at: datetime | None
    last: int
    worked_until: datetime | None
    keep_until: datetime | None

    def is_over(self, clock: datetime) -> bool:
        """Tell whether its rows are let go of, or will be at any moment."""
        return not self.state.is_at_work and (self.keep_until is None or self.keep_until <= clock)

    def can_be_undone(self, clock: datetime) -> bool:
        """Tell whether there is something to undo, and time for it."""
        if self.state not in (JobState.RUNNING, JobState.DONE) or self.is_over(clock):
            return False
        return self.counts.added > 0

    @property
    def share(self) -> int:
        """Return how much of the present work is done, in hundredths."""
        if self.state is JobState.UNDOING:
            of, done = self.counts.added, sum(asdict(self.undo_counts).values())
        else:
            of, done = self.pieces, self.last
        return min(100, 100 * done // of) if of else 100


class FileLine(NamedTuple):
    """A row of a file as it was, with its line; ``fault`` is why it cannot even be divided into cells."""

    line: int
    cells: Sequence[str]
    fault: str = ""


class Fault(NamedTuple):
    """What is wrong with a row of a piece, by its place in it."""

    at: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of an import that are worked on together, and what is wrong with them."""

    number: int
    lines: Sequence[FileLine]
    faults: Sequence[Fault] = ()


@dataclass(frozen=True, slots=True)
class DateOrder:
    """What the dates of some rows say of their order: the order, or else the first date that may be both."""

    order: str = ""
    line: int = 0
    text: str = ""


class Received(Protocol):
    """A file that was sent, opened: what it is, and its rows."""

    file_name: str
    form: str
    told: Sequence[str]
    columns: Sequence[str]

    def read(self, rows: int, size: int) -> list[FileLine]:
        """Return the next rows, at most so many, and of about so many characters; none at its end."""


class Reading(Protocol):
    """How rows of a file are read: forms of files are not known here."""

    def rows(self, job: Job, zone: Any) -> ReadRow:
        """Return what reads a row of a job."""

    def order(self, meanings: Sequence[str], lines: Sequence[FileLine]) -> DateOrder:
        """Return what the dates of some rows say of their order."""


@dataclass(slots=True)
class Check:
    """What a check remembers of the rows up to a piece: which CaseIDs there were, and statuses that would be added."""

    plan: Plan
    last: int = 0
    seen: set[int] = field(default_factory=set)
    added: list[Any] = field(default_factory=list)


def mark_of(case: Case) -> str:
    """Return what tells whether the facts of a case are still what they were; statuses and times have their history."""
    facts = (
        *(case.case_status, case.case_group, case.zip_code, case.plaintiff, case.closed, case.closed_on),
        *(case.priority, [tuple(phone) for phone in case.phones]),
    )
    return sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
