"""Events of the feed, as the firm's own systems get them: fields by the names that cases have here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from casedial.domain.cases import Phone
from casedial.domain.errors import InvalidParameter
from casedial.domain.feed import LONGEST_WAIT, Cursor, FeedEvent, FeedPage, Place
from casedial.wire import values
from casedial.wire.replies import PhoneReply

END = "end"  # in the place of a cursor: behind all that has happened
AT_END = Cursor(Place(-1))  # which is what that is read as
_NAMES = {
    "dialer_status": "DialerStatus",
    "disposition": "Disposition",
    "campaign": "Campaign",
    "attempts": "Attempts",
    "dial_at": "DialDateTime",
    "phone": "Phone",
    "priority": "Priority",
    "case_status": "CaseStatus",
    "case_group": "CaseGroup",
    "closed": "Closed",
    "zip_code": "ZipCode",
    "plaintiff": "Plaintiff",
    "number": "Number",
    "numbers": "Numbers",
    "listed_on": "ListedOn",
    "source": "Source",
}


class FeedEventReply(msgspec.Struct, frozen=True):
    """One event; ID tells it from every other one, and never changes.

    Before and After have what differs, empty where there was nothing, or is nothing now. CaseIDs are those that an
    event names which is about several, or about none. ByKind is key, user, command_line, policy, import or casedial.
    """

    ID: str
    Kind: str
    CaseID: int | None
    CaseIDs: list[int]
    At: str | None
    By: str | None
    ByKind: str | None
    Before: dict[str, Any]
    After: dict[str, Any]
    ClaimID: str | None
    Why: str
    Note: str


class FeedPageReply(msgspec.Struct, frozen=True):
    """Events in their order; send Cursor as After for what comes behind them. More: there is something already."""

    Events: list[FeedEventReply]
    Cursor: str
    More: bool


def feed_page(page: FeedPage, zone: ZoneInfo) -> FeedPageReply:
    """Show a page; dial times are local to the firm."""
    return FeedPageReply([feed_event(event, zone) for event in page.events], str(page.cursor), page.more)


def feed_event(event: FeedEvent, zone: ZoneInfo) -> FeedEventReply:
    """Show an event."""
    by = event.actor
    return FeedEventReply(
        event.id,
        event.kind.value,
        event.case_id,
        list(event.case_ids),
        values.instant(event.at),
        by.name if by else None,
        by.kind.name.lower() if by else None,
        _fields(event.before, zone),
        _fields(event.after, zone),
        str(event.claim_id) if event.claim_id else None,
        event.why,
        event.note,
    )


def _fields(found: Mapping[str, object], zone: ZoneInfo) -> dict[str, Any]:
    return {_NAMES[name]: _shown(value, zone) for name, value in found.items() if name in _NAMES}


def _shown(value: object, zone: ZoneInfo) -> object:
    if isinstance(value, Phone):
        return PhoneReply(value.name, value.number, value.primary, value.text)
    if isinstance(value, datetime):
        return values.show_time(value, zone)
    return value.isoformat() if isinstance(value, date) else value


def cursor(value: object) -> Cursor:
    """Read a cursor, or END. Raises ValueError."""
    if value == END:
        return AT_END
    if not isinstance(value, str):
        raise ValueError("must be text")
    try:
        return Cursor.read(value)
    except InvalidParameter as error:
        raise ValueError("must be a cursor that came with a page, or end") from error


def wait(value: object) -> int:
    """Read for how many seconds to wait. Raises ValueError."""
    seconds = values.whole_number(value)
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError(f"must be a whole number of seconds from 0 to {LONGEST_WAIT}")
    return seconds
