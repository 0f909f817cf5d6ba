"""Webhooks: add, list, show, test, roll, replay, remove."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.destinations import read_destination
from casedial.domain.errors import StorageUnavailable
from casedial.domain.feed import Cursor
from casedial.domain.firms import Firm
from casedial.domain.webhooks import Answer, Delivery, Post, Webhook, headers, message_id
from casedial.service import webhooks as steps
from casedial.service.audit import note
from casedial.service.operations.feed import Feed
from casedial.service.operations.opening import change_firm, read_firm
from casedial.service.webhooks import NewSecret, Webhooks, listed
from casedial.storage import webhooks

_WAIT_SECONDS, _LOOK_SECONDS = 2.0, 0.02  # for those who write

Test = Callable[[Webhook, datetime], str]  # makes the body of a message that tells of nothing


async def add(
    store: Store, actor: Actor, feed: Feed, firm_name: str, url: str, kinds: Collection[str] | None = None
) -> tuple[Firm, NewSecret]:
    """Add an endpoint, which gets what happens from now on, or events of some types; return it with its secret.

    Raises FirmNotFound, InvalidSetting and StorageUnavailable.
    """
    opened = await read_firm(store, firm_name, _itself)
    cursor = await _from_now_on(store, feed, opened.id)

    async def work(tx: Transaction, firm: Firm) -> tuple[Firm, NewSecret]:
        new = await steps.add(tx, firm, url, kinds, cursor, tx.now())
        await note(tx, actor, firm.id, "webhook.add", _subject(new.webhook), None, _told(new.webhook))
        return firm, new

    return await change_firm(store, firm_name, work)


async def _from_now_on(store: Store, feed: Feed, firm_id: int) -> Cursor:
    """Return the cursor behind all that was there when this was called; those who wrote then have to end."""
    async with store.read() as tx:
        last = await tx.dialect.last_in_line(tx)
    loop = asyncio.get_running_loop()
    until = loop.time() + _WAIT_SECONDS
    while (cursor := await feed.newest(firm_id)).place.key < last:
        if loop.time() > until:
            raise StorageUnavailable("Somebody has been writing for a while; nothing was added. Try again.")
        await asyncio.sleep(_LOOK_SECONDS)
    return cursor


async def _itself(tx: Transaction, firm: Firm) -> Firm:
    return firm


def _subject(webhook: Webhook) -> str:
    """Return what the audit calls an endpoint: without the path of its URL, which may be a secret, too."""
    return f"webhook {webhook.id} to {read_destination(webhook.url).authority}"


def _told(webhook: Webhook) -> dict[str, object]:
    return {"events": None if webhook.kinds is None else sorted(webhook.kinds)}


async def every(store: Store, actor: Actor, firm_name: str | None = None) -> Webhooks:
    """Return all endpoints, or those of one firm. Raises FirmNotFound."""
    if firm_name:
        return await read_firm(store, firm_name, lambda tx, firm: listed(tx, firm.id))
    async with store.read() as tx:
        return await listed(tx)


async def failures(store: Store, actor: Actor, webhook_id: int) -> list[Delivery]:
    """Return the messages whose last try failed, the latest first, at most twenty."""
    async with store.read() as tx:
        return await webhooks.failures(tx, webhook_id)


async def try_out(
    store: Store, actor: Actor, webhook_id: int, post: Post, body: Test, firm_id: int | None = None
) -> tuple[Webhook, Answer]:
    """Send an endpoint a message that tells of nothing, now; return what came of it.

    Raises WebhookNotFound, here and below where it is not of the firm.
    """

    async def prepare(tx: Transaction) -> Webhook:
        webhook = await steps.open_webhook(tx, webhook_id, firm_id)
        await note(tx, actor, webhook.firm_id, "webhook.test", _subject(webhook))
        return webhook

    webhook, now = await store.transact(prepare), store.now()
    sent = body(webhook, now).encode()
    return webhook, await post(webhook.url, headers(webhook.signing(now), message_id(uuid4()), now, sent), sent)


async def roll(
    store: Store, actor: Actor, webhook_id: int, overlap: timedelta, firm_id: int | None = None
) -> NewSecret:
    """Make a new secret; the one before it signs for the overlap, too. Raises WebhookNotFound and InvalidSetting."""

    async def work(tx: Transaction) -> NewSecret:
        webhook = await steps.open_webhook(tx, webhook_id, firm_id)
        new = await steps.roll(tx, webhook, overlap, tx.now())
        until = {"old_until": new.old_until.isoformat() if new.old_until else None}
        await note(tx, actor, webhook.firm_id, "webhook.roll", _subject(webhook), None, until)
        return new

    return await store.transact(work)


@dataclass(frozen=True, slots=True)
class Replayed:
    """An endpoint as it was, and how many messages are tried again: that were laid aside, and that waited."""

    webhook: Webhook
    dead: int
    waiting: int


async def replay(store: Store, actor: Actor, webhook_id: int, firm_id: int | None = None) -> Replayed:
    """Try at once all that was laid aside and all that waits; an endpoint that was disabled is enabled again.

    Raises WebhookNotFound.
    """

    async def work(tx: Transaction) -> Replayed:
        webhook = await steps.open_webhook(tx, webhook_id, firm_id)
        dead, waiting = await webhooks.replay(tx, webhook.id, await tx.clock())
        await webhooks.change(tx, webhook.id, {"disabled_at": None, "failing_since": None})
        told = {"dead": dead, "waiting": waiting, "was_disabled": webhook.disabled_at is not None}
        await note(tx, actor, webhook.firm_id, "webhook.replay", _subject(webhook), None, told)
        return Replayed(webhook, dead, waiting)

    return await store.transact(work)


async def remove(store: Store, actor: Actor, webhook_id: int, firm_id: int | None = None) -> Webhook:
    """Remove an endpoint, with all that it does not have. Raises WebhookNotFound."""

    async def work(tx: Transaction) -> Webhook:
        webhook = await steps.open_webhook(tx, webhook_id, firm_id)
        await webhooks.remove(tx, webhook.id)
        await note(tx, actor, webhook.firm_id, "webhook.remove", _subject(webhook), _told(webhook))
        return webhook

    return await store.transact(work)
