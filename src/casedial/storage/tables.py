"""Tables and indexes. A change here comes with a migration; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
)

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

firms = sa.Table(
    "firms",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
    Column("default_records", Integer, nullable=False),
    # Grows with every change of the firm or its statuses, so that a server's cached copy is known to be stale.
    Column("version", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("vendor", Text, nullable=False),
    Column("digest", sa.LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)

statuses = sa.Table(
    "statuses",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", SmallInteger),
    Column("retired", Boolean, nullable=False),
    sa.UniqueConstraint("firm_id", "type", "name_folded"),
    sa.UniqueConstraint("firm_id", "role"),
    CheckConstraint("role IS NULL OR (type = 1 AND NOT retired)", name="role_kept"),
)

cases = sa.Table(
    "cases",
    metadata,
    Column("firm_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("firms.id"), nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("case_status", Text, nullable=False),
    Column("case_group", Text, nullable=False),
    Column("case_group_folded", Text, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("closed_on", Date),
    Column("zip_code", Text, nullable=False),
    Column("plaintiff", Text, nullable=False),
    # [[name, number, primary, text], …] in the order of entry: read whole, with the case. What finds a case by
    # number is phone_numbers.
    Column("phones", sa.JSON, nullable=False),
    Column("dialer_status_id", BigInteger),
    Column("dialer_role", SmallInteger),  # of that status; here because a partial index needs a constant
    Column("dial_at", Instant),
    Column("campaign_id", BigInteger),
    Column("disposition_id", BigInteger),
    Column("attempts_id", BigInteger),
    Column("changed_at", Instant),
    sa.PrimaryKeyConstraint("firm_id", "case_id"),
    CheckConstraint("dialer_role <> 1 OR dial_at IS NOT NULL", name="to_dial_has_time"),
)

# Where to look for the next cases to dial, one index for each set of filters.
TO_DIAL = sa.text("dialer_role = 1")
for _name, _columns in {
    "ix_cases_due": (),
    "ix_cases_due_campaign": ("campaign_id",),
    "ix_cases_due_group": ("case_group_folded",),
    "ix_cases_due_campaign_group": ("campaign_id", "case_group_folded"),
}.items():
    Index(
        _name,
        *(cases.c[column] for column in ("firm_id", *_columns, "dial_at", "case_id")),
        postgresql_where=TO_DIAL,
        sqlite_where=TO_DIAL,
    )

phone_numbers = sa.Table(
    "phone_numbers",
    metadata,
    Column("firm_id", BigInteger, nullable=False),
    Column("number", Text, nullable=False),  # ten digits; a fax or a foreign number is not here
    Column("case_id", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "number", "case_id"),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"]),
    Index("ix_phone_numbers_case", "firm_id", "case_id"),
)

# Append-only: one row for each change; a status lasts until the next row of its type. Written only in the
# transaction that holds the case, so a foreign key would check on every claim what cannot be otherwise.
status_history = sa.Table(
    "status_history",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("status_id", BigInteger),
    Column("dial_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Index("ix_status_history_case", "firm_id", "case_id", "id"),
)

notes = sa.Table(
    "notes",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"]),
    Index("ix_notes_case", "firm_id", "case_id", "id"),
)
