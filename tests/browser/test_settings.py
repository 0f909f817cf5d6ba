"""Campaigns, set-up, keys and the do-not-call list as people use them: by mouse, by keyboard, without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FIRM, Site, follow, violations
from tests.browser.test_every_page import look

CAMPAIGN = "Questionnaire campaign"


def names(page: Page) -> list[str]:
    return page.locator("ol.ordered .name").all_inner_texts()


def test_a_campaign_is_changed_and_paused(site: Site) -> None:
    page = site.signed_in("Ana", "campaigns")
    follow(page.get_by_role("link", name=CAMPAIGN))
    page.get_by_label("Rest after a conversation").fill("soon")
    follow(page.get_by_role("button", name="See what it changes"))
    expect(page.locator("#rest-wrong")).to_contain_text("is not a span")
    expect(page.locator("#rest")).to_be_focused()
    page.get_by_label("Purpose").select_option("client")
    page.locator("#rest").fill("2d")
    follow(page.get_by_role("button", name="See what it changes"))
    expect(page.get_by_role("heading", name=f"Change {CAMPAIGN}?")).to_be_visible()
    expect(page.get_by_role("heading", name="What it does to the cases that are due now")).to_be_visible()
    assert violations(page) == []
    follow(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("status")).to_contain_text("Saved: purpose, rest after a conversation.")
    follow(page.get_by_role("button", name="Pause"))
    expect(page.get_by_role("status")).to_contain_text("is paused")
    follow(page.get_by_role("link", name="Preflight"))
    expect(page.get_by_text("in a paused campaign")).to_be_visible()
    assert violations(page) == []


def test_statuses_are_ordered_by_drag_and_by_keyboard(site: Site) -> None:
    page = site.signed_in("Ana", "setup/statuses?type=disposition")
    before = names(page)
    items = page.locator("ol.ordered > li")
    items.nth(0).locator(".grip").drag_to(items.nth(2))
    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    dragged = names(page)
    assert dragged != before
    follow(page.get_by_role("button", name="Save this order"))
    expect(page.get_by_role("status")).to_contain_text("The order is saved.")
    assert names(page) == dragged
    page.get_by_role("button", name=f"Move {dragged[1]}: arrow keys").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#order-told")).to_have_text(f"{dragged[1]}: 1 of {len(dragged)}")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert names(page)[2] == dragged[1]
    with page.expect_navigation():
        page.get_by_role("button", name="Save this order").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The order is saved.")
    assert names(page)[2] == dragged[1]


def test_without_script(site: Site) -> None:
    page = site.signed_in("Ana", "setup/statuses?type=disposition", "phone", java_script_enabled=False)
    before = names(page)
    follow(page.get_by_role("button", name=f"Move {before[1]} up"))
    assert names(page)[:2] == [before[1], before[0]]
    expect(page.get_by_role("button", name="Save this order")).to_be_hidden()
    expect(page.locator(".grip").first).to_be_hidden()
    site.go(page, f"campaigns/{campaign_id(site, page)}")
    page.get_by_label("A claim that nobody answers runs out after").fill("2h")
    follow(page.get_by_role("button", name="See what it changes"))
    follow(page.get_by_role("button", name="Save"))
    expect(page.get_by_text("Saved: claims run out.")).to_be_visible()


def campaign_id(site: Site, page: Page) -> str:
    site.go(page, "campaigns")
    address = page.get_by_role("link", name=CAMPAIGN).get_attribute("href")
    assert address
    return address.rpartition("/")[2]


def test_a_key_is_made_copied_rolled_and_revoked(site: Site) -> None:
    page = site.signed_in("Ana", "keys")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Vendor", exact=True).fill("Best Dialer")
    follow(page.get_by_role("button", name="Make it"))
    shown = page.locator("#key").inner_text()
    assert re.fullmatch("cdk_[0-9A-Za-z]{38}", shown)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == shown
    assert violations(page) == []
    follow(page.get_by_role("link", name="I have kept it"))
    assert violations(page) == []
    page.get_by_label("Overlap").fill("2d")
    follow(page.get_by_role("button", name="Make the new key"))
    expect(page.get_by_text("works until")).to_be_visible()
    follow(page.get_by_role("link", name="I have kept it"))
    page.get_by_text("Revoke this key…").click()
    follow(page.get_by_role("button", name="Revoke it now"))
    expect(page.get_by_role("status")).to_contain_text("is revoked")


def test_a_webhook_is_added_tested_and_removed(site: Site) -> None:
    page = site.signed_in("Ana", "webhooks")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("URL").fill("https://127.0.0.1:9/hook")
    page.get_by_label("case.noted").check()
    follow(page.get_by_role("button", name="Add it"))
    shown = page.locator("#secret").inner_text()
    assert re.fullmatch("whsec_[0-9A-Za-z+/]{43}=", shown)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == shown
    assert violations(page) == []
    follow(page.get_by_role("link", name="I have kept it"))
    follow(page.get_by_role("button", name="Send a test message"))
    expect(page.get_by_role("status")).to_contain_text("an address inside the network")
    for path in ("webhooks", "webhooks/1"):
        assert look(page, f"/{FIRM}/{path}", site.console) == []
    page.get_by_text("Remove this webhook…").click()
    follow(page.get_by_role("button", name="Remove it now"))
    expect(page.get_by_role("status")).to_contain_text("is removed")


def test_a_number_is_listed_found_and_taken_off(site: Site) -> None:
    page = site.signed_in("Ana", "do-not-call", "phone")
    page.get_by_text("Add numbers or cases…").click()
    page.get_by_label("Numbers", exact=True).fill("(402) 555-0159")
    follow(page.get_by_role("button", name="See what it changes"))
    assert violations(page) == []
    follow(page.get_by_role("button", name="Add", exact=True))
    expect(page.get_by_role("status")).to_contain_text("1 added")
    page.get_by_label("Find a number").fill("+1 402.555.0159")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text("added by Ana")).to_be_visible()
    follow(page.get_by_role("link", name="Take off"))
    assert violations(page) == []
    page.get_by_label("Why").fill("They asked for it.")
    follow(page.get_by_role("button", name="Take it off"))
    expect(page.get_by_role("heading", name="It is off the list")).to_be_visible()


@pytest.mark.parametrize("database", ["sqlite"])
def test_two_who_edit_the_same(site: Site) -> None:
    one, other = site.signed_in("Ana"), site.signed_in("Ana")
    for page in (one, other):
        site.go(page, f"campaigns/{campaign_id(site, page)}")
    one.get_by_label("Rest after a conversation").fill("2d")
    follow(one.get_by_role("button", name="See what it changes"))
    follow(one.get_by_role("button", name="Save"))
    other.get_by_label("Limits").fill("3/24h")
    follow(other.get_by_role("button", name="See what it changes"))
    expect(other.get_by_role("alert")).to_contain_text("Somebody else changed this since you opened the form.")
    expect(other.locator("#rest-wrong")).to_contain_text("from nothing to 2d")
    follow(other.get_by_role("button", name="See what it changes"))
    expect(other.get_by_role("heading", name=f"Change {CAMPAIGN}?")).to_be_visible()
    follow(other.get_by_role("button", name="Save"))
    expect(other.get_by_role("status")).to_contain_text("Saved: limits.")


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_axe_finds_nothing_on_them(site: Site) -> None:
    """On those of their pages that are not in the table of routes as they stand."""
    page = site.signed_in("Ana")
    campaign = f"campaigns/{campaign_id(site, page)}"
    paths = [campaign, f"{campaign}/preflight", "keys/1", "do-not-call?find=7", "setup/rules?state=TX"]
    paths += ["do-not-call/remove?number=4025550159"]
    paths += [f"setup/statuses?type={kind}" for kind in ("disposition", "campaign", "attempts")]
    wrong: list[str] = []
    for path in paths:
        wrong += look(page, f"/{FIRM}/{path}", site.console)
    assert wrong == []
