"""Every page of the route table: axe, in light and dark, at a phone's width and a desk's."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from playwright.sync_api import Page, expect

from casedial.console.routes import TABLE
from casedial.console.routing import Door
from tests.browser.conftest import FIRM, Site, flaws

# What stands for the parameters of paths.
PARAMETERS = {"firm": FIRM, "case_id": "1"}
TO_TODAY = ("", "/", "/sign-in", "/factor")  # where somebody who is signed in is led to Today


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
    return flaws(page) if "html" in reply.headers["content-type"] else []


@pytest.mark.parametrize("database", ["sqlite"])  # what is looked at does not depend on it
def test_axe_finds_nothing(site: Site) -> None:
    page = site.context().new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    wrong = look(page, "/sign-in", site.console)
    site.sign_in(page, "Ana")
    for path in paths():
        if path not in TO_TODAY:
            wrong += look(page, path, site.console)
    for path in TO_TODAY:
        page.goto(site.console + path)
        expect(page).to_have_url(f"{site.console}/{FIRM}/")
    assert wrong == []
    assert errors == []  # what the content security policy kept out, say


@pytest.mark.parametrize("database", ["sqlite"])
def test_axe_finds_what_is_planted(site: Site) -> None:
    page = site.context().new_page()
    page.goto(f"{site.console}/sign-in")
    assert flaws(page) == []
    page.evaluate("() => { document.querySelector('label[for=name]').remove(); }")
    page.evaluate("() => { document.querySelector('h1').style.color = '#ccc'; }")
    page.evaluate("() => { document.querySelector('.dim').style.color = '#333'; }")
    page.evaluate("() => { document.querySelector('form').style.width = '400px'; }")
    found = flaws(page)
    for size, theme, what in (
        ("phone", "light", "label"),
        ("desk", "light", "label"),
        ("desk", "light", "h1"),
        ("phone", "dark", "color-contrast"),
        ("phone", "light", "pixels too wide"),
    ):
        assert any(f" {size} {theme}: " in one and what in one for one in found), (size, theme, what, found)
    assert not any("desk" in one and "too wide" in one for one in found)


def test_themes_differ_in_colors() -> None:
    """And in nothing else: so what axe says of the rest of a page holds for both."""
    style = resources.files("casedial.console").joinpath("static/console.css").read_text()
    dark = re.findall(r"@media \(prefers-color-scheme: dark\) \{\s*:root[^{]*\{([^}]*)\}\s*\}", style)
    chosen = re.findall(r":root\[data-theme[^{]*\{([^}]*)\}", style)
    assert (len(dark), len(chosen)) == (style.count("prefers-color-scheme"), style.count("data-theme") - 1) == (1, 2)
    for said in " ".join(dark + chosen).split(";"):
        assert re.fullmatch(r"--[\w-]+: #[0-9a-f]{6}|--shadow: none|color-scheme: \w+|", said.strip()), said


def test_the_routes_are_those_that_are_looked_at() -> None:
    assert f"/{FIRM}/" in paths()
    assert sum(route.least is not Door.OPEN for route in TABLE.routes) > 3
