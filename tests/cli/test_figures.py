"""casedial report: its figures are those of a slow count."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.actors import IMPORT, operator
from casedial.domain.cases import StatusChange
from casedial.domain.statuses import Flag, StatusType
from casedial.service.operations import counting
from casedial.storage import cases
from tests.cli.test_commands import Casedial
from tests.conftest import Office, vendor

ZONE = ZoneInfo("America/Chicago")
# The clock goes back on the first of November: that day has 25 hours.
SINCE, UNTIL = "2026-10-30", "2026-11-02"
START, END = datetime(2026, 10, 30, tzinfo=ZONE), datetime(2026, 11, 3, tzinfo=ZONE)
NAMES = ("Busy", "No Answer", "Successful", "Never Dialed")
ACTORS = (vendor(), vendor("Other"), IMPORT, operator("me"))


async def made(office: Office) -> list[dict[str, Any]]:
    """Reports around the span, of cases that move from one campaign to another; what a slow count knows of each."""
    firm, chance = await office.firm(), random.Random(7)
    campaigns = [None, *firm.statuses.of(StatusType.CAMPAIGN)]
    campaign_of: dict[int, Any] = {}
    rows, expected = [], []
    at = START.astimezone(UTC) - timedelta(hours=30)
    for case_id in range(1, 21):
        await office.add(case_id)
    while at < END + timedelta(hours=30):
        case_id = chance.randrange(1, 21)
        if chance.random() < 0.3:
            campaign_of[case_id] = chance.choice(campaigns)
            rows.append(StatusChange(case_id, StatusType.CAMPAIGN, campaign_of[case_id], None, at, operator("me")))
        status = firm.statuses.named(StatusType.DISPOSITION, chance.choice(NAMES))
        by = chance.choice(ACTORS)
        rows.append(StatusChange(case_id, StatusType.DISPOSITION, status, None, at, by))
        if START <= at < END and by in ACTORS[:2]:
            campaign = campaign_of.get(case_id)
            expected.append(
                {
                    "disposition": status.name,
                    "campaign": campaign.name if campaign else "",
                    "vendor": by.name,
                    "hour": f"{at.astimezone(ZONE).hour:02}:00",
                    "attempt": Flag.ATTEMPT in status.flags,
                    "conversation": Flag.CONVERSATION in status.flags,
                }
            )
        at += timedelta(minutes=chance.choice((0, 7, 23)))
    for edge in (START, END):  # a day begins at midnight, to the second
        for at in (edge - timedelta(microseconds=1), edge):
            status = firm.statuses.named(StatusType.DISPOSITION, "Busy")
            rows.append(StatusChange(21, StatusType.DISPOSITION, status, None, at.astimezone(UTC), vendor("Edge")))
            if START <= at < END:
                hour = f"{at.hour:02}:00"
                facts = {"disposition": "Busy", "campaign": "", "vendor": "Edge", "hour": hour}
                expected.append({**facts, "attempt": True, "conversation": False})
    async with office.store.write() as tx:
        await cases.record(tx, firm, rows)
    return expected


async def test_figures_are_those_of_a_slow_count(
    casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PAGE", 17)
    expected = await made(office)
    assert len(expected) > 200
    for by in ("disposition", "campaign", "vendor", "hour"):
        given = ("report", "--firm", office.name, "--since", SINCE, "--until", UNTIL, "--by", by)
        told = await asyncio.to_thread(casedial.json, *given)
        assert {row[by]: row["reports"] for row in told["rows"]} == Counter(one[by] for one in expected)
        rung = Counter(one[by] for one in expected if one["attempt"])
        assert {row[by]: row["attempts"] for row in told["rows"] if row["attempts"]} == rung
        spoken = Counter(one[by] for one in expected if one["conversation"])
        assert {row[by]: row["conversations"] for row in told["rows"] if row["conversations"]} == spoken
        assert told["total"]["reports"] == len(expected)


async def test_days_that_make_no_sense(casedial: Casedial, office: Office) -> None:
    given = ("report", "--firm", office.name)
    later = await asyncio.to_thread(casedial.json, *given, "--since", "2026-11-02", "--until", "2026-11-01", status=1)
    assert later["error"]["code"] == "InvalidSetting"
    for day in ("yesterday", "2026-02-30", "13/01/2026", "2026-11-01T09:00:00"):
        await asyncio.to_thread(casedial.run, *given, "--since", day, status=2)
    await asyncio.to_thread(casedial.run, *given, "--since", "0001-01-01", status=2)
    shown = (await asyncio.to_thread(casedial.run, *given, "--since", "2026-11-01")).stdout
    assert "all" in shown
