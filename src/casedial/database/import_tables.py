"""The tables of imports that are jobs: what was sent, its rows, the cases that it added, and what columns mean."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Index, SmallInteger, Text

from casedial.database.columns import Instant, RowID, actor_columns, metadata

# An import that is done in steps and outlives who began it. Its header is kept.
import_jobs = sa.Table(
    "import_jobs",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("origin", Text, nullable=False),
    *actor_columns(),
    Column("file_name", Text, nullable=False),
    Column("form", Text, nullable=False),  # csv or jsonl
    Column("told", sa.JSON, nullable=False),  # what is unusual about the file
    Column("columns", sa.JSON, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("pieces", BigInteger, nullable=False),
    Column("plan", sa.JSON, nullable=False),  # how its rows are read
    Column("expected", sa.JSON, nullable=False),  # how many rows, by what the check said would become of them
    Column("counts", sa.JSON, nullable=False),  # and by what became of them
    Column(
        "undo_counts", sa.JSON, nullable=False
    ),  # how many of the cases that it added, by what its undo made of them
    Column("undone_by", sa.JSON(none_as_null=True)),  # [name, kind, id, origin] of who wanted that
    Column("begun_at", Instant),
    Column("finished_at", Instant),
    Column("undone_at", Instant),
    Column("last", BigInteger, nullable=False),  # the piece, or for an undo the CaseID, up to which the work is done
    Column("worker", sa.Uuid),  # who works on it, by the database's clock until:
    Column("worked_until", Instant),  # null: there is no work
    Column("keep_until", Instant),  # when its rows go; null: they have gone, or it is at work
    Index("ix_import_jobs_firm", "firm_id", "id"),
)

# The rows of a file as they were, some hundred in a piece; they go a day after the import.
import_pieces = sa.Table(
    "import_pieces",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # from 1
    Column("firm_id", BigInteger, nullable=False),
    Column("lines", Text, nullable=False),  # JSON: [[line, cells, fault], …]
    Column("faults", Text),  # JSON: [[index, column, reason], …]; null: none
    sa.PrimaryKeyConstraint("job_id", "number"),
)

# The cases that an import added, as it left them; they go with its rows.
import_cases = sa.Table(
    "import_cases",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("firm_id", BigInteger, nullable=False),
    Column("mark", Text, nullable=False),  # a hash of its facts
    Column("history_id", BigInteger),  # the last row of its history; null: it had none
    Column("undo_outcome", SmallInteger),
    sa.PrimaryKeyConstraint("job_id", "case_id"),
)

# What the columns of files meant, by the hash of their header: the next file of the kind is matched by it.
import_headers = sa.Table(
    "import_headers",
    metadata,
    Column("firm_id", BigInteger, nullable=False),
    Column("header", Text, nullable=False),
    Column("meanings", sa.JSON, nullable=False),
    Column("used_at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "header"),
)
