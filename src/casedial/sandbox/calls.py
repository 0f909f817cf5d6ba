"""What happened: the calls that the sandbox answered, the last of them, without what is private of people."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

_KEPT = 10_000


@dataclass(slots=True)
class Call:
    """One call, as it was answered, whether the answer arrived or not.

    ``cases`` are those that were returned or changed, ``failed`` the codes of those that were not. ``repeated`` says
    that it had the Idempotency-Key of a call before it, and got that one's reply.
    """

    number: int
    at: datetime
    verb: str
    method: str
    status: int = 0
    code: str | None = None
    cases: list[int] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    claim_id: str | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
    repeated: bool = False
    fault: str | None = None

    def read_reply(self, body: bytes) -> None:
        """Take from the body of the reply what became of which cases."""
        try:
            reply = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return
        if isinstance(reply, list):
            self.cases = [case["CaseID"] for case in reply]
        elif isinstance(reply, dict):
            self.code = reply.get("code")
            self._read_results(reply.get("Results") or ([reply] if "DialerStatus" in reply else []))

    def _read_results(self, results: list[dict[str, Any]]) -> None:
        for result in results:
            if result.get("Success", True):
                self.cases.append(int(result["CaseID"]))
            else:
                self.failed[str(result.get("CaseID"))] = result["Code"]


class Calls:
    """The last calls, each with a number that counts on for as long as the sandbox runs."""

    def __init__(self) -> None:
        self._kept: deque[Call] = deque(maxlen=_KEPT)
        self._count = 0

    def begin(self, at: datetime, verb: str, method: str) -> Call:
        """Write a call down; what became of it is added."""
        self._count += 1
        call = Call(self._count, at, verb, method)
        self._kept.append(call)
        return call

    def since(self, number: int, method: str | None) -> list[Call]:
        """Return those behind a number, of one method or of any."""
        return [call for call in self._kept if call.number > number and method in (None, call.method)]

    def clear(self) -> None:
        """Forget them all."""
        self._kept.clear()
