"""A small good history, by hand: what six requests and a lease did to four cases. Tests plant faults in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.evidence import (
    ATTEMPTS,
    DIALER,
    DISPOSITION,
    DO_NOT_DIAL,
    IN_THE_DIALER,
    TO_DIAL,
    Evidence,
    read_lines,
    read_tables,
)

NAMES = {DIALER: "DialerStatus", DISPOSITION: "Disposition", ATTEMPTS: "Attempts"}
START = 1_800_000_000.0
STATUSES = (
    {"id": 1, "type": DIALER, "name": "To Dial", "role": TO_DIAL},
    {"id": 2, "type": DIALER, "name": "In the Dialer", "role": IN_THE_DIALER},
    {"id": 3, "type": DIALER, "name": "Do not Dial", "role": DO_NOT_DIAL},
    {"id": 11, "type": DISPOSITION, "name": "Busy", "role": None},
    {"id": 20, "type": ATTEMPTS, "name": "0", "role": None},
    {"id": 21, "type": ATTEMPTS, "name": "1", "role": None},
)
COLUMNS = {DIALER: "dialer_status_id", DISPOSITION: "disposition_id", ATTEMPTS: "attempts_id"}
PHONE = "4025550101"  # of cases 1 and 2
ACME, BELL = ("Acme Dialer", 1), ("Bell Calls", 2)

Row = dict[str, Any]


def wire(seconds: float) -> str:
    """Write a time of this history as the wire does."""
    return datetime.fromtimestamp(START + seconds, UTC).isoformat()


@dataclass
class History:
    """Journals and tables in the making. Times are seconds since its start."""

    lines: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    claims: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    held: dict[int, Row] = field(default_factory=dict)  # columns of cases that are In the Dialer at the end
    overrides: dict[int, Row] = field(default_factory=dict)  # columns that a fault sets
    integrity: str = "ok"
    told: dict[str, list[Row]] = field(default_factory=dict)  # what readers of the feed got, where a fault is in it

    # --- Journals ---

    def send(self, name: str, at: float, method: str, body: Row, by: tuple[str, int] = ACME, **more: Any) -> None:
        attempt = more.pop("attempt", 0)
        sent = {"method": method, "vendor": by[0], "key": by[1], "idempotency_key": None, "claim": None, "body": body}
        self.lines.append({"request": name, "attempt": attempt, "at": START + at, "sent": {**sent, **more}})

    def got(self, name: str, at: float, document: Any, status: int = 200, attempt: int = 0, **headers: str) -> None:
        named = {header.replace("_", "-"): value for header, value in headers.items()}
        got = {"status": status, "headers": named, "body": json.dumps(document)}
        self.lines.append({"request": name, "attempt": attempt, "at": START + at, "got": got})

    def lost(self, name: str, at: float, attempt: int = 0) -> None:
        self.lines.append({"request": name, "attempt": attempt, "at": START + at, "lost": "ConnectionResetError"})

    def reply(self, name: str, attempt: int = 0) -> Row:
        """Return what a request got, to be changed."""
        return next(
            line["got"]
            for line in self.lines
            if (line["request"], line["attempt"]) == (name, attempt) and "got" in line
        )

    def sending(self, name: str) -> Row:
        return next(line["sent"] for line in self.lines if line["request"] == name and "sent" in line)

    def move_reply(self, name: str, at: float) -> None:
        next(line for line in self.lines if line["request"] == name and "sent" not in line)["at"] = START + at

    # --- Tables ---

    def change(self, case: int, at: float, by: str, claim: str | None, dial_at: float = 0, **statuses: int) -> None:
        """Write the rows of one change: ``dialer``, ``disposition``, ``attempts`` are ids of statuses."""
        kinds = {"dialer": DIALER, "disposition": DISPOSITION, "attempts": ATTEMPTS}
        for name, kind in kinds.items():
            if name in statuses:
                row: Row = {"case_id": case, "type": kind, "status_id": statuses[name], "changed_at": START + at}
                row["dial_at"] = START + dial_at if kind == DIALER else None
                self.rows.append({**row, "changed_by": by, "claim": claim, "reason": None})

    def claim(self, claim: str, at: float, ends: float, by: tuple[str, int], *cases: int) -> None:
        times = {"created_at": START + at, "expires_at": START + ends}
        self.claims.append({"id": claim, "vendor": by[0], "key": by[1], "case_ids": list(cases), **times})
        for case in cases:
            self.change(case, at, by[0], claim, dial_at=at, dialer=2)

    def note(self, text: str, by: tuple[str, int], *cases: int) -> None:
        self.notes.extend({"case_id": case, "text": text, "author": by[0]} for case in cases)

    def of(self, case: int, claim: str | None = None) -> list[Row]:
        """Return the rows of a case, those under one claim if it is given."""
        return [row for row in self.rows if row["case_id"] == case and claim in (None, row["claim"])]

    def feeds(self) -> dict[str, list[Row]]:
        """Return what two readers get, made of the rows and notes as they are now, to be changed."""
        self.told = {f"reader-{number}": self._feed() for number in range(2)}
        return self.told

    def _feed(self) -> list[Row]:
        names: dict[int | None, str | None] = {row["id"]: row["name"] for row in STATUSES}
        had: dict[tuple[int, int], Row] = {}
        events: list[Row] = []
        for row in self._numbered():
            named = {NAMES[row["type"]]: names[row["status_id"]]}
            after = {**named, "DialDateTime": row["dial_at"]} if row["type"] == DIALER else named
            kind = "case.claimed" if row["status_id"] == IN_THE_DIALER else "case.updated"
            events.append(
                {
                    "ID": f"h{row['id']}",
                    "Kind": kind,
                    "CaseID": row["case_id"],
                    "By": row["changed_by"],
                    "Before": had.get((row["case_id"], row["type"]), {}),
                    "After": after,
                    "ClaimID": row["claim"],
                    "Note": "",
                }
            )
            had[row["case_id"], row["type"]] = after
        for number, note in enumerate(self.notes):
            told = {"ID": f"n{number}", "Kind": "case.noted", "CaseID": note["case_id"], "By": note["author"]}
            events.append({**told, "Before": {}, "After": {}, "ClaimID": None, "Note": note["text"]})
        return events

    def _numbered(self) -> list[Row]:
        ordered = sorted(self.rows, key=lambda row: row["changed_at"])
        return [{"id": number, **row} for number, row in enumerate(ordered, 1)]

    def evidence(self) -> Evidence:
        """Number the rows in the order of time, and give each case the columns that its history says."""
        numbered = self._numbered()
        copy = {
            "taken_at": START + 40,
            "integrity": self.integrity,
            "history": numbered,
            "cases": [self._case(case, numbered) for case in (1, 2, 3, 4)],
            "claims": self.claims,
            "notes": self.notes,
            "statuses": STATUSES,
            "phones": [{"number": PHONE, "case_id": 1}, {"number": PHONE, "case_id": 2}],
        }
        return Evidence(read_lines(self.lines), read_tables(copy), self.told or self.feeds())

    def _case(self, case_id: int, numbered: list[Row]) -> Row:
        case: Row = {"case_id": case_id, "campaign_id": None, "claim_id": None, "held_until": None}
        case |= {"answered_at": None, "redial_at": None, **dict.fromkeys(COLUMNS.values())}
        for row in numbered:
            if row["case_id"] == case_id:
                case[COLUMNS[row["type"]]] = row["status_id"]
                if row["type"] == DIALER:
                    case["dial_at"] = row["dial_at"]
        case["dialer_role"] = case["dialer_status_id"]
        return case | self.held.get(case_id, {}) | self.overrides.get(case_id, {})


def good() -> History:
    """Return a history without a fault."""
    history = History()
    for case in (1, 2, 3, 4):
        history.change(case, 0, "import", None, dialer=1, attempts=20)
    _claim_and_report(history)
    _lease_that_ends(history)
    _claims_that_nobody_heard_of(history)
    _notes(history)
    return history


def done(*cases: int) -> Row:
    return {"Succeeded": len(cases), "Failed": 0, "Results": [{"CaseID": case, "Success": True} for case in cases]}


def refused(*cases: int) -> Row:
    results = [{"CaseID": case, "Success": False, "Code": "ClaimLost"} for case in cases]
    return {"code": "ClaimLost", "Succeeded": 0, "Failed": len(cases), "Results": results}


def _claim_and_report(history: History) -> None:
    """Acme claims cases 1 and 2; reports 1, whose reply is lost and asked for again; answers 2, then reports it."""
    history.send("a1", 10, "GetCasesToDial", {"Records": 2, "Auto-change": True})
    history.claim("c1", 10.05, 15, ACME, 1, 2)
    history.got("a1", 10.1, [{"CaseID": 1}, {"CaseID": 2}], x_claim_id="c1", x_claim_expires=wire(15))

    item = {"CaseID": 1, "Status": "To Dial", "NextCall": wire(-901), "Attempts": 1, "Disposition": "Busy"}
    key: Row = {"claim": "c1", "idempotency_key": "k2"}
    history.send("a2", 11, "UpdateCaseStatus", item, **key)
    history.change(1, 11.05, ACME[0], "c1", dial_at=-901, dialer=1, attempts=21, disposition=11)
    history.lost("a2", 11.1)
    for attempt, at in ((1, 11.3), (2, 11.5)):
        history.send("a2", at, "UpdateCaseStatus", item, attempt=attempt, **key)
        history.got("a2", at + 0.1, done(1), attempt=attempt, x_request_id=f"r{attempt}")

    history.send("a3", 12, "UpdateCaseStatus", {"CaseID": 2, "Disposition": "Busy"}, claim="c1")
    history.change(2, 12.05, ACME[0], "c1", disposition=11)
    history.got("a3", 12.1, done(2))
    last = {"CaseID": 2, "Status": "Do not Dial", "NextCall": wire(-902), "Attempts": 1}
    history.send("a4", 20, "UpdateCaseStatus", {"Cases": [last]}, claim="c1")
    history.change(2, 20.05, ACME[0], "c1", dial_at=-902, dialer=3, attempts=21)
    history.got("a4", 20.1, done(2))


def _lease_that_ends(history: History) -> None:
    """Bell claims case 1 and does nothing in time; it comes back once; Bell is late, and then claims it anew."""
    history.send("b1", 13, "GetCasesToDial", {"Records": 1, "Auto-change": True}, BELL)
    history.claim("c2", 13.05, 18, BELL, 1)
    history.got("b1", 13.1, [{"CaseID": 1}], x_claim_id="c2", x_claim_expires=wire(18))
    history.change(1, 18.2, "casedial", "c2", dial_at=-901, dialer=1)
    late = {"CaseID": 1, "Status": "Do not Dial", "NextCall": wire(-903)}
    history.send("b2", 21, "UpdateCaseStatus", late, BELL, claim="c2")
    history.got("b2", 21.1, refused(1), status=409)

    history.send("b3", 22, "GetCasesToDial", {"Records": 5, "Auto-change": True}, BELL)
    history.claim("c3", 22.05, 60, BELL, 1, 4)
    history.got("b3", 22.1, [{"CaseID": 1}, {"CaseID": 4}], x_claim_id="c3", x_claim_expires=wire(60))
    history.send("b4", 23, "ReleaseClaim", {"ClaimID": "c3", "CaseID": [4]}, BELL)
    history.change(4, 23.05, BELL[0], "c3", dial_at=0, dialer=1)
    history.got("b4", 23.1, done(4))
    history.held[1] = {"claim_id": "c3", "held_until": START + 60}


def _claims_that_nobody_heard_of(history: History) -> None:
    """A claim whose reply was lost comes back by its lease; an update whose reply was lost was made."""
    history.send("a5", 24, "GetCasesToDial", {"Records": 1, "Auto-change": True})
    history.claim("c4", 24.05, 29, ACME, 3)
    history.lost("a5", 24.2)
    history.change(3, 29.3, "casedial", "c4", dial_at=0, dialer=1)
    parked = {"CaseID": 4, "NextCall": wire(-904), "Attempts": 1}
    history.send("a6", 25, "UpdateCaseStatus", parked)
    history.change(4, 25.05, ACME[0], None, dial_at=-904, dialer=1, attempts=21)
    history.lost("a6", 25.2)
    for second in range(26, 40):  # servers answer all the time
        history.send(f"a7-{second}", second, "AddCaseNote", {"CaseID": 3, "Note": f"at {second}"})
        history.note(f"at {second}", ACME, 3)
        history.got(f"a7-{second}", second + 0.1, done(3))


def _notes(history: History) -> None:
    history.send("n1", 30, "AddCaseNote", {"CaseID": [1, 2], "Note": "one"}, idempotency_key="k1")
    history.note("one", ACME, 1, 2)
    history.got("n1", 30.1, done(1, 2), x_request_id="r3")
    history.send("n1", 31, "AddCaseNote", {"CaseID": [1, 2], "Note": "one"}, idempotency_key="k1", attempt=1)
    history.got("n1", 31.1, done(1, 2), attempt=1, x_request_id="r4")
    history.send("n2", 32, "AddCaseNoteByPhone", {"Phone": PHONE, "Note": "two"}, BELL)
    history.note("two", BELL, 1, 2)
    history.lost("n2", 32.1)
    history.send("n3", 33, "AddCaseNote", {"Cases": [{"CaseID": 1, "Note": "three"}]}, BELL)
    history.lost("n3", 33.1)
    history.send("n4", 34, "AddCaseNote", {"CaseID": 1, "Note": "four"})
    history.got("n4", 34.1, {"code": "StorageUnavailable"}, status=503, retry_after="1")
