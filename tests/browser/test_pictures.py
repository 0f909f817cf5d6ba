"""Pictures of the main pages, as the documentation shows them: made anew with CASEDIAL_PICTURES=1.

CASEDIAL_PICTURES=FOLDER makes all of them in both themes, at a desk's width and a phone's, to be looked at there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import FIRM, IMAGES, SIZES, Site, follow, go_on

ASKED = os.environ.get("CASEDIAL_PICTURES", "")
# By the name of the picture: the page, and what is waited for there.
PAGES = {
    "today": (f"/{FIRM}/", "h1"),
    "cases": (f"/{FIRM}/cases?campaign=Intake+follow-up&status=To+Dial", "table"),
    "case": (f"/{FIRM}/cases/1", ".timeline"),
    "change": ("", "text=Do it?"),
    "campaign": ("", ".week svg"),
    "statuses": (f"/{FIRM}/setup/statuses?type=disposition", "ol.ordered"),
    "rules": (f"/{FIRM}/setup/rules?state=TX", "table"),
    "keys": (f"/{FIRM}/keys", "table"),
    "do-not-call": (f"/{FIRM}/do-not-call", "h1"),
    "import": (f"/{FIRM}/import", "h1"),
    "export": (f"/{FIRM}/export", "h1"),
    "reports": (f"/{FIRM}/reports", "svg.chart"),
    "audit": (f"/{FIRM}/audit", "table"),
    "firm": (f"/{FIRM}/setup/firm", "h1"),
    "users": ("/users", "table"),
    "account": ("/account", "table"),
}
KEPT = ("today", "cases", "case", "change", "campaign", "statuses", "reports", "users")


def begin_change(site: Site, page: Page) -> str:
    """Choose all that match, and stand before the change of them."""
    page.goto(f"{site.console}{PAGES['cases'][0]}")
    page.locator("#change-many summary").click()
    page.get_by_label("that match").check()
    many = page.locator("#change-many")
    many.get_by_label("Dialer Status").select_option("do-not-dial")
    many.get_by_label("Why").fill("Settled with the insurer")
    follow(page.get_by_role("button", name="See what it would do"))
    go_on(page)
    return page.url


def campaign(site: Site, page: Page) -> str:
    """Give a campaign hours of its own; return its page."""
    page.goto(f"{site.console}/{FIRM}/campaigns")
    follow(page.get_by_role("link", name="Questionnaire campaign"))
    address = page.url
    page.get_by_label("Purpose").select_option("client")
    page.get_by_label("Hours", exact=True).select_option("within")
    for day in ("mon", "tue", "wed", "thu", "fri"):
        page.locator(f"#{day}-from").fill("09:00")
        page.locator(f"#{day}-to").fill("17:30")
    follow(page.get_by_role("button", name="See what it changes"))
    follow(page.get_by_role("button", name="Save"))
    page.wait_for_selector("text=Saved")
    return address


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.skipif(not ASKED, reason="CASEDIAL_PICTURES is not set")
def test_pictures(site: Site) -> None:
    page = site.signed_in("Ana")
    state = page.context.storage_state()
    made = {"change": begin_change(site, page), "campaign": campaign(site, page)}
    is_kept = ASKED == "1"
    looks = [("desk", "light")] if is_kept else [(size, theme) for size in SIZES for theme in ("light", "dark")]
    for size, theme in looks:
        page = site.context(size, theme, storage_state=state).new_page()
        for name in KEPT if is_kept else PAGES:
            path, there = PAGES[name]
            page.goto(made.get(name) or site.console + path)
            page.wait_for_selector(there)
            if is_kept:
                picture(page, IMAGES / f"console-{name}.png")
            else:
                page.screenshot(path=Path(ASKED) / f"{name}-{size}-{theme}.png", full_page=True)


def picture(page: Page, path: Path) -> None:
    """Keep what is seen first of a page, without what is at the server of a test."""
    assert not re.search(r"Traceback|Undefined", page.content())
    page.screenshot(path=path)
    assert path.stat().st_size < 150_000, path
