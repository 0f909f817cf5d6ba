"""The feed over HTTP: who may read it, page by page, and how it is waited for."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from casedial.domain.keys import Scope
from tests.conftest import Api, Office
from tests.web.v1.conftest import System, key_of


@pytest.fixture
async def reader(http: httpx.AsyncClient, office: Office) -> System:
    return System(http, await key_of(office, Scope.FEED))


async def test_page_by_page(reader: System, api: Api, office: Office) -> None:
    await office.add(1)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial", "Disposition": "Busy"})
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "n"})
    found, after, more = [], {}, True
    while more:
        page = (await reader.get("changes", Limit=1, **after)).json()
        found += page["Events"]
        after, more = {"After": page["Cursor"]}, page["More"]
    assert [event["Kind"] for event in found] == ["case.claimed", "case.updated", "case.updated", "case.noted"]
    assert found[2]["After"] == {"Disposition": "Busy"}
    assert {event["CaseID"] for event in found} == {1}
    assert (await reader.get("changes", **after)).json()["Events"] == []


async def test_who_waits_gets_it_at_once(reader: System, api: Api, office: Office) -> None:
    await office.add(1)
    end = (await reader.get("changes", After="end")).json()["Cursor"]
    waiting = [asyncio.create_task(reader.get("changes", After=end, Wait=30)) for _ in range(5)]
    await asyncio.sleep(0.6)
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "n"})
    async with asyncio.timeout(15):  # at the end of the thirty it would come in any case
        pages = [reply.json() for reply in await asyncio.gather(*waiting)]
    assert {page["Events"][0]["Note"] for page in pages} == {"n"}
    assert len({page["Cursor"] for page in pages}) == 1
