"""What follows from a disposition that a dialer reports: calls that count, people who opt out, what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from casedial.domain.calling import Listing, Rules, judge
from casedial.domain.cases import Caller, Case, Firm, Flag, Phone, Status, StatusChange, StatusType
from casedial.domain.dialing import CaseUpdate
from casedial.domain.limits import Call
from casedial.domain.phones import us_key
from casedial.domain.retries import Report, what_next
from casedial.service import calling, do_not_call
from casedial.storage import calls, leases
from casedial.storage.engine import Transaction

# Within which a dialer that holds no claim and says the same once more speaks of the same call.
_SAME_CALL = timedelta(seconds=30)


def decides(firm: Firm) -> bool:
    """Tell whether a firm decided what comes next after any disposition."""
    ends = any(status.flags & {Flag.FINAL, Flag.OPT_OUT} for status in firm.statuses.of(StatusType.DISPOSITION))
    return ends or any(campaign.retries for campaign in firm.campaigns.values())


@dataclass(slots=True)
class Reports:
    """The reports of one UpdateCaseStatus. ``handed_out`` are names of phones, by CaseID, where a claim tells them."""

    caller: Caller
    now: datetime
    handed_out: Mapping[int, Sequence[str]] = field(default_factory=dict)
    rules: Rules | None = None  # where more follows
    made: list[Call] = field(default_factory=list)
    opted_out: list[Listing] = field(default_factory=list)

    def note(self, before: Case, item: CaseUpdate, reported: Status | None) -> None:
        """Count the call that a disposition tells of, and list who opted out by it."""
        if reported is None:
            return
        phones = self._handed_out(before)
        numbers = [us_key(phone.number) or "" for phone in phones]
        if Flag.ATTEMPT in reported.flags and not self._is_said_again(before, item, reported):
            conversation = Flag.CONVERSATION in reported.flags
            self.made += [Call(number, before.case_id, self.now, conversation) for number in dict.fromkeys(numbers)]
        if Flag.OPT_OUT in reported.flags:
            today = self.now.astimezone(self.caller.firm.zone).date()
            source = f"opted out: {reported.name}"
            listed = [Listing(today, source, number) for number in dict.fromkeys(numbers) if number]
            self.opted_out += listed or [Listing(today, source, case_id=before.case_id)]

    def next(
        self, case: Case, item: CaseUpdate, history: Sequence[StatusChange], holds: bool
    ) -> tuple[Case, list[StatusChange]] | None:
        """Return the case after what its firm decided for such a disposition; ``history`` is all of the case's."""
        if self.rules is None:
            return None
        report = Report(case, history, self.caller.vendor, holds)
        return what_next(self.caller.firm, report, item, self.now, self._next_open)

    def _next_open(self, waiting: Case, at: datetime) -> datetime:
        return (self.rules and judge(self.caller.firm, waiting, at, self.rules).next_at) or at

    def _handed_out(self, case: Case) -> Sequence[Phone]:
        names = self.handed_out.get(case.case_id, ())
        return [phone for phone in case.voice_phones if phone.name in names] or case.voice_phones

    def _is_said_again(self, case: Case, item: CaseUpdate, reported: Status) -> bool:
        """Tell whether a report repeats one of the same call, as when a dialer sends the Status a moment later."""
        attempts = case.statuses.get(StatusType.ATTEMPTS)
        if case.statuses.get(StatusType.DISPOSITION) != reported:
            return False
        if item.attempts and (attempts is None or item.attempts != attempts.name):
            return False
        if case.hold:
            return case.hold.answered_at is not None
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
    tx: Transaction, caller: Caller, now: datetime, held: Mapping[int, Case], items: Iterable[CaseUpdate]
) -> Reports:
    """Return the reports of an update of cases that this transaction holds; most firms need nothing read for them."""
    told_of = {item.case_id for item in items if item.disposition} & held.keys()
    handed_out: Mapping[int, Sequence[str]] = {}
    if any(campaign.is_judged for campaign in caller.firm.campaigns.values()):
        holds = {case_id: hold.claim_id for case_id in told_of if (hold := held[case_id].hold)}
        handed_out = await leases.handed_out(tx, holds)
    rules = await calling.rules_now(tx, now) if told_of and decides(caller.firm) else None
    return Reports(caller, now, handed_out, rules)
