"""casedial reports, and what doctor, purge and cases delete make of refused reports."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casedial.database.tables import refused_days, refused_reports
from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office
from tests.web.test_refused_reports import METHOD, kept_by


async def refuse(api: Api, office: Office, *items: dict[str, Any]) -> None:
    there = len(await kept_by(office))
    await api.post(METHOD, json=list(items))
    await kept_by(office, there + len(items))


async def test_refused_reports_are_listed(casedial: Casedial, api: Api, office: Office) -> None:
    who = ("reports", "refused", "--firm", office.name)
    assert await asyncio.to_thread(casedial.json, *who) == []
    assert "No report" in (await asyncio.to_thread(casedial.run, *who)).stdout
    await office.add(7)
    await refuse(api, office, {"CaseID": 7, "Disposition": "Busy tone"}, {"CaseID": 8})
    gone, unknown = await asyncio.to_thread(casedial.json, *who)
    assert (gone["case_id"], gone["code"], gone["field"], gone["value"]) == (8, "CaseNotFound", None, None)
    assert datetime.fromisoformat(unknown.pop("at")).tzinfo is UTC
    assert unknown == {
        "key": gone["key"],
        "vendor": "Acme Dialer",
        "case_id": 7,
        "code": "UnknownStatus",
        "field": "Disposition",
        "value": "Busy tone",
        "why": "'Busy tone' is not one of the firm's dispositions",
    }
    shown = (await asyncio.to_thread(casedial.run, *who)).stdout
    for expected in ("Acme Dialer", "Busy tone", "UnknownStatus", "America/Chicago"):
        assert expected in shown
    assert (await asyncio.to_thread(casedial.json, *who[:-1], "Typo", status=1))["error"]["code"] == "FirmNotFound"


@pytest.mark.usefixtures("same_day")  # in the firm, too
async def test_doctor_names_whose_reports_are_refused_and_why(casedial: Casedial, api: Api, office: Office) -> None:
    async def found(status: int) -> list[tuple[str, str]]:
        report = await asyncio.to_thread(casedial.json, "doctor", status=status)
        return [(f["level"], f["found"]) for f in report["findings"] if f["check"] == "refused reports"]

    name = f"{office.name}: Acme Dialer's reports are refused:"
    await asyncio.to_thread(
        casedial.run, "campaign", "set", "Intake follow-up", "--firm", office.name, "--purpose", "client"
    )
    await asyncio.to_thread(
        casedial.run, "campaign", "set", "Notification campaign", "--firm", office.name, "--purpose", "client"
    )
    assert await found(0) == [("ok", "none")]
    # What every dialer is told now and then is told here, too, and is no warning.
    await refuse(api, office, {"CaseID": 7, "Disposition": "Busy tone"})
    assert await found(0) == [("ok", f"{name} The case does not exist (1 today)")]
    await office.add(7, dialer="Do not Dial")  # or doctor would warn that nobody claims it, in calling hours
    await refuse(api, office, *[{"CaseID": 7, "Disposition": "Busy tone"}] * 41)
    assert ("warning", f"{name} 'Busy tone' is not one of the firm's dispositions (41 today)") in await found(1)
    await refuse(api, office, *({"CaseID": 7, "Status": status} for status in ("A", "B", "C")))
    words = "'C' is not one of the firm's Dialer Status names; 'B' is not one of the firm's Dialer Status names; "
    words += "'A' is not one of the firm's Dialer Status names; …"
    assert ("warning", f"{name} {words} (44 today)") in await found(1)
    # Those of yesterday are told while there are none today; older ones are over.
    today = datetime.now(UTC).astimezone((await office.firm()).zone).date()
    for back, level, words in ((1, 1, "(44 yesterday)"), (2, 0, "none")):
        async with office.store.write() as tx:
            await tx.execute(refused_days.update().values(day=today - timedelta(days=back)))
        assert any(told.endswith(words) for _, told in await found(level))


async def test_purge_and_delete_take_them_along(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(7)
    await refuse(api, office, {"CaseID": 7, "Disposition": "A"}, {"CaseID": 8}, {"CaseID": 9})
    await asyncio.to_thread(casedial.run, "cases", "delete", 7, 8, "--firm", office.name, "--yes", status=1)
    assert [row.refusal.case_id for row in await kept_by(office)] == [9]
    purge = ("purge", "--firm", office.name, "--older-than", "30d", "--yes")
    assert (await asyncio.to_thread(casedial.json, *purge))["firms"][0]["refused"] == 0
    async with office.store.write() as tx:
        await tx.execute(refused_reports.update().values(refused_at=datetime.now(UTC) - timedelta(days=31)))
    assert (await asyncio.to_thread(casedial.json, *purge[:-1]))["firms"][0]["refused"] == 1
    assert len(await kept_by(office)) == 1
    assert (await asyncio.to_thread(casedial.json, *purge))["firms"][0]["refused"] == 1
    assert await kept_by(office) == []
