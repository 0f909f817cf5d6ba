"""What a change of settings would do to the due cases, before it is made: they are judged by both."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.calling import Rules, judge
from casedial.domain.firms import Firm
from casedial.service.judging import rules_for
from casedial.service.preflights import Preflight
from casedial.storage import samples
from casedial.storage.samples import CAP

_MOST = 600  # cases of each kind that are looked at
_SLICE = 50  # between which others go on

Judged = tuple[Firm, Rules]  # a firm, and the rules by which its cases are judged


@dataclass(slots=True)
class Effect:
    """Due cases by what holds them back, before and after a change.

    ``held`` may be called now and not after it, ``freed`` the other way round. Where they are not all, these are the
    first ``looked_at`` of those that are due; ``total`` counts them, at most to one more than ``CAP``.
    """

    looked_at: int
    total: int
    are_all: bool
    before: Preflight = field(default_factory=Preflight)
    after: Preflight = field(default_factory=Preflight)
    held: int = 0
    freed: int = 0

    @property
    def is_capped(self) -> bool:
        """Tell whether there are more than were counted."""
        return self.total > CAP


async def effect(
    tx: Transaction, now: datetime, before: Judged, after: Judged | None, campaign_id: int | None = None
) -> Effect:
    """Judge the first due cases of a campaign, or of a firm, before a change and after it; None: there is no change."""
    firm, rules = before
    sample = await samples.due(tx, firm, campaign_id, now, _MOST)
    found = Effect(len(sample.cases), sample.total, sample.are_all)
    for start in range(0, len(sample.cases), _SLICE):
        some = sample.cases[start : start + _SLICE]
        known = await rules_for(tx, firm, some, now, rules)
        then = await rules_for(tx, after[0], some, now, after[1]) if after else None
        for case in some:
            was = judge(firm, case, now, known)
            found.before.count(was)
            if after and then:
                will = judge(after[0], case, now, then)
                found.after.count(will)
                found.held += was.callable and not will.callable
                found.freed += will.callable and not was.callable
        await asyncio.sleep(0)
    found.before.by_hour = dict(sorted(found.before.by_hour.items()))
    return found
