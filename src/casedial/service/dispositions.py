"""What follows from a disposition that a dialer reports: calls that count, people who opt out, what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from casedial.database.engine import Transaction
from casedial.domain.calling import Listing, Rules, judge
from casedial.domain.cases import Case, StatusChange
from casedial.domain.dialing import CaseUpdate
from casedial.domain.firms import Caller, Firm
from casedial.domain.limits import Call
from casedial.domain.phones import key_of
from casedial.domain.retries import Report, moved_by_policy, what_next
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Flag, Role, Status, StatusType
from casedial.service import do_not_call, judging
from casedial.storage import calls, leases

# Within which a dialer that holds no claim and says the same once more speaks of the same call.
_SAME_CALL = timedelta(seconds=30)


def decides(firm: Firm) -> bool:
    """Tell whether a firm decided what comes next after any disposition."""
    ends = any(status.flags & {Flag.FINAL, Flag.OPT_OUT} for status in firm.statuses.of(StatusType.DISPOSITION))
    return ends or any(campaign.retries for campaign in firm.campaigns.values())


@dataclass(slots=True)
class Reports:
    """The reports of one UpdateCaseStatus.

    ``handed_out`` tells for a case, by CaseID, the place and name of each phone that its claim handed out, where
    calling rules were applied.
    """

    caller: Caller
    now: datetime
    handed_out: Mapping[int, Sequence[tuple[int, str]]] = field(default_factory=dict)
    rules: Rules | None = None  # where a firm decided what comes next
    made: list[Call] = field(default_factory=list)
    attempts: int = 0
    opted_out: list[Listing] = field(default_factory=list)

    def note(self, before: Case, item: CaseUpdate, reported: Status, history: Sequence[StatusChange]) -> None:
        """Count the call that a disposition tells of, and list who opted out by it.

        ``history`` is the case's until then, where it was read.
        """
        if Flag.ATTEMPT in reported.flags and not self._is_said_again(before, item, reported, history):
            # Calls are told apart by their instants, those of one request, too.
            at = self.now + timedelta(microseconds=self.attempts)
            self.attempts += 1
            conversation = Flag.CONVERSATION in reported.flags
            self.made += [Call(number, before.case_id, at, conversation) for number in self._numbers(before)]
        if Flag.OPT_OUT in reported.flags:
            today = self.now.astimezone(self.caller.firm.zone).date()
            source = f"opted out: {reported.name}"
            listed = [Listing(today, source, number) for number in self._numbers(before) if number]
            self.opted_out += listed or [Listing(today, source, case_id=before.case_id)]

    def next(
        self, case: Case, item: CaseUpdate, history: Sequence[StatusChange], holds: bool
    ) -> tuple[Case, list[StatusChange]] | None:
        """Return the case after what its firm decided for such a disposition; ``history`` is all of the case's."""
        if self.rules is None:
            return None
        report = Report(case, history, self.caller.actor, holds)
        return what_next(self.caller.firm, report, item, self.now, self._next_open)

    def _next_open(self, waiting: Case, at: datetime) -> datetime:
        """Return when a case that waits may be called, from an instant on; a pause does not change that."""
        firm = self.caller.firm
        if waiting.campaign_id is not None:
            runs = replace(firm.campaign(waiting.campaign_id), paused=False)
            firm = replace(firm, campaigns={**firm.campaigns, waiting.campaign_id: runs})
        return (self.rules and judge(firm, waiting, at, self.rules).next_at) or at

    def _numbers(self, case: Case) -> Iterable[str]:
        """Return the numbers that were handed out for a case, each once; "" stands for a doubtful one."""
        phones = case.voice_phones
        if told := self.handed_out.get(case.case_id):
            phones = [phone for order, phone in enumerate(phones) if (order, phone.name) in told] or phones
        return dict.fromkeys([key_of(phone.number) or "" for phone in phones])

    def _is_said_again(self, case: Case, item: CaseUpdate, reported: Status, history: Sequence[StatusChange]) -> bool:
        """Tell whether a report repeats one of the same call, as when a dialer sends the Status a moment later."""
        attempts = case.statuses.get(StatusType.ATTEMPTS)
        if case.statuses.get(StatusType.DISPOSITION) != reported:
            return False
        if item.attempts and (attempts is None or item.attempts != attempts.name):
            return False
        status = self.caller.firm.statuses.find(StatusType.DIALER, item.status) if item.status else None
        if status and case.hold:  # a heartbeat, or the end of the call that was reported before
            return status.role is Role.IN_THE_DIALER or case.hold.answered_at is not None
        if status and moved_by_policy(history):
            return True
        return case.changed_at is not None and self.now - case.changed_at < _SAME_CALL

    async def store(self, tx: Transaction) -> Firm:
        """Store what was noted; return the firm as it is then, which may have a do-not-call list now."""
        firm = self.caller.firm
        await calls.add(tx, firm.id, self.made)
        if not self.opted_out:
            return firm
        await do_not_call.list_at_once(tx, firm, self.opted_out)
        return replace(firm, has_do_not_call=True)


async def open_reports(
    tx: Transaction,
    caller: Caller,
    now: datetime,
    told_of: Iterable[Case],
    last_claim: Callable[[Case], UUID | None],
) -> Reports:
    """Return the reports of cases that this transaction holds; most firms need nothing read for them.

    ``last_claim`` tells by which claim a case was last held, where that is known.
    """
    under_rules = {id for id, campaign in caller.firm.campaigns.items() if campaign.purpose is not Purpose.NONE}
    judged = [case for case in told_of if case.campaign_id in under_rules] if under_rules else []
    claims_of = {case.case_id: claim_id for case in judged if (claim_id := last_claim(case))}
    rules = await judging.rules_now(tx, now) if decides(caller.firm) else None
    return Reports(caller, now, await leases.handed_out(tx, claims_of), rules)
