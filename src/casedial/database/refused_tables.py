"""The tables of reports that were refused."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Date, Index, Text

from casedial.database.columns import Instant, RowID, metadata

# Reports that were refused, the last hundred of each firm: what a dialer's vendor has to mend.
refused_reports = sa.Table(
    "refused_reports",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("case_id", BigInteger),  # null: which case could not be read, or all of a request was refused
    Column("code", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),  # what was sent in that field, cut; never a phone
    Column("refused_at", Instant, nullable=False),
    Index("ix_refused_reports_firm", "firm_id", "id"),
)

# How many there were, by key and code, on a day in the firm's zone; kept for a month.
refused_days = sa.Table(
    "refused_days",
    metadata,
    Column("firm_id", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("reports", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "day", "key_id", "code"),
)
