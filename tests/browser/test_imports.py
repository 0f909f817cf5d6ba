"""Import a spreadsheet as people do: by keyboard, without script, on a phone; and what axe says of each page."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import FIRM, IMAGES, Site, violations
from tests.wire.test_workbooks import workbook


def spring(sheet, book) -> None:  # type: ignore[no-untyped-def]
    sheet.write_row(0, 0, ["Case Number", "Client", "Cell", "Zip", "Call at"])
    for number in range(1, 41):
        sheet.write_row(
            number, 0, [900_000 + number, f"Ann Lee {number}", f"402555{number:04}", "68102", "5/6/2027 9:00"]
        )
    sheet.write_row(41, 0, ["9000x1", "Bob", "n/a"])


@pytest.fixture
def spreadsheet(tmp_path: Path) -> Path:
    path = tmp_path / "spring.xlsx"
    path.write_bytes(workbook(Spring=spring))
    return path


def press_until(page: Page, words: str) -> None:
    """Go on by Tab to what is called so."""
    for _ in range(120):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "() => (document.activeElement.labels?.[0]?.textContent || document.activeElement.textContent || '').trim()"
        )
        if re.match(words, told):
            return
    raise AssertionError(f"Tab does not lead to {words}")


def seen(page: Page, name: str = "") -> None:
    """Look at a page, and keep it as a picture where pictures are made anew."""
    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    if name and "CASEDIAL_PICTURES" in os.environ:
        page.screenshot(path=IMAGES / f"console-{name}.png", full_page=True)


def test_a_spreadsheet_by_keyboard_alone(site: Site, spreadsheet: Path, database: str) -> None:
    keep = database == "sqlite"
    page = site.context().new_page()
    site.sign_in(page, "Ana")
    page.goto(f"{site.console}/{FIRM}/import")
    seen(page)
    page.set_input_files("#file", spreadsheet)  # the dialog of the system is not the page's
    press_until(page, "Send the file")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=What do the columns mean?")
    seen(page)
    press_until(page, "Check the file")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=choose.")
    assert page.evaluate("() => document.activeElement.id") == "order"
    page.keyboard.type("Month")
    press_until(page, "Check the file")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Nothing is imported yet")
    seen(page, "import-checked" if keep else "")
    press_until(page, "Import 40 rows")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('Imported')")
    seen(page)
    with page.expect_download() as found:
        page.get_by_role("link", name="Download all of them").click()
    assert "9000x1" in Path(found.value.path()).read_text()
    press_until(page, "Undo this import")
    page.keyboard.press("Enter")
    press_until(page, "Remove the cases")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=40 were removed")
    seen(page)


def test_without_script_on_a_phone_in_the_dark(site: Site, spreadsheet: Path) -> None:
    page = site.context("phone", "dark", java_script_enabled=False).new_page()
    site.sign_in(page, "Ana")
    page.goto(f"{site.console}/{FIRM}/import")
    page.set_input_files("#file", spreadsheet)
    page.get_by_role("button", name="Send the file").click()
    page.get_by_label("In dates such as").select_option("month-first")
    page.get_by_role("button", name="Check the file").click()
    page.get_by_role("button", name="Import 40 rows").click()
    page.get_by_role("heading", name="Imported").wait_for()


def test_every_page_of_an_import_at_every_size(site: Site, spreadsheet: Path) -> None:
    state = site.state_of("Ana")
    page = site.context(storage_state=state).new_page()
    page.goto(f"{site.console}/{FIRM}/import")
    page.set_input_files("#file", spreadsheet)
    page.get_by_role("button", name="Send the file").click()
    page.wait_for_selector("text=What do the columns mean?")
    address = page.url
    for button in ("", "Check the file", "Import 40 rows", "Remove the cases"):
        if button:
            page.goto(address)
            if button.startswith("Check"):
                page.get_by_label("In dates such as").select_option("month-first")
            if button.startswith("Remove"):
                page.get_by_text("Undo this import").click()
            page.get_by_role("button", name=button).click()
            page.wait_for_load_state()
        for size in ("phone", "desk"):
            for theme in ("light", "dark"):
                other = site.context(size, theme, storage_state=state).new_page()
                other.goto(address)
                assert violations(other) == [], (button, size, theme)
                wide = other.evaluate(
                    "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert wide <= 0, (button, size, theme)
                other.context.close()


def test_exports_and_the_audit(site: Site) -> None:
    page = site.context().new_page()
    site.sign_in(page, "Ana")
    page.goto(f"{site.console}/{FIRM}/export")
    seen(page)
    for form in ("Workbook (.xlsx)", "CSV"):
        page.get_by_label("Form").select_option(label=form)
        with page.expect_download() as found:
            page.get_by_role("button", name="Download").click()
        assert Path(found.value.path()).stat().st_size > 1000
    page.goto(f"{site.console}/{FIRM}/audit")
    page.get_by_role("button", name="Verify the chain").click()
    page.wait_for_selector("text=none was altered")
    seen(page)
