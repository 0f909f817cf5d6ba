"""Reports as a manager reads them: choose days, look, open a table, take a file, print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from casedial.database.engine import Store
from casedial.domain.cases import StatusChange
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.operations import sample
from casedial.storage import cases
from tests.browser.conftest import Site, flaws, follow, in_store, violations
from tests.conftest import vendor

NAMES = ("Busy", "No Answer", "Answering Machine", "No Answer", "Successful")


def fill(site: Site) -> None:
    """Four weeks of calls, at the hours of an office."""

    async def work(store: Store) -> None:
        async with store.write() as tx:
            firm = await open_firm(tx, sample.FIRM)
            kind, rows = StatusType.DISPOSITION, []
            first = datetime.now(UTC).replace(hour=14, minute=0) - timedelta(days=28)
            for n in range(1400):
                at = first + timedelta(days=n // 50, minutes=(n * 37) % 540)
                said = firm.statuses.named(kind, NAMES[(n * n + n // 7) % 5])
                rows.append(
                    StatusChange(n % 290 + 1, kind, said, None, at, vendor(("Acme Dialer", "Other")[n % 3 > 1]))
                )
            await cases.record(tx, firm, rows)

    in_store(site.database_url, work)


def choose(page: Page) -> None:
    since = (datetime.now(UTC) - timedelta(days=27)).date()
    page.get_by_label("First day").fill(since.isoformat())
    with page.expect_navigation(url=f"**/reports?since={since}*"):
        page.get_by_role("button", name="Show").click()


def test_a_manager_reads_the_reports(site: Site) -> None:
    fill(site)
    page = site.signed_in("Ana")
    follow(page.get_by_role("link", name="Reports"))
    choose(page)
    for title in ("Reached by hour and weekday", "Dispositions by campaign and week", "By vendor"):
        expect(page.get_by_role("img", name=title)).to_be_visible()
    table = page.get_by_role("region", name="By vendor", exact=True).get_by_role("table")
    expect(table).to_be_hidden()
    page.locator("#vendors-table summary").focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    expect(table).to_contain_text("Acme Dialer")
    with page.expect_download() as download:
        page.get_by_role("link", name="By vendor as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "Vendor,Reports,Calls,Reached,Reached %"
    assert {"Acme Dialer", "Other"} <= {line.partition(",")[0] for line in lines}
    assert violations(page) == []
    page.get_by_label("First day").fill("2020-01-01")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text("more than 366 days")).to_be_visible()
    expect(page.locator("#since")).to_be_focused()


def test_on_paper_and_without_script(site: Site) -> None:
    fill(site)
    page = site.signed_in("Ana", "reports", "phone", "dark", java_script_enabled=False)
    choose(page)
    expect(page.get_by_role("img", name="By vendor")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Show")).to_be_hidden()
    expect(page.get_by_role("img", name="By vendor")).to_be_visible()


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_axe_finds_nothing_in_pictures(site: Site) -> None:
    fill(site)
    page = site.signed_in("Ana", "reports")
    choose(page)
    for summary in page.locator("details.figures summary").all():
        summary.click()
    assert flaws(page) == []
