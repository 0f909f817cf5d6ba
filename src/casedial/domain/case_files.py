"""All there is of a case, as it is shown and exported."""

from __future__ import annotations

from dataclasses import dataclass, field

from casedial.domain.cases import Case, Note, PriorityChange
from casedial.domain.dialing import StatusPeriod
from casedial.domain.fact_changes import FactChange
from casedial.domain.limits import Call
from casedial.domain.phone_changes import PhoneChange


@dataclass(slots=True)
class CaseFile:
    """All there is of a case."""

    case: Case
    history: list[StatusPeriod] = field(default_factory=list)
    phone_changes: list[PhoneChange] = field(default_factory=list)
    priority_changes: list[PriorityChange] = field(default_factory=list)
    fact_changes: list[FactChange] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
