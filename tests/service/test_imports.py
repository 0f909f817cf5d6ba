"""What an import does to cases that are new, there, retired, in the dialer; the round trip."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from casedial.domain.cases import NO_PHONE, Case, Phone
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, ImportOptions, import_rows
from casedial.service.statuses import add_statuses, retire_status
from casedial.storage import cases
from casedial.wire import exports, files
from tests.conftest import NOW, Office


async def bring(office: Office, text: str, **options: bool) -> BatchReport:
    """Import CSV text; rows that cannot even be read count as bad, too."""
    rows = list(files.read_csv(StringIO(text), files.Dates((await office.firm()).zone)).rows)
    good = [entry.row for entry in rows if isinstance(entry.row, files.CaseRow)]
    unread = [(index, entry.row) for index, entry in enumerate(rows) if isinstance(entry.row, files.BadRow)]
    async with office.store.write() as tx:
        report = await import_rows(tx, office.name, good, ImportOptions(**options), NOW)
    report.bad = unread + report.bad
    return report


def names(case: Case) -> dict[str, str]:
    return {kind.name: status.name for kind, status in case.statuses.items()}


CELL, FAX = Phone("Cell", "(402) 555-0123", True, True), Phone("Fax", "402-555-0199")
FULL = (
    "CaseID,CaseStatus,CaseGroup,Closed,ZipCode,Plaintiff,Campaign,DialerStatus,DialDateTime,Attempts,Disposition,"
    "Phone1Name,Phone1,Phone1Primary,Phone1Text,Phone2Name,Phone2\n"
    "7,LIT 03,Auto,2026-05-06,07030,Ann Lee,intake FOLLOW-UP, to dial ,2026-12-01T09:00:00,01,no answer,"
    "Cell,(402) 555-0123,true,1,Fax,402-555-0199\n"
)


async def test_a_new_case_with_everything(office: Office) -> None:
    report = await bring(office, FULL)
    assert (report.added, report.updated, report.unchanged, report.bad) == (1, 0, 0, [])
    case = await office.case(7)
    assert (case.case_status, case.case_group, case.zip_code, case.plaintiff) == ("LIT 03", "Auto", "07030", "Ann Lee")
    assert (case.closed, case.closed_on) == (True, date(2026, 5, 6))
    assert names(case) == {
        "DIALER": "To Dial",
        "DISPOSITION": "No Answer",
        "CAMPAIGN": "Intake follow-up",
        "ATTEMPTS": "1",
    }
    assert case.dial_at == datetime(2026, 12, 1, 15, 0, tzinfo=UTC)  # Chicago
    assert case.phones == (Phone("Cell", "(402) 555-0123", True, True), Phone("Fax", "402-555-0199"))
    assert sorted(await office.history(7)) == [
        ("Attempts Status", "1", "import"),
        ("Campaign Status", "Intake follow-up", "import"),
        ("Dialer Status", "To Dial", "import"),
        ("Last Dialer Disposition", "No Answer", "import"),
    ]


async def test_importing_again_changes_nothing(office: Office) -> None:
    await bring(office, FULL)
    before, history = await office.case(7), await office.history(7)
    report = await bring(office, FULL, set_statuses=True)
    assert (report.added, report.updated, report.unchanged) == (0, 0, 1)
    assert await office.case(7) == before
    assert await office.history(7) == history


@pytest.mark.parametrize(
    ("csv", "changed"),
    [
        ("CaseID,Plaintiff\n7,Bob\n", {"plaintiff": "Bob"}),
        ("CaseID,Plaintiff,ZipCode\n7,,\n", {"plaintiff": "", "zip_code": ""}),
        ("CaseID,Closed\n7,\n", {"closed": False, "closed_on": None}),
        ("CaseID,Closed\n7,yes\n", {}),  # does not contradict the date that is known
        ("CaseID,Closed\n7,6/5/2026\n", {"closed_on": date(2026, 6, 5)}),
        ("CaseID,Phone1\n7,4025550100\n", {"phones": (Phone("Cell", "4025550100", True, True), FAX)}),
        ("CaseID,Phone1\n7,\n", {"phones": (NO_PHONE, FAX)}),  # a gap: phone 2 is still phone 2
        ("CaseID,Phone2\n7,\n", {"phones": (CELL,)}),
        ("CaseID,Phone2Name\n7,Home\n", {"phones": (CELL, Phone("Home", "402-555-0199"))}),
        ("CaseID,Phone3Name,Phone3\n7,Work,4025550177\n", {"phones": (CELL, FAX, Phone("Work", "4025550177"))}),
        ("CaseID,Phone1Primary,Phone1Text\n7,,no\n", {"phones": (Phone("Cell", "(402) 555-0123"), FAX)}),
    ],
)  # fmt: skip
async def test_a_missing_column_leaves_and_an_empty_cell_clears(
    office: Office, csv: str, changed: dict[str, Any]
) -> None:
    await bring(office, FULL)
    before = await office.case(7)
    report = await bring(office, csv)
    after = await office.case(7)
    assert {name: getattr(after, name) for name in changed} == changed
    untouched = {
        "case_status",
        "case_group",
        "zip_code",
        "plaintiff",
        "closed",
        "closed_on",
        "phones",
        "statuses",
        "dial_at",
    }
    for name in untouched - set(changed):
        assert getattr(after, name) == getattr(before, name)
    assert report.updated == bool(changed)


async def test_an_empty_phone_cell_clears_the_same_phone_however_often(office: Office) -> None:
    await bring(office, FULL)
    for _ in range(3):
        await bring(office, "CaseID,Phone1,Phone2\n7,,402-555-0199\n")
    assert (await office.case(7)).phones == (NO_PHONE, FAX)
    assert (await office.case(7)).voice_phones == []


async def test_a_changed_phone_is_found_by_its_new_number_only(office: Office) -> None:
    await bring(office, "CaseID,Phone1\n7,(402) 555-0123\n")
    await bring(office, "CaseID,Phone1\n7,+1 402 555 0188 ext. 5\n")
    firm = await office.firm()
    async with office.store.read() as tx:
        assert await cases.with_number(tx, firm, "4025550123", 100) == []
        assert [case.case_id for case in await cases.with_number(tx, firm, "4025550188", 100) or ()] == [7]


async def test_statuses_of_a_case_that_is_there_want_set_statuses(office: Office) -> None:
    await office.add(7, attempts="1")
    csv = "CaseID,Plaintiff,DialerStatus,DialDateTime,Attempts\n7,Bob,Do not Dial,2026-05-06T09:00:00,2\n"
    report = await bring(office, csv)
    assert (report.updated, report.statuses_kept) == (1, 1)
    kept = await office.case(7)
    assert (kept.plaintiff, kept.role, names(kept)["ATTEMPTS"]) == ("Bob", Role.TO_DIAL, "1")
    report = await bring(office, csv, set_statuses=True)
    assert (report.updated, report.statuses_kept) == (1, 0)
    changed = await office.case(7)
    assert (changed.role, names(changed)["ATTEMPTS"]) == (Role.DO_NOT_DIAL, "2")
    assert changed.dial_at == datetime(2026, 5, 6, 14, 0, tzinfo=UTC)


async def test_a_case_in_the_dialer_keeps_its_statuses_and_is_reported(office: Office) -> None:
    await office.add(7, dialer="In the Dialer", attempts="1")
    csv = "CaseID,Plaintiff,DialerStatus,Attempts\n7,Bob,To Dial,2\n"
    report = await bring(office, csv, set_statuses=True)
    assert report.in_the_dialer == [7]
    kept = await office.case(7)
    assert (kept.plaintiff, kept.role, names(kept)["ATTEMPTS"]) == ("Bob", Role.IN_THE_DIALER, "1")
    assert await office.history(7) == []


@pytest.mark.parametrize(
    ("dialer", "row", "expected"),
    [
        (None, "DialerStatus\n7,To Dial\n", NOW),
        (None, "DialerStatus,DialDateTime\n7,To Dial,\n", NOW),
        (None, "DialerStatus,DialDateTime\n7,Do not Dial,\n", None),
        ("Do not Dial", "DialerStatus\n7,To Dial\n", NOW),
        ("To Dial", "DialerStatus\n7,To Dial\n", "as it was"),
        ("To Dial", "DialerStatus,DialDateTime\n7,To Dial,\n", NOW),
        ("To Dial", "DialDateTime\n7,2026-05-06T09:00:00\n", datetime(2026, 5, 6, 14, tzinfo=UTC)),
        ("Do not Dial", "DialDateTime\n7,\n", None),
    ],
)
async def test_dial_times(office: Office, dialer: str | None, row: str, expected: Any) -> None:
    before = await office.add(7, dialer=dialer) if dialer else None
    await bring(office, "CaseID," + row, set_statuses=True)
    assert (await office.case(7)).dial_at == (before.dial_at if before and expected == "as it was" else expected)


async def test_the_repeated_hour_in_autumn_survives_a_round_trip(office: Office) -> None:
    second_time = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)  # 01:30 in Chicago, for the second time
    await office.add(7, dial_at=second_time)
    await bring(office, "CaseID,DialerStatus,DialDateTime\n7,To Dial,2026-11-01T01:30:00\n", set_statuses=True)
    assert (await office.case(7)).dial_at == second_time
    assert await office.history(7) == []


async def test_unknown_statuses_are_bad_rows_unless_added(office: Office) -> None:
    csv = "CaseID,Campaign,DialerStatus,Attempts,Disposition\n1,Spring,Paused,21,Wrong Number\n2,Spring,,022,\n"
    report = await bring(office, csv)
    assert [index for index, _ in report.bad] == [0, 1]
    assert {error.column for _, error in report.bad} <= {"Campaign", "DialerStatus", "Attempts", "Disposition"}
    assert report.added == 0
    report = await bring(office, csv, add_statuses=True)
    assert report.bad == []
    assert set(report.statuses_added) == {
        (StatusType.CAMPAIGN, "Spring"),
        (StatusType.DIALER, "Paused"),
        (StatusType.ATTEMPTS, "21"),
        (StatusType.ATTEMPTS, "22"),
        (StatusType.DISPOSITION, "Wrong Number"),
    }
    assert await office.role(1) is None  # a status without a role is never dialed
    assert names(await office.case(2)) == {"CAMPAIGN": "Spring", "ATTEMPTS": "22"}


@pytest.mark.parametrize("variant", ["No-Answer", "NoAnswer", "no  answer", "No_Answer.", "NO ANSWER!"])
async def test_a_spelling_variant_is_never_added(office: Office, variant: str) -> None:
    report = await bring(office, f"CaseID,Disposition\n1,{variant}\n", add_statuses=True)
    assert report.statuses_added == []
    assert [error.column for _, error in report.bad] == ["Disposition"]
    assert "No Answer" in report.bad[0][1].reason  # says what was probably meant


async def test_attempts_that_are_no_number_are_never_added(office: Office) -> None:
    report = await bring(office, "CaseID,Attempts\n1,many\n", add_statuses=True)
    assert (report.added, report.statuses_added, len(report.bad)) == (0, [], 1)


async def test_a_retired_status_stays_on_its_cases_and_goes_on_no_other(office: Office) -> None:
    await office.add(1, campaign="Intake follow-up")
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await retire_status(tx, firm, StatusType.CAMPAIGN, "Intake follow-up", retired=True)
    report = await bring(office, "CaseID,Campaign\n1,Intake follow-up\n2,Intake follow-up\n", set_statuses=True)
    assert [(index, error.reason) for index, error in report.bad] == [(1, "'Intake follow-up' is retired")]
    assert report.unchanged == 1


async def test_the_same_case_twice_in_a_batch_counts_in_order(office: Office) -> None:
    csv = "CaseID,Plaintiff,DialerStatus\n1,Ann,To Dial\n1,Bob,Do not Dial\n"
    report = await bring(office, csv, set_statuses=True)
    assert (report.added, report.updated) == (1, 1)
    case = await office.case(1)
    assert (case.plaintiff, case.role) == ("Bob", Role.DO_NOT_DIAL)
    assert [status for _, status, _ in await office.history(1)] == ["To Dial", "Do not Dial"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_a_round_trip_changes_nothing(office: Office, form: str) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await add_statuses(tx, firm, [(StatusType.ATTEMPTS, "21"), (StatusType.DIALER, 'Odd, "quoted"\u00fcname')])
    await office.add(1, phones=(), dialer=None, campaign=None, dial_at=None)
    await office.add(2, plaintiff='Ann "A" Lee,\nEsq. \u00e9\U0001f600', case_status="=1+1", zip_code="00501")
    await office.add(3, dialer="In the Dialer", attempts="21", closed=True)
    await office.add(4, dialer='Odd, "quoted"\u00fcname', closed=True, closed_on=date(2020, 2, 29))
    await office.add(9223372036854775807, dial_at=NOW + timedelta(microseconds=123456))
    await office.add(
        6, phones=(Phone("Home", "555-0123"), Phone("Fax", "+44 20 7946 0958"), Phone("", "1", True, True))
    )
    await office.add(5, phones=(NO_PHONE, Phone("Home", "402-555-0123")))
    firm = await office.firm()
    stored = {case_id: await office.case(case_id) for case_id in (1, 2, 3, 4, 5, 6, 9223372036854775807)}
    if form == "csv":
        out = StringIO()
        csv.writer(out).writerow(exports.csv_header(3))
        csv.writer(out).writerows(exports.csv_cells(case, firm.zone, 3) for case in stored.values())
        rows = list(files.read_csv(StringIO(out.getvalue(), newline=""), files.Dates(firm.zone)).rows)
    else:
        lines = "\n".join(json.dumps(exports.json_row(case, firm.zone), default=str) for case in stored.values())
        rows = list(files.read_json_lines(StringIO(lines, newline=""), files.Dates(firm.zone)).rows)
    async with office.store.write() as tx:
        good = [entry.row for entry in rows if isinstance(entry.row, files.CaseRow)]
        report = await import_rows(tx, office.name, good, ImportOptions(set_statuses=True), NOW)
    assert (report.unchanged, report.updated, report.added, report.bad) == (7, 0, 0, [])
    assert report.in_the_dialer == []
    for case_id, case in stored.items():
        assert await office.case(case_id) == case
        assert await office.history(case_id) == []
