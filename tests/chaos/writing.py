"""What was written: every update, release and note, sent and stored, matched one to one.

A dialer gives each item a mark that no other item of the case has: a NextCall of its own, a note's text, or, without
either, the statuses it sets under one claim.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.chaos.evidence import (
    ATTEMPTS,
    DIALER,
    DISPOSITION,
    FAILED,
    IN_THE_DIALER,
    OK,
    TO_DIAL,
    UNKNOWN,
    Asked,
    Change,
    Evidence,
    Tables,
    moment,
)
from tests.chaos.holding import CASEDIAL, claim_named
from tests.chaos.verdict import ACKNOWLEDGED, LATE, REPEATS, UNACKNOWLEDGED, UNASKED, Verdict

IMPORT = "import"  # who gave the cases their first statuses

MADE, ABSENT = "of the unacknowledged, there", "of the unacknowledged, absent"

Mark = tuple[object, ...]
Wanted = dict[int, int | None]  # by type of status; None: whatever it was


def check(evidence: Evidence, verdict: Verdict) -> None:
    explained = _check_updates(evidence, verdict)
    explained |= _check_releases(evidence, explained, verdict)
    _check_unasked_changes(evidence, explained, verdict)
    _check_notes(evidence, verdict)


# --- Updates ---


def _check_updates(evidence: Evidence, verdict: Verdict) -> set[int]:
    """Return the ids of the changes that updates explain."""
    tables = evidence.tables
    marked: dict[Mark, list[Change]] = defaultdict(list)
    for changes in tables.changes.values():
        waited = None
        for change in changes:
            if not _gives_back(tables, change, waited):
                marked[_mark_of(change)].append(change)
            waited = change.dialer.dial_at if _waits(tables, change) and change.dialer else waited
    explained: set[int] = set()
    for asked in evidence.asked:
        for place, item in enumerate(asked.items):
            wanted = _wanted(tables, item)
            found = marked.get(_mark(asked, item, wanted), [])
            explained.update(change.id for change in found)
            _judge_item(asked, place, item, found, [c for c in found if _is_exact(tables, asked, wanted, c)], verdict)
    return explained


def _waits(tables: Tables, change: Change) -> bool:
    return change.dialer is not None and tables.role(change.dialer) == TO_DIAL


def _gives_back(tables: Tables, change: Change, waited: float | None) -> bool:
    """Tell whether a change returns a case at its old dial time: the mark on it is that of an earlier update."""
    if not _waits(tables, change) or change.claim is None or len(change.rows) > 1:
        return False
    return change.by == CASEDIAL or change.rows[DIALER].dial_at == waited


def _mark_of(change: Change) -> Mark:
    if change.dialer is not None:
        return change.case_id, change.dialer.dial_at
    return change.case_id, change.claim, frozenset((kind, row.status_id) for kind, row in change.rows.items())


def _mark(asked: Asked, item: Mapping[str, Any], wanted: Wanted) -> Mark:
    if "NextCall" in item:
        return item["CaseID"], moment(item["NextCall"])
    if "Status" in item:
        raise ValueError(f"{asked.id} sets a Status without a NextCall: nothing marks it")
    return item["CaseID"], asked.claim, frozenset(wanted.items())


def _wanted(tables: Tables, item: Mapping[str, Any]) -> Wanted:
    fields = (("Status", DIALER), ("Disposition", DISPOSITION), ("Attempts", ATTEMPTS))
    wanted: Wanted = {kind: tables.status_id(kind, item[name]) for name, kind in fields if name in item}
    if "NextCall" in item:
        wanted.setdefault(DIALER, None)
    return wanted


def _is_exact(tables: Tables, asked: Asked, wanted: Wanted, change: Change) -> bool:
    if change.rows.keys() != wanted.keys() or (change.by, change.claim) != (asked.vendor, asked.claim):
        return False
    if wanted.get(DIALER, 0) is None and change.dialer and tables.role(change.dialer) == IN_THE_DIALER:
        return False
    return all(wanted[kind] in (None, row.status_id) for kind, row in change.rows.items())


def _judge_item(
    asked: Asked,
    place: int,
    item: Mapping[str, Any],
    found: Sequence[Change],
    exact: Sequence[Change],
    verdict: Verdict,
) -> None:
    outcome, code = asked.outcome_of(place)
    what = f"{asked.id}'s update of case {item['CaseID']}"
    promise = {OK: ACKNOWLEDGED, UNKNOWN: UNACKNOWLEDGED, FAILED: LATE}[outcome]
    if outcome != FAILED or code == "ClaimLost":
        verdict.count(promise)
    if outcome == UNKNOWN:
        verdict.seen[MADE if found else ABSENT] += 1
    if outcome == FAILED:
        if found:
            verdict.fault(LATE if code == "ClaimLost" else UNASKED, f"{what} was refused ({code}) and yet made")
    elif not found and outcome == OK:
        verdict.fault(ACKNOWLEDGED, f"{what} was acknowledged and is not there")
    elif len(found) > 1:
        verdict.fault(_of_repeats(asked, promise), f"{what} is there {len(found)} times")
    elif len(exact) < len(found):
        verdict.fault(promise, f"{what} is there by half, or other than sent")


def _of_repeats(asked: Asked, promise: str) -> str:
    return REPEATS if asked.idempotency_key and len(asked.attempts) > 1 else promise


# --- Releases ---


def _check_releases(evidence: Evidence, explained: set[int], verdict: Verdict) -> set[int]:
    """Return the ids of the changes that releases explain. A release repeated in other words is done once."""
    tables = evidence.tables
    made: dict[tuple[int, str], list[Change]] = defaultdict(list)
    for change in (change for changes in tables.changes.values() for change in changes):
        if change.id not in explained and change.claim and _is_release(tables, change):
            made[change.case_id, change.claim].append(change)
    outcomes: dict[tuple[int, str], set[str]] = defaultdict(set)
    for asked in evidence.asked:
        if asked.method == "ReleaseClaim":
            for case_id, outcome in _released(asked, tables):
                outcomes[case_id, asked.body["ClaimID"]].add(outcome)
    for (case_id, claim), told in outcomes.items():
        _judge_release(f"the release of case {case_id} by claim {claim}", told, made.get((case_id, claim), []), verdict)
    return {change.id for pair in outcomes for change in made.get(pair, ())}


def _judge_release(what: str, told: set[str], found: Sequence[Change], verdict: Verdict) -> None:
    promise = ACKNOWLEDGED if OK in told else UNACKNOWLEDGED if UNKNOWN in told else LATE
    verdict.count(promise)
    if OK in told and not found:
        verdict.fault(promise, f"{what} was acknowledged and is not there")
    elif told == {FAILED} and found:
        verdict.fault(promise, f"{what} was refused and yet made")
    elif len(found) > 1:
        verdict.fault(promise, f"{what} is there {len(found)} times")


def _is_release(tables: Tables, change: Change) -> bool:
    alone = change.dialer is not None and len(change.rows) == 1
    return alone and change.by != CASEDIAL and tables.role(change.rows[DIALER]) == TO_DIAL


def _released(asked: Asked, tables: Tables) -> list[tuple[int, str]]:
    """Return the outcome of a release for each case that the answer names or, without one, may have meant."""
    if asked.answer is None:
        claim = tables.claims.get(asked.body["ClaimID"])
        return [(case_id, UNKNOWN) for case_id in asked.cases or (claim.case_ids if claim else ())]
    return [(result["CaseID"], OK if result["Success"] else FAILED) for result in asked.results]


# --- What nobody asked for ---


def _check_unasked_changes(evidence: Evidence, explained: set[int], verdict: Verdict) -> None:
    tables = evidence.tables
    unsure: dict[tuple[int, str | None], list[Wanted]] = defaultdict(list)
    for asked in evidence.asked:
        if asked.answer is None:
            for item in asked.items:
                unsure[item["CaseID"], asked.claim].append(_wanted(tables, item))
    told = {claim for asked in evidence.asked for claim in (asked.granted_claim, claim_named(asked)) if claim}
    for case_id, changes in tables.changes.items():
        for place, change in enumerate(changes):
            verdict.count(UNASKED)
            if change.id in explained or _is_own_doing(tables, change, place, told):
                continue
            rows = {kind: row.status_id for kind, row in change.rows.items()}
            what = f"the change {rows} of case {case_id} by {change.by} under claim {change.claim}"
            if any(rows.items() <= wanted.items() for wanted in unsure[case_id, change.claim]):
                verdict.fault(UNACKNOWLEDGED, f"{what} is half of what was sent")
            else:
                verdict.fault(UNASKED, f"nobody sent {what}")


def _is_own_doing(tables: Tables, change: Change, place: int, told: Collection[str]) -> bool:
    """Tell whether a change needs no request of its own: the import, a claim that is known, a lease that ended.

    Nor does a claim given back of which no dialer was ``told``: it had left before the reply was sent.
    """
    if change.by == IMPORT:
        return place == 0
    if change.dialer is None or len(change.rows) > 1:
        return False
    if change.by == CASEDIAL:
        return tables.role(change.dialer) == TO_DIAL
    claim = tables.claims.get(change.claim or "")
    if claim is None or change.case_id not in claim.case_ids or change.by != claim.vendor:
        return False
    goes = tables.role(change.dialer)
    return goes == IN_THE_DIALER or (goes == TO_DIAL and claim.id not in told)


# --- Notes ---


def _check_notes(evidence: Evidence, verdict: Verdict) -> None:
    stored: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)
    for note in evidence.tables.notes:
        verdict.count(UNASKED)
        stored[note["text"]][note["case_id"], note["author"]] += 1
    for asked in evidence.asked:
        for text, cases in _notes_of(asked, evidence.tables).items():
            _judge_note(asked, text, cases, stored.pop(text, Counter()), verdict)
    for text in stored:
        verdict.fault(UNASKED, f"nobody sent the note {text[:60]!r}")


def _notes_of(asked: Asked, tables: Tables) -> dict[str, dict[int, str]]:
    """Return each text that a request sends, with the cases it goes to and what is known of each."""
    if asked.method == "AddCaseNoteByPhone":
        cases = tables.phones.get(asked.body["Phone"], [])
        if asked.answer is None:
            return {asked.body["Note"]: dict.fromkeys(cases, UNKNOWN)}
        named = {result["CaseID"]: OK for result in asked.results}
        missing = dict.fromkeys(cases, OK) if named else {}
        return {asked.body["Note"]: missing | named}
    if asked.method != "AddCaseNote":
        return {}
    if "Cases" in asked.body:
        return {
            item["Note"]: {item["CaseID"]: asked.outcome_of(place)[0]} for place, item in enumerate(asked.body["Cases"])
        }
    return {asked.body["Note"]: {case_id: asked.outcome_of(place)[0] for place, case_id in enumerate(asked.cases)}}


def _judge_note(
    asked: Asked, text: str, cases: Mapping[int, str], stored: Counter[tuple[int, str]], verdict: Verdict
) -> None:
    what = f"{asked.id}'s note {text[:40]!r}"
    unknown = UNKNOWN in cases.values()
    promise = UNACKNOWLEDGED if unknown else ACKNOWLEDGED
    verdict.count(promise, len(cases))
    wanted = {(case_id, asked.vendor) for case_id, outcome in cases.items() if outcome != FAILED}
    if stored.keys() - wanted:
        verdict.fault(UNASKED, f"{what} is on cases it was not meant for, or under another name")
    if any(number > 1 for number in stored.values()):
        verdict.fault(_of_repeats(asked, promise), f"{what} is there more than once")
    if unknown:
        verdict.seen[MADE if stored else ABSENT] += len(cases)
    missing = wanted - stored.keys()
    if missing and not (unknown and not stored):
        how = "is on some of its cases only" if stored else "was acknowledged and is not there"
        verdict.fault(promise, f"{what} {how}: missing on {sorted(case_id for case_id, _ in missing)}")
