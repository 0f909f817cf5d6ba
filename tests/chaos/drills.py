"""Drills without kills, for numbers: dialers that race for cases, that repeat, that come late. Standard library only.

``python -m tests.chaos.drills NAME CONFIG``. Like the dialer they only ask and write journals; the checker judges.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.chaos.client import Body, Client, Journal, Reply, Request
from tests.chaos.dialer import DISPOSITIONS, Marks

Config = dict[str, Any]


class Asker:
    """Asks with one key, naming its requests."""

    def __init__(self, config: Config, name: str, key: Body, seed: str) -> None:
        self.chance = random.Random(seed)
        self.journal = Journal(Path(config["journals"]) / f"{name}.jsonl")
        self.client = Client(config["office"], key, self.journal, self.chance)
        self.name = name
        self._count = 0

    def request(self, method: str, body: Body, claim: str | None = None, keyed: bool = True) -> Request:
        self._count += 1
        name = f"{self.name}-{self._count}"
        return Request(name, method, body, name if keyed else None, claim)

    def ask(self, method: str, body: Body, claim: str | None = None, keyed: bool = True) -> Reply:
        reply = self.client.insist(self.request(method, body, claim, keyed))
        if reply is None:
            raise RuntimeError(f"nobody answers {self.name}")
        return reply

    def claim(self, campaign: str, records: int, keyed: bool = True) -> tuple[str | None, list[int], Reply]:
        reply = self.ask("GetCasesToDial", {"Campaign": campaign, "Records": records, "Auto-change": True}, keyed=keyed)
        return reply.headers.get("x-claim-id"), [case["CaseID"] for case in reply.document], reply


# --- Racing: as many cases as possible, from several processes and servers ---


def race(config: Config) -> None:
    """Claim and give back, until so many cases were claimed or the time is over."""
    asker = Asker(config, config["name"], config["key"], config["seed"])
    marks = Marks(config["number"])
    until = time.monotonic() + config["seconds"]
    claimed = 0
    while claimed < config["share"] and time.monotonic() < until:
        records = asker.chance.choice((1, 10, 25, 100, 300, 1000))
        claim, cases, _ = asker.claim(config["campaign"], records, keyed=asker.chance.random() < 0.5)
        claimed += len(cases)
        if claim is None:
            time.sleep(0.02)
        elif asker.chance.random() < 0.7:
            asker.ask("ReleaseClaim", {"ClaimID": claim}, keyed=False)
        else:
            items = [{"CaseID": case_id, "Status": "To Dial", "NextCall": marks.next()} for case_id in cases]
            asker.ask("UpdateCaseStatus", {"Cases": items}, claim, keyed=False)


# --- Repeating: the same request, several times at once and later again ---

AT_ONCE, AFTERWARDS = 5, 2


class Repeater:
    """Sends each request several times at the same moment, on connections of their own, and again afterwards."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._asker = Asker(config, config["name"], config["key"], config["seed"])
        self._marks = Marks(config["number"])
        self._clients = [
            Client(config["office"], config["key"], self._asker.journal, random.Random(f"{config['seed']}-{number}"))
            for number in range(AT_ONCE)
        ]
        self._cases: list[int] = config["cases"]

    def run(self) -> None:
        until = time.monotonic() + self._config["seconds"]
        repeats = 0
        while repeats < self._config["share"] and time.monotonic() < until:
            claimed = self._send_all("GetCasesToDial", self._claim_body())
            repeats += AT_ONCE + AFTERWARDS - 1
            claim = claimed.headers.get("x-claim-id")
            for method, body in self._work(claim, [case["CaseID"] for case in claimed.document]):
                self._send_all(method, body, claim if method == "UpdateCaseStatus" else None)
                repeats += AT_ONCE + AFTERWARDS - 1

    def _claim_body(self) -> Body:
        return {"Campaign": self._config["campaign"], "Records": 6, "Auto-change": True}

    def _work(self, claim: str | None, cases: Sequence[int]) -> list[tuple[str, Body]]:
        chance = self._asker.chance
        some = chance.sample(self._cases, 3)
        token = f"{self._asker.name} {self._marks.next()}"
        work: list[tuple[str, Body]] = [
            ("AddCaseNote", {"CaseID": some, "Note": f"note {token}"}),
            ("AddCaseNoteByPhone", {"Phone": chance.choice(self._config["phones"]), "Note": f"by phone {token}"}),
        ]
        if claim is None or len(cases) < 6:
            return work
        done = {"Status": "To Dial", "Attempts": 3, "Disposition": chance.choice(DISPOSITIONS)}
        reports: list[Body] = [{"CaseID": id_, "NextCall": self._marks.next(), **done} for id_ in cases[:4]]
        return [
            ("UpdateCaseStatus", {"CaseID": cases[0], "Attempts": 1}),
            ("UpdateCaseStatus", {"CaseID": cases[1], "Disposition": chance.choice(DISPOSITIONS)}),
            ("ExtendClaim", {"ClaimID": claim, "Seconds": 60}),
            ("UpdateCaseStatus", {"Cases": reports}),
            ("ReleaseClaim", {"ClaimID": claim, "CaseID": [cases[4]]}),
            ("ReleaseClaim", {"ClaimID": claim}),
            ("UpdateCaseStatus", {"Cases": reports[:1]}),  # under a claim that is over: done already, nothing new
            *work,
        ]

    def _send_all(self, method: str, body: Body, claim: str | None = None) -> Reply:
        request = self._asker.request(method, body, claim)
        gate = threading.Barrier(AT_ONCE)

        def send(number: int) -> None:
            client = self._clients[number]
            if self._asker.chance.random() < 0.3:
                client.hang_up()
            gate.wait()
            client.send(request, number)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        replies = [self._asker.client.send(request, AT_ONCE + number) for number in range(AFTERWARDS)]
        other = Request(
            f"{request.id}-other", "AddCaseNote", {"CaseID": 1, "Note": request.id}, request.idempotency_key
        )
        if self._asker.chance.random() < 0.1:
            self._asker.client.send(other, 0)
        kept = [reply for reply in replies if reply and reply.is_kept]
        if not kept:
            raise RuntimeError(f"no answer to {request.id}")
        return kept[0]


# --- Coming late: to a case that one held, however one lost it ---


class Latecomer:
    """Claims, loses the claim in each way there is, and then acts as if nothing had happened."""

    def __init__(self, config: Config) -> None:
        self._config = config
        first, second = config["keys"]
        self._late = Asker(config, f"{config['name']}-late", first, f"{config['seed']}-late")
        self._other = Asker(config, f"{config['name']}-other", second, f"{config['seed']}-other")
        self._marks = Marks(config["number"])

    def run(self) -> None:
        until = time.monotonic() + self._config["seconds"]
        acted = 0
        while acted < self._config["share"] and time.monotonic() < until:
            acted += self._round()

    def _round(self) -> int:
        """Claim everything in pieces, lose it all, be late with it; return how many items were late."""
        campaign = self._config["campaign"]
        ways: tuple[Callable[[str, list[int]], None], ...] = (self._neglect, self._release, self._report)
        pieces: list[tuple[str, list[int]]] = []
        last = time.time()
        while True:
            claim, cases, reply = self._late.claim(campaign, self._config["piece"])
            if claim is None:
                break
            last = max(last, datetime.fromisoformat(reply.headers["x-claim-expires"]).timestamp())
            pieces.append((claim, cases))
        for number, (claim, cases) in enumerate(pieces):
            ways[number % len(ways)](claim, cases)
        time.sleep(max(0.0, last + 1.2 - time.time()))
        taken = self._take(sum(len(cases) for _, cases in pieces))
        acted = sum(self._act(claim, cases) for claim, cases in pieces)
        for claim, cases in taken:  # the holder goes on as if nobody had been late
            self._report(claim, cases, self._other)
        return acted

    def _neglect(self, claim: str, cases: list[int]) -> None:
        """Let the lease run out."""

    def _release(self, claim: str, cases: list[int]) -> None:
        self._late.ask("ReleaseClaim", {"ClaimID": claim})

    def _report(self, claim: str, cases: list[int], asker: Asker | None = None) -> None:
        items = [{"CaseID": case_id, "Status": "To Dial", "NextCall": self._marks.next()} for case_id in cases]
        (asker or self._late).ask("UpdateCaseStatus", {"Cases": items}, claim)

    def _take(self, count: int) -> list[tuple[str, list[int]]]:
        """Claim for another dialer most of what is free again; the rest stays To Dial."""
        taken: list[tuple[str, list[int]]] = []
        while sum(len(cases) for _, cases in taken) < count * 0.8:
            claim, cases, _ = self._other.claim(self._config["campaign"], self._config["piece"])
            if claim is None:
                break
            self._other.ask("ExtendClaim", {"ClaimID": claim, "Seconds": 30})
            taken.append((claim, cases))
        return taken

    def _act(self, claim: str, cases: list[int]) -> int:
        """Do late all that a holder may do; return how many items that were."""
        third = max(1, len(cases) // 3)
        leaving: list[Body] = [
            {
                "CaseID": id_,
                "Status": self._late.chance.choice(("To Dial", "Do not Dial")),
                "NextCall": self._marks.next(),
            }
            for id_ in cases
        ]
        touching: list[Body] = [{"CaseID": id_, "Disposition": "Busy"} for id_ in cases[:third]]
        counting: list[Body] = [{"CaseID": id_, "Attempts": 20} for id_ in cases[third : 2 * third]]
        self._late.ask("UpdateCaseStatus", {"Cases": touching}, claim)
        self._late.ask("UpdateCaseStatus", {"Cases": counting}, claim, keyed=False)
        self._late.ask("UpdateCaseStatus", {"Cases": leaving}, claim, keyed=False)
        for item in leaving[:2]:
            self._late.ask("UpdateCaseStatus", {**item, "NextCall": self._marks.next()}, claim)
        self._late.ask("ReleaseClaim", {"ClaimID": claim, "CaseID": cases[-third:]})
        self._late.ask("ExtendClaim", {"ClaimID": claim, "Seconds": 60})
        return len(leaving) + len(touching) + len(counting) + 2 + third


DRILLS: dict[str, Callable[[Config], None]] = {
    "race": race,
    "repeat": lambda config: Repeater(config).run(),
    "late": lambda config: Latecomer(config).run(),
}

if __name__ == "__main__":
    DRILLS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
