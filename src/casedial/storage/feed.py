"""The rows that a feed tells of, source by source in the order of their one line; and what of it was purged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import (
    audit,
    do_not_call,
    fact_changes,
    feed_gone,
    notes,
    phone_changes,
    priority_changes,
    status_history,
)
from casedial.domain.feed import SOURCES, Place, Source
from casedial.domain.firms import Firm

TABLES: Mapping[Source, sa.Table] = {
    Source.HISTORY: status_history,
    Source.NOTES: notes,
    Source.PHONES: phone_changes,
    Source.PRIORITIES: priority_changes,
    Source.FACTS: fact_changes,
    Source.LISTINGS: do_not_call,
    Source.AUDIT: audit,
}
UNDONE = "import.undone.page"
TOLD_ACTIONS = ("case.delete", UNDONE, "do_not_call.remove")  # of the audit
_h, _gone = status_history.c, feed_gone.c


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A row of a source, and its place."""

    source: Source
    place: Place
    row: Any


def _rank(source: Source) -> int:
    return SOURCES.index(source) + 1


END = len(SOURCES)  # the rank behind all rows of a key


def key_of(dialect: Dialect, source: Source, id: int) -> int:
    """Return the key of a row in the line."""
    return id << dialect.history_shift if source is Source.HISTORY else id


def _behind(dialect: Dialect, source: Source, place: Place) -> int:
    """Return the last id of a source that is not behind a place."""
    key = place.key if _rank(source) <= place.rank else place.key - 1
    return key >> dialect.history_shift if source is Source.HISTORY else key


def _until(dialect: Dialect, source: Source, key: int) -> int:
    return key >> dialect.history_shift if source is Source.HISTORY else key


async def end_of_window(tx: Transaction, after: Place, until: int, rows: int) -> int:
    """Return a key up to which no source has more than so many rows behind a place, of whatever firm."""
    if not tx.dialect.history_shift and until - after.key < rows:
        return until  # keys are ids: there are no more
    found = await tx.execute(
        windows(),
        {"rows": rows} | {f"after_{source.name}": _behind(tx.dialect, source, after) for source in SOURCES},
    )
    full = [key_of(tx.dialect, Source(row.source), row.last) for row in found if row.number == rows]
    return min([until, *full])


@cache
def windows() -> sa.CompoundSelect[Any]:
    """Return the query of ``end_of_window``: of each source it reads as many entries of the key of ids."""
    looks = []
    for source, table in TABLES.items():
        after = sa.bindparam(f"after_{source.name}", type_=table.c.id.type)
        some = sa.select(table.c.id).where(table.c.id > after).order_by(table.c.id)
        ids = some.limit(sa.bindparam("rows", type_=sa.Integer)).subquery()
        looks.append(
            sa.select(
                sa.literal(source.value).label("source"),
                sa.func.max(ids.c.id).label("last"),
                sa.func.count().label("number"),
            )
        )
    return sa.union_all(*looks)


async def page(tx: Transaction, firm_id: int, after: Place, until: int, limit: int) -> tuple[list[FeedRow], Place]:
    """Return the first rows of a firm behind a place and up to a key, in order, and how far they are all there.

    Rows that cannot be read are left out.
    """
    found: list[FeedRow] = []
    end = Place(until, END)
    for source in SOURCES:
        low, high = _behind(tx.dialect, source, after), _until(tx.dialect, source, until)
        if low >= high:
            continue
        given = {"this_firm": firm_id, "after": low, "until": high, "most": limit}
        rows, unreadable = await tx.apart(between(source), given, lambda row: row)
        found += [FeedRow(source, _place(tx.dialect, source, row.id), row) for row in rows]
        if len(rows) + len(unreadable) == limit:
            last = max([*(row.id for row in rows), *unreadable])
            end = min(end, _place(tx.dialect, source, last))
    whole = sorted((one for one in found if one.place <= end), key=lambda one: one.place)
    if len(whole) > limit:
        end = whole[limit - 1].place
    return whole[:limit], end


def _place(dialect: Dialect, source: Source, id: int) -> Place:
    return Place(key_of(dialect, source, id), _rank(source))


@cache
def between(source: Source) -> sa.Select[Any]:
    """Return the query for a source's rows of a firm: it goes by the id, and passes over those of others."""
    c = TABLES[source].c
    after, until, firm = (sa.bindparam(name, type_=c.id.type) for name in ("after", "until", "this_firm"))
    query = TABLES[source].select().where(c.id > after, c.id <= until)
    if source is Source.AUDIT:
        query = query.where(c.firm_id == firm, c.action.in_(TOLD_ACTIONS))
    else:  # by no index of firms: that of their cases would have all rows of the firm read, and sorted
        query = query.where(c.firm_id + 0 == firm)
    return query.order_by(c.id).limit(sa.bindparam("most", type_=sa.Integer))


@dataclass(frozen=True, slots=True)
class Before:
    """What was before a row of history: the row of its type, if there was one; whether the case had any."""

    row: Any
    is_first: bool


async def before(tx: Transaction, firm: Firm, rows: Sequence[Any]) -> dict[int, Before]:
    """Return what was before rows of the history, by their ids.

    To find it the history of a case is gone back to the last row of the type: whoever reads all of the history passes
    each row at most once for each type.
    """
    if not rows:
        return {}
    found = (await tx.execute(_before().where(tx.among(_h.id, [row.id for row in rows])), {"this_firm": firm.id})).all()
    ids = [row.previous for row in found if row.previous is not None]
    c = _h
    query = sa.select(c.id, c.status_id, c.dial_at).where(tx.among(c.id, ids))
    previous = {row.id: row for row in await tx.execute(query)} if ids else {}
    firsts = [row.case_id for row in found if row.any_before is None]
    known = await _added_before(tx, firm.id, firsts)
    return {
        row.id: Before(previous.get(row.previous), row.any_before is None and row.case_id not in known) for row in found
    }


@cache
def _before() -> sa.Select[Any]:
    earlier = status_history.alias("earlier")
    e = earlier.c
    same_case = e.firm_id == sa.bindparam("this_firm", type_=_h.firm_id.type), e.case_id == _h.case_id, e.id < _h.id
    last = sa.select(e.id).where(*same_case).order_by(e.id.desc()).limit(1)
    any_before, previous = last, last.where(e.type == _h.type)
    columns = _h.id, _h.case_id
    return sa.select(
        *columns,
        previous.correlate(status_history).scalar_subquery().label("previous"),
        any_before.correlate(status_history).scalar_subquery().label("any_before"),
    )


async def _added_before(tx: Transaction, firm_id: int, case_ids: Sequence[int]) -> set[int]:
    """Return those of these cases that were added without a history."""
    if not case_ids:
        return set()
    c = fact_changes.c
    query = sa.select(c.case_id).where(c.firm_id == firm_id, tx.among(c.case_id, case_ids), c.before.is_(None))
    return set((await tx.execute(query)).scalars())


async def firms_between(tx: Transaction, after: int, until: int) -> set[int]:
    """Return the firms of which there is something behind one key and up to another."""
    found: set[int] = set()
    for source in SOURCES:
        low, high = _until(tx.dialect, source, after), _until(tx.dialect, source, until)
        if low < high:
            c = TABLES[source].c
            found.update((await tx.execute(sa.select(c.firm_id).where(c.id > low, c.id <= high).distinct())).scalars())
    return found


async def gone(tx: Transaction, firm_id: int) -> int:
    """Return up to which key something of a firm was purged."""
    return int((await tx.execute(sa.select(_gone.key).where(_gone.firm_id == firm_id))).scalar() or 0)


async def note_gone(tx: Transaction, firm_id: int, source: Source, ids: Iterable[int]) -> None:
    """Remember that rows of a firm were purged."""
    key = key_of(tx.dialect, source, max(ids))
    row = tx.dialect.insert(feed_gone).values(firm_id=firm_id, key=key)
    later = row.on_conflict_do_update(
        index_elements=["firm_id"], set_={"key": row.excluded.key}, where=_gone.key < row.excluded.key
    )
    await tx.execute(later)
