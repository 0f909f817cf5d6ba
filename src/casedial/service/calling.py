"""Calling rules at work: due cases that may be called now, why one may or may not, what holds the others back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from casedial.domain.calling import Rules, Verdict, evidence, judge
from casedial.domain.cases import Case, Firm, Status
from casedial.domain.claims import Claim
from casedial.domain.phones import match_key
from casedial.domain.places import Place
from casedial.places import of_phone
from casedial.rules import load
from casedial.service import do_not_call
from casedial.storage import campaigns, claims, firms
from casedial.storage import rules as stored
from casedial.storage.claims import DueFilter
from casedial.storage.engine import Store, Transaction

_AT_ONCE = 200  # cases that are read and judged together
_MOST = 2000  # that one request looks at: a server's upkeep goes on
_SWEPT = 500
_PAGE = 2000
_LOOK_AGAIN = timedelta(hours=1)  # at the latest, where no instant is known

Judged = tuple[Case, Verdict]


def _place_of(zip_code: str, number: str) -> Place:
    return of_phone(zip_code, match_key(number) or "")


async def rules_now(tx: Transaction, now: datetime) -> Rules:
    """Return the rules and the bans that are in force; a new ban counts from its commit on."""
    return Rules(load(), _place_of, await stored.bans_now(tx, now))


async def _rules_for(tx: Transaction, firm: Firm, found: Sequence[Case], rules: Rules) -> Rules:
    """Return the rules with what the firm's do-not-call list says of these cases."""
    return replace(rules, do_not_call=await do_not_call.concerning(tx, firm, found)) if firm.has_do_not_call else rules


def are_applied(firm: Firm, wanted: DueFilter) -> bool:
    """Tell whether due cases may be held back: without rules and pauses the plain specification stands."""
    asked = firm.campaigns.keys() if wanted.campaign_ids is None else wanted.campaign_ids
    return firm.has_do_not_call or any(firm.campaign(campaign_id).is_judged for campaign_id in asked)


async def list_callable(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases that may be called, oldest first, each with the phones that may."""
    found, _ = await _look(tx, firm, wanted, now, lock=False)
    return [_as_handed_out(*judged) for judged in found]


async def claim_callable(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, vendor: str, key_id: int | None
) -> tuple[list[Case], Claim | None]:
    """Claim due cases that may be called; return them as they were, each with the phones that may.

    Cases at the head of the list that may not are held back until they may: the next claim does not meet them.
    """
    found, others = await _look(tx, firm, wanted, now, lock=True)
    await _hold_back(tx, firm, others, now)
    let_through = {str(case.case_id): kept for case, verdict in found if (kept := evidence(verdict))}
    opened = await claims.take(tx, firm, [case for case, _ in found], now, vendor, key_id, let_through or None)
    return [_as_handed_out(*judged) for judged in found], opened


def _as_handed_out(case: Case, verdict: Verdict) -> Case:
    return replace(case, phones=verdict.allowed)


async def _look(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, lock: bool
) -> tuple[list[Judged], list[Judged]]:
    """Go through due cases in order until enough may be called; return these, and the others met on the way."""
    rules = await rules_now(tx, now)
    found: list[Judged] = []
    others: list[Judged] = []
    page = replace(wanted, records=max(_AT_ONCE, wanted.records))
    while len(found) < wanted.records and len(found) + len(others) < _MOST:
        due = await claims.due(tx, firm, page, now, lock)
        these = await _rules_for(tx, firm, due, rules)
        for case in due:
            verdict = judge(firm, case, now, these)
            if not verdict.callable:
                others.append((case, verdict))
            elif len(found) < wanted.records:
                found.append((case, verdict))
        if len(due) < page.records:
            break
        page = replace(page, after=due[-1])
    return found, others


async def _hold_back(tx: Transaction, firm: Firm, others: Sequence[Judged], now: datetime) -> None:
    until = {case.case_id: verdict.next_at or now + _LOOK_AGAIN for case, verdict in others}
    await stored.hold_back(tx, firm, until)


async def look_again(store: Store, firm_id: int | None = None, campaign_id: int | None = None) -> None:
    """Let go what was held back, of one campaign, of one firm, or all: something was decided anew.

    Whatever is not let go, should this be cut off, is looked at again at its own time.
    """
    while await store.transact(lambda tx: stored.let_go(tx, None, _PAGE, firm_id, campaign_id)):
        pass


async def sweep(tx: Transaction, now: datetime) -> int:
    """Hold back cases at the head of each list that may not be called; return 0 when every head is mostly callable.

    So a list of which most is closed, in the evening, say, costs a claim no more than any other.
    """
    rules = await rules_now(tx, now)
    held = 0
    for firm_id, campaign_id in await campaigns.judged(tx):
        firm = (await firms.load(tx, firm_id))[1]
        due = await claims.due(tx, firm, DueFilter((campaign_id,), None, _SWEPT), now, lock=True)
        these = await _rules_for(tx, firm, due, rules)
        others = [(case, verdict) for case in due if not (verdict := judge(firm, case, now, these)).callable]
        await _hold_back(tx, firm, others, now)
        held += len(others) if 2 * len(others) > len(due) else 0
    return held


async def neglected(tx: Transaction, firm: Firm, campaign: Status, now: datetime, wait: timedelta) -> int:
    """Return how many cases at the head of a campaign's list may be called, and might have been for so long."""
    rules = await rules_now(tx, now)
    due = await claims.due(tx, firm, DueFilter((campaign.id,), None, _AT_ONCE), now - wait)
    these = await _rules_for(tx, firm, due, rules)
    return sum(all(judge(firm, case, at, these).callable for at in (now - wait, now)) for case in due)


async def explain(tx: Transaction, firm: Firm, case: Case, now: datetime) -> Verdict:
    """Return every check of a case in order, as a claim at this instant would make them."""
    return judge(firm, case, now, await _rules_for(tx, firm, [case], await rules_now(tx, now)))


# What may hold a due case back, by the first check that it does not pass.
HELD_BACK = ("paused", "no phone", "do not call", "hours")


@dataclass(slots=True)
class Preflight:
    """Due cases counted by what holds them back; ``by_hour`` counts those that wait by the hour in which they may."""

    due: int = 0
    callable: int = 0
    held_back: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HELD_BACK, 0))
    by_hour: dict[datetime, int] = field(default_factory=dict)

    def count(self, verdict: Verdict) -> None:
        """Count one due case."""
        self.due += 1
        if verdict.callable:
            self.callable += 1
            return
        failed = {check.name for check in verdict.checks if not check.passed}
        reasons = dict(zip(HELD_BACK, ("campaign", "phones", "do not call", "hours"), strict=True))
        self.held_back[next(reason for reason, check in reasons.items() if check in failed)] += 1
        if verdict.next_at:
            hour = verdict.next_at.replace(minute=0, second=0, microsecond=0)
            self.by_hour[hour] = self.by_hour.get(hour, 0) + 1


async def preflight(tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime) -> Preflight:
    """Count the due cases of a firm, or of some campaigns, by what holds them back now."""
    rules = await rules_now(tx, now)
    counts = Preflight()
    async for page in _waiting(tx, firm, campaign_ids, now):
        these = await _rules_for(tx, firm, page, rules)
        for case in page:
            counts.count(judge(firm, case, now, these))
    counts.by_hour = dict(sorted(counts.by_hour.items()))
    return counts


async def _waiting(
    tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime
) -> AsyncIterator[list[Case]]:
    after = 0
    while page := await stored.waiting(tx, firm, campaign_ids, now, after, _PAGE):
        yield page
        after = page[-1].case_id
