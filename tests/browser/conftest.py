"""A real browser in front of a real server: Debian's chromium, driven by Playwright, on both databases.

Tests come as a person would, and have a ``page``: they sign in by the form, or did so some time ago. None of them runs
without chromium. Which task is done where stands in README.md beside this file.

A machine may stall for seconds at any step. So a test waits for what it looks at, for as long as ``PATIENCE``: what
leads to another page goes by ``follow`` (or by ``Hands``), which waits until that page is whole, its script included.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page, Playwright, expect, sync_playwright

from casedial.console.doors import name_of_cookie
from casedial.database.engine import Store
from casedial.domain.users import UserRole
from casedial.service.firms import add_firm
from casedial.service.operations import sample, signing_in, users
from tests.conftest import ME
from tests.postgres import PostgresServer
from tests.servers import Server

T = TypeVar("T")

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PATIENCE = 60_000  # milliseconds that anything may take
HERE = signing_in.Browser("127.0.0.1")
PASSWORD = "four words that nobody expects"
PEOPLE = {"Ana": UserRole.ADMINISTRATOR, "Max": UserRole.MANAGER}  # of the sample firm, each with PASSWORD
SIZES = {"phone": (360, 740), "desk": (1280, 800)}
IMAGES = Path(__file__).parents[2] / "docs" / "images"
FIRM = "demo-law-firm"  # in addresses
CASES = 300

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytestmark)


@pytest.fixture(scope="session")
def sessions(templates: dict[str, Any], postgres: PostgresServer) -> dict[str, dict[str, str]]:
    """Fill the databases that are copied for each test: with the sample firm, its people, and another firm.

    All of this takes several times as long as a copy. Return the session that each of the people has, by database.
    """

    async def fill(store: Store) -> dict[str, str]:
        await sample.make(store, ME, CASES)
        async with store.write() as tx:
            await add_firm(tx, "Other & Sons", "America/Los_Angeles", datetime.now(UTC))
        tokens = {}
        for name, role in PEOPLE.items():
            linked = await users.add(store, ME, name, sample.FIRM, role)
            await signing_in.use_link(store, linked.token, PASSWORD, HERE)
            begun = await signing_in.sign_in(store, name, PASSWORD, HERE)
            assert begun
            tokens[name] = begun.token
        return tokens

    urls = {"sqlite": f"sqlite:///{templates['sqlite']}", "postgresql": postgres.url(templates["postgresql"])}
    return {kind: in_store(url, fill) for kind, url in urls.items()}


@pytest.fixture(scope="session")
def chromium(sessions: dict[str, dict[str, str]]) -> Iterator[Browser]:
    """The browser; what all tests begin with comes first, for Playwright's event loop runs from here on."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


def launched(playwright: Playwright) -> Browser:
    """Start the browser; once more where it does not come up, as may be where many programs start at a time."""
    launch = partial(playwright.chromium.launch, executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
    try:
        return launch()
    except Error:
        return launch()


def in_store(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the database, beside the server, in a thread of its own: this one has Playwright's loop."""

    async def main() -> T:
        store = Store(url)
        try:
            return await work(store)
        finally:
            await store.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, main()).result()


@dataclass
class Site:
    """A server with the sample firm, its people, and another firm."""

    server: Server
    database_url: str
    chromium: Browser
    sessions: dict[str, str]

    @property
    def console(self) -> str:
        return f"{self.server.url}/console"

    def context(self, size: str = "desk", theme: str = "light", **options: Any) -> BrowserContext:
        """A browser that was never here."""
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = self.chromium.new_context(viewport=viewport, color_scheme=theme, base_url=self.console, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        return context

    def sign_in(self, page: Page, name: str) -> None:
        page.goto(f"{self.console}/sign-in")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        follow(page.get_by_role("button", name="Sign in"))
        expect(page).to_have_url(f"{self.console}/{FIRM}/")

    def signed_in(self, name: str, path: str = "", size: str = "desk", theme: str = "light", **options: Any) -> Page:
        """A page of the firm, before somebody who signed in some time ago."""
        context = self.context(size, theme, **options)
        context.add_cookies([{"name": name_of_cookie(False), "value": self.sessions[name], "url": self.server.url}])
        page = context.new_page()
        self.go(page, path)
        return page

    def go(self, page: Page, path: str = "") -> None:
        """Go to a page of the firm by its address."""
        reply = page.goto(f"{self.console}/{FIRM}/{path}")
        assert reply
        assert reply.ok, f"{path}: {reply.status}"


@pytest.fixture
def site(chromium: Browser, sessions: dict[str, dict[str, str]], database: str, database_url: str) -> Iterator[Site]:
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        yield Site(server, database_url, chromium, sessions[database])
        for context in chromium.contexts:  # pages that are left open ask for what is new, of a server that is gone
            context.close()


def follow(what: Locator) -> None:
    """Click what leads to another page, and wait until that is whole."""
    with what.page.expect_navigation():
        what.click()


def go_on(page: Page) -> None:
    """Where servers are at it still, wait until they are through, and follow the link that leads on."""
    if page.locator("main [data-live]").count():
        follow(page.get_by_role("link", name="Go on", exact=True))


def until_there(what: Locator) -> None:
    """Load a page without script again and again, as somebody does who waits for what will stand there."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not what.is_visible():
        assert time.monotonic() < deadline, f"{what} does not come"
        what.page.wait_for_timeout(250)
        what.page.reload()


COLORS = ("color-contrast", "link-in-text-block")  # axe's rules about colors
# Parts that stay fresh are held still meanwhile, by copies that nobody keeps fresh.
_AXE = """async (options) => {
  const live = [...document.querySelectorAll("[data-live]")].map((part) => [part, part.cloneNode(true)]);
  for (const [part, still] of live) part.replaceWith(still);
  const { violations } = await axe.run({ resultTypes: ["violations"], ...options });
  for (const [part, still] of live) still.replaceWith(part);
  return violations.map((one) => `${one.id}: ${one.help} ${JSON.stringify(one.nodes.map((node) => node.target))}`);
}"""
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def violations(page: Page, **options: Any) -> list[str]:
    """What axe finds wrong with a page as it is shown, each with where; and whether it is too wide."""
    page.wait_for_load_state()
    if page.evaluate("() => typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    wide = page.evaluate(_TOO_WIDE)
    return [*page.evaluate(_AXE, options), *([f"{wide} pixels too wide"] if wide > 0 else [])]


def flaws(page: Page) -> list[str]:
    """What is wrong with a page at a phone's width and a desk's, in both themes. It is left at a desk, and light.

    Themes differ in colors only (``test_themes_differ_in_colors``): in the dark nothing else is looked at again.
    """
    found = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme, options in (("dark", {"runOnly": COLORS}), ("light", {})):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found += [f"{page.url} {size} {theme}: {one}" for one in violations(page, **options)]
    return found
