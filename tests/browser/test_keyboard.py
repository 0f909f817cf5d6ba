"""Every task by keyboard alone: where the focus is can be seen at each step, and what is refused has it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import expect

from casedial.database.engine import Store
from casedial.domain.users import UserRole
from casedial.service.operations import users
from tests.browser.conftest import FIRM, PASSWORD, Site, in_store
from tests.browser.keyboard import Hands
from tests.conftest import ME


def signed_in(site: Site, name: str) -> Hands:
    """Somebody comes, and signs in by the form."""
    hands = Hands(site.context().new_page())
    hands.come(f"{site.console}/sign-in")
    hands.page.keyboard.type(name)  # the focus is there
    hands.press("Tab")
    hands.page.keyboard.type(PASSWORD)
    hands.enter()
    return hands


def everywhere(site: Site, name: str) -> None:
    """Make an administrator of every firm of somebody."""

    async def work(store: Store) -> None:
        await users.set_role(store, ME, name, "Other & Sons", UserRole.ADMINISTRATOR)

    in_store(site.database_url, work)


def test_a_manager_s_work_on_cases(site: Site) -> None:
    hands = signed_in(site, "Max")
    page = hands.page
    hands.subject("Cases")
    # Find: the focus is in the field.
    page.keyboard.type("12")
    hands.enter()
    hands.go("12$")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Case 12")
    # A phone: refused, added, changed.
    hands.unfold("Add a phone")
    hands.to("Number")
    page.keyboard.type("12")
    hands.enter()
    hands.is_refused_at("number")
    hands.type("(402) 555-0177")
    hands.enter()
    phones = page.get_by_role("table", name="Phones")
    expect(phones).to_contain_text("(402) 555-0177")
    for _ in range(phones.locator("summary").count()):  # the last one
        hands.to("Change$")
    hands.press("Enter")
    hands.to("Name")
    hands.type("Sister")
    hands.enter()
    expect(phones).to_contain_text("Sister")
    # A note: refused, added.
    hands.go("Add the note")
    hands.is_refused_at("note")
    page.keyboard.type("Called back.")
    hands.go("Add the note")
    expect(page.locator(".timeline")).to_contain_text("Called back.")
    # Filter, choose some, change them, undo.
    hands.subject("Cases")
    hands.choose("Dialer Status", "To Dial")
    hands.go("Find")
    page.wait_for_url("**status=To+Dial*")
    hands.unfold("Change many")
    hands.choose("What to do", "Put on")
    hands.go("See what it would do")
    expect(page.locator("#which-wrong")).to_contain_text("Choose cases by the boxes")
    expect(page.locator("#which-chosen")).to_be_focused()
    hands.subject("Cases")
    chosen = []
    for _ in range(2):
        hands.to("Choose case")
        chosen.append(hands.where().removeprefix("Choose case "))
        hands.press("Space")
    hands.unfold("Change many")
    hands.choose("What to do", "Put on")
    hands.to("Why")
    page.keyboard.type("They moved")
    hands.go("See what it would do")
    hands.go_on()
    hands.reads("2 of 2 would be put on the do-not-call list")
    hands.go("Put 2 cases on the list")
    hands.go_on()
    hands.reads("2 of 2 put on the do-not-call list")
    hands.go("Undo")
    hands.go_on()
    hands.reads("2 put back")
    # All that match: a note, and a file.
    hands.subject("Cases")
    hands.choose("Campaign", "Questionnaire")
    hands.go("Find")
    hands.unfold("Change many")
    hands.to("Those chosen above")
    hands.press("ArrowDown")
    assert re.match("All .* that match", hands.where())
    hands.choose("What to do", "Add a note")
    hands.go("See what it would do")
    hands.is_refused_at("note")
    page.keyboard.type("Ask for the form.")
    hands.go("See what it would do")
    hands.go_on()
    hands.reads("would get the note")
    hands.go("Add the note to")
    hands.go_on()
    hands.reads("got the note")
    hands.subject("Cases")
    hands.unfold("Change many")
    hands.to("Those chosen above")
    hands.press("ArrowDown")
    hands.choose("What to do", "Export")
    hands.go("See what it would do")
    hands.go_on()
    hands.reads("will be in the file")
    hands.choose("Form", "CSV")
    assert len(hands.download("Download").path().read_text().splitlines()) == 301
    # Pause and resume a campaign; sign out.
    hands.subject("Campaigns")
    hands.go("Intake follow-up")
    hands.go("Pause")
    hands.reads("is paused")
    hands.go("Resume")
    hands.reads("goes on|is running|resumed|running")
    hands.subject("Today")
    hands.up("Sign out")
    hands.reads("You are signed out.")


def test_an_administrator_s_settings(site: Site) -> None:
    everywhere(site, "Ana")
    hands = signed_in(site, "Ana")
    page = hands.page
    # Hours of a week: refused, then drawn and saved.
    hands.subject("Campaigns")
    hands.go("Questionnaire campaign")
    hands.choose("Purpose", "Solicitation")
    hands.choose("Hours", "Its own, within")
    hands.go("See what it changes")
    hands.is_refused_at("mon-from")
    for time in ("0900AM", "0500PM"):
        page.keyboard.type(time)
        hands.to("to" if time.startswith("09") else "from")
    hands.go("See what it changes")
    hands.reads("mon 09:00-17:00")
    hands.enter()  # the focus is on Save
    hands.reads("Saved")
    # Statuses: reordered by arrow keys.
    hands.subject("Set-up")
    hands.go("Statuses")
    hands.go("Last Dialer Disposition")
    names = page.locator("ol.ordered .name")
    before = names.all_inner_texts()
    hands.to(f"Move {before[1]}: arrow keys")
    hands.press("ArrowUp")
    assert names.all_inner_texts()[:2] == [before[1], before[0]]
    hands.go("Save this order")
    hands.reads("The order is saved.")
    assert names.all_inner_texts()[:2] == [before[1], before[0]]
    # A key: refused, made, rolled.
    hands.subject("Keys")
    hands.to("Vendor")
    page.keyboard.type("Best Dialer")
    hands.to("Requests a minute")
    page.keyboard.type("many")
    hands.enter()
    hands.is_refused_at("rate")
    hands.type("100")
    hands.enter()
    assert re.fullmatch("cdk_[0-9A-Za-z]{38}", page.locator("#key").inner_text())
    hands.go("I have kept it")
    hands.to("Overlap")
    hands.type("2d")
    hands.enter()
    hands.reads("works until")
    hands.go("I have kept it")
    # A user, with a link; and another role.
    hands.go("Users")
    hands.to("Name")
    hands.enter()
    hands.is_refused_at("name")
    page.keyboard.type("Vi")
    hands.choose("Role", "Viewer")
    hands.go("Add, and make a link")
    expect(page.get_by_role("status")).to_contain_text("/console/")
    # Sign out.
    hands.up("Sign out")
    hands.reads("You are signed out.")


def test_lists_rules_files_and_what_was_done(site: Site, tmp_path: Path) -> None:
    everywhere(site, "Ana")
    hands = signed_in(site, "Ana")
    page = hands.page
    # The do-not-call list: add, find, take off, read a file in.
    hands.subject("Do not call")
    hands.unfold("Add numbers or cases")
    hands.to("Numbers")
    page.keyboard.type("nothing")
    hands.go("See what it changes")
    hands.is_refused_at("numbers")
    hands.type("(402) 555-0159")
    hands.go("See what it changes")
    hands.enter()  # the focus is on Add
    hands.reads("1 added")
    hands.to("Find a number")
    page.keyboard.type("402.555.0159")
    hands.enter()
    hands.go("Take off 4025550159")
    page.keyboard.type("They asked for it.")
    hands.enter()
    hands.reads("It is off the list")
    path = tmp_path / "list.csv"
    path.write_text("Number\n402-555-0160\n402-555-0161\n")
    hands.subject("Do not call")
    hands.unfold("Read a file in")
    hands.send_file("File", path)
    hands.go("Add what is in it")
    hands.reads("2 added")
    # Rules: a ban, an override, the place of a ZIP code; each is made and ended.
    hands.subject("Set-up")
    hands.go("Calling rules")
    hands.unfold("Ban calls to a state")
    hands.to("State")
    page.keyboard.type("ZZ")
    hands.enter()
    hands.is_refused_at("state")
    hands.type("LA")
    hands.to("Last day")
    page.keyboard.type(f"{datetime.now(UTC) + timedelta(days=3):%m%d%Y}")
    hands.to("Reason")
    page.keyboard.type("A hurricane")
    hands.enter()
    hands.enter()  # the focus is on Do it
    hands.reads("Nobody calls LA until")
    hands.unfold("Override a row")
    hands.to("Row")
    page.keyboard.type("NE")
    hands.choose("Calls on holidays", "Forbidden")
    hands.to("Reason")
    page.keyboard.type("The firm rests")
    hands.enter()
    hands.enter()
    hands.reads("Override .* counts from now on")
    hands.go("Lift the ban of LA")
    hands.enter()
    hands.reads("has ended")
    hands.go("End the override of NE")
    hands.enter()
    hands.reads("Override .* has ended")
    # Import a file.
    path = tmp_path / "spring.csv"
    path.write_text("Case Number,Client,Cell\n900001,Ann Lee,4025550190\n9x,Bob,\n")
    hands.subject("Import")
    hands.send_file("File", path)
    hands.go("Send the file")
    hands.go("Check the file")
    hands.reads("Nothing is imported yet")
    hands.go("Import 1 row")
    hands.reads("Imported")
    # Reports of some days; the audit, filtered; an export.
    hands.subject("Reports")
    hands.to("First day")
    page.keyboard.type("01012020")
    hands.enter()
    hands.is_refused_at("since")
    hands.go("7 days")
    hands.unfold("As a table")
    hands.subject("Audit")
    hands.to("Who")
    page.keyboard.type("Ana")
    hands.choose("What", "do not call")
    hands.go("Show")
    expect(page.get_by_role("table")).to_contain_text("do_not_call.add")
    expect(page.get_by_role("table")).not_to_contain_text("import.")
    hands.subject("Export")
    hands.choose("What", "Notes")
    hands.choose("Form", "CSV")
    assert hands.download("Download").suggested_filename.startswith(f"notes-{FIRM}-")
