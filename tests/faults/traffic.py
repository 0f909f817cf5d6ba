"""Dialers that go on calling whatever they are answered, and the judgement of what came of it."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

IN_DOUBT = "may or may not be saved"


@dataclass(frozen=True)
class Call:
    """What became of one request: a claim (``note`` is None) or a note for two cases."""

    at: float
    seconds: float
    status: int
    body: Any
    note: str | None

    @property
    def in_doubt(self) -> bool:
        return self.status == 503 and IN_DOUBT in self.body["detail"]


@dataclass
class Traffic:
    """Some dialers side by side, for as long as the block lasts. Each claims a case, then leaves a note, and so on."""

    base: str
    key: str
    dialers: int = 4
    pause: float = 0.01
    calls: list[Call] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # replies that nobody may get

    def __enter__(self) -> Traffic:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._dial, daemon=True) for _ in range(self.dialers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a request hangs"

    async def more(self, count: int) -> None:
        """Wait until so many more requests were begun and answered."""
        begun = time.monotonic()
        while sum(call.at > begun for call in self.calls) < count:
            assert time.monotonic() - begun < 120
            await asyncio.sleep(0.02)

    def _dial(self) -> None:
        with httpx.Client(timeout=60, verify=False) as http:
            while not self._stop.is_set():
                for note in (None, str(uuid.uuid4())):
                    self._call(http, note)
                    self._stop.wait(self.pause)

    def _call(self, http: httpx.Client, note: str | None) -> None:
        headers = {"X-ApiKey": self.key, "Idempotency-Key": str(uuid.uuid4())}
        method = "AddCaseNote" if note else "GetCasesToDial"
        body = {"CaseID": [1, 2], "Note": note} if note else {"Records": 1, "Auto-change": True}
        started = time.monotonic()
        try:
            reply = http.post(f"{self.base}/{method}", json=body, headers=headers)
        except httpx.HTTPError as error:
            self.broken.append(repr(error))
            return
        if not is_allowed(reply):
            self.broken.append(f"{reply.status_code} {reply.headers} {reply.text}")
            return
        call = Call(started, time.monotonic() - started, reply.status_code, reply.json(), note)
        self.calls.append(call)

    @property
    def answered(self) -> Counter[int]:
        return Counter(call.status for call in self.calls)

    def judge(self, notes: Counter[str], claimed: set[int]) -> None:
        """Compare what was answered with what is there: the notes by text, the cases claimed since the start."""
        assert self.broken == []
        for call in self.calls:
            if call.note and call.status == 200:
                assert notes[call.note] == 2, call
            elif call.note:
                assert notes[call.note] in ((0, 2) if call.in_doubt else (0,)), call
        given = Counter(
            case["CaseID"] for call in self.calls if not call.note and call.status == 200 for case in call.body
        )
        assert max(given.values()) == 1  # to one dialer
        assert set(given) <= claimed
        assert len(claimed - set(given)) <= sum(call.in_doubt for call in self.calls if not call.note)


def is_allowed(reply: httpx.Response) -> bool:
    """Tell whether a reply is one that a failing database may cause: 200, or 503 as it has to be."""
    if reply.status_code == 200:
        return True
    return (
        reply.status_code == 503
        and reply.headers["content-type"] == "application/problem+json"
        and reply.headers.get("retry-after") == "1"
        and reply.json()["code"] == "StorageUnavailable"
    )
