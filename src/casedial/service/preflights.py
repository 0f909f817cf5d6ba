"""What holds the due cases of a campaign back, counted, and whether one is neglected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from casedial.database.engine import Transaction
from casedial.domain.calling import Verdict, judge
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Status
from casedial.service.judging import rules_for, rules_now
from casedial.storage import held_back, queues
from casedial.storage.queues import DueFilter

_MOST_TO_READ = 50_000
_HEAD = 500
_PAGE = 2000


async def neglected(tx: Transaction, firm: Firm, campaign: Status, now: datetime, wait: timedelta) -> int:
    """Return how many cases of a campaign may be called, and might have been for so long: of the first that may."""
    rules = await rules_now(tx, now)
    page = DueFilter((campaign.id,), None, _HEAD)
    for _ in range(0, _MOST_TO_READ, _HEAD):
        due = await queues.due(tx, firm, page, now - wait)
        these = await rules_for(tx, firm, due, now, rules)
        found = sum(all(judge(firm, case, at, these).callable for at in (now - wait, now)) for case in due)
        if found or len(due) < _HEAD:
            return found
        page = replace(page, after=due[-1])
    return 0


# What may hold a due case back, by the first check that it does not pass.
HELD_BACK = ("paused", "no phone", "abroad", "do not call", "in use", "how often", "hours")


_CHECKS = dict(zip(HELD_BACK, ("campaign", "phones", *HELD_BACK[2:]), strict=True))


def failed_by(verdict: Verdict) -> str:
    """Return what holds a due case back that may not be called."""
    failed = {check.name for check in verdict.checks if not check.passed}
    return next(reason for reason, check in _CHECKS.items() if check in failed)


@dataclass(slots=True)
class Preflight:
    """Due cases counted by what holds them back; ``by_hour`` counts those that wait by the hour in which they may."""

    due: int = 0
    callable: int = 0
    held_back: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HELD_BACK, 0))
    by_hour: dict[datetime, int] = field(default_factory=dict)
    without_rules: int = 0  # of the callable: in no campaign, or in one without a purpose

    def count(self, verdict: Verdict) -> None:
        """Count one due case."""
        self.due += 1
        if verdict.callable:
            self.callable += 1
            self.without_rules += verdict.purpose is Purpose.NONE
            return
        self.held_back[failed_by(verdict)] += 1
        if verdict.next_at:
            hour = verdict.next_at.replace(minute=0, second=0, microsecond=0)
            self.by_hour[hour] = self.by_hour.get(hour, 0) + 1


async def preflight(tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime) -> Preflight:
    """Count the due cases of a firm, or of some campaigns, by what holds them back now."""
    rules = await rules_now(tx, now)
    counts = Preflight()
    async for page in _waiting(tx, firm, campaign_ids, now):
        these = await rules_for(tx, firm, page, now, rules)
        for case in page:
            counts.count(judge(firm, case, now, these))
    counts.by_hour = dict(sorted(counts.by_hour.items()))
    return counts


async def _waiting(
    tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime
) -> AsyncIterator[list[Case]]:
    after = 0
    while page := await held_back.waiting(tx, firm, campaign_ids, now, after, _PAGE):
        yield page
        after = page[-1].case_id
