"""Where a webhook may go: what its URL has to be, and which addresses are outside the network of the server.

A name is resolved once, and what it resolves to is looked at here; the connection then goes to that very address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from casedial.domain.errors import InvalidSetting

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

LONGEST_URL = 2000
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?|[0-9a-f:.]+")
_PORTS = {"https": 443, "http": 80}
_NAT64 = IPv6Network("64:ff9b::/96")  # whose last four bytes are an IPv4 address
_COMPATIBLE = IPv6Network("::/96")  # those of an older way to write one
# What is nobody's on the internet, as IANA lists it: Python's own judgement differs from version to version. The last
# one is like any other, but the service behind it is that of the machine which asks, at Azure.
_INSIDE = [
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
]
_GLOBAL = IPv6Network("2000::/3")  # of IPv6 nothing else is anybody's, and not these:
_NOT_GLOBAL = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL in its parts: ``target`` is path and query, ``authority`` what goes into the Host header."""

    is_encrypted: bool
    host: str
    port: int
    target: str
    authority: str


def read_destination(url: str) -> Destination:
    """Read the URL of an endpoint. Raises InvalidSetting."""
    if len(url) > LONGEST_URL or not _VISIBLE.fullmatch(url):
        raise InvalidSetting(f"A URL has up to {LONGEST_URL} visible ASCII characters: write a name abroad as xn--.")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise InvalidSetting("The URL cannot be read; write it as https://name/path.") from None
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0 or len(host) > 253:
        raise InvalidSetting("The URL must be https://, a name, and a path, such as https://firm.example/casedial.")
    if "@" in parts.netloc:
        raise InvalidSetting("The URL must have no user and no password: the signature says who sends.")
    if parts.fragment:
        raise InvalidSetting("The URL must have no part behind #: it is never sent.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = f"[{host}]" if ":" in host else host
    usual = _PORTS[parts.scheme]
    authority = shown if port in (None, usual) else f"{shown}:{port}"
    return Destination(parts.scheme == "https", host, port or usual, target, authority)


def read_networks(text: str) -> list[Network]:
    """Read networks and addresses, separated by commas. Raises ValueError."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def refusal(address: str, allowed: Sequence[Network], is_encrypted: bool) -> str | None:
    """Return why nothing may be sent to an address, None where it may; ``allowed`` is by the administrator."""
    try:
        found = _meant(ip_address(address.partition("%")[0]))
    except ValueError:
        return "what it resolves to is no address"
    if any(found in network for network in allowed):
        return None
    if is_inside(found):
        return f"it resolves to {found}, an address inside the network (CASEDIAL_WEBHOOK_NETWORKS may allow it)"
    if not is_encrypted:
        return "http is for networks in CASEDIAL_WEBHOOK_NETWORKS only: use https"
    return None


def is_inside(address: Address) -> bool:
    """Tell whether an address is none of the internet's: nobody outside could have been meant by it."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INSIDE)
    return address not in _GLOBAL or any(address in network for network in _NOT_GLOBAL)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one leads to, however that is written."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
