"""The audit: what anybody who is no dialer at work has changed, in a chain that shows where it was tampered with.

An entry holds settings, counts and ids. It never holds a name, a number or a note of a person: nothing would have to be
taken out of it when that person is forgotten, which no chain allows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Any

from casedial.domain.actors import Actor

NO_FIRM = 0  # the chain of what concerns no firm: bans, overrides, the database itself
FIRST = b""  # stands before the first entry of a chain

Plain = Mapping[str, Any]  # of what JSON has: no float


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: when, by whom, what was done (``campaign.set``) to what, and the values that differ."""

    at: datetime
    actor: Actor
    action: str
    subject: str
    before: Plain | None = None
    after: Plain | None = None


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry as it is kept, in the chain of a firm, with the hash of the entry before it."""

    id: int
    firm_id: int
    entry: Entry
    previous: bytes

    @property
    def digest(self) -> bytes:
        """Return the hash of it, which the entry behind it holds."""
        return digest(self.previous, self.firm_id, self.entry)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are meant: of a firm (None: of all chains), from a time until before another, of an action."""

    firm_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None  # or the beginning of it: campaign
    by: str | None = None


def digest(previous: bytes, firm_id: int, entry: Entry) -> bytes:
    """Return the hash of an entry (SHA-256) behind another one."""
    actor = entry.actor
    row = [
        *(previous.hex(), firm_id, entry.at.astimezone(UTC).isoformat()),
        *(int(actor.kind), actor.name, actor.id, actor.origin),
        *(entry.action, entry.subject, entry.before, entry.after),
    ]
    return sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).digest()


def changed(before: object, after: object) -> tuple[Plain, Plain]:
    """Return those fields of two dataclasses of one kind that differ, before and after."""
    old, new = _plain(before), _plain(after)
    names = [name for name in new if old.get(name) != new[name]]
    return {name: old.get(name) for name in names}, {name: new[name] for name in names}


def plain(value: object) -> Plain:
    """Return a dataclass as JSON has it."""
    found: Plain = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: _plain(one) for name, one in named.items()}
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_plain(one) for one in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    return value.isoformat() if isinstance(value, date) else str(value)
