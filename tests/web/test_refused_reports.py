"""Reports that are refused: counted by key and code, the last hundred of a firm kept, and nobody slowed by it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import keys, refused_days, refused_reports
from casedial.domain.errors import StorageUnavailable
from casedial.domain.refused import KeptRefusal
from casedial.service import refused as service
from casedial.storage import refused
from casedial.web import refused as web
from tests.conftest import NOW, Api, Office
from tests.waiting import until

METHOD = "UpdateCaseStatus"


async def kept_by(office: Office, at_least: int = 0) -> list[KeptRefusal]:
    """What is kept, once it is so many: it is written behind the requests."""
    firm, found = await office.firm(), list[KeptRefusal]()

    async def are_there() -> bool:
        nonlocal found
        async with office.store.read() as tx:
            found = await refused.last(tx, firm.id)
            counted = sum(row.reports for row in await refused.days(tx, firm.id, NOW.date().replace(year=2000)))
        return counted >= at_least

    await until(are_there)
    return found


async def counted(http: httpx.AsyncClient, office: Office) -> dict[str, float]:
    """The refused reports of the office's key in the metrics, by code."""
    async with office.store.read() as tx:
        firm = await office.firm()
        key_id = (await tx.execute(sa.select(keys.c.id).where(keys.c.firm_id == firm.id))).scalar_one()
    text = (await http.get("/metrics")).text
    found = re.findall(rf'^casedial_reports_refused_total{{code="(\w+)",key="{key_id}"}} (\S+)', text, re.MULTILINE)
    return {code: float(number) for code, number in found}


def grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {code: number - before.get(code, 0) for code, number in after.items() if number != before.get(code, 0)}


async def test_every_refused_item_is_counted_and_kept(api: Api, office: Office) -> None:
    await office.add(7)
    await office.add(8, dialer="Do not Dial")
    before = await counted(api.http, office)
    items: list[Any] = [
        {"CaseID": 7, "Disposition": "Busy tone"},
        {"CaseID": 7, "Disposition": "Busy"},
        {"CaseID": "9", "Status": "To Dial"},
        {"CaseID": 8, "NextCall": "2026-05-06T09:00:00"},
        {"CaseID": 7, "NextCall": "12/1/2026"},
        {"CaseID": "402-555-0123", "Status": "To Dial"},
        {"CaseID": 7, "Disposition": "Call 402-555-0123 " + "x" * 500},
        {"CaseID": 7, "Status": ["To Dial"]},
        "7",
    ]
    reply = await api.post(METHOD, json={"Cases": items})
    assert (reply.status_code, reply.json()["Failed"]) == (200, 8)
    kept = await kept_by(office, 8)
    assert [(row.refusal.case_id, row.refusal.code, row.refusal.field, row.refusal.value) for row in kept[::-1]] == [
        (7, "UnknownStatus", "Disposition", "Busy tone"),
        (9, "CaseNotFound", "", ""),
        (8, "NotToDial", "NextCall", "2026-05-06T09:00:00"),
        (7, "InvalidParameter", "NextCall", "12/1/2026"),
        (None, "InvalidParameter", "CaseID", ""),
        (7, "UnknownStatus", "Disposition", "Call ###-###-#### " + "x" * 61 + "…"),
        (7, "InvalidParameter", "Status", ""),
        (None, "InvalidParameter", "", ""),
    ]
    assert {row.vendor for row in kept} == {"Acme Dialer"}
    expected = {"UnknownStatus": 2, "CaseNotFound": 1, "NotToDial": 1, "InvalidParameter": 4}
    assert grown(before, await counted(api.http, office)) == expected
    # A request of one item that fails is no other thing; one that succeeds is nothing.
    assert (await api.post(METHOD, json={"CaseID": 7, "Status": "Nope"})).status_code == 400
    assert (await api.post(METHOD, json={"CaseID": 7, "Status": "To Dial"})).status_code == 200
    assert (await kept_by(office, 9))[0].refusal.value == "Nope"


async def test_a_request_refused_whole_is_one_report(api: Api, office: Office) -> None:
    before = await counted(api.http, office)
    await api.post(METHOD, content=b'{"Cases": [')
    await api.post(METHOD, json=[{"CaseID": 1}] * 1001)
    await api.post(METHOD, json={"Cases": []})
    await api.post(METHOD, json={"CaseID": 7}, headers={"X-Claim-Id": "nonsense"})
    await api.post("AddCaseNote", content=b"{")  # which is no report
    await api.http.post(f"{api.base}/{METHOD}", json={"CaseID": 7})  # of nobody
    kept = await kept_by(office, 4)
    codes = ["MalformedDocument", "TooManyItems", "InvalidParameter", "InvalidParameter"]
    assert [row.refusal.code for row in kept[::-1]] == codes
    assert {(row.refusal.case_id, row.refusal.value) for row in kept} == {(None, "")}
    assert sum(grown(before, await counted(api.http, office)).values()) == 4


async def test_a_repeat_with_its_idempotency_key_counts_once(api: Api, office: Office) -> None:
    before = await counted(api.http, office)
    for _ in range(3):
        reply = await api.post(METHOD, json={"CaseID": 7, "Status": "Nope"}, headers={"Idempotency-Key": "a"})
        assert reply.status_code == 404
    await api.post(METHOD, json={"CaseID": 8, "Status": "Nope"})
    assert [row.refusal.case_id for row in await kept_by(office, 2)] == [8, 7]
    assert grown(before, await counted(api.http, office)) == {"CaseNotFound": 2}


@pytest.mark.usefixtures("same_day")
async def test_a_flood_keeps_the_last_hundred_in_few_transactions(
    api: Api, office: Office, other_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    keep = refused.keep

    async def noted(tx: Any, **rest: Any) -> None:
        await keep(tx, **rest)
        writes.append(sum(map(len, rest["refused"].last.values())))

    monkeypatch.setattr("casedial.storage.refused.keep", noted)
    other, began = Api(api.http, other_office.key), time.monotonic()
    await other.post(METHOD, json={"CaseID": 1})
    flood = [{"CaseID": number, "Disposition": "Busy tone"} for number in range(1, 1001)]
    for _ in range(10):
        await api.post(METHOD, json=flood)
    kept = await kept_by(office, 10_000)
    assert [row.refusal.case_id for row in kept] == list(range(1000, 900, -1))
    async with office.store.read() as tx:
        rows = (await tx.execute(sa.select(sa.func.count()).select_from(refused_reports))).scalar_one()
        days = (await tx.execute(sa.select(refused_days.c.reports))).scalars().all()
    assert rows == 101
    assert sorted(days) == [1, 10_000]
    assert len(await kept_by(other_office)) == 1  # which no other firm's flood takes away
    assert len(writes) <= 2 + (time.monotonic() - began) / web._PAUSE_SECONDS
    assert max(writes) <= 101


async def test_a_database_that_is_away_fails_no_request_and_loses_nothing(
    api: Api, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, left = refused.keep, [StorageUnavailable("away"), StorageUnavailable("away")]

    async def failing(tx: Any, **rest: Any) -> None:
        if left:
            raise left.pop()
        await keep(tx, **rest)

    monkeypatch.setattr("casedial.storage.refused.keep", failing)
    for number in (1, 2, 3):
        assert (await api.post(METHOD, json={"CaseID": number})).status_code == 404
    assert [row.refusal.case_id for row in await kept_by(office, 3)] == [3, 2, 1]


async def test_what_is_noted_when_a_server_stops_is_kept(http: httpx.AsyncClient, office: Office) -> None:
    api = Api(http, office.key)
    for number in (1, 2):
        await api.post(METHOD, json={"CaseID": number})
    await http._transport.app.close()  # type: ignore[attr-defined]
    assert len(await kept_by(office)) == 2


async def test_old_days_go(office: Office, store: Store) -> None:
    firm = await office.firm()
    for days_ago in (0, 30, 31, 400):
        day = NOW.date().fromordinal(NOW.date().toordinal() - days_ago)
        row = {"firm_id": firm.id, "day": day, "key_id": 1, "code": "UnknownStatus", "reports": 5}
        async with store.write() as tx:
            await tx.execute(refused_days.insert(), row)
    async with store.write() as tx:
        await refused.keep(tx, refused.Refused({}, {(firm.id, 1, "UnknownStatus"): 2}), NOW)
        found = (await tx.execute(sa.select(refused_days.c.reports).order_by(refused_days.c.day))).scalars().all()
    assert found == [5, 7]


def test_in_words() -> None:
    def words(*what: Any) -> str:
        return service.why(service.Refusal(7, *what))

    assert words("UnknownStatus", "Disposition", "Busy tone") == "'Busy tone' is not one of the firm's dispositions"
    assert words("RetiredStatus", "Disposition", "Busy") == "'Busy' is retired"
    assert words("NotToDial", "NextCall", "x") == "NextCall came without Status for a case that is not To Dial"
    found = words("InvalidParameter", "NextCall", "12/1/2026")
    assert found == "A parameter has a value that cannot be used (NextCall '12/1/2026')"
    assert words("CaseNotFound", "", "") == "The case does not exist"
