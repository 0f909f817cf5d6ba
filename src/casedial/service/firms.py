"""Firms: add, change, list, open by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casedial.domain.cases import NAME_LIMIT, STANDARD_STATUSES, Firm, StatusesStale, fold
from casedial.domain.dialing import MAX_RECORDS
from casedial.domain.errors import FirmExists, FirmNotFound, InvalidSetting, StorageUnavailable
from casedial.storage import firms, statuses
from casedial.storage.engine import Store, Transaction

T = TypeVar("T")

DEFAULT_RECORDS = 100
MAX_CLAIM_TIMEOUT = 365 * 24 * 60 * 60
MAX_GAP = 30 * 24 * 60 * 60
_TRIES = 5  # of a transaction that met a status which was added after its firm was read


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
        raise InvalidSetting(
            f"There is no time zone {time_zone!r}: give an IANA name such as America/New_York."
        ) from None


def _checked_records(records: int) -> int:
    if not 1 <= records <= MAX_RECORDS:
        raise InvalidSetting(f"The default number of records must be 1 to {MAX_RECORDS}.")
    return records


def checked_timeout(seconds: int) -> int:
    """Return a claim timeout, 0 for never. Raises InvalidSetting."""
    if not 0 <= seconds <= MAX_CLAIM_TIMEOUT:
        raise InvalidSetting(f"A claim timeout is 0 (never) to {MAX_CLAIM_TIMEOUT} seconds.")
    return seconds


async def add_firm(
    tx: Transaction, name: str, time_zone: str, now: datetime, default_records: int = DEFAULT_RECORDS
) -> Firm:
    """Add a firm with the specification's typical statuses [specification: Configuration].

    Raises FirmExists or InvalidSetting.
    """
    name = checked_name(name, "A firm's name")
    if await firms.find(tx, name):
        raise FirmExists(f"There is a firm named {name!r} already.")
    firm_id = await firms.add(tx, name, _checked_zone(time_zone), _checked_records(default_records), now)
    await statuses.add(tx, firm_id, STANDARD_STATUSES, first=0)
    return (await firms.load(tx, firm_id))[1]


async def rename_firm(tx: Transaction, firm: Firm, name: str) -> Firm:
    """Rename a firm; its keys, cases and statuses stay as they are. Raises FirmExists or InvalidSetting."""
    name = checked_name(name, "A firm's name")
    if await firms.find(tx, name) not in (None, firm.id):  # its own in another spelling is free
        raise FirmExists(f"There is a firm named {name!r} already.")
    await firms.change(tx, firm.id, name=name, name_folded=fold(name))
    return (await firms.load(tx, firm.id))[1]


async def set_firm(
    tx: Transaction,
    firm: Firm,
    time_zone: str | None = None,
    default_records: int | None = None,
    claim_timeout: int | None = None,
    retention_days: int | None = None,
    min_gap: int | None = None,
) -> Firm:
    """Change a firm's settings; None leaves one as it is, a retention of 0 keeps for ever.

    Wants ``calling.look_again`` afterwards where ``min_gap`` got smaller. Raises InvalidSetting.
    """
    values: dict[str, str | int | None] = {}
    if time_zone is not None:
        values["time_zone"] = _checked_zone(time_zone)
    if default_records is not None:
        values["default_records"] = _checked_records(default_records)
    if claim_timeout is not None:
        values["claim_timeout"] = checked_timeout(claim_timeout)
    if retention_days is not None:
        values["retention_days"] = retention_days or None
    if min_gap is not None:
        if not 0 <= min_gap <= MAX_GAP:
            raise InvalidSetting(f"A minimum gap is 0 (none) to {MAX_GAP} seconds.")
        values["min_gap"] = min_gap
    await firms.change(tx, firm.id, **values)
    return (await firms.load(tx, firm.id))[1]


async def transact_fresh(store: Store, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Run work that opens its firm itself in a transaction, again where a status was added since it did.

    Raises StorageUnavailable when that goes on, or a case has a status that the firm does not have at all.
    """
    for _ in range(_TRIES):
        with suppress(StatusesStale):
            return await store.transact(work)
    raise StorageUnavailable("A case has a status that its firm does not have, or the statuses are being changed.")


async def open_firm(tx: Transaction, name: str, lock: bool = False) -> Firm:
    """Return the firm of this name; ``lock`` holds it against other operators. Raises FirmNotFound."""
    firm_id = await firms.find(tx, name, lock)
    if firm_id is None:
        raise FirmNotFound(f"There is no firm named {name!r}; casedial firm list shows those there are.")
    return (await firms.load(tx, firm_id))[1]
