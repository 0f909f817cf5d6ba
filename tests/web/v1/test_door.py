"""Calls below /v1: who may, what is refused, before any route does anything."""

from __future__ import annotations

import httpx
import pytest

from casedial.domain.keys import Scope
from tests.conftest import Api, Office, assert_problem
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
