"""Calls below /v1: who may, what is refused, before any route does anything."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from casedial.clock import MovableClock
from casedial.domain.keys import Scope
from casedial.storage import keys
from tests.conftest import NOW, Api, Office, assert_problem
from tests.web.v1.conftest import System, key_of


async def test_a_key_for_dialers_is_told_what_it_lacks(http: httpx.AsyncClient, office: Office) -> None:
    for key in (office.key, await key_of(office, Scope.FEED)):
        told = assert_problem(await System(http, key).get("cases"), 403, "ScopeNotAllowed")
        assert "manage" in told["detail"]


async def test_a_key_that_is_limited_to_campaigns_is_told_so(http: httpx.AsyncClient, office: Office) -> None:
    key = await key_of(office, Scope.MANAGE, campaigns=["Intake follow-up"])
    told = assert_problem(await System(http, key).get("cases"), 403, "CampaignNotAllowed")
    assert "limited to campaigns" in told["detail"]


async def test_a_key_to_manage_is_no_dialers(system: System) -> None:
    assert_problem(await Api(system.http, system.key).get("GetCasesToDial"), 403, "ScopeNotAllowed")


async def test_what_is_wrong_is_told_field_by_field(system: System) -> None:
    told = assert_problem(await system.get("cases", Limit=0, Campaign="Nope", After="x"), 400, "UnknownStatus")
    assert {bad["pointer"] for bad in told["errors"]} == {"#/Limit", "#/Campaign", "#/After"}


async def test_what_is_not_asked_for_is_refused(system: System) -> None:
    assert_problem(await system.get("cases", Compaign="x"), 400, "UnknownParameter", "#/Compaign")
    assert_problem(await system.call("GET", "cases", {"a": 1}), 400, "InvalidParameter")


async def test_verbs_and_paths(system: System) -> None:
    reply = await system.call("PUT", "cases")
    assert_problem(reply, 405, "MethodNotAllowed")
    assert "GET" in reply.headers["allow"]
    for path in ("cases/", "cases/1/x", "nothing", "Cases", "cases%2f1", "%63ases", "cases/" + "1" * 300):
        assert_problem(await system.get(path), 404, "PathNotFound")
    assert_problem(await system.get("cases/x"), 400, "InvalidParameter", "path/CaseID")
    assert_problem(await System(system.http, "").get("cases"), 401, "KeyMissing")


async def test_metrics_call_it_by_its_name(system: System) -> None:
    await system.get("cases")
    assert 'casedial_requests_total{method="ListCases",outcome="Success"}' in (await system.http.get("/metrics")).text


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"a=1"])
async def test_a_key_is_asked_for_before_a_body_is_read(http: httpx.AsyncClient, office: Office, body: bytes) -> None:
    assert_problem(await System(http, office.key).call("GET", "cases", content=body), 403, "ScopeNotAllowed")


async def test_the_same_call_twice_at_once_is_done_once(system: System, office: Office) -> None:
    body, once = {"Cases": [{"CaseID": number} for number in range(1, 30)]}, {"Idempotency-Key": "twice"}
    replies = await asyncio.gather(*(system.call("POST", "cases", body, once) for _ in range(8)))
    assert {reply.content for reply in replies} == {replies[0].content}
    assert replies[0].json()["Added"] == 29


async def test_a_refusal_is_not_kept(system: System, office: Office) -> None:
    once = {"Idempotency-Key": "patch"}
    assert_problem(await system.call("PATCH", "cases/1", {"Priority": 1}, once), 404, "CaseNotFound")
    await office.add(1)
    assert (await system.call("PATCH", "cases/1", {"Priority": 1}, once)).status_code == 200


async def test_the_limits_of_a_key_hold(http: httpx.AsyncClient, office: Office, clock: MovableClock) -> None:
    clock.freeze()  # or the minute may end in between
    limited = System(http, await key_of(office, Scope.MANAGE, rate_limit=1))
    assert (await limited.get("cases")).status_code == 200
    refused = await limited.get("cases")
    assert_problem(refused, 429, "RateLimited")
    assert int(refused.headers["retry-after"]) > 0
    elsewhere = System(http, await key_of(office, Scope.MANAGE, addresses=["192.0.2.0/24"]))
    assert_problem(await elsewhere.get("cases"), 403, "AddressNotAllowed")


async def test_a_key_that_is_revoked_meanwhile_does_nothing(
    system: System, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was known when the call came, and is proven in the transaction that does it."""
    assert (await system.get("cases")).status_code == 200
    async with office.store.write() as tx:
        await keys.revoke(tx, (await keys.every(tx))[0][-1].id, NOW)
    for verb, path, body in (
        ("GET", "cases", None),
        ("POST", "cases", {"Cases": [{"CaseID": 1}]}),
        ("DELETE", "cases/1", None),
    ):
        assert_problem(await system.call(verb, path, body), 401, "KeyRevoked")
    assert_problem(await system.get("cases", Limit=0), 401, "KeyRevoked")


async def test_a_firm_that_is_changed_meanwhile_is_no_fault(system: System, office: Office) -> None:
    await office.add(1)
    assert (await system.get("cases/1")).status_code == 200
    await office.set(min_gap=60)
    assert (await system.call("PATCH", "cases/1", {"Priority": 1})).status_code == 200


async def test_many_parameters_in_a_body_wait_their_turn(system: System) -> None:
    text = b'{"Cases":[' + b",".join([b"{}"] * 20_000) + b"]}"
    assert_problem(await system.call("POST", "cases", content=text), 413, "TooManyItems")
    assert_problem(await system.call("POST", "cases", content=b" " * 1_048_577), 413, "BodyTooLarge")
