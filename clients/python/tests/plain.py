"""A server that knows the published text and nothing else, in memory: no X-Claim-Id, no problem documents, no /v1.

Each rule of the text is a method of its own, so that a wrong server is one that has another method.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Phoenix")  # where clocks never change
KEY = "4c1f0a93e7d2b586c0a1f"
CAMPAIGN, GROUP = "Conformance", "Trials"
DIALER_STATUSES = {name.casefold(): name for name in ("To Dial", "In the Dialer", "Do not Dial")}
DISPOSITIONS = {name.casefold() for name in ("Never Dialed", "Busy", "No Answer", "Answering Machine", "Successful")}


@dataclass
class Held:
    case_id: int
    campaign: str = CAMPAIGN
    group: str = GROUP
    closed: bool = False
    phones: list[tuple[str, str]] = field(default_factory=list)
    status: str = "Do not Dial"
    at: datetime = datetime(2026, 5, 6, 9)
    attempts: str = "0"
    disposition: str = "Never Dialed"
    notes: list[str] = field(default_factory=list)


def cases() -> list[Held]:
    """Twelve cases to be lent, 108 to 110 of them closed, some with a number of another; and one to be left alone."""
    shared = {105: 106, 108: 107, 110: 109}

    def case(case_id: int) -> Held:
        number = f"402555{shared.get(case_id, case_id):04}"
        return Held(case_id, closed=case_id in (108, 109, 110), phones=[("Cell", number), ("Home", "4025559999")][:1])

    return [*map(case, range(101, 113)), Held(7, "Intake", "Others", phones=[("Cell", "4025550007")], status="To Dial")]


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Plain:
    """Listens on loopback until the block ends. With ``tells`` its replies to writes say what became of each case."""

    tells = True
    path = "/api"

    def __init__(self) -> None:
        self.cases = {case.case_id: case for case in cases()}
        self.lock = threading.RLock()
        self.wrote: list[str] = []  # the methods that were called and change something
        plain = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # so that head and body leave together, and nobody waits for the second

            def do_GET(self) -> None:
                status, document = plain.reply(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
                body = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._http.server_port}{self.path}"

    def __enter__(self) -> Plain:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    # A request

    def reply(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        method = {
            "GetCasesToDial": self.get_cases_to_dial,
            "GetCaseInfo": self.get_case_info,
            "UpdateCaseStatus": self.update_case_status,
            "AddCaseNote": self.add_case_note,
            "AddCaseNoteByPhone": self.add_case_note_by_phone,
        }.get(parts.path.removeprefix(f"{self.path}/"))
        if method is None:
            return 404, None
        if not self.allows(request.headers.get("X-ApiKey")):
            return 401, None
        if method not in (self.get_cases_to_dial, self.get_case_info):
            self.wrote.append(parts.path)
        try:
            return 200, method(dict(parse_qsl(parts.query, keep_blank_values=True)) | json.loads(body or b"{}"))
        except Refused as refused:
            return refused.status, None

    def allows(self, key: str | None) -> bool:
        return key == KEY

    def find(self, case_id: Any) -> Held:
        try:
            return self.cases[int(case_id)]
        except (KeyError, TypeError, ValueError):
            raise Refused(404) from None

    # GetCasesToDial

    def get_cases_to_dial(self, asked: dict[str, Any]) -> Any:
        claims = str(asked.get("Auto-change", "")).lower() == "true"
        with self.lock:
            found = self.select(asked)
            shown = [self.shown(case) for case in found]
            if claims:
                self.claim(found, asked)
        return shown

    def select(self, asked: dict[str, Any]) -> list[Held]:
        due = [case for case in self.cases.values() if self.is_due(case) and self.is_asked_for(case, asked)]
        return due[: self.records(asked)]

    def is_due(self, case: Held) -> bool:
        return self.may_be_dialed(case) and case.at <= self.now()

    def may_be_dialed(self, case: Held) -> bool:
        return case.status == "To Dial"

    def now(self) -> datetime:
        return datetime.now(ZONE).replace(tzinfo=None)

    def is_asked_for(self, case: Held, asked: dict[str, Any]) -> bool:
        return self.matches(asked.get("Campaign"), case.campaign) and self.matches(asked.get("CaseGroup"), case.group)

    def matches(self, wanted: str | None, own: str) -> bool:
        return not wanted or wanted.casefold() == own.casefold()

    def records(self, asked: dict[str, Any]) -> int:
        return int(asked.get("Records") or 100)

    def claim(self, found: Sequence[Held], asked: dict[str, Any]) -> None:
        for case in found:
            case.status, case.at = "In the Dialer", self.now()

    # What a case looks like

    def get_case_info(self, asked: dict[str, Any]) -> Any:
        return self.shown(self.find(asked.get("CaseID")))

    def shown(self, case: Held) -> dict[str, Any]:
        return {
            "CaseID": case.case_id,
            "Phones": [self.phone(name, number) for name, number in case.phones],
            "CaseStatus": "LIT 04 - Answer Received",
            "DialerStatus": case.status,
            "Campaign": case.campaign,
            "Attempts": case.attempts,
            "DialDateTime": case.at.isoformat(timespec="seconds"),
            "ZipCode": "68046",
        }

    def phone(self, name: str, number: str) -> dict[str, Any]:
        return {"PhoneName": name, "Phone": number, "Primary": True, "Text": False}

    # UpdateCaseStatus

    def update_case_status(self, asked: dict[str, Any]) -> Any:
        items = asked["Cases"]
        with self.lock:
            self.apply_all(items)
        return self.told([item["CaseID"] for item in items])

    def apply_all(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            self.apply(self.find(item.get("CaseID")), item)

    def apply(self, case: Held, item: dict[str, Any]) -> None:
        if item.get("Disposition") and item["Disposition"].casefold() not in DISPOSITIONS:
            raise Refused(400)
        self.set_status(case, item)
        self.set_attempts(case, item)
        case.disposition = item.get("Disposition") or case.disposition

    def set_status(self, case: Held, item: dict[str, Any]) -> None:
        if item.get("Status"):
            case.status = DIALER_STATUSES[item["Status"].casefold()]
        if item.get("Status") or item.get("NextCall"):
            case.at = self.next_call(case, item)

    def next_call(self, case: Held, item: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(item["NextCall"]) if item.get("NextCall") else self.now()

    def set_attempts(self, case: Held, item: dict[str, Any]) -> None:
        if "Attempts" in item:
            case.attempts = str(item["Attempts"])

    # Notes

    def add_case_note(self, asked: dict[str, Any]) -> Any:
        wanted = asked["CaseID"] if isinstance(asked.get("CaseID"), list) else [asked.get("CaseID")]
        for case_id in wanted:
            self.find(case_id).notes.append(asked["Note"])
        return self.told(wanted)

    def add_case_note_by_phone(self, asked: dict[str, Any]) -> Any:
        having = [case for case in self.cases.values() if self.has(case, asked["Phone"])]
        if not having:
            raise Refused(404)
        noted = self.noted(having)
        for case in noted:
            case.notes.append(asked["Note"])
        return self.told([case.case_id for case in noted])

    def has(self, case: Held, number: str) -> bool:
        return any(own == number for _, own in case.phones)

    def noted(self, having: list[Held]) -> list[Held]:
        return [case for case in having if not case.closed] or having

    def told(self, case_ids: list[int]) -> Any:
        return {"Results": [{"CaseID": one, "Success": True} for one in case_ids]} if self.tells else None


class Silent(Plain):
    """Says nothing of a write but that it was done: the published text shows no such reply."""

    tells = False
