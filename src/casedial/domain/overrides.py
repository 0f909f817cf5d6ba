"""What an operator decides in place of rows of the calling rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from casedial.domain.errors import InvalidSetting
from casedial.domain.hours import Week
from casedial.domain.limits import LOOK_BACK
from casedial.domain.rules import Attempts, Purpose, Row, RuleBook, check_week
from casedial.domain.spans import read_calls

_LONGEST = LOOK_BACK // timedelta(hours=1)
_NO_LIMIT = "none"


def read_attempts(text: str, purpose: Purpose) -> Attempts:
    """Read a limit of a row, such as ``3/24h``, or none. Raises InvalidSetting."""
    is_none = text.strip().lower() == _NO_LIMIT
    number, time = (0, timedelta(hours=1)) if is_none else read_calls(text)
    if not number and not is_none:
        raise InvalidSetting("A limit allows at least one call; none: no limit.")
    return Attempts(number, whole_hours(time), "debt" if purpose is Purpose.DEBT else "subject")


def whole_hours(time: timedelta) -> int:
    """Return a span of the rules in hours. Raises InvalidSetting."""
    hours, left = divmod(time, timedelta(hours=1))
    if left:
        raise InvalidSetting("A limit of the rules must be in whole hours, such as 24h or 7d.")
    return hours


@dataclass(frozen=True, slots=True)
class RowOverride:
    """What an operator decided in place of one row's hours, holidays or limits; None leaves what the row says.

    A state that has no row for the purpose gets one, beside the federal. Raises InvalidSetting without a reason.
    """

    state: str
    purpose: Purpose
    reason: str
    decided: date
    windows: Week | None = None
    bans_holidays: bool | None = None
    attempts: Attempts | None = None
    rest: int | None = None  # hours; 0: none
    source: str = ""  # where it is written
    id: int = 0

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise InvalidSetting("Give a reason for the override; it is recorded and shown.")
        if self.purpose is Purpose.NONE:
            raise InvalidSetting("Campaigns without a purpose have no rules, so there is nothing to override.")
        if self.windows is not None:
            check_week(self.windows)
        if (self.windows, self.bans_holidays, self.attempts, self.rest) == (None, None, None, None):
            raise InvalidSetting("Say what to override: hours, holidays, calls or rest.")
        if self.attempts and self.attempts.count and not 1 <= self.attempts.hours <= _LONGEST:
            raise InvalidSetting("A limit on calls covers one hour to 31 days, because calls are kept for 31 days.")
        if self.rest and not 1 <= self.rest <= _LONGEST:
            raise InvalidSetting(
                "A rest after a conversation is one hour to 31 days, because calls are kept for 31 days."
            )

    def row(self, of: Row | None) -> Row:
        """Return the row that counts in place of one, or of none."""
        purposes = frozenset({self.purpose})
        row = of or Row(self.state, purposes, "", self.decided, "H")
        attempts = self.attempts or row.attempts
        if self.attempts and row.attempts:
            attempts = replace(self.attempts, per=row.attempts.per)
        why = "; ".join(text for text in (self.reason, self.source) if text)
        source = f"override {self.id} set by the operator ({why})" + (f" of {row.source}" if row.source else "")
        return replace(
            row,
            purposes=purposes,
            source=source,
            checked=self.decided,
            windows=row.windows if self.windows is None else self.windows,
            bans_holidays=row.bans_holidays if self.bans_holidays is None else self.bans_holidays,
            attempts=attempts if attempts and attempts.count else None,
            rest=(row.rest if self.rest is None else self.rest) or None,
        )


def overridden(book: RuleBook, overrides: Iterable[RowOverride]) -> RuleBook:
    """Return the rules as an operator overrode them; their version names the overrides."""
    rows, ids = iter(book.rows), []
    for change in overrides:
        rows = _overridden(rows, change)
        ids.append(str(change.id))
    return RuleBook(f"{book.version}, overrides {', '.join(ids)}", tuple(rows), book.holidays, book.zones)


def _overridden(rows: Iterable[Row], change: RowOverride) -> Iterator[Row]:
    """Yield rows with one overridden; one that is for further purposes stays as it is for those."""
    found = False
    for row in rows:
        if row.state != change.state or change.purpose not in row.purposes:
            yield row
            continue
        found = True
        if others := row.purposes - {change.purpose}:
            yield replace(row, purposes=others)
        yield change.row(row)
    if not found:
        yield change.row(None)
