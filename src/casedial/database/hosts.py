"""The hosts that a URL of PostgreSQL names: what the log calls them, and which of them takes us."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode
from weakref import WeakKeyDictionary

import asyncpg

from casedial.domain.errors import InvalidSetting

CONNECT_SECONDS = 10
_SILENT_SECONDS = 0.7  # without an answer, after which the next host is tried, too
_LAST_SECONDS = 3.0  # for which the last host is waited for, when the others have refused
# After these another host is tried: it is away, is starting or stopping, or is not what is looked for. So is a standby
# that does not know of the database yet.
_NEXT = (
    *(OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError),
    *(asyncpg.TargetServerAttributeNotMatched, asyncpg.InvalidCatalogNameError),
)
_WRITING, _READING = ("read-write", "primary", "any"), ("standby", "read-only", "any")

# Of every session's connection, here: while it is idle it is asked for a sign, so that firewalls remember it, and
# where nothing passes over it any more it ends, instead of being waited for.
IDLE, BETWEEN, TIMES = 30, 5, 3  # seconds until it is asked, between two times, and how often
_UNHEARD_MS = 5000  # for which what was sent may stay without being acknowledged


class Hosts:
    """The hosts of a URL, in the order in which they are tried: those that took us last come first."""

    def __init__(self, url: str, is_standby: bool = False) -> None:
        """``is_standby`` tells that a standby is looked for."""
        self.url = url
        self._before, self._order, self._after = _split(url)
        self._of: WeakKeyDictionary[asyncpg.Connection, str] = WeakKeyDictionary()
        self._kind = None
        if "target_session_attrs=" not in url and "PGTARGETSESSIONATTRS" not in os.environ:
            self._kind = "standby" if is_standby else "primary" if len(self._order) > 1 else None

    async def connect(
        self, seconds: float | None = None, beside: asyncpg.Connection | None = None, **options: Any
    ) -> asyncpg.Connection:
        """Connect to the first host that takes it, of several the first that is no standby.

        Where one is silent for a moment, as a machine is that is lost, the next is tried beside it. ``beside`` is a
        connection that hangs, whose host is tried last, for another may have taken its place. Raises what a host said,
        or why it is away.
        """
        if self._kind:
            options["target_session_attrs"] = self._kind
        seconds = seconds or CONNECT_SECONDS
        attempts, waiting = _Attempts(), self._without(beside)
        try:
            async with asyncio.timeout(seconds + _SILENT_SECONDS):
                while waiting or attempts.going:
                    if waiting:
                        host = waiting.pop(0)
                        attempts.begin(host, self._reach(host, seconds, options))
                    # Who refused may take us by now: so when only a silent one is left, all are soon asked anew.
                    last = _LAST_SECONDS if attempts.failure else None
                    if taken := await attempts.first(_SILENT_SECONDS if waiting else last):
                        self._remember(*taken, is_preferred=beside is None)
                        return taken[1]
                    if attempts.are_silent and not waiting:
                        break
        finally:
            attempts.end()
        raise attempts.failure or OSError("the URL names no host")

    def _remember(self, host: str, connection: asyncpg.Connection, is_preferred: bool) -> None:
        self._of[connection] = host
        if is_preferred:
            self._order = [host, *(other for other in self._order if other != host)]

    async def _reach(self, host: str, seconds: float, options: dict[str, Any]) -> asyncpg.Connection:
        # asyncpg reads libpq's URLs itself: sslmode, sockets
        connection = await asyncpg.connect(self._before + host + self._after, timeout=seconds, **options)
        _keep_alive(connection)
        return connection

    def distrust(self, connection: asyncpg.Connection) -> None:
        """Try a connection's host last: it lets us in and then hangs, as one that only thinks it is the primary."""
        self._order = self._without(connection)

    def _without(self, connection: asyncpg.Connection | None) -> list[str]:
        """Return the hosts, that of a connection at the end."""
        return sorted(self._order, key=lambda host: connection is not None and self._of.get(connection) == host)


class _Attempts:
    """Attempts to connect that go on beside each other, and what those said that failed."""

    def __init__(self) -> None:
        self.going: dict[asyncio.Task[asyncpg.Connection], str] = {}
        self.failure: Exception | None = None
        self.are_silent = False  # whether nothing came of any for as long as was waited

    def begin(self, host: str, attempt: Coroutine[Any, Any, asyncpg.Connection]) -> None:
        self.going[asyncio.create_task(attempt)] = host

    async def first(self, seconds: float | None) -> tuple[str, asyncpg.Connection] | None:
        """Return a host that took us, and the connection; None where one fails, or all are silent for so long."""
        done, _ = await asyncio.wait(self.going, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self.are_silent = not done
        for task in done:
            host = self.going.pop(task)
            try:
                return host, task.result()
            except _NEXT as error:
                if self.failure is None or not isinstance(error, OSError):
                    self.failure = error  # what a host said tells more than that another is away
        return None

    def end(self) -> None:
        """End those for which another was quicker."""
        for task in self.going:
            task.add_done_callback(_let_go)
            task.cancel()


def _let_go(task: asyncio.Task[asyncpg.Connection]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()


def _keep_alive(connection: Any) -> None:
    plug = connection._transport.get_extra_info("socket")
    if plug is None or plug.family not in (socket.AF_INET, socket.AF_INET6):
        return
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    values = {"KEEPIDLE": IDLE, "KEEPINTVL": BETWEEN, "KEEPCNT": TIMES, "USER_TIMEOUT": _UNHEARD_MS}
    for name, value in values.items():
        if hasattr(socket, f"TCP_{name}"):  # not on every system
            plug.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"), value)


def _split(url: str) -> tuple[str, list[str], str]:
    """Return what is before the hosts of a URL, with the user and the password, the hosts, and what is after them."""
    _, _, url = url.partition("://")
    place = re.split("[/?#]", url, maxsplit=1)[0]
    who, at, hosts = place.rpartition("@")
    return f"postgresql://{who}{at}", hosts.split(","), url[len(place) :]


def _asked(url: str) -> dict[str, str]:
    """Return the parameters of a URL."""
    return dict(parse_qsl(_split(url)[2].partition("?")[2], keep_blank_values=True))


def check(url: str, is_standby: bool = False) -> None:
    """Raise InvalidSetting where the hosts of a URL cannot be meant as they are written."""
    _, hosts, after = _split(url)
    if "@" in after:  # of a password that is not encoded: nothing can be said of the rest
        return
    write = f"write postgresql://user@host1:5432,host2:5432{after.partition('?')[0] or '/name'}"
    for number, host in enumerate(hosts, 1):
        which = f"In the database URL, host {number} of {len(hosts)}"  # not as it stands there: it may be a password
        name, _, port = host.rpartition(":") if re.search(r":[^\]]*$", host) else (host, "", "")
        if not name and len(hosts) > 1:
            raise InvalidSetting(f"{which} has no name: {write}.")
        if ":" in name and not re.fullmatch(r"\[[^\]]*\]", name):
            raise InvalidSetting(f"{which} has too many colons: write an IPv6 address as [::1]:5432.")
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise InvalidSetting(f"{which} has no port from 1 to 65535 behind its colon: {write}.")
    kind, allowed = _asked(url).get("target_session_attrs"), _READING if is_standby else _WRITING
    if kind is not None and kind not in allowed:
        use = "a standby: use standby" if is_standby else "a server that takes writes: use read-write"
        raise InvalidSetting(f"target_session_attrs={kind} cannot be used here: casedial needs {use}.")


def hosts_of(url: str) -> str:
    """Return the hosts that a URL names, as the log calls them."""
    _, hosts, after = _split(url)
    if "@" in after:  # of a password that is not encoded
        return "PostgreSQL"
    asked = dict(parse_qsl(after.partition("?")[2]))
    return f"PostgreSQL at {','.join(filter(None, hosts)) or asked.get('host') or 'its default address'}"


def advice(url: str) -> str:
    """Return what to look at in a URL by which PostgreSQL cannot be reached; "" where that is nothing."""
    before, _, after = _split(url)
    torn = "@" in after  # of a password that is not encoded: what seems to be the host is something else
    if not torn and ":" not in before.partition("://")[2]:
        return ""
    tried = "The URL has an @ behind its host, so its password may be cut. " if torn else ""
    return f"{tried}In a password, write @ # / ? : % as %40 %23 %2F %3F %3A %25."


def without_password(url: str) -> tuple[str, str | None]:
    """Return a URL as libpq's programs take it, which other users of the machine may see, and its password."""
    before, hosts, after = _split(url)
    scheme, _, who = before.partition("://")
    user, _, password = who.removesuffix("@").partition(":")
    path, _, query = after.partition("?")
    told = parse_qsl(query, keep_blank_values=True)
    password = next((value for name, value in told if name == "password"), unquote(password))
    rest = urlencode([(name, value) for name, value in told if name != "password"], quote_via=quote)
    place = (f"{user}@" if user else "") + ",".join(hosts)
    return f"{scheme}://{place}{path}" + (f"?{rest}" if rest else ""), password or None
