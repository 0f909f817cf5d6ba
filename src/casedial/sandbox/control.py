"""What is at /sandbox: the clock, reset, the log of calls, faults, and a case as the firm sees it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec

from casedial.domain.actors import operator
from casedial.domain.errors import (
    CaseNotFound,
    InvalidParameter,
    KeyMissing,
    KeyUnknown,
    MalformedDocument,
)
from casedial.sandbox.calls import Calls
from casedial.sandbox.faults import Faults, fault_of
from casedial.sandbox.scenarios import FIRM, SCENARIOS
from casedial.sandbox.world import World, Worlds
from casedial.service.operations import cases
from casedial.web.problems import nothing_here

KEY_HEADER = b"x-sandbox-key"
Asked = Mapping[str, Any]
Answer = dict[str, Any]
Does = Callable[[Asked], Awaitable[Answer]]
Verbs = Mapping[str, Does]


class Control:
    """The sandbox's own state, and what changes it; changes are done one after the other."""

    def __init__(self, worlds: Worlds, scenario: str) -> None:
        self.worlds, self.scenario = worlds, scenario
        self.key = f"sandbox_{secrets.token_urlsafe(24)}"
        self.faults, self.calls = Faults(), Calls()
        self.world: World | None = None
        self.address: dict[str, str] = {}  # where clients find it
        self._one_by_one = asyncio.Lock()
        self._does: dict[str, Verbs] = {
            "": {"GET": self._about},
            "/clock": {"GET": self._clock, "POST": self._set_clock},
            "/reset": {"POST": self._reset},
            "/calls": {"GET": self._calls, "DELETE": self._forget_calls},
            "/faults": {"GET": self._faults, "POST": self._add_fault, "DELETE": self._forget_faults},
        }

    async def begin(self) -> None:
        """Make the first world."""
        await self.worlds.prepare()
        self.world = await self.worlds.begin(self.scenario)

    async def close(self) -> None:
        """End the world."""
        if self.world:
            await self.world.close()

    def verbs(self, path: str, sent_key: bytes) -> Verbs:
        """Return what can be done at a path below /sandbox. Raises KeyMissing, KeyUnknown or PathNotFound."""
        if not sent_key:
            raise KeyMissing("Send the sandbox's own key, which it printed at its start, in the X-Sandbox-Key header.")
        if not secrets.compare_digest(sent_key, self.key.encode()):
            raise KeyUnknown("This is not the sandbox's own key; it prints a new one at each start.")
        path = path.removeprefix("/sandbox").rstrip("/")
        found = {"GET": lambda _: self._case(path)} if path.startswith("/cases/") else self._does.get(path)
        if found is None:
            raise nothing_here()
        return found

    async def answer(self, does: Does, query: str, body: bytes) -> Answer:
        """Do one thing at a time. Raises what is wrong with what was asked."""
        async with self._one_by_one:
            return await does(_read(query, body))

    async def _about(self, _: Asked) -> Answer:
        return self.about()

    def about(self) -> Answer:
        """Return what a program has to know that uses the sandbox."""
        return {
            **self.address,
            "key": self.worlds.keys["dialer"],
            "keys": dict(self.worlds.keys),
            "sandbox_key": self.key,
            "firm": FIRM,
            "scenario": self.scenario,
            "scenarios": {name: scenario.about for name, scenario in SCENARIOS.items()},
            "clock": self._time(),
        }

    def _time(self) -> Answer:
        clock = self.worlds.clock
        return {"now": _instant(clock.now()), "frozen": clock.is_frozen}

    async def _clock(self, _: Asked) -> Answer:
        return self._time()

    async def _set_clock(self, asked: Asked) -> Answer:
        """Set, move, stop or start the clock, and do what is due then before anybody asks."""
        unknown = asked.keys() - {"set_to", "move_by", "frozen"}
        if unknown or not asked:
            raise InvalidParameter("The clock takes set_to (a time), move_by (seconds) and frozen (true or false).")
        clock, frozen = self.worlds.clock, asked.get("frozen")
        moment = _moment(asked["set_to"]) if "set_to" in asked else clock.now()
        moment = _within(moment, asked.get("move_by", 0))
        if "frozen" in asked and not isinstance(frozen, bool):
            raise InvalidParameter("frozen must be true or false.")
        if frozen:
            clock.freeze()
        if "set_to" in asked or "move_by" in asked:
            clock.set(moment)
        if frozen is False:
            clock.run()
        if self.world:
            await self.world.upkeep.catch_up()
        return self._time()

    async def _reset(self, asked: Asked) -> Answer:
        """Begin anew: another database, the present time, no faults, no calls."""
        name = asked.get("scenario", self.scenario)
        if name not in SCENARIOS:
            raise InvalidParameter(f"scenario must be one of: {', '.join(SCENARIOS)}.")
        before, self.world = self.world, await self.worlds.begin(name)
        self.scenario = name
        self.faults.waiting.clear()
        self.calls.clear()
        if before:
            await before.close()
        return {"scenario": name, "clock": self._time()}

    async def _calls(self, asked: Asked) -> Answer:
        after = str(asked.get("after", 0))
        if not after.isascii() or not after.isdigit():
            raise InvalidParameter("after must be the number of a call.")
        found = self.calls.since(int(after), asked.get("method"))
        return {"calls": [{**asdict(call), "at": _instant(call.at)} for call in found]}

    async def _forget_calls(self, _: Asked) -> Answer:
        self.calls.clear()
        return {"calls": []}

    async def _faults(self, _: Asked) -> Answer:
        return {"faults": [fault.document() for fault in self.faults.waiting]}

    async def _add_fault(self, asked: Asked) -> Answer:
        self.faults.waiting.append(fault_of(asked))
        return await self._faults(asked)

    async def _forget_faults(self, asked: Asked) -> Answer:
        self.faults.waiting.clear()
        return await self._faults(asked)

    async def _case(self, path: str) -> Answer:
        """Return what dialers made of a case: its state, its history and its notes."""
        number = path.removeprefix("/cases/")
        if not self.world or not number.isascii() or not number.isdigit() or len(number) > 18:
            raise CaseNotFound(f"There is no case {number[:40]}.")
        found = (await cases.show(self.world.store, operator("sandbox"), FIRM, int(number))).file
        case = found.case
        return {
            "case_id": case.case_id,
            "statuses": {kind.label: status.name for kind, status in case.statuses.items()},
            "dial_at": _instant(case.dial_at),
            "claim_id": str(case.hold.claim_id) if case.hold else None,
            "history": [
                {
                    "at": _instant(period.change.changed_at),
                    "type": period.change.type.label,
                    "status": period.change.status.name if period.change.status else None,
                    "by": period.change.changed_by,
                    "reason": period.change.reason,
                }
                for period in found.history
            ],
            "notes": [
                {"at": _instant(note.created_at), "author": note.author, "note": note.text} for note in found.notes
            ],
        }


def _read(query: str, body: bytes) -> Asked:
    """Return the parameters of a request, from its query string or its JSON object. Raises MalformedDocument."""
    if not body:
        return {name: values[-1] for name, values in parse_qs(query).items()}
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise MalformedDocument(f"The body must be a JSON object: {error}.") from None
    if not isinstance(asked, dict):
        raise MalformedDocument("The body must be a JSON object.")
    return asked


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidParameter("set_to must be a time with its offset, such as 2027-03-02T15:00:00Z.") from None


def _within(moment: datetime, seconds: object) -> datetime:
    """Return a time so many seconds later. Raises InvalidParameter where there is no such, or no such on the wire."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidParameter("move_by must be a number of seconds.")
    try:
        later = moment + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        later = datetime.max.replace(tzinfo=UTC)
    if not 2000 <= later.year <= 2070:
        raise InvalidParameter("The clock goes from the year 2000 to 2070.")
    return later


def _instant(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
