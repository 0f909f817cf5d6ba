"""Reports: each as picture, table and file, of the days in the address."""

from __future__ import annotations

import csv
import re
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest

from casedial.domain.cases import StatusChange
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.storage import cases
from tests.conftest import Office, vendor
from tests.console.conftest import FIRM, OTHER_FIRM, Doors, Tab

DAYS = "since=2026-10-26&until=2026-11-08"
KEYS = ("hours", "dispositions", "attempts", "list", "vendors")


async def fill(office: Office, dialer: str = "Acme Dialer") -> None:
    """Ten cases come into a campaign on a Tuesday, and are called an hour later each, at 9:30; three are reached."""
    firm = await office.firm()
    campaign = firm.statuses.named(StatusType.CAMPAIGN, "Intake follow-up")
    came = datetime(2026, 10, 27, 14, tzinfo=UTC)
    rows = []
    for case_id in range(1, 11):
        await office.add(case_id)
        rows.append(StatusChange(case_id, StatusType.CAMPAIGN, campaign, None, came, vendor(dialer)))
    for case_id in range(1, 9):
        name = "Successful" if case_id in (1, 2, 3) else "Busy"
        for day in (0, 7) if case_id == 3 else (0,):
            said = firm.statuses.named(StatusType.DISPOSITION, name if day or case_id != 3 else "Busy")
            at = came + timedelta(days=day, minutes=30 + (60 if day else 0))  # the clocks went back meanwhile
            rows.append(StatusChange(case_id, StatusType.DISPOSITION, said, None, at, vendor(dialer)))
    async with office.store.write() as tx:
        await cases.record(tx, firm, rows)


async def file(tab: Tab, key: str, days: str = DAYS) -> list[list[str]]:
    reply = await tab.get(f"/{FIRM}/reports/{key}.csv?{days}")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"].startswith("attachment;")
    return list(csv.reader(StringIO(reply.text)))[1:]


async def test_pictures_tables_and_files_have_the_same_figures(doors: Doors) -> None:
    await fill(doors.office)
    tab = await doors.signed_in(UserRole.VIEWER)
    page = (await tab.get(f"/{FIRM}/reports?{DAYS}")).text
    assert "9 reports, 9 calls, 3 of them reached somebody (33.3 %)" in page
    for key in KEYS:
        rows = await file(tab, key)
        table = page.partition(f'id="{key}-table"')[2].partition("</table>")[0]
        cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("<tr>")[1:]]
        assert [row for row in cells if row] == [[cell or "–" for cell in row] for row in rows], key
        assert page.count(f'<title id="{key}-title">') == page.count(f'<desc id="{key}-told">') == 1
    assert await file(tab, "hours") == [["Tuesday", "09:00", "9", "3", "33.3"]]
    week = "2026-10-26", "0", "Intake follow-up"
    assert await file(tab, "attempts") == [["1", "2", "66.7", "66.7"], ["2", "1", "33.3", "100.0"]]
    assert await file(tab, "list") == [["2026-10-26", "1", "Intake follow-up", "10", "8", "80.0", "3", "30.0"]]
    assert await file(tab, "vendors") == [["Acme Dialer", "9", "9", "3", "33.3"]]
    assert sum(int(row[3]) for row in await file(tab, "dispositions")) == 9
    assert week[2] in page
    first = await file(tab, "vendors", "since=2026-10-27&until=2026-10-27")
    assert first == [["Acme Dialer", "8", "8", "2", "25.0"]]


async def test_a_campaign_by_itself(doors: Doors) -> None:
    await fill(doors.office)
    firm = await doors.office.firm()
    ids = {status.name: status.id for status in firm.statuses.of(StatusType.CAMPAIGN)}
    tab = await doors.signed_in(UserRole.VIEWER)
    for name, reports in (("Intake follow-up", 9), ("Notification campaign", 0)):
        page = (await tab.get(f"/{FIRM}/reports?{DAYS}&campaign={ids[name]}")).text
        assert f"{reports} reports" in page
        assert f'<option value="{ids[name]}" selected>{name}</option>' in page
    assert "Nothing in these days" in (await tab.get(f"/{FIRM}/reports?{DAYS}&campaign=0")).text


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        ("since=yesterday", "since", "Write the day like 2026-05-31."),
        ("until=9999-12-31", "until", "Write the day like"),
        ("until=0001-01-01", "until", "Write the day like"),
        ("since=2026-11-02&until=2026-11-01", "since", "after the last one"),
        ("since=2020-01-01&until=2026-11-01", "since", "more than 366 days"),
        ("campaign=99999", "campaign", "no such campaign"),
        ("campaign=<script>", "campaign", "no such campaign"),
    ],
)
async def test_days_that_make_no_sense(doors: Doors, asked: str, field: str, message: str) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    reply = await tab.get(f"/{FIRM}/reports?{asked}")
    assert reply.status_code == 422
    assert message in reply.text.partition(f'id="{field}-wrong"')[2]
    assert "<script>" not in reply.text.replace("<script src", "")
    assert (await tab.get(f"/{FIRM}/reports/hours.csv?{asked}")).status_code == 404


async def test_who_may_not_see_them(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    for path in ("reports", "reports/hours.csv", "reports/nothing.csv", "reports/hours.xlsx"):
        assert (await tab.get(f"/{OTHER_FIRM}/{path}")).status_code == 404
        assert (await doors.tab().get(f"/{FIRM}/{path}")).status_code == 303
    assert (await tab.get(f"/{FIRM}/reports/nothing.csv")).status_code == 404
    shown = await tab.get(f"/{FIRM}/reports")
    assert "Nothing in these days" in shown.text
    assert 'aria-current="page">Reports</a>' in shown.text


async def test_what_a_spreadsheet_would_run_is_text(doors: Doors) -> None:
    await fill(doors.office, "=HYPERLINK(<b>)")
    tab = await doors.signed_in(UserRole.VIEWER)
    assert (await file(tab, "vendors"))[0][0] == "'=HYPERLINK(<b>)"
    page = (await tab.get(f"/{FIRM}/reports?{DAYS}")).text
    assert "=HYPERLINK(&lt;b&gt;)" in page
    assert "<b>" not in page


def test_the_days_of_the_test() -> None:
    assert date(2026, 10, 27).weekday() == 1
