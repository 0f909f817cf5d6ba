"""Bodies are held within a bound, and not at all for who has no key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from casedial.web import bodies
from tests.conftest import Api, Office, assert_problem

NOTE = b'{"CaseID": 1, "Note": "%s"}' % (b"x" * 900)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 2500)


async def test_more_than_the_server_holds_is_refused_for_a_while(api: Api, office: Office) -> None:
    await office.add(1)
    others = [slow() for _ in range(2)]
    asked = [asyncio.create_task(api.post("AddCaseNote", content=other.send())) for other in others]
    await asyncio.gather(*(other.begun.wait() for other in others))
    refused = await api.post("AddCaseNote", content=NOTE)
    assert_problem(refused, 503, "TooBusy")
    assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")  # the rest is not read
    assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200  # which has no body
    for other in others:
        other.go_on.set()
    assert {reply.status_code for reply in await asyncio.gather(*asked)} == {200}
    for _ in range(5):  # nothing is held any more, of those that were refused either
        assert (await api.post("AddCaseNote", content=NOTE)).status_code == 200
        assert (await api.post("AddCaseNote", content=NOTE + b"}")).status_code == 400


async def test_a_body_without_a_key_counts_for_nothing(api: Api, office: Office) -> None:
    stranger = Api(api.http, office.key[:-1] + "x")
    refused = await stranger.post("AddCaseNote", content=b"x" * 100_000)
    assert_problem(refused, 401, "KeyMistyped")


class slow:
    """A body that ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def send(self) -> AsyncIterator[bytes]:
        yield NOTE[:-1]
        self.begun.set()
        await self.go_on.wait()
        yield NOTE[-1:]
