"""Webhooks: a secret that is shown once, a test at once, and those of another firm are not there."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from standardwebhooks import Webhook as Independent

from casedial.console.webhooks import KINDS
from casedial.domain.feed import EventKind
from casedial.domain.users import UserRole
from casedial.domain.webhooks import Answer, Queued, Webhook
from casedial.service.operations import webhooks
from casedial.service.operations.feed import Feed
from casedial.service.webhooks import record
from casedial.storage import webhooks as stored
from tests.conftest import ME, NOW, Office
from tests.console.conftest import FIRM, OTHER_FIRM, Doors
from tests.endpoints import Endpoint

HERE = f"/{FIRM}/webhooks"
URL = "https://firm.example/hook?token=a%20b"
_SECRET = re.compile(r'id="secret">(whsec_[0-9A-Za-z+/=]+)<')


async def every(office: Office) -> list[Webhook]:
    return [one.webhook for one in (await webhooks.every(office.store, ME, office.name)).webhooks]


def test_every_type_can_be_chosen() -> None:
    assert set(KINDS) == set(EventKind)


async def test_one_is_added_and_its_secret_is_shown_once(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    assert "None of your systems is told yet" in (await tab.get(HERE)).text
    made = await tab.post(f"{HERE}/add", url=URL, **{"event-case.noted": "yes", "event-case.updated": "yes"})
    assert made.status_code == 200
    shown = _SECRET.search(made.text)
    assert shown
    [webhook] = await every(office)
    assert (webhook.url, webhook.kinds) == (URL, {"case.noted", "case.updated"})
    for page in (HERE, f"{HERE}/{webhook.id}"):
        text = (await tab.get(page)).text
        assert "token=a%20b" in text
        assert "case.noted, case.updated" in text
        assert "whsec_" not in text
    wrong = await tab.post(f"{HERE}/add", url="ftp://firm.example/")
    assert wrong.status_code == 422
    assert "The URL must be https://" in wrong.text
    assert 'value="ftp://firm.example/"' in wrong.text


async def test_a_test_tells_what_came_of_it(doors: Doors) -> None:
    """Inside addresses are refused here, too: a page is no way around the setting."""
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    async with Endpoint() as endpoint:
        _, new = await webhooks.add(office.store, ME, Feed(office.store), office.name, endpoint.url)
        tested = await tab.post(f"{HERE}/{new.webhook.id}/test")
        assert tested.status_code == 303
        said = (await tab.get(f"{HERE}/{new.webhook.id}")).text
        assert "The test message is not delivered" in said
        assert "an address inside the network" in said
        assert endpoint.received == []


async def test_it_is_rolled_replayed_and_removed(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    await office.add(7)
    _, new = await webhooks.add(office.store, ME, Feed(office.store), office.name, URL)
    path = f"{HERE}/{new.webhook.id}"
    wrong = await tab.post(f"{path}/roll", overlap="soon")
    assert wrong.status_code == 422
    assert "is not a span" in wrong.text
    rolled = await tab.post(f"{path}/roll", overlap="24h")
    shown = _SECRET.search(rolled.text)
    assert shown
    assert shown[1] != new.secret
    [webhook] = await every(office)
    assert len(webhook.signing(office.store.now())) == 2
    assert "Two secrets sign until" in (await tab.get(path)).text
    assert Independent(shown[1])
    await fail(office, webhook)
    text = (await tab.get(path)).text
    assert "it answered 500" in text
    assert f"/{FIRM}/cases/7" in text
    assert "failing" in (await tab.get(HERE)).text
    replayed = await tab.post(f"{path}/replay")
    assert replayed.status_code == 303
    assert "waiting 1: all are sent now" in (await tab.get(path)).text
    assert (await tab.post(f"{path}/remove")).status_code == 303
    assert await every(office) == []
    assert (await tab.get(path)).status_code == 404


async def fail(office: Office, webhook: Webhook) -> None:
    """Have a message of a case fail once."""
    async with office.store.write() as tx:
        await stored.put_in_line(tx, webhook, [Queued(uuid4(), "case.noted", 7, NOW, "{}")], await tx.clock())
        [delivery] = await stored.due(tx, webhook.id, await tx.clock() + timedelta(seconds=1), 10)
        await record(tx, webhook, delivery, Answer(500), 0.5)


@pytest.mark.parametrize("what", ["test", "roll", "replay", "remove"])
async def test_another_firms_is_not_there(doors: Doors, other_office: Office, what: str) -> None:
    _, theirs = await webhooks.add(other_office.store, ME, Feed(other_office.store), other_office.name, URL)
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    reply = await tab.post(f"{HERE}/{theirs.webhook.id}/{what}", overlap="0")
    assert reply.status_code == 404
    assert (await tab.get(f"{HERE}/{theirs.webhook.id}")).status_code == 404
    assert (await tab.get(f"/{OTHER_FIRM}/webhooks/{theirs.webhook.id}")).status_code == 404
    assert len(await every(other_office)) == 1
    assert (await every(other_office))[0].secrets == theirs.webhook.secrets


async def test_a_manager_gets_nowhere(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    assert (await tab.get(HERE)).status_code == 403
    assert "Webhooks" not in (await tab.get(f"/{FIRM}/")).text
