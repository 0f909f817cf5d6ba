"""What checks work with: the server, the firm's names, and the cases that were lent to the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from casedial_client.conformance.judging import NotTried
from casedial_client.conformance.lent import Lent
from casedial_client.conformance.options import DIALER_STATUSES, DISPOSITIONS, TO_DIAL, Wanted
from casedial_client.conformance.reading import Case, cases_of, folded, written
from casedial_client.conformance.wire import Exchange, Wire

MANY = 200  # records: more than cases are lent, and less than a server has reason to refuse
NOBODYS = 2_147_483_646  # a CaseID that no firm has
_EASTERNMOST = timedelta(hours=14)  # ahead of UTC: where it is latest


class Unusable(Exception):
    """The run cannot begin; the text says why, and what to do."""


class Trial:
    """One run against one server."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.wire = Wire(wanted)
        self.lent = Lent(self)
        self.is_casedial = False
        self.zone: ZoneInfo | None = wanted.zone
        self.statuses = {name: wanted.statuses.get(name, name) for name in (*DIALER_STATUSES, *DISPOSITIONS)}
        self.dispositions = [self.statuses[name] for name in DISPOSITIONS]
        self.counts = list(range(21))

    def find_out(self) -> None:
        """Ask a casedial for its firm's names and time zone. Raises Unusable where nothing answers."""
        asked = self.wire.get("/v1/firm")
        if not asked.status:
            raise Unusable(f"{asked.url}: {asked.reply()}. Check the address.")
        firm = asked.document
        self.is_casedial = asked.is_done and isinstance(firm, dict) and {"TimeZone", "DialerStatuses"} <= firm.keys()
        if not self.is_casedial:
            return
        self.zone = self.zone or ZoneInfo(firm["TimeZone"])
        named = {"To Dial": "ToDial", "In the Dialer": "InTheDialer", "Do not Dial": "DoNotDial"}
        own = {standard: firm["DialerStatuses"][name] for standard, name in named.items()}
        self.statuses |= {name: text for name, text in own.items() if name not in self.wanted.statuses}
        there = {folded(name) for name in firm["Dispositions"]}
        self.dispositions = [name for name in self.dispositions if folded(name) in there]
        self.counts = sorted(int(count) for count in firm["Attempts"] if count.isdigit()) or self.counts

    # Requests

    def due(self, **parameters: Any) -> list[Case]:
        """Ask for cases that are due, of the run's campaign unless another is given, and claim none."""
        return cases_of(self.ask(**parameters))

    def ask(self, **parameters: Any) -> Exchange:
        """Ask as ``due`` does; return what was sent and what came. A parameter that is None is not sent."""
        asked = {"Campaign": self.wanted.campaign, "Records": MANY, **parameters}
        return self.wire.call("GetCasesToDial", {name: value for name, value in asked.items() if value is not None})

    def claim(self, records: int) -> tuple[list[Case], Exchange]:
        """Claim cases of the run's campaign, in which there are none but those lent."""
        parameters = {"Campaign": self.wanted.campaign, "Records": records, "Auto-change": True}
        exchange = self.wire.call("GetCasesToDial", parameters)
        cases = cases_of(exchange)
        self.lent.claimed(cases)
        return cases, exchange

    def info(self, case_id: int) -> Case:
        """Return a case as GetCaseInfo shows it. Raises NotTried where it does not."""
        exchange = self.wire.call("GetCaseInfo", {"CaseID": case_id})
        document = exchange.document
        if not exchange.is_done or not isinstance(document, dict):
            raise NotTried(f"GetCaseInfo does not show case {case_id}: {exchange.reply()}")
        return document

    def update(self, *items: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Exchange:
        """Update cases, as the published example does."""
        return self.wire.call("UpdateCaseStatus", {"Cases": list(items)}, headers=headers)

    # Times, as they are on the wire

    def days(self, count: int) -> str:
        """Return noon so many days from now, two at least: a time that there is in every zone, and once only."""
        return written(datetime.now(UTC).replace(tzinfo=None, hour=12, minute=0, second=0) + timedelta(days=count))

    def now(self, **ahead: int) -> datetime:
        """Return the firm's own time. Raises NotTried where nobody told its time zone."""
        if self.zone is None:
            raise NotTried("the firm's time zone is not known: say it with --time-zone")
        return datetime.now(self.zone).replace(tzinfo=None) + timedelta(**ahead)

    def latest_now(self) -> datetime:
        """Return the firm's own time; where its zone is not known, the latest that it can be anywhere."""
        return self.now() if self.zone else datetime.now(UTC).replace(tzinfo=None) + _EASTERNMOST

    def is_to_dial(self, case: Case) -> bool:
        """Tell whether a case is shown as To Dial."""
        return folded(case.get("DialerStatus")) == folded(self.statuses[TO_DIAL])
