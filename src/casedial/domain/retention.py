"""What is over, and so goes when it is older than a firm keeps it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from casedial.domain.firms import Firm

# A dialer may repeat what it sent within a day: what that is compared with stays at least so long.
SHORTEST = timedelta(days=1)
LONGEST = timedelta(days=36500)


class Kind(StrEnum):
    """What grows."""

    CLAIMS = "claims"
    HISTORY = "history"
    NOTES = "notes"
    REFUSED = "refused"
    PHONE_CHANGES = "phone_changes"
    PRIORITY_CHANGES = "priority_changes"
    FACT_CHANGES = "fact_changes"


def kept_since(firm: Firm, older_than: timedelta | None, now: datetime) -> datetime | None:
    """Return the instant before which what is over goes, None when the firm keeps for ever and no age was given."""
    if older_than is None and firm.retention_days is not None:
        older_than = timedelta(days=firm.retention_days)
    return now - older_than if older_than is not None else None


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row of history, as far as it matters for how long it stays."""

    id: int
    case_id: int
    type: int
    changed_at: datetime
    claim_id: UUID | None


@dataclass(slots=True)
class HistoryWalk:
    """Goes through a firm's history backwards, case by case, and tells which rows are over since ``cutoff``.

    A row is over from the next change of its type on; the last one of each type says the present status and never is.
    Rows of a claim that still holds a case stay: a repeated report of its dialer is compared with them.
    """

    cutoff: datetime
    held: Set[UUID]
    _case_id: int | None = None
    _ends: dict[int, datetime] = field(default_factory=dict)

    def is_over(self, row: HistoryRow) -> bool:
        """Judge the next row."""
        if row.case_id != self._case_id:
            self._case_id, self._ends = row.case_id, {}
        end = self._ends.get(row.type)
        self._ends[row.type] = row.changed_at
        return end is not None and end <= self.cutoff and row.claim_id not in self.held
