"""Import a spreadsheet as people do: by keyboard, without script, on a phone; and what axe says of each page."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import IMAGES, Site, flaws, follow, until_there, violations
from tests.browser.keyboard import Hands
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


def seen(page: Page, name: str = "") -> None:
    """Look at a page, and keep it as a picture where pictures are made anew."""
    assert violations(page) == []
    if name and "CASEDIAL_PICTURES" in os.environ:
        page.screenshot(path=IMAGES / f"console-{name}.png", full_page=True)


def test_a_spreadsheet_by_keyboard_alone(site: Site, spreadsheet: Path, database: str) -> None:
    page = site.signed_in("Ana", "import")
    hands = Hands(page)
    seen(page)
    hands.send_file("File", spreadsheet)
    hands.go("Send the file")
    hands.reads("What do the columns mean?")
    seen(page)
    hands.go("Check the file")
    hands.is_refused_at("order")
    hands.reads(r"choose\.")
    hands.pick("Month")
    hands.go("Check the file")
    hands.reads("Nothing is imported yet")
    seen(page, "import-checked" if database == "sqlite" else "")
    hands.go("Import 40 rows")
    hands.reads("^Imported")
    seen(page)
    assert "9000x1" in hands.download("Download all of them").path().read_text()
    hands.unfold("Undo this import", back=True)
    hands.go("Remove the cases")
    hands.reads("40 were removed")
    seen(page)


def test_without_script_on_a_phone_in_the_dark(site: Site, spreadsheet: Path) -> None:
    page = site.signed_in("Ana", "import", "phone", "dark", java_script_enabled=False)
    page.set_input_files("#file", spreadsheet)
    follow(page.get_by_role("button", name="Send the file"))
    page.get_by_label("In dates such as").select_option("month-first")
    follow(page.get_by_role("button", name="Check the file"))
    until_there(page.get_by_role("button", name="Import 40 rows"))
    follow(page.get_by_role("button", name="Import 40 rows"))
    until_there(page.get_by_role("heading", name=re.compile("^Imported")))


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_every_page_of_an_import_at_every_size(site: Site, spreadsheet: Path) -> None:
    page = site.signed_in("Ana", "import")
    page.set_input_files("#file", spreadsheet)
    follow(page.get_by_role("button", name="Send the file"))
    assert flaws(page) == []
    page.get_by_label("In dates such as").select_option("month-first")
    for button, words in (
        ("Check the file", "Nothing is imported yet"),
        ("Import 40 rows", "Imported"),
        ("Remove the cases", "Undone"),
    ):
        if button.startswith("Remove"):
            page.get_by_text("Undo this import").click()
        follow(page.get_by_role("button", name=button))
        page.get_by_role("heading", name=re.compile(f"^{words}")).wait_for()
        assert flaws(page) == []


def test_exports_and_the_audit(site: Site) -> None:
    page = site.signed_in("Ana", "export")
    seen(page)
    for form in ("Workbook (.xlsx)", "CSV"):
        page.get_by_label("Form").select_option(label=form)
        with page.expect_download() as found:
            page.get_by_role("button", name="Download").click()
        assert found.value.path().stat().st_size > 1000
    site.go(page, "audit")
    follow(page.get_by_role("button", name="Verify the chain"))
    expect(page.get_by_text("none was altered")).to_be_visible()
    seen(page)
