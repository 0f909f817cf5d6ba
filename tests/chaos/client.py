"""How a dialer calls: the standard library's HTTP client, and a journal of all it sent and was answered.

The journal is the evidence: a line before each request leaves and one after its reply, flushed at once.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Body = dict[str, Any]
ANSWER_SECONDS = 15  # longer than a server lets a repeat wait for the first request
RETRIES = 200


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)

    @property
    def is_kept(self) -> bool:
        """Tell whether this is the answer, and not a request to come again."""
        busy = self.status == 409 and self.document.get("code") == "RequestStillRunning"
        return self.status != 503 and not busy


class Journal:
    """Lines of JSON in a file that is only appended to; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, **line: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Request:
    """What is asked for, however often it has to be sent. ``id`` names it in the journals."""

    id: str
    method: str
    body: Body
    idempotency_key: str | None = None
    claim: str | None = None


class Client:
    """One connection at a time to one of several servers, with one ClientKey."""

    def __init__(self, office: dict[str, Any], key: dict[str, Any], journal: Journal, chance: random.Random) -> None:
        self._servers: list[tuple[str, int]] = [(host, port) for host, port in office["servers"]]
        self._base: str = office["base"]
        self._key = key
        self._journal = journal
        self._chance = chance
        self._connection: http.client.HTTPConnection | None = None

    def send(self, request: Request, attempt: int) -> Reply | None:
        """Send a request once; None means that its reply was lost."""
        where = {"request": request.id, "attempt": attempt}
        self._journal.write(
            **where,
            at=time.time(),
            sent={
                "method": request.method,
                "vendor": self._key["vendor"],
                "key": self._key["id"],
                "idempotency_key": request.idempotency_key,
                "claim": request.claim,
                "body": request.body,
            },
        )
        try:
            reply = self._exchange(request)
        except (OSError, http.client.HTTPException) as error:
            self.hang_up()
            self._journal.write(**where, at=time.time(), lost=type(error).__name__)
            return None
        got = {"status": reply.status, "headers": reply.headers, "body": reply.text}
        self._journal.write(**where, at=time.time(), got=got)
        return reply

    def insist(self, request: Request, seconds: float = 60) -> Reply | None:
        """Send a request until it is answered, for that long at most."""
        until = time.monotonic() + seconds
        for attempt in range(RETRIES):
            reply = self.send(request, attempt)
            if reply and reply.is_kept:
                return reply
            if time.monotonic() > until:
                break
            time.sleep(self._chance.uniform(0.05, 0.4))
        return None

    def hang_up(self) -> None:
        """Give the connection up; the next request chooses a server anew."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _exchange(self, request: Request) -> Reply:
        if self._connection is None:
            host, port = self._chance.choice(self._servers)
            self._connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
        headers = {"X-ApiKey": self._key["key"], "Content-Type": "application/json"}
        if request.idempotency_key is not None:
            headers["Idempotency-Key"] = request.idempotency_key
        if request.claim is not None:
            headers["X-Claim-Id"] = request.claim
        self._connection.request("POST", f"{self._base}/{request.method}", json.dumps(request.body), headers)
        reply = self._connection.getresponse()
        # The library takes a reply cut within its headers for one with fewer headers, or with an empty Content-Length.
        if not reply.getheader("Content-Length", "").isdigit():
            raise http.client.HTTPException("a reply whose end nobody could tell from a cut")
        body = reply.read()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, body.decode())
