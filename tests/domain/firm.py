"""A firm and a case of it, for tests that know no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.cases import Case, StatusChange
from casedial.domain.firms import Firm
from casedial.domain.statuses import STANDARD_STATUSES, Flag, Role, Status, Statuses, StatusType, first_flags

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
STATUSES = Statuses(
    [
        Status(number, kind, name, role, flags=first_flags(kind, name))
        for number, (kind, name, role) in enumerate(STANDARD_STATUSES, start=1)
    ]
    + [
        Status(90, StatusType.CAMPAIGN, "Intake"),
        Status(91, StatusType.DIALER, "Paused", retired=True),
        Status(92, StatusType.CAMPAIGN, "Callback"),
        Status(93, StatusType.DISPOSITION, "Wrong Number", flags=frozenset({Flag.FINAL})),
        Status(94, StatusType.DISPOSITION, "Stop", flags=frozenset({Flag.OPT_OUT})),
    ]
)
FIRM = Firm(1, "Lex", "America/Chicago", 100, STATUSES)
INTAKE = STATUSES.named(StatusType.CAMPAIGN, "Intake")
CLAIM, OTHER_CLAIM = UUID(int=1), UUID(int=2)
ACME, BELL = Actor(ActorKind.KEY, "Acme", 4), Actor(ActorKind.KEY, "Bell", 5)


def dialer(role: Role) -> Status:
    return STATUSES.with_role(role)


def disposition(name: str) -> Status:
    return STATUSES.named(StatusType.DISPOSITION, name)


def a_case(role: Role | None = Role.TO_DIAL, **fields: object) -> Case:
    statuses = {StatusType.DIALER: dialer(role)} if role else {}
    return replace(Case(7, statuses=statuses, dial_at=NOW - DAY), **fields)  # type: ignore[arg-type]


def changed(kind: StatusType, status: Status | None, at: datetime, by: Actor = ACME, **rest: object) -> StatusChange:
    """A row of the history of the case."""
    dial_at = rest.pop("dial_at", None)
    return StatusChange(7, kind, status, dial_at, at, by, **rest)  # type: ignore[arg-type]
