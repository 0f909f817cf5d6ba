"""Cases, as the firm's own systems send and get them: the fields of an import's JSON Lines, and of an export's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from casedial.domain.cases import PRIORITIES, Case
from casedial.domain.dialing import CaseFilter
from casedial.domain.firms import Firm
from casedial.domain.names import NAME_LIMIT
from casedial.domain.statuses import StatusType
from casedial.wire import values
from casedial.wire.documents import Parameters
from casedial.wire.replies import PhoneReply
from casedial.wire.v1.reading import status_of, text


class ManagedCase(msgspec.Struct, frozen=True):
    """A case with every field that the firm may set, and HeldBy: the vendor that has it In the Dialer.

    Closed is the day, or true where nobody knows it. DialDateTime is local to the firm.
    """

    CaseID: int
    Phones: list[PhoneReply]
    CaseStatus: str
    DialerStatus: str
    Campaign: str
    Attempts: str
    Disposition: str
    DialDateTime: str | None
    Priority: int
    ZipCode: str
    CaseGroup: str
    Closed: str | bool
    Plaintiff: str
    HeldBy: str | None


class CasesPage(msgspec.Struct, frozen=True):
    """Cases in the order of their CaseIDs; Next is what to send as After for those behind them, null at the end.

    Unreadable are CaseIDs of the page whose rows make no sense: casedial doctor says what to do.
    """

    Cases: list[ManagedCase]
    Next: int | None
    Unreadable: list[int]


def managed_case(firm: Firm, case: Case, held_by: str | None) -> ManagedCase:
    """Show a case, with all its phones: texts, faxes and doubtful numbers, too."""
    return ManagedCase(
        case.case_id,
        [PhoneReply(phone.name, phone.number, phone.primary, phone.text) for phone in case.phones],
        case.case_status,
        case.name_of(StatusType.DIALER),
        case.name_of(StatusType.CAMPAIGN),
        case.name_of(StatusType.ATTEMPTS),
        case.name_of(StatusType.DISPOSITION),
        values.show_time(case.dial_at, firm.zone) if case.dial_at else None,
        case.priority,
        case.zip_code,
        case.case_group,
        case.closed_on.isoformat() if case.closed_on else case.closed,
        case.plaintiff,
        held_by,
    )


def cases_page(
    firm: Firm, found: Iterable[tuple[Case, str | None]], more: bool, unreadable: Sequence[int]
) -> CasesPage:
    """Show a page of cases, each with the vendor that holds it; ``more`` tells whether others are behind them."""
    shown = [managed_case(firm, case, held_by) for case, held_by in found]
    return CasesPage(shown, shown[-1].CaseID if more and shown else None, list(unreadable))


def case_filter(given: Parameters, firm: Firm, now: datetime) -> CaseFilter:
    """Read which cases are meant, from the fields of a query or a body."""

    def name_of(field: str, kind: StatusType) -> str | None:
        found = given.optional(field, status_of(firm, kind))
        return found.name if found else None

    attempts = given.optional("Attempts", lambda value: status_of(firm, StatusType.ATTEMPTS)(values.attempts(value)))
    wanted: dict[str, Any] = {
        "dialer_status": name_of("DialerStatus", StatusType.DIALER),
        "campaign": name_of("Campaign", StatusType.CAMPAIGN),
        "disposition": name_of("Disposition", StatusType.DISPOSITION),
        "attempts": attempts.name if attempts else None,
        "case_group": given.optional("CaseGroup", values.name),
        "due_at": now if given.optional("Due", values.boolean) else None,
        "number": given.optional("Phone", values.phone),
        "name": given.optional("Plaintiff", text(NAME_LIMIT)),
        "held_by": given.optional("HeldBy", values.name),
        "priority": given.optional("Priority", priority),
        "do_not_call": given.optional("DoNotCall", values.boolean),
        "held_back": given.optional("HeldBack", values.boolean),
        "answered": given.optional("Answered", values.boolean),
    }
    return CaseFilter(**{name: value for name, value in wanted.items() if value is not None})


def priority(value: object) -> int:
    """Read a priority. Raises ValueError."""
    number = values.whole_number(value)
    if number not in PRIORITIES:
        raise ValueError(f"must be {PRIORITIES[0]} (first) to {PRIORITIES[-1]} (last)")
    return number


class DeleteReply(msgspec.Struct, frozen=True):
    """What was deleted with a case; Wiped tells whether nothing of it is left in the files of the database."""

    CaseID: int
    History: int
    Notes: int
    Phones: int
    Wiped: bool
