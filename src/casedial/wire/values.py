"""Read one value. Each reader raises ValueError with the rest of a sentence that starts with the field's name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID
from zoneinfo import ZoneInfo

from casedial.domain.claims import MAX_EXTENSION, MIN_LEASE
from casedial.domain.dialing import MAX_NOTE_BYTES
from casedial.domain.errors import NoteTooLong
from casedial.domain.phones import PHONE_LIMIT, read

MAX_CASE_ID = 2**63 - 1
_EXACT_FLOAT = 2.0**53  # above it, a double no longer tells neighbouring whole numbers apart
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")
_DIGITS = re.compile(r"[0-9]+")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?(?:([Zz])|([+-])([01]\d|2[0-3]):?([0-5]\d))?", re.ASCII
)
_LOST_PLUS = re.compile(r"T.* \d\d:?\d\d$", re.ASCII)
# The range of the vendor's date/time columns, in the firm's local time.
_FIRST_TIME = datetime(1900, 1, 1)
_LAST_TIME = datetime(2079, 6, 6, 23, 59, 59, 999999)
_OUT_OF_RANGE = "must be between 1900-01-01 and 2079-06-06"


def whole_number(value: object, max_digits: int = 19) -> int:
    """Read a JSON whole number or a string of ASCII digits."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOAT:
        value = int(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        if len(value) > max_digits:
            raise ValueError(f"has more than {max_digits} digits")
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 10**max_digits:
            raise ValueError(f"has more than {max_digits} digits")
        return value
    raise ValueError("must be a whole number")


def case_id(value: object) -> int:
    """Read a CaseID: 1 to 2⁶³-1."""
    number = whole_number(value)
    if not 1 <= number <= MAX_CASE_ID:
        raise ValueError("must be a whole number from 1 to 9223372036854775807")
    return number


def records(value: object) -> int:
    """Read Records: a whole number of 1 or more, at most 18 digits long."""
    number = whole_number(value, max_digits=18)
    if number < 1:
        raise ValueError("must be 1 or more")
    return number


def attempts(value: object) -> str:
    """Read Attempts, a count, to the name of an Attempts status."""
    number = whole_number(value)
    if number < 0:
        raise ValueError("must be 0 or more")
    return str(number)


def seconds(value: object) -> int:
    """Read for how long a claim is extended: 1 second to 7 days."""
    return _seconds(value, 1)


def lease_seconds(value: object) -> int:
    """Read which lease a claim asks for: 10 seconds to 7 days."""
    return _seconds(value, MIN_LEASE)


def _seconds(value: object, least: int) -> int:
    number = whole_number(value)
    if not least <= number <= MAX_EXTENSION:
        raise ValueError(f"must be a whole number from {least} to {MAX_EXTENSION}")
    return number


def claim_id(value: object) -> UUID:
    """Read a claim's id, as X-Claim-Id brought it."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be a claim's id, as sent in X-Claim-Id")
    return UUID(value)


def idempotency_key(value: object) -> str:
    """Read an Idempotency-Key: 1 to 255 visible ASCII characters, whatever they mean to the client."""
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise ValueError("must be 1 to 255 visible ASCII characters")
    return value


def boolean(value: object) -> bool:
    """Read true, false, 1 or 0, as JSON or as text in any case."""
    if isinstance(value, bool):
        return value
    text = str(value).lower() if isinstance(value, str | int) else ""
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueError("must be true, false, 1 or 0")


def name(value: object) -> str | None:
    """Read a name (of a status, a campaign, a group), trimmed; a blank one is the same as none."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value.strip() or None


def note(value: object) -> str:
    """Read the text of a note, which is kept as it was sent. Raises NoteTooLong, too."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    if not value.strip():
        raise ValueError("must not be blank")
    if len(value) > MAX_NOTE_BYTES or len(value.encode()) > MAX_NOTE_BYTES:
        raise NoteTooLong(f"A note may have at most {MAX_NOTE_BYTES:,} bytes of UTF-8.")
    return value


def phone(value: object) -> str:
    """Read a phone number to that by which numbers are compared."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 <= value < 10**19 else ""
    if not isinstance(value, str):
        raise ValueError("must be text")
    value = value.strip()
    key = read(value).key if len(value) <= PHONE_LIMIT else ""
    if not key:
        raise ValueError(
            "must have ten digits (or eleven with a leading 1), not counting an extension, or begin with + and a code "
            "of another country"
        )
    return key


def local_time(value: object, zone: ZoneInfo) -> datetime:
    """Read ``YYYY-MM-DDTHH:MM:SS[.fraction][Z|±HH:MM]`` to a UTC instant; without an offset it is in ``zone``.

    A local time that does not exist moves forward by the gap; an ambiguous one is the first.
    """
    match = _TIME.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if match is None:
        lost_plus = isinstance(value, str) and _LOST_PLUS.search(value)
        hint = " (in a query string, send a + as %2B)" if lost_plus else ""
        raise ValueError(f"must be a time like 2026-05-06T09:00:00{hint}")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, utc, sign, hours, minutes = match.groups()[6:]
    if not _FIRST_TIME.year - 1 <= year <= _LAST_TIME.year + 1:  # where a conversion would overflow
        raise ValueError(_OUT_OF_RANGE)
    try:
        moment = datetime(year, month, day, hour, minute, second, int((fraction or "")[:6].ljust(6, "0")))
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            moment = moment.replace(tzinfo=timezone(offset if sign == "+" else -offset))
        elif utc:
            moment = moment.replace(tzinfo=UTC)
        else:
            moment = moment.replace(tzinfo=zone)
    except ValueError:
        raise ValueError("is not a time that exists in the calendar") from None
    if not _FIRST_TIME <= moment.astimezone(zone).replace(tzinfo=None) <= _LAST_TIME:
        raise ValueError(_OUT_OF_RANGE)
    return moment.astimezone(UTC)


def show_time(moment: datetime, zone: ZoneInfo) -> str:
    """Write an instant as the specification does: local to the firm, to the second, no zone."""
    return moment.astimezone(zone).replace(tzinfo=None, microsecond=0).isoformat()


def show_instant(moment: datetime) -> str:
    """Write an instant as RFC 3339 does, in UTC, cut to the millisecond so that no lease is shown too long."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def instant(moment: datetime | None) -> str | None:
    """Do what ``show_instant`` does with one that there may be."""
    return show_instant(moment) if moment else None
