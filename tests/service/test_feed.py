"""The feed tells of everything once, in order, whoever writes and whoever reads."""

from __future__ import annotations

import pytest

from casedial.database.engine import Store
from casedial.domain.feed import Cursor, FeedEvent
from casedial.service.operations.feed import Feed
from tests.conftest import Api, Office


@pytest.fixture
def feed(store: Store) -> Feed:
    return Feed(store)


async def every(feed: Feed, office: Office, after: Cursor | None = None, limit: int = 1000) -> list[FeedEvent]:
    """All events there are behind a cursor."""
    firm, found = await office.firm(), []
    cursor = after or await feed.begin(firm.id)
    while True:
        page = await feed.read(firm.id, cursor, limit)
        found += page.events
        cursor = page.cursor
        if not page.more:
            return found


async def test_what_a_dialer_does(api: Api, office: Office, feed: Feed) -> None:
    await office.add(1)
    await api.post("GetCasesToDial", {"Auto-change": True})
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial", "Disposition": "Busy", "Attempts": 1})
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "n"})
    for one in await every(feed, office):
        print(one)

