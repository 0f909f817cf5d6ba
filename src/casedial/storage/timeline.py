"""The newest of what is kept of a case, source by source: each by its index, and no more rows than are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from casedial.database.engine import Transaction
from casedial.database.tables import calls, notes, phone_changes, priority_changes, status_history
from casedial.domain.cases import Phone
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role, StatusType
from casedial.domain.timeline import Event, Place, Source
from casedial.storage import leases
from casedial.storage.actors import actor_and_why, actor_from

_TABLES = {
    Source.HISTORY: status_history,
    Source.NOTES: notes,
    Source.PHONES: phone_changes,
    Source.PRIORITIES: priority_changes,
    Source.CALLS: calls,
}


async def newest(tx: Transaction, firm: Firm, case_id: int, after: Place, limit: int) -> dict[Source, list[Event]]:
    """Return the newest events of a case of each source, behind a place."""
    rows = {source: await _rows(tx, firm, case_id, source, after, limit) for source in Source}
    return {
        Source.HISTORY: await _history(tx, firm, rows[Source.HISTORY]),
        Source.NOTES: [
            Event(Source.NOTES, row.id, row.created_at, _by(row, row.author), note=row.text)
            for row in rows[Source.NOTES]
        ],
        Source.PHONES: [
            Event(
                Source.PHONES,
                row.id,
                row.changed_at,
                _by(row, row.changed_by),
                phones=(Phone(*row.before) if row.before else None, Phone(*row.after) if row.after else None),
            )
            for row in rows[Source.PHONES]
        ],
        Source.PRIORITIES: [
            Event(
                Source.PRIORITIES,
                row.id,
                row.changed_at,
                _by(row, row.changed_by),
                priorities=(row.before, row.after),
            )
            for row in rows[Source.PRIORITIES]
        ],
        Source.CALLS: [
            Event(Source.CALLS, row.id, row.called_at, call=(row.number, row.conversation))
            for row in rows[Source.CALLS]
        ],
    }


async def _rows(tx: Transaction, firm: Firm, case_id: int, source: Source, after: Place, limit: int) -> Sequence[Any]:
    c = _TABLES[source].c
    query = _TABLES[source].select().where(c.firm_id == firm.id, c.case_id == case_id)
    if source in after:
        query = query.where(c.id < after[source])
    return (await tx.execute(query.order_by(c.id.desc()).limit(limit))).all()


def _by(row: Any, name: str) -> Any:
    return actor_from(row.actor_kind, row.actor_id, name)


async def _history(tx: Transaction, firm: Firm, rows: Sequence[Any]) -> list[Event]:
    claims = await leases.find(tx, firm, {row.claim_id for row in rows if row.claim_id})
    found = []
    for row in rows:
        kind, (by, why) = StatusType(row.type), actor_and_why(row)
        status = firm.statuses.known(row.status_id, kind) if row.status_id is not None else None
        opens = kind is StatusType.DIALER and status is not None and status.role is Role.IN_THE_DIALER
        claim = claims.get(row.claim_id) if opens else None
        told = why.text if why else ""
        changed = [(kind, status)]
        found.append(Event(Source.HISTORY, row.id, row.changed_at, by, changed, row.dial_at, told, claim))
    return found
