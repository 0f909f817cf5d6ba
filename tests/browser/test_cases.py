"""A manager's work in a browser: find somebody, read why, change one and many, undo; by keys, and without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns, sample
from tests.browser.conftest import FIRM, Site, flaws, follow, go_on, in_store, until_there
from tests.browser.keyboard import Hands
from tests.conftest import ME

LIST = "cases?campaign=Intake+follow-up&status=To+Dial"


def test_find_somebody_and_read_why(site: Site) -> None:
    page = site.signed_in("Max")
    follow(page.get_by_role("link", name="Cases", exact=True))
    name = page.locator("tbody tr").nth(3).locator("td").nth(1).inner_text()
    page.get_by_label("Find").fill(name.split()[1][:3])
    with page.expect_navigation(url="**q=*"):
        page.keyboard.press("Enter")
    follow(page.get_by_role("row", name=re.compile(name)).first.get_by_role("link"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    expect(page.get_by_label("May it be called?")).to_be_visible()
    with page.expect_navigation(url="**list=q*"):
        page.keyboard.press("j")  # the next of the list
    follow(page.get_by_role("link", name="Back to the list"))
    expect(page.get_by_label("Find")).to_have_value(name.split()[1][:3])


def test_a_note_and_a_phone_by_keyboard(site: Site) -> None:
    page = site.signed_in("Max", "cases/1")
    hands = Hands(page)
    page.get_by_role("textbox", name="Note").focus()
    page.keyboard.type("Called back <b>twice</b>.")
    hands.press("Tab")
    hands.enter()
    expect(page.locator(".timeline")).to_contain_text("Called back <b>twice</b>.")
    page.locator("#add-phone summary").focus()
    hands.press("Enter")
    page.locator("#add-phone").get_by_label("Number").focus()
    page.keyboard.type("12")
    hands.enter()
    expect(page.locator("#number-wrong")).to_contain_text("cannot be dialed")
    hands.is_refused_at("number")
    hands.type("(402) 555-0177")
    hands.enter()
    expect(page.get_by_role("table", name="Phones")).to_contain_text("(402) 555-0177")


def preview(page: Page) -> None:
    """Ask for a change of the cases of a list."""
    page.locator("#change-many summary").click()
    page.get_by_label("that match").check()
    many = page.locator("#change-many")
    many.get_by_label("Priority").select_option("2")
    many.get_by_label("Why").fill("First today")
    follow(page.get_by_role("button", name="See what it would do"))
    expect(page).to_have_url(re.compile(r"/changes/\d+$"))


def change(page: Page) -> int:
    """Have a change done that was previewed; return of how many cases."""
    expect(page.get_by_role("main")).to_contain_text("would be changed")
    button = page.get_by_role("button", name=re.compile("^Change [0-9,]+ case"))
    many = int(re.sub("[^0-9]", "", button.inner_text()))
    follow(button)
    return many


def standing(page: Page, word: str) -> Locator:
    """Where a page says how far a change is, if that is this."""
    return page.get_by_role("region", name="State").locator(".state").filter(has_text=re.compile(rf"^\W{word}$"))


def test_a_change_of_many_and_its_undo(site: Site) -> None:
    page = site.signed_in("Max", LIST)
    preview(page)
    go_on(page)
    many = change(page)
    expect(standing(page, "done")).to_be_visible()
    go_on(page)
    expect(page.get_by_role("main")).to_contain_text(f"{many} of {many} changed")
    follow(page.get_by_role("button", name="Undo"))
    expect(standing(page, "undone")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(f"{many} put back")


def test_it_works_without_script(site: Site) -> None:
    page = site.signed_in("Max", LIST, java_script_enabled=False)
    preview(page)
    until_there(page.get_by_role("heading", name="Do it?"))
    many = change(page)
    until_there(standing(page, "done"))
    expect(page.get_by_role("main")).to_contain_text(f"{many} of {many} changed")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def band(page: Page) -> Locator:
    return page.get_by_role("region", name="Intake follow-up")


def test_today_stays_fresh_and_a_pause_counts(site: Site) -> None:
    page = site.signed_in("Max")
    expect(band(page)).to_contain_text("running")
    follow(band(page).get_by_role("button", name=re.compile("Pause")))
    expect(page.get_by_role("status")).to_contain_text("is paused")
    expect(band(page)).to_contain_text(re.compile(r"\b0 callable now"))
    other = site.signed_in("Ana")
    follow(other.get_by_role("button", name=re.compile("Resume Intake")))
    expect(band(page)).to_contain_text("running")


def let_something_happen(site: Site, page: Page) -> None:
    """Change what Today shows, and mark what it shows now."""
    page.evaluate("() => { document.querySelector('[data-live]').firstElementChild.dataset.old = 'yes'; }")
    pause = CampaignChange(paused=True)
    in_store(site.database_url, lambda store: campaigns.change(store, ME, sample.FIRM, "Questionnaire campaign", pause))


@pytest.mark.parametrize("database", ["sqlite"])  # what a page does by itself does not depend on it
def test_today_is_not_renewed_under_a_finger(site: Site) -> None:
    page = site.signed_in("Max")
    band(page).get_by_role("button", name=re.compile("Pause")).hover()
    page.mouse.down()
    let_something_happen(site, page)
    page.wait_for_timeout(2500)  # in which it would be renewed
    with page.expect_navigation():
        page.mouse.up()
    expect(page.get_by_role("status")).to_contain_text("Intake follow-up is paused")


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize("words", ["Intake follow-up$", "Pause Intake follow-up"])
def test_what_is_renewed_keeps_the_focus(site: Site, words: str) -> None:
    page = site.signed_in("Max")
    hands = Hands(page)
    hands.to(words)
    let_something_happen(site, page)
    expect(page.locator("[data-old]")).to_have_count(0)
    assert re.match(words, hands.where())


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_axe_finds_nothing_on_a_manager_s_way(site: Site) -> None:
    """With what is folded open, and with a change, which no other test of every page comes to."""
    page = site.signed_in("Max", LIST)
    preview(page)
    go_on(page)
    wrong = flaws(page)
    change(page)
    wrong += flaws(page)
    for path in ("", "cases?q=a&due=yes", "cases/1?list=order%3Dnewest", "cases/99999", "changes"):
        page.goto(f"{site.console}/{FIRM}/{path}")  # one of them is not there
        page.evaluate("() => { for (const one of document.querySelectorAll('main details')) one.open = true; }")
        wrong += flaws(page)
    assert wrong == []
