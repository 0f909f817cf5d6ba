"""The claim where calling rules are applied: due cases that may be called now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from casedial.database.engine import Transaction
from casedial.database.heads import Waits
from casedial.domain.calling import Rules, Verdict, are_closed, decide, evidence
from casedial.domain.cases import Case
from casedial.domain.claims import Claim
from casedial.domain.firms import Firm
from casedial.service.judging import Judged, judge_each, numbers_of, rules_for, rules_now
from casedial.storage import claims, queues
from casedial.storage.claimants import Claimant
from casedial.storage.claims import Grant
from casedial.storage.queues import DueFilter, Sight

_AT_ONCE = 30  # cases that are looked at together, at least
_ENOUGH = 2000  # that one claim looks at when it has found something: a server's upkeep goes on
_MOST = 20_000  # when it has not
_MOST_TO_READ = 50_000
_PAGE = 2000
_WORTH_IT = 20  # closed cases at the head of a queue, for which the next claim begins behind them


async def list_callable(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime) -> list[Case]:
    """Return due cases that may be called, oldest first, each with the phones that may."""
    found = await _look(tx, firm, wanted, now, claims_them=False)
    return [_as_handed_out(*judged) for judged in found]


async def claim_callable(
    tx: Transaction, firm: Firm, claimants: Sequence[Claimant], now: datetime
) -> list[tuple[list[Case], Claim | None]]:
    """Claim due cases that may be called, for all who claim from one queue, in their order.

    Return them as they were, each with the phones that may. Those met that may not are noted in ``tx.met``: somebody
    holds them back afterwards.
    """
    [queue] = {claimant.wanted.queue for claimant in claimants}
    wanted = replace(queue, records=sum(claimant.wanted.records for claimant in claimants))
    found = await _look(tx, firm, wanted, now, claims_them=True)
    in_order = iter(found)
    parts = [list(islice(in_order, claimant.wanted.records)) for claimant in claimants]
    grants = [
        Grant(claimant, [case for case, _ in part], _let_through(part))
        for claimant, part in zip(claimants, parts, strict=True)
    ]
    opened = await claims.take(tx, firm, grants, now)
    return [([_as_handed_out(*one) for one in part], claim) for part, claim in zip(parts, opened, strict=True)]


async def _look(tx: Transaction, firm: Firm, wanted: DueFilter, now: datetime, claims_them: bool) -> list[Judged]:
    reply = _Reply(firm, now, wanted.records)
    return await _Look(tx, firm, wanted, now, await rules_now(tx, now), claims_them, reply).through()


def _let_through(found: Sequence[Judged]) -> dict[str, object] | None:
    return {str(case.case_id): kept for case, verdict in found if (kept := evidence(verdict))} or None


def _as_handed_out(case: Case, verdict: Verdict) -> Case:
    return case if verdict.allowed == case.phones else replace(case, phones=verdict.allowed)


@dataclass(slots=True)
class _Look:
    """One look through the due cases of a queue, in order, until enough may be called.

    Nothing is locked but what is claimed: those that somebody else has, or has changed, are passed over together. Who
    finds nothing goes on for long, for what may not be called must not hide what may: of the rest the next claim meets
    none again. ``others`` are the CaseIDs of those met that may not be called.
    """

    tx: Transaction
    firm: Firm
    wanted: DueFilter
    now: datetime
    rules: Rules
    claims_them: bool
    reply: _Reply
    looked: list[Sight] = field(default_factory=list)  # each once
    may: list[Sight] = field(default_factory=list)  # of which it is not known yet
    others: list[int] = field(default_factory=list)
    allowed: dict[int, set[str]] = field(default_factory=dict)  # numbers of those judged before they are locked
    trusts: bool = True  # that who is within the hours may be called, as nearly all may: it is seen under the lock
    not_counted: int = 0  # cases looked at that somebody else has
    after: Waits | None = None
    size: int = 0
    is_over: bool = False
    is_again: bool = False  # from the first case on, after it began behind others

    async def through(self) -> list[Judged]:
        """Return what may be called; note what may not, where it is claimed."""
        queue = self.firm.id, self.firm.version, self.wanted.queue
        begin = self.after = self.tx.met.place(queue) if self.claims_them else None
        self.size = max(_AT_ONCE, self.wanted.records * 6 // 5)
        while self.reply.missing > 0:
            if len(self.may) < self.reply.missing and self._goes_on():
                await self._read_on()
            elif self.may:
                await self._try()
            elif self.is_over and begin:  # there may be something before it
                self.tx.met.forget(queue)
                begin = self.after = None
                self.is_over, self.is_again = False, True
            else:
                break
        if self.claims_them:
            self._note(queue)
        return self.reply.found

    def _goes_on(self) -> bool:
        """Tell whether there may be more to look at."""
        bound = _MOST_TO_READ if not self.claims_them else _ENOUGH if self.reply.found or self.may else _MOST
        return not self.is_over and len(self.looked) - self.not_counted < bound

    async def _read_on(self) -> None:
        """Look at the next cases."""
        due = await queues.look(self.tx, self.firm, replace(self.wanted, records=self.size, after=self.after), self.now)
        self.is_over = len(due) < self.size
        self.after = due[-1] if due else self.after
        page = due
        if self.is_again:
            known = {sight.case_id for sight in self.looked}
            page = [sight for sight in due if sight.case_id not in known]
        closed = are_closed(self.firm, page, self.now, self.rules)
        self.looked += page
        self.others += [sight.case_id for sight, is_closed in zip(page, closed, strict=True) if is_closed]
        open_now = [sight for sight, is_closed in zip(page, closed, strict=True) if not is_closed]
        self.may += open_now if self.trusts else await self._callable(open_now)
        self.size = self._next_size()

    def _next_size(self) -> int:
        """Return how many cases to look at next: as many as it takes, by those found so far."""
        found = len(self.reply.found) + len(self.may)
        if not found:
            return min(2 * self.size, _PAGE)
        expected = len(self.looked) * (self.reply.missing - len(self.may)) // found
        return min(max(_AT_ONCE, expected), 4 * self.size, _PAGE)

    async def _callable(self, may: Sequence[Sight]) -> list[Sight]:
        """Return those that may be called, by earlier calls, numbers in use and the do-not-call list, too."""
        found = await queues.these(self.tx, self.firm, may)
        judged, _ = await judge_each(self.tx, self.firm, found, self.now, self.rules)
        self.others += [case.case_id for case, verdict in judged if not verdict.callable]
        self.allowed |= {case.case_id: verdict.numbers for case, verdict in judged if verdict.callable}
        return [sight for sight in may if sight.case_id in self.allowed]

    async def _try(self) -> None:
        """Add the first of these cases to the reply, as many as it misses, where they may be called.

        Those that others have locked or taken, or moved to another place of the queue, cost no round trip each.
        """
        possible = self.reply.possible(self.may, self.allowed)
        kept = {sight.case_id for sight in possible}
        self.others += [sight.case_id for sight in self.may if sight.case_id not in kept]
        self.may = possible
        if not possible:
            return
        missing = self.reply.missing
        find = queues.lock_first if self.claims_them else queues.first
        there = await find(self.tx, self.firm, self.may, missing)
        tried = self._place_of(there[-1]) if len(there) == missing else len(self.may)
        self.may = self.may[tried:]
        self.not_counted += tried - len(there)
        fitting = [case for case in there if self.wanted.fits(case)]
        rules = await rules_for(self.tx, self.firm, fitting, self.now, self.rules, lock=self.claims_them)
        judged = [(case, decide(self.firm, case, self.now, rules)) for case in fitting]
        handed_out = self.reply.add([pair for pair in judged if pair[1].callable], rules)
        self.others += [case.case_id for case in there if case.case_id not in handed_out]
        if self.trusts and not all(verdict.callable for _, verdict in judged):
            self.trusts = False
            self.may = await self._callable(self.may)

    def _place_of(self, last: Case) -> int:
        return next(place for place, sight in enumerate(self.may, 1) if sight.case_id == last.case_id)

    def _note(self, queue: object) -> None:
        """Note what is to be held back, and behind what the next claim begins, if that is worth it."""
        if not self.others:
            return
        end = self.looked.index(self.may[0]) if self.may else len(self.looked)
        is_worth_it = end and len(self.others) >= _WORTH_IT and not self.is_again
        self.tx.met.note(self.firm, self.others, queue, self.looked[end - 1] if is_worth_it else None)


@dataclass(slots=True)
class _Reply:
    """What one reply hands out: no number twice, where calling rules are applied.

    ``numbers`` are those that it hands out or that others have, each with the case.
    """

    firm: Firm
    now: datetime
    records: int
    found: list[Judged] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Return how many cases there is room for."""
        return self.records - len(self.found)

    def possible(self, may: Sequence[Sight], allowed: Mapping[int, set[str]]) -> list[Sight]:
        """Return those of these cases of which a number is left, or to which no rules are applied.

        ``allowed`` has the numbers of those of which it is known which may be called.
        """
        if not self.numbers:
            return list(may)

        def is_possible(sight: Sight) -> bool:
            numbers = allowed.get(sight.case_id)
            if numbers is None:
                numbers = numbers_of(sight.voice_phones)
            return bool(numbers - self.numbers.keys())

        return [s for s in may if not self.firm.campaign(s.campaign_id).rules_apply or is_possible(s)]

    def add(self, may: Sequence[Judged], rules: Rules) -> set[int]:
        """Add those of these cases of which a number is left, by rules that know which numbers others have.

        Return the CaseIDs of those.
        """
        self.numbers = {**rules.in_use, **self.numbers}
        added = set()
        for case, verdict in may:
            if not self.numbers.keys().isdisjoint(verdict.numbers):
                verdict = decide(self.firm, case, self.now, replace(rules, in_use={**rules.in_use, **self.numbers}))
            if verdict.callable:
                self.found.append((case, verdict))
                added.add(case.case_id)
                self.numbers |= dict.fromkeys(verdict.numbers, case.case_id)
        return added
