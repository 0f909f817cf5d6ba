"""Today: what each campaign has and what needs an eye, with a pause that counts from the next claim on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from casedial.domain.rules import Purpose
from casedial.domain.users import UserRole
from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns, today
from tests.conftest import ME
from tests.console.conftest import FIRM, OTHER_FIRM, Doors
from tests.service.test_today import NEVER
from tests.waiting import PATIENCE

INTAKE = "Intake follow-up"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what takes longer be seen at once, however slow the machine is."""
    monkeypatch.setattr(today, "_PATIENCE", 60.0)


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=2)


async def test_a_campaign_s_band(doors: Doors) -> None:
    for case_id in (1, 2):
        await doors.office.add(case_id, dial_at=long_ago(), zip_code="68046")
    await doors.office.add(3, dialer="In the Dialer", dial_at=long_ago())
    change = CampaignChange(purpose=Purpose.SOLICITATION, hours=[NEVER])
    await campaigns.change(doors.store, ME, doors.office.name, INTAKE, change)
    tab = await doors.signed_in(UserRole.VIEWER)
    shown = (await tab.get(f"/{FIRM}/")).text
    assert "<strong>0</strong> callable now" in shown
    assert "<strong>2</strong> held back" in shown
    assert "<strong>1</strong> in the dialer" in shown
    assert "2 outside calling hours" in shown
    assert "solicitation" in shown
    assert "Pause" not in shown


async def test_the_live_part_is_sent_only_when_it_changed(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(today, "_KEPT", PATIENCE)  # or there is another picture, where the machine stalls
    await doors.office.add(1, dial_at=long_ago())
    tab, other = await doors.signed_in(UserRole.MANAGER), await doors.signed_in(UserRole.MANAGER)
    first = await tab.get(f"/{FIRM}/live")
    assert first.status_code == 200
    assert "<html" not in first.text
    assert 'name="token"' not in first.text
    again = await other.get(f"/{FIRM}/live", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304  # nobody's token, and nobody's name, is in it
    assert not again.content


async def test_a_pause_counts_at_once(doors: Doors) -> None:
    await doors.office.add(1, dial_at=long_ago())
    [intake, *_] = [one for one in (await doors.office.firm()).statuses.all if one.name == INTAKE]
    tab = await doors.signed_in(UserRole.MANAGER)
    assert "may be called, and nothing was claimed" in (await tab.get(f"/{FIRM}/")).text
    done = await tab.post(f"/{FIRM}/pause", do=f"pause {intake.id}")
    assert done.status_code == 303
    assert (await doors.office.firm()).campaign(intake.id).paused
    shown = (await tab.get(f"/{FIRM}/")).text
    assert "is paused: no case of it is given out." in shown
    assert "<strong>0</strong> callable now" in shown
    assert "1 in a paused campaign" in shown
    assert (await tab.post(f"/{FIRM}/pause", do=f"resume {intake.id}")).status_code == 303
    assert not (await doors.office.firm()).campaign(intake.id).paused
    for wrong in ("pause 999999", "stop 1", ""):
        assert (await tab.post(f"/{FIRM}/pause", do=wrong)).status_code == 404


async def test_who_may_pause(doors: Doors) -> None:
    viewer = await doors.signed_in(UserRole.VIEWER)
    assert (await viewer.post(f"/{FIRM}/pause", do="pause 1")).status_code == 403
    manager = await doors.signed_in(UserRole.MANAGER)
    assert (await manager.post(f"/{OTHER_FIRM}/pause", do="pause 1")).status_code == 404
    assert (await manager.get(f"/{OTHER_FIRM}/live")).status_code == 404
