"""Reports as a manager reads them: choose days, look, open a table, take a file, print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page

from casedial.database.engine import Store
from casedial.domain.cases import StatusChange
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.operations import sample
from casedial.storage import cases
from tests.browser.conftest import FIRM, Site, in_store, violations
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


def choose(page: Page, site: Site) -> None:
    page.goto(f"{site.console}/{FIRM}/reports")
    since = (datetime.now(UTC) - timedelta(days=27)).date()
    page.get_by_label("First day").fill(since.isoformat())
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(f"**/reports?since={since}*")


def test_a_manager_reads_the_reports(site: Site) -> None:
    fill(site)
    page = site.context().new_page()
    site.sign_in(page, "Ana")
    page.get_by_role("link", name="Reports").click()
    choose(page, site)
    for title in ("Reached by hour and weekday", "Dispositions by campaign and week", "By vendor"):
        assert page.get_by_role("img", name=title).is_visible()
    table = page.get_by_role("region", name="By vendor", exact=True).get_by_role("table")
    assert not table.is_visible()
    page.locator("#vendors-table summary").focus()
    page.keyboard.press("Enter")
    assert table.is_visible()
    assert "Acme Dialer" in table.inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="By vendor as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "Vendor,Reports,Calls,Reached,Reached %"
    assert {"Acme Dialer", "Other"} <= {line.partition(",")[0] for line in lines}
    assert violations(page) == []
    page.get_by_label("First day").fill("2020-01-01")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=more than 366 days")
    assert page.evaluate("() => document.activeElement.id") == "since"


def test_on_paper_and_without_script(site: Site) -> None:
    fill(site)
    page = site.context("phone", "dark", java_script_enabled=False).new_page()
    site.sign_in(page, "Ana")
    choose(page, site)
    assert page.get_by_role("img", name="By vendor").is_visible()
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Show").is_visible()
    assert page.get_by_role("img", name="By vendor").is_visible()


def test_axe_finds_nothing_in_pictures(site: Site) -> None:
    fill(site)
    state = site.state_of("Ana")
    for size in ("phone", "desk"):
        for theme in ("light", "dark"):
            page = site.context(size, theme, storage_state=state).new_page()
            choose(page, site)
            for summary in page.locator("details.figures summary").all():
                summary.click()
            wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert (size, theme, wide, violations(page)) == (size, theme, 0, [])
