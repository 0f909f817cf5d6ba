"""A firm's own system: calls with a key of the scope manage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from casedial.domain.keys import Scope
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key
from tests.conftest import NOW, Office


@dataclass
class System:
    """Calls below /v1 with a key."""

    http: httpx.AsyncClient
    key: str

    async def call(
        self, verb: str, path: str, json: Any = None, headers: dict[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        if json is not None:
            rest["json"] = json
        return await self.http.request(verb, f"/v1/{path}", headers={"X-ApiKey": self.key, **(headers or {})}, **rest)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.call("GET", path, params=query)


async def key_of(office: Office, *scopes: Scope, vendor: str = "Our System", **limits: Any) -> str:
    """A key of the firm with these scopes."""
    async with office.store.write() as tx:
        change = LimitChange(scopes=scopes, **limits)
        return (await add_key(tx, await open_firm(tx, office.name), vendor, NOW, None, change)).key


@pytest.fixture
async def system(http: httpx.AsyncClient, office: Office) -> System:
    return System(http, await key_of(office, Scope.MANAGE))
