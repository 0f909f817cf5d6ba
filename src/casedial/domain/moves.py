"""What becomes of cases in one transaction, collected until it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from casedial.domain.cases import Case, Note, PriorityChange, StatusChange
from casedial.domain.claims import Claim
from casedial.domain.fact_changes import FactChange
from casedial.domain.phone_changes import PhoneChange


@dataclass(slots=True)
class Moves:
    """What becomes of cases: how they are left, their history, claims, notes, changes of phones, priorities, fields.

    ``cases`` are as they are left, and ``history`` what is new in it, both by CaseID.
    """

    cases: dict[int, Case] = field(default_factory=dict)
    history: dict[int, list[StatusChange]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    phone_changes: list[PhoneChange] = field(default_factory=list)
    priority_changes: list[PriorityChange] = field(default_factory=list)
    fact_changes: list[FactChange] = field(default_factory=list)
    _found: dict[int, Case | None] = field(default_factory=dict)

    def move(self, before: Case | None, after: Case, recorded: Iterable[StatusChange] = ()) -> None:
        """Leave a case otherwise than it was, None: than not there; what the first move of it found is what was."""
        self._found.setdefault(after.case_id, before)
        self.cases[after.case_id] = after
        self.history.setdefault(after.case_id, []).extend(recorded)

    @property
    def added(self) -> list[Case]:
        """Return the cases that are new."""
        return [case for case_id, case in self.cases.items() if self._found[case_id] is None]

    @property
    def changed(self) -> list[tuple[Case, Case]]:
        """Return the cases that were there, each as it was and as it is left, but those that nothing came of."""
        pairs = ((self._found[case_id], case) for case_id, case in self.cases.items())
        return [(before, after) for before, after in pairs if before is not None and before is not after]

    @property
    def recorded(self) -> list[StatusChange]:
        """Return what is new in the history, that of each case in the order in which it happened."""
        return [change for rows in self.history.values() for change in rows]
