"""What dialers reported in a short span of time, such as a day: read by its index, page by page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import REPORTED, status_history
from casedial.domain.actors import Actor
from casedial.domain.statuses import StatusType
from casedial.storage.actors import actor_from

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Reported:
    """A disposition that somebody set, with the id of its row and of its status."""

    id: int
    case_id: int
    status_id: int
    at: datetime
    by: Actor


def query(firm_id: int, since: datetime, until: datetime, after: Reported | None) -> sa.Select[Any]:
    """Return the query for a page of ``reported``: it goes by an index from one end of the span to the other."""
    c = status_history.c
    found = sa.select(c.id, c.case_id, c.status_id, c.changed_at, c.changed_by, c.actor_kind, c.actor_id).where(
        c.firm_id == firm_id,
        REPORTED,
        c.status_id.is_not(None),
        c.changed_at >= (after.at if after else since),
        c.changed_at < until,
    )
    if after:
        found = found.where(sa.or_(c.changed_at > after.at, c.id > after.id))
    return found.order_by(c.changed_at, c.id).limit(PAGE)


async def reported(
    tx: Transaction, firm_id: int, since: datetime, until: datetime, after: Reported | None
) -> list[Reported]:
    """Return a page of the dispositions set from ``since`` and before ``until``, the oldest first."""
    rows = await tx.execute(query(firm_id, since, until, after))
    return [
        Reported(
            *(row.id, row.case_id, row.status_id, row.changed_at),
            actor_from(row.actor_kind, row.actor_id, row.changed_by),
        )
        for row in rows
    ]


async def campaigns_of(
    tx: Transaction, firm_id: int, case_ids: Iterable[int]
) -> dict[int, list[tuple[int, int | None]]]:
    """Return for each of these cases the ids of its campaigns, the oldest first, each behind the id of its row.

    A case is held by whoever changes it, so that its rows stand in the order of its changes.
    """
    c = status_history.c
    found: dict[int, list[tuple[int, int | None]]] = {}
    history = sa.select(c.case_id, c.id, c.status_id).where(
        c.firm_id == firm_id, tx.among(c.case_id, sorted(set(case_ids))), c.type == int(StatusType.CAMPAIGN)
    )
    for row in await tx.execute(history.order_by(c.id)):
        found.setdefault(row.case_id, []).append((row.id, row.status_id))
    return found
