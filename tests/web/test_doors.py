"""No door between firms: every method, with every kind of key, naming in every field another firm's thing.

The reply is the one that nobody's thing gets, byte for byte, and the database is asked the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from casedial.database import tables
from casedial.database.engine import Store
from casedial.domain.cases import Phone
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key, revoke_key
from casedial.service.operations import commands
from casedial.service.statuses import add_statuses
from casedial.storage import keys
from casedial.web.api import METHODS
from casedial.web.refused import RefusedReports
from tests.conftest import NOW, Api, Office
from tests.statements import listening, plain_ids

Things = dict[str, Any]
BASE = "/PredictiveDialer"
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Things of the three, of one length in each field, so that the length of a reply tells nothing by itself.
NAMES = ("Campaign", "CaseGroup", "Status", "Disposition")
OURS: Things = {"CaseID": 700001, "Phone": "4025557001", "Attempts": 31, **{n: f"Oursss-{n}" for n in NAMES}}
THEIRS: Things = {"CaseID": 700002, "Phone": "4025557002", "Attempts": 32, **{n: f"Theirs-{n}" for n in NAMES}}
NOBODYS: Things = {"CaseID": 700003, "Phone": "4025557003", "Attempts": 33, **{n: f"Nobody-{n}" for n in NAMES}}
for things, name in ((OURS, "oursss"), (THEIRS, "theirs"), (NOBODYS, "nobody")):
    things["Idempotency-Key"] = f"idempotency-{name}"
HELD = 10  # beside each CaseID there is a case that its firm's dialer holds
HEADERS = ("X-Claim-Id", "Idempotency-Key")
FIELDS = (*OURS, "ClaimID", "X-Claim-Id")

# What each method is asked for, were it not for the field in question; each would succeed with a firm's own key.
GOOD: dict[str, tuple[str, ...]] = {
    "GetCasesToDial": (),
    "GetCaseInfo": ("CaseID",),
    "UpdateCaseStatus": ("CaseID", "Attempts"),
    "AddCaseNote": ("CaseID",),
    "AddCaseNoteByPhone": ("Phone",),
    "ExtendClaim": ("ClaimID",),
    "ReleaseClaim": ("ClaimID",),
}
assert set(GOOD) == set(METHODS)
# In which fields a firm's own thing and nobody's differ, or this test would see nothing.
TELLING: dict[str, set[str]] = {
    "GetCasesToDial": {"Campaign", "CaseGroup", "Idempotency-Key"},
    "GetCaseInfo": {"CaseID"},
    "UpdateCaseStatus": {"CaseID", "Attempts", "Status", "Disposition", "X-Claim-Id", "Idempotency-Key"},
    "AddCaseNote": {"CaseID"},
    "AddCaseNoteByPhone": {"Phone", "Idempotency-Key"},
    "ExtendClaim": {"ClaimID", "X-Claim-Id", "CaseID", "Idempotency-Key"},
    "ReleaseClaim": {"ClaimID", "X-Claim-Id", "CaseID", "Idempotency-Key"},
}
KEYS = ("own", "other firm", "other vendor", "revoked", "expired", "wrong scope", "other campaign", "wrong address")
REFUSED = {"revoked": 401, "expired": 401, "wrong scope": 403, "wrong address": 403}


@dataclass
class Doors:
    """Two firms in one database, keys of every kind, and what to put back after each request."""

    api: Api
    store: Store
    keys: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)

    async def ask(self, method: str, key: str, body: Things, value: object, shape: str) -> tuple[Any, ...]:
        """Send a request; return all that the caller and the database see of it, ``value`` aside."""
        sent = {name: text for name, text in body.items() if name not in HEADERS}
        headers = {name: str(text) for name, text in body.items() if name in HEADERS}
        headers["X-ApiKey"] = self.keys.get(key) or self.keys[f"{key} {method}"]
        if shape == "batch":
            sent = {"Cases": [{**sent, "CaseID": 1}, sent]}
        self.statements.clear()
        reply = await self.api.http.post(f"{BASE}/{method}", json=sent, headers=headers)
        asked = tuple(self.statements)
        await self.put_back()
        return *seen(reply, value), asked

    async def keep(self) -> None:
        """Remember the rows as they are."""
        async with self.store.read() as tx:
            for name in ("cases", "claims", "idempotency", "status_history"):
                found = await tx.execute(tables.metadata.tables[name].select())
                self.rows[name] = [dict(row._mapping) for row in found]

    async def put_back(self) -> None:
        """Undo what a request did."""
        cases = tables.cases
        this = sa.and_(cases.c.firm_id == sa.bindparam("the_firm"), cases.c.case_id == sa.bindparam("the_case"))
        values = {c.name: sa.bindparam(c.name) for c in cases.c if c.name not in ("firm_id", "case_id")}
        async with self.store.write() as tx, plain_ids(tx):
            await tx.execute(tables.notes.delete())
            rows = [{**row, "the_firm": row["firm_id"], "the_case": row["case_id"]} for row in self.rows["cases"]]
            await tx.execute(cases.update().where(this).values(values), rows)
            for name in ("claims", "idempotency", "status_history"):
                table = tables.metadata.tables[name]
                await tx.execute(table.delete())
                await tx.execute(table.insert(), self.rows[name])


def seen(reply: httpx.Response, value: object) -> tuple[Any, ...]:
    """A reply without what is new in every one: ids of requests and claims, ends of leases, the value echoed."""
    headers = {name: text for name, text in reply.headers.items() if name not in ("x-request-id", "x-claim-expires")}
    if "x-claim-id" in headers:
        headers["x-claim-id"] = "there is one"
    body = UUID.sub(b"<id>", reply.content).replace(str(value).encode(), b"<value>")
    return reply.status_code, headers, body


async def settle(office: Office, api: Api, things: Things) -> None:
    """Give a firm its things, and a claim and a kept reply that it made itself."""
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        kinds = {"Campaign": StatusType.CAMPAIGN, "Status": StatusType.DIALER, "Disposition": StatusType.DISPOSITION}
        names = [(kind, things[name]) for name, kind in kinds.items()]
        attempts = (str(things["Attempts"]), "99")  # whatever is above the highest is taken as it
        await add_statuses(tx, firm, [*names, *((StatusType.ATTEMPTS, count) for count in attempts)])
    facts = {"campaign": things["Campaign"], "phones": (Phone("Cell", things["Phone"]),)}
    await office.add(things["CaseID"] + HELD, **facts, dial_at=NOW - timedelta(days=400))
    reply = await api.post("GetCasesToDial", {"Auto-change": True})
    things["ClaimID"] = things["X-Claim-Id"] = reply.headers["x-claim-id"]
    await office.add(things["CaseID"], **facts, case_group=things["CaseGroup"])
    reply = await api.post("AddCaseNote", body("AddCaseNote", things), {"Idempotency-Key": things["Idempotency-Key"]})
    assert reply.status_code == 200


def body(method: str, things: Things) -> Things:
    """A good request for a method."""
    return {"Auto-change": True, "Note": "n", **{name: things[name] for name in GOOD[method]}}


@pytest.fixture
async def doors(
    http: httpx.AsyncClient, office: Office, other_office: Office, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Doors]:
    # The time of last use is written when it likes; not here.
    monkeypatch.setattr(keys, "LAST_USE_PRECISION", timedelta(days=1))
    monkeypatch.setattr(RefusedReports, "note", lambda *_: None)  # written behind requests, now and then
    monkeypatch.setattr(commands, "SLOW_SECONDS", 60)  # a slow machine asks for the key once more
    made = Doors(Api(http, office.key), office.store, {"own": office.key, "other firm": other_office.key})
    NOBODYS["ClaimID"] = NOBODYS["X-Claim-Id"] = str(uuid4())
    await settle(office, made.api, OURS)
    await settle(other_office, Api(http, other_office.key), THEIRS)
    limits: dict[str, LimitChange] = {
        "other vendor": LimitChange(),
        "revoked": LimitChange(),
        "expired": LimitChange(expires_at=NOW),
        "other campaign": LimitChange(campaigns=["Notification campaign"]),
        "wrong address": LimitChange(addresses=["192.0.2.0/24"]),
    }
    for name, method in METHODS.items():
        limits[f"wrong scope {name}"] = LimitChange(scopes=[scope for scope in Scope if scope not in method.scopes])
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name)
        for kind, change in limits.items():
            vendor = "Rival Dialer" if kind == "other vendor" else "Acme Dialer"
            new = await add_key(tx, firm, vendor, NOW - timedelta(days=1), None, change)
            made.keys[kind] = new.key
            if kind == "revoked":
                await revoke_key(tx, new.id, NOW)
        await tx.execute(tables.keys.update().values(last_used_at=datetime.now(UTC)))
    await made.keep()
    for key in made.keys.values():  # each firm is read once
        await http.post(f"{BASE}/GetCaseInfo", json={"CaseID": 1}, headers={"X-ApiKey": key})
        await http.get(f"{BASE}/GetCasesToDial", headers={"X-ApiKey": key})
    with listening() as made.statements:
        yield made


def requests(method: str, own: Things, name: str, value: object) -> Iterator[tuple[str, Things]]:
    """A request that names ``value`` in one field; of a list also as one item beside another, of a claim all ways."""
    good = body(method, own)
    if name == "X-Claim-Id":
        yield "beside ClaimID", {**good, name: value}
        good.pop("ClaimID", None)
    yield "plain", {**good, name: value}
    if name in ("CaseID", "Status", "Disposition", "Attempts") and method in ("UpdateCaseStatus", "AddCaseNote"):
        yield "batch", {**good, name: value}
        yield "fenced", {**good, name: value, "X-Claim-Id": own["X-Claim-Id"]}
    if method == "GetCasesToDial":
        yield "read only", {**good, name: value, "Auto-change": False}
    if method in ("ExtendClaim", "ReleaseClaim") and name == "ClaimID":
        yield "one case", {**good, name: value, "CaseID": own["CaseID"] + HELD}


@pytest.mark.parametrize("kind", KEYS)
async def test_another_firms_thing_is_like_nobodys(doors: Doors, kind: str) -> None:
    own, foreign = (THEIRS, OURS) if kind == "other firm" else (OURS, THEIRS)
    compared, leaks = 0, []
    for method in METHODS:
        for name in FIELDS:
            pairs = zip(
                requests(method, own, name, foreign[name]), requests(method, own, name, NOBODYS[name]), strict=True
            )
            for (shape, one), (_, other) in pairs:
                told = await doors.ask(method, kind, one, foreign[name], shape)
                nothing = await doors.ask(method, kind, other, NOBODYS[name], shape)
                assert told[0] == REFUSED.get(kind, told[0])
                compared += 1
                if told != nothing:
                    leaks.append((method, name, shape, told, nothing))
    assert leaks == []
    assert compared >= 7 * len(FIELDS)  # each method with each field, some in several shapes


@pytest.mark.parametrize("name", ["ClaimID", "X-Claim-Id", "Idempotency-Key"])
async def test_another_vendors_claim_and_request_are_like_nobodys(doors: Doors, name: str) -> None:
    """Within one firm, too: what a vendor asked for is its own."""
    own = {**OURS, "ClaimID": str(uuid4())}
    for method in METHODS:
        for (shape, one), (_, other) in zip(
            requests(method, own, name, OURS[name]), requests(method, own, name, NOBODYS[name]), strict=True
        ):
            told = await doors.ask(method, "other vendor", one, OURS[name], shape)
            assert told == await doors.ask(method, "other vendor", other, NOBODYS[name], shape), (method, shape)


async def test_the_matrix_sees_what_is_there(doors: Doors) -> None:
    """The test of the test: with a firm's own things the replies differ."""
    for method, telling in TELLING.items():
        for name in sorted(telling):
            good = body(method, OURS)
            if name == "X-Claim-Id":
                good = {**good, "CaseID": OURS["CaseID"] + HELD}
                good.pop("ClaimID", None)
            value = OURS["CaseID"] + HELD if name == "CaseID" and "ClaimID" in good else OURS[name]
            there = await doors.ask(method, "own", {**good, name: value}, value, "plain")
            nothing = await doors.ask(method, "own", {**good, name: NOBODYS[name]}, NOBODYS[name], "plain")
            assert there != nothing, (method, name)
