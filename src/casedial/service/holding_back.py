"""What may not be called now, held back until it may."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from casedial.database.engine import Transaction
from casedial.domain.calling import Rules, Verdict, are_closed, outside_hours
from casedial.domain.cases import CasesUnreadable
from casedial.domain.firms import Firm
from casedial.service.judging import judge_each, rules_now
from casedial.storage import cases, firms, held_back, queues
from casedial.storage.queues import DueFilter, Sight

_LOOK_AGAIN = timedelta(hours=12)  # at the latest, whatever was the reason
_IN_USE_FOR = timedelta(seconds=30)


async def hold_back(tx: Transaction, firm: Firm, case_ids: Sequence[int], now: datetime) -> int:
    """Hold back those of these cases that may not be called; return how many.

    None where the firm was changed since it was read: what was decided then may let them through. Whoever changes it
    waits for the end of this transaction, and looks at what is held back afterwards.
    """
    if not case_ids or not await firms.is_unchanged(tx, firm):
        return 0
    rules, there = await rules_now(tx, now), await queues.lock_seen(tx, firm, case_ids)
    found = {sight.case_id: _at_a_glance(firm, sight, now, rules) for sight in there}
    others = await cases.these(tx, firm, [case_id for case_id, verdict in found.items() if verdict is None])
    judged, _ = await judge_each(tx, firm, list(others.values()), now, rules)
    found |= {case.case_id: verdict for case, verdict in judged}
    until = {case_id: _until(verdict, now) for case_id, verdict in found.items() if verdict and not verdict.callable}
    await held_back.hold_back(tx, firm, until)
    return len(until)


def _at_a_glance(firm: Firm, sight: Sight, now: datetime, rules: Rules) -> Verdict | None:
    try:
        return outside_hours(firm, sight, now, rules)
    except CasesUnreadable:  # a sweep sets it aside
        return None


def _until(verdict: Verdict, now: datetime) -> datetime:
    """Return when to look at a case again that may not be called: a call that goes on may end at any time."""
    latest = now + (_IN_USE_FOR if any(found.used_by is not None for found in verdict.phones) else _LOOK_AGAIN)
    return min(verdict.next_at or latest, latest)


async def closed_at_head(
    tx: Transaction, firm: Firm, campaign_id: int | None, size: int, now: datetime, rules: Rules
) -> list[int]:
    """Return which of so many cases at the head of a list may not be called. Raises CasesUnreadable."""
    due = await queues.look(tx, firm, DueFilter((campaign_id,) if campaign_id else None, None, size), now)
    closed = are_closed(firm, due, now, rules)
    others = await queues.these(
        tx, firm, [sight for sight, is_closed in zip(due, closed, strict=True) if not is_closed]
    )
    judged, _ = await judge_each(tx, firm, others, now, rules)
    may = {case.case_id for case, verdict in judged if verdict.callable}
    return [sight.case_id for sight in due if sight.case_id not in may]
