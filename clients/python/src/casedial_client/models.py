"""What the methods take and return: the specification's names in Python's spelling, times with their zone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, overload
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct


def wire_name(name: str) -> str:
    """Return the name on the wire: case_id is CaseID, dial_date_time is DialDateTime."""
    return "".join("ID" if part == "id" else part.capitalize() for part in name.split("_"))


class Wire(Struct, frozen=True, rename=wire_name, omit_defaults=True):
    """A document of the wire. What this version does not know of it is passed over."""


class Phone(Wire, frozen=True):
    """A number to dial. Ten digits are a US number; one abroad is as the firm entered it."""

    phone_name: str = ""
    phone: str = ""
    primary: bool = False
    text: bool = False


class Case(Wire, frozen=True):
    """A case as it was when it was returned. Its phones stand in the order in which to dial them.

    ``attempts`` is the count in the firm's Attempts status, 0 where it has none.
    """

    case_id: int
    phones: tuple[Phone, ...] = ()
    case_status: str = ""
    dialer_status: str = ""
    campaign: str = ""
    attempts: int = 0
    dial_date_time: datetime | None = None
    zip_code: str = ""


class CaseUpdate(Wire, frozen=True):
    """What UpdateCaseStatus is to change of one case; what is None stays as it is."""

    case_id: int
    status: str | None = None
    next_call: datetime | None = None
    attempts: int | None = None
    disposition: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a time without a zone: nobody could tell which instant is meant."""
        if self.next_call and self.next_call.tzinfo is None:
            raise ValueError("next_call needs a time zone, such as datetime.now(timezone.utc) has")


class CaseNote(Wire, frozen=True):
    """A note for one case."""

    case_id: int
    note: str


class Result(Wire, frozen=True):
    """What became of one item of a write; ``code`` says why it failed, as the name of an error's class."""

    case_id: int | float | str | None
    success: bool
    code: str | None = None
    message: str | None = None


class Lease(Struct, frozen=True):
    """How long a claim holds its cases.

    ``expires_at`` is the server's clock, None where the claim never ends. ``deadline`` is the same on this machine's
    ``time.monotonic()``, whatever its own clock says.
    """

    claim_id: str
    expires_at: datetime | None
    deadline: float


class Cases(Sequence[Case]):
    """The cases of one GetCasesToDial; ``lease`` where they were claimed."""

    def __init__(self, cases: Sequence[Case], lease: Lease | None, request_id: str | None) -> None:
        self._cases = tuple(cases)
        self.lease = lease
        self.request_id = request_id

    @overload
    def __getitem__(self, index: int) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Case]: ...
    def __getitem__(self, index: int | slice) -> Case | Sequence[Case]:
        return self._cases[index]

    def __len__(self) -> int:
        return len(self._cases)


class Results(Struct, frozen=True):
    """What became of a write, item by item in the order of the request. ``lease`` where it made or extended a claim."""

    results: tuple[Result, ...]
    lease: Lease | None
    request_id: str | None

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failed(self) -> tuple[Result, ...]:
        """Return those items that failed. The others were applied."""
        return tuple(result for result in self.results if not result.success)


class DialerStatuses(Wire, frozen=True):
    """What the firm calls the Dialer Statuses that have a role."""

    to_dial: str
    in_the_dialer: str
    do_not_dial: str


class KeyInfo(Wire, frozen=True):
    """What the key may do; None does not limit. ``rate_limit`` is in requests a minute."""

    vendor: str
    scopes: tuple[str, ...]
    campaigns: tuple[str, ...] | None = None
    rate_limit: int | None = None
    expires_at: datetime | None = None


class Firm(Wire, frozen=True):
    """The firm: its time zone, the names that can be sent now, and what the key may do."""

    name: str
    time_zone: str
    campaigns: tuple[str, ...]
    dialer_statuses: DialerStatuses
    dispositions: tuple[str, ...]
    attempts: tuple[str, ...]
    records: int
    key: KeyInfo
    claim_seconds: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        """Return the firm's time zone."""
        return ZoneInfo(self.time_zone)


class Check(Wire, frozen=True):
    """One thing that was looked at to tell whether a case may be called."""

    name: str
    passed: bool
    found: str


class PhoneExplained(Wire, frozen=True):
    """Whether one phone may be called now, where the person may be, and why."""

    phone_name: str
    callable: bool
    zip_code: str
    place: str
    states: tuple[str, ...]
    zones: tuple[str, ...]
    because: tuple[str, ...]
    next_callable_at: datetime | None = None


class Held(Wire, frozen=True):
    """Who has a case In the Dialer, and until when; ``by`` and ``claim_id`` only where that is you."""

    by: str | None = None
    since: datetime | None = None
    reason: str | None = None
    until: datetime | None = None
    answered_at: datetime | None = None
    claim_id: str | None = None


class DoNotDial(Wire, frozen=True):
    """Who set a case Do not Dial, and when."""

    by: str | None = None
    since: datetime | None = None
    reason: str | None = None


class Explanation(Wire, frozen=True):
    """Whether a case may be called now, every check in order, and when it may be called next."""

    case_id: int
    at: datetime
    callable: bool
    purpose: str
    rules: str
    checks: tuple[Check, ...]
    phones: tuple[PhoneExplained, ...]
    time_zone: str
    next_callable_at: datetime | None = None
    held: Held | None = None
    do_not_dial: DoNotDial | None = None


class CasesFrom(Wire, frozen=True):
    """How many of the due cases may be called from an hour on."""

    from_: datetime = msgspec.field(name="From")
    cases: int = 0


class Preflight(Wire, frozen=True):
    """How many cases are due, how many of them may be called now, and what holds back the others."""

    at: datetime
    due: int
    callable: int
    without_rules: int
    held_back: dict[str, int]
    by_hour: tuple[CasesFrom, ...]


def case_from(document: dict[str, Any], zone: ZoneInfo) -> Case:
    """Read a case; times get the firm's zone. Raises msgspec.ValidationError."""
    known = without_nulls(document)
    count = re.match(r"\s*(\d{1,9})", str(known.get("Attempts", "")), re.ASCII)
    case = msgspec.convert(known | {"Attempts": int(count[1]) if count else 0}, Case, strict=False)
    at = case.dial_date_time
    return msgspec.structs.replace(case, dial_date_time=at.replace(tzinfo=zone)) if at and not at.tzinfo else case


def without_nulls(document: Any) -> Any:
    """Return a document without the nulls in it: what a server does not know is what it left out."""
    if isinstance(document, dict):
        return {name: without_nulls(value) for name, value in document.items() if value is not None}
    return [without_nulls(item) for item in document] if isinstance(document, list) else document
