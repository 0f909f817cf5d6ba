"""Sign in as people do: by keyboard alone, without script, on a phone."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import FIRM, PASSWORD, Site, follow
from tests.browser.keyboard import Hands


def test_by_keyboard_alone(site: Site) -> None:
    hands = Hands(site.context().new_page())
    page = hands.page
    hands.come(f"{site.console}/{FIRM}/?some=thing")
    page.keyboard.type("Ana")
    hands.to("Password")
    page.keyboard.type("wrong, and long enough")
    hands.enter()
    hands.reads("do not fit")
    hands.is_refused_at("password")
    expect(page.locator("#name")).to_have_value("Ana")
    page.keyboard.type(PASSWORD)
    hands.enter()
    expect(page).to_have_url(f"{site.console}/{FIRM}/?some=thing")
    hands.press("Tab")
    assert hands.where() == "Skip to the page"
    hands.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    hands.up("Sign out")
    hands.reads("You are signed out.")


def test_without_script(site: Site) -> None:
    page = site.context("phone", java_script_enabled=False).new_page()
    site.sign_in(page, "Ana")
    follow(page.get_by_role("button", name="Sign out"))
    expect(page.get_by_text("You are signed out.")).to_be_visible()
