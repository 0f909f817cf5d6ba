"""Warnings of doctor that an administrator knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import acknowledgements


async def every(tx: Transaction) -> dict[str, tuple[date, str]]:
    """Return the marks of known warnings, each with its last day and the reason."""
    return {row.mark: (row.until, row.reason) for row in await tx.execute(sa.select(acknowledgements))}


async def put(tx: Transaction, marks: Iterable[str], until: date, reason: str) -> None:
    """Note warnings as known; what was said of them before counts no more. Those whose day has passed go."""
    named = sorted(marks)
    over = acknowledgements.c.until < sa.bindparam("today", (await tx.clock()).date(), sa.Date)
    await tx.execute(acknowledgements.delete().where(sa.or_(over, tx.among(acknowledgements.c.mark, named))))
    await tx.execute(acknowledgements.insert(), [{"mark": mark, "until": until, "reason": reason} for mark in named])
