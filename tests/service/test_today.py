"""The live picture: what each campaign has, why so little of it may be called, what needs an eye; kept for all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.domain.calling import Listing
from casedial.domain.cases import Phone
from casedial.domain.names import fold
from casedial.domain.rules import Override, Purpose
from casedial.domain.searching import Capped
from casedial.domain.today import AlertKind, Band, Board
from casedial.rules import week
from casedial.service import today as steps
from casedial.service.campaigns import CampaignChange
from casedial.service.keys import LimitChange
from casedial.service.operations import campaigns, do_not_call, keys, today
from casedial.service.operations.counting import Counter
from casedial.storage import held_back
from casedial.storage import today as stored
from tests.conftest import ALWAYS, ME, Api, Office
from tests.service.test_imports import bring
from tests.statements import explaining, listening
from tests.storage.test_claims import fill

INTAKE, OTHER = "Intake follow-up", "Notification campaign"
NEVER = Override(week({"daily": None}), reason="a test")


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_KEPT", "_LOOKED_INTO"):
        monkeypatch.setattr(today, name, 0.0)
    monkeypatch.setattr(today, "_REST", 0)
    monkeypatch.setattr(today, "_PATIENCE", 60.0)


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=2)


async def board(office: Office) -> Board:
    return await today.look(office.store, ME, office.name)


async def band(office: Office, name: str | None = INTAKE) -> Band:
    bands = (await board(office)).bands
    return next(one for one in bands if (one.campaign.name if one.campaign else None) == name)


async def test_what_waits_of_each_campaign(office: Office, other_office: Office, same_day: None) -> None:
    now = datetime.now(UTC)
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=long_ago())
    await office.add(4, dial_at=now + timedelta(days=3))
    await office.add(5, dialer="In the Dialer", dial_at=long_ago())
    await office.add(6, dialer="Do not Dial", dial_at=long_ago())
    await office.add(7, campaign=None, dial_at=long_ago())
    await other_office.add(1, dial_at=long_ago())
    intake = await band(office)
    waiting = intake.waiting
    assert (waiting.due, waiting.held_back, waiting.dialing) == (Capped(3), Capped(0), Capped(1))
    assert waiting.later == Capped(0)
    assert (intake.callable, intake.held_back) == (Capped(3), Capped(0))
    assert (await band(office, None)).callable == Capped(1)
    assert (await band(office, OTHER)).waiting.total == 0
    assert len((await board(other_office)).bands) == 2


async def test_why_so_few(office: Office, same_day: None) -> None:
    """Held back by a sweep or not, what may not be called is told by its reason, and all adds up."""
    store = office.store
    for case_id in range(1, 8):
        await office.add(case_id, dial_at=long_ago(), zip_code="68046")
    await office.add(8, dial_at=long_ago(), phones=(Phone("Cell", "123"),))
    await office.add(9, dial_at=long_ago(), zip_code="68046", phones=(Phone("Cell", "4025550099"),))
    await campaigns.change(store, ME, office.name, INTAKE, CampaignChange(purpose=Purpose.SOLICITATION, hours=[NEVER]))
    found = await band(office)
    assert (found.callable, found.held_back) == (Capped(0), Capped(9))
    assert {one.name: one.cases for one in found.why.reasons} == {"hours": 8, "no phone": 1}
    assert found.why.looked_at == 9
    await campaigns.change(store, ME, office.name, INTAKE, CampaignChange(hours=[ALWAYS]))
    await do_not_call.add(store, ME, office.name, [Listing(datetime.now(UTC).date(), "", number="4025550099")])
    found = await band(office)
    assert (found.callable, found.held_back) == (Capped(7), Capped(2))
    assert {one.name: one.cases for one in found.why.reasons} == {"do not call": 1, "no phone": 1}
    await campaigns.change(store, ME, office.name, INTAKE, CampaignChange(paused=True))
    found = await band(office)
    assert found.callable == Capped(0)
    assert [(one.name, one.cases) for one in found.why.reasons] == [("paused", 9)]


async def test_what_is_held_back_counts_and_comes_at_its_hour(office: Office) -> None:
    now = datetime.now(UTC)
    for case_id in range(1, 4):
        await office.add(case_id, dial_at=long_ago(), zip_code="68046")
    await office.add(4, dial_at=now + timedelta(hours=2), zip_code="68046")
    async with office.store.write() as tx:
        until = dict.fromkeys((1, 2), now + timedelta(hours=3))
        await held_back.hold_back(tx, await office.firm(), until)
    found = await board(office)
    intake = await band(office)
    assert (intake.waiting.due, intake.waiting.held_back, intake.held_back) == (Capped(1), Capped(2), Capped(2))
    assert len(found.hours) == 12
    assert sum(hour.cases.number for hour in found.hours) == 3
    [first, second] = [hour for hour in found.hours if hour.cases.number]
    assert first.begins <= now + timedelta(hours=2) < first.begins + timedelta(hours=1)
    assert second.cases == Capped(2)


async def test_counts_end_where_they_are_shown(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CAP", 2)
    for case_id in range(1, 5):
        await office.add(case_id, dial_at=long_ago())
    for case_id in range(5, 9):
        await office.add(case_id, dial_at=datetime.now(UTC) + timedelta(hours=5))
    found = await board(office)
    assert (await band(office)).callable == Capped(2, True)
    assert [hour.cases.is_more for hour in found.hours].count(False) < 12


async def test_calls_of_today_by_campaign_whoever_looks_when(api: Api, office: Office, same_day: None) -> None:
    rows = "".join(f"{case_id},{INTAKE if case_id < 4 else OTHER},To Dial,2026-01-05\n" for case_id in range(1, 5))
    await bring(office, f"CaseID,Campaign,DialerStatus,DialDateTime\n{rows}")
    claimed = await api.post("GetCasesToDial", {"Records": 9, "Auto-change": True})
    assert len(claimed.json()) == 4

    async def report(case_id: int, disposition: str) -> None:
        body = {"CaseID": case_id, "Status": "Do not Dial", "Disposition": disposition}
        assert (await api.post("UpdateCaseStatus", body)).status_code == 200

    await report(1, "Successful")
    await report(2, "Busy")
    await report(4, "Never Dialed")
    intake = await band(office)
    assert (intake.reports.calls, intake.reports.reached) == (2, 1)
    assert intake.last_claim is not None
    assert intake.last_claim.vendor == "Acme Dialer"
    await Counter().catch_up(office.store)  # what is counted and what came since are one number
    assert (await band(office)).reports == intake.reports
    await report(3, "Busy")
    found = await board(office)
    intake = found.bands[0]
    assert intake.campaign is not None
    assert intake.campaign.name == INTAKE  # the busiest first
    assert (intake.reports.calls, intake.reports.reached) == (3, 1)
    assert {found.names[one]: number for one, number in intake.reports.dispositions.items()} == {
        "Successful": 1,
        "Busy": 2,
    }
    assert (await band(office, OTHER)).reports.calls == 0


async def test_a_look_counts_few_reports_itself(
    api: Api, office: Office, monkeypatch: pytest.MonkeyPatch, same_day: None
) -> None:
    monkeypatch.setattr(today, "_MOST_BEHIND", 3)
    for case_id in range(1, 6):
        await office.add(case_id, dial_at=long_ago())
        await api.post("UpdateCaseStatus", {"CaseID": case_id, "Status": "Do not Dial", "Disposition": "Busy"})
    found = await board(office)
    assert (found.is_counting, found.bands[0].reports.calls) == (True, 3)
    await Counter().catch_up(office.store)
    found = await board(office)
    assert (found.is_counting, found.bands[0].reports.calls) == (False, 5)


async def test_alerts_lead_to_what_mends_them(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.add(1, dial_at=long_ago())
    found = await board(office)
    [idle] = [one for one in found.alerts if one.kind is AlertKind.IDLE]
    assert (idle.subject, idle.number) == (INTAKE, 1)
    await campaigns.change(office.store, ME, office.name, INTAKE, CampaignChange(paused=True))
    assert not [one for one in (await board(office)).alerts if one.kind is AlertKind.IDLE]
    soon = datetime.now(UTC) + timedelta(days=2)
    await keys.add(office.store, ME, office.name, "Ends Soon", lambda firm: LimitChange(expires_at=soon))
    monkeypatch.setattr(steps, "_RULES_AGE", timedelta(days=-1))
    kinds = {one.kind: one for one in (await board(office)).alerts}
    assert kinds[AlertKind.KEY_ENDS].subject == "Ends Soon"
    assert AlertKind.RULES in kinds


async def test_all_who_look_on_share_one_picture(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(today, "_KEPT", 60.0)
    await office.add(1, dial_at=long_ago())
    with listening() as asked:
        boards = await asyncio.gather(*(board(office) for _ in range(20)))
        assert len({id(one) for one in boards}) == 1
        number = len(asked)
        await asyncio.gather(*(board(office) for _ in range(20)))
    assert len(asked) == number
    changed, _ = await campaigns.change(office.store, ME, office.name, INTAKE, CampaignChange(paused=True))
    anew = await today.look(office.store, ME, office.name, changed.version)  # who paused it sees that
    assert anew is not boards[0]
    assert not anew.bands[0].callable.number


async def test_what_takes_longer_is_shown_by_a_later_look(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it, and nothing is shown of what was found of a firm as it was before."""
    await office.add(1, dial_at=long_ago(), zip_code="68046")
    change = CampaignChange(purpose=Purpose.SOLICITATION, hours=[NEVER])
    changed, _ = await campaigns.change(office.store, ME, office.name, INTAKE, change)
    monkeypatch.setattr(today, "_PATIENCE", 0.0)
    monkeypatch.setattr(today, "_LOOKED_INTO", 60.0)
    goes_on, why = asyncio.Event(), steps.why

    async def slow_why(*given: Any) -> Any:
        await goes_on.wait()
        return await why(*given)

    monkeypatch.setattr(steps, "why", slow_why)

    async def looks(version: int) -> list[Board]:
        """What is shown before it was looked into, and behind that."""
        goes_on.clear()
        first = await today.look(office.store, ME, office.name, version)
        looking = today._DESKS[office.store][fold(office.name)].looking
        assert looking
        goes_on.set()
        await looking
        return [first, await today.look(office.store, ME, office.name, version)]

    first, second = await looks(changed.version)
    assert (first.is_looking, first.bands[0].callable, first.hours) == (True, Capped(1), ())
    assert (second.is_looking, second.bands[0].callable, len(second.hours)) == (False, Capped(0), 12)
    changed, _ = await campaigns.change(office.store, ME, office.name, INTAKE, CampaignChange(hours=[ALWAYS]))
    first, second = await looks(changed.version)
    assert (first.is_looking, first.bands[0].callable) == (True, Capped(1))
    assert AlertKind.IDLE not in [one.kind for one in first.alerts]
    assert (second.is_looking, second.bands[0].callable) == (False, Capped(1))
    assert AlertKind.IDLE in [one.kind for one in second.alerts]


async def test_a_server_that_stops_looks_into_nothing_more(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.add(1, dial_at=long_ago())
    monkeypatch.setattr(today, "_PATIENCE", 0.0)

    async def endless(*given: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(steps, "why", endless)
    assert (await board(office)).is_looking
    looking = today._DESKS[office.store][fold(office.name)].looking
    assert looking
    await today.stop(office.store)
    assert looking.cancelled()
    await today.stop(office.store)


@pytest.fixture
async def many(office: Office) -> Office:
    await fill(office.store, office, 1, 6000, INTAKE, days=2)
    return office


async def test_nothing_reads_a_whole_table(many: Office, store: Store) -> None:
    async with many.store.write() as tx:
        await tx.execute(sa.text("UPDATE cases SET dialer_role = 3 WHERE case_id % 50 > 0"))
        await tx.execute(sa.text("ANALYZE"))
    await board(many)  # which looks at the server, too
    with explaining() as plans:
        await board(many)
    whole = "\n".join(plans)
    assert "ix_cases_queue_campaign" in whole
    assert "ix_cases_kept_back" in whole
    assert "ix_cases_dialing" in whole
    of_cases = [line for line in whole.splitlines() if "SCAN cases" in line or "Seq Scan on cases" in line]
    assert not of_cases, whole
