"""How often somebody is called: limits of the rules, of a campaign and of a firm, against the calls there were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from casedial.domain.rules import Row

LOOK_BACK = timedelta(days=31)  # the longest time that a limit may speak of


@dataclass(frozen=True, slots=True)
class Call:
    """An attempt to reach somebody, as a dialer reported it, at one number that was handed out for it."""

    number: str  # as ``key_of`` gives it; "" where it is doubtful
    case_id: int
    at: datetime
    conversation: bool = False


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that concern the cases at hand: of their numbers, whatever the case, and of the cases themselves.

    Those of each are sorted, the oldest first.
    """

    by_number: Mapping[str, Sequence[Call]] = field(default_factory=dict)
    by_case: Mapping[int, Sequence[Call]] = field(default_factory=dict)

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Calls:
        """Sort calls, oldest first."""
        by_number: dict[str, list[Call]] = {}
        by_case: dict[int, list[Call]] = {}
        for call in sorted(calls, key=lambda call: call.at):
            by_number.setdefault(call.number, []).append(call)
            by_case.setdefault(call.case_id, []).append(call)
        return cls(by_number, by_case)

    def concern(self, number: str | None, case_id: int) -> bool:
        """Tell whether there is a call of a number or of a case."""
        return number in self.by_number or case_id in self.by_case


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` calls within ``span``, of one number, of one case, or of each; of conversations, if so said."""

    count: int
    span: timedelta
    source: str
    of_number: bool = True
    of_case: bool = True
    conversations: bool = False

    def __str__(self) -> str:
        """Say it."""
        if self.conversations:
            return f"none within {show_span(self.span)} after a conversation ({self.source})"
        return f"at most {self.count} in {show_span(self.span)} ({self.source})"

    def found(self, calls: Calls, number: str | None, case_id: int, now: datetime) -> Iterator[list[datetime]]:
        """Return when the calls were that count against it: first those of the number, then those of the case.

        One attempt that was made at several numbers of a case is one of the case.
        """
        groups = [calls.by_number.get(number, ())] if self.of_number and number else []
        groups += [calls.by_case.get(case_id, ())] if self.of_case else []
        since = now - self.span
        for group in groups:
            counts = [call.at for call in group if call.at > since and (call.conversation or not self.conversations)]
            yield list(dict.fromkeys(counts))


@dataclass(frozen=True, slots=True)
class Deferral:
    """A limit that is reached, when the last of the calls was, and from when on it allows another."""

    limit: Limit
    last: datetime
    until: datetime

    def words(self, show: Callable[[datetime], str]) -> str:
        """Say why there is no call now; ``show`` says when something was."""
        return f"{self.limit}; the last was at {show(self.last)}"


def deferrals(
    limits: Iterable[Limit], calls: Calls, number: str | None, case_id: int, now: datetime
) -> tuple[Deferral, ...]:
    """Return the limits that allow no call of a number for a case now."""
    reached = (
        Deferral(limit, times[-1], times[-limit.count] + limit.span)
        for limit in limits
        for times in limit.found(calls, number, case_id, now)
        if len(times) >= limit.count
    )
    return tuple(dict.fromkeys(reached))  # of the number and of the case it is often the same


def counted(limits: Iterable[Limit], calls: Calls, number: str | None, case_id: int, now: datetime) -> tuple[str, ...]:
    """Say for each limit how many calls count against it now."""
    counts = ((max(map(len, limit.found(calls, number, case_id, now)), default=0), limit) for limit in limits)
    return tuple(f"{count} call{'' if count == 1 else 's'}, {limit}" for count, limit in counts)


def of_rules(rows: Iterable[Row]) -> list[Limit]:
    """Return what the rows of the rules say.

    "Per subject" means a person: who has two numbers, or one number in two cases. A debt is a case.
    """
    limits = []
    for row in rows:
        if row.attempts:
            of_number, of_case = row.attempts.per != "debt", row.attempts.per != "number"
            span = timedelta(hours=row.attempts.hours)
            limits.append(Limit(row.attempts.count, span, row.source, of_number, of_case))
        if row.rest:
            rest = timedelta(hours=row.rest)
            limits.append(Limit(1, rest, row.source, of_number=False, conversations=True))
    return limits


def own_limit(count: int, span: timedelta, conversations: bool = False) -> Limit:
    """Return a limit that a campaign decided for itself."""
    return Limit(count, span, "limit set by the campaign", conversations=conversations)


def of_firm(min_gap: int) -> list[Limit]:
    """Return the gap between two calls of one number, in seconds, across cases and campaigns."""
    gap = timedelta(seconds=min_gap)
    return [Limit(1, gap, "minimum gap set by the firm", of_case=False)] if gap else []


def show_span(span: timedelta) -> str:
    """Say a span of time as options take it, in the largest unit that is whole; one day is 24h, as laws say it."""
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0 and (unit, seconds) != ("d", length):
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
