"""A dialer in a process of its own, as a vendor would write it: the standard library only, and a journal.

``python -m tests.chaos.dialer CONFIG`` works until SIGTERM: it claims, reports, answers, extends, releases, notes, and
at times does nothing until its claim has ended and then reports all the same. It remembers only what it was told.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.chaos.client import Body, Client, Journal, Reply, Request

DISPOSITIONS = ("Busy", "No Answer", "Answering Machine", "Successful")
MOST_HELD = 60  # cases at a time
MOST_ATTEMPTS = 20  # the firm has no status for more
MARGIN = 0.3  # seconds before its end from which a claim is treated as lost


@dataclass
class Holding:
    """What one claim holds, as far as its dialer knows: how often each case was touched."""

    claim: str
    expires: float
    touched: dict[int, int]
    answered: set[int] = field(default_factory=set)
    idle: bool = False  # left to run out

    @property
    def is_over(self) -> bool:
        return time.time() > self.expires - MARGIN


class Marks:
    """Times in the past that no other update has: seconds count, microseconds tell the dialer."""

    def __init__(self, number: int, since: str = "2001-01-01T00:00:00") -> None:
        self._next = datetime.fromisoformat(since).replace(microsecond=number, tzinfo=UTC)

    def next(self) -> str:
        self._next += timedelta(seconds=1)
        return self._next.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Dialer:
    """Chooses by chance what to do next; everything it does stands in its journal."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._name: str = config["name"]
        self._chance = random.Random(config["seed"])
        self._pace: float = config["pace"]
        self._campaign: str = config["campaign"]
        self._cases: list[int] = config["cases"]
        self._phones: list[str] = config["phones"]
        self._parked: list[int] = config["parked"]  # its own, not due: nobody else moves them
        self._done: list[int] = []  # that it set to Do not Dial, so that only it may set them back
        self._client = Client(config["office"], config["key"], Journal(Path(config["journal"])), self._chance)
        self._marks = Marks(config["number"])
        self._far_marks = Marks(config["number"], since="2070-01-01T00:00:00")
        self._count = 0
        self._held: list[Holding] = []
        self._ended: list[Holding] = []
        self.stopped = threading.Event()

    def run(self, until: float) -> None:
        actions = {
            self.claim: 22,
            self.report: 30,
            self.answer: 7,
            self.count_attempt: 7,
            self.extend: 5,
            self.release: 3,
            self.neglect: 3,
            self.report_late: 6,
            self.note: 8,
            self.note_by_phone: 6,
            self.move_parked: 6,
            self.revive: 6,
        }
        while not self.stopped.is_set() and time.time() < until:
            self._forget_ended()
            self._chance.choices(list(actions), list(actions.values()))[0]()
            time.sleep(self._chance.uniform(0, self._pace))

    # --- Asking ---

    def _ask(self, method: str, body: Body, claim: str | None = None, again: bool = False) -> Reply | None:
        """Ask with an Idempotency-Key until an answer comes, or once without one and live with not knowing.

        ``again``: a request that may be repeated without a key, for its claim tells the server that it was done.
        """
        self._count += 1
        name = f"{self._name}-{self._count}"
        # Keys are the caller's own: other dialers use the same ones.
        key = f"request-{self._count}" if self._chance.random() < 0.65 else None
        request = Request(name, method, body, key, claim)
        if key or (again and self._chance.random() < 0.5):
            reply = self._client.insist(request)
            if reply and key and self._chance.random() < 0.1:
                self._client.hang_up()  # so that another server may be asked the same again
                self._client.send(request, attempt=1000)
            return reply
        reply = self._client.send(request, 0)
        return reply if reply and reply.is_kept else None

    def claim(self) -> None:
        if sum(len(holding.touched) for holding in self._held) > MOST_HELD:
            return
        records = self._chance.choice((1, 2, 5, 10, 25))
        reply = self._ask("GetCasesToDial", {"Campaign": self._campaign, "Records": records, "Auto-change": True})
        if reply and reply.status == 200 and reply.document:
            expires = datetime.fromisoformat(reply.headers["x-claim-expires"]).timestamp()
            cases = {case["CaseID"]: 0 for case in reply.document}
            self._held.append(Holding(reply.headers["x-claim-id"], expires, cases))

    # --- Working on what it holds ---

    def _forget_ended(self) -> None:
        for holding in [holding for holding in self._held if holding.is_over]:
            left = {case_id: count for case_id, count in holding.touched.items() if case_id not in holding.answered}
            if left:
                self._ended.append(Holding(holding.claim, holding.expires, left))
            holding.touched = {case_id: holding.touched[case_id] for case_id in holding.answered}
            holding.expires = float("inf")  # an answered case is held until it is reported
        self._held = [holding for holding in self._held if holding.touched]
        self._ended = self._ended[-20:]

    def _some(self) -> tuple[Holding, list[int]] | None:
        working = [holding for holding in self._held if not holding.idle]
        if not working:
            return None
        holding = self._chance.choice(working)
        return holding, self._chance.sample(list(holding.touched), self._chance.randint(1, len(holding.touched)))

    def _leaving(self, case_id: int, touched: int) -> Body:
        """Return an item that ends the hold of a case, with a mark of its own."""
        status = "Do not Dial" if self._chance.random() < 0.1 else "To Dial"
        item: Body = {"CaseID": case_id, "Status": status, "NextCall": self._marks.next()}
        if self._chance.random() < 0.7:
            item["Disposition"] = self._chance.choice(DISPOSITIONS)
        if self._chance.random() < 0.7:
            item["Attempts"] = min(touched, MOST_ATTEMPTS)
        return item

    def report(self) -> None:
        chosen = self._some()
        if chosen is None:
            return
        holding, cases = chosen
        items = [self._leaving(case_id, holding.touched[case_id]) for case_id in cases]
        body: Body = {"Cases": items} if len(items) > 1 or self._chance.random() < 0.5 else items[0]
        reply = self._ask("UpdateCaseStatus", body, holding.claim, again=True)
        for place, item in enumerate(items):  # what became of it or not: it holds these no longer
            holding.touched.pop(item["CaseID"])
            holding.answered.discard(item["CaseID"])
            if item["Status"] == "Do not Dial" and _succeeded(reply, place):
                self._done.append(item["CaseID"])

    def _touch(self, what: str) -> None:
        """Set one field of a held case that stays held; the value marks the item."""
        chosen = self._some()
        if chosen is None:
            return
        holding, cases = chosen
        case_id = cases[0]
        if what == "Disposition" and case_id in holding.answered:
            return
        count = holding.touched[case_id] + 1
        if count > MOST_ATTEMPTS:
            return
        value = count if what == "Attempts" else self._chance.choice(DISPOSITIONS)
        reply = self._ask("UpdateCaseStatus", {"CaseID": case_id, what: value}, holding.claim)
        if not _succeeded(reply, 0):
            holding.touched.pop(case_id)  # lost, or nobody knows: left to its lease
            holding.answered.discard(case_id)
            return
        holding.touched[case_id] = count
        if what == "Disposition":
            holding.answered.add(case_id)

    def answer(self) -> None:
        self._touch("Disposition")

    def count_attempt(self) -> None:
        self._touch("Attempts")

    def extend(self) -> None:
        chosen = self._some()
        if chosen is None or chosen[0].answered:
            return
        holding, _ = chosen
        reply = self._ask("ExtendClaim", {"ClaimID": holding.claim, "Seconds": self._chance.randint(2, 6)})
        if reply and reply.status == 200 and "x-claim-expires" in reply.headers and not holding.is_over:
            until = datetime.fromisoformat(reply.headers["x-claim-expires"]).timestamp()
            holding.expires = max(holding.expires, until)

    def release(self) -> None:
        chosen = self._some()
        if chosen is None or chosen[0].answered:
            return
        holding, cases = chosen
        body: Body = {"ClaimID": holding.claim}
        if self._chance.random() < 0.5:
            body["CaseID"] = cases
        else:
            cases = list(holding.touched)
        self._ask("ReleaseClaim", body)
        for case_id in cases:
            holding.touched.pop(case_id)

    # --- Being late ---

    def neglect(self) -> None:
        chosen = self._some()
        if chosen and not chosen[0].answered:
            chosen[0].idle = True

    def report_late(self) -> None:
        over = [holding for holding in self._ended if time.time() > holding.expires + 1.5]
        if not over:
            return
        holding = self._chance.choice(over)
        self._ended.remove(holding)
        if self._chance.random() < 0.2:
            self._ask("ReleaseClaim", {"ClaimID": holding.claim, "CaseID": list(holding.touched)})
            return
        items = [self._leaving(case_id, count) for case_id, count in holding.touched.items()]
        self._ask("UpdateCaseStatus", {"Cases": items}, holding.claim)

    # --- What needs no claim ---

    def _text(self) -> str:
        length = self._chance.choice((0, 0, 0, 200, 2000, 20_000))
        return f"{self._name} note {self._count + 1} " + "x" * length

    def note(self) -> None:
        cases = self._chance.sample(self._cases, self._chance.randint(1, 4))
        if self._chance.random() < 0.3:
            text = self._text()
            body: Body = {"Cases": [{"CaseID": id_, "Note": f"{text} {at}"} for at, id_ in enumerate(cases)]}
        else:
            body = {"CaseID": cases, "Note": self._text().strip()}
        self._ask("AddCaseNote", body)

    def note_by_phone(self) -> None:
        self._ask("AddCaseNoteByPhone", {"Phone": self._chance.choice(self._phones), "Note": self._text().strip()})

    def move_parked(self) -> None:
        """Move the dial time of cases that stay far from due."""
        chosen = self._chance.sample(self._parked, self._chance.randint(1, 5))
        items: list[Body] = [{"CaseID": case_id, "NextCall": self._far_marks.next()} for case_id in chosen]
        for item in items:
            if self._chance.random() < 0.5:
                item["Attempts"] = self._chance.randint(0, MOST_ATTEMPTS)
        self._ask("UpdateCaseStatus", {"Cases": items})

    def revive(self) -> None:
        """Set cases that this dialer took off the list to To Dial again, so that the list does not run dry."""
        if len(self._done) < 5:
            return
        items = [{"CaseID": id_, "Status": "To Dial", "NextCall": self._marks.next()} for id_ in self._done]
        self._done = []
        self._ask("UpdateCaseStatus", {"Cases": items})


def _succeeded(reply: Reply | None, place: int) -> bool:
    return reply is not None and reply.status == 200 and bool(reply.document["Results"][place]["Success"])


def main(config: Path) -> None:
    settings = json.loads(config.read_text())
    dialer = Dialer(settings)
    signal.signal(signal.SIGTERM, lambda *_: dialer.stopped.set())
    dialer.run(settings["until"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
