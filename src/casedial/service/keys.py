"""ClientKeys: mint, import, check, revoke. A key belongs to one vendor and one firm [specification: Header]."""

from __future__ import annotations

import re
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from casedial.domain.cases import Firm
from casedial.domain.errors import InvalidSetting, KeyExists, KeyMissing, KeyMistyped, KeyNotFound
from casedial.service.firms import checked_name
from casedial.storage import keys
from casedial.storage.engine import Transaction

_PREFIX = "cdk_"
_ALPHABET = string.digits + string.ascii_letters
_RANDOM_LENGTH = 32  # 190 bits
_CHECKSUM_LENGTH = 6
_MINTED_LENGTH = len(_PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
_FOREIGN = re.compile(r"[\x21-\x7e]{16,256}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only time that the whole of it is known."""

    key: str
    id: int
    vendor: str


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
        raise KeyMistyped("A key has 16 to 256 visible ASCII characters; this one does not.")
    if sent.startswith(_PREFIX) and (
        len(sent) != _MINTED_LENGTH or _checksum(sent[:-_CHECKSUM_LENGTH]) != sent[-_CHECKSUM_LENGTH:]
    ):
        raise KeyMistyped("The key does not fit its own checksum: a character is wrong or missing.")
    return sha256(sent.encode()).digest()


async def add_key(tx: Transaction, firm: Firm, vendor: str, now: datetime, key: str | None = None) -> NewKey:
    """Store a key for a vendor, a new one unless ``key`` brings one from elsewhere.

    Raises KeyExists, or InvalidSetting for a key or a vendor's name that cannot be used.
    """
    vendor = checked_name(vendor, "A vendor's name")
    whole = mint() if key is None else key
    try:
        stored = digest(whole)
    except (KeyMissing, KeyMistyped) as error:
        raise InvalidSetting(f"This key cannot be imported. {error.detail}") from None
    if await keys.find(tx, stored):
        raise KeyExists("This key is known already; a key belongs to one vendor of one firm.")
    key_id = await keys.add(tx, firm.id, vendor, stored, f"{whole[:6]}…", now)
    return NewKey(whole, key_id, vendor)


async def revoke_key(tx: Transaction, key_id: int, now: datetime) -> None:
    """Revoke a key; every server refuses it from the commit on. Raises KeyNotFound."""
    if not await keys.revoke(tx, key_id, now):
        raise KeyNotFound(f"There is no key {key_id}; casedial key list shows those there are.")
