"""What a change would do, told before it is made: bounded, whatever the length of the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from casedial.domain.rules import Purpose
from casedial.domain.statuses import StatusType
from casedial.service import effects
from casedial.service.campaigns import CampaignChange
from casedial.service.firms import FirmChange
from casedial.service.operations import campaigns, do_not_call, rehearsals
from casedial.storage import held_back, samples
from tests.conftest import ME, Office
from tests.statements import explaining

NAME = "Intake follow-up"


async def test_the_first_are_looked_at_and_the_rest_is_counted_to_a_cap(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "_MOST", 5)
    monkeypatch.setattr(samples, "CAP", 8)
    for case_id in range(1, 13):
        await office.add(case_id)
    now = datetime.now(UTC)
    wanted = CampaignChange(paused=True)
    _, found = await rehearsals.of_campaign(office.store, ME, office.name, NAME, wanted, now)
    assert (found.looked_at, found.total, found.are_all, found.held) == (5, 9, False, 5)
    assert (await office.firm()).campaigns == {}


async def test_what_is_held_back_is_looked_at_too(office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await campaigns.change(office.store, ME, office.name, NAME, CampaignChange(paused=True))
    now = datetime.now(UTC)
    async with office.store.write() as tx:
        await held_back.hold_back(tx, await office.firm(), {3: now + timedelta(hours=1)})
    wanted = CampaignChange(paused=False)
    _, found = await rehearsals.of_campaign(office.store, ME, office.name, NAME, wanted, now)
    assert (found.before.callable, found.freed, found.total) == (0, 3, 3)
    effect = await rehearsals.of_firm(office.store, ME, office.name, FirmChange(min_gap=60), now)
    assert (effect.held, effect.freed) == (0, 0)


async def test_by_index(office: Office) -> None:
    """Each look goes by an index that has what it looks for in its order."""
    for case_id in range(1, 40):
        await office.add(case_id)
    await campaigns.change(office.store, ME, office.name, NAME, CampaignChange(purpose=Purpose.CLIENT))
    firm = await office.firm()
    campaign = firm.statuses.named(StatusType.CAMPAIGN, NAME).id
    async with office.store.read() as tx:
        if tx.dialect.name == "postgresql":  # of a few rows it would rather read all
            await tx.execute(sa.text("SET enable_seqscan = off"))
            await tx.execute(sa.text("SET enable_bitmapscan = off"))
        with explaining() as plans:
            await samples.due(tx, firm, campaign, datetime.now(UTC), 5)
            await samples.due(tx, firm, None, datetime.now(UTC), 5)
            await do_not_call.stored.shelf(tx, firm.id, False, "402", None, 5)
            await do_not_call.stored.shelf(tx, firm.id, True, None, 7, 5)
            await do_not_call.stored.cases_with(tx, firm.id, ["4025550001"], 5)
    told = "\n".join(plans)
    for index in ("ix_cases_queue_campaign", "ix_cases_queue", "ix_cases_kept_back"):
        assert index in told
    assert "Seq Scan" not in told
    assert "SCAN cases" not in told
    assert "SCAN do_not_call" not in told
