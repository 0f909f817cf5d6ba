"""The newest entries of the audit that fit a filter: found within bounds, and all of them in the end."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from casedial.domain.actors import operator
from casedial.domain.audit import AuditFilter, Entry, KeptEntry
from casedial.service.operations import audit as operations
from casedial.storage import audit
from tests.conftest import ME, Office

START = datetime(2026, 3, 1, tzinfo=UTC)
FILTERS = (
    AuditFilter(),
    AuditFilter(by="Ana"),
    AuditFilter(by="nobody"),
    AuditFilter(action="key"),
    AuditFilter(action="case", by="Ben"),
    AuditFilter(since=START + timedelta(hours=100)),
    AuditFilter(until=START + timedelta(hours=100)),
    AuditFilter(since=START + timedelta(hours=40), until=START + timedelta(hours=41, minutes=30), by="Ben"),
    AuditFilter(since=START + timedelta(days=900)),
    AuditFilter(until=START - timedelta(days=1)),
)


@pytest.fixture
async def chain(office: Office, other_office: Office) -> Office:
    """A chain of 300 entries between those of another firm, whose times are a little astray."""
    chance = random.Random(7)
    firms = [(await office.firm()).id, (await other_office.firm()).id]
    async with office.store.write() as tx:
        for number in range(400):
            at = START + timedelta(minutes=30 * number + chance.randrange(-20, 20))
            action = "key.roll" if number % 90 == 1 else "case.view"
            entry = Entry(at, operator("Ana" if number % 50 == 3 else "Ben"), action, f"case {number}")
            await audit.add(tx, firms[number % 4 == 0], entry)
    return office


async def every_page(office: Office, wanted: AuditFilter, limit: int) -> list[KeptEntry]:
    found: list[KeptEntry] = []
    before: int | None = None
    for _ in range(400):
        page = await operations.newest(office.store, ME, office.name, wanted, before, limit)
        assert len(page.entries) <= limit
        found += page.entries
        if not page.more:
            return found
        assert page.looked is not None
        assert before is None or page.looked < before
        before = page.looked
    raise AssertionError("it goes on and on")


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
async def test_all_are_found_in_the_end(chain: Office, monkeypatch: pytest.MonkeyPatch, wanted: AuditFilter) -> None:
    slowly = (await operations.entries(chain.store, ME, chain.name, wanted, 0, 10_000)).entries[::-1]
    for bound in (1, 40, 10_000):
        monkeypatch.setattr(audit, "LOOKED_THROUGH", bound)
        assert await every_page(chain, wanted, 7) == slowly


async def test_no_page_reads_all(chain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LOOKED_THROUGH", 40)
    page = await operations.newest(chain.store, ME, chain.name, AuditFilter(by="nobody"), None, 50)
    assert (page.entries, page.more) == ([], True)
    whole = (await operations.entries(chain.store, ME, chain.name, AuditFilter(), 0, 10_000)).entries
    assert sum(one.id >= (page.looked or 0) for one in whole) == 40
