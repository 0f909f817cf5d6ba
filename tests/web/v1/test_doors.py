"""No door between firms below /v1: every route, with every kind of key, naming another firm's thing wherever it can.

The reply is the one that nobody's thing gets, byte for byte, and the database is asked the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from casedial.database import tables
from casedial.database.engine import Store
from casedial.domain.calling import Listing
from casedial.domain.cases import Phone
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import revoke_key
from casedial.service.operations import changes, commands, do_not_call
from casedial.service.statuses import add_statuses
from casedial.storage import keys
from casedial.web.v1.door import Door
from casedial.web.v1.routes import ROUTES
from tests.conftest import ME, NOW, Office
from tests.statements import listening, plain_ids
from tests.web.test_doors import seen
from tests.web.v1.asks import ASKS, Things
from tests.web.v1.conftest import System, key_of

KEYS = ("own", "other firm", "revoked", "expired", "wrong scope", "other campaign", "wrong address")
REFUSED = {"revoked": 401, "expired": 401, "wrong scope": 403, "other campaign": 403, "wrong address": 403}
_NAMES = ("Campaign", "CaseGroup", "DialerStatus", "Disposition", "Plaintiff")
OURS: Things = {"CaseID": 700001, "Phone": "4025557001", "Attempts": 31, **{n: f"Oursss-{n}" for n in _NAMES}}
THEIRS: Things = {"CaseID": 700002, "Phone": "4025557002", "Attempts": 32, **{n: f"Theirs-{n}" for n in _NAMES}}
NOBODYS: Things = {"CaseID": 700003, "Phone": "4025557003", "Attempts": 33, **{n: f"Nobody-{n}" for n in _NAMES}}
_NEW = re.compile(rb'"(ChangeID|MadeAt|BegunAt|StatusID)":[^,]+')  # in every reply another


@dataclass
class Doors:
    """Two firms in one database, keys of every kind, and what to put back after each call."""

    http: httpx.AsyncClient
    store: Store
    keys: dict[str, str] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)

    async def ask(self, name: str, kind: str, things: Things, value: object) -> tuple[Any, ...]:
        """Call a route; return all that the caller and the database see of it, ``value`` aside."""
        route = next(route for route in ROUTES if route.name == name)
        path, query, body = ASKS[name].filled(things)
        key = self.keys.get(kind) or self.keys[f"{kind} {' '.join(sorted(route.scopes))}"]
        await System(self.http, key).get("cases")  # the firm is read anew where the call before has changed it
        self.statements.clear()
        reply = await System(self.http, key).call(route.verb, path, body, params=query)
        asked = tuple(self.statements)
        if route.verb != "GET" and reply.status_code < 400:
            await self.put_back()
        status, headers, text = seen(reply, value)
        headers.pop("content-length", None)  # of what is new in it
        return status, headers, _NEW.sub(b"", text), asked

    async def keep(self) -> None:
        """Remember all rows as they are."""
        async with self.store.read() as tx:
            for table in tables.metadata.sorted_tables:
                self.rows[table.name] = [dict(row._mapping) for row in await tx.execute(table.select())]

    async def put_back(self) -> None:
        """Undo what a call did."""
        every = [table for table in tables.metadata.sorted_tables if table.name not in ("firms", "keys")]
        async with self.store.write() as tx, plain_ids(tx):
            for table in reversed(every):
                await tx.execute(table.delete())
            for table in every:
                if self.rows[table.name]:
                    await tx.execute(table.insert(), self.rows[table.name])


async def settle(office: Office, things: Things) -> None:
    """Give a firm its things, a change among them."""
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        kinds = (StatusType.CAMPAIGN, StatusType.DIALER, StatusType.DISPOSITION)
        named = zip(kinds, ("Campaign", "DialerStatus", "Disposition"), strict=True)
        names = [(kind, things[name]) for kind, name in named]
        await add_statuses(tx, firm, [*names, (StatusType.ATTEMPTS, str(things["Attempts"]))])
    await office.add(
        things["CaseID"],
        campaign=things["Campaign"],
        dialer=things["DialerStatus"],
        disposition=things["Disposition"],
        attempts=str(things["Attempts"]),
        case_group=things["CaseGroup"],
        plaintiff=things["Plaintiff"],
        phones=(Phone("Cell", things["Phone"]),),
    )
    statuses = (await office.firm()).statuses
    things["CampaignID"] = statuses.named(StatusType.CAMPAIGN, things["Campaign"]).id
    things["StatusID"] = statuses.named(StatusType.DISPOSITION, things["Disposition"]).id
    listings = [Listing(NOW.date(), "", number=things["Phone"]), Listing(NOW.date(), "", case_id=things["CaseID"])]
    await do_not_call.add(office.store, ME, office.name, listings)
    wanted = OperatorChange(Move.DO_NOT_DIAL)
    previewed = await changes.preview(office.store, ME, office.name, CaseFilter(), lambda firm: wanted)
    things["ChangeID"] = previewed.change.id


@pytest.fixture
async def doors(
    http: httpx.AsyncClient, office: Office, other_office: Office, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Doors]:
    monkeypatch.setattr(keys, "LAST_USE_PRECISION", timedelta(days=1))  # which is written when it likes
    monkeypatch.setattr(commands, "SLOW_SECONDS", 60)  # a slow machine asks for the key once more
    monkeypatch.setattr(Door, "_go_on", lambda *_: None)  # behind replies
    await settle(office, OURS)
    await settle(other_office, THEIRS)
    NOBODYS.update(dict.fromkeys(("ChangeID", "CampaignID", "StatusID"), 799_999))
    made = Doors(http, office.store)
    every = {frozenset(route.scopes) for route in ROUTES}
    everything = sorted({scope for scopes in every for scope in scopes})
    made.keys["own"] = await key_of(office, *everything)
    made.keys["other firm"] = await key_of(other_office, *everything)
    made.keys["revoked"] = await key_of(office, *everything)
    async with office.store.write() as tx:
        await revoke_key(tx, (await keys.every(tx))[0][-1].id, NOW)
    made.keys["expired"] = await key_of(office, *everything, expires_at=NOW + timedelta(seconds=1))
    made.keys["other campaign"] = await key_of(office, *everything, campaigns=["Notification campaign"])
    made.keys["wrong address"] = await key_of(office, *everything, addresses=["192.0.2.0/24"])
    for scopes in every:
        kind = f"wrong scope {' '.join(sorted(scopes))}"
        made.keys[kind] = await key_of(office, *(scope for scope in Scope if scope not in scopes))
    async with office.store.write() as tx:
        await tx.execute(tables.keys.update().values(last_used_at=datetime.now(UTC)))
    await made.keep()
    for key in made.keys.values():  # each firm, and each key, is read once
        await System(http, key).get("cases")
    with listening() as made.statements:
        yield made


def test_every_route_has_its_call() -> None:
    assert set(ASKS) == {route.name for route in ROUTES}


@pytest.mark.parametrize("kind", KEYS)
async def test_another_firms_thing_is_like_nobodys(doors: Doors, kind: str) -> None:
    own, foreign = (THEIRS, OURS) if kind == "other firm" else (OURS, THEIRS)
    leaks = []
    for route in ROUTES:
        for name in ASKS[route.name].names:
            told = await doors.ask(route.name, kind, {**own, name: foreign[name]}, foreign[name])
            nothing = await doors.ask(route.name, kind, {**own, name: NOBODYS[name]}, NOBODYS[name])
            assert told[0] == REFUSED.get(kind, told[0]), (route.name, name, told)
            assert told[0] < 500, (route.name, name, told)
            if told != nothing:
                leaks.append((route.name, name, told, nothing))
    assert leaks == []


async def test_the_matrix_sees_what_is_there(doors: Doors) -> None:
    """The test of the test: with a firm's own things the replies differ."""
    for route in ROUTES:
        for name in ASKS[route.name].telling:
            there = await doors.ask(route.name, "own", OURS, OURS[name])
            nothing = await doors.ask(route.name, "own", {**OURS, name: NOBODYS[name]}, NOBODYS[name])
            assert there != nothing, (route.name, name)
