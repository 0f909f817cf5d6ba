"""Phones, notes, names and keys, planted along every way into a server, are in no log line, metric or traceback."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.domain.cases import Phone
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key, mint, revoke_key
from casedial.service.statuses import add_statuses
from casedial.web.api import METHODS
from tests.conftest import NOW, Office, make_office
from tests.servers import Server, connected

CASES = 60
ENOUGH = 1000
FIELDS = ("CaseID", "Campaign", "CaseGroup", "Records", "Auto-change", "Status", "NextCall", "Attempts", "Disposition")
FIELDS += ("Note", "Phone", "ClaimID", "Seconds", "Cases", "Unheard-Of")
HEADERS = ("X-ApiKey", "X-Claim-Id", "Idempotency-Key", "Content-Type", "User-Agent", "X-Forwarded-For", "X-Request-Id")
HEADERS += ("X-Claim-Seconds", "X-Strict")
GOOD: dict[str, Any] = {"CaseID": 1, "Phone": "4025550001", "Note": "n", "Attempts": 1, "Records": 1, "Auto-change": 1}


class Canaries:
    """Makes what must not be seen again, each unlike all others, and remembers it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.planted: set[str] = set()

    def _plant(self, text: str) -> str:
        self.planted.add(text)
        return text

    def word(self) -> str:
        return self._plant(f"canary{next(self._numbers):05}zz")

    def phone(self) -> str:
        return self._plant(f"31275{next(self._numbers):05}")

    def key(self) -> str:
        return self._plant(mint())

    def seen_in(self, text: str) -> list[str]:
        """Those that are there; of a key its first half is enough."""
        return sorted(canary for canary in self.planted if canary[:20] in text)


async def make(store: Store, canaries: Canaries) -> tuple[Office, list[str]]:
    """A firm whose every text is a canary; return it with keys that are refused."""
    office = await make_office(store, canaries.word())
    async with store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await add_statuses(tx, firm, [(kind, canaries.word()) for kind in StatusType if kind != StatusType.ATTEMPTS])
        refused = []
        for change in (LimitChange(scopes=[Scope.READ]), LimitChange(addresses=["192.0.2.1"]), LimitChange()):
            new = await add_key(tx, firm, canaries.word(), NOW, canaries.key(), change)
            refused.append(new.key)
        await revoke_key(tx, new.id, NOW)
    for case_id in range(1, CASES + 1):
        phones = (Phone(canaries.word(), canaries.phone(), True), Phone("Home", "4025550001"))
        facts = {"plaintiff": canaries.word(), "case_group": canaries.word(), "case_status": canaries.word()}
        await office.add(case_id, phones=phones, zip_code=canaries.word()[-7:-2], **facts)
    canaries.planted |= {office.key}
    return office, refused


def requests(base: str, canaries: Canaries) -> Iterator[httpx.Request]:
    """Every method with a canary in each field and header, in every place, and in what is no document at all."""
    values = (canaries.word, canaries.phone, lambda: {canaries.word(): [canaries.phone()]})
    for method, (name, value) in itertools.product(METHODS, zip(FIELDS, itertools.cycle(values))):
        url = f"{base}/{method}"
        yield httpx.Request("GET", url, params={**GOOD, name: str(value())})
        yield httpx.Request("POST", url, params={name: canaries.word()}, json={**GOOD, name: value()})
        yield httpx.Request("POST", url, json={"Cases": [{**GOOD, name: value()}], name: canaries.word()})
        yield httpx.Request("PUT", url, data={**GOOD, name: canaries.phone()})
    for method, name in itertools.product(METHODS, HEADERS):
        yield httpx.Request("POST", f"{base}/{method}", json=GOOD, headers={name: canaries.word()})
    for method in METHODS:
        for body in (b'{"Note": "%s', b'"%s"', b"[[[%s", b'{"Note": "\xff%s"}', b'{"%s": NaN}', b'{"%s\\u0000": 1}'):
            yield httpx.Request("POST", f"{base}/{method}", content=body % canaries.word().encode())
        yield httpx.Request("DELETE", f"{base}/{method}", params={"Note": canaries.word()})
        yield httpx.Request("POST", f"{base}/{method}/{canaries.word()}")
        yield httpx.Request("GET", f"{base}/{canaries.phone()}", headers={canaries.word(): canaries.word()})


def send_all(http: httpx.Client, base: str, keys: list[str], canaries: Canaries) -> set[int]:
    """Send each request with one of the keys in turn; return all statuses."""
    statuses = set()
    for request, key in zip(requests(base, canaries), itertools.cycle(keys)):
        request.headers.setdefault("X-ApiKey", key)
        request.headers.setdefault("Idempotency-Key", canaries.word())
        statuses.add(http.send(request).status_code)
    return statuses


async def break_database(store: Store) -> None:
    """Take tables away behind the server: whatever it does then is a fault, with what was sent in its hands."""
    async with store.write() as tx:
        for table in ("notes", "status_history"):
            cascade = " CASCADE" if tx.dialect.name == "postgresql" else ""
            await tx.execute(sa.text(f"DROP TABLE {table}{cascade}"))


async def test_nothing_planted_is_seen_again(store: Store, database_url: str) -> None:
    canaries = Canaries()
    office, refused = await make(store, canaries)
    keys = [office.key, office.key, office.key, *refused, canaries.key()[:-1] + "!", canaries.key()]
    with Server(database_url, CASEDIAL_LOG_LEVEL="debug") as server, connected() as http:
        statuses = send_all(http, server.base, keys, canaries)
        assert {200, 400, 401, 403, 404, 405} <= statuses
        assert max(statuses) < 500
        await break_database(store)
        assert max(send_all(http, server.base, keys, canaries)) >= 500
        told = http.get(f"{server.url}/metrics").text + server.stop()
    assert len(canaries.planted) >= ENOUGH
    assert '"event": "request"' in told
    assert canaries.seen_in(told) == []


def test_a_canary_would_be_seen() -> None:
    canaries = Canaries()
    word, phone, key = canaries.word(), canaries.phone(), canaries.key()
    assert canaries.seen_in("nothing") == []
    for text, found in ((f"x{word}", word), (f"+1{phone}.", phone), (key[:20], key)):
        assert canaries.seen_in(text) == [found]
