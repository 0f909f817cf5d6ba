"""Firms: add, change, list, open by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casedial.database.engine import Transaction
from casedial.domain.dialing import MAX_RECORDS
from casedial.domain.errors import FirmExists, FirmNotFound, InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.limits import show_span
from casedial.domain.names import NAME_LIMIT, fold
from casedial.domain.statuses import STANDARD_STATUSES
from casedial.storage import firms, statuses

DEFAULT_RECORDS = 100
MAX_CLAIM_TIMEOUT = 365 * 24 * 60 * 60
MAX_GAP = 30 * 24 * 60 * 60


def checked_name(name: str, what: str) -> str:
    """Return a name trimmed. Raises InvalidSetting for a blank one, one too long, or control characters."""
    trimmed = name.strip()
    if not trimmed or len(trimmed) > NAME_LIMIT or not trimmed.isprintable():
        raise InvalidSetting(f"{what} must be 1 to {NAME_LIMIT} printable characters.")
    return trimmed


def _checked_zone(time_zone: str) -> str:
    try:
        return ZoneInfo(time_zone).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"{time_zone!r} is not a time zone: give an IANA name such as America/New_York.") from None


def _checked_records(records: int) -> int:
    if not 1 <= records <= MAX_RECORDS:
        raise InvalidSetting(f"The default number of records must be 1 to {MAX_RECORDS}.")
    return records


def checked_timeout(seconds: int) -> int:
    """Return a claim timeout, 0 for never. Raises InvalidSetting."""
    if not 0 <= seconds <= MAX_CLAIM_TIMEOUT:
        raise InvalidSetting(f"A claim timeout is 0 (never) to {show_span(timedelta(seconds=MAX_CLAIM_TIMEOUT))}.")
    return seconds


def checked_gap(seconds: int) -> int:
    """Return a minimum gap between two calls. Raises InvalidSetting."""
    if not 0 <= seconds <= MAX_GAP:
        raise InvalidSetting(f"A minimum gap is 0 (none) to {show_span(timedelta(seconds=MAX_GAP))}.")
    return seconds


async def add_firm(
    tx: Transaction, name: str, time_zone: str, now: datetime, default_records: int = DEFAULT_RECORDS
) -> Firm:
    """Add a firm with the specification's typical statuses [specification: Configuration].

    Raises FirmExists or InvalidSetting.
    """
    name = checked_name(name, "A firm's name")
    if await firms.find(tx, name):
        raise FirmExists(f"There is already a firm named {name!r}.")
    firm_id = await firms.add(tx, name, _checked_zone(time_zone), _checked_records(default_records), now)
    await statuses.add(tx, firm_id, STANDARD_STATUSES, first=0)
    return (await firms.load(tx, firm_id))[1]


async def rename_firm(tx: Transaction, firm: Firm, name: str) -> Firm:
    """Rename a firm; its keys, cases and statuses stay as they are. Raises FirmExists or InvalidSetting."""
    name = checked_name(name, "A firm's name")
    if await firms.find(tx, name) not in (None, firm.id):  # its own in another spelling is free
        raise FirmExists(f"There is already a firm named {name!r}.")
    await firms.change(tx, firm.id, name=name, name_folded=fold(name))
    return (await firms.load(tx, firm.id))[1]


@dataclass(frozen=True, slots=True)
class FirmChange:
    """What an operator wants of a firm's settings: None leaves one as it is, a retention of 0 keeps for ever."""

    time_zone: str | None = None
    default_records: int | None = None
    claim_timeout: int | None = None
    retention_days: int | None = None
    min_gap: int | None = None
    second_factor: bool | None = None

    @property
    def lets_through(self) -> bool:
        """Tell whether it may let through what is held back."""
        return self.min_gap is not None


async def set_firm(tx: Transaction, firm: Firm, change: FirmChange) -> Firm:
    """Change a firm's settings; return the firm as it is then. Raises InvalidSetting."""
    await firms.change(tx, firm.id, **wanted(change))
    return (await firms.load(tx, firm.id))[1]


def wanted(change: FirmChange) -> dict[str, str | int | bool | None]:
    """Return what a change sets, by the names of a firm's fields. Raises InvalidSetting."""
    values: dict[str, str | int | bool | None] = {}
    if change.time_zone is not None:
        values["time_zone"] = _checked_zone(change.time_zone)
    if change.default_records is not None:
        values["default_records"] = _checked_records(change.default_records)
    if change.claim_timeout is not None:
        values["claim_timeout"] = checked_timeout(change.claim_timeout)
    if change.retention_days is not None:
        values["retention_days"] = change.retention_days or None
    if change.min_gap is not None:
        values["min_gap"] = checked_gap(change.min_gap)
    if change.second_factor is not None:
        values["second_factor"] = change.second_factor
    return values


async def open_firm(tx: Transaction, name: str, lock: bool = False) -> Firm:
    """Return the firm of this name; ``lock`` holds it against other operators. Raises FirmNotFound."""
    firm_id = await firms.find(tx, name, lock)
    if firm_id is None:
        raise FirmNotFound(f"There is no firm named {name!r}; casedial firm list shows all firms.")
    return (await firms.load(tx, firm_id))[1]


async def is_current(tx: Transaction, firm: Firm) -> bool:
    """Tell whether a firm is still what it was when it was read."""
    return await firms.is_current(tx, firm)
