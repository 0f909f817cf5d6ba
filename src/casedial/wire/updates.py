"""Read UpdateCaseStatus as most dialers send it, twenty times as fast as ``requests`` reads any spelling of it.

That is a list of Cases, each name spelled as the specification spells it and there once, each CaseID a number. Where
anything is otherwise, ``requests`` reads it, or says what is wrong: nothing is refused here.
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from casedial.domain.dialing import MAX_ITEMS, CaseUpdate
from casedial.domain.errors import CasedialError
from casedial.wire import values

_Text = str | None | UnsetType
# What an item says beside its CaseID, in the order of ``CaseUpdate``: as it was sent, and as it is read, with how many
# quotes are around its names and texts.
_Said = tuple[_Text, _Text, int | _Text, _Text]
_Read = tuple[tuple[object, ...], int]


class _Item(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    CaseID: Annotated[int, Meta(ge=1, le=values.MAX_CASE_ID)]
    Status: _Text = UNSET
    NextCall: _Text = UNSET
    Attempts: int | _Text = UNSET
    Disposition: _Text = UNSET


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    Cases: Annotated[list[_Item], Meta(min_length=1, max_length=MAX_ITEMS)]


_decode = msgspec.json.Decoder(_Body).decode
_POINTERS = tuple(f"#/Cases/{place}" for place in range(MAX_ITEMS))


def usual_updates(text: bytes, zone: ZoneInfo) -> tuple[list[object], list[CaseUpdate | CasedialError]] | None:
    """Return the CaseIDs and the updates that ``requests.any_updates`` would read; None where it has to be asked."""
    if b"\\" in text:
        return None
    try:
        sent = _decode(text).Cases
        known: dict[_Said, _Read] = {}  # many items of one report say the same
        quotes = 2
        updates: list[CaseUpdate | CasedialError] = []
        for item, pointer in zip(sent, _POINTERS, strict=False):
            said = item.Status, item.NextCall, item.Attempts, item.Disposition
            if said not in known:
                known[said] = _read(said, zone)
            fields, theirs = known[said]
            quotes += theirs
            updates.append(CaseUpdate._make((item.CaseID, *fields, pointer)))
    except (msgspec.MsgspecError, ValueError):
        return None
    # Of a name that is there twice the decoder takes the last: then there are more quotes than were read.
    return ([item.CaseID for item in sent], updates) if text.count(b'"') == quotes else None


def _read(said: _Said, zone: ZoneInfo) -> _Read:
    """Read what an item says. Raises ValueError."""
    names = sum(sent is not UNSET for sent in said) + 1
    texts = sum(isinstance(sent, str) for sent in said)
    status, next_call, attempts, disposition = (None if sent in (UNSET, None, "") else sent for sent in said)
    fields = (
        None if status is None else values.name(status),
        None if next_call is None else values.local_time(next_call, zone),
        None if attempts is None else values.attempts(attempts),
        None if disposition is None else values.name(disposition),
    )
    return fields, 2 * (names + texts)
