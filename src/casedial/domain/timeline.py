"""What became of a case, as one line of events: claims, changes of statuses, calls, notes, edits; the newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from casedial.domain.actors import Actor
from casedial.domain.cases import Phone
from casedial.domain.claims import Claim
from casedial.domain.statuses import Status, StatusType


class Source(StrEnum):
    """Where events are kept; the value names it in a place of the line."""

    HISTORY = "h"
    NOTES = "n"
    PHONES = "p"
    PRIORITIES = "r"
    CALLS = "c"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: what of it is there depends on its source. ``id`` is that of its row, of several the oldest."""

    source: Source
    id: int
    at: datetime
    actor: Actor | None = None  # None: of a call, which a dialer made
    statuses: Sequence[tuple[StatusType, Status | None]] = ()
    dial_at: datetime | None = None
    why: str = ""
    claim: Claim | None = None  # that this event opened
    note: str = ""
    phones: tuple[Phone | None, Phone | None] = (None, None)  # before and after
    priorities: tuple[int, int] | None = None
    call: tuple[str, bool] | None = None  # the number, and whether somebody was spoken with


Place = Mapping[Source, int]  # the last row of each source that was shown
_PART = re.compile(r"([hnprc])([0-9]{1,18})")


def read_place(text: str) -> Place:
    """Read a place of the line, such as h12-n5; what makes no sense is left out."""
    parts = (_PART.fullmatch(part) for part in text.split("-"))
    return {Source(part[1]): int(part[2]) for part in parts if part}


def written_place(place: Place) -> str:
    """Write what ``read_place`` reads."""
    return "-".join(f"{source.value}{place[source]}" for source in Source if source in place)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of events; ``more`` is where it goes on, None where the case begins."""

    events: Sequence[Event] = ()
    more: Place | None = None


def merge(sources: Mapping[Source, Sequence[Event]], after: Place, limit: int, fetched: int) -> Timeline:
    """Make one line of the newest events of each source; rows of the history at one instant are one event.

    Of a source at most so many were ``fetched``: nothing is shown from before the last of those that have more.
    """
    cut = [events[-1].at for events in sources.values() if len(events) >= fetched]
    every = [one for events in sources.values() for one in events if not cut or one.at >= max(cut)]
    shown: list[Event] = []
    place = dict(after)
    for one in sorted(every, key=lambda one: (one.at, one.id), reverse=True):
        last = shown[-1] if shown else None
        if last and _are_one(last, one):
            shown[-1] = _joined(last, one)
        elif len(shown) == limit:
            return Timeline(shown, place)
        else:
            shown.append(one)
        place[one.source] = one.id
    return Timeline(shown, place if cut else None)


def _are_one(last: Event, one: Event) -> bool:
    both = last.source is one.source is Source.HISTORY
    return both and (last.at, last.actor, last.why) == (one.at, one.actor, one.why)


def _joined(last: Event, one: Event) -> Event:
    return Event(
        Source.HISTORY,
        one.id,
        one.at,
        one.actor,
        [*one.statuses, *last.statuses],
        one.dial_at or last.dial_at,
        one.why,
        one.claim or last.claim,
    )
