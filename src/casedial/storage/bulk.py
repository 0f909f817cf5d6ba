"""Add many rows at once, the very same that a plain INSERT would.

In both databases SQLAlchemy spends more time on a row than the database does. Here a column is converted at once,
by SQLAlchemy's own processors, and handed to the driver. Gains are those of an import of 100,000 new cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from casedial.storage import postgresql, sqlite
from casedial.storage.engine import Transaction
from casedial.storage.sqlite import SqliteSession

Rows = Sequence[Sequence[Any]]

_FEW = 50  # rows for which the round trips of a COPY do not pay
_PARAMETERS = 30_000  # of one INSERT, of 32,766 that SQLite takes: others get to work meanwhile, and a tenth is saved


async def insert(tx: Transaction, table: sa.Table, columns: Sequence[str], rows: Rows) -> None:
    """Insert rows, each with a value for every one of ``columns``. Raises what ``Transaction.execute`` does."""
    if len(rows) < _FEW:
        if rows:
            await tx.execute(table.insert(), [dict(zip(columns, row, strict=True)) for row in rows])
        return
    ready = Ready(tx.connection.dialect, table, columns)
    ready.add(rows)
    await ready.send(tx)


class Ready:
    """Rows of one table as its database's driver takes them: made so part by part, sent at once."""

    def __init__(self, dialect: sa.Dialect, table: sa.Table, columns: Sequence[str]) -> None:
        self._table = table
        encoder = (sqlite if dialect.name == "sqlite" else postgresql).encoder
        self._columns = [(table.c[name], encoder(table.c[name].type, dialect)) for name in columns]
        self._rows: dict[tuple[str, ...], list[Sequence[Any]]] = {}  # by the columns that they have values for

    def add(self, rows: Rows) -> None:
        """Convert some rows.

        A column that is null in all of them is left out: SQLite spends as much on a null as on a value, and adds 45,000
        cases a second instead of 25,000 with the 12 of 22 columns that new ones have.
        """
        if not rows:
            return
        names, kept = [], []
        for (column, encode), values in zip(self._columns, zip(*rows, strict=True), strict=True):
            if column.nullable and column.server_default is None and not any(value is not None for value in values):
                continue
            names.append(column.name)
            kept.append([encode(value) for value in values] if encode else values)
        self._rows.setdefault(tuple(names), []).extend(zip(*kept, strict=True))

    async def send(self, tx: Transaction) -> None:
        """Insert what was added. Raises what ``Transaction.execute`` does."""
        for names, rows in self._rows.items():
            if isinstance(tx.session, SqliteSession):
                await _insert_values(tx.session, self._table, names, rows)
            elif tx.session:
                with tx.session.failing_alike():
                    await tx.session.driver.copy_records_to_table(self._table.name, records=rows, columns=names)


async def _insert_values(session: SqliteSession, table: sa.Table, names: Sequence[str], rows: Rows) -> None:
    """Insert many rows with each statement: while SQLite is at one, other threads of Python have time to work."""
    head = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608  # names of our own
    one = f"({', '.join('?' * len(names))})"
    at_once = _PARAMETERS // len(names)
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        await session.run(head + ", ".join([one] * len(part)), tuple(chain.from_iterable(part)))
