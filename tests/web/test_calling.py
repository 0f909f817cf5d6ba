"""GET /v1/cases/{id}/explain and GET /v1/preflight, and calling rules on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casedial.domain.cases import Phone
from casedial.domain.keys import Scope
from casedial.domain.rules import Ban, Purpose
from casedial.domain.statuses import StatusesStale
from casedial.service import dialing, preflights
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key
from casedial.storage import rules
from tests.conftest import NOW, Api, Office, assert_problem


@pytest.fixture
async def banned(office: Office) -> Office:
    """A firm with a case in New York, to where nobody may call."""
    await office.add(1, zip_code="10001", phones=(Phone("Cell", "2125550101", True),))
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await set_campaign(tx, firm, "Intake follow-up", CampaignChange(purpose=Purpose.CLIENT))
        until = datetime.now(UTC) + timedelta(days=2)
        await rules.add_ban(tx, Ban("NY", until, "storm"), NOW)
    return office


async def test_explain(api: Api, banned: Office) -> None:
    assert (await api.post("GetCasesToDial", {"Auto-change": True})).json() == []
    reply = await api.http.get("/v1/cases/1/explain", headers={"X-ApiKey": api.key})
    assert reply.status_code == 200
    assert reply.json()["Callable"] is False
    assert "storm" in reply.json()["Phones"][0]["Because"][0]
    assert "2125550101" not in reply.text
    assert reply.headers["cache-control"] == "no-store"


async def test_what_is_refused(api: Api, banned: Office, other_office: Office) -> None:
    key = {"X-ApiKey": api.key}
    await other_office.add(2)
    assert_problem(await api.http.get("/v1/cases/2/explain", headers=key), 404, "CaseNotFound")
    assert_problem(await api.http.get("/v1/cases/3/explain", headers=key), 404, "CaseNotFound")
    assert_problem(await api.http.get("/v1/cases/x/explain", headers=key), 400, "InvalidParameter")
    assert_problem(await api.http.get("/v1/cases/1/explain"), 401, "KeyMissing")
    assert_problem(await api.http.post("/v1/cases/1/explain", headers=key), 405, "MethodNotAllowed")
    async with banned.store.write() as tx:
        firm = await open_firm(tx, banned.name)
        note = LimitChange(scopes=[Scope.NOTE])
        elsewhere = LimitChange(campaigns=["Notification campaign"])
        keys = [(await add_key(tx, firm, "Acme Dialer", NOW, None, change)).key for change in (note, elsewhere)]
    for path in ("/v1/cases/1/explain", "/v1/preflight"):
        assert_problem(await api.http.get(path, headers={"X-ApiKey": keys[0]}), 403, "ScopeNotAllowed")
    limited = {"X-ApiKey": keys[1]}
    assert_problem(await api.http.get("/v1/cases/1/explain", headers=limited), 403, "CampaignNotAllowed")
    named = await api.http.get("/v1/preflight", params={"Campaign": "Intake follow-up"}, headers=limited)
    assert_problem(named, 403, "CampaignNotAllowed")
    assert (await api.http.get("/v1/preflight", headers=limited)).json()["Due"] == 0


async def test_preflight(api: Api, banned: Office, other_office: Office) -> None:
    await other_office.add(2)
    key = {"X-ApiKey": api.key}
    reply = await api.http.get("/v1/preflight", params={"Compaign": "x"}, headers=key)
    assert (reply.status_code, reply.headers["x-ignored-parameters"]) == (200, "Compaign")
    counted = reply.json()
    assert (counted["Due"], counted["Callable"]) == (1, 0)
    assert counted["HeldBack"] == dict.fromkeys(preflights.HELD_BACK, 0) | {"hours": 1}
    assert counted["WithoutRules"] == 0
    nothing = await api.http.get("/v1/preflight", params={"Campaign": "no such"}, headers=key)
    assert nothing.json()["Due"] == 0


async def test_a_status_added_meanwhile_is_no_fault(api: Api, banned: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The firm is read, a case gets a status that was added since, and then the case is read."""
    get_case_info, added = dialing.get_case_info, False

    async def late(*arguments: Any) -> Any:
        nonlocal added
        if not added:
            added = True
            raise StatusesStale
        return await get_case_info(*arguments)

    monkeypatch.setattr(dialing, "get_case_info", late)
    assert (await api.http.get("/v1/cases/1/explain", headers={"X-ApiKey": api.key})).status_code == 200
