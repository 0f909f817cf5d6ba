"""Steps of the live picture: what holds the due cases of a campaign back, and what needs a person's eye."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from casedial.database.engine import Transaction
from casedial.database.slices import slices
from casedial.domain.calling import Rules, Verdict, decide, judge
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.today import Alert, AlertKind, Reason, Why
from casedial.service.judging import rules_for, rules_now
from casedial.service.preflights import failed_by
from casedial.service.refused import lately_of
from casedial.storage import keys, today

_SAMPLE = 300  # cases of a campaign, of each kind, that are looked at
IDLE_FOR = timedelta(minutes=10)
_ANSWERED_FOR = timedelta(hours=1)  # as long as a call may go on
_KEY_WARNS = timedelta(days=7)
_RULES_AGE = timedelta(days=90)


async def why(tx: Transaction, firm: Firm, campaign_id: int | None, now: datetime) -> Why:
    """Look at the first of a campaign's due cases, and say what holds back those that may not be called."""
    if not (firm.campaign(campaign_id).is_judged or firm.has_do_not_call):
        return Why(idle=bool((await today.sample(tx, firm, campaign_id, now - IDLE_FOR, 1))[0]))
    rules = await rules_now(tx, now)
    first, kept = await today.sample(tx, firm, campaign_id, now, _SAMPLE)
    verdicts, were = await _judge(tx, firm, list(first.values()), now, rules)
    of_kept, _ = await _judge(tx, firm, list(kept.values()), now, rules)
    held = [one for one in (*verdicts, *of_kept) if not one.callable]
    not_callable = sum(not one.callable for one in verdicts) + len(first.unreadable)
    return Why(_reasons(held), len(verdicts) + len(of_kept), not_callable, were)


async def _judge(
    tx: Transaction, firm: Firm, found: Sequence[Case], now: datetime, rules: Rules
) -> tuple[list[Verdict], bool]:
    """Judge cases; tell, too, whether one may be called that might have been for ten minutes."""
    verdicts: list[Verdict] = []
    idle = False
    these = await rules_for(tx, firm, found, now, rules)
    async for some in slices(found):
        for case in some:
            verdict = judge(firm, case, now, these)
            idle = idle or (verdict.callable and decide(firm, case, now - IDLE_FOR, these).callable)
            verdicts.append(verdict)
    return verdicts, idle


def _reasons(held: Sequence[Verdict]) -> list[Reason]:
    """Count what holds cases back, with where most of them are and when the first may be called."""
    by_name: dict[str, list[Verdict]] = {}
    for verdict in held:
        by_name.setdefault(failed_by(verdict), []).append(verdict)
    found = []
    for name, verdicts in by_name.items():
        places = Counter((_place(one), one.next_at) for one in verdicts if name == "hours" and one.next_at)
        (place, until), _ = places.most_common(1)[0] if places else (("", None), 0)
        found.append(Reason(name, len(verdicts), place, until))
    return sorted(found, key=lambda one: -one.cases)


def _place(verdict: Verdict) -> str:
    """Return the states of the phone that may be called first."""
    times = [(phone.next_at, str(phone.place)) for phone in verdict.phones if phone.next_at]
    return min(times)[1] if times else ""


async def alerts(tx: Transaction, firm: Firm, now: datetime, day_began: datetime, book_version: str) -> list[Alert]:
    """Return what needs a person's eye in a firm, whatever its campaigns."""
    found: list[Alert] = []
    number, since = await today.answered(tx, firm, now - _ANSWERED_FOR)
    if number:
        found.append(Alert(AlertKind.ANSWERED, number, since))
    if number := await today.ran_out(tx, firm, day_began):
        found.append(Alert(AlertKind.RAN_OUT, number))
    found += [
        Alert(AlertKind.REFUSED, subject=vendor.found)
        for vendor in await lately_of(tx, firm, now)
        if not vendor.is_usual
    ][:1]
    every, _ = await keys.every(tx, firm.id)
    for key in every:
        ends = key.limits.expires_at
        if key.revoked_at is None and ends and now < ends < now + _KEY_WARNS:
            found.append(Alert(AlertKind.KEY_ENDS, at=ends, subject=key.vendor, id=key.id))
    made = date.fromisoformat(book_version[:10])
    if now.date() - made > _RULES_AGE:
        found.append(Alert(AlertKind.RULES, (now.date() - made).days, subject=book_version))
    return found
