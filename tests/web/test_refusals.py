"""The examples of errors in the OpenAPI document are what a server replies, apart from ids and times."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from casedial.clock import MovableClock
from casedial.domain.errors import CallerLeft, OperatorError, PathNotFound, every_error
from casedial.domain.keys import KeyLimits, Scope
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key, mint
from casedial.service.statuses import add_statuses, retire_status
from casedial.storage import keys
from casedial.web.examples import REFUSALS
from casedial.web.openapi import document
from tests.conftest import Office
from tests.web.v1.conftest import key_of

# Those for which a server has to be hurt, kept waiting or filled with cases; they have no example.
NOT_SHOWN = {
    "BodyTooSlow",
    "CaseUnreadable",
    "ChangedMeanwhile",
    "CursorGone",
    "InternalError",
    "NotesTooLarge",
    "RequestStillRunning",
    "SchemaBehind",
    "StatusExists",
    "StatusHasRole",
    "StatusNotFound",
    "StorageUnavailable",
    "TooBusy",
}
OF_SYSTEMS = ("ChangeNotFound", "ChangeNotPossible")  # of which requests of the firm's own systems are the examples
LIMITS = {
    "ScopeNotAllowed": LimitChange(scopes=[Scope.NOTE]),
    "CampaignNotAllowed": LimitChange(campaigns=["Notification campaign"]),
    "AddressNotAllowed": LimitChange(addresses=["192.0.2.0/24"]),
    "RateLimited": LimitChange(rate_limit=1),
}
HEADERS = {
    "UnknownParameter": {"X-Strict": "true"},
    "UnsupportedContentType": {"Content-Type": "text/xml"},
    "ClaimLost": {"X-Claim-Id": str(uuid4())},
    "IdempotencyKeyReused": {"Idempotency-Key": "6f1d3c02"},
}
BODIES: dict[str, Any] = {
    "BodyTooLarge": {"CaseID": 7, "Note": "x" * 1024 * 1024},
    "TooManyItems": {"Cases": [{"CaseID": 7}] * 1001},
    "NoteTooLong": {"CaseID": 7, "Note": "x" * 65_537},
}


async def prepare(office: Office) -> None:
    """Put in what the requests of the examples meet."""
    await office.add(7, dialer="Do not Dial")
    await office.add(8, dialer="In the Dialer")
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await add_statuses(tx, firm, [(StatusType.DISPOSITION, "Hung Up")])
        await retire_status(tx, firm, StatusType.DISPOSITION, "Hung Up", True)


async def key_for(code: str, office: Office) -> str:
    """The key that the request for an error carries."""
    if code in OF_SYSTEMS:
        return await key_of(office, Scope.MANAGE)
    if code == "KeyMistyped":
        return office.key[:-1] + ("b" if office.key[-1] == "a" else "a")
    if code == "KeyUnknown":
        return mint()
    async with office.store.write() as tx:
        now = datetime.now(UTC)
        new = await add_key(
            tx, await open_firm(tx, office.name), "Acme Dialer", now, change=LIMITS.get(code, LimitChange())
        )
        if code == "KeyRevoked":
            await keys.revoke(tx, new.id, now)
        if code == "KeyExpired":
            await keys.limit(tx, new.id, KeyLimits(expires_at=now - timedelta(days=1)))
    return new.key


async def reply_to(code: str, http: httpx.AsyncClient, office: Office) -> httpx.Response:
    """Send the request of an example: a verb, a method with its query string, and a body or words about it."""
    verb, target, *rest = REFUSALS[code]["request"].split(" ", 2)
    headers = {"X-ApiKey": await key_for(code, office), "Content-Type": "application/json", **HEADERS.get(code, {})}
    if code == "KeyMissing":
        del headers["X-ApiKey"]
    body = json.dumps(BODIES[code]) if code in BODIES else "".join(re.findall(r"^\{.*?(?= with |$)", *rest or [""]))
    if code in ("RateLimited", "IdempotencyKeyReused"):
        await http.post("/PredictiveDialer/AddCaseNote", json={"CaseID": 7, "Note": "First."}, headers=headers)
    path = target if target.startswith("/") else f"/PredictiveDialer/{target}"
    return await http.request(verb, path, content=body.encode(), headers=headers)


def comparable(reply: dict[str, Any]) -> dict[str, Any]:
    """A problem document without what differs from one request to the next."""
    seconds = re.sub(r"\d+ s\.", "N s.", reply["detail"])
    return reply | {"detail": seconds, "instance": "", "request_id": ""}


@pytest.mark.parametrize("code", REFUSALS)
async def test_an_example_is_what_a_server_replies(
    http: httpx.AsyncClient, office: Office, clock: MovableClock, code: str
) -> None:
    if code == "RateLimited":
        clock.freeze()  # or the minute may end in between
    await prepare(office)
    reply = await reply_to(code, http, office)
    assert reply.json()["code"] == code, reply.text
    assert comparable(reply.json()) == comparable(REFUSALS[code]["reply"])
    assert list(reply.json()) == list(REFUSALS[code]["reply"])


def test_each_error_of_a_method_has_an_example() -> None:
    on_wire = {error.__name__ for error in every_error() if not issubclass(error, OperatorError)}
    assert set(REFUSALS) == on_wire - NOT_SHOWN - {PathNotFound.__name__, CallerLeft.__name__}


def test_the_document_shows_them_where_they_may_come() -> None:
    described = document("/x")
    for path, verbs in described["paths"].items():
        for operation in verbs.values():
            for status, reply in operation["responses"].items():
                if status == "200":
                    continue
                shown = set(reply["content"]["application/problem+json"].get("examples", {}))
                assert shown == set(re.findall(r"`(\w+)`", reply["description"])) & set(REFUSALS), path
    assert set(described["components"]["examples"]) == set(REFUSALS)


def test_the_document_tells_of_claims_repeats_and_errors_at_its_top() -> None:
    told = document("/x")["info"]["description"]
    assert re.findall(r"^## (.+)$", told, re.MULTILINE) == ["Claims", "Repeating a request", "Errors"]
    for name in ("X-Claim-Id", "X-Claim-Expires", "ClaimLost", "Idempotency-Key", "Retry-After", "/docs/errors"):
        assert f"`{name}`" in told or f"({name})" in told
