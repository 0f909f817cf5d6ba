"""How a case came to the Dialer Status that it has: who holds it, or who set it Do not Dial, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from casedial.domain.actors import Actor
from casedial.domain.cases import Case, Hold, StatusChange
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role, StatusType


@dataclass(frozen=True, slots=True)
class Standing:
    """The Dialer Status of a case, the change that set it (None where history does not reach back), and its claim."""

    role: Role | None
    status: str
    change: StatusChange | None
    hold: Hold | None

    @property
    def actor(self) -> Actor | None:
        """Return who set it."""
        return self.change.actor if self.change else None

    @property
    def by(self) -> str | None:
        """Return the name of who set it."""
        return self.actor.name if self.actor else None

    @property
    def since(self) -> datetime | None:
        """Return when it was set."""
        return self.change.changed_at if self.change else None

    @property
    def reason(self) -> str | None:
        """Return why, where nobody asked for it."""
        return self.change.reason if self.change else None

    def words(self, firm: Firm) -> str:
        """Say it of a case that is In the Dialer or Do not Dial; "" of any other."""
        if self.role not in (Role.IN_THE_DIALER, Role.DO_NOT_DIAL):
            return ""
        since = f" since {firm.local(self.since)}, set by {self.by}" if self.since else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.status}{since}{reason}{self._held(firm)}."

    def _held(self, firm: Firm) -> str:
        if self.role is not Role.IN_THE_DIALER:
            return ""
        if self.hold is None:
            return "; no claim holds it"
        if self.hold.answered_at:
            end = f"answered at {firm.local(self.hold.answered_at)}: it does not run out"
        else:
            end = f"held until {firm.local(self.hold.until)}" if self.hold.until else "held without a time limit"
        return f"; claim {self.hold.claim_id}, {end}"


def standing(case: Case, history: Sequence[StatusChange]) -> Standing:
    """Return the standing of a case by its history, oldest first: where dial times moved since, from the first on."""
    status, set_by = case.statuses.get(StatusType.DIALER), None
    for change in reversed([change for change in history if change.type is StatusType.DIALER]):
        if change.status != status or (case.hold and change.claim_id != case.hold.claim_id):
            break
        set_by = change
    return Standing(case.role, status.name if status else "", set_by, case.hold)
