"""The console in process, on both databases: ``doors`` has two firms, and signs in who is wanted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import argon2
import httpx
import pytest

from casedial.console import change_forms
from casedial.console.routes import TABLE
from casedial.console.routing import Route
from casedial.database.engine import Store
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.users import UserRole
from casedial.service import users as steps
from casedial.service.operations import signing_in, users
from casedial.service.operations.signing_in import Browser
from casedial.settings import Settings
from casedial.web.app import create_app
from tests.conftest import ME, Office
from tests.waiting import PATIENCE

HOST = "http://casedial.test"
PASSWORD = "four words that nobody expects"
FIRM = "lex-partners"  # in addresses
OTHER_FIRM = "other-sons"
REAL_HASHER = steps.hasher
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in a millisecond: tests sign in by the thousand. What production takes has a test of its own."""
    monkeypatch.setattr(steps, "hasher", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    steps._nobodys.cache_clear()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a preview for as long as the machine may stall."""
    monkeypatch.setattr(change_forms, "_PATIENCE", PATIENCE)


@dataclass
class Tab:
    """A browser with cookies of its own."""

    http: httpx.AsyncClient
    name: str = ""

    async def get(self, path: str, **how: object) -> httpx.Response:
        return await self.http.get(f"/console{path}", **how)  # type: ignore[arg-type]

    async def post(
        self, path: str, page: str | None = None, token: str | None = None, **fields: object
    ) -> httpx.Response:
        """Send a form, with the token of a page of this browser (by default the account's), or another one."""
        if token is None:
            token = await self.token(page or "/account")
        return await self.http.post(f"/console{path}", data={"token": token, **fields})  # type: ignore[dict-item]

    async def token(self, page: str = "/account") -> str:
        """The token of the forms on a page."""
        shown = await self.get(page)
        found = _TOKEN.search(shown.text)
        assert found, f"{page}: {shown.status_code} {shown.text[:500]}"
        return found[1]


@dataclass
class Doors:
    """A server with firms and users; ``signed_in`` makes a user and a browser that is signed in."""

    store: Store
    app: object
    office: Office
    tabs: list[Tab] = field(default_factory=list)

    def tab(self, address: str = "192.0.2.1") -> Tab:
        """A browser that was never here."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(address, 1))  # type: ignore[arg-type]
        tab = Tab(httpx.AsyncClient(transport=transport, base_url=HOST))
        self.tabs.append(tab)
        return tab

    async def user(self, role: UserRole, firm: str | None = None, name: str | None = None) -> str:
        """Add a user with ``PASSWORD``; return the name."""
        name = name or f"{role.label} {len(self.tabs)}"
        linked = await users.add(self.store, ME, name, firm or self.office.name, role)
        await signing_in.use_link(self.store, linked.token, PASSWORD, Browser("192.0.2.1"))
        return name

    async def signed_in(self, role: UserRole, firm: str | None = None, name: str | None = None) -> Tab:
        """A browser in which a user of a firm (by default the office's) is signed in."""
        tab = self.tab()
        tab.name = await self.user(role, firm, name)
        await self.sign_in(tab, tab.name)
        return tab

    async def actor(self, role: UserRole, firm: str | None = None) -> Actor:
        """A user as who does something."""
        name = await self.user(role, firm, f"{role.label} of {firm or self.office.name}")
        found = next(one.user for one in await users.every(self.store, ME) if one.user.name == name)
        return Actor(ActorKind.USER, found.name, found.id, "192.0.2.1")

    @property
    def routes(self) -> list[Route]:
        """All pages."""
        return TABLE.routes

    async def sign_in(self, tab: Tab, name: str, password: str = PASSWORD) -> httpx.Response:
        reply = await tab.post("/sign-in", page="/sign-in", name=name, password=password)
        assert reply.status_code == 303, reply.text
        return reply


@pytest.fixture
async def doors(database_url: str, store: Store, office: Office, other_office: Office) -> AsyncIterator[Doors]:
    app = create_app(Settings(database_url=database_url, log_level="error"))
    found = Doors(store, app, office)
    yield found
    for tab in found.tabs:
        await tab.http.aclose()
    await app.close()
