"""What is told of a case's fields, all but its phones, its priority and its statuses: who changed which, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from casedial.domain.actors import Actor
from casedial.domain.cases import Case

FACTS = ("case_status", "case_group", "closed", "zip_code", "plaintiff")

Facts = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True)
class FactChange:
    """One change of fields of a case, those that differ by name; ``closed`` is the day (YYYY-MM-DD) where it is known.

    ``before`` None: the case was added without anything that its history tells.
    """

    case_id: int
    before: Facts | None
    after: Facts
    changed_at: datetime
    actor: Actor

    @property
    def changed_by(self) -> str:
        """Return the name of who made it."""
        return self.actor.name


def changes_of_facts(before: Case | None, after: Case, by: Actor, now: datetime) -> list[FactChange]:
    """Return what became of the fields of a case; of one that is new nothing, where its history says that it is."""
    new = _facts(after)
    if before is None:
        return [] if after.changed_at else [FactChange(after.case_id, None, new, now, by)]
    old = _facts(before)
    names = [name for name in FACTS if old[name] != new[name]]
    if not names:
        return []
    was, is_now = ({name: facts[name] for name in names} for facts in (old, new))
    return [FactChange(after.case_id, was, is_now, now, by)]


def _facts(case: Case) -> dict[str, str | bool | None]:
    day = case.closed_on.isoformat() if case.closed and case.closed_on else case.closed
    return {name: day if name == "closed" else getattr(case, name) for name in FACTS}
