"""What /metrics says of webhooks."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from casedial.domain.webhooks import Queued
from casedial.service.operations import webhooks
from casedial.service.operations.feed import Feed
from casedial.storage import webhooks as stored
from casedial.web import probes
from casedial.web.observe import note_delivery
from tests.conftest import ME, Office
from tests.waiting import PATIENCE


async def test_the_oldest_undelivered_and_what_came_of_tries(
    http: httpx.AsyncClient, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "COUNT_SECONDS", PATIENCE)
    firm, new = await webhooks.add(
        office.store, ME, Feed(office.store), office.name, "https://firm.example/secret-path"
    )
    messages = [
        Queued(uuid4(), "case.noted", case_id, office.store.now() - timedelta(hours=case_id), "{}")
        for case_id in (1, 2, 3)
    ]
    async with office.store.write() as tx:
        await stored.put_in_line(tx, new.webhook, messages, await tx.clock() - timedelta(days=2))
        await stored.put_in_line(tx, new.webhook, messages[:1], await tx.clock())
        await stored.lay_aside(tx, new.webhook.id, await tx.clock() - timedelta(days=1), await tx.clock())
    note_delivery(new.webhook, "failed")
    text = (await http.get("/metrics")).text
    labels = f'{{firm="{firm.id}",webhook="{new.webhook.id}"}}'
    found = dict(re.findall(r"^casedial_webhook_(\w+)" + re.escape(labels) + r" (\S+)$", text, re.MULTILINE))
    assert float(found["waiting"]) == 1
    assert float(found["dead"]) == 3
    assert 3600 <= float(found["oldest_undelivered_seconds"]) < 3660
    tries = f'casedial_webhook_deliveries_total{{firm="{firm.id}",outcome="failed",webhook="{new.webhook.id}"}}'
    assert tries in text
    assert "secret-path" not in text
