"""What readers of the feed got: each of them everything, once, all in one order, and of each case the whole story.

It is judged from the feed alone: what a case had before each event is what it had after the last one, in the end it is
what the case has, and what was answered before something else was sent comes before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.evidence import ATTEMPTS, CAMPAIGN, DIALER, DISPOSITION, Evidence, Tables
from tests.chaos.verdict import FEED_ONCE, FEED_ORDER, Verdict

Event = Mapping[str, Any]

NAMES = {DIALER: "DialerStatus", DISPOSITION: "Disposition", CAMPAIGN: "Campaign", ATTEMPTS: "Attempts"}
COLUMNS = {
    "DialerStatus": "dialer_status_id",
    "Disposition": "disposition_id",
    "Campaign": "campaign_id",
    "Attempts": "attempts_id",
}
_FIELDS = (*COLUMNS, "DialDateTime")


def check(evidence: Evidence, verdict: Verdict) -> None:
    """Judge what each reader got."""
    wanted = _wanted(evidence.tables)
    first: list[str] | None = None
    for name, events in evidence.feeds.items():
        _check_once(name, events, wanted, verdict)
        ids = [event["ID"] for event in events]
        if first is not None and ids != first:
            place = next((n for n, pair in enumerate(zip(ids, first, strict=False)) if pair[0] != pair[1]), len(ids))
            verdict.fault(FEED_ORDER, f"{name} got another order than the first reader from event {place} on")
        first = first or ids
        _check_stories(name, events, evidence.tables, verdict)
        _check_moments(name, events, evidence, verdict)


def _wanted(tables: Tables) -> Counter[tuple[object, ...]]:
    """What there has to be: the rows of the history by their ids, and the notes by what they say."""
    rows = (row for changes in tables.changes.values() for change in changes for row in change.rows.values())
    found: Counter[tuple[object, ...]] = Counter((f"h{row.id}", row.case_id) for row in rows)
    found.update(("note", note["case_id"], note["text"], note["author"]) for note in tables.notes)
    return found


def _mark(event: Event) -> tuple[object, ...]:
    if event["Kind"] == "case.noted":
        return "note", event["CaseID"], event["Note"], event["By"]
    return event["ID"], event["CaseID"]


def _check_once(name: str, events: Sequence[Event], wanted: Counter[tuple[object, ...]], verdict: Verdict) -> None:
    verdict.count(FEED_ONCE, len(events))
    for id, times in Counter(event["ID"] for event in events).items():
        if times > 1:
            verdict.fault(FEED_ONCE, f"{name} got event {id} {times} times")
    got = Counter(_mark(event) for event in events)
    for mark in wanted - got:
        verdict.fault(FEED_ONCE, f"{name} did not get {mark}")
    for mark in got - wanted:
        verdict.fault(FEED_ONCE, f"{name} got {mark}, which is not there")


def _check_stories(name: str, events: Sequence[Event], tables: Tables, verdict: Verdict) -> None:
    """Put each case together from its events alone."""
    cases: dict[int, dict[str, object]] = defaultdict(dict)
    for event in events:
        case = cases[event["CaseID"]]
        for field in _FIELDS:
            if field not in event["After"]:
                continue
            verdict.count(FEED_ORDER)
            if event["Before"].get(field) != case.get(field):
                verdict.fault(
                    FEED_ORDER,
                    f"{name}: {event['ID']} says that case {event['CaseID']} had {field} "
                    f"{event['Before'].get(field)!r}, and it had {case.get(field)!r}",
                )
            case[field] = event["After"][field]
    for case_id, row in tables.cases.items():
        for field, column in COLUMNS.items():
            has = tables.statuses[row[column]][1] if row[column] is not None else None
            if cases[case_id].get(field) != has:
                told = cases[case_id].get(field)
                verdict.fault(
                    FEED_ORDER, f"{name}: by the feed case {case_id} has {field} {told!r}, and it has {has!r}"
                )


def _check_moments(name: str, events: Sequence[Event], evidence: Evidence, verdict: Verdict) -> None:
    """What was answered before something else about the case was sent comes first: claims and notes tell which."""
    sent: dict[tuple[object, ...], tuple[float, float]] = {}
    for asked in evidence.asked:
        ended = asked.answer.ended_at if asked.answer else None
        times = asked.first_sent, ended or float("inf")
        if asked.granted:
            sent["claim", asked.granted_claim] = times
        for text in _texts(asked.body):
            sent["note", text] = times
    latest: dict[int, float] = {}
    for event in events:
        mark = ("note", event["Note"]) if event["Note"] else ("claim", event["ClaimID"])
        if event["Kind"] not in ("case.noted", "case.claimed") or mark not in sent:
            continue
        verdict.count(FEED_ORDER)
        case_id, (first_sent, ended) = event["CaseID"], sent[mark]
        if ended < latest.get(case_id, 0.0):
            verdict.fault(FEED_ORDER, f"{name}: {event['ID']} comes behind what was sent after its answer")
        latest[case_id] = max(latest.get(case_id, 0.0), first_sent)


def _texts(body: Mapping[str, Any]) -> list[str]:
    items = body.get("Cases") or [body]
    return [item["Note"] for item in items if "Note" in item]
