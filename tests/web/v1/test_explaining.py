"""Why a case is not called, and what holds a campaign back, as the firm's own system is told."""

from __future__ import annotations

from casedial.domain.keys import Scope
from casedial.service.operations import campaigns
from casedial.service.operations.campaigns import CampaignChange
from tests.conftest import ME, Api, Office, assert_problem
from tests.web.v1.conftest import System, key_of


async def test_the_firm_is_told_who_holds_a_case(system: System, office: Office) -> None:
    """A dialer is told no name but its own vendor's; and a key for the feed is told nothing here."""
    await office.add(1)
    await Api(system.http, office.key).post("GetCasesToDial", {"Auto-change": True})
    held = (await system.get("cases/1/explain")).json()["Held"]
    assert held["By"] == "Acme Dialer"
    assert held["ClaimID"] is not None
    rival = System(system.http, await key_of(office, Scope.READ, vendor="Rival Dialer"))
    assert (await rival.get("cases/1/explain")).json()["Held"]["By"] is None
    feed = System(system.http, await key_of(office, Scope.FEED))
    for path in ("cases/1/explain", "preflight"):
        assert_problem(await feed.get(path), 403, "ScopeNotAllowed")


async def test_what_would_be_dialed_and_why_not(system: System, office: Office) -> None:
    for number in range(1, 4):
        await office.add(number, campaign="Notification campaign" if number == 3 else "Intake follow-up")
    await campaigns.change(office.store, ME, office.name, "Intake follow-up", CampaignChange(paused=True))
    counted = (await system.get("preflight", Campaign="Intake follow-up")).json()
    assert (counted["Due"], counted["Callable"], counted["HeldBack"]["paused"]) == (2, 0, 2)
    assert (await system.get("preflight")).json()["Callable"] == 1
