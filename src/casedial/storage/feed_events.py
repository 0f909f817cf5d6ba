"""What each row of a feed tells, as an event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor
from casedial.domain.cases import Phone
from casedial.domain.feed import EventKind, FeedEvent, Source, kind_of
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusType
from casedial.storage import feed
from casedial.storage.actors import actor_and_why, actor_from
from casedial.storage.feed import Before, FeedRow

STATUS_NAMES = {
    StatusType.DIALER: "dialer_status",
    StatusType.DISPOSITION: "disposition",
    StatusType.CAMPAIGN: "campaign",
    StatusType.ATTEMPTS: "attempts",
}
_CASE = re.compile("case ([0-9]{1,18})")
_NOTHING: Mapping[str, object] = {}


async def events(tx: Transaction, firm: Firm, rows: Sequence[FeedRow]) -> list[FeedEvent]:
    """Return what rows tell, in their order; those that make no sense are passed over."""
    history = [one.row for one in rows if one.source is Source.HISTORY]
    before = await feed.before(tx, firm, history)
    found = []
    for one in rows:
        with suppress(TypeError, ValueError):  # of a hand that does not know how: nobody could go on behind it
            is_history = one.source is Source.HISTORY
            found.append(_history(firm, one, before[one.row.id]) if is_history else _READ[one.source](one))
    return found


def _history(firm: Firm, found: FeedRow, before: Before) -> FeedEvent:
    row, kind = found.row, StatusType(found.row.type)
    by, why = actor_and_why(row)
    status = firm.statuses.known(row.status_id, kind) if row.status_id is not None else None
    told = kind_of(kind, status, row.claim_id, by, why, before.is_first)
    return FeedEvent(
        *(found.source, row.id, found.place, told, row.changed_at, by, row.case_id),
        before=_statuses(firm, kind, before.row) if before.row else {},
        after=_statuses(firm, kind, row),
        claim_id=row.claim_id,
        why=why.text if why else "",
    )


def _statuses(firm: Firm, kind: StatusType, row: Any) -> Mapping[str, object]:
    status = firm.statuses.known(row.status_id, kind) if row.status_id is not None else None
    named: dict[str, object] = {STATUS_NAMES[kind]: status.name if status else None}
    return {**named, "dial_at": row.dial_at} if kind is StatusType.DIALER else named


def _event(found: FeedRow, kind: EventKind, at: Any, by: Actor, **more: Any) -> FeedEvent:
    return FeedEvent(found.source, found.row.id, found.place, kind, at, by, found.row.case_id, **more)


def _by(row: Any, name: str) -> Actor:
    return actor_from(row.actor_kind, row.actor_id, name)


def _note(found: FeedRow) -> FeedEvent:
    row = found.row
    return _event(found, EventKind.NOTED, row.created_at, _by(row, row.author), note=row.text)


def _phone(found: FeedRow) -> FeedEvent:
    was, now = ({"phone": Phone(*told)} if told else _NOTHING for told in (found.row.before, found.row.after))
    return _changed(found, was, now)


def _priority(found: FeedRow) -> FeedEvent:
    return _changed(found, {"priority": found.row.before}, {"priority": found.row.after})


def _facts(found: FeedRow) -> FeedEvent:
    row = found.row
    if row.before is None:
        return _event(found, EventKind.ADDED, row.changed_at, _by(row, row.changed_by), after=row.after)
    return _changed(found, row.before, row.after)


def _changed(found: FeedRow, before: Mapping[str, object], after: Mapping[str, object]) -> FeedEvent:
    row = found.row
    by = _by(row, row.changed_by)
    return _event(found, EventKind.CHANGED, row.changed_at, by, before=before, after=after)


def _listing(found: FeedRow) -> FeedEvent:
    row = found.row
    named: dict[str, object] = {"listed_on": row.listed_on, "source": row.source}
    if row.number is not None:
        named = {"number": row.number, **named}
    return FeedEvent(found.source, row.id, found.place, EventKind.LISTED, None, None, row.case_id, after=named)


def _audit(found: FeedRow) -> FeedEvent:
    row = found.row
    by = _by(row, row.actor_name)
    before, after = row.before or {}, row.after or {}
    named = _CASE.fullmatch(row.subject)
    whole = (found.source, row.id, found.place)
    if row.action == "do_not_call.remove":
        numbers, why = {"numbers": before.get("numbers", 0)}, str(after.get("reason", ""))
        case_ids = before.get("cases", ())
        return FeedEvent(*whole, EventKind.UNLISTED, row.at, by, None, case_ids, before=numbers, why=why)
    case_id = int(named[1]) if named else None
    return FeedEvent(*whole, EventKind.DELETED, row.at, by, case_id, before.get("cases", ()), why=_why(row))


def _why(row: Any) -> str:
    return f"undo of {row.subject}" if row.action == feed.UNDONE else ""


_READ: Mapping[Source, Callable[[FeedRow], FeedEvent]] = {
    Source.NOTES: _note,
    Source.PHONES: _phone,
    Source.PRIORITIES: _priority,
    Source.FACTS: _facts,
    Source.LISTINGS: _listing,
    Source.AUDIT: _audit,
}
