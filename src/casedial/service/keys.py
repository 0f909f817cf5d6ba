"""ClientKeys: mint, import, limit, roll, revoke. A key belongs to one vendor and one firm [specification: Header]."""

from __future__ import annotations

import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network

from casedial.database.engine import Transaction
from casedial.domain.actors import own_kind
from casedial.domain.errors import (
    InvalidSetting,
    KeyExists,
    KeyExpired,
    KeyMissing,
    KeyMistyped,
    KeyNotFound,
    KeyRevoked,
)
from casedial.domain.firms import Caller, CallerStale, Firm
from casedial.domain.keys import DIALER_SCOPES, UNLIMITED, KeyLimits, KeyRecord, Scope
from casedial.domain.names import fold
from casedial.domain.statuses import StatusType
from casedial.service.firms import checked_name
from casedial.storage import firms, keys

_PREFIX = "cdk_"
_ALPHABET = string.digits + string.ascii_letters
_RANDOM_LENGTH = 32  # 190 bits
_CHECKSUM_LENGTH = 6
_MINTED_LENGTH = len(_PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
_FOREIGN = re.compile(r"[\x21-\x7e]{16,256}")
MAX_RATE_LIMIT = 1_000_000  # requests a minute
MAX_CAMPAIGNS = 64  # of one key: a claim has a look for each
MAX_OVERLAP = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only time that the whole of it is known."""

    key: str
    id: int
    vendor: str
    limits: KeyLimits


@dataclass(frozen=True, slots=True)
class LimitChange:
    """What an operator wants of a key's limits: None leaves one as it is, nothing in it or 0 takes it off.

    ``campaigns`` are names, ``expires_at`` an instant; ``never_expires`` takes it off.
    """

    scopes: Sequence[Scope] | None = None
    campaigns: Sequence[str] | None = None
    addresses: Sequence[str] | None = None
    expires_at: datetime | None = None
    never_expires: bool = False
    rate_limit: int | None = None


NO_CHANGE = LimitChange()


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def mint() -> str:
    """Make a key: a prefix people and scanners recognise, 32 random characters, a checksum of both."""
    body = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def digest(sent: str) -> bytes:
    """Return what a key is stored and looked up by, without touching the database.

    Raises KeyMissing for a blank key and KeyMistyped for one that cannot be a key: one of ours whose
    checksum does not fit, or one that is not 16 to 256 visible ASCII characters.
    """
    if not sent:
        raise KeyMissing("Send your ClientKey in the X-ApiKey header.")
    if not _FOREIGN.fullmatch(sent):
        raise KeyMistyped(
            "A key has 16 to 256 visible ASCII characters and no blanks; check what you sent in X-ApiKey."
        )
    if sent.startswith(_PREFIX) and (
        len(sent) != _MINTED_LENGTH or _checksum(sent[:-_CHECKSUM_LENGTH]) != sent[-_CHECKSUM_LENGTH:]
    ):
        raise KeyMistyped("The key is mistyped: its checksum does not match, so a character is wrong or missing.")
    return sha256(sent.encode()).digest()


def _changed(firm: Firm, limits: KeyLimits, change: LimitChange, now: datetime) -> KeyLimits:
    """Return a key's limits after a change. Raises StatusNotFound or InvalidSetting."""
    if change.scopes is not None:
        limits = replace(limits, scopes=frozenset(change.scopes) or DIALER_SCOPES)
    if change.campaigns is not None:
        named = frozenset(firm.statuses.named(StatusType.CAMPAIGN, name).id for name in change.campaigns)
        if len(named) > MAX_CAMPAIGNS:
            raise InvalidSetting(
                f"A key is limited to at most {MAX_CAMPAIGNS} campaigns, not {len(named)}: leave out the limit, "
                "or give the vendor several keys."
            )
        limits = replace(limits, campaigns=named or None)
    if change.addresses is not None:
        limits = replace(limits, addresses=tuple(map(_network, change.addresses)) or None)
    if change.expires_at or change.never_expires:
        if change.expires_at and change.expires_at <= now:
            raise InvalidSetting("This time has passed; to stop a key now, revoke it.")
        limits = replace(limits, expires_at=change.expires_at)
    if change.rate_limit is not None:
        if not 0 <= change.rate_limit <= MAX_RATE_LIMIT:
            raise InvalidSetting(f"A rate limit is 1 to {MAX_RATE_LIMIT} requests a minute.")
        limits = replace(limits, rate_limit=change.rate_limit or None)
    return limits


def checked_addresses(texts: Sequence[str]) -> Sequence[str]:
    """Return addresses and networks as they were given. Raises InvalidSetting for one that is none."""
    for text in texts:
        _network(text)
    return texts


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError as error:
        raise InvalidSetting(f"{error}: give an address, or a network such as 192.0.2.0/24.") from None


def is_reserved(vendor: str) -> bool:
    """Tell whether casedial signs with a name itself, in whatever spelling: people would take one for the other."""
    return own_kind(fold(vendor)) is not None


async def add_key(
    tx: Transaction, firm: Firm, vendor: str, now: datetime, key: str | None = None, change: LimitChange = NO_CHANGE
) -> NewKey:
    """Store a key for a vendor, a new one unless ``key`` brings one from elsewhere; ``change`` limits it.

    Raises KeyExists, StatusNotFound, or InvalidSetting for a key, a vendor's name or a limit that cannot be used.
    """
    named = checked_name(vendor, "A vendor's name")
    if is_reserved(named):
        raise InvalidSetting(f"{named!r} is a name that casedial uses for itself; give the name of the dialer company.")
    known = {fold(there.vendor): there.vendor for there in (await keys.every(tx, firm.id))[0]}
    vendor = known.get(fold(named), named)  # claims belong to a vendor: one name has one spelling
    return await _add(tx, firm, vendor, now, key, _changed(firm, UNLIMITED, change, now))


async def _add(tx: Transaction, firm: Firm, vendor: str, now: datetime, key: str | None, limits: KeyLimits) -> NewKey:
    whole = mint() if key is None else key
    try:
        stored = digest(whole)
    except (KeyMissing, KeyMistyped) as error:
        raise InvalidSetting(f"This key cannot be imported. {error.detail}") from None
    if await keys.find(tx, {stored}):
        raise KeyExists("This key is already in use; a key belongs to one vendor of one firm.")
    key_id = await keys.add(tx, firm.id, vendor, stored, f"{whole[:6]}…", limits, now)
    return NewKey(whole, key_id, vendor, limits)


async def open_key(tx: Transaction, key_id: int) -> tuple[KeyRecord, Firm]:
    """Return a key, held against other operators, and its firm. Raises KeyNotFound."""
    key = await keys.lock(tx, key_id)
    if key is None:
        raise _not_found(key_id)
    return key, (await firms.load(tx, key.firm_id))[1]


async def limit_key(tx: Transaction, key: KeyRecord, firm: Firm, change: LimitChange, now: datetime) -> KeyLimits:
    """Change the limits of an opened key; every server knows them from the commit on.

    Raises StatusNotFound or InvalidSetting.
    """
    limits = _changed(firm, key.limits, change, now)
    await keys.limit(tx, key.id, limits)
    return limits


async def roll_key(
    tx: Transaction,
    key: KeyRecord,
    firm: Firm,
    overlap: timedelta,
    now: datetime,
    change: LimitChange = NO_CHANGE,
) -> tuple[NewKey, datetime]:
    """Make a key of the same vendor, scopes and limits; the opened one expires ``overlap`` from now, if not before.

    Return the new one, and when the old one expires. Raises KeyRevoked, KeyExpired, StatusNotFound or InvalidSetting.
    """
    if key.revoked_at:
        raise KeyRevoked(f"Key {key.id} is revoked and cannot be rolled; make a new one with casedial key add.")
    if key.limits.has_expired(now):
        raise KeyExpired(f"Key {key.id} has expired and cannot be rolled; make a new one with casedial key add.")
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise InvalidSetting(f"An overlap is 0 to {MAX_OVERLAP.days} days.")
    new = await _add(tx, firm, key.vendor, now, None, _changed(firm, key.limits, change, now))
    ends = min(now + overlap, key.limits.expires_at or now + overlap)
    await keys.limit(tx, key.id, replace(key.limits, expires_at=ends))
    return new, ends


async def revoke_key(tx: Transaction, key_id: int, now: datetime) -> tuple[int, str]:
    """Revoke a key; every server refuses it from the commit on. Return its firm's id, and its vendor.

    Raises KeyNotFound.
    """
    revoked = await keys.revoke(tx, key_id, now)
    if revoked is None:
        raise _not_found(key_id)
    return revoked


def _not_found(key_id: int) -> KeyNotFound:
    return KeyNotFound(f"There is no key {key_id}; casedial key list shows all keys.")


async def prove(tx: Transaction, caller: Caller, now: datetime) -> None:
    """Raise CallerStale where the key or the firm is not what it is known as, or the key is over."""
    if not all(await keys.proven(tx, [caller], now)):
        raise CallerStale
