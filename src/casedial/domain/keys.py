"""What a ClientKey may do: its scopes, and the limits that a firm may set on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from casedial.domain.errors import AddressNotAllowed, KeyExpired


class Scope(StrEnum):
    """One kind of work that a key may do. Values are stored.

    A casedial that does not know one cannot read the key, and refuses it. MANAGE and FEED are for the firm's own
    systems: a key has them only where somebody says so.
    """

    DIAL = "dial"
    UPDATE = "update"
    NOTE = "note"
    READ = "read"
    MANAGE = "manage"
    FEED = "feed"


DIALER_SCOPES = frozenset((Scope.DIAL, Scope.UPDATE, Scope.NOTE, Scope.READ))  # of a key that nobody limits


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key is limited to; None does not limit.

    ``campaigns`` are the ids of Campaign statuses, ``addresses`` the networks it may be used from, ``rate_limit``
    is in requests a minute.
    """

    scopes: frozenset[Scope] = DIALER_SCOPES
    campaigns: frozenset[int] | None = None
    addresses: tuple[IPv4Network | IPv6Network, ...] | None = None
    expires_at: datetime | None = None
    rate_limit: int | None = None

    def admit(self, address: str | None, now: datetime) -> None:
        """Raise KeyExpired or AddressNotAllowed for a request that comes from ``address`` (None: nobody knows)."""
        if self.has_expired(now):
            raise KeyExpired("This key has expired; ask the firm for a new one.")
        if self.addresses is not None and not self._covers(address):
            raise AddressNotAllowed("This key may not be used from the address that this request came from.")

    def has_expired(self, now: datetime) -> bool:
        """Tell whether the key is over."""
        return self.expires_at is not None and now >= self.expires_at

    def _covers(self, address: str | None) -> bool:
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped:  # so a socket for both families shows IPv4
            found = found.ipv4_mapped
        return any(found in network for network in self.addresses or ())


UNLIMITED = KeyLimits()


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is stored, which is without the key itself, with its firm's name and version.

    ``state`` tells one state of its row from every other.
    """

    id: int
    firm_id: int
    firm_name: str
    firm_version: int
    vendor: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    limits: KeyLimits
    state: str
