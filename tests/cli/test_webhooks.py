"""casedial webhook: add, list, test, roll, replay, remove; and what doctor says."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from standardwebhooks import Webhook as Independent

from tests.cli.test_commands import Casedial
from tests.conftest import Office
from tests.endpoints import Endpoint, status

FIRM = ("--firm", "Lex & Partners")


async def run(command: Any, *given: object, **how: Any) -> Any:
    return await asyncio.to_thread(command, *given, **how)


async def test_an_endpoint_from_the_making_to_the_end(
    casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Endpoint() as endpoint:
        new = await run(
            casedial.json,
            "webhook",
            "add",
            *FIRM,
            "--url",
            endpoint.url,
            "--event",
            "case.noted",
            "--event",
            "case.added",
        )
        assert new["events"] == ["case.added", "case.noted"]
        refused = await run(casedial.json, "webhook", "test", new["id"], status=1)
        assert (refused["delivered"], refused["status"]) == (False, None)
        assert "inside the network" in refused["told"]
        monkeypatch.setitem(casedial.environment, "CASEDIAL_WEBHOOK_NETWORKS", "127.0.0.0/8")
        tested = await run(casedial.run, "webhook", "test", new["id"])
        assert re.fullmatch(r"It is delivered: it answered 200 \(\d+\.\d{3} s\)\.\n", tested.stdout)
        received = endpoint.received[-1]
        assert Independent(new["secret"]).verify(received.body, received.headers)["type"] == "webhook.test"

        rolled = await run(casedial.run, "webhook", "roll", new["id"], "--overlap", "24h")
        secret = rolled.stdout.splitlines()[-1]
        assert secret.startswith("whsec_")
        assert secret != new["secret"]
        await run(casedial.run, "webhook", "test", new["id"])
        for one in (secret, new["secret"]):
            Independent(one).verify(endpoint.received[-1].body, endpoint.received[-1].headers)
        endpoint.answer = status(500)
        assert (
            "It is not delivered: it answered 500"
            in (await run(casedial.run, "webhook", "test", new["id"], status=1)).stdout
        )

    [row] = await run(casedial.json, "webhook", "list", *FIRM)
    assert (row["id"], row["url"], row["state"], row["waiting"]) == (new["id"], endpoint.url, "active", 0)
    listed = (await run(casedial.run, "webhook", "list")).stdout
    assert "whsec_" not in listed
    assert endpoint.url in listed
    replayed = await run(casedial.json, "webhook", "replay", new["id"])
    assert replayed == {"id": new["id"], "dead": 0, "waiting": 0, "enabled": False}
    audit = (await run(casedial.run, "audit", "list", *FIRM)).stdout
    assert "webhook.roll" in audit
    assert "whsec_" not in audit
    await run(casedial.run, "webhook", "remove", new["id"])
    gone = await run(casedial.json, "webhook", "remove", new["id"], status=1)
    assert gone["error"]["code"] == "WebhookNotFound"
    assert await run(casedial.json, "webhook", "list") == []


async def test_what_is_wrong(casedial: Casedial, office: Office) -> None:
    said = await run(casedial.json, "webhook", "add", *FIRM, "--url", "https://a:b@firm.example/", status=1)
    assert said["error"]["code"] == "InvalidSetting"
    assert "case.invented" in await run(
        casedial.wrong, "webhook", "add", *FIRM, "--url", "https://firm.example/", "--event", "case.invented"
    )
    assert (await run(casedial.json, "webhook", "roll", 9, "--overlap", "0", status=1))["error"]["code"] == (
        "WebhookNotFound"
    )
