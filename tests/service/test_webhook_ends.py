"""Webhooks: secrets that are rolled, who is forgotten, what was purged, laid aside, removed or cannot be read."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from standardwebhooks import Webhook as Independent
from standardwebhooks.webhooks import WebhookVerificationError

from casedial.clock import MovableClock
from casedial.domain.audit import AuditFilter
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import InvalidSetting, WebhookNotFound
from casedial.domain.feed import Cursor
from casedial.service.operations import audit, forgetting, webhook_work, webhooks
from casedial.service.operations.doctor import examine
from casedial.service.operations.feed import Feed
from casedial.service.operations.forgetting import ReplyForm
from casedial.service.operations.retention import purge
from casedial.service.webhooks import put_in_line
from casedial.storage import webhooks as stored
from casedial.wire.posting import Poster
from casedial.wire.webhooks import event_body, trial_body
from tests.conftest import ME, Office
from tests.endpoints import Endpoint, status
from tests.service.test_webhooks import DAY, add, fill, how_it_stands, listed, note, quickly, serving, texts, tried
from tests.waiting import PATIENCE, until
from tests.wire.test_posting import HERE

__all__ = ["quickly"]  # a fixture


async def test_both_secrets_sign_for_the_overlap(office: Office, clock: MovableClock) -> None:
    await office.add(1)
    async with Endpoint() as endpoint:
        old = await add(office, endpoint.url)
        new = await webhooks.roll(office.store, ME, old.webhook.id, timedelta(seconds=60))
        assert new.secret != old.secret
        async with serving(office.store):
            await note(office, 1)
            await endpoint.until(1)
            clock.move(timedelta(seconds=61))
            await note(office, 1)
            await endpoint.until(2)
    first, second = endpoint.received
    for secret in (old.secret, new.secret):
        Independent(secret).verify(first.body, first.headers)
    Independent(new.secret).verify(second.body, second.headers)
    with pytest.raises(WebhookVerificationError):
        Independent(old.secret).verify(second.body, second.headers)
    await webhooks.roll(office.store, ME, old.webhook.id, timedelta(0))
    assert len((await listed(office))[0][0].secrets) == 1


async def test_a_test_message(office: Office) -> None:
    async with Endpoint() as endpoint:
        new = await add(office, endpoint.url)
        post = Poster(HERE)
        _, answer = await webhooks.try_out(office.store, ME, new.webhook.id, post, trial_body)
        assert answer.is_taken
        verified = Independent(new.secret).verify(endpoint.received[0].body, endpoint.received[0].headers)
        assert verified["type"] == "webhook.test"
        _, inside = await webhooks.try_out(office.store, ME, new.webhook.id, Poster(), trial_body)
        assert "inside the network" in inside.told
    with pytest.raises(WebhookNotFound):
        await webhooks.try_out(office.store, ME, new.webhook.id, post, trial_body, firm_id=99)


async def test_who_is_forgotten_is_not_told_of(office: Office) -> None:
    async with Endpoint(status(500)) as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 3), 2)
        async with serving(office.store) as at:
            await tried(at, 2)
        assert (await listed(office))[0][1].waiting == 4
        form = ReplyForm(lambda case_id: [b"no such mark"], lambda body, case_ids: body)
        await forgetting.forget(office.store, ME, office.name, CaseFilter(case_ids=(1,)), False, form, do=True)
        assert (await listed(office))[0][1].waiting == 2


async def test_a_page_that_was_read_before_somebody_is_forgotten(office: Office) -> None:
    """Nothing of it is put in line afterwards."""
    new = await add(office, "https://firm.example/")
    await fill(office, range(1, 3), 1)
    feed = Feed(office.store)
    async with asyncio.timeout(PATIENCE):
        page = await feed.read(new.webhook.firm_id, await start(office, new.webhook.id), 100)
        while len(page.events) < 2:
            page = await feed.read(new.webhook.firm_id, await start(office, new.webhook.id), 100)
    form = ReplyForm(lambda case_id: [b"no such mark"], lambda body, case_ids: body)
    await forgetting.forget(office.store, ME, office.name, CaseFilter(case_ids=(1,)), False, form, do=True)
    [(webhook, _)] = await listed(office)
    async with office.store.write() as tx:
        await put_in_line(tx, webhook, page, event_body)
    async with office.store.read() as tx:
        waiting = await stored.due(tx, webhook.id, await tx.clock(), 10)
    assert [one.queued.case_id for one in waiting] == [2]


async def start(office: Office, webhook_id: int) -> Cursor:
    async with office.store.read() as tx:
        found = await stored.find(tx, webhook_id)
    assert found
    return Cursor.read(found.cursor)


async def test_what_was_purged_is_passed_and_told(office: Office, clock: MovableClock) -> None:
    new = await add(office, "https://firm.example/")
    await fill(office, range(1, 2), 2)
    clock.move(timedelta(days=10))
    await purge(office.store, ME, office.name, timedelta(days=2), do=True)
    async with Endpoint() as endpoint:
        async with office.store.write() as tx:
            await stored.change(tx, new.webhook.id, {"url": endpoint.url})
        async with serving(office.store):
            await note(office, 1, "left")
            await endpoint.until(1)
    assert texts(endpoint) == {1: ["left"]}
    assert "were purged" in (await listed(office))[0][0].error


async def test_what_was_laid_aside_goes_after_a_month_or_with_the_firms_own(
    office: Office, clock: MovableClock
) -> None:
    async with Endpoint(status(500)) as endpoint:
        await add(office, endpoint.url)
        await fill(office, range(1, 3), 1)
        async with serving(office.store) as at:
            await tried(at, 2)
            clock.move(DAY)

            async def are_laid_aside() -> bool:
                return (await how_it_stands(office)).dead == 2

            await until(are_laid_aside)
        assert await webhook_work.forget(office.store, office.store.now()) == 0
        await office.set(retention_days=7)
        clock.move(timedelta(days=7))
        assert await webhook_work.forget(office.store, office.store.now()) == 2


async def test_what_cannot_be_added(office: Office) -> None:
    for url, kinds in (("http://", ()), ("https://firm.example/", ("case.invented",))):
        with pytest.raises(InvalidSetting):
            await add(office, url, *kinds)
    for _ in range(20):
        await add(office, "https://firm.example/")
    with pytest.raises(InvalidSetting, match="at most 20"):
        await add(office, "https://firm.example/")
    with pytest.raises(InvalidSetting, match="0 to 30 days"):
        await webhooks.roll(office.store, ME, 1, timedelta(days=31))
    found = (await audit.newest(office.store, ME, office.name, AuditFilter(action="webhook"), None, 50)).entries
    assert len(found) == 20
    assert "whsec_" not in repr(found)


async def test_one_that_cannot_be_read_holds_up_nobody(office: Office) -> None:
    await office.add(1)
    async with Endpoint() as endpoint:
        broken, _ = await add(office, endpoint.url), await add(office, endpoint.url)
        async with office.store.write() as tx:
            await stored.change(tx, broken.webhook.id, {"kinds": 5})
        await note(office, 1)
        async with serving(office.store) as at:
            await endpoint.until(1)
        assert {(one.what, one.id) for one in at.worker.damages} == {("webhook", str(broken.webhook.id))}
    assert (await webhooks.every(office.store, ME)).unreadable == [broken.webhook.id]
    [finding] = [one for one in await examine(office.store, ME) if one.check == "webhooks"]
    assert finding.found == f"Webhook {broken.webhook.id} cannot be read."


async def test_a_removed_one_gets_nothing(office: Office) -> None:
    async with Endpoint(status(500)) as endpoint:
        new = await add(office, endpoint.url)
        await fill(office, range(1, 3), 2)
        async with serving(office.store):
            await endpoint.until(2)
            await webhooks.remove(office.store, ME, new.webhook.id)
            await asyncio.sleep(0.1)
            assert await listed(office) == []
