"""What was counted of the history, how far, and the history that is not counted yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import REPORTED, figures, figures_place, firms, status_history, statuses
from casedial.domain.figures import HOURS_OF_WEEK, Entry, Figure, Kind, Span, Tally
from casedial.domain.statuses import Flag, StatusType
from casedial.storage.actors import actor_from
from casedial.storage.statuses import read_flags

_ROW = 1  # the only one
_f, _h = figures.c, status_history.c
_COUNTED = _h.type.in_([int(StatusType.DISPOSITION), int(StatusType.CAMPAIGN)])
_THIS_FIRM = _h.firm_id == sa.bindparam("this_firm", type_=_h.firm_id.type)


@dataclass(frozen=True, slots=True)
class Place:
    """Up to which row of history all is counted; the version tells whether somebody counted meanwhile."""

    history_id: int = 0
    version: int = 0


async def place(tx: Transaction, lock: bool = False) -> Place:
    """Return how far was counted; ``lock`` keeps others from counting until the end of the transaction."""
    query = sa.select(figures_place.c.history_id, figures_place.c.version)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return Place(row.history_id, row.version) if row else Place()


async def move(tx: Transaction, before: Place, history_id: int) -> bool:
    """Say that all is counted up to a row, if nobody counted since; return whether that is so."""
    insert = tx.dialect.insert(figures_place)
    row = insert.values(id=_ROW, history_id=history_id, version=before.version + 1)
    moved = row.on_conflict_do_update(
        index_elements=["id"],
        set_={"history_id": row.excluded.history_id, "version": row.excluded.version},
        where=figures_place.c.version == before.version,
    )
    return bool((await tx.execute(moved.returning(figures_place.c.id))).all())


async def last_id(tx: Transaction) -> int:
    """Return the last row of history, 0 where there is none."""
    return int((await tx.execute(sa.select(sa.func.max(_h.id)))).scalar() or 0)


async def next_id(tx: Transaction, after: int) -> int | None:
    """Return the first row of history behind one."""
    return (await tx.execute(sa.select(sa.func.min(_h.id)).where(_h.id > after))).scalar()


async def nth_counted(tx: Transaction, after: int, until: int, number: int) -> int | None:
    """Return which row is so many-th of those to count behind one and up to another; None where there are fewer."""
    query = sa.select(_h.id).where(_h.id > after, _h.id <= until, _COUNTED).order_by(_h.id)
    return (await tx.execute(query.offset(number - 1).limit(1))).scalar()


async def cases_between(tx: Transaction, after: int, until: int, firm_id: int | None = None) -> dict[int, list[int]]:
    """Return by firm the cases that have something to count behind one row of history and up to another."""
    found: dict[int, list[int]] = {}
    for row in await tx.execute(between(firm_id is not None), {"after": after, "until": until, "this_firm": firm_id}):
        found.setdefault(row.firm_id, []).append(row.case_id)
    return found


@cache
def between(of_firm: bool) -> sa.Select[Any]:
    """Return the query of ``cases_between``: it goes by the id, and passes over claims."""
    after, until = (sa.bindparam(name, type_=_h.id.type) for name in ("after", "until"))
    query = sa.select(_h.firm_id, _h.case_id).where(_h.id > after, _h.id <= until, _COUNTED).distinct()
    return query.where(_THIS_FIRM) if of_firm else query


async def cases_reported(tx: Transaction, firm_id: int, since: datetime, after: int, limit: int) -> list[int]:
    """Return the case of each report of a firm since then that is behind a row of history: the first of them."""
    behind = _h.firm_id == firm_id, REPORTED, _h.changed_at >= since, _h.id > after
    query = sa.select(_h.case_id).where(*behind).order_by(_h.changed_at, _h.id).limit(limit)
    return list((await tx.execute(query)).scalars())


async def history(tx: Transaction, firm_id: int, case_ids: Sequence[int], until: int) -> list[Entry]:
    """Return what counts in the history of these cases up to a row, case by case, each from its beginning.

    A row that makes no sense is passed over: it counts for nobody.
    """
    given = {"this_firm": firm_id, "these_cases": list(case_ids), "until": until}
    return (await tx.apart(histories(tx.dialect), given, _entry))[0]


@cache
def histories(dialect: Dialect) -> sa.Select[Any]:
    """Return the query of ``history``: it goes by the cases."""
    columns = _h.id, _h.case_id, _h.type, _h.status_id, _h.changed_at, _h.changed_by, _h.actor_kind, _h.actor_id
    up_to = _h.id <= sa.bindparam("until", type_=_h.id.type)
    these = _THIS_FIRM, dialect.among_given(_h.case_id, "these_cases"), _COUNTED, up_to
    return sa.select(*columns).where(*these).order_by(_h.case_id, _h.id)


def _entry(row: Any) -> Entry:
    by = actor_from(row.actor_kind, row.actor_id, row.changed_by)
    return Entry(row.id, row.case_id, StatusType(row.type), row.status_id, row.changed_at, by)


async def flags(tx: Transaction, firm_id: int) -> dict[int, frozenset[Flag]]:
    """Return what each of a firm's dispositions means."""
    kind, c = StatusType.DISPOSITION, statuses.c
    rows = await tx.execute(sa.select(c.id, c.name, c.flags).where(c.firm_id == firm_id, c.type == int(kind)))
    return {row.id: read_flags(kind, row.name, row.flags) for row in rows}


async def add(tx: Transaction, counts: Mapping[int, Counter[Figure]]) -> None:
    """Add figures, by firm; those of a firm that was deleted meanwhile are dropped."""
    there = sa.select(firms.c.id).where(tx.among(firms.c.id, sorted(counts))).order_by(firms.c.id)
    ids = (await tx.execute(there.with_for_update(read=True, key_share=True))).scalars().all()
    rows = [
        {"firm_id": firm_id, **figure._asdict(), "kind": int(figure.kind), "number": number}
        for firm_id in ids
        for figure, number in sorted(counts[firm_id].items())
    ]
    if not rows:
        return
    insert = tx.dialect.insert(figures)
    more = {"number": _f.number + insert.excluded.number}
    await tx.execute(insert.on_conflict_do_update(index_elements=list(figures.primary_key), set_=more), rows)


def sums(
    firm_id: int, kinds: Sequence[Kind], span: Span, by: Sequence[sa.ColumnElement[Any]], campaign_id: int | None
) -> sa.Select[Any]:
    """Return the query that adds up figures of a span by some columns: it goes by the key, from end to end of it."""
    query = sa.select(*by, sa.func.sum(_f.number).cast(sa.BigInteger).label("number")).where(
        _f.firm_id == firm_id,
        _f.kind.in_([int(kind) for kind in kinds]),
        _f.slot >= span.start,
        _f.slot < span.end,
    )
    chosen = query if campaign_id is None else query.where(_f.campaign_id == campaign_id)
    return chosen.group_by(*by).having(sa.func.sum(_f.number) != 0)


def _week(span: Span) -> sa.ColumnElement[int]:
    return ((_f.slot * 15 + (span.offset + 3 * 1440)) // (7 * 1440)).label("week")


def _hour(span: Span) -> sa.ColumnElement[int]:
    return (((_f.slot * 15 + (span.offset + 3 * 1440)) // 60) % HOURS_OF_WEEK).label("hour")


async def reports_kept(tx: Transaction, firm_id: int, span: Span) -> Counter[tuple[int, int]]:
    """Return how many reports of a span were counted, by campaign and disposition."""
    rows = await tx.execute(sums(firm_id, [Kind.REPORTS], span, (_f.campaign_id, _f.detail), None))
    return Counter({(row.campaign_id, row.detail): row.number for row in rows})


async def add_kept(tx: Transaction, firm_id: int, span: Span, campaign_id: int | None, tally: Tally) -> None:
    """Add to a tally what was counted of a span."""

    async def summed(kinds: Sequence[Kind], *by: sa.ColumnElement[Any]) -> Any:
        return await tx.execute(sums(firm_id, kinds, span, by, campaign_id))

    for row in await summed([Kind.REPORTS], _hour(span), _f.detail):
        tally.hours[row.hour, row.detail] += row.number
    for row in await summed([Kind.REPORTS], _week(span), _f.campaign_id, _f.detail, _f.vendor):
        tally.weeks[row.week, row.campaign_id, row.detail] += row.number
        tally.vendors[row.vendor, row.detail] += row.number
    for row in await summed([Kind.ENTERED, Kind.CALLED, Kind.REACHED], _f.kind, _week(span), _f.campaign_id):
        tally.stays[Kind(row.kind), row.week, row.campaign_id] += row.number
    for row in await summed([Kind.TRIES], _f.campaign_id, _f.detail):
        tally.tries[row.campaign_id, row.detail] += row.number
