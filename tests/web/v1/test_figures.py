"""Figures of reports by the firm's own system: those of the console's pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casedial.domain.keys import Scope
from tests.conftest import Api, Office, assert_problem
from tests.web.v1.conftest import System, key_of


@pytest.fixture
async def reported(system: System, office: Office, same_day: None) -> System:
    """Four reports of today, of two campaigns."""
    dialer = Api(system.http, office.key)
    for number, disposition in enumerate(("No Answer", "No Answer", "Successful", "Never Dialed"), 1):
        campaign = "Notification campaign" if number == 2 else "Intake follow-up"
        await office.add(number, campaign=campaign)
        report = {"CaseID": number, "Status": "Do not Dial", "Disposition": disposition}
        assert (await dialer.post("UpdateCaseStatus", report)).status_code == 200
    return system


def count(reports: int, calls: int, conversations: int) -> dict[str, int]:
    return {"Reports": reports, "Calls": calls, "Conversations": conversations}


async def figures(system: System, **query: Any) -> dict[str, Any]:
    reply = await system.get("figures", **query)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_they_are_counted_by_what_is_asked_for(reported: System, office: Office) -> None:
    today = datetime.now(UTC).astimezone((await office.firm()).zone).date()
    whole = await figures(reported)
    assert (whole["From"], whole["To"]) == (str(today - timedelta(days=29)), str(today))
    assert (whole["TimeZone"], whole["By"], whole["Behind"]) == ("America/Chicago", "disposition", 0)
    assert whole["Total"] == count(4, 3, 1)
    assert whole["Figures"] == [
        {"Name": "Never Dialed", **count(1, 0, 0)},
        {"Name": "No Answer", **count(2, 2, 0)},
        {"Name": "Successful", **count(1, 1, 1)},
    ]
    assert (await figures(reported, By="Vendor"))["Figures"] == [{"Name": "Acme Dialer", **count(4, 3, 1)}]
    by_hour = (await figures(reported, By="hour"))["Figures"]
    assert sum(one["Reports"] for one in by_hour) == 4
    yesterday = str(today - timedelta(days=1))
    past = await figures(reported, From=yesterday, To=yesterday)
    assert (past["Total"], past["Figures"]) == (count(0, 0, 0), [])


async def test_of_one_campaign(reported: System, office: Office) -> None:
    """Cases that were added so have no history of how they came in: their reports are of no campaign."""
    assert (await figures(reported, Campaign="notification CAMPAIGN"))["Total"] == count(0, 0, 0)
    assert_problem(await reported.get("figures", Campaign="Nope"), 400, "UnknownStatus", "#/Campaign")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"From": "2026-11-02", "To": "2026-11-01"}, "#/From"),
        ({"From": "2025-01-01", "To": "2026-11-01"}, "#/From"),
        ({"From": "2026-02-30"}, "#/From"),
        ({"To": "11/01/2026"}, "#/To"),
        ({"To": "20261101"}, "#/To"),
        ({"To": "0001-01-01"}, "#/To"),
        ({"By": "colour"}, "#/By"),
    ],
)
async def test_what_is_wrong_is_named(system: System, query: dict[str, str], pointer: str) -> None:
    assert_problem(await system.get("figures", **query), 400, "InvalidParameter", pointer)


async def test_another_firms_reports_do_not_count(reported: System, other_office: Office) -> None:
    theirs = System(reported.http, await key_of(other_office, Scope.MANAGE))
    assert (await figures(theirs))["Total"] == count(0, 0, 0)
