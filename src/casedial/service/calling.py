"""Calling rules at work: due cases that may be called now, why one may or may not, what holds the others back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from casedial.domain.calling import Rules, Verdict, closed, evidence, judge
from casedial.domain.cases import Case, Firm, Phone, Status
from casedial.domain.damage import Damage
from casedial.domain.limits import Calls
from casedial.domain.phones import key_of
from casedial.domain.places import Place
from casedial.domain.rules import Purpose
from casedial.places import of_phone
from casedial.rules import overridden
from casedial.service import do_not_call
from casedial.storage import calls, cases, claims, firms, queues
from casedial.storage import rules as stored
from casedial.storage.claims import Claimant, Claimed, Grant
from casedial.storage.engine import Store, Transaction
from casedial.storage.queues import DueFilter

_AT_ONCE = 50  # cases that are read and judged together, at least
_ENOUGH = 2000  # that one claim looks at when it has found something: a server's upkeep goes on
_MOST = 20_000  # when it has not
_MOST_TO_READ = 50_000
_HEAD = 500
_PAGE = 2000
_LOOK_AGAIN = timedelta(hours=12)  # at the latest, whatever was the reason
_IN_USE_FOR = timedelta(seconds=30)
_READ_AGAIN = timedelta(minutes=10)  # after which a case that cannot be read is looked at again
_ANOTHER = 0  # stands for a case that another claim is about to hand out

Judged = tuple[Case, Verdict]


def _place_of(placed: Mapping[int, Place], zip_code: str, number: str) -> Place:
    return of_phone(zip_code, key_of(number) or "", placed)


async def rules_now(tx: Transaction, now: datetime) -> Rules:
    """Return the rules as operators decided; a new ban or override counts from its commit on."""
    found = await stored.in_force(tx, now)
    place_of = partial(_place_of, found.places)
    return Rules(overridden(found.overrides), place_of, tuple(found.bans.values()), unreadable=found.unreadable)


async def _rules_for(
    tx: Transaction, firm: Firm, found: Sequence[Case], now: datetime, rules: Rules, lock: bool = False
) -> Rules:
    """Return the rules with what concerns these cases: the do-not-call list, earlier calls, numbers in use.

    With ``lock`` no other claim can hand out a number of theirs meanwhile. Numbers in use are looked up first: a call
    that is reported in between, and ends their use, is then among the calls.
    """
    judged = [case for case in found if firm.campaign(case.campaign_id).purpose is not Purpose.NONE]
    numbers = {number for case in judged for number in _numbers(case.voice_phones)}
    if not numbers:
        return replace(rules, do_not_call=await do_not_call.concerning(tx, firm, found))
    ours = await calls.reserve(tx, firm.id, numbers) if lock else numbers
    in_use = dict.fromkeys(numbers - ours, _ANOTHER) | await calls.in_use(tx, firm.id, numbers)
    listed = await do_not_call.concerning(tx, firm, found)
    made = await calls.concerning(tx, firm.id, numbers, [case.case_id for case in judged], now)
    return replace(rules, do_not_call=listed, calls=Calls.of(made), in_use=in_use)


def are_applied(firm: Firm, wanted: DueFilter) -> bool:
    """Tell whether due cases have to be looked at one by one: they may be held back, or have priorities."""
    asked = firm.campaigns.keys() if wanted.campaign_ids is None else wanted.campaign_ids
    return (
        firm.has_do_not_call
        or len(firm.priorities) > 1
        or any(firm.campaign(campaign_id).is_judged for campaign_id in asked)
    )


async def list_callable(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases that may be called, oldest first, each with the phones that may."""
    found, _ = await _look(tx, firm, wanted, now, claims_them=False)
    return [_as_handed_out(*judged) for judged in found]


async def claim_callable(tx: Transaction, firm: Firm, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim due cases that may be called, for all who claim from one queue, in their order.

    Return them as they were, each with the phones that may. Cases at the head of the list that may not are held back
    until they may: the next claim does not meet them.
    """
    [queue] = {claimant.wanted.queue for claimant in claimants}
    wanted = replace(queue, records=sum(claimant.wanted.records for claimant in claimants))
    found, others = await _look(tx, firm, wanted, now, claims_them=True)
    in_order = iter(found)
    parts = [list(islice(in_order, claimant.wanted.records)) for claimant in claimants]
    grants = [
        Grant(claimant, [case for case, _ in part], _let_through(part))
        for claimant, part in zip(claimants, parts, strict=True)
    ]
    opened = await claims.take(tx, firm, grants, now)
    await _hold_back(tx, firm, others, now)  # afterwards, for what was taken holds back who has its numbers, too
    return [([_as_handed_out(*one) for one in part], claim) for part, claim in zip(parts, opened, strict=True)]


def _let_through(found: Sequence[Judged]) -> dict[str, object] | None:
    return {str(case.case_id): kept for case, verdict in found if (kept := evidence(verdict))} or None


def _as_handed_out(case: Case, verdict: Verdict) -> Case:
    return replace(case, phones=verdict.allowed)


async def _look(
    tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, claims_them: bool
) -> tuple[list[Judged], list[int]]:
    """Go through due cases in order until enough may be called; return these, and the CaseIDs of the others met.

    Nothing is locked but what is claimed: those that somebody else has, or has changed, are passed over together. Who
    finds nothing goes on for long, for what may not be called must not hide what may: of the rest the next claim meets
    none again.
    """
    rules = await rules_now(tx, now)
    reply = _Reply(firm, now)
    others: list[int] = []
    page, looked_at = replace(wanted, records=max(_AT_ONCE, 2 * wanted.records)), 0
    while len(reply.found) < wanted.records and looked_at < _bound(claims_them, reply.found):
        due = await queues.due(tx, firm, page, now)
        judged, these = await _judge(tx, firm, due, now, rules)
        others += [case.case_id for case, verdict in judged if not verdict.callable]
        may = [pair for pair in judged if pair[1].callable]
        open_now = may
        while (may := reply.possible(may)) and (missing := wanted.records - len(reply.found)) > 0:
            still, by = may[:missing], these
            tried = len(still)
            if claims_them:
                tried, still, by = await _still(tx, firm, wanted, may, missing, now, rules)
            may = may[tried:]
            reply.add(still, by)
            looked_at -= tried - len(still)  # somebody else has them: they do not count
        if len(reply.found) < wanted.records:
            others += reply.left_out(open_now)
        looked_at += len(due)
        if len(due) < page.records:
            break
        page = replace(page, after=due[-1], records=min(2 * page.records, _PAGE))  # fewer looks where few may be called
    return reply.found, others


def _bound(claims_them: bool, found: Sequence[Judged]) -> int:
    """Return how many cases are looked at."""
    if not claims_them:
        return _MOST_TO_READ
    return _ENOUGH if found else _MOST


@dataclass(slots=True)
class _Reply:
    """What one reply hands out: no number twice, where calling rules are applied.

    ``numbers`` are those that it hands out or that others have, each with the case.
    """

    firm: Firm
    now: datetime
    found: list[Judged] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def possible(self, may: Sequence[Judged]) -> list[Judged]:
        """Return those of these cases of which a number is left, or to which no rules are applied."""
        return [pair for pair in may if not pair[1].rules_apply or _numbers(pair[1].allowed) - self.numbers.keys()]

    def add(self, may: Sequence[Judged], rules: Rules) -> None:
        """Add those of these cases of which a number is left, by rules that know which numbers others have."""
        self.numbers = {**rules.in_use, **self.numbers}
        for case, verdict in may:
            if not self.numbers.keys().isdisjoint(_numbers(verdict.allowed)):
                verdict = judge(self.firm, case, self.now, replace(rules, in_use={**rules.in_use, **self.numbers}))
            if verdict.callable:
                self.found.append((case, verdict))
                self.numbers |= dict.fromkeys(_numbers(verdict.allowed), case.case_id)

    def left_out(self, may: Sequence[Judged]) -> list[int]:
        """Return those of these cases that it does not hand out: somebody else has them, or their numbers."""
        handed_out = {case.case_id for case, _ in self.found}
        return [case.case_id for case, _ in may if case.case_id not in handed_out]


def _numbers(phones: Iterable[Phone]) -> set[str]:
    return {number for phone in phones if (number := key_of(phone.number))}


async def _judge(
    tx: Transaction, firm: Firm, found: Sequence[Case], now: datetime, rules: Rules
) -> tuple[list[Judged], Rules]:
    """Judge cases; return the rules, too, with what concerns them.

    Of most lists most cases fail by their hours alone: earlier calls and numbers in use are looked up for the rest.
    """
    listed = replace(rules, do_not_call=await do_not_call.concerning(tx, firm, found))
    verdicts = {case.case_id: closed(firm, case, now, listed) or judge(firm, case, now, listed) for case in found}
    may = [case for case in found if verdicts[case.case_id].callable]
    these = await _rules_for(tx, firm, may, now, rules) if may else listed
    verdicts |= {case.case_id: judge(firm, case, now, these) for case in may}
    return [(case, verdicts[case.case_id]) for case in found], these


async def _still(
    tx: Transaction,
    firm: Firm,
    wanted: DueFilter,
    may: Sequence[Judged],
    missing: int,
    now: datetime,
    rules: Rules,
) -> tuple[int, list[Judged], Rules]:
    """Lock so many of the cases that may be called; return how many were tried, and those that still may, in order.

    Those that others have locked or taken, or moved to another place of the queue, cost no round trip each.
    """
    there = {case.case_id: case for case in await queues.lock_first(tx, firm, [case for case, _ in may], missing)}
    places = [place for place, (case, _) in enumerate(may, 1) if case.case_id in there]
    tried = places[-1] if len(there) == missing else len(may)
    locked = [there[case.case_id] for case, _ in may if case.case_id in there and wanted.fits(there[case.case_id])]
    these = await _rules_for(tx, firm, locked, now, rules, lock=True)
    judged = ((case, judge(firm, case, now, these)) for case in locked)
    return tried, [pair for pair in judged if pair[1].callable], these


async def _hold_back(tx: Transaction, firm: Firm, case_ids: Sequence[int], now: datetime) -> int:
    """Hold back those of these cases that may not be called; return how many.

    None where the firm was changed since it was read: what was decided then may let them through. Whoever changes it
    waits for the end of this transaction, and looks at what is held back afterwards.
    """
    if not case_ids or not await firms.is_unchanged(tx, firm):
        return 0
    there = await cases.lock(tx, firm, case_ids, pass_over_locked=True)
    judged, _ = await _judge(tx, firm, list(there.values()), now, await rules_now(tx, now))
    until = {case.case_id: _until(verdict, now) for case, verdict in judged if not verdict.callable}
    await stored.hold_back(tx, firm, until)
    return len(until)


def _until(verdict: Verdict, now: datetime) -> datetime:
    """Return when to look at a case again that may not be called: a call that goes on may end at any time."""
    latest = now + (_IN_USE_FOR if any(found.used_by is not None for found in verdict.phones) else _LOOK_AGAIN)
    return min(verdict.next_at or latest, latest)


async def look_again(store: Store, firm_id: int | None = None, campaign_id: int | None = None) -> None:
    """Let go what was held back, of one campaign, of one firm, or all: something was decided that may let it through.

    Whatever is not let go, should this be cut off, is looked at again at its own time.
    """
    after: tuple[int, int] | None = (0, 0)
    while after is not None:
        behind = partial(stored.let_go_behind, after=after, limit=_PAGE, firm_id=firm_id, campaign_id=campaign_id)
        after = await store.transact(behind)


async def let_go(store: Store, now: datetime) -> int:
    """Let claims look again at cases whose time has come; return how many, at most a page of them."""
    async with store.read() as tx:
        next_at = await stored.next_let_go(tx)
    if next_at is None or next_at > now:
        return 0
    return await store.transact(lambda tx: stored.let_go(tx, now, _PAGE))


async def set_aside(store: Store, firm: Firm, case_ids: Sequence[int], now: datetime) -> list[Damage]:
    """Hold back due cases that cannot be read, and those like them at the head of the list; return which."""

    async def work(tx: Transaction) -> set[int]:
        these = {*case_ids, *await stored.unreadable(tx, firm, now)}
        await stored.hold_back(tx, firm, dict.fromkeys(these, now + _READ_AGAIN))
        return these

    return [Damage("case", firm.id, str(case_id)) for case_id in sorted(await store.transact(work))]


async def hold_back_head(
    store: Store, firm: Firm, campaign_id: int | None, size: int, now: datetime, rules: Rules
) -> int:
    """Hold back those of so many cases at the head of a list that may not be called; return how many.

    Raises CasesUnreadable.
    """
    async with store.read() as tx:
        due = await queues.due(tx, firm, DueFilter((campaign_id,) if campaign_id else None, None, size), now)
        found, _ = await _judge(tx, firm, due, now, rules)
    others = [case.case_id for case, verdict in found if not verdict.callable]
    return await store.transact(partial(_hold_back, firm=firm, case_ids=others, now=now)) if others else 0


async def neglected(tx: Transaction, firm: Firm, campaign: Status, now: datetime, wait: timedelta) -> int:
    """Return how many cases of a campaign may be called, and might have been for so long: of the first that may."""
    rules = await rules_now(tx, now)
    page = DueFilter((campaign.id,), None, _HEAD)
    for _ in range(0, _MOST_TO_READ, _HEAD):
        due = await queues.due(tx, firm, page, now - wait)
        these = await _rules_for(tx, firm, due, now, rules)
        found = sum(all(judge(firm, case, at, these).callable for at in (now - wait, now)) for case in due)
        if found or len(due) < _HEAD:
            return found
        page = replace(page, after=due[-1])
    return 0


async def explain(tx: Transaction, firm: Firm, case: Case, now: datetime) -> Verdict:
    """Return every check of a case in order, as a claim at this instant would make them."""
    return judge(firm, case, now, await _rules_for(tx, firm, [case], now, await rules_now(tx, now)))


# What may hold a due case back, by the first check that it does not pass.
HELD_BACK = ("paused", "no phone", "abroad", "do not call", "in use", "how often", "hours")


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
        failed = {check.name for check in verdict.checks if not check.passed}
        reasons = dict(zip(HELD_BACK, ("campaign", "phones", *HELD_BACK[2:]), strict=True))
        self.held_back[next(reason for reason, check in reasons.items() if check in failed)] += 1
        if verdict.next_at:
            hour = verdict.next_at.replace(minute=0, second=0, microsecond=0)
            self.by_hour[hour] = self.by_hour.get(hour, 0) + 1


async def preflight(tx: Transaction, firm: Firm, campaign_ids: Sequence[int] | None, now: datetime) -> Preflight:
    """Count the due cases of a firm, or of some campaigns, by what holds them back now."""
    rules = await rules_now(tx, now)
    counts = Preflight()
    async for page in _waiting(tx, firm, campaign_ids, now):
        these = await _rules_for(tx, firm, page, now, rules)
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
