"""Campaigns, set-up, keys and the do-not-call list as people use them: by mouse, by keyboard, without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import FIRM, Site, violations
from tests.browser.test_every_page import look

CAMPAIGN = "Questionnaire campaign"


def signed_in(site: Site, size: str = "desk", theme: str = "light", **options: object) -> Page:
    context: BrowserContext = site.context(size, theme, **options)
    page = context.new_page()
    site.sign_in(page, "Ana")
    return page


def go(site: Site, page: Page, path: str) -> None:
    reply = page.goto(f"{site.console}/{FIRM}/{path}")
    assert reply
    assert reply.status == 200


def names(page: Page) -> list[str]:
    return page.locator("ol.ordered .name").all_inner_texts()


def test_a_campaign_is_changed_and_paused(site: Site) -> None:
    page = signed_in(site)
    go(site, page, "campaigns")
    page.get_by_role("link", name=CAMPAIGN).click()
    page.get_by_label("Rest after a conversation").fill("soon")
    page.get_by_role("button", name="See what it changes").click()
    expect(page.locator("#rest-wrong")).to_contain_text("is not a span")
    assert page.evaluate("() => document.activeElement.id") == "rest"
    page.get_by_label("Purpose").select_option("client")
    page.locator("#rest").fill("2d")
    page.get_by_role("button", name="See what it changes").click()
    expect(page.get_by_role("heading", name=f"Change {CAMPAIGN}?")).to_be_visible()
    expect(page.get_by_role("heading", name="What it does to the cases that are due now")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved: purpose, rest after a conversation.")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("is paused")
    page.get_by_role("link", name="Preflight").click()
    expect(page.get_by_text("in a paused campaign")).to_be_visible()
    assert violations(page) == []


def test_statuses_are_ordered_by_drag_and_by_keyboard(site: Site) -> None:
    page = signed_in(site)
    go(site, page, "setup/statuses?type=disposition")
    before = names(page)
    items = page.locator("ol.ordered > li")
    items.nth(0).locator(".grip").drag_to(items.nth(2))
    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    dragged = names(page)
    assert dragged != before
    page.get_by_role("button", name="Save this order").click()
    expect(page.get_by_role("status")).to_contain_text("The order is saved.")
    assert names(page) == dragged
    page.get_by_role("button", name=f"Move {dragged[1]}: arrow keys").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#order-told")).to_have_text(f"{dragged[1]}: 1 of {len(dragged)}")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert names(page)[2] == dragged[1]
    page.get_by_role("button", name="Save this order").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The order is saved.")
    assert names(page)[2] == dragged[1]


def test_without_script(site: Site) -> None:
    page = signed_in(site, "phone", java_script_enabled=False)
    go(site, page, "setup/statuses?type=disposition")
    before = names(page)
    page.get_by_role("button", name=f"Move {before[1]} up").click()
    assert names(page)[:2] == [before[1], before[0]]
    assert not page.get_by_role("button", name="Save this order").is_visible()
    assert not page.locator(".grip").first.is_visible()
    go(site, page, f"campaigns/{campaign_id(site, page)}")
    page.get_by_label("A claim that nobody answers runs out after").fill("2h")
    page.get_by_role("button", name="See what it changes").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved: claims run out.")).to_be_visible()


def campaign_id(site: Site, page: Page) -> str:
    go(site, page, "campaigns")
    address = page.get_by_role("link", name=CAMPAIGN).get_attribute("href")
    assert address
    return address.rpartition("/")[2]


def test_a_key_is_made_copied_rolled_and_revoked(site: Site) -> None:
    page = signed_in(site)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    go(site, page, "keys")
    page.get_by_label("Vendor", exact=True).fill("Best Dialer")
    page.get_by_role("button", name="Make it").click()
    shown = page.locator("#key").inner_text()
    assert re.fullmatch("cdk_[0-9A-Za-z]{38}", shown)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == shown
    assert violations(page) == []
    page.get_by_role("link", name="I have kept it").click()
    assert violations(page) == []
    page.get_by_label("Overlap").fill("2d")
    page.get_by_role("button", name="Make the new key").click()
    expect(page.get_by_text("works until")).to_be_visible()
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_text("Revoke this key…").click()
    page.get_by_role("button", name="Revoke it now").click()
    expect(page.get_by_role("status")).to_contain_text("is revoked")


def test_a_webhook_is_added_tested_and_removed(site: Site) -> None:
    page = signed_in(site)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    go(site, page, "webhooks")
    page.get_by_label("URL").fill("https://127.0.0.1:9/hook")
    page.get_by_label("case.noted").check()
    page.get_by_role("button", name="Add it").click()
    shown = page.locator("#secret").inner_text()
    assert re.fullmatch("whsec_[0-9A-Za-z+/]{43}=", shown)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == shown
    assert violations(page) == []
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.get_by_role("status")).to_contain_text("an address inside the network")
    for size, theme in (("phone", "light"), ("desk", "dark")):
        other = site.context(size, theme, storage_state=page.context.storage_state()).new_page()
        for path in ("webhooks", "webhooks/1"):
            assert look(other, f"/{FIRM}/{path}", site.console) == []
    page.get_by_text("Remove this webhook…").click()
    page.get_by_role("button", name="Remove it now").click()
    expect(page.get_by_role("status")).to_contain_text("is removed")


def test_a_number_is_listed_found_and_taken_off(site: Site) -> None:
    page = signed_in(site, "phone")
    go(site, page, "do-not-call")
    page.get_by_text("Add numbers or cases…").click()
    page.get_by_label("Numbers", exact=True).fill("(402) 555-0159")
    page.get_by_role("button", name="See what it changes").click()
    assert violations(page) == []
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("1 added")
    page.get_by_label("Find a number").fill("+1 402.555.0159")
    page.keyboard.press("Enter")
    expect(page.get_by_text("added by Ana")).to_be_visible()
    page.get_by_role("link", name="Take off").click()
    assert violations(page) == []
    page.get_by_label("Why").fill("They asked for it.")
    page.get_by_role("button", name="Take it off").click()
    expect(page.get_by_role("heading", name="It is off the list")).to_be_visible()


@pytest.mark.parametrize("database", ["sqlite"])
def test_two_who_edit_the_same(site: Site) -> None:
    one, other = signed_in(site), signed_in(site)
    for page in (one, other):
        go(site, page, f"campaigns/{campaign_id(site, page)}")
    one.get_by_label("Rest after a conversation").fill("2d")
    one.get_by_role("button", name="See what it changes").click()
    one.get_by_role("button", name="Save").click()
    other.get_by_label("Limits").fill("3/24h")
    other.get_by_role("button", name="See what it changes").click()
    expect(other.get_by_role("alert")).to_contain_text("Somebody else changed this since you opened the form.")
    expect(other.locator("#rest-wrong")).to_contain_text("from nothing to 2d")
    other.get_by_role("button", name="See what it changes").click()
    expect(other.get_by_role("heading", name=f"Change {CAMPAIGN}?")).to_be_visible()
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("status")).to_contain_text("Saved: limits.")


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_axe_finds_nothing_on_them(site: Site) -> None:
    state = site.state_of("Ana")
    campaign = f"campaigns/{campaign_id(site, site.context(storage_state=state).new_page())}"
    paths = ["campaigns", campaign, f"{campaign}/preflight", "keys", "keys/1", "do-not-call", "do-not-call?find=7"]
    paths += ["do-not-call/remove?number=4025550159", "setup", "setup/firm", "setup/rules?state=TX"]
    paths += [f"setup/statuses?type={kind}" for kind in ("dialer", "disposition", "campaign", "attempts")]
    wrong: list[str] = []
    for size in ("phone", "desk"):
        for theme in ("light", "dark"):
            page = site.context(size, theme, storage_state=state).new_page()
            for path in paths:
                wrong += [f"{size} {theme} {one}" for one in look(page, f"/{FIRM}/{path}", site.console)]
    assert wrong == []
