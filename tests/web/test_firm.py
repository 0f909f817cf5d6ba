"""GET /v1/firm: what a dialer has to know of the firm, and what its key may do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from casedial.clock import MovableClock
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key, revoke_key
from casedial.service.statuses import rename_status, retire_status
from casedial.web.examples import FIRM
from tests.conftest import NOW, Api, Office, assert_problem


async def firm_of(api: Api, key: str) -> dict[str, Any]:
    reply = await api.http.get("/v1/firm", headers={"X-ApiKey": key})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def limited(office: Office, change: LimitChange) -> tuple[str, int]:
    async with office.store.write() as tx:
        new = await add_key(tx, await open_firm(tx, office.name), "Acme Dialer", NOW, None, change)
    return new.key, new.id


async def test_a_key_is_told_its_firm(api: Api, office: Office) -> None:
    """As the reference shows it."""
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await rename_status(tx, firm, StatusType.DIALER, "Do not Dial", "Do not dial")
        await retire_status(tx, firm, StatusType.CAMPAIGN, "Notification campaign", True)
    found = await firm_of(api, api.key)
    assert found == FIRM
    assert list(found) == list(FIRM)


@pytest.mark.parametrize("scope", list(Scope))
async def test_any_key_is_told_what_it_may_do(api: Api, office: Office, scope: Scope) -> None:
    until = datetime(2090, 1, 31, 9, 0, tzinfo=UTC)
    change = LimitChange([scope], ["notification campaign"], None, until, rate_limit=30)
    found = await firm_of(api, (await limited(office, change))[0])
    assert found["Key"] == {
        "Vendor": "Acme Dialer",
        "Scopes": [scope.value],
        "Campaigns": ["Notification campaign"],
        "RateLimit": 30,
        "ExpiresAt": "2090-01-31T09:00:00.000Z",
    }
    assert found["Campaigns"] == ["Notification campaign"]  # of others it is told nothing


async def test_a_firm_whose_claims_never_end_says_so(api: Api, office: Office) -> None:
    await office.set(claim_timeout=0, default_records=7)
    found = await firm_of(api, api.key)
    assert (found["ClaimSeconds"], found["Records"]) == (None, 7)


async def test_nobody_is_told_of_another_firm(api: Api, office: Office, other_office: Office) -> None:
    for parameters in ({}, {"Firm": office.name}, {"FirmID": "1"}, {"Name": office.name}):
        headers = {"X-ApiKey": other_office.key}
        reply = await api.http.get("/v1/firm", params=parameters, headers=headers)
        assert (reply.json()["Name"], reply.json()["TimeZone"]) == ("Other & Sons", "America/Los_Angeles")
        assert reply.headers.get("x-ignored-parameters") == (next(iter(parameters), None))
        assert "Lex" not in reply.text


async def test_what_is_refused(api: Api, office: Office, clock: MovableClock) -> None:
    assert_problem(await api.http.get("/v1/firm"), 401, "KeyMissing")
    assert_problem(await api.http.get("/v1/firm", headers={"X-ApiKey": api.key[::-1]}), 401, "KeyUnknown")
    elsewhere, _ = await limited(office, LimitChange(addresses=["192.0.2.1"]))
    assert_problem(await api.http.get("/v1/firm", headers={"X-ApiKey": elsewhere}), 403, "AddressNotAllowed")
    revoked, key_id = await limited(office, LimitChange())
    async with office.store.write() as tx:
        await revoke_key(tx, key_id, NOW)
    assert_problem(await api.http.get("/v1/firm", headers={"X-ApiKey": revoked}), 401, "KeyRevoked")
    assert_problem(await api.http.post("/v1/firm", headers={"X-ApiKey": api.key}), 405, "MethodNotAllowed")
    clock.freeze()  # or the minute may end in between
    once, _ = await limited(office, LimitChange(rate_limit=1))
    assert (await firm_of(api, once))["Key"]["RateLimit"] == 1
    assert_problem(await api.http.get("/v1/firm", headers={"X-ApiKey": once}), 429, "RateLimited")
