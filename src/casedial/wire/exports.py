"""Export files: CSV and JSON Lines, in the columns that an import reads; and those of notes, history and calls."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from casedial.domain.cases import Case, Note, Phone, PriorityChange
from casedial.domain.dialing import StatusPeriod
from casedial.domain.fact_changes import FactChange, Facts
from casedial.domain.limits import Call
from casedial.domain.phone_changes import PhoneChange
from casedial.domain.statuses import StatusType
from casedial.wire import values


def csv_header(phones: int) -> list[str]:
    """Return the columns of an export with room for this many phones."""
    return [
        *("CaseID", "CaseStatus", "CaseGroup", "Closed", "ZipCode", "Plaintiff"),
        *("Campaign", "DialerStatus", "DialDateTime", "Priority", "Attempts", "Disposition"),
        *(f"Phone{n}{part}" for n in range(1, phones + 1) for part in ("Name", "", "Primary", "Text")),
    ]


def csv_cells(case: Case, zone: ZoneInfo, phones: int) -> list[object]:
    """Return a case's row under ``csv_header``."""
    cells: list[object] = [
        *(case.case_id, case.case_status, case.case_group, _shown_closed(case), case.zip_code, case.plaintiff),
        *(case.name_of(StatusType.CAMPAIGN), case.name_of(StatusType.DIALER), _shown_time(case, zone)),
        *(case.priority, case.name_of(StatusType.ATTEMPTS), case.name_of(StatusType.DISPOSITION)),
    ]
    for phone in case.phones:
        cells += [phone.name, phone.number, *("true" if flag else "false" for flag in (phone.primary, phone.text))]
    return cells + [""] * (4 * (phones - len(case.phones)))


def json_row(case: Case, zone: ZoneInfo) -> dict[str, object]:
    """Return a case as one object of JSON Lines."""
    return {
        "CaseID": case.case_id,
        "Phones": [{"PhoneName": p.name, "Phone": p.number, "Primary": p.primary, "Text": p.text} for p in case.phones],
        "CaseStatus": case.case_status,
        "DialerStatus": case.name_of(StatusType.DIALER),
        "Campaign": case.name_of(StatusType.CAMPAIGN),
        "Attempts": case.name_of(StatusType.ATTEMPTS),
        "DialDateTime": _shown_time(case, zone) or None,
        "Priority": case.priority,
        "ZipCode": case.zip_code,
        "CaseGroup": case.case_group,
        "Closed": case.closed_on or case.closed,
        "Plaintiff": case.plaintiff,
        "Disposition": case.name_of(StatusType.DISPOSITION),
    }


def _shown_time(case: Case, zone: ZoneInfo) -> str:
    return values.show_time(case.dial_at, zone) if case.dial_at else ""


def _shown_closed(case: Case) -> str:
    if case.closed_on:
        return case.closed_on.isoformat()
    return "true" if case.closed else "false"


NOTE_COLUMNS = ("CaseID", "Time", "Author", "Note")
HISTORY_COLUMNS = ("CaseID", "Type", "Status", "DialDateTime", "From", "Until", "By", "ClaimID", "Why")
CALL_COLUMNS = ("CaseID", "Time", "Phone", "Conversation")


def note_cells(note: Note, zone: ZoneInfo) -> list[object]:
    """Return a note under ``NOTE_COLUMNS``."""
    return [note.case_id, values.show_time(note.created_at, zone), note.author, note.text]


def period_cells(period: StatusPeriod, zone: ZoneInfo) -> list[object]:
    """Return how long a case had a status under ``HISTORY_COLUMNS``."""
    change = period.change
    times = (values.show_time(at, zone) if at else None for at in (change.dial_at, change.changed_at, period.until))
    status = change.status.name if change.status else ""
    claim_id = str(change.claim_id) if change.claim_id else None
    return [change.case_id, change.type.label, status, *times, change.changed_by, claim_id, change.reason or ""]


def phone_change_cells(change: PhoneChange, zone: ZoneInfo) -> list[object]:
    """Return the change of a phone under ``HISTORY_COLUMNS``: what it is now as its status, what it was as why."""
    at = values.show_time(change.changed_at, zone)
    return [change.case_id, PHONE, shown_phone(change.after), None, at, None, change.changed_by, None, was(change)]


def priority_change_cells(change: PriorityChange, zone: ZoneInfo) -> list[object]:
    """Return the change of a priority under ``HISTORY_COLUMNS``, in the same way."""
    at = values.show_time(change.changed_at, zone)
    was = f"was {change.before}"
    return [change.case_id, PRIORITY, str(change.after), None, at, None, change.changed_by, None, was]


def fact_change_cells(change: FactChange, zone: ZoneInfo) -> list[object]:
    """Return the change of fields under ``HISTORY_COLUMNS``, in the same way."""
    at = values.show_time(change.changed_at, zone)
    was = were(change)
    return [change.case_id, FIELDS, shown_facts(change.after), None, at, None, change.changed_by, None, was]


# The types of changes of a phone, of the priority and of other fields, beside the four status types.
PHONE, PRIORITY, FIELDS = "Phone", "Priority", "Fields"
_FACTS = {
    "case_status": "CaseStatus",
    "case_group": "CaseGroup",
    "closed": "Closed",
    "zip_code": "ZipCode",
    "plaintiff": "Plaintiff",
}


def shown_facts(facts: Facts) -> str:
    """Say what fields are, by their names in files."""
    told = {name: str(value).lower() if isinstance(value, bool) else value for name, value in facts.items()}
    return ", ".join(f"{_FACTS.get(name, name)}: {value}" for name, value in told.items() if value not in ("", None))


def were(change: FactChange) -> str:
    """Say what fields were before they were changed."""
    return "added" if change.before is None else f"was {shown_facts(change.before)}".rstrip()


def was(change: PhoneChange) -> str:
    """Say what a phone was before it was changed."""
    if change.before is None:
        return "added"
    return f"removed: {shown_phone(change.before)}" if change.after is None else f"was {shown_phone(change.before)}"


def shown_phone(phone: Phone | None) -> str:
    """Say what a phone is: its name, its number, its marks."""
    if phone is None:
        return ""
    marks = ", ".join(mark for mark, is_so in (("primary", phone.primary), ("text", phone.text)) if is_so)
    return " ".join(filter(None, (phone.name, phone.number, marks and f"({marks})")))


def call_cells(call: Call, zone: ZoneInfo) -> list[object]:
    """Return a call under ``CALL_COLUMNS``."""
    return [call.case_id, values.show_time(call.at, zone), call.number, call.conversation]
