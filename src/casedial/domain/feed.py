"""The feed: what happened to a firm's cases and its do-not-call list, as one line of events that a reader goes along.

Nothing is written for it. Each row of what is kept anyway is one event, and they all have a place in one line, which
grows at its end only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.errors import InvalidParameter
from casedial.domain.reasons import ReasonCode, Why
from casedial.domain.statuses import Role, Status, StatusType

MOST_EVENTS = 1000  # of a page
LONGEST_WAIT = 30  # seconds


class Source(StrEnum):
    """Where events are kept, in the order in which they come at one place; the value begins the ids of its events."""

    HISTORY = "h"
    NOTES = "n"
    PHONES = "p"
    PRIORITIES = "r"
    FACTS = "f"
    LISTINGS = "d"
    AUDIT = "a"


SOURCES = tuple(Source)


class EventKind(StrEnum):
    """What happened."""

    ADDED = "case.added"
    CLAIMED = "case.claimed"
    UPDATED = "case.updated"  # by a dialer, or by the firm's own file or system
    RETURNED = "case.returned"  # released, or its claim ran out
    MOVED = "case.moved"  # by a policy or an operator
    NOTED = "case.noted"
    CHANGED = "case.changed"  # its fields, a phone of it, its priority
    DELETED = "case.deleted"
    LISTED = "do_not_call.added"
    UNLISTED = "do_not_call.removed"


_RETURNS = (ReasonCode.RAN_OUT, ReasonCode.RELEASED)
_REQUESTED = (ActorKind.KEY, ActorKind.IMPORT)


def kind_of(
    type: StatusType, status: Status | None, claim_id: UUID | None, actor: Actor, why: Why | None, is_first: bool
) -> EventKind:
    """Return what a row of the history tells, the first one of a case that it was added."""
    code = why.code if why else None
    if code in _RETURNS:
        return EventKind.RETURNED
    if type is StatusType.DIALER and status and status.role is Role.IN_THE_DIALER and claim_id:
        return EventKind.CLAIMED
    if is_first:
        return EventKind.ADDED
    return EventKind.UPDATED if actor.kind in _REQUESTED and code is None else EventKind.MOVED


class Place(NamedTuple):
    """A place in the line: behind a key, and there behind a source by its number (old rows may have one key)."""

    key: int = 0
    rank: int = 0


BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event: ``id`` is unique in a database and never changes.

    ``before`` and ``after`` have what differs by name, None: nothing. Of a status that is its name, of its dial time an
    instant, of a phone a Phone. ``case_id`` is None where it is not about one case: ``case_ids`` are then those it
    names. ``at`` is None where only a day is kept, as ``listed_on``.
    """

    source: Source
    row: int
    place: Place
    kind: EventKind
    at: datetime | None
    actor: Actor | None
    case_id: int | None = None
    case_ids: Sequence[int] = ()
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)
    claim_id: UUID | None = None
    why: str = ""
    note: str = ""

    @property
    def id(self) -> str:
        """Return what tells it from every other event of the database."""
        return f"{self.source.value}{self.row}"


_TEXT = re.compile(r"1-([0-9]{1,18})-([0-9]{1,2})-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader is; ``gone`` is up to where events had been purged when it began, which it does not miss."""

    place: Place = BEGINNING
    gone: int = 0

    def __str__(self) -> str:
        """Return it as text that ``read`` reads: opaque to all others."""
        return f"1-{self.place.key}-{self.place.rank}-{self.gone}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read a cursor. Raises InvalidParameter."""
        found = _TEXT.fullmatch(text)
        if not found:
            raise InvalidParameter("This is no cursor of the feed: send the one that came with the last page.")
        key, rank, gone = map(int, found.groups())
        return cls(Place(key, rank), gone)

    def behind(self, event: FeedEvent) -> Cursor:
        """Return where a reader goes on that has had an event, and all before it."""
        return Cursor(event.place, self.gone)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in their order, the cursor behind them, and whether more are there already."""

    events: Sequence[FeedEvent]
    cursor: Cursor
    more: bool
