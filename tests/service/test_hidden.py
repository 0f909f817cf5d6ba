"""No number of cases that cannot be handed out hides those behind: some thousands of each kind at a list's head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from casedial.domain.calling import Listing
from casedial.domain.cases import Case, Phone
from casedial.domain.dialing import DialQuery
from casedial.domain.limits import Call
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role, StatusType
from casedial.service import claiming, dialing, do_not_call, judging, preflights
from casedial.service.firms import open_firm
from casedial.service.operations import holding_back
from casedial.storage import calls, cases, firms, health, queues
from tests.conftest import NOW, Office
from tests.service.test_calling import CAMPAIGN, MORNING, caller, decide, held_back, ids

MANY, GOOD = 3399, 20
ANOTHER = "Notification campaign"


@dataclass(frozen=True)
class Head:
    """What stands at the head of a list: a phone of each, with its CaseID in it, and what holds them back."""

    number: str
    reason: str
    zip_code: str = "10001"
    name: str = "Cell"
    listed: Callable[[int], dict[str, Any]] | None = None
    facts: tuple[tuple[str, Any], ...] = ()


HEADS = {
    "seven digits": Head("555{:04}", "no phone"),
    "rounded": Head("4.02{:04}E+09", "no phone"),
    "placeholder": Head("0000000000", "no phone"),
    "unclear": Head("212555{:04}/60", "no phone"),
    "none": Head("", "no phone"),
    "fax": Head("212555{:04}", "no phone", name="Fax"),
    "abroad": Head("+65 9234 {:04}", "abroad"),
    "listed number": Head("212666{:04}", "do not call", listed=lambda n: {"number": f"212666{n:04}"}),
    "listed case": Head("212666{:04}", "do not call", listed=lambda n: {"case_id": n}),
    "closed": Head("213555{:04}", "hours", zip_code="90012"),
    "urgent": Head("555{:04}", "no phone", facts=(("priority", 1),)),
}


async def fill(office: Office, made: Sequence[Case]) -> None:
    firm = await office.firm()
    named = [(StatusType.DIALER, "To Dial"), (StatusType.CAMPAIGN, CAMPAIGN)]
    statuses = {kind: firm.statuses.named(kind, name) for kind, name in named}
    async with office.store.write() as tx:
        await cases.add(tx, firm, [replace(case, statuses=case.statuses or statuses) for case in made])
        await firms.add_priorities(tx, firm, {case.priority for case in made})


def made(number: str, first: int, count: int, at: datetime, name: str = "Cell", **facts: Any) -> list[Case]:
    every = range(first, first + count)
    return [Case(n, phones=(Phone(name, number.format(n), True),), dial_at=at, **facts) for n in every]


async def with_head(office: Office, head: Head) -> None:
    bad = made(head.number, 1, MANY, NOW - timedelta(days=9), head.name, zip_code=head.zip_code, **dict(head.facts))
    good = made("212777{:04}", 5001, GOOD, NOW - timedelta(days=1), zip_code="10001")
    await fill(office, [*bad, *good])
    if head.listed:
        listings = [Listing(date(2026, 11, 1), "letter", **head.listed(case.case_id)) for case in bad]
        async with office.store.write() as tx:
            await do_not_call.add(tx, await open_firm(tx, office.name, lock=True), listings)


async def claim(office: Office, records: int, auto_change: bool = True, campaign: str | None = CAMPAIGN) -> list[int]:
    who, query = await caller(office), DialQuery(campaign, None, records, auto_change)
    async with office.store.write() as tx:
        found, _ = await dialing.get_cases_to_dial(tx, who, query, MORNING)
    await holding_back.hold_back_met(office.store, MORNING)  # as a server does
    return ids(found)


@pytest.mark.parametrize("kind", HEADS)
async def test_what_cannot_be_handed_out_hides_nothing(office: Office, kind: str) -> None:
    """The read, the claim, the explanation, the counts and the gauges agree."""
    head = HEADS[kind]
    await decide(office, purpose=Purpose.CLIENT)
    await with_head(office, head)
    good = list(range(5001, 5001 + GOOD))
    assert await claim(office, GOOD, auto_change=False) == good
    firm = await office.firm()
    async with office.store.read() as tx:
        verdict = await judging.explain(tx, firm, await office.case(1), MORNING)
        counted = await preflights.preflight(tx, firm, None, MORNING)
        campaign = firm.statuses.named(StatusType.CAMPAIGN, CAMPAIGN)
        waiting = await preflights.neglected(tx, firm, campaign, MORNING + timedelta(hours=2), timedelta(hours=1))
        [gauge] = await health.dial_lists(tx, MORNING)
    assert not verdict.callable
    assert (counted.due, counted.callable, counted.held_back[head.reason]) == (MANY + GOOD, GOOD, MANY)
    assert waiting == GOOD or kind == "closed"
    assert gauge.due == MANY + GOOD
    if head.reason in ("no phone", "abroad"):
        assert (gauge.callable, gauge.oldest) == (GOOD, NOW - timedelta(days=1))
    assert await claim(office, 5) == good[:5]
    assert len(await held_back(office)) == MANY
    assert await claim(office, GOOD) == good[5:]
    assert await office.role(1) is Role.TO_DIAL


async def test_one_number_on_thousands_of_cases(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await with_head(office, Head("2125550100", "in use"))
    assert await claim(office, 1) == [1]
    assert await claim(office, 5) == list(range(5001, 5006))  # the others wait for the call of the first
    assert await claim(office, GOOD) == list(range(5006, 5001 + GOOD))


async def test_a_reply_is_filled_from_behind_a_number_on_many_cases(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await fill(office, made("2125550100", 1, 1500, NOW - timedelta(days=9), zip_code="10001"))
    await fill(office, made("212777{:04}", 5001, GOOD, NOW - timedelta(days=1), zip_code="10001"))
    assert await claim(office, 10) == [1, *range(5001, 5010)]
    assert len(await held_back(office)) > 700  # the next claim does not meet those


async def test_a_number_that_was_called_often_enough_on_thousands_of_cases(office: Office) -> None:
    await decide(office, purpose=Purpose.CLIENT)
    await with_head(office, Head("2125550100", "how often"))
    firm = await office.firm()
    async with office.store.write() as tx:
        await calls.add(tx, firm.id, [Call("2125550100", 9999, MORNING - timedelta(minutes=1))])
    assert await claim(office, GOOD) == list(range(5001, 5001 + GOOD))


async def test_a_paused_campaign_hides_no_other(office: Office) -> None:
    await decide(office, paused=True)
    await fill(office, made("212555{:04}", 1, MANY, NOW - timedelta(days=9), zip_code="10001"))
    firm = await office.firm()
    named = [(StatusType.DIALER, "To Dial"), (StatusType.CAMPAIGN, ANOTHER)]
    statuses = {kind: firm.statuses.named(kind, name) for kind, name in named}
    await fill(office, made("212777{:04}", 5001, GOOD, NOW - timedelta(days=1), statuses=statuses))
    assert await claim(office, GOOD, campaign=None) == list(range(5001, 5001 + GOOD))


async def test_more_than_one_claim_looks_at_are_behind_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "_MOST", 1000)
    await decide(office, purpose=Purpose.CLIENT)
    await with_head(office, HEADS["abroad"])
    found = [await claim(office, GOOD) for _ in range(4)]
    assert [len(one) for one in found if one] == [GOOD]


@pytest.mark.parametrize("database", ["postgresql"])  # SQLite has one writer
async def test_a_number_that_another_claim_is_about_to_hand_out_is_asked_for_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not case by case: each would be five statements."""
    await decide(office, purpose=Purpose.CLIENT)
    await with_head(office, Head("2125550100", "in use"))
    asked = 0
    lock = queues.lock_first

    async def counting(*arguments: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        return await lock(*arguments, **more)

    monkeypatch.setattr(queues, "lock_first", counting)
    who, query = await caller(office), DialQuery(CAMPAIGN, None, 1, True)
    async with office.store.write() as one, office.store.write() as two:
        assert ids((await dialing.get_cases_to_dial(one, who, query, MORNING))[0]) == [1]
        asked = 0
        assert ids((await dialing.get_cases_to_dial(two, who, query, MORNING))[0]) == [5001]
    assert asked <= 5


async def test_a_look_past_thousands_takes_larger_and_larger_pages(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all of them are within their hours: what counts is how many could be handed out."""
    await decide(office, purpose=Purpose.CLIENT)
    await with_head(office, Head("2125550100", "in use"))
    assert await claim(office, 1) == [1]
    pages, look = 0, queues.look

    async def counting(*arguments: Any) -> Any:
        nonlocal pages
        pages += 1
        return await look(*arguments)

    monkeypatch.setattr(queues, "look", counting)
    assert await claim(office, 5, auto_change=False) == list(range(5001, 5006))
    assert pages <= 8
