"""Every page of the route table: axe, in light and dark, at a phone's width and a desk's."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from casedial.console.routes import TABLE
from casedial.console.routing import Door
from tests.browser.conftest import FIRM, Site, violations

# What stands for the parameters of paths.
PARAMETERS = {"firm": FIRM, "case_id": "1"}


def paths() -> list[str]:
    """The pages that can be gone to: of what needs something to be made first, the tests of that look."""
    found = []
    for route in TABLE.routes:
        path = route.path
        for name, value in PARAMETERS.items():
            path = path.replace(f"{{{name}}}", value)
        is_page = not (route.live or path.endswith(("/file", ".svg")))  # but a part of one, or a file to keep
        if route.verb == "GET" and "{" not in path and is_page:
            found.append(path)
    return found


def look(page: Page, path: str, console: str) -> list[str]:
    reply = page.goto(console + path)
    assert reply
    assert reply.status == 200, f"{path}: {reply.status}"
    if "html" not in reply.headers["content-type"]:
        return []
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found = violations(page)
    return [f"{path}: {one}" for one in (*found, *([f"{wide} pixels too wide"] if wide > 0 else []))]


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_axe_finds_nothing(site: Site) -> None:
    state = site.state_of("Ana")
    wrong: list[str] = []
    errors: list[str] = []
    for size in ("phone", "desk"):
        for theme in ("light", "dark"):
            for known in (None, state):
                context = site.context(size, theme, **({"storage_state": known} if known else {}))
                page = context.new_page()
                page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
                for path in paths() if known else ("/sign-in",):
                    wrong += [f"{size} {theme} {one}" for one in look(page, path, site.console)]
                context.close()
    assert wrong == []
    assert errors == []  # what the content security policy kept out, say


@pytest.mark.parametrize("database", ["sqlite"])
def test_axe_finds_what_is_planted(site: Site) -> None:
    page = site.context().new_page()
    page.goto(f"{site.console}/sign-in")
    assert violations(page) == []
    page.evaluate("() => { document.querySelector('label[for=name]').remove(); }")
    page.evaluate("() => { document.querySelector('h1').style.color = '#ccc'; }")
    found = " ".join(violations(page))
    assert "label" in found
    assert "color-contrast" in found


def test_the_routes_are_those_that_are_looked_at() -> None:
    assert f"/{FIRM}/" in paths()
    assert sum(route.least is not Door.OPEN for route in TABLE.routes) > 3
