"""Who held which case, and until when: judged from what the dialers knew and, apart from it, from the history."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.evidence import (
    FAILED,
    IN_THE_DIALER,
    OK,
    Asked,
    Change,
    ClaimRow,
    Evidence,
    Tables,
    moment,
)
from tests.chaos.verdict import GRANTED, LATE, LEASES, RECORDS, TWICE, Verdict

CASEDIAL = "casedial"  # who returns a case whose lease is over
GRACE = 5  # seconds after the end of a lease within which servers return its case, also on a busy machine


def check(evidence: Evidence, verdict: Verdict) -> None:
    granted = _check_claims(evidence, verdict)
    under_claim = _by_claim(evidence.asked)
    _check_intervals(granted, under_claim, verdict)
    _check_history(evidence, under_claim, verdict)
    _check_end(evidence.tables, verdict)


def claim_named(asked: Asked) -> str | None:
    """Return the claim under which a dialer acted."""
    return asked.claim or asked.body.get("ClaimID")


def _by_claim(asked: Sequence[Asked]) -> dict[str, list[Asked]]:
    """Return what was asked under each claim, in the order in which it was first sent."""
    found: dict[str, list[Asked]] = defaultdict(list)
    for one in sorted(asked, key=lambda one: one.first_sent):
        claim = claim_named(one)
        if claim:
            found[claim].append(one)
    return found


# --- What was granted, against the table of claims ---


def _check_claims(evidence: Evidence, verdict: Verdict) -> dict[str, Asked]:
    rows = evidence.tables.claims
    granted: dict[str, Asked] = {}
    for asked in evidence.asked:
        if not asked.granted:
            continue
        verdict.count(RECORDS)
        verdict.count(GRANTED)
        claim = asked.granted_claim
        if len(asked.granted) > asked.body["Records"]:
            verdict.fault(RECORDS, f"{asked.id} asked for {asked.body['Records']} cases and got {len(asked.granted)}")
        if len(set(asked.granted)) < len(asked.granted):
            verdict.fault(RECORDS, f"{asked.id} got a case twice in one reply")
        if claim is None or claim in granted:
            verdict.fault(GRANTED, f"{asked.id} got {'no X-Claim-Id' if claim is None else 'the claim of another'}")
            continue
        granted[claim] = asked
        row = rows.get(claim)
        if row is None or (sorted(row.case_ids), row.key) != (sorted(asked.granted), asked.key):
            verdict.fault(GRANTED, f"{asked.id} was granted claim {claim}, which is not in the database as granted")
    _match_the_rest([row for row in rows.values() if row.id not in granted], evidence.asked, verdict)
    _check_wholeness(evidence.tables, verdict)
    return granted


def _match_the_rest(rows: Sequence[ClaimRow], asked: Sequence[Asked], verdict: Verdict) -> None:
    """Find for each claim that no dialer knows of a request whose reply was lost; each explains one claim."""
    lost = sorted((one for one in asked if one.is_claim and one.answer is None), key=lambda one: one.last_ended)
    for row in sorted(rows, key=lambda row: row.created_at):
        verdict.count(GRANTED)
        fits = next(
            (
                one
                for one in lost
                if one.key == row.key
                and one.first_sent <= row.created_at <= one.last_ended + 30
                and len(row.case_ids) <= one.body["Records"]
            ),
            None,
        )
        if fits:
            verdict.seen["claims whose reply was lost for good"] += 1
            lost.remove(fits)
        else:
            verdict.fault(GRANTED, f"claim {row.id} of key {row.key} is there, but no request explains it")


def _check_wholeness(tables: Tables, verdict: Verdict) -> None:
    """A claim moved all of its cases once, or there is no claim."""
    moved: dict[str, Counter[int]] = defaultdict(Counter)
    for change in _dialer_changes(tables):
        if change.dialer and tables.role(change.dialer) == IN_THE_DIALER and change.claim:
            moved[change.claim][change.case_id] += 1
    for claim in moved.keys() | tables.claims.keys():
        verdict.count(RECORDS)
        row = tables.claims.get(claim)
        if row is None or Counter(row.case_ids) != moved[claim]:
            verdict.fault(RECORDS, f"claim {claim} moved other cases into the dialer than it lists")


def _dialer_changes(tables: Tables) -> Iterator[Change]:
    for changes in tables.changes.values():
        yield from (change for change in changes if change.dialer)


# --- From the dialers' side: from when until when may one have regarded itself as the holder? ---


@dataclass(frozen=True)
class Hold:
    case_id: int
    claim: str
    start: float
    end: float


def _check_intervals(granted: Mapping[str, Asked], under_claim: Mapping[str, list[Asked]], verdict: Verdict) -> None:
    holds: dict[int, list[Hold]] = defaultdict(list)
    for claim, asked in granted.items():
        for case_id in asked.granted:
            holds[case_id].append(_hold(case_id, claim, asked, under_claim.get(claim, [])))
    for case_id, found in holds.items():
        verdict.count(TWICE, len(found))
        found.sort(key=lambda hold: hold.start)
        longest = found[0]
        for hold in found[1:]:
            if hold.start < min(longest.end, hold.end):
                verdict.fault(TWICE, f"case {case_id} was held by {longest.claim} and by {hold.claim} at {hold.start}")
            longest = max(longest, hold, key=lambda hold: hold.end)


def _hold(case_id: int, claim: str, asked: Asked, later: Sequence[Asked]) -> Hold:
    """Return how long a dialer may have thought that it held the case, never longer than it had reason to."""
    assert asked.answer is not None
    start = asked.answer.ended_at or math.inf
    end = moment(asked.answer.headers["x-claim-expires"]) if "x-claim-expires" in asked.answer.headers else math.inf
    for one in later:
        if _gives_up(one, case_id):
            return Hold(case_id, claim, start, min(end, one.first_sent))
        in_time = one.answer is not None and (one.answer.ended_at or math.inf) < end
        if in_time and _answers(one, case_id):
            end = math.inf
        elif in_time and one.method == "ExtendClaim" and _extends(one, case_id):
            until = one.answer.headers.get("x-claim-expires") if one.answer else None
            end = max(end, moment(until)) if until else end
    return Hold(case_id, claim, start, end)


def _gives_up(asked: Asked, case_id: int) -> bool:
    """Tell whether the dialer let go of the case by sending this, whatever came of it."""
    if asked.method == "ReleaseClaim":
        return not asked.cases or case_id in asked.cases
    return any("Status" in item for _, item in asked.items_of(case_id))


def _answers(asked: Asked, case_id: int) -> bool:
    return any(
        "Disposition" in item and "Status" not in item and asked.outcome_of(place)[0] == OK
        for place, item in asked.items_of(case_id)
    )


def _extends(asked: Asked, case_id: int) -> bool:
    return bool(asked.result_of.get(case_id, {}).get("Success"))


# --- From the history ---


def _check_history(evidence: Evidence, under_claim: Mapping[str, list[Asked]], verdict: Verdict) -> None:
    tables = evidence.tables
    answered = _answered_seconds(evidence.asked)
    for case_id, changes in tables.changes.items():
        holder: str | None = None
        waited: float | None = None  # for what time it was last To Dial
        left: dict[str, Change] = {}  # how each claim's hold ended
        for change in changes:
            enters = change.dialer is not None and tables.role(change.dialer) == IN_THE_DIALER
            if enters and holder is not None:
                verdict.fault(TWICE, f"case {case_id} went to claim {change.claim} while {holder} held it")
            elif not enters and change.claim != holder:
                promise = LEASES if change.by == CASEDIAL else LATE
                verdict.fault(
                    promise,
                    f"{change.by} changed case {case_id} under claim {change.claim} while {holder or 'nobody'} held it",
                )
            if enters:
                verdict.count(TWICE)
                holder = change.claim
            elif change.dialer is not None and holder is not None:
                left[holder] = change
                if change.by == CASEDIAL:
                    if change.dialer.dial_at != waited:
                        verdict.fault(LEASES, f"case {case_id} came back at another dial time than it had")
                    _check_return(change, tables.claims.get(holder), under_claim.get(holder, []), answered, verdict)
                holder = None
            if change.dialer is not None and not enters:
                waited = change.dialer.dial_at
        _check_refusals(case_id, left, holder, tables, under_claim, verdict)


def _check_return(
    change: Change,
    claim: ClaimRow | None,
    later: Sequence[Asked],
    answered: Sequence[int],
    verdict: Verdict,
) -> None:
    """Judge a return by lease: not of an answered case, and not long after its time.

    Time counts while servers answered: a return may have to wait for one that was killed.
    """
    verdict.count(LEASES)
    if claim is None or claim.expires_at is None:
        verdict.fault(LEASES, f"case {change.case_id} was returned by a lease that nobody promised")
        return
    if any(_answers(one, change.case_id) for one in later):
        verdict.fault(LEASES, f"case {change.case_id} was answered and yet returned by lease")
    deadline = claim.expires_at
    for one in later:
        if one.method == "ExtendClaim" and (not one.cases or change.case_id in one.cases):
            deadline = max(deadline, one.last_ended + one.body["Seconds"])
    late = bisect_right(answered, change.at - 1) - bisect_left(answered, deadline)
    verdict.largest("seconds that servers answered while a lease was over", late)
    if late > GRACE:
        verdict.fault(LEASES, f"case {change.case_id} came back {late} s after its lease, while servers answered")


def _answered_seconds(asked: Sequence[Asked]) -> list[int]:
    """Return the seconds, counted from 1970, in which any server answered."""
    return sorted({int(attempt.ended_at or 0) for one in asked for attempt in one.attempts if attempt.is_answer})


def _check_refusals(
    case_id: int,
    left: Mapping[str, Change],
    holder: str | None,
    tables: Tables,
    under_claim: Mapping[str, list[Asked]],
    verdict: Verdict,
) -> None:
    """Whoever holds a case must not be told that the claim is lost."""
    for claim in [*left, *([holder] if holder else [])]:
        row = tables.claims.get(claim)
        lasted = left[claim].at if claim in left else math.inf
        if claim in left and left[claim].by == CASEDIAL and row and row.expires_at:
            lasted = row.expires_at  # the clock of the history may lag behind that of the leases
        for one in under_claim.get(claim, ()):
            if one.answer and (one.answer.ended_at or math.inf) < lasted and _refused(one, case_id):
                verdict.fault(LEASES, f"{one.id} was told that claim {claim} is lost, which held case {case_id}")


def _refused(asked: Asked, case_id: int) -> bool:
    if asked.method == "UpdateCaseStatus":
        return any(asked.outcome_of(place) == (FAILED, "ClaimLost") for place, _ in asked.items_of(case_id))
    return asked.result_of.get(case_id, {}).get("Code") == "ClaimLost"


def _check_end(tables: Tables, verdict: Verdict) -> None:
    """At the end every case in the dialer is answered or within its lease."""
    for case_id, case in tables.cases.items():
        if case["dialer_role"] != IN_THE_DIALER:
            continue
        verdict.count(LEASES)
        if case["answered_at"] is not None:
            continue
        claim = tables.claims.get(case["claim_id"] or "")
        if case["held_until"] is None and (claim is None or claim.expires_at is not None):
            verdict.fault(LEASES, f"case {case_id} is stranded: In the Dialer for ever")
        elif case["held_until"] is not None and case["held_until"] < tables.taken_at - GRACE:
            late = tables.taken_at - case["held_until"]
            verdict.fault(LEASES, f"case {case_id} is stranded: its lease ended {late:.1f} s ago")
