"""Refused reports: the last of each firm, and how many a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.engine import Transaction
from casedial.database.tables import firms, keys, refused_days, refused_reports
from casedial.domain.refused import KEPT, KeptRefusal, Refusal, RefusedOnDay

_DAYS = timedelta(days=31)  # for which is kept how many there were

_COLUMNS = ("firm_id", "key_id", "case_id", "code", "field", "value", "refused_at")
_OF_FIRM = refused_reports.c.firm_id == sa.bindparam("of_firm")
_FIRST_TOO_MANY = (
    sa.select(refused_reports.c.id).where(_OF_FIRM).order_by(refused_reports.c.id.desc()).limit(1).offset(KEPT)
)
_TRIM = refused_reports.delete().where(_OF_FIRM, refused_reports.c.id <= _FIRST_TOO_MANY.scalar_subquery())


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused lately, of some firms: the last reports by firm, and how many by firm, key and code."""

    last: Mapping[int, Sequence[tuple[datetime, int, Refusal]]] = field(default_factory=dict)
    counts: Mapping[tuple[int, int, str], int] = field(default_factory=dict)


async def keep(tx: Transaction, refused: Refused, now: datetime) -> None:
    """Keep it, and forget what is too much by it: however many there are, no firm has more than ``KEPT`` afterwards.

    What is of a firm that was deleted meanwhile is dropped.
    """
    days = await _today(tx, {firm_id for firm_id, _, _ in refused.counts}, now)
    rows = [
        (firm_id, key_id, refusal.case_id, refusal.code, refusal.field, refusal.value, at)
        for firm_id, some in sorted(refused.last.items())
        for at, key_id, refusal in some
        if firm_id in days
    ]
    if not days:
        return
    await bulk.insert(tx, refused_reports, _COLUMNS, rows)
    insert = tx.dialect.insert(refused_days)
    more = {"reports": refused_days.c.reports + insert.excluded.reports}
    counted = [
        {"firm_id": firm_id, "day": days[firm_id], "key_id": key_id, "code": code, "reports": reports}
        for (firm_id, key_id, code), reports in sorted(refused.counts.items())  # two servers must not deadlock
        if firm_id in days
    ]
    await tx.execute(insert.on_conflict_do_update(index_elements=list(refused_days.primary_key), set_=more), counted)
    for firm_id, today in sorted(days.items()):
        await tx.execute(_TRIM, {"of_firm": firm_id})
        await _forget_days(tx, firm_id, today - _DAYS)


async def _today(tx: Transaction, firm_ids: set[int], now: datetime) -> dict[int, date]:
    """Return which day it is in these firms, kept from being deleted until the end of the transaction."""
    zones = sa.select(firms.c.id, firms.c.time_zone).where(tx.among(firms.c.id, sorted(firm_ids)))
    zones = zones.order_by(firms.c.id).with_for_update(read=True, key_share=True)
    return {row.id: now.astimezone(ZoneInfo(row.time_zone)).date() for row in await tx.execute(zones)}


async def _forget_days(tx: Transaction, firm_id: int, until: date) -> None:
    await tx.execute(refused_days.delete().where(refused_days.c.firm_id == firm_id, refused_days.c.day <= until))


async def last(tx: Transaction, firm_id: int) -> list[KeptRefusal]:
    """Return the last refused reports of a firm, the latest first."""
    query = (
        sa.select(refused_reports, keys.c.vendor)
        .join(keys, keys.c.id == refused_reports.c.key_id)
        .where(refused_reports.c.firm_id == firm_id)
        .order_by(refused_reports.c.id.desc())
        .limit(KEPT)
    )
    return [
        KeptRefusal(row.refused_at, row.key_id, row.vendor, Refusal(row.case_id, row.code, row.field, row.value))
        for row in await tx.execute(query)
    ]


async def firms_since(tx: Transaction, since: date) -> list[int]:
    """Return the ids of the firms of which reports were refused since a day."""
    query = sa.select(refused_days.c.firm_id).where(refused_days.c.day >= since).distinct()
    return sorted((await tx.execute(query)).scalars())


async def days(tx: Transaction, firm_id: int, since: date) -> list[RefusedOnDay]:
    """Return how many reports of a firm were refused by key, code and day, the latest day first."""
    query = (
        sa.select(refused_days, keys.c.vendor)
        .join(keys, keys.c.id == refused_days.c.key_id)
        .where(refused_days.c.firm_id == firm_id, refused_days.c.day >= since)
        .order_by(refused_days.c.day.desc(), refused_days.c.key_id, refused_days.c.code)
    )
    return [RefusedOnDay(row.key_id, row.vendor, row.code, row.day, row.reports) for row in await tx.execute(query)]


async def ids_until(tx: Transaction, firm_id: int, cutoff: datetime) -> list[int]:
    """Return the ids of a firm's refused reports that are as old as ``cutoff``."""
    query = sa.select(refused_reports.c.id).where(
        refused_reports.c.firm_id == firm_id, refused_reports.c.refused_at <= cutoff
    )
    return list((await tx.execute(query)).scalars())
