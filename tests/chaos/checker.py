"""The independent checker: it proves from journals and tables that every promise was kept, or says which was not.

It imports nothing from casedial, knows the API from its description only, and trusts no count of the server.
"""

from __future__ import annotations

from collections import Counter

from tests.chaos import feeding, holding, writing
from tests.chaos.evidence import ATTEMPTS, CAMPAIGN, DIALER, DISPOSITION, IN_THE_DIALER, Asked, Attempt, Evidence
from tests.chaos.verdict import REPEATS, REPLIES, SOUND, Verdict

_VARY = ("x-request-id", "date", "connection")  # headers in which a repeated reply may differ from the first


def check(evidence: Evidence) -> Verdict:
    """Judge a history from beginning to end."""
    verdict = Verdict()
    holding.check(evidence, verdict)
    writing.check(evidence, verdict)
    feeding.check(evidence, verdict)
    _check_replies(evidence, verdict)
    _check_repeats(evidence, verdict)
    _check_database(evidence, verdict)
    return verdict


def _check_replies(evidence: Evidence, verdict: Verdict) -> None:
    uses = Counter((asked.key, asked.idempotency_key) for asked in evidence.asked)
    for asked in evidence.asked:
        reused = asked.idempotency_key is not None and uses[asked.key, asked.idempotency_key] > 1
        for attempt in asked.attempts:
            if attempt.status is None:
                continue
            verdict.count(REPLIES)
            if not _is_allowed(asked, attempt, reused):
                verdict.fault(REPLIES, f"{asked.id} ({asked.method}) got {attempt.status} {attempt.text[:200]}")


def _is_allowed(asked: Asked, attempt: Attempt, reused: bool) -> bool:
    if attempt.document is None:
        return False
    if attempt.status == 200:
        return True
    if attempt.status == 503 or attempt.code == "RequestStillRunning":
        return attempt.headers.get("retry-after", "").isdigit()
    if attempt.status == 422:
        return reused and attempt.code == "IdempotencyKeyReused"
    under_claim = asked.claim is not None or "ClaimID" in asked.body
    return under_claim and (attempt.status, attempt.code) == (409, "ClaimLost")


def _check_repeats(evidence: Evidence, verdict: Verdict) -> None:
    for asked in evidence.asked:
        if asked.idempotency_key is None or len(asked.answers) < 2:
            continue
        first, *repeats = asked.answers
        verdict.count(REPEATS, len(repeats))
        for repeat in repeats:
            if _as_given(repeat) != _as_given(first):
                verdict.fault(REPEATS, f"{asked.id} ({asked.method}) was answered {first.text!r}, then {repeat.text!r}")


def _as_given(attempt: Attempt) -> tuple[int | None, dict[str, str], str]:
    headers = {name: value for name, value in attempt.headers.items() if name not in _VARY}
    return attempt.status, headers, attempt.text


_COLUMNS = {
    DIALER: "dialer_status_id",
    DISPOSITION: "disposition_id",
    CAMPAIGN: "campaign_id",
    ATTEMPTS: "attempts_id",
}


def _check_database(evidence: Evidence, verdict: Verdict) -> None:
    tables = evidence.tables
    if tables.integrity != "ok":
        verdict.fault(SOUND, f"the database says of itself: {tables.integrity}")
    for case_id, case in tables.cases.items():
        verdict.count(SOUND)
        if (case["dialer_role"] == IN_THE_DIALER) != (case["claim_id"] is not None):
            verdict.fault(SOUND, f"case {case_id} is In the Dialer without a claim, or has one elsewhere")
        last = {kind: row for change in tables.changes.get(case_id, ()) for kind, row in change.rows.items()}
        for kind, column in _COLUMNS.items():
            told = last[kind].status_id if kind in last else None
            if case[column] != told:
                verdict.fault(SOUND, f"case {case_id} has {column} {case[column]}, its history says {told}")
        if DIALER in last and case["dial_at"] != last[DIALER].dial_at:
            verdict.fault(SOUND, f"case {case_id} has another dial time than its history")
