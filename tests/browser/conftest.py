"""A real browser in front of a real server: Debian's chromium, driven by Playwright, on both databases.

Tests come as a person would: they sign in by the form, and have a ``page``. None of them runs without chromium. Which
task is done where stands in README.md beside this file.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from casedial.database.engine import Store
from casedial.domain.users import UserRole
from casedial.service.firms import add_firm
from casedial.service.operations import sample, signing_in, users
from tests.conftest import ME
from tests.servers import Server

T = TypeVar("T")

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
PASSWORD = "four words that nobody expects"
SIZES = {"phone": (360, 740), "desk": (1280, 800)}
IMAGES = Path(__file__).parents[2] / "docs" / "images"
FIRM = "demo-law-firm"  # in addresses
CASES = 300

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytestmark)


@pytest.fixture(scope="session")
def chromium(templates: dict[str, Any]) -> Iterator[Browser]:
    """The browser; the templates of databases come first, for Playwright's event loop runs from here on."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


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
    """A server with the sample firm and another one, and people of every role."""

    server: Server
    database_url: str
    chromium: Browser

    @property
    def console(self) -> str:
        return f"{self.server.url}/console"

    def add(self, name: str, role: UserRole, firm: str = sample.FIRM) -> str:
        """Add a user with ``PASSWORD``."""

        async def work(store: Store) -> None:
            linked = await users.add(store, ME, name, firm, role)
            await signing_in.use_link(store, linked.token, PASSWORD, signing_in.Browser("127.0.0.1"))

        in_store(self.database_url, work)
        return name

    def context(self, size: str = "desk", theme: str = "light", **options: Any) -> BrowserContext:
        """A browser that was never here."""
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = self.chromium.new_context(viewport=viewport, color_scheme=theme, base_url=self.console, **options)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        return context

    def sign_in(self, page: Page, name: str) -> None:
        page.goto(f"{self.console}/sign-in")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.console}/{FIRM}/")

    def state_of(self, name: str) -> Any:
        """Sign in; return the cookies, for contexts that begin signed in."""
        context = self.context()
        self.sign_in(context.new_page(), name)
        state = context.storage_state()
        context.close()
        return state


@pytest.fixture
def site(chromium: Browser, database_url: str) -> Iterator[Site]:
    async def make(store: Store) -> None:
        await sample.make(store, ME, CASES)
        async with store.write() as tx:
            await add_firm(tx, "Other & Sons", "America/Los_Angeles", datetime.now(UTC))

    in_store(database_url, make)
    with Server(database_url, CASEDIAL_LOG_LEVEL="error") as server:
        found = Site(server, database_url, chromium)
        found.add("Ana", UserRole.ADMINISTRATOR)
        yield found


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page, each with where."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes']]}" for one in found]
