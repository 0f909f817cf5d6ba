"""A manager's work in a browser: find somebody, read why, change one and many, undo; by keys, and without script."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from casedial.domain.users import UserRole
from tests.browser.conftest import FIRM, Site, violations


def manager(site: Site, **options: object) -> Page:
    site.add("Max", UserRole.MANAGER)
    page = site.context(**options).new_page()
    site.sign_in(page, "Max")
    return page


def test_find_somebody_and_read_why(site: Site) -> None:
    page = manager(site)
    page.get_by_role("link", name="Cases", exact=True).click()
    name = page.locator("tbody tr").nth(3).locator("td").nth(1).inner_text()
    page.get_by_label("Find").fill(name.split()[1][:3])
    page.keyboard.press("Enter")
    page.wait_for_url("**q=*")
    page.get_by_role("row", name=re.compile(name)).first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    expect(page.get_by_label("May it be called?")).to_be_visible()
    page.keyboard.press("j")  # the next of the list
    page.wait_for_url("**list=q*")
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_label("Find")).to_have_value(name.split()[1][:3])


def test_a_note_and_a_phone_by_keyboard(site: Site) -> None:
    page = manager(site)
    page.goto(f"{site.console}/{FIRM}/cases/1")
    page.get_by_role("textbox", name="Note").focus()
    page.keyboard.type("Called back <b>twice</b>.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".timeline")).to_contain_text("Called back <b>twice</b>.")
    page.locator("#add-phone summary").focus()
    page.keyboard.press("Enter")
    page.locator("#add-phone").get_by_label("Number").focus()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    expect(page.locator("#number-wrong")).to_contain_text("cannot be dialed")
    expect(page.locator("#number")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("(402) 555-0177")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Phones")).to_contain_text("(402) 555-0177")


def change_and_undo(page: Page, site: Site) -> None:
    page.goto(f"{site.console}/{FIRM}/cases?campaign=Intake+follow-up&status=To+Dial")
    page.locator("#change-many summary").click()
    page.get_by_label("that match").check()
    many = page.locator("#change-many")
    many.get_by_label("Priority").select_option("2")
    many.get_by_label("Why").fill("First today")
    page.get_by_role("button", name="See what it would do").click()
    page.wait_for_url("**/changes/*")
    expect(page.get_by_role("main")).to_contain_text("would be changed")
    page.get_by_role("button", name=re.compile("^Change [0-9,]+ case")).click()


def test_a_change_of_many_and_its_undo(site: Site) -> None:
    page = manager(site)
    change_and_undo(page, site)
    expect(page.get_by_role("main")).to_contain_text("done", timeout=20_000)
    page.reload()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("main")).to_contain_text("put back", timeout=20_000)


def test_it_works_without_script(site: Site) -> None:
    page = manager(site, java_script_enabled=False)
    change_and_undo(page, site)
    for _ in range(40):
        page.reload()
        if "changed" in page.get_by_role("main").inner_text() and page.get_by_role("button", name="Undo").count():
            break
        page.wait_for_timeout(250)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def test_today_stays_fresh_and_a_pause_counts(site: Site) -> None:
    page = manager(site)
    band = page.get_by_role("region", name="Intake follow-up")
    expect(band).to_contain_text("running")
    band.get_by_role("button", name=re.compile("Pause")).click()
    expect(page.get_by_role("status")).to_contain_text("is paused")
    expect(page.get_by_role("region", name="Intake follow-up")).to_contain_text("0 callable now")
    other = site.context().new_page()
    site.sign_in(other, "Ana")
    other.get_by_role("button", name=re.compile("Resume Intake")).click()
    expect(page.get_by_role("region", name="Intake follow-up")).to_contain_text("running", timeout=10_000)


def test_axe_finds_nothing_on_a_manager_s_way(site: Site) -> None:
    """With what is folded open, and with a change, which no other test of every page comes to."""
    page = manager(site)
    change_and_undo(page, site)
    wrong = [f"change: {one}" for one in violations(page)]
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for path in ("", "cases?q=a&due=yes", "cases/1?list=order%3Dnewest", "cases/99999", "changes"):
            page.goto(f"{site.console}/{FIRM}/{path}")
            page.evaluate("() => { for (const one of document.querySelectorAll('main details')) one.open = true; }")
            wrong += [f"{theme} {path}: {one}" for one in violations(page)]
    assert wrong == []
