"""Export files: CSV and JSON Lines, in the columns that an import reads."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from casedial.domain.cases import Case, StatusType
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
        *(_name(case, StatusType.CAMPAIGN), _name(case, StatusType.DIALER), _shown_time(case, zone)),
        *(case.priority, _name(case, StatusType.ATTEMPTS), _name(case, StatusType.DISPOSITION)),
    ]
    for phone in case.phones:
        cells += [phone.name, phone.number, *("true" if flag else "false" for flag in (phone.primary, phone.text))]
    return cells + [""] * (4 * (phones - len(case.phones)))


def json_line(case: Case, zone: ZoneInfo) -> bytes:
    """Return a case as one line of JSON Lines, without the line's end."""
    return msgspec.json.encode(
        {
            "CaseID": case.case_id,
            "Phones": [
                {"PhoneName": p.name, "Phone": p.number, "Primary": p.primary, "Text": p.text} for p in case.phones
            ],
            "CaseStatus": case.case_status,
            "DialerStatus": _name(case, StatusType.DIALER),
            "Campaign": _name(case, StatusType.CAMPAIGN),
            "Attempts": _name(case, StatusType.ATTEMPTS),
            "DialDateTime": _shown_time(case, zone) or None,
            "Priority": case.priority,
            "ZipCode": case.zip_code,
            "CaseGroup": case.case_group,
            "Closed": case.closed_on or case.closed,
            "Plaintiff": case.plaintiff,
            "Disposition": _name(case, StatusType.DISPOSITION),
        }
    )


def _name(case: Case, kind: StatusType) -> str:
    status = case.statuses.get(kind)
    return status.name if status else ""


def _shown_time(case: Case, zone: ZoneInfo) -> str:
    return values.show_time(case.dial_at, zone) if case.dial_at else ""


def _shown_closed(case: Case) -> str:
    if case.closed_on:
        return case.closed_on.isoformat()
    return "true" if case.closed else "false"
