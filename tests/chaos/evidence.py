"""What is judged: the dialers' journals and a copy of the tables, read into plain objects. Nothing is judged here.

Times are seconds since 1970, ids of claims are text as on the wire.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

DIALER, DISPOSITION, CAMPAIGN, ATTEMPTS = 1, 2, 3, 4  # types of status
TO_DIAL, IN_THE_DIALER, DO_NOT_DIAL = 1, 2, 3  # roles of a Dialer Status

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"


def moment(text: str) -> float:
    """Read a time with a zone."""
    return datetime.fromisoformat(text).timestamp()


@dataclass
class Attempt:
    """One sending of a request, and what came back: a whole reply or nothing."""

    sent_at: float
    ended_at: float | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @cached_property
    def document(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def code(self) -> str | None:
        return self.document.get("code") if isinstance(self.document, dict) else None

    @property
    def is_answer(self) -> bool:
        """Tell whether this is the request's answer, not silence and not a request to come again."""
        return self.status is not None and self.status != 503 and self.code != "RequestStillRunning"


@dataclass
class Asked:
    """One request with all its attempts."""

    id: str
    method: str
    vendor: str
    key: int
    idempotency_key: str | None
    claim: str | None
    body: Mapping[str, Any]
    attempts: list[Attempt] = field(default_factory=list)

    @cached_property
    def answers(self) -> list[Attempt]:
        """All its answers in the order they came; more than one when it was repeated on purpose."""
        return sorted((a for a in self.attempts if a.is_answer), key=lambda a: a.ended_at or 0)

    @property
    def answer(self) -> Attempt | None:
        return self.answers[0] if self.answers else None

    @property
    def first_sent(self) -> float:
        return min(attempt.sent_at for attempt in self.attempts)

    @property
    def last_ended(self) -> float:
        return max(attempt.ended_at or attempt.sent_at for attempt in self.attempts)

    @property
    def is_claim(self) -> bool:
        return self.method == "GetCasesToDial" and bool(self.body.get("Auto-change"))

    @cached_property
    def granted(self) -> list[int]:
        """The cases that a claim was answered with."""
        if not (self.is_claim and self.answer and self.answer.status == 200):
            return []
        return [case["CaseID"] for case in self.answer.document]

    @property
    def granted_claim(self) -> str | None:
        return self.answer.headers.get("x-claim-id") if self.answer else None

    @cached_property
    def results(self) -> list[Mapping[str, Any]]:
        """The result of each item, where the answer has them."""
        document = self.answer.document if self.answer else None
        return list(document.get("Results", ())) if isinstance(document, dict) else []

    def outcome_of(self, place: int) -> tuple[str, str | None]:
        """What the dialer knows of its item at this place: OK, FAILED with a code, or UNKNOWN."""
        if self.answer is None:
            return UNKNOWN, None
        if place >= len(self.results):
            return FAILED, self.answer.code
        result = self.results[place]
        return (OK, None) if result["Success"] else (FAILED, result.get("Code"))

    @cached_property
    def items(self) -> list[Mapping[str, Any]]:
        """The items of an UpdateCaseStatus."""
        if self.method != "UpdateCaseStatus":
            return []
        return self.body.get("Cases") or [self.body]

    @cached_property
    def _places(self) -> dict[int, list[int]]:
        places: dict[int, list[int]] = defaultdict(list)
        for place, item in enumerate(self.items):
            places[item["CaseID"]].append(place)
        return places

    def items_of(self, case_id: int) -> list[tuple[int, Mapping[str, Any]]]:
        """The items for one case, each with its place."""
        return [(place, self.items[place]) for place in self._places.get(case_id, ())]

    @cached_property
    def result_of(self) -> dict[int, Mapping[str, Any]]:
        """The results by case."""
        return {result["CaseID"]: result for result in self.results}

    @cached_property
    def cases(self) -> list[int]:
        """The CaseIDs that ExtendClaim, ReleaseClaim and AddCaseNote name; empty when they name none."""
        named = self.body.get("CaseID", [])
        return list(dict.fromkeys(named if isinstance(named, list) else [named]))


@dataclass(frozen=True)
class Row:
    """A row of the history."""

    id: int
    case_id: int
    type: int
    status_id: int | None
    dial_at: float | None
    changed_at: float
    changed_by: str
    claim: str | None
    reason: str | None


@dataclass
class Change:
    """The rows that one change of a case wrote: one for each type of status."""

    case_id: int
    at: float
    by: str
    claim: str | None
    rows: dict[int, Row]

    @property
    def dialer(self) -> Row | None:
        return self.rows.get(DIALER)

    @property
    def id(self) -> int:
        return next(iter(self.rows.values())).id


@dataclass(frozen=True)
class ClaimRow:
    """A row of the table of claims."""

    id: str
    key: int
    vendor: str
    case_ids: list[int]
    created_at: float
    expires_at: float | None


@dataclass
class Tables:
    """A copy of the tables, from a database that nobody writes to any more."""

    taken_at: float
    integrity: str
    cases: dict[int, Mapping[str, Any]]
    claims: dict[str, ClaimRow]
    changes: dict[int, list[Change]]
    notes: list[Mapping[str, Any]]
    statuses: dict[int, tuple[int, str, int | None]]  # by id: type, name, role
    phones: dict[str, list[int]]

    def role(self, row: Row) -> int | None:
        """Return the role of the status that a row of the history sets."""
        return self.statuses[row.status_id][2] if row.status_id in self.statuses else None

    def status_id(self, kind: int, name: object) -> int | None:
        return self._by_name.get((kind, str(name)))

    @cached_property
    def _by_name(self) -> dict[tuple[int, str], int]:
        return {(kind, name): number for number, (kind, name, _) in self.statuses.items()}


@dataclass
class Evidence:
    """All there is to judge."""

    asked: list[Asked]
    tables: Tables
    feeds: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # what each reader of the feed got


def read_journals(paths: Iterable[Path]) -> list[Asked]:
    """Read journals; a last line that was cut when its dialer ended counts as not written."""

    def lines() -> Iterable[Mapping[str, Any]]:
        for path in paths:
            with path.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in file if line.endswith("\n"))

    return read_lines(lines())


def read_feeds(paths: Iterable[Path]) -> dict[str, list[Mapping[str, Any]]]:
    """Read what readers of the feed wrote down, page by page."""
    found = {}
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        found[path.stem] = [event for line in lines for event in json.loads(line)["events"]]
    return found


def read_lines(lines: Iterable[Mapping[str, Any]]) -> list[Asked]:
    asked: dict[str, Asked] = {}
    attempts: dict[tuple[str, int], Attempt] = {}
    for line in lines:
        name = line["request"]
        if "sent" in line:
            sent = line["sent"]
            if name not in asked:
                known = ("method", "vendor", "key", "idempotency_key", "claim", "body")
                asked[name] = Asked(name, *(sent[field] for field in known))
            attempt = attempts[name, line["attempt"]] = Attempt(line["at"])
            asked[name].attempts.append(attempt)
            continue
        attempt = attempts[name, line["attempt"]]
        attempt.ended_at = line["at"]
        if "got" in line:
            attempt.status, attempt.headers, attempt.text = (
                line["got"][part] for part in ("status", "headers", "body")
            )
    return list(asked.values())


def read_tables(copy: Mapping[str, Any]) -> Tables:
    changes: dict[int, list[Change]] = defaultdict(list)
    for row in sorted((Row(**row) for row in copy["history"]), key=lambda row: row.id):
        told = changes[row.case_id]
        last = told[-1] if told else None
        same = last and (last.at, last.by, last.claim) == (row.changed_at, row.changed_by, row.claim)
        if last and same and row.type > max(last.rows):  # a change writes its rows in the order of their types
            last.rows[row.type] = row
        else:
            told.append(Change(row.case_id, row.changed_at, row.changed_by, row.claim, {row.type: row}))
    phones: dict[str, list[int]] = defaultdict(list)
    for phone in copy["phones"]:
        phones[phone["number"]].append(phone["case_id"])
    return Tables(
        taken_at=copy["taken_at"],
        integrity=copy["integrity"],
        cases={case["case_id"]: case for case in copy["cases"]},
        claims={row["id"]: ClaimRow(**row) for row in copy["claims"]},
        changes=dict(changes),
        notes=copy["notes"],
        statuses={row["id"]: (row["type"], row["name"], row["role"]) for row in copy["statuses"]},
        phones=dict(phones),
    )
