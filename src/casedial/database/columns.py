"""What all tables are made of: their collection, the types of their columns, and who did what a row tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Integer, SmallInteger

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC instant: ``timestamptz`` in PostgreSQL, sortable text in SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Bring an instant to UTC; SQLite's type drops the zone by itself."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give back an aware instant."""
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


# SQLite numbers rows by itself only in a column that is exactly INTEGER.
RowID = BigInteger().with_variant(Integer, "sqlite")


def actor_columns() -> tuple[Column[Any], Column[Any]]:
    """Who did what a row tells, beside the name in a column of its own; null: a casedial wrote it that knew none."""
    return Column("actor_kind", SmallInteger), Column("actor_id", Integer)
