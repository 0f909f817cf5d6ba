"""Sign in as people do: by keyboard alone, without script, on a phone."""

from __future__ import annotations

from tests.browser.conftest import FIRM, PASSWORD, Site


def test_by_keyboard_alone(site: Site) -> None:
    page = site.context().new_page()
    page.goto(f"{site.console}/{FIRM}/?some=thing")
    page.keyboard.type("Ana")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong, and long enough")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=do not fit")
    assert page.evaluate("() => document.activeElement.id") == "password"  # where the message is
    assert page.input_value("#name") == "Ana"
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.console}/{FIRM}/?some=thing")
    page.goto(f"{site.console}/{FIRM}/")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("() => document.activeElement.textContent.trim()") == "Sign out":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("text=You are signed out.")


def test_without_script(site: Site) -> None:
    page = site.context("phone", java_script_enabled=False).new_page()
    site.sign_in(page, "Ana")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("text=You are signed out.")
